"""An account as it was read once: its entries summed up as they pass by, beside what its counters say.

Nothing of the entries is kept, so that an account with millions of them takes no more memory than one with a few.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import get_args

from turnpike.domain.api_keys import LimitReset
from turnpike.domain.audit.sums import Sieve, Sum, Sums, bucket_of
from turnpike.domain.audit.trails import GenerationRecord, Trail, charge_of
from turnpike.domain.ids import AccountId, KeyHash, LeaseId
from turnpike.domain.ledger import Balance, Hold, LedgerEntry, balance_of
from turnpike.domain.periods import day_of, first_day_of, window_of

PARTS = ("available", "held", "credits_total", "usage_total")
FindLease = Callable[[LeaseId], Hold | None]


@dataclass(frozen=True, slots=True)
class SpendItem:
    """What a key is said to have spent, by day (`2026-11-27`)."""

    key_hash: KeyHash
    by_day: dict[str, int]
    has_byok: bool = False
    """Whether the customer's own provider accounts were charged as well."""


@dataclass(frozen=True, slots=True)
class LimitItem:
    """What is said to count against a key's limit in a window."""

    key_hash: KeyHash
    window: str
    used: int


def lease_label(lease_id: str) -> str:
    return f"lease|{lease_id}"


def spend_label(key_hash: str, day: str) -> str:
    return f"spend|{key_hash}|{day}"


def limit_label(key_hash: str, window: str) -> str:
    return f"limit|{key_hash}|{window}"


@dataclass(slots=True)
class Reading:
    """Fed with trails in any order, then with the items, and with the balance at the very end.

    A first reading sieves, and tells what may be wrong; later ones keep `sums` of that alone, which is `watched`.
    `now_s`: limits count in the windows of this time; those that are over decide nothing any more.
    """

    account_id: AccountId
    now_s: int
    watched: frozenset[int] | None = None
    sieve: Sieve | None = None
    sums: Sums = field(default_factory=Sums)
    parts: dict[str, Sum] = field(default_factory=lambda: {part: Sum() for part in PARTS})
    loose: Sums = field(default_factory=Sums)
    """By a limit's label: what its key was charged in its window by holds that did not count against it. When a limit
    is set or changed, what was spent before is counted."""
    byok_keys: set[str] = field(default_factory=set)
    pending_left: int = 0
    taken_back: int = 0
    """Of credit, with refunds and adjustments, which alone may take what is not there."""
    entries: int = 0
    windows: dict[str, str] = field(init=False)
    """Those of now, with their first days."""

    def __post_init__(self) -> None:
        resets: tuple[LimitReset, ...] = get_args(LimitReset)
        firsts = {window_of(reset, self.now_s): first_day_of(reset, self.now_s) for reset in resets}
        self.windows = {"total": ""} | firsts

    @classmethod
    def of(cls, account_id: AccountId, now_s: int, watched: frozenset[int] | None) -> "Reading":
        """A first one, which looks for what may be wrong, or one of what is to be watched."""
        if watched is None:
            return cls(account_id, now_s, sieve=Sieve())
        return cls(account_id, now_s, watched, sums=Sums(watched), loose=Sums(watched))

    def add(self, trail: Trail, find_lease: FindLease) -> None:
        hold = trail.hold
        self.entries += len(trail.entries)
        self._add_parts(trail)
        for entry in trail.entries:
            self._add_entry(trail, entry, find_lease)
        if hold is None:
            return
        if hold.state == "pending":
            self.pending_left += hold.left
        if hold.is_lease:
            self._say(lease_label(hold.hold_id), hold.captured)
        self._count_byok(hold, trail.generation)

    def note_spend(self, item: SpendItem) -> None:
        for day, amount in item.by_day.items():
            self._say(spend_label(item.key_hash, day), amount)
        if item.has_byok and any(limit_label(item.key_hash, each) in self.sums.by_label for each in self.windows):
            self.byok_keys.add(item.key_hash)

    def note_balance(self, balance: Balance) -> None:
        """At the end."""
        for part in PARTS:
            self.parts[part].says = getattr(balance, part)

    def note_limit(self, item: LimitItem) -> None:
        if item.window in self.windows:
            self._say(limit_label(item.key_hash, item.window), item.used)

    def forget_what_agrees(self) -> None:
        """Keep what a verdict needs of it."""
        self.sieve = None
        self.sums.by_label = {label: each for label, each in self.sums.by_label.items() if each.differs}
        self.loose.by_label = {}

    def _add_parts(self, trail: Trail) -> None:
        for entry in trail.entries:
            change = balance_of([entry])
            for part in PARTS:
                self.parts[part].add(getattr(change, part))
            if entry.kind in ("refund", "adjustment"):
                self.taken_back += max(0, -entry.available_delta)

    def _add_entry(self, trail: Trail, entry: LedgerEntry, find_lease: FindLease) -> None:
        """Under the labels that it counts for. A lease is only looked up where the trail itself does not say it all."""
        is_own = entry.reference == trail.id
        charge = charge_of(entry)
        if entry.kind == "capture" and not is_own:
            self._add(lease_label(entry.reference), charge)
        if not charge and not (is_own and trail.hold is not None and trail.hold.key_limit is not None):
            return
        hold = trail.hold if is_own else None
        key_hash = trail.generation.key_hash if trail.generation else None
        if not is_own and (key_hash is None or entry.kind == "overage" or self._watches_limits_of(key_hash)):
            hold = find_lease(LeaseId(entry.reference))
        if hold is not None:
            key_hash = hold.key_hash
        if key_hash is None:
            return
        window = hold.key_limit.window if hold is not None and hold.key_limit else None
        if charge:
            self._add_charge(key_hash, day_of(entry.created_at_s), charge, window)
        if window is not None and window in self.windows:
            # What is taken from the available credit for a hold counts, what comes back of it does not.
            self._add(limit_label(key_hash, window), -entry.available_delta)

    def _watches_limits_of(self, key_hash: KeyHash) -> bool:
        if not self.watched:
            return False
        labels = (limit_label(key_hash, window) for window in self.windows)
        return any(bucket_of(label) in self.watched for label in labels)

    def _add_charge(self, key_hash: KeyHash, day: str, charge: int, counted_in: str | None) -> None:
        self._add(spend_label(key_hash, day), charge)
        if self.watched is None:
            return
        for window, first_day in self.windows.items():
            if window != counted_in and day >= first_day:
                self.loose.add(limit_label(key_hash, window), charge)

    def _count_byok(self, hold: Hold, record: GenerationRecord | None) -> None:
        """What the customer's own provider account may charge, or has charged, counts against the limit as well."""
        if hold.byok_amount is None or hold.key_limit is None or hold.key_limit.window not in self.windows:
            return
        label = limit_label(hold.key_hash, hold.key_limit.window)
        self._add(label, hold.byok_amount)
        if hold.state != "pending":
            self._add(label, -hold.byok_amount)
            self._add(label, record.byok_cost if record and hold.state == "captured" else 0)

    def _add(self, label: str, amount: int) -> None:
        if self.sieve is not None:
            self.sieve.add(label, amount)
        else:
            self.sums.add(label, amount)

    def _say(self, label: str, amount: int) -> None:
        if self.sieve is not None:
            self.sieve.add(label, -amount)
        else:
            self.sums.say(label, amount)
