"""The ledger's arithmetic: every movement is entries, and a balance is their sum."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.errors import HoldMismatch, HoldNotFound, HoldResolved
from turnpike.domain.ids import AccountId, GenerationId, KeyHash
from turnpike.domain.ledger import (
    Balance,
    Hold,
    KeyLimit,
    LedgerEntry,
    balance_of,
    capture,
    check_extended,
    check_pending,
    check_repeated,
    expire,
    extend_entry,
    hold_entry,
    top_up_entry,
    void,
)
from turnpike.domain.money import ZERO, NanoUsd

ACCOUNT = AccountId("acct-1")
HOLD = Hold(GenerationId("gen-1"), ACCOUNT, KeyHash("k"), NanoUsd(100), created_at_s=1_000, expires_at_s=1_060)
amounts = st.integers(0, 10**15).map(NanoUsd)


def entry(entry_id: str, kind: str, available: int, held: int, at: int = 1_010) -> LedgerEntry:
    return LedgerEntry(
        f"gen-1#{entry_id}",
        ACCOUNT,
        kind,  # type: ignore[arg-type]
        NanoUsd(available),
        NanoUsd(held),
        "gen-1",
        at,
    )


def test_a_hold_moves_credit_and_adds_none() -> None:
    assert hold_entry(HOLD) == entry("hold", "hold", -100, 100, at=1_000)
    assert balance_of([hold_entry(HOLD)]) == Balance(NanoUsd(-100), NanoUsd(100))


def test_each_extension_has_an_id_of_its_own() -> None:
    once = extend_entry(HOLD, NanoUsd(50), 1_010)
    twice = extend_entry(replace(HOLD, amount=NanoUsd(150)), NanoUsd(50), 1_010)
    assert once == entry("hold#100", "hold", -50, 50)
    assert len({hold_entry(HOLD).entry_id, once.entry_id, twice.entry_id}) == 3


def test_a_top_up_adds_credit() -> None:
    added = top_up_entry(ACCOUNT, NanoUsd(500), reference="evt_1", now_s=1_000)
    assert (added.entry_id, added.reference) == ("top_up#evt_1", "evt_1")
    assert balance_of([added]) == Balance(NanoUsd(500), ZERO, NanoUsd(500), ZERO)


@pytest.mark.parametrize(
    ("cost", "available", "charged", "absorbed", "entries"),
    [
        (0, 0, 0, 0, [entry("capture", "capture", 100, -100)]),
        (40, 0, 40, 0, [entry("capture", "capture", 60, -100)]),
        (100, 0, 100, 0, [entry("capture", "capture", 0, -100)]),
        (130, 50, 130, 0, [entry("capture", "capture", 0, -100), entry("overage", "overage", -30, 0)]),
        (130, 20, 120, 10, [entry("capture", "capture", 0, -100), entry("overage", "overage", -20, 0)]),
        (130, 0, 100, 30, [entry("capture", "capture", 0, -100)]),
        (130, -5, 100, 30, [entry("capture", "capture", 0, -100)]),
    ],
)
def test_a_capture_charges_the_hold_then_what_is_left_then_nobody(
    cost: int, available: int, charged: int, absorbed: int, entries: list[LedgerEntry]
) -> None:
    resolution = capture(HOLD, NanoUsd(cost), available=NanoUsd(available), now_s=1_010)
    assert (resolution.state, resolution.charged, resolution.absorbed) == ("captured", charged, absorbed)
    assert list(resolution.entries) == entries


@given(amounts, amounts, amounts)
def test_a_capture_never_takes_more_than_there_is(held: NanoUsd, cost: NanoUsd, available: NanoUsd) -> None:
    resolution = capture(replace(HOLD, amount=held), cost, available=available, now_s=1_010)
    change = balance_of(resolution.entries)
    assert change.held == -held
    assert available + change.available >= 0
    assert change.available + change.held == -resolution.charged
    assert change.usage_total == resolution.charged
    assert resolution.charged + resolution.absorbed == cost
    assert resolution.absorbed == 0 or available + change.available == 0


def test_a_negative_cost_is_a_bug() -> None:
    with pytest.raises(ValueError, match="negative"):
        capture(HOLD, NanoUsd(-1), available=ZERO, now_s=1_010)


def test_a_void_returns_all_of_it() -> None:
    resolution = void(HOLD, 1_010)
    assert (resolution.state, resolution.charged, resolution.absorbed) == ("voided", 0, 0)
    assert resolution.entries == (entry("void", "void", 100, -100),)


def test_a_hold_expires_when_its_time_is_up_and_not_before() -> None:
    with pytest.raises(HoldMismatch, match="1 s left"):
        expire(HOLD, 1_059)
    resolution = expire(HOLD, 1_060)
    assert (resolution.state, resolution.charged, resolution.absorbed) == ("expired", 0, 0)
    assert resolution.entries == (entry("expire", "expire", 100, -100, at=1_060),)


def test_a_balance_tells_credit_from_usage() -> None:
    history = [
        top_up_entry(ACCOUNT, NanoUsd(1000), reference="evt_1", now_s=0),
        LedgerEntry("refund#1", ACCOUNT, "refund", NanoUsd(70), ZERO, "1", 0),
        LedgerEntry("adjustment#1", ACCOUNT, "adjustment", NanoUsd(-20), ZERO, "1", 0),
        hold_entry(HOLD),
        *capture(HOLD, NanoUsd(130), available=NanoUsd(950), now_s=1_010).entries,
        hold_entry(replace(HOLD, hold_id=GenerationId("gen-2"))),
    ]
    assert balance_of(history) == Balance(NanoUsd(820), NanoUsd(100), NanoUsd(1050), NanoUsd(130))


def test_the_same_hold_may_come_again() -> None:
    check_repeated(HOLD, HOLD)
    check_repeated(replace(HOLD, created_at_s=1_001, expires_at_s=1_061), HOLD)


def test_another_hold_may_not_take_its_id() -> None:
    others = [
        replace(HOLD, amount=NanoUsd(99)),
        replace(HOLD, key_hash=KeyHash("other")),
        replace(HOLD, key_limit=KeyLimit(NanoUsd(5))),
    ]
    for other in others:
        with pytest.raises(HoldMismatch):
            check_repeated(other, HOLD)
    with pytest.raises(HoldResolved):
        check_repeated(HOLD, replace(HOLD, state="voided"))


def test_only_the_same_extension_may_come_again() -> None:
    by = NanoUsd(50)
    standing = extend_entry(HOLD, by, 1_010)
    extended = replace(HOLD, amount=NanoUsd(150))
    check_extended(extended, by, now=extended, entry=standing)
    with pytest.raises(HoldNotFound):
        check_extended(extended, by, now=None, entry=None)
    with pytest.raises(HoldResolved):
        check_extended(extended, by, now=replace(extended, state="captured"), entry=standing)
    smaller = extend_entry(HOLD, NanoUsd(20), 1_010)
    for now, found in [
        (HOLD, None),
        (extended, None),
        (extended, smaller),
        (replace(HOLD, amount=NanoUsd(9)), standing),
    ]:
        with pytest.raises(HoldMismatch):
            check_extended(extended, by, now=now, entry=found)


def test_only_a_pending_hold_can_be_resolved() -> None:
    assert check_pending(HOLD, HOLD.hold_id) is HOLD
    with pytest.raises(HoldNotFound):
        check_pending(None, HOLD.hold_id)
    with pytest.raises(HoldResolved) as refused:
        check_pending(replace(HOLD, state="expired"), HOLD.hold_id)
    assert refused.value.state == "expired"
