"""An audit finds each thing that can be wrong, names it rightly, and finds nothing besides."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, get_args

import pytest

from turnpike.domain import ledger
from turnpike.domain.audit import MEANINGS, Code, Finding, GenerationRecord, Trail
from turnpike.domain.ids import AccountId, LeaseId
from turnpike.domain.ledger import Balance, Hold, LedgerEntry, balance_of
from turnpike.services.audit_account import AccountAudit, AuditAccount
from turnpike.services.audit_ledger import LedgerAudit
from turnpike.services.audit_state import dump_audit

from tests.contracts.audit_history import finished
from tests.contracts.audited import CLOSED, FREE_KEY, KEY, LEASE, WINDOW, id_of, live
from tests.contracts.ledger import DAY, NOW, nano
from tests.fake_audit import Books, BooksReads
from tests.fakes import InMemoryLedger

ACCOUNT = AccountId("acct-1")
TODAY, TOMORROW = "2026-11-23", "2026-11-24"


@pytest.fixture
def books() -> Books:
    made = InMemoryLedger()
    live(made, ACCOUNT)
    return Books.of(made, ACCOUNT)


def audited(books: Books, *, now_s: int = NOW, **how: Any) -> AccountAudit:
    return finished(AuditAccount(BooksReads(books), now=lambda: now_s, pause=lambda _: None, **how), ACCOUNT)


def found(books: Books, **how: Any) -> list[Finding]:
    audit = audited(books, **how)
    assert (audit.is_clear, audit.more) == (True, 0)
    return sorted(audit.findings, key=lambda finding: (finding.code, finding.subject))


def finding(code: Code, subject: str, says: int, should: int = 0) -> Finding:
    return Finding(code, ACCOUNT, subject, says, should)


def test_the_books_are_what_the_falsifications_start_from(books: Books) -> None:
    assert books.balance == Balance(nano(100_000 + 500 - 300 + 700 - 1460 - 900), nano(900), nano(100_900), nano(1460))
    assert {hold.state for hold in books.holds.values()} == {"pending", "captured", "voided", "expired"}
    assert {entry.kind for entry in books.entries.values()} >= {"hold", "capture", "void", "overage", "refund"}
    assert len(books.used) == 2


def test_nothing_is_found_where_nothing_is_wrong(books: Books) -> None:
    assert found(books) == []
    # A limit that also counts what was spent before it was set needs a closer look.
    assert audited(books).readings == 2
    _drop("used", (FREE_KEY, WINDOW))(books)
    audit = audited(books)
    assert (audit.findings, audit.readings, audit.entries) == ([], 1, len(books.entries))


# What can be falsified: what is done to the books, and what is found.


def _amend(at: str, entry_id: str, **changes: Any) -> Callable[[Books], None]:
    def change(books: Books) -> None:
        made = getattr(books, at)
        made[entry_id] = replace(made[entry_id], **changes)

    return change


def _drop(at: str, name: Any) -> Callable[[Books], None]:
    return lambda books: getattr(books, at).pop(name)


def _balance(**by: int) -> Callable[[Books], None]:
    def change(books: Books) -> None:
        books.balance = replace(books.balance, **{part: getattr(books.balance, part) + add for part, add in by.items()})

    return change


def _append(entry_id: str, kind: str, available: int, held: int, reference: str) -> Callable[[Books], None]:
    """As whoever appends an entry changes the balance."""

    def change(books: Books) -> None:
        entry = LedgerEntry(entry_id, ACCOUNT, kind, nano(available), nano(held), reference, NOW)  # type: ignore[arg-type]
        books.entries[entry_id] = entry
        by = balance_of([entry])
        parts = ("available", "held", "credits_total", "usage_total")
        _balance(**{part: getattr(by, part) for part in parts})(books)

    return change


def _hold(amount: int) -> Callable[[Books], None]:
    def change(books: Books) -> None:
        made = Hold(id_of("large"), ACCOUNT, FREE_KEY, nano(amount), NOW, NOW + 60)
        books.holds[made.hold_id] = made
        _append(f"{made.hold_id}#hold", "hold", -amount, amount, made.hold_id)(books)

    return change


def _all(*changes: Callable[[Books], None]) -> Callable[[Books], None]:
    def change(books: Books) -> None:
        for each in changes:
            each(books)

    return change


def _spent(key: str, day: str, by: int) -> Callable[[Books], None]:
    def change(books: Books) -> None:
        days = books.spent.setdefault(key, {})  # type: ignore[arg-type]
        days[day] = days.get(day, 0) + by

    return change


def _used(key: str, window: str, by: int) -> Callable[[Books], None]:
    def change(books: Books) -> None:
        books.used[key, window] = books.used.get((key, window), 0) + by  # type: ignore[index,call-overload]

    return change


CAPTURED, VOIDED, PENDING, FREE, EXPIRED, PART = map(
    id_of, ("captured", "voided", "pending", "free", "expired", "part-1")
)
GHOST, NO_LEASE = id_of("ghost"), LeaseId("lease-1795428000-none")

FALSIFIED: dict[str, tuple[Callable[[Books], None], list[Finding]]] = {
    "more available": (_balance(available=5), [finding("balance_differs", "available", 98_545, 98_540)]),
    "more credit": (_balance(credits_total=1), [finding("balance_differs", "credits_total", 100_901, 100_900)]),
    "less usage": (_balance(usage_total=-1), [finding("balance_differs", "usage_total", 1459, 1460)]),
    "more held": (
        _balance(held=7),
        [finding("balance_differs", "held", 907, 900), finding("held_differs", "held", 907, 900)],
    ),
    "a larger hold": (
        _amend("holds", PENDING, amount=nano(310)),
        [finding("held_differs", "held", 900, 910), finding("hold_amount_differs", PENDING, 310, 300)],
    ),
    "a larger hold that is over": (
        _amend("holds", VOIDED, amount=nano(90)),
        [finding("hold_amount_differs", VOIDED, 90, 80), finding("hold_amount_differs", f"{VOIDED}#void", 80, 90)],
    ),
    "more held than there was": (_hold(99_000), [finding("overdrawn", "available", -460, -300)]),
    "a payment taken back": (_append("refund#dispute", "refund", -99_000, 0, "dispute"), []),
    "more taken than there was": (_append("adjustment#debt", "adjustment", -99_000, 0, "debt"), []),
    "an end without an entry": (_drop("entries", f"{FREE}#capture"), [finding("hold_without_entry", FREE, 0)]),
    "an end of another kind": (_amend("holds", FREE, state="expired"), [finding("hold_without_entry", FREE, 0)]),
    "an end that holds nothing any more": (
        _amend("holds", PENDING, state="expired"),
        [finding("held_differs", "held", 900, 600), finding("hold_without_entry", PENDING, 300)],
    ),
    "a lease closed without an entry": (
        _amend("holds", LEASE, is_closed=True),
        [finding("hold_without_entry", LEASE, 600)],
    ),
    "an entry of no hold": (
        _append(f"{GHOST}#void", "void", 0, 0, GHOST),
        [finding("entry_without_hold", f"{GHOST}#void", 0)],
    ),
    "an overage of nothing": (
        _append(f"{VOIDED}#overage", "overage", -5, 0, VOIDED),
        [
            finding("entry_without_hold", f"{VOIDED}#overage", -5),
            finding("key_spend_differs", f"{KEY} {TODAY}", 810, 815),
            finding("limit_differs", f"{KEY} {WINDOW}", 1960, 1965),
        ],
    ),
    "a capture from no lease": (
        _amend("entries", f"{PART}#capture", reference=NO_LEASE),
        [finding("entry_without_hold", NO_LEASE, 0, 150), finding("lease_captured_differs", LEASE, 400, 250)],
    ),
    "an end that did not reach the hold": (
        _amend("holds", FREE, state="pending"),
        [finding("hold_unresolved", FREE, 0)],
    ),
    "a lease that was given back of, and is open": (
        _amend("holds", CLOSED, is_closed=False),
        [finding("hold_unresolved", CLOSED, 0)],
    ),
    "more captured from a lease": (
        _amend("holds", LEASE, captured=nano(410)),
        [finding("held_differs", "held", 900, 890), finding("lease_captured_differs", LEASE, 410, 400)],
    ),
    "two ends": (_append(f"{FREE}#void", "void", 0, 0, FREE), [finding("charged_twice", FREE, 0)]),
    "two ends of which one charges": (
        _append(f"{VOIDED}#capture", "capture", 0, -80, VOIDED),
        [
            finding("charged_twice", VOIDED, 80),
            finding("generation_cost_differs", VOIDED, 0, 80),
            finding("held_differs", "held", 820, 900),
            finding("key_spend_differs", f"{KEY} {TODAY}", 810, 890),
        ],
    ),
    "a cost that nobody paid": (
        _amend("generations", VOIDED, cost=nano(9)),
        [finding("generation_without_entry", VOIDED, 9)],
    ),
    "a cost after the hold had expired": (
        _amend("generations", EXPIRED, cost=nano(9)),
        [finding("generation_without_entry", EXPIRED, 9)],
    ),
    "no record": (_drop("generations", CAPTURED), [finding("entry_without_generation", CAPTURED, 60)]),
    "no record, captured from a lease": (_drop("generations", PART), [finding("entry_without_generation", PART, 150)]),
    "another cost": (
        _amend("generations", CAPTURED, cost=nano(61)),
        [finding("generation_cost_differs", CAPTURED, 61, 60)],
    ),
    "another cost, captured from a lease": (
        _amend("generations", PART, cost=nano(0)),
        [finding("generation_cost_differs", PART, 0, 150)],
    ),
    "more spent": (_spent(KEY, TODAY, 3), [finding("key_spend_differs", f"{KEY} {TODAY}", 813, 810)]),
    "spent on another day": (
        _all(_spent(KEY, TODAY, -60), _spent(KEY, "2026-11-20", 60)),
        [
            finding("key_spend_differs", f"{KEY} 2026-11-20", 60, 0),
            finding("key_spend_differs", f"{KEY} {TODAY}", 750, 810),
        ],
    ),
    "spent by another key": (
        _all(_spent(KEY, TOMORROW, -50), _spent(FREE_KEY, TOMORROW, 50)),
        [
            finding("key_spend_differs", f"{KEY} {TOMORROW}", 200, 250),
            finding("key_spend_differs", f"{FREE_KEY} {TOMORROW}", 50, 0),
        ],
    ),
    "more counted": (_used(KEY, WINDOW, 1), [finding("limit_differs", f"{KEY} {WINDOW}", 1961, 1960)]),
    "less counted": (_used(KEY, WINDOW, -1), [finding("limit_differs", f"{KEY} {WINDOW}", 1959, 1960)]),
    "more counted than was ever spent": (
        _used(FREE_KEY, WINDOW, 1),
        [finding("limit_differs", f"{FREE_KEY} {WINDOW}", 401, 0)],
    ),
    "a part of what was spent before counted": (_used(FREE_KEY, WINDOW, -1), []),
    "counted in a window that is over": (_used(KEY, "daily:2026-11-20", 7), []),
    "another kind's id": (
        _amend("entries", f"{VOIDED}#void", kind="expire"),
        [finding("entry_malformed", f"{VOIDED}#void", 80)],
    ),
    "an entry of nothing": (
        _append("adjustment#zero", "adjustment", 0, 0, "zero"),
        [finding("entry_malformed", "adjustment#zero", 0)],
    ),
}


@pytest.mark.parametrize(("falsify", "expected"), FALSIFIED.values(), ids=FALSIFIED)
def test_what_is_falsified_is_found_and_nothing_besides(
    books: Books, falsify: Callable[[Books], None], expected: list[Finding]
) -> None:
    falsify(books)
    assert found(books) == expected


def test_every_code_is_found_and_explained() -> None:
    by_falsification = {each.code for _, expected in FALSIFIED.values() for each in expected}
    # The two that follow are found below, and in what the storage cannot read.
    assert by_falsification | {"hold_overdue", "unreadable"} == set(get_args(Code)) == set(MEANINGS)


def test_a_hold_is_overdue_after_a_grace(books: Books) -> None:
    overdue = [finding("hold_overdue", PENDING, 300), finding("hold_overdue", LEASE, 600)]
    assert found(books, now_s=NOW + 60 + 900) == []
    assert found(books, now_s=NOW + 60 + 901) == overdue
    assert found(books, now_s=NOW + 60 + 6, grace_s=5) == overdue


def test_a_record_that_may_have_been_deleted_for_its_age_is_not_missed(books: Books) -> None:
    _drop("generations", CAPTURED)(books)
    patient = {"grace_s": 100 * DAY, "kept_s": 5 * DAY}
    missed = [finding("entry_without_generation", CAPTURED, 60)]
    assert found(books, now_s=NOW + 4 * DAY, **patient) == missed
    assert found(books, now_s=NOW + 4 * DAY + 1, **patient) == []


def test_many_findings_are_counted_and_some_listed(books: Books) -> None:
    for number in range(150):
        _append(f"adjustment#{number}", "adjustment", 0, 0, str(number))(books)
    audit = audited(books)
    assert (len(audit.findings), audit.more) == (100, 50)


class Many(BooksReads):
    """An account with so many captured generations, of which nobody ever has all."""

    def __init__(self, number: int) -> None:
        super().__init__(Books(ACCOUNT))
        self.number = number

    def trails(self, account_id: AccountId, *, after: str, before: str) -> Iterator[Trail]:
        for number in range(self.number):
            hold = Hold(id_of(f"{number:09d}"), account_id, KEY, nano(100), NOW, NOW + 60)
            if after < hold.hold_id < before:
                end = ledger.capture(hold, nano(60), available=nano(0), now_s=NOW)
                entries = (ledger.hold_entry(hold), *end.entries)
                captured = replace(hold, state="captured")
                yield Trail(account_id, hold.hold_id, captured, entries, GenerationRecord(KEY, 60))


def test_what_is_kept_of_an_account_does_not_grow_with_it() -> None:
    sizes = []
    for number in (500, 20_000):
        audit_account = AuditAccount(Many(number), step=number // 5, now=lambda: NOW, pause=lambda _: None)
        audit = audit_account.begin(ACCOUNT)
        for _ in range(4):
            assert not audit_account.advance(audit, lambda: False)
        assert audit.reading.entries == number * 4 // 5 * 2
        sizes.append(len(dump_audit(LedgerAudit(current=audit))))
    assert sizes[1] < 1.1 * sizes[0]
