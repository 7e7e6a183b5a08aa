"""The ledger in DynamoDB as an audit reads it, and what it finds there."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from turnpike.domain.audit import Finding, Trail
from turnpike.domain.ids import AccountId, LeaseId, new_account_id, new_generation_id, new_lease_id
from turnpike.domain.ledger import Hold, KeyLimit
from turnpike.ports.ledger import Generations, Ledger
from turnpike.ports.upkeep import AuditReads
from turnpike.services.audit_account import AccountAudit, AuditAccount
from turnpike.services.audit_ledger import AuditLedger, LedgerAudit
from turnpike.storage import keys
from turnpike.storage.generations import DynamoGenerations
from turnpike.storage.ledger import DynamoLedger
from turnpike.storage.ledger_audit import LedgerAuditReads

from tests.contracts.audit_history import AuditedHistory, finished
from tests.contracts.audited import KEY, LEASE, WINDOW, id_of, live
from tests.contracts.ledger import NOW, generation, nano
from tests.fake_audit import Books, BooksReads
from tests.fakes import InMemoryLedger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

END = "\U0010ffff"


@pytest.fixture
def ledger(dynamodb: "DynamoDBClient", ledger_table: str) -> DynamoLedger:
    return DynamoLedger(dynamodb, ledger_table)


@pytest.fixture
def reads(dynamodb: "DynamoDBClient", ledger_table: str) -> LedgerAuditReads:
    return LedgerAuditReads(dynamodb, ledger_table)


@pytest.fixture
def account(ledger: DynamoLedger) -> AccountId:
    account_id = new_account_id(NOW)
    live(ledger, account_id)
    return account_id


def sorted_(trail: Trail) -> Trail:
    return replace(trail, entries=tuple(sorted(trail.entries, key=lambda entry: entry.entry_id)))


def audited(reads: AuditReads, account_id: AccountId) -> AccountAudit:
    return finished(AuditAccount(reads, now=lambda: NOW, pause=lambda _: None), account_id)


def test_it_is_read_as_in_memory(reads: LedgerAuditReads, account: AccountId) -> None:
    ledger = InMemoryLedger()
    live(ledger, account)
    books = BooksReads(Books.of(ledger, account))

    read = list(reads.trails(account, after="", before=END))
    assert list(map(sorted_, read)) == list(map(sorted_, books.trails(account, after="", before=END)))
    assert [trail.id for trail in read] == sorted(trail.id for trail in read)
    # Taken up again anywhere, and one by one.
    for number, trail in enumerate(read):
        assert list(reads.trails(account, after=trail.id, before=END)) == read[number + 1 :]
        assert list(reads.trails(account, after="", before=trail.id)) == read[:number]
        assert reads.find_trail(account, trail.id) == trail
    assert reads.find_trail(account, id_of("nobody")) == Trail(account, id_of("nobody"))

    assert set(reads.limits(account)) == set(books.limits(account))
    spent: dict[str, int] = {}
    for item in reads.spends(account):
        spent |= {f"{item.key_hash} {day}": amount for day, amount in item.by_day.items()}
    assert spent == {f"{i.key_hash} {day}": amount for i in books.spends(account) for day, amount in i.by_day.items()}
    assert reads.get_balance(account) == books.get_balance(account)
    assert reads.find_lease(account, LEASE) == books.find_lease(account, LEASE)
    assert reads.find_lease(account, LeaseId("lease-none")) is None


def test_entries_are_read_by_their_places(reads: LedgerAuditReads, ledger: DynamoLedger, account: AccountId) -> None:
    read = list(reads.entries(account, after=""))
    expected = sorted(ledger.list_entries(account), key=lambda entry: entry.entry_id)
    assert sorted((entry for _, entry in read), key=lambda entry: entry.entry_id) == expected
    for number, (place, _) in enumerate(read):
        assert list(reads.entries(account, after=place)) == read[number + 1 :]


def test_each_account_comes_once_and_nothing_else_does(
    dynamodb: "DynamoDBClient", ledger_table: str, reads: LedgerAuditReads, ledger: DynamoLedger
) -> None:
    made = [new_account_id(NOW) for _ in range(5)]
    for account_id in made:
        live(ledger, account_id)
    dynamodb.put_item(TableName=ledger_table, Item={**keys.job("other"), "x": {"S": "y"}})
    found: list[AccountId] = []
    after: AccountId | None = None
    while (after := reads.next_account(after)) is not None:
        found.append(after)
    assert len(set(found)) == len(found)
    assert set(made) <= set(found)
    assert all(account_id.startswith("acct-") for account_id in found)


def test_any_history_is_found_right(dynamodb: "DynamoDBClient", ledger_table: str) -> None:
    class StoredHistory(AuditedHistory):
        checks_every_step = False

        def new_ledgers(self) -> Sequence[tuple[Ledger, Generations]]:
            return [(DynamoLedger(dynamodb, ledger_table), DynamoGenerations(dynamodb, ledger_table))]

        def reads(self) -> AuditReads:
            return LedgerAuditReads(dynamodb, ledger_table)

    run_state_machine_as_test(
        StoredHistory,
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            deadline=None,
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
            suppress_health_check=list(HealthCheck),
        ),
    )


# What can be falsified in the table itself: an item, how it is changed, and what is found.

Change = Callable[["DynamoDBClient", str, AccountId], Any]


def _set(key: Callable[[AccountId], keys.Key], name: str, value: dict[str, str]) -> Change:
    return lambda client, table, account_id: client.update_item(
        TableName=table,
        Key=key(account_id),
        UpdateExpression="SET #name = :value",
        ExpressionAttributeNames={"#name": name},
        ExpressionAttributeValues={":value": value},
    )


def _add(key: Callable[[AccountId], keys.Key], name: str, by: int) -> Change:
    return lambda client, table, account_id: client.update_item(
        TableName=table,
        Key=key(account_id),
        UpdateExpression="ADD #name :by",
        ExpressionAttributeNames={"#name": name},
        ExpressionAttributeValues={":by": {"N": str(by)}},
    )


def _delete(key: Callable[[AccountId], keys.Key]) -> Change:
    return lambda client, table, account_id: client.delete_item(TableName=table, Key=key(account_id))


def _entry(name: str) -> Callable[[AccountId], keys.Key]:
    return lambda account_id: keys.entry(account_id, name)


def _hold(name: str) -> Callable[[AccountId], keys.Key]:
    return lambda account_id: keys.hold(account_id, LEASE if name == LEASE else id_of(name))


def _generation(name: str) -> Callable[[AccountId], keys.Key]:
    return lambda account_id: keys.generation(account_id, id_of(name))


def _spend(month: str) -> Callable[[AccountId], keys.Key]:
    return lambda account_id: keys.spend(account_id, KEY, month)


FALSIFIED: dict[str, tuple[Change, list[tuple[str, str, int, int]]]] = {
    "balance": (_add(keys.balance, "available", 5), [("balance_differs", "available", 98_545, 98_540)]),
    "deleted entry": (
        _delete(_entry("adjustment#sorry")),
        [
            ("balance_differs", "available", 98_540, 98_040),
            ("balance_differs", "credits_total", 100_900, 100_400),
        ],
    ),
    "deleted record": (_delete(_generation("captured")), [("entry_without_generation", id_of("captured"), 60, 0)]),
    "hold of another state": (
        _set(_hold("free"), "state", {"S": "pending"}),
        [("hold_unresolved", id_of("free"), 0, 0)],
    ),
    "lease": (
        _add(_hold(LEASE), "unspent", -10),
        [("held_differs", "held", 900, 890), ("lease_captured_differs", LEASE, 410, 400)],
    ),
    "record of another cost": (
        _set(_generation("part-1"), "cost", {"N": "149"}),
        [("generation_cost_differs", id_of("part-1"), 149, 150)],
    ),
    "spending": (_add(_spend("2026-11"), "spent_23", 3), [("key_spend_differs", f"{KEY} 2026-11-23", 813, 810)]),
    "spending of a month without any": (
        _add(_spend("2026-08"), "spent_01", 3),
        [("key_spend_differs", f"{KEY} 2026-08-01", 3, 0)],
    ),
    "limit": (
        _add(lambda account_id: keys.limit(account_id, KEY, WINDOW), "used", -1),
        [("limit_differs", f"{KEY} {WINDOW}", 1959, 1960)],
    ),
    "unreadable entry": (
        _set(_entry(f"{id_of('free')}#capture"), "held_delta", {"S": "none"}),
        [("unreadable", f"ENTRY#{id_of('free')}#capture", 0, 0)],
    ),
    "unreadable record": (
        _set(_generation("voided"), "cost", {"S": "free"}),
        [("unreadable", f"GENERATION#{id_of('voided')}", 0, 0)],
    ),
}


@pytest.mark.parametrize(("falsify", "expected"), FALSIFIED.values(), ids=FALSIFIED)
def test_what_is_falsified_is_found_and_nothing_besides(
    dynamodb: "DynamoDBClient",
    ledger_table: str,
    reads: LedgerAuditReads,
    account: AccountId,
    falsify: Change,
    expected: list[tuple[str, str, int, int]],
) -> None:
    falsify(dynamodb, ledger_table, account)
    audit = audited(reads, account)
    found = sorted((each.code, each.subject, each.says, each.should) for each in audit.findings)
    assert (found, audit.is_clear) == (expected, True)


def use(ledger: Ledger, account_id: AccountId, seed: int, stop: threading.Event) -> None:
    """Requests of one client until it is told to stop, with holds of their own and from a lease."""
    random = Random(seed)
    limit = KeyLimit(nano(10**12), WINDOW)
    lease = Hold(new_lease_id(NOW), account_id, KEY, nano(1000), NOW, NOW, limit)
    ledger.hold(lease)
    while not stop.is_set():
        hold = Hold(new_generation_id(NOW), account_id, KEY, nano(100), NOW, NOW + 60, limit)
        ledger.hold(hold)
        record = generation(lease, id=new_generation_id(NOW), lease_id=lease.hold_id, cost=nano(150))
        ledger.capture_part(record, LeaseId(lease.hold_id), nano(150), NOW)
        match random.randrange(3):
            case 0:
                ledger.void(account_id, hold.hold_id, NOW, generation(hold, cost=nano(0)))
            case 1:
                hold = ledger.extend(hold, nano(50), NOW)
                ledger.capture(account_id, hold.hold_id, nano(170), NOW, generation(hold, cost=nano(170)))
            case _:
                ledger.expire(account_id, hold.hold_id, NOW + 60)
    ledger.expire(account_id, lease.hold_id, NOW)


def test_an_account_in_use_is_found_right(
    dynamodb: "DynamoDBClient", ledger_table: str, reads: LedgerAuditReads, ledger: DynamoLedger, account: AccountId
) -> None:
    """Two clients at once; and what is wrong with it is found while they go on."""
    ledger.top_up(account, nano(10**12), reference="much", now_s=NOW)
    stop = threading.Event()
    # The emulator's transactions are seen whole at once; there is nothing to wait for.
    audit_account = AuditAccount(reads, now=lambda: NOW, pause=lambda _: None)
    with ThreadPoolExecutor(2) as threads:
        clients = [threads.submit(use, ledger, account, seed, stop) for seed in range(2)]
        try:
            before = reads.get_balance(account).usage_total
            assert finished(audit_account, account).findings == []
            assert reads.get_balance(account).usage_total > before
            _add(keys.balance, "credits_total", 10**9)(dynamodb, ledger_table, account)
            _delete(_generation("captured"))(dynamodb, ledger_table, account)
            wrong = sorted((each.code, each.subject) for each in finished(audit_account, account).findings)
        finally:
            stop.set()
        assert [client.result() for client in clients] == [None] * 2
    assert wrong == [("balance_differs", "credits_total"), ("entry_without_generation", id_of("captured"))]
    # To the nano-dollar, once they have stopped.
    _add(keys.balance, "credits_total", -(10**9) + 1)(dynamodb, ledger_table, account)
    left = audited(reads, account)
    missing = next(each for each in left.findings if each.code == "balance_differs")
    assert (missing.says - missing.should, left.is_clear) == (1, True)


def test_the_whole_table_is_audited_and_taken_up_where_it_was_left(
    reads: LedgerAuditReads, dynamodb: "DynamoDBClient", new_table: Any
) -> None:
    from turnpike.storage.schema import LEDGER

    table = new_table(LEDGER)
    ledger, reads = DynamoLedger(dynamodb, table), LedgerAuditReads(dynamodb, table)
    accounts = [AccountId(f"acct-{number}") for number in range(4)]
    for account_id in accounts:
        live(ledger, account_id)
    _add(keys.balance, "available", 5)(dynamodb, table, accounts[2])

    audit_account = AuditAccount(reads, step=5, now=lambda: NOW, pause=lambda _: None)
    told: list[int] = []
    audit_ledger = AuditLedger(reads, audit_account, lambda audit: told.append(audit.accounts))
    audit, steps = LedgerAudit(), 0
    while not audit_ledger.advance(audit, lambda: False):
        steps += 1
    assert told == [1, 2, 3, 4]
    assert steps > 20
    assert audit.findings == [Finding("balance_differs", accounts[2], "available", 98_545, 98_540)]
    assert (audit.accounts, audit.entries, audit.unclear) == (4, 4 * 31, {})
