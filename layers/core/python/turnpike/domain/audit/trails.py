"""Everything the ledger has under one id, and whether it agrees with itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from turnpike.domain.audit.findings import Code, Finding
from turnpike.domain.ids import LEASE_PREFIX, AccountId, KeyHash
from turnpike.domain.ledger import Hold, LedgerEntry
from turnpike.domain.money import ZERO

DAY_S = 86_400
_ENDED_BY = {"captured": "capture", "voided": "void", "expired": "expire"}
"""Which entry says that a hold came into which state."""


@dataclass(frozen=True, slots=True)
class GenerationRecord:
    """What of a generation concerns the ledger. Amounts in nano-USD."""

    key_hash: KeyHash
    cost: int
    byok_cost: int = 0


@dataclass(frozen=True, slots=True)
class Trail:
    """A generation's or a lease's hold, entries and record; or an entry that needs no hold, under its own id."""

    account_id: AccountId
    id: str
    hold: Hold | None = None
    entries: tuple[LedgerEntry, ...] = ()
    """The making of the hold is one of them."""
    generation: GenerationRecord | None = None
    unreadable: tuple[str, ...] = ()
    """The sort keys of what could not be read."""

    @property
    def is_lease(self) -> bool:
        return self.id.startswith(LEASE_PREFIX)

    @property
    def at_rest(self) -> "Trail":
        """Without what a lease that is in use changes all the time, which its own checks do not ask about."""
        hold = self.hold
        if hold is None or hold.state != "pending":
            return self
        return replace(self, hold=replace(hold, captured=ZERO))

    @property
    def charged(self) -> int:
        return sum(map(charge_of, self.entries))


@dataclass(frozen=True, slots=True)
class Terms:
    """What an audit goes by. Times are epoch seconds."""

    now_s: int
    grace_s: int = 900
    """How long after its time a hold may be pending: upkeep does not come at once."""
    generations_since_s: int | None = None
    """Generations from before that may have been deleted, for their age; None when all are kept."""


def charge_of(entry: LedgerEntry) -> int:
    return -(entry.available_delta + entry.held_delta) if entry.kind in ("capture", "overage") else 0


def check_trail(trail: Trail, terms: Terms) -> list[Finding]:
    """What can be told from the trail alone; the sums over many trails are another matter."""
    malformed = [entry for entry in trail.entries if not _is_well_formed(trail, entry)]
    findings = [_finding(trail, "unreadable", 0, subject=sort_key) for sort_key in trail.unreadable]
    findings += [_finding(trail, "entry_malformed", each.available_delta, subject=each.entry_id) for each in malformed]
    if findings:
        # Whatever else does not fit may follow from these.
        return findings
    return [*_check_ends(trail), *_check_amounts(trail), *_check_time(trail, terms), *_check_charge(trail, terms)]


def _check_ends(trail: Trail) -> Iterator[Finding]:
    """That the hold ended as its entries say, once, and that all of them have one."""
    hold, own = trail.hold, {entry.kind: entry for entry in _own(trail)}
    ends = [entry for entry in trail.entries if entry.kind in _ENDED_BY.values()]
    if trail.is_lease and "void" in own:
        # What a lease gives back when it is closed does not end it.
        ends.remove(own["void"])
    if len(ends) > 1:
        right = trail.generation.cost if trail.generation else max(map(charge_of, ends))
        yield _finding(trail, "charged_twice", trail.charged, right)
    if hold is None:
        yield from (_alone(trail, entry) for entry in own.values())
        return
    ended_by = _ENDED_BY.get(hold.state)
    if ended_by is not None and ended_by not in own:
        yield _finding(trail, "hold_without_entry", hold.left)
    elif ended_by is None and any(entry.reference == trail.id for entry in ends):
        yield _finding(trail, "hold_unresolved", hold.left)
    if trail.is_lease and hold.is_closed != ("void" in own):
        yield _finding(trail, "hold_without_entry" if hold.is_closed else "hold_unresolved", hold.left)
    overage = next((entry for entry in trail.entries if entry.kind == "overage"), None)
    if overage is not None and not any(entry.kind == "capture" for entry in ends):
        yield _alone(trail, overage)


def _check_amounts(trail: Trail) -> Iterator[Finding]:
    hold = trail.hold
    if hold is None:
        return
    own = _own(trail)
    given_back = sum(entry.available_delta for entry in own if trail.is_lease and entry.kind == "void")
    amount = sum(entry.held_delta for entry in own if entry.kind == "hold") - given_back
    if hold.amount != amount:
        yield _finding(trail, "hold_amount_differs", hold.amount, amount)
    for entry in own:
        if entry.kind == _ENDED_BY.get(hold.state) and entry.held_delta != -hold.left:
            yield _finding(trail, "hold_amount_differs", -entry.held_delta, hold.left, subject=entry.entry_id)


def _check_time(trail: Trail, terms: Terms) -> Iterator[Finding]:
    hold = trail.hold
    if hold is not None and hold.state == "pending" and hold.expires_at_s + terms.grace_s < terms.now_s:
        yield _finding(trail, "hold_overdue", hold.left)


def _check_charge(trail: Trail, terms: Terms) -> Iterator[Finding]:
    """That what was charged is what the generation's record says. One that was not charged needs no record."""
    captures = [entry for entry in trail.entries if entry.kind == "capture"]
    record = trail.generation
    if record is None:
        since_s = terms.generations_since_s
        # A record is older than its charge, by a day at the very most.
        if captures and (since_s is None or captures[0].created_at_s - DAY_S >= since_s):
            yield _finding(trail, "entry_without_generation", trail.charged)
    elif not captures and record.cost:
        yield _finding(trail, "generation_without_entry", record.cost)
    elif len(captures) == 1 and record.cost != trail.charged:
        yield _finding(trail, "generation_cost_differs", record.cost, trail.charged)


