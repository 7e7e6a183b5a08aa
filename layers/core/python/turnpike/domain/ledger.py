"""The ledger's vocabulary: balances, holds, entries, and the arithmetic of resolving a hold.

    hold ──extend*──> pending ──capture──> captured     charge the cost, return the rest
                              ──void─────> voided       no charge, by us
                              ──expire───> expired      nobody resolved it in time; no charge

A hold resolves at most once, whatever is redelivered, retried or raced. A lease is a hold for a run of generations:

    hold ──extend*──> pending ──close──> pending ──expire──> expired      return what is left
                      capture_part*      capture_part*

Each generation is captured from it once; closing it gives back early what it is not going to spend.
At every moment available + held equals the sum of all entries' deltas.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from turnpike.domain.api_keys import ApiKey
from turnpike.domain.errors import HoldMismatch, HoldNotFound, HoldResolved, ReferenceReused
from turnpike.domain.ids import LEASE_PREFIX, AccountId, GenerationId, HoldId, KeyHash, LeaseId
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.domain.periods import window_of

HoldState = Literal["pending", "captured", "voided", "expired"]
EntryKind = Literal["top_up", "hold", "capture", "void", "expire", "overage", "refund", "adjustment"]
Correction = Literal["refund", "adjustment"]
"""A refund undoes a charge (credit comes back) or a payment (credit goes); an adjustment is the operator's word."""


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account can spend now, and what pending holds keep from it."""

    available: NanoUsd = ZERO
    held: NanoUsd = ZERO
    credits_total: NanoUsd = ZERO
    """Everything ever added: top-ups, refunds and adjustments."""
    usage_total: NanoUsd = ZERO
    """Everything ever charged: captures and overage."""


@dataclass(frozen=True, slots=True)
class KeyLimit:
    """A spending limit on one API key, counted in `window` (`total`, or a day, week or month)."""

    limit: NanoUsd
    window: str = "total"


@dataclass(frozen=True, slots=True)
class Hold:
    """Credit reserved for one generation, whose id it bears, or leased for a run of them. Times are epoch seconds."""

    hold_id: HoldId
    account_id: AccountId
    key_hash: KeyHash
    amount: NanoUsd
    created_at_s: int
    expires_at_s: int
    key_limit: KeyLimit | None = None
    state: HoldState = "pending"
    captured: NanoUsd = ZERO
    """Of a lease's amount, what its generations were charged so far."""
    is_closed: bool = False
    """Of a lease: no longer extended, only captured."""
    byok_amount: NanoUsd | None = None
    """What the customer's own provider account may charge: nothing of ours, but counted against the key's limit.
    None where the limit leaves it out.
    """

    @property
    def is_lease(self) -> bool:
        return self.hold_id.startswith(LEASE_PREFIX)

    @property
    def left(self) -> NanoUsd:
        return NanoUsd(self.amount - self.captured)

    @property
    def counted(self) -> NanoUsd:
        """What it takes of the key's limit while it is pending."""
        return NanoUsd(self.amount + (self.byok_amount or ZERO))


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One immutable line of an account's history.

    `entry_id` is the idempotency key: the same id is never written twice.
    """

    entry_id: str
    account_id: AccountId
    kind: EntryKind
    available_delta: NanoUsd
    held_delta: NanoUsd
    reference: str
    """The hold's id, a payment's id, or the operator's idempotency key."""
    created_at_s: int


@dataclass(frozen=True, slots=True)
class Resolution:
    """How a hold ends: what is charged, and the entries that say so."""

    state: HoldState
    charged: NanoUsd
    absorbed: NanoUsd
    """What of the cost is beyond the hold, and beyond what the credit and the key's limit leave; nobody pays it."""
    entries: tuple[LedgerEntry, ...]
    counted_delta: NanoUsd = ZERO
    """By how much what is counted against the key's limit changes."""

    @property
    def overage(self) -> NanoUsd:
        return NanoUsd(-sum(entry.available_delta for entry in self.entries if entry.kind == "overage"))


def key_limit_of(key: ApiKey, now_s: float) -> KeyLimit | None:
    """The key's limit, in its current window."""
    return None if key.limit is None else KeyLimit(key.limit, window_of(key.limit_reset, now_s))


