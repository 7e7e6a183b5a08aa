"""Automatic top-ups: when an account's credit runs low, its saved payment method is charged.

    off <──put, delete──> on ──begin──> pending ──succeeded──> on
                                                ──failed─────> on, after a pause; off after `MOST_FAILURES`
                                                               or when another try is useless

One charge at most is pending, and it is written down before the payment provider is asked: whoever finds one asks
under the same key again, and the provider answers with what it did the first time.
"""

import secrets
from dataclasses import dataclass, replace

from turnpike.domain.ids import AccountId
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.domain.payments import Failure, PaymentMethod, Price
from turnpike.domain.periods import day_of

MOST_FAILURES = 3
"""In a row, after which nothing is tried any more until the account turns it on again."""

_PAUSE_S = 3600
"""After a failure, times the number of failures."""

_FIRST_LOOK_S = 120
"""After a charge is begun, until somebody else than who began it may take it up: longer than the provider's client
tries, so that nobody does while it is still at it."""

_NEXT_LOOK_S = 3600
"""Until a charge that takes a bank's time is looked at again. The webhook tells sooner; this is for when it is lost."""

_KEY_LIVES_S = 20 * 3600
"""How long the provider surely knows a key. Stripe keeps it for at least 24 hours
(https://docs.stripe.com/api/idempotent_requests)."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One charge. Its id is the key under which the payment provider is asked, however often."""

    id: str
    price: Price
    method: PaymentMethod
    begun_at_s: int
    look_at_s: int
    """Not looked at before; times are epoch seconds."""
    payment_id: str | None = None
    """Once the provider has answered."""

    def is_lost(self, now_s: int) -> bool:
        """Whether asking again could charge twice: the provider may have forgotten the key."""
        return self.payment_id is None and now_s >= self.begun_at_s + _KEY_LIVES_S


@dataclass(frozen=True, slots=True)
class AutoTopUp:
    account_id: AccountId
    is_on: bool
    on_since_s: int
    threshold: NanoUsd
    amount_cents: int
    reason: str = ""
    """Why it is off, or why the last charge failed."""
    failures: int = 0
    not_before_s: int = 0
    day: str = ""
    charged_on_day: NanoUsd = ZERO
    """Credit bought on `day` (UTC), pending or paid."""
    pending: Attempt | None = None
    version: int = 0
    """Counts the writes; a state replaces the one whose version it has."""

    def may_begin(self, now_s: int, *, daily_limit: NanoUsd, credit: NanoUsd) -> bool:
        """Whether `credit` may be bought now, if the account has less than its threshold."""
        if not self.is_on or self.pending is not None or now_s < self.not_before_s:
            return False
        return self.charged_on(day_of(now_s)) + credit <= daily_limit

    def charged_on(self, day: str) -> NanoUsd:
        return self.charged_on_day if self.day == day else ZERO


def configure(
    account_id: AccountId, earlier: AutoTopUp | None, *, threshold: NanoUsd, amount_cents: int, now_s: int
) -> AutoTopUp:
    """Turn it on. What is pending and what was charged today stay as they are; failures are forgiven."""
    if earlier is None:
        return AutoTopUp(account_id, True, now_s, threshold, amount_cents)
    return replace(
        earlier,
        is_on=True,
        on_since_s=now_s,
        threshold=threshold,
        amount_cents=amount_cents,
        reason="",
        failures=0,
        not_before_s=0,
    )


def new_attempt(price: Price, method: PaymentMethod, now_s: int) -> Attempt:
    return Attempt(f"topup-{now_s}-{secrets.token_hex(10)}", price, method, now_s, now_s + _FIRST_LOOK_S)


def begin(state: AutoTopUp, attempt: Attempt) -> AutoTopUp:
    day = day_of(attempt.begun_at_s)
    charged = NanoUsd(state.charged_on(day) + attempt.price.credit)
    return replace(state, pending=attempt, day=day, charged_on_day=charged)


def await_bank(state: AutoTopUp, attempt_id: str, payment_id: str, now_s: int) -> AutoTopUp:
    if state.pending is None or state.pending.id != attempt_id:
        return state
    return replace(state, pending=replace(state.pending, payment_id=payment_id, look_at_s=now_s + _NEXT_LOOK_S))


def succeeded(state: AutoTopUp, attempt_id: str) -> AutoTopUp:
    if state.pending is None or state.pending.id != attempt_id:
        return state
    return replace(state, pending=None, failures=0, not_before_s=0, reason="" if state.is_on else state.reason)


def failed(state: AutoTopUp, attempt_id: str, failure: Failure, now_s: int) -> AutoTopUp:
    """Counts a failure once, whoever tells of it first; nothing was charged."""
    pending = state.pending
    if pending is None or pending.id != attempt_id:
        return state
    failures = state.failures + 1
    refunded = state.day == day_of(pending.begun_at_s)
    return replace(
        state,
        pending=None,
        failures=failures,
        is_on=state.is_on and not failure.is_final and failures < MOST_FAILURES,
        # Where it was turned off meanwhile, the reason for that stands.
        reason=failure.reason if state.is_on else state.reason,
        not_before_s=now_s + failures * _PAUSE_S,
        charged_on_day=NanoUsd(state.charged_on_day - pending.price.credit) if refunded else state.charged_on_day,
    )


def lose(state: AutoTopUp, attempt_id: str) -> AutoTopUp:
    """Nobody can say any more whether it was charged. Its webhook still credits it, should it have been."""
    if state.pending is None or state.pending.id != attempt_id:
        return state
    reason = f"it is not known what became of a charge ({attempt_id}); turn it on again to go on"
    return replace(state, pending=None, is_on=False, reason=reason if state.is_on else state.reason)


def turn_off(state: AutoTopUp, reason: str) -> AutoTopUp:
    """What is pending stays so until it is known what became of it."""
    return replace(state, is_on=False, reason=reason) if state.is_on else state


def turn_off_for(state: AutoTopUp, reason: str, at_s: int) -> AutoTopUp:
    """For something that happened then; who has turned it on since has done so knowing of it."""
    return turn_off(state, reason) if at_s >= state.on_since_s else state
