"""Whatever happens while an account is read, and whenever: only what is wrong is found, and it is found."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from heapq import merge
from itertools import groupby
from operator import itemgetter
from random import Random
from typing import Any

import pytest

from turnpike.domain.audit import GenerationRecord, LimitItem, SpendItem, Trail
from turnpike.domain.errors import TemporarilyBusy, TurnpikeError
from turnpike.domain.ids import AccountId, GenerationId, LeaseId
from turnpike.domain.ledger import Balance, Hold, KeyLimit, LedgerEntry
from turnpike.services.audit_account import AccountAudit, AuditAccount
from turnpike.services.audit_ledger import LedgerAudit
from turnpike.services.audit_state import dump_audit, load_audit

from tests.contracts.audited import KEY, WINDOW
from tests.contracts.ledger import NOW, generation, nano
from tests.fake_audit import Books
from tests.fakes import InMemoryLedger

ACCOUNT = AccountId("acct-1")


class Traffic:
    """Requests of one account, each call the next thing that happens. Amounts are few, so that sums often meet."""

    def __init__(self, seed: int, *, things: int) -> None:
        self.ledger = InMemoryLedger()
        self.random = Random(seed)
        self.left = things
        self.most_per_page = self.random.choice([3, 6, 50])
        self.made = 0
        self.pending: list[Hold] = []
        self.leases: list[Hold] = []
        self.ledger.top_up(ACCOUNT, nano(5000), reference="first", now_s=NOW)

    def __call__(self) -> None:
        if self.left <= 0:
            return
        self.left -= 1
        often = [self.hold, self.end, self.part] * 2
        happen = self.random.choice([*often, self.lease, self.pay])
        try:
            happen()
        except TurnpikeError:
            return

    def hold(self) -> None:
        # Ids come by time, but for some that were made earlier and are held late.
        number = self.new() - (self.random.random() < 0.2) * 5
        hold = self.make(GenerationId(f"gen-{NOW + number}-{self.new()}"))
        self.ledger.hold(hold)
        self.pending.append(hold)

    def lease(self) -> None:
        if self.leases and self.random.random() < 0.5:
            lease = self.random.choice(self.leases)
            match self.random.randrange(3):
                case 0:
                    self.leases[self.leases.index(lease)] = self.ledger.extend(lease, nano(100), NOW)
                case 1:
                    self.ledger.close(lease, nano(50), NOW)
                case _:
                    self.ledger.expire(ACCOUNT, lease.hold_id, NOW)
            return
        lease = self.make(LeaseId(f"lease-{NOW + self.new()}"))
        self.ledger.hold(lease)
        self.leases.append(lease)

    def end(self) -> None:
        if not self.pending:
            return
        hold = self.pending.pop(self.random.randrange(len(self.pending)))
        if self.random.random() < 0.3:
            self.ledger.extend(hold, nano(50), NOW)
        match self.random.randrange(3):
            case 0:
                self.ledger.void(ACCOUNT, hold.hold_id, NOW, generation(hold, cost=nano(0)))
            case 1:
                self.ledger.expire(ACCOUNT, hold.hold_id, NOW)
            case _:
                cost = nano(self.random.choice([50, 100, 150]))
                self.ledger.capture(ACCOUNT, hold.hold_id, cost, NOW, generation(hold, cost=cost))

    def part(self) -> None:
        if self.leases:
            lease, cost = self.random.choice(self.leases), nano(self.random.choice([0, 50, 100]))
            number = self.new() - self.random.randrange(8)
            record = generation(lease, id=GenerationId(f"gen-{NOW + number}-{self.new()}"), cost=cost)
            self.ledger.capture_part(record, LeaseId(lease.hold_id), cost, NOW)

    def pay(self) -> None:
        kind: Any
        kind, amount = self.random.choice([("top_up", 100), ("refund", -100), ("adjustment", 50)])
        reference = str(self.new())
        if kind == "top_up":
            self.ledger.top_up(ACCOUNT, nano(amount), reference=reference, now_s=NOW)
        else:
            overdraw = kind == "refund"
            self.ledger.adjust(ACCOUNT, kind, nano(amount), reference=reference, now_s=NOW, may_overdraw=overdraw)

    def make(self, hold_id: Any) -> Hold:
        limit = KeyLimit(nano(10**9), WINDOW) if self.random.random() < 0.7 else None
        return Hold(hold_id, ACCOUNT, KEY, nano(100), NOW, NOW, limit)

    def new(self) -> int:
        self.made += 1
        return self.made


class LiveReads:
    """Reads a ledger in small pages, and between any two of them something happens."""

    def __init__(self, traffic: Traffic) -> None:
        self.traffic = traffic

    @property
    def books(self) -> Books:
        return Books.of(self.traffic.ledger, ACCOUNT)

    def next_account(self, after: AccountId | None) -> AccountId | None:
        return ACCOUNT if after is None else None

    def trails(self, account_id: AccountId, *, after: str, before: str) -> Iterator[Trail]:
        streams = (self._pages(part, after, before) for part in (self._entries, self._records, self._holds))
        for trail_id, found in groupby(merge(*streams, key=itemgetter(0)), key=itemgetter(0)):
            yield _trail(trail_id, [each for _, each in found])

    def find_trail(self, account_id: AccountId, trail_id: str) -> Trail:
        parts = [self._entries, self._records, self._holds]
        self.traffic.random.shuffle(parts)
        found: list[Any] = []
        for part in parts:
            found += part().get(trail_id, [])
            self.traffic()
        return _trail(trail_id, found)

    def find_lease(self, account_id: AccountId, lease_id: LeaseId) -> Hold | None:
        return self.traffic.ledger.find_hold(account_id, lease_id)

    def limits(self, account_id: AccountId) -> Iterator[LimitItem]:
        for key, window in list(self.books.used):
            yield LimitItem(key, window, self.books.used[key, window])
            self.traffic()

    def spends(self, account_id: AccountId) -> Iterator[SpendItem]:
        for key in list(self.books.spent):
            yield SpendItem(key, self.books.spent[key])
            self.traffic()

    def get_balance(self, account_id: AccountId) -> Balance:
        return self.traffic.ledger.get_balance(account_id)

    def _pages(self, read: Callable[[], Mapping[str, list[Any]]], after: str, before: str) -> Iterator[tuple[str, Any]]:
        while True:
            size = self.traffic.random.randint(1, self.traffic.most_per_page)
            page = sorted(name for name in read() if after < name < before)[:size]
            found = {name: read()[name] for name in page}
            self.traffic()
            for name in page:
                yield from ((name, each) for each in found[name])
            if not page:
                return
            after = page[-1]

    def _entries(self) -> Mapping[str, list[LedgerEntry]]:
        found: defaultdict[str, list[LedgerEntry]] = defaultdict(list)
        for name, entry in self.books.entries.items():
            if not name.endswith("#hold"):
                owner = name.partition("#")[0]
                found[owner if owner[:3] in ("gen", "lea") else name].append(entry)
        return found

    def _records(self) -> Mapping[str, list[GenerationRecord]]:
        return {name: [GenerationRecord(each.key_hash, each.cost)] for name, each in self.books.generations.items()}

    def _holds(self) -> Mapping[str, list[Any]]:
        books = self.books
        return {name: [hold, books.entries[f"{name}#hold"]] for name, hold in books.holds.items()}


def _trail(trail_id: str, found: list[Any]) -> Trail:
    hold = next((each for each in found if isinstance(each, Hold)), None)
    record = next((each for each in found if isinstance(each, GenerationRecord)), None)
    entries = sorted((each for each in found if isinstance(each, LedgerEntry)), key=lambda entry: entry.entry_id)
    return Trail(ACCOUNT, trail_id, hold, tuple(entries), record)


def audited(traffic: Traffic) -> AccountAudit:
    audit_account = AuditAccount(LiveReads(traffic), step=9, now=lambda: NOW, pause=lambda _: traffic())
    audit = audit_account.begin(ACCOUNT)
    while not audit_account.advance(audit, lambda: traffic.random.random() < 0.8):
        traffic()
        audit = taken_up_again(audit)
    return audit


def taken_up_again(audit: AccountAudit) -> AccountAudit:
    """By another invocation, which has what the one before has left."""
    left = load_audit(dump_audit(LedgerAudit(current=audit)))
    assert left.current == audit
    return left.current


def prepared(seed: int, *, things: int) -> Traffic:
    traffic = Traffic(seed, things=60)
    while traffic.left:
        traffic()
    traffic.left = things
    return traffic


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("things", [3, 30, 400])
def test_traffic_is_never_mistaken_for_an_error(seed: int, things: int) -> None:
    audit = audited(prepared(seed, things=things))
    assert audit.findings == []
    if things == 3:
        # It had ended by the time that anything could be told from it.
        assert audit.uncertain == 0


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("things", "error"), [(3, 1), (30, 1), (400, 1_000_000)])
def test_what_is_wrong_is_found_in_traffic(seed: int, things: int, error: int) -> None:
    """To the nano-dollar as soon as nothing moves for a moment, and whatever is more than what moves otherwise."""
    traffic = prepared(seed, things=things)
    ledger = traffic.ledger
    balance = ledger._balances[ACCOUNT]
    ledger._balances[ACCOUNT] = replace(balance, credits_total=nano(balance.credits_total + error))

    audit = audited(traffic)

    assert [(finding.code, finding.subject) for finding in audit.findings] == [("balance_differs", "credits_total")]
    if things < 400:
        assert audit.findings[0].says - audit.findings[0].should == error


@pytest.mark.parametrize("seed", range(6))
def test_a_trail_that_disagrees_is_found_in_traffic(seed: int) -> None:
    traffic = prepared(seed, things=400)
    records = traffic.ledger._records
    charged = [at for at, record in records.items() if record.cost]
    at = traffic.random.choice(charged)
    cost = records[at].cost
    records[at] = replace(records[at], cost=nano(cost + 1))

    audit = audited(traffic)

    found = [(finding.code, finding.subject, finding.says, finding.should) for finding in audit.findings]
    assert found == [("generation_cost_differs", at[1], cost + 1, cost)]


class Faltering(LiveReads):
    """Storage is busy, now and again, and then less often."""

    def __init__(self, traffic: Traffic) -> None:
        super().__init__(traffic)
        self.calls = 0

    def falter(self) -> None:
        self.calls += 1
        if self.calls in (3, 8, 21, 55, 144, 377):
            raise TemporarilyBusy("busy")

    def find_lease(self, account_id: AccountId, lease_id: LeaseId) -> Hold | None:
        self.falter()
        return super().find_lease(account_id, lease_id)

    def find_trail(self, account_id: AccountId, trail_id: str) -> Trail:
        self.falter()
        return super().find_trail(account_id, trail_id)

    def get_balance(self, account_id: AccountId) -> Balance:
        self.falter()
        return super().get_balance(account_id)


@pytest.mark.parametrize("seed", range(6))
def test_a_reading_that_was_cut_short_is_begun_anew(seed: int) -> None:
    traffic = prepared(seed, things=20)
    balance = traffic.ledger._balances[ACCOUNT]
    traffic.ledger._balances[ACCOUNT] = replace(balance, held=nano(balance.held + 1))
    audit_account = AuditAccount(Faltering(traffic), now=lambda: NOW, pause=lambda _: None)
    audit = audit_account.begin(ACCOUNT)
    done = False
    while not done:
        try:
            done = audit_account.advance(audit, lambda: True)
        except TemporarilyBusy:
            continue
    assert sorted(finding.code for finding in audit.findings) == ["balance_differs", "held_differs"]
