"""Charge the accounts that run low and asked for it, and find out what became of charges that are still open."""

from collections.abc import Callable
from dataclasses import dataclass

from turnpike.domain.auto_top_up import (
    Attempt,
    AutoTopUp,
    await_bank,
    begin,
    lose,
    new_attempt,
    turn_off,
)
from turnpike.domain.errors import Conflict
from turnpike.domain.ids import AccountId
from turnpike.domain.payments import Payment, Terms
from turnpike.ports.ledger import Ledger
from turnpike.ports.payments import AutoTopUps, PaymentGateway
from turnpike.services.book_payment import BookPayment
from turnpike.services.change_auto_top_up import change_auto_top_up


@dataclass(frozen=True, slots=True)
class RunAutoTopUps:
    """Several may run at once: the store lets one of them begin a charge, and the provider makes it once per attempt.

    `on_failure` is told of accounts that could not be dealt with this time; the others are, all the same.
    """

    gateway: PaymentGateway
    store: AutoTopUps
    ledger: Ledger
    book: BookPayment
    terms: Terms
    on_failure: Callable[[AccountId, Exception], None]

    def __call__(self, now_s: int, *, time_left: Callable[[], bool] = lambda: True) -> int:
        """The number of charges begun; stops early, to go on at the next run, when time is up."""
        begun = 0
        for state in self.store.list_all():
            if not time_left():
                break
            try:
                if state.pending is not None:
                    self._look(state, state.pending, now_s)
                    continue
                attempt = self._begin(state, now_s)
                if attempt is not None:
                    begun += 1
                    self._charge(state.account_id, attempt, now_s)
            except Conflict:
                continue  # Somebody else is about it.
            except Exception as error:
                self.on_failure(state.account_id, error)
        return begun

    def _begin(self, state: AutoTopUp, now_s: int) -> Attempt | None:
        """Write down that it is charged, if it is to be. Raises Conflict when somebody else was faster."""
        price = self.terms.price_of(state.amount_cents)
        if not state.may_begin(now_s, daily_limit=self.terms.automatic_daily, credit=price.credit):
            return None
        # Read after the state: if a charge has ended in between, the state is another one, and this one loses.
        if self.ledger.get_balance(state.account_id).available >= state.threshold:
            return None
        saved = self.store.find_method(state.account_id)
        if saved is None or saved.method is None:
            self.store.put(turn_off(state, "no payment method is saved"))
            return None
        attempt = new_attempt(price, saved.method, now_s)
        self.store.put(begin(state, attempt))
        return attempt

    def _look(self, state: AutoTopUp, attempt: Attempt, now_s: int) -> None:
        if now_s < attempt.look_at_s:
            return
        if attempt.payment_id is not None:
            payment = self.gateway.find_payment(attempt.payment_id)
            if payment is not None:
                return self._settle(payment, attempt, now_s)
        if attempt.payment_id is not None or attempt.is_lost(now_s):
            change_auto_top_up(self.store, state.account_id, lambda found: lose(found, attempt.id))
        else:
            # Whoever began it has not come back with an answer: the same question has the same answer.
            self._charge(state.account_id, attempt, now_s)

    def _charge(self, account_id: AccountId, attempt: Attempt, now_s: int) -> None:
        self._settle(self.gateway.charge(account_id, attempt), attempt, now_s)

    def _settle(self, payment: Payment, attempt: Attempt, now_s: int) -> None:
        if payment.state in ("paid", "failed"):
            self.book.outcome(payment)
            return
        change_auto_top_up(
            self.store, payment.account_id, lambda found: await_bank(found, attempt.id, payment.id, now_s)
        )
