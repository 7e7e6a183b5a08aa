"""What stands in for storage in unit tests: real classes, under the same contract as the real ones."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any

from turnpike.domain import ledger
from turnpike.domain.activity import (
    Activity,
    ActivityDays,
    Cell,
    Counts,
    cells_of,
    counts_of,
    latest_days,
    with_users,
)
from turnpike.domain.api_keys import ApiKey, KeySpend, Spending
from turnpike.domain.errors import (
    Conflict,
    HoldResolved,
    InsufficientCredit,
    KeyLimitExceeded,
    TemporarilyBusy,
)
from turnpike.domain.generation import Generation
from turnpike.domain.ids import AccountId, GenerationId, HoldId, KeyHash, LeaseId
from turnpike.domain.ledger import Balance, Correction, Hold, LedgerEntry, Resolution
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.domain.periods import day_of, first_day_of, window_of
from turnpike.domain.retention import KEPT_FOR_GOOD, Retention

Spent = defaultdict[tuple[AccountId, KeyHash], defaultdict[str, int]]
"""By UTC day."""


class InMemoryLedger:
    """Decides everything under one lock, and changes nothing before all is decided."""

    def __init__(self, retention: Retention = KEPT_FOR_GOOD, *, now: Callable[[], float] = time.time) -> None:
        self.generations = InMemoryGenerations(self)
        self.activities = InMemoryActivities(self)
        self._retention = retention
        self._now = now
        self._lock = Lock()
        self._balances: defaultdict[AccountId, Balance] = defaultdict(Balance)
        self._entries: defaultdict[AccountId, dict[str, LedgerEntry]] = defaultdict(dict)
        self._holds: dict[tuple[AccountId, HoldId], Hold] = {}
        self._first_amounts: dict[tuple[AccountId, HoldId], NanoUsd] = {}
        self._used: defaultdict[tuple[AccountId, KeyHash, str], int] = defaultdict(int)
        self._spent: Spent = defaultdict(lambda: defaultdict(int))
        self._spent_byok: Spent = defaultdict(lambda: defaultdict(int))
        self._used_at_s: dict[tuple[AccountId, KeyHash], int] = {}
        self._records: dict[tuple[AccountId, GenerationId], Generation] = {}
        self._activity: defaultdict[tuple[AccountId, Cell], Counts] = defaultdict(Counts)

    def hold(self, hold: Hold, *, floor: NanoUsd = ZERO) -> None:
        entry = ledger.hold_entry(hold)
        at = (hold.account_id, hold.hold_id)
        with self._lock:
            if at in self._holds:
                earlier = replace(self._holds[at], amount=self._first_amounts[at])
                return ledger.check_repeated(hold, earlier)
            self._check_room(hold, hold.amount, counted=hold.counted, floor=floor)
            self._count(hold, hold.counted)
            self._append(entry)
            self._holds[at] = hold
            self._first_amounts[at] = hold.amount

    def extend(self, hold: Hold, by: NanoUsd, now_s: int) -> Hold:
        entry = ledger.extend_entry(hold, by, now_s)
        extended = replace(hold, amount=NanoUsd(hold.amount + by))
        at = (hold.account_id, hold.hold_id)
        with self._lock:
            now = self._holds.get(at)
            if now is None or now.state != "pending" or now.amount != hold.amount or now.is_closed:
                standing = self._entries[hold.account_id].get(entry.entry_id)
                ledger.check_extended(extended, by, now=now, entry=standing)
                return extended
            self._check_room(hold, by, counted=by)
            self._count(hold, by)
            self._append(entry)
            self._holds[at] = replace(extended, captured=now.captured)
        return extended

    def capture(
        self,
        account_id: AccountId,
        hold_id: HoldId,
        cost: NanoUsd,
        now_s: int,
        record: Generation | None,
    ) -> Resolution:
        byok_cost = ZERO if record is None else record.byok_cost

        def resolve(hold: Hold) -> Resolution:
            available = self._beyond(hold)
            return ledger.capture(hold, cost, available=available, now_s=now_s, byok_cost=byok_cost)

        return self._resolve(account_id, hold_id, resolve, now_s, record)

    def void(self, account_id: AccountId, hold_id: HoldId, now_s: int, record: Generation | None) -> Resolution:
        return self._resolve(account_id, hold_id, lambda hold: ledger.void(hold, now_s), now_s, record)

    def expire(self, account_id: AccountId, hold_id: HoldId, now_s: int) -> Resolution:
        return self._resolve(account_id, hold_id, lambda hold: ledger.expire(hold, now_s), now_s, None)

    def capture_part(self, record: Generation, lease_id: LeaseId, cost: NanoUsd, now_s: int) -> Resolution:
        account_id, at = record.account_id, (record.account_id, lease_id)
        with self._lock:
            if (account_id, record.id) in self._records:
                raise HoldResolved(record.id, "captured")
            lease = ledger.check_pending(self._holds.get(at), lease_id)
            available = self._beyond(lease)
            part = ledger.capture_part(
                account_id, lease_id, record.id, cost, left=lease.left, available=available, now_s=now_s
            )
            within = -part.entries[0].held_delta
            self._holds[at] = replace(lease, captured=NanoUsd(lease.captured + within))
            self._move(lease, part, now_s, record)
        return part

    def capture_together(self, records: Sequence[Generation], now_s: int) -> Mapping[GenerationId, Resolution]:
        with self._lock:
            leased: Counter[HoldId] = Counter()
            covered: list[tuple[Hold, Generation]] = []
            for record in records:
                hold = self._holds.get((record.account_id, record.lease_id or record.id))
                if hold is None or hold.state != "pending":
                    if record.lease_id:
                        return {}
                    continue
                if record.lease_id:
                    leased[record.lease_id] += record.cost
                    if (record.account_id, record.id) in self._records or leased[record.lease_id] > hold.left:
                        return {}
                elif record.cost > hold.amount:
                    continue
                covered.append((hold, record))
            if len(covered) < 2:
                return {}
            return {record.id: self._capture_covered(record, now_s) for _, record in covered}

    def _capture_covered(self, record: Generation, now_s: int) -> Resolution:
        at = (record.account_id, record.lease_id or record.id)
        hold = self._holds[at]
        if record.lease_id:
            resolution = ledger.capture_part(
                record.account_id,
                record.lease_id,
                record.id,
                record.cost,
                left=hold.left,
                available=ZERO,
                now_s=now_s,
            )
            self._holds[at] = replace(hold, captured=NanoUsd(hold.captured + record.cost))
        else:
            resolution = ledger.capture(hold, record.cost, available=ZERO, now_s=now_s, byok_cost=record.byok_cost)
            self._holds[at] = replace(hold, state=resolution.state)
        self._move(hold, resolution, now_s, record)
        return resolution

    def close(self, lease: Hold, give_back: NanoUsd, now_s: int) -> None:
        entry = ledger.close_entry(lease, give_back, now_s)
        at = (lease.account_id, lease.hold_id)
        with self._lock:
            now = self._holds.get(at)
            if now is None or now.state != "pending" or now.is_closed or now.amount != lease.amount:
                return ledger.check_closed(lease, now)
            if now.left < give_back:
                return ledger.check_closed(lease, now)
            self._append(entry)
            self._count(now, -give_back)
            self._holds[at] = replace(now, amount=NanoUsd(now.amount - give_back), is_closed=True)

    def record(self, record: Generation, now_s: int) -> bool:
        with self._lock:
            is_new = (record.account_id, record.id) not in self._records
            if is_new:
                self._store(record, now_s)
            return is_new

    def top_up(self, account_id: AccountId, amount: NanoUsd, *, reference: str, now_s: int) -> bool:
        return self._append_once(ledger.top_up_entry(account_id, amount, reference=reference, now_s=now_s))

    def adjust(
        self,
        account_id: AccountId,
        kind: Correction,
        amount: NanoUsd,
        *,
        reference: str,
        now_s: int,
        may_overdraw: bool = False,
    ) -> bool:
        entry = ledger.correction_entry(account_id, kind, amount, reference=reference, now_s=now_s)
        return self._append_once(entry, may_overdraw=may_overdraw)

    def find_hold(self, account_id: AccountId, hold_id: HoldId) -> Hold | None:
        with self._lock:
            return self._holds.get((account_id, hold_id))

    def find_generation(self, account_id: AccountId, generation_id: GenerationId) -> Generation | None:
        with self._lock:
            found = self._records.get((account_id, generation_id))
            if found is None or self._is_past(self._retention.generation_ends_s(found.created_at_s)):
                return None
            return found

    def list_activity(self, account_id: AccountId, first_day: str, last_day: str) -> Sequence[Activity]:
        """All of its cells, the latest days first."""
        with self._lock:
            found = [
                Activity(cell, counts)
                for (owner, cell), counts in self._activity.items()
                if owner == account_id and first_day <= cell.day <= last_day
            ]
        kept = [each for each in found if not self._is_past(self._retention.activity_ends_s(each.cell.day))]
        return sorted(kept, key=lambda each: each.cell.day, reverse=True)

    def get_balance(self, account_id: AccountId) -> Balance:
        with self._lock:
            return self._balances[account_id]

    def get_room(self, account_id: AccountId, key: ApiKey, now_s: int) -> NanoUsd:
        with self._lock:
            available = self._balances[account_id].available
            if key.limit is None:
                return available
            used = self._used[account_id, key.hash, window_of(key.limit_reset, now_s)]
            return NanoUsd(min(available, key.limit - used))

    def list_entries(self, account_id: AccountId) -> Iterator[LedgerEntry]:
        with self._lock:
            return iter(list(self._entries[account_id].values()))

    def list_expired_holds(self, now_s: int) -> Iterator[Hold]:
        with self._lock:
            pending = [hold for hold in self._holds.values() if hold.state == "pending"]
        return iter([hold for hold in pending if hold.expires_at_s <= now_s])

    def get_key_spend(self, account_id: AccountId, key: ApiKey, now_s: int) -> KeySpend:
        with self._lock:
            credit, byok = self._spending(account_id, key, now_s)
            used = self._used[account_id, key.hash, window_of(key.limit_reset, now_s)]
            used_at_s = self._used_at_s.get((account_id, key.hash))
        return KeySpend(credit, byok, NanoUsd(used) if key.limit is not None else ZERO, used_at_s)

    def count_earlier_spending(self, account_id: AccountId, key: ApiKey, now_s: int) -> None:
        with self._lock:
            spent = KeySpend(*self._spending(account_id, key, now_s)).in_window_of(key)
            at = (account_id, key.hash, window_of(key.limit_reset, now_s))
            self._used[at] = max(self._used[at], spent)

    def _spending(self, account_id: AccountId, key: ApiKey, now_s: int) -> tuple[Spending, Spending]:
        at = account_id, key.hash
        return _spending(self._spent[at], now_s), _spending(self._spent_byok[at], now_s)

    def _resolve(
        self,
        account_id: AccountId,
        hold_id: HoldId,
        resolve: Callable[[Hold], Resolution],
        now_s: int,
        record: Generation | None,
    ) -> Resolution:
        with self._lock:
            hold = ledger.check_pending(self._holds.get((account_id, hold_id)), hold_id)
            resolution = resolve(hold)
            self._holds[account_id, hold_id] = replace(hold, state=resolution.state)
            self._move(hold, resolution, now_s, record)
        return resolution

    def _move(self, hold: Hold, resolution: Resolution, now_s: int, record: Generation | None) -> None:
        for entry in resolution.entries:
            self._append(entry)
        self._count(hold, resolution.counted_delta)
        at = (hold.account_id, hold.key_hash)
        if resolution.charged:
            self._spent[at][day_of(now_s)] += resolution.charged
        if resolution.charged or (record and record.byok_cost):
            self._used_at_s[at] = now_s
        if record is not None:
            self._spent_byok[at][day_of(now_s)] += record.byok_cost
            self._store(replace(record, cost=resolution.charged), now_s)

    def _store(self, record: Generation, now_s: int) -> None:
        self._records[record.account_id, record.id] = record
        for cell in cells_of(record, day_of(now_s)):
            self._activity[record.account_id, cell] += counts_of(record)

    def _is_past(self, ends_s: int | None) -> bool:
        return ends_s is not None and ends_s <= self._now()

    def _beyond(self, hold: Hold) -> NanoUsd:
        available = self._balances[hold.account_id].available
        if hold.key_limit is None:
            return available
        used = self._used[hold.account_id, hold.key_hash, hold.key_limit.window]
        return NanoUsd(min(available, hold.key_limit.limit - used))

    def _check_room(self, hold: Hold, amount: NanoUsd, *, counted: NanoUsd, floor: NanoUsd = ZERO) -> None:
        """What costs nothing is never refused, whatever is left."""
        available = self._balances[hold.account_id].available
        if amount > 0 and available < max(amount, floor):
            raise InsufficientCredit("The account's credit does not cover this", available=available)
        if hold.key_limit is None or counted == 0:
            return
        left = hold.key_limit.limit - self._used[hold.account_id, hold.key_hash, hold.key_limit.window]
        if left < max(counted, floor):
            raise KeyLimitExceeded("The key's limit does not cover this", remaining=NanoUsd(max(left, 0)))

    def _count(self, hold: Hold, by: int) -> None:
        if hold.key_limit is not None:
            self._used[hold.account_id, hold.key_hash, hold.key_limit.window] += by

    def _append_once(self, entry: LedgerEntry, *, may_overdraw: bool = False) -> bool:
        with self._lock:
            earlier = self._entries[entry.account_id].get(entry.entry_id)
            if earlier is not None:
                ledger.check_same_amount(entry, earlier)
                return False
            available = self._balances[entry.account_id].available
            if entry.available_delta < 0 and available < -entry.available_delta and not may_overdraw:
                raise InsufficientCredit("The account has less than that", available=available)
            self._append(entry)
            return True

    def _append(self, entry: LedgerEntry) -> None:
        entries = self._entries[entry.account_id]
        if entry.entry_id in entries:
            raise AssertionError(f"{entry.entry_id} is written already; the ledger only appends")
        entries[entry.entry_id] = entry
        old, change = self._balances[entry.account_id], ledger.balance_of([entry])
        self._balances[entry.account_id] = Balance(
            NanoUsd(old.available + change.available),
            NanoUsd(old.held + change.held),
            NanoUsd(old.credits_total + change.credits_total),
            NanoUsd(old.usage_total + change.usage_total),
        )


def _spending(days: Mapping[str, int], now_s: int) -> Spending:
    def since(day: str) -> NanoUsd:
        return NanoUsd(sum(spent for each, spent in days.items() if each >= day))

    firsts = day_of(now_s), first_day_of("weekly", now_s), first_day_of("monthly", now_s)
    return Spending(since(""), *map(since, firsts))


class InMemoryGenerations:
    """The records that a ledger stored."""

    def __init__(self, ledger: InMemoryLedger) -> None:
        self._ledger = ledger

    def find(self, account_id: AccountId, generation_id: GenerationId) -> Generation | None:
        return self._ledger.find_generation(account_id, generation_id)


class InMemoryActivities:
    """What a ledger counted."""

    def __init__(self, ledger: InMemoryLedger) -> None:
        self._ledger = ledger

    def list_days(
        self, account_id: AccountId, first_day: str, last_day: str, *, by_user: bool, most: int
    ) -> ActivityDays:
        cells = self._ledger.list_activity(account_id, first_day, last_day)
        totals = latest_days((each for each in cells if each.cell.user is None), first_day, most)
        if not by_user:
            return totals
        users = (each for each in cells if each.cell.user is not None and each.cell.day >= totals.since)
        return with_users(totals, latest_days(users, totals.since, most))


class InMemoryApiKeys:
    def __init__(self, *api_keys: ApiKey) -> None:
        self._lock = Lock()
        self._keys = {key.hash: key for key in api_keys}

    def find(self, key_hash: KeyHash, *, fresh: bool = False) -> ApiKey | None:
        with self._lock:
            return self._keys.get(key_hash)

    def list_for(self, account_id: AccountId) -> Sequence[ApiKey]:
        with self._lock:
            found = [key for key in self._keys.values() if key.account_id == account_id]
        return sorted(found, key=lambda key: (-key.created_at_s, key.hash))

    def create(self, key: ApiKey) -> None:
        with self._lock:
            if key.hash in self._keys:
                raise Conflict("this API key exists already")
            self._keys[key.hash] = key

    def replace(self, key: ApiKey, *, was: ApiKey) -> None:
        with self._lock:
            if self._keys.get(was.hash) != was:
                raise Conflict("this API key was changed at the same time")
            self._keys[key.hash] = key

    def delete(self, key: ApiKey) -> None:
        with self._lock:
            found = self._keys.get(key.hash)
            if found is not None and found.account_id != key.account_id:
                raise Conflict("this API key belongs to another account")
            self._keys.pop(key.hash, None)


class InMemoryUsageQueue:
    """Keeps what it was sent in `events`; while `failing`, it takes nothing."""

    def __init__(self) -> None:
        self.events: list[Mapping[str, Any]] = []
        self.failing = False
        self._lock = Lock()

    def send(self, event: Mapping[str, Any]) -> None:
        with self._lock:
            if self.failing:
                raise TemporarilyBusy("the usage queue cannot be reached")
            self.events.append(event)
