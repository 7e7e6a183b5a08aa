"""What stands in for storage in unit tests: real classes, under the same contract as the real ones."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any

from turnpike.domain import ledger
from turnpike.domain.api_keys import ApiKey, KeySpend
from turnpike.domain.errors import (
    Conflict,
    InsufficientCredit,
    KeyLimitExceeded,
    TemporarilyBusy,
)
from turnpike.domain.generation import Generation
from turnpike.domain.ids import AccountId, GenerationId, KeyHash
from turnpike.domain.ledger import Balance, Correction, Hold, LedgerEntry, Resolution
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.domain.periods import day_of, first_day_of, window_of


class InMemoryLedger:
    """Decides everything under one lock, and changes nothing before all is decided."""

    def __init__(self) -> None:
        self.generations = InMemoryGenerations(self)
        self._lock = Lock()
        self._balances: defaultdict[AccountId, Balance] = defaultdict(Balance)
        self._entries: defaultdict[AccountId, dict[str, LedgerEntry]] = defaultdict(dict)
        self._holds: dict[tuple[AccountId, GenerationId], Hold] = {}
        self._first_amounts: dict[tuple[AccountId, GenerationId], NanoUsd] = {}
        self._used: defaultdict[tuple[AccountId, KeyHash, str], int] = defaultdict(int)
        self._spent: defaultdict[tuple[AccountId, KeyHash], defaultdict[str, int]]
        self._spent = defaultdict(lambda: defaultdict(int))
        self._records: dict[tuple[AccountId, GenerationId], Generation] = {}

    def hold(self, hold: Hold) -> None:
        entry = ledger.hold_entry(hold)
        at = (hold.account_id, hold.hold_id)
        with self._lock:
            if at in self._holds:
                earlier = replace(self._holds[at], amount=self._first_amounts[at])
                return ledger.check_repeated(hold, earlier)
            self._check_room(hold, hold.amount)
            self._count(hold, hold.amount)
            self._append(entry)
            self._holds[at] = hold
            self._first_amounts[at] = hold.amount

    def extend(self, hold: Hold, by: NanoUsd, now_s: int) -> Hold:
        entry = ledger.extend_entry(hold, by, now_s)
        extended = replace(hold, amount=NanoUsd(hold.amount + by))
        at = (hold.account_id, hold.hold_id)
        with self._lock:
            now = self._holds.get(at)
            if now is None or now.state != "pending" or now.amount != hold.amount:
                standing = self._entries[hold.account_id].get(entry.entry_id)
                ledger.check_extended(extended, by, now=now, entry=standing)
                return extended
            self._check_room(hold, by)
            self._count(hold, by)
            self._append(entry)
            self._holds[at] = extended
        return extended

    def capture(
        self,
        account_id: AccountId,
        hold_id: GenerationId,
        cost: NanoUsd,
        now_s: int,
        record: Generation | None,
    ) -> Resolution:
        def resolve(hold: Hold) -> Resolution:
            available = self._balances[account_id].available
            return ledger.capture(hold, cost, available=available, now_s=now_s)

        return self._resolve(account_id, hold_id, resolve, now_s, record)

    def void(self, account_id: AccountId, hold_id: GenerationId, now_s: int, record: Generation | None) -> Resolution:
        return self._resolve(account_id, hold_id, lambda hold: ledger.void(hold, now_s), now_s, record)

    def expire(self, account_id: AccountId, hold_id: GenerationId, now_s: int) -> Resolution:
        return self._resolve(account_id, hold_id, lambda hold: ledger.expire(hold, now_s), now_s, None)

    def record(self, record: Generation) -> None:
        with self._lock:
            self._records.setdefault((record.account_id, record.id), record)

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

    def find_hold(self, account_id: AccountId, hold_id: GenerationId) -> Hold | None:
        with self._lock:
            return self._holds.get((account_id, hold_id))

    def find_generation(self, account_id: AccountId, generation_id: GenerationId) -> Generation | None:
        with self._lock:
            return self._records.get((account_id, generation_id))

    def get_balance(self, account_id: AccountId) -> Balance:
        with self._lock:
            return self._balances[account_id]

    def list_entries(self, account_id: AccountId) -> Iterator[LedgerEntry]:
        with self._lock:
            return iter(list(self._entries[account_id].values()))

    def list_expired_holds(self, now_s: int) -> Iterator[Hold]:
        with self._lock:
            pending = [hold for hold in self._holds.values() if hold.state == "pending"]
        return iter([hold for hold in pending if hold.expires_at_s <= now_s])

    def get_key_spend(self, account_id: AccountId, key: ApiKey, now_s: int) -> KeySpend:
        with self._lock:
            days = self._spent[account_id, key.hash]
            used = self._used[account_id, key.hash, window_of(key.limit_reset, now_s)]

        def since(day: str) -> NanoUsd:
            return NanoUsd(sum(spent for each, spent in days.items() if each >= day))

        return KeySpend(
            since(""),
            since(day_of(now_s)),
            since(first_day_of("weekly", now_s)),
            since(first_day_of("monthly", now_s)),
            NanoUsd(used) if key.limit is not None else ZERO,
        )

    def _resolve(
        self,
        account_id: AccountId,
        hold_id: GenerationId,
        resolve: Callable[[Hold], Resolution],
        now_s: int,
        record: Generation | None,
    ) -> Resolution:
        with self._lock:
            hold = ledger.check_pending(self._holds.get((account_id, hold_id)), hold_id)
            resolution = resolve(hold)
            for entry in resolution.entries:
                self._append(entry)
            self._count(hold, resolution.charged - hold.amount)
            if resolution.charged:
                self._spent[account_id, hold.key_hash][day_of(now_s)] += resolution.charged
            self._holds[account_id, hold_id] = replace(hold, state=resolution.state)
            if record is not None:
                self._records[account_id, hold_id] = replace(record, cost=resolution.charged)
        return resolution

    def _check_room(self, hold: Hold, amount: NanoUsd) -> None:
        """What costs nothing is never refused, whatever is left."""
        available = self._balances[hold.account_id].available
        if amount > 0 and available < amount:
            raise InsufficientCredit("The account's credit does not cover this", available=available)
        if hold.key_limit is None or amount == 0:
            return
        left = hold.key_limit.limit - self._used[hold.account_id, hold.key_hash, hold.key_limit.window]
        if left < amount:
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


class InMemoryGenerations:
    """The records that a ledger stored."""

    def __init__(self, ledger: InMemoryLedger) -> None:
        self._ledger = ledger

    def find(self, account_id: AccountId, generation_id: GenerationId) -> Generation | None:
        return self._ledger.find_generation(account_id, generation_id)


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