def top_up_entry(account_id: AccountId, amount: NanoUsd, *, reference: str, now_s: int) -> LedgerEntry:
    if amount <= 0:
        raise ValueError(f"a top-up adds credit: {amount}")
    return LedgerEntry(f"top_up#{reference}", account_id, "top_up", amount, ZERO, reference, now_s)


def correction_entry(
    account_id: AccountId, kind: Correction, amount: NanoUsd, *, reference: str, now_s: int
) -> LedgerEntry:
    """`amount` is signed: what is below zero takes credit away."""
    if not amount:
        raise ValueError(f"a {kind} of nothing")
    return LedgerEntry(f"{kind}#{reference}", account_id, kind, amount, ZERO, reference, now_s)


def hold_entry(hold: Hold) -> LedgerEntry:
    if hold.amount < 0:
        raise ValueError(f"a hold cannot be negative: {hold.amount}")
    return _entry(hold, "hold", NanoUsd(-hold.amount), hold.amount, hold.created_at_s)


def extend_entry(hold: Hold, by: NanoUsd, now_s: int) -> LedgerEntry:
    """`hold` is as it was before; its amount makes the entry's id unique among the hold's extensions."""
    if by <= 0:
        raise ValueError(f"an extension adds to a hold: {by}")
    entry = _entry(hold, "hold", NanoUsd(-by), by, now_s)
    return replace(entry, entry_id=f"{hold.hold_id}#hold#{hold.amount}")


def check_same_amount(entry: LedgerEntry, earlier: LedgerEntry) -> None:
    """Whether `earlier`, which has the same id, moves the same credit. Raises ReferenceReused if not."""
    if earlier.available_delta != entry.available_delta:
        raise ReferenceReused(f"{entry.reference} was used before with another amount")


def check_repeated(hold: Hold, earlier: Hold) -> None:
    """Whether `earlier`, which has the id that `hold` asks for, is the same hold, as it was made.

    Raises HoldResolved, or HoldMismatch when it is another one.
    """
    if earlier.state != "pending":
        raise HoldResolved(hold.hold_id, earlier.state)
    if _terms(earlier) != _terms(hold):
        raise HoldMismatch(f"hold {hold.hold_id} was made before, and differently")


def _terms(hold: Hold) -> tuple[object, ...]:
    return hold.amount, hold.key_hash, hold.key_limit, hold.byok_amount


def check_extended(extended: Hold, by: NanoUsd, *, now: Hold | None, entry: LedgerEntry | None) -> None:
    """Whether a hold that is not as it was seen is so because of the very same extension.

    `now` is the hold as it is, `entry` the one that stands where the extension's would.
    Raises HoldNotFound, HoldResolved or HoldMismatch if not.
    """
    if now is None:
        raise HoldNotFound(f"there is no hold {extended.hold_id}")
    if now.state != "pending":
        raise HoldResolved(now.hold_id, now.state)
    if now.amount != extended.amount or entry is None or entry.held_delta != by:
        raise HoldMismatch(f"hold {now.hold_id} changed since it was seen")


def check_closed(lease: Hold, now: Hold | None) -> None:
    """Whether a lease that could not be closed is closed already.

    Raises HoldNotFound, HoldResolved, or HoldMismatch when less of it is left than was to be given back.
    """
    if not check_pending(now, lease.hold_id).is_closed:
        raise HoldMismatch(f"{lease.hold_id} changed since it was seen")


def check_pending(hold: Hold | None, hold_id: HoldId) -> Hold:
    """A hold that can be resolved. Raises HoldNotFound or HoldResolved."""
    if hold is None:
        raise HoldNotFound(f"there is no hold {hold_id}")
    if hold.state != "pending":
        raise HoldResolved(hold_id, hold.state)
    return hold


