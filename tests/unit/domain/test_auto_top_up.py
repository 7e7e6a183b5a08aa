"""What may follow what in an automatic top-up; the charges themselves are in tests/integration/test_auto_top_up.py."""

from dataclasses import replace

import pytest

from turnpike.domain.auto_top_up import (
    AutoTopUp,
    await_bank,
    begin,
    configure,
    failed,
    lose,
    new_attempt,
    succeeded,
    turn_off,
    turn_off_for,
)
from turnpike.domain.ids import AccountId
from turnpike.domain.money import parse_usd
from turnpike.domain.payments import Failure, PaymentMethod, Price

NOON = 1_795_521_600
DAY = "2026-11-24"
ME = AccountId("acct-1")
CARD = PaymentMethod("cus_1", "pm_1", "card", "visa 4242")
TWENTY = Price(2_000, 110)
ON = configure(ME, None, threshold=parse_usd("5"), amount_cents=2_000, now_s=NOON)
ATTEMPT = new_attempt(TWENTY, CARD, NOON)
PENDING = begin(ON, ATTEMPT)
DECLINED = Failure("Your card was declined.")


def may(state: AutoTopUp, now_s: int = NOON, daily_usd: str = "100") -> bool:
    return state.may_begin(now_s, daily_limit=parse_usd(daily_usd), credit=TWENTY.credit)


def test_one_charge_at_a_time() -> None:
    assert may(ON)
    assert not may(PENDING)
    assert PENDING.charged_on(DAY) == parse_usd("20")
    assert may(succeeded(PENDING, ATTEMPT.id))


def test_the_days_limit_counts_credit_by_utc_day() -> None:
    assert may(ON, daily_usd="20")
    assert not may(ON, daily_usd="19.99")
    once = succeeded(PENDING, ATTEMPT.id)
    assert (may(once, daily_usd="40"), may(once, daily_usd="39")) == (True, False)
    assert may(once, NOON + 43_200, daily_usd="20")


def test_what_failed_was_not_charged() -> None:
    assert failed(PENDING, ATTEMPT.id, DECLINED, NOON).charged_on(DAY) == 0
    # It was begun yesterday, and today's charges are others.
    today = replace(PENDING, day="2026-11-25", charged_on_day=parse_usd("40"))
    assert failed(today, ATTEMPT.id, DECLINED, NOON + 86_400).charged_on_day == parse_usd("40")


@pytest.mark.parametrize(
    "told",
    [
        lambda state, attempt_id: succeeded(state, attempt_id),
        lambda state, attempt_id: failed(state, attempt_id, DECLINED, NOON),
        lambda state, attempt_id: lose(state, attempt_id),
        lambda state, attempt_id: await_bank(state, attempt_id, "pi_1", NOON),
    ],
)
def test_what_is_told_of_another_charge_changes_nothing(told: object) -> None:
    assert callable(told)
    assert told(PENDING, "topup-0-other") == PENDING
    assert told(ON, ATTEMPT.id) == ON


def test_an_attempt_is_lost_only_while_nothing_is_known_of_it() -> None:
    assert not ATTEMPT.is_lost(NOON + 19 * 3600)
    assert ATTEMPT.is_lost(NOON + 20 * 3600)
    known = await_bank(PENDING, ATTEMPT.id, "pi_1", NOON).pending
    assert known is not None
    assert not known.is_lost(NOON + 100 * 3600)


def test_turning_it_on_again_keeps_what_is_pending_and_what_was_charged() -> None:
    off = turn_off(failed(PENDING, ATTEMPT.id, DECLINED, NOON), "it was turned off")
    again = begin(replace(off, is_on=True), ATTEMPT)
    on = configure(ME, again, threshold=parse_usd("1"), amount_cents=500, now_s=NOON + 9)
    assert (on.pending, on.charged_on(DAY)) == (ATTEMPT, parse_usd("20"))
    assert (on.failures, on.not_before_s, on.reason, on.on_since_s) == (0, 0, "", NOON + 9)


def test_the_reason_for_turning_it_off_stands_whatever_becomes_of_the_charge() -> None:
    off = turn_off(PENDING, "it was turned off")
    for after in (
        succeeded(off, ATTEMPT.id),
        failed(off, ATTEMPT.id, DECLINED, NOON),
        lose(off, ATTEMPT.id),
        turn_off(off, "once more"),
    ):
        assert (after.is_on, after.reason) == (False, "it was turned off")


def test_what_happened_before_it_was_turned_on_leaves_it_on() -> None:
    assert turn_off_for(ON, "refunded", NOON - 1) == ON
    assert turn_off_for(ON, "refunded", NOON) == replace(ON, is_on=False, reason="refunded")


def test_attempts_have_keys_of_their_own() -> None:
    assert len({new_attempt(TWENTY, CARD, NOON).id for _ in range(100)}) == 100
