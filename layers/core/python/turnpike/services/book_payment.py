"""Write into the ledger what became of payments: once for each fact, however often and in whatever order it is told.

    the payment          top_up  stripe:<payment>
    a refund             refund  stripe:<refund>                and back, where it failed: stripe:<refund>:returned
    a dispute            refund  stripe:<balance transaction>   each time that money was taken or given back

The references are of the objects that stand for the facts: one fact may come in several events, and one event again.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from turnpike.domain.auto_top_up import failed, succeeded, turn_off_for
from turnpike.domain.money import NanoUsd
from turnpike.domain.payments import DisputeChanged, Payment, RefundChanged, SavedPaymentMethod
from turnpike.ports.ledger import Ledger
from turnpike.ports.payments import AutoTopUps
from turnpike.services.change_auto_top_up import change_auto_top_up

Note = Callable[[Payment, NanoUsd], None]
"""Told of what was booked, once for each: above zero what was bought, below zero what was taken back."""


@dataclass(frozen=True, slots=True)
class BookPayment:
    """Each method raises ReferenceReused, where an amount is not what it was, and TemporarilyBusy.

    What was taken back may leave the account owing: the money is gone, whatever was done with the credit.
    """

    ledger: Ledger
    auto_top_ups: AutoTopUps
    note: Note = lambda payment, amount: None
    now: Callable[[], float] = time.time

    def outcome(self, payment: Payment) -> None:
        """What the payment has come to, as far as it has."""
        if payment.state == "paid":
            self._paid(payment)
        elif payment.state == "failed" and payment.attempt_id is not None:
            attempt_id, now_s = payment.attempt_id, int(self.now())
            change_auto_top_up(
                self.auto_top_ups, payment.account_id, lambda state: failed(state, attempt_id, payment.failure, now_s)
            )

    def refund(self, payment: Payment, refund: RefundChanged) -> None:
        taken = payment.credit_for(-refund.cents)
        self._correct(payment, taken, refund.refund_id)
        if refund.has_failed:
            # Taken first, wherever the event that told of that is: then both have happened, and make nothing together.
            self._correct(payment, NanoUsd(-taken), f"{refund.refund_id}:returned")
        else:
            reason = f"a payment was refunded ({refund.refund_id}); turn it on again to go on"
            self._turn_off(payment, reason, refund.created_at_s)

    def dispute(self, payment: Payment, dispute: DisputeChanged) -> None:
        reason = f"a payment was disputed ({dispute.dispute_id}); turn it on again to go on"
        for movement in dispute.movements:
            self._correct(payment, payment.credit_for(movement.cents), movement.id)
            if movement.cents < 0:
                self._turn_off(payment, reason, movement.created_at_s)

    def _paid(self, payment: Payment) -> None:
        created = self.ledger.top_up(
            payment.account_id, payment.credit, reference=f"stripe:{payment.id}", now_s=int(self.now())
        )
        if created:
            self.note(payment, payment.credit)
        if payment.saves is not None:
            saved = SavedPaymentMethod(payment.account_id, payment.saves, payment.created_at_s)
            self.auto_top_ups.save_method(saved)
        if payment.attempt_id is not None:
            # After the credit is there: what looks whether it is low must not find it so once more.
            attempt_id = payment.attempt_id
            change_auto_top_up(self.auto_top_ups, payment.account_id, lambda state: succeeded(state, attempt_id))

    def _correct(self, payment: Payment, amount: NanoUsd, name: str) -> None:
        if not amount:
            return
        created = self.ledger.adjust(
            payment.account_id,
            "refund",
            amount,
            reference=f"stripe:{name}",
            now_s=int(self.now()),
            may_overdraw=True,
        )
        if created:
            self.note(payment, amount)

    def _turn_off(self, payment: Payment, reason: str, at_s: int) -> None:
        """What was just given back would otherwise be charged again, as soon as the credit is found to be low."""
        change_auto_top_up(self.auto_top_ups, payment.account_id, lambda state: turn_off_for(state, reason, at_s))