def _is_well_formed(trail: Trail, entry: LedgerEntry) -> bool:
    """Whether it moves credit as entries of its kind do, and has the id of such a one."""
    available, held = entry.available_delta, entry.held_delta
    is_own = entry.reference == trail.id
    match entry.kind:
        case "top_up":
            return available > 0 and not held and entry.entry_id == f"top_up#{entry.reference}"
        case "refund" | "adjustment":
            return available != 0 and not held and entry.entry_id == f"{entry.kind}#{entry.reference}"
        case "hold":
            moves_rightly = is_own and held >= 0 and available == -held
        case "capture":
            # A lease keeps what it is not charged.
            moves_rightly = held <= 0 <= available <= -held and (is_own or not available)
        case "overage":
            moves_rightly = available < 0 and not held
        case _:
            moves_rightly = is_own and available >= 0 and held == -available
    may_be_leased = entry.kind in ("capture", "overage") and entry.reference.startswith(LEASE_PREFIX)
    return moves_rightly and (is_own or may_be_leased) and _has_id_of_its_kind(trail, entry)


def _has_id_of_its_kind(trail: Trail, entry: LedgerEntry) -> bool:
    name = f"{trail.id}#{entry.kind}"
    # An extension has the amount that it found at the end of its id.
    return entry.entry_id == name or (entry.kind == "hold" and entry.entry_id.startswith(f"{name}#"))


def _own(trail: Trail) -> Sequence[LedgerEntry]:
    """Entries of its own hold; others are captured from a lease."""
    return [entry for entry in trail.entries if entry.reference == trail.id]


def _alone(trail: Trail, entry: LedgerEntry) -> Finding:
    return _finding(trail, "entry_without_hold", -entry.held_delta or entry.available_delta, subject=entry.entry_id)


def _finding(trail: Trail, code: Code, says: int, should: int = 0, *, subject: str = "") -> Finding:
    return Finding(code, trail.account_id, subject or trail.id, says, should)