def capture(hold: Hold, cost: NanoUsd, *, available: NanoUsd, now_s: int, byok_cost: NanoUsd = ZERO) -> Resolution:
    """Charge `cost`; what exceeds the hold comes out of `available` as overage, never below zero.

    `available` is what the account has left for it, or what the key's limit leaves of that.

    `byok_cost` is what the customer's own provider account was charged.
    """
    _check_single(hold)
    within, overage = _split(cost, hold.amount, available)
    entries = [_entry(hold, "capture", NanoUsd(hold.amount - within), NanoUsd(-hold.amount), now_s)]
    if overage:
        entries.append(_entry(hold, "overage", NanoUsd(-overage), ZERO, now_s))
    charged = NanoUsd(within + overage)
    counted = charged + (ZERO if hold.byok_amount is None else byok_cost) - hold.counted
    return Resolution("captured", charged, NanoUsd(cost - charged), tuple(entries), NanoUsd(counted))


def capture_part(
    account_id: AccountId,
    lease_id: LeaseId,
    generation_id: GenerationId,
    cost: NanoUsd,
    *,
    left: NanoUsd,
    available: NanoUsd,
    now_s: int,
) -> Resolution:
    """Charge one generation to a lease of which so much is `left`. The lease stays pending.

    The entries bear the generation's id, the first of them whatever it costs, and refer to the lease.
    """
    within, overage = _split(cost, left, available)

    def entry(kind: EntryKind, available_delta: int, held_delta: int) -> LedgerEntry:
        deltas = NanoUsd(available_delta), NanoUsd(held_delta)
        return LedgerEntry(f"{generation_id}#{kind}", account_id, kind, *deltas, lease_id, now_s)

    entries = [entry("capture", 0, -within)]
    if overage:
        entries.append(entry("overage", -overage, 0))
    charged = NanoUsd(within + overage)
    return Resolution("pending", charged, NanoUsd(cost - charged), tuple(entries), overage)


def void(hold: Hold, now_s: int) -> Resolution:
    """Return the whole hold."""
    _check_single(hold)
    return _returned(hold, "voided", "void", now_s)


def expire(hold: Hold, now_s: int) -> Resolution:
    """Return the whole hold, or what is left of a lease. Raises HoldMismatch while it has time left."""
    if hold.expires_at_s > now_s:
        raise HoldMismatch(f"hold {hold.hold_id} has {hold.expires_at_s - now_s} s left")
    return _returned(hold, "expired", "expire", now_s)


def close_entry(lease: Hold, give_back: NanoUsd, now_s: int) -> LedgerEntry:
    if not lease.is_lease or give_back < 0:
        raise ValueError(f"{give_back} cannot be given back of {lease.hold_id}")
    return _entry(lease, "void", give_back, NanoUsd(-give_back), now_s)


def balance_of(entries: Iterable[LedgerEntry]) -> Balance:
    """Recompute a balance from an account's whole history."""
    available = held = credit = usage = 0
    for entry in entries:
        available += entry.available_delta
        held += entry.held_delta
        change = entry.available_delta + entry.held_delta
        if entry.kind in ("capture", "overage"):
            usage -= change
        else:
            credit += change
    return Balance(NanoUsd(available), NanoUsd(held), NanoUsd(credit), NanoUsd(usage))


def _check_single(hold: Hold) -> None:
    if hold.is_lease:
        raise HoldMismatch(f"{hold.hold_id} is a lease, which is captured in parts, and ends by expiring")


def _split(cost: NanoUsd, held: NanoUsd, available: NanoUsd) -> tuple[NanoUsd, NanoUsd]:
    """What of the cost the held credit pays, and what the available credit does."""
    if cost < 0:
        raise ValueError(f"a cost cannot be negative: {cost}")
    within = NanoUsd(min(cost, held))
    return within, NanoUsd(min(cost - within, max(available, 0)))


def _returned(hold: Hold, state: HoldState, kind: EntryKind, now_s: int) -> Resolution:
    left = hold.left
    entry = _entry(hold, kind, left, NanoUsd(-left), now_s)
    return Resolution(state, ZERO, ZERO, (entry,), NanoUsd(hold.captured - hold.counted))


def _entry(hold: Hold, kind: EntryKind, available: NanoUsd, held: NanoUsd, now_s: int) -> LedgerEntry:
    return LedgerEntry(f"{hold.hold_id}#{kind}", hold.account_id, kind, available, held, hold.hold_id, now_s)
