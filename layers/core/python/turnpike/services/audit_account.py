"""Audit one account, while it may be in use.

    first reading ──all agrees──> done
         │ something differs
         v
    reading of what differs ──> the next one ──> ...      until every difference is certain, or is gone

Requests that come while an account is read make its items differ for a moment. So nothing is reported that was seen
once. What stands under one id is read again until two readings are the same. Sums are read again, and a difference is
certain when it is more than all that came in between (`domain/audit/sums.py`). Neither asks what time it is anywhere.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import islice

from turnpike.domain.audit import Finding, Reading, Terms, Trail, check_trail, judge, suspects
from turnpike.domain.ids import LEASE_PREFIX, AccountId
from turnpike.ports.upkeep import AuditReads

_MOST_READINGS = 6
_MOST_LOOKS = 4
_SETTLED_S = 1.0
"""After so long a transaction that was seen in one item is to be seen in all of its items."""
_LISTED = 100
"""Findings of one account that are listed; the others are only counted."""
_PHASES = (("", LEASE_PREFIX), (LEASE_PREFIX, "\U0010ffff"))
"""Leases after what is captured from them, so that a lease's item has in it whatever was seen before."""


@dataclass(slots=True)
class AccountAudit:
    """An audit that is under way, and can be taken up again by whoever has this."""

    account_id: AccountId
    now_s: int
    reading: Reading
    after: str = ""
    """The id of the last trail of the reading."""
    earlier: list[Reading] = field(default_factory=list)
    readings: int = 1
    findings: list[Finding] = field(default_factory=list)
    differing: dict[str, Finding] = field(default_factory=dict)
    """Sums that are wrong for certain, as last seen."""
    more: int = 0
    """Findings beyond those that are listed."""
    is_cut: bool = False
    """Whether there was more that differs than can be followed."""
    uncertain: int = 0
    """What may be wrong by so much, in nano-USD, or may be what came while the account was read."""
    restless: int = 0
    """Trails that look wrong, and were other ones each time they were read."""
    entries: int = 0
    is_torn: bool = False
    """Whether the reading was left in the middle of something, so that it has to be begun anew."""

    @property
    def is_clear(self) -> bool:
        """Whether everything that is not among the findings is right."""
        return not (self.uncertain or self.is_cut or self.restless)


@dataclass(frozen=True, slots=True)
class AuditAccount:
    """`kept_s`: for how long generations are kept at least; None for ever. `step`: trails between looks at the time."""

    reads: AuditReads
    grace_s: int = 900
    kept_s: int | None = None
    step: int = 500
    now: Callable[[], float] = time.time
    pause: Callable[[float], None] = time.sleep

    def begin(self, account_id: AccountId) -> AccountAudit:
        now_s = int(self.now())
        return AccountAudit(account_id, now_s, Reading.of(account_id, now_s, None))

    def advance(self, audit: AccountAudit, time_left: Callable[[], bool]) -> bool:
        """Whether it is done; otherwise time was up. Raises TemporarilyBusy, after which it can be advanced again."""
        if audit.is_torn:
            self._begin_reading(audit, audit.reading.watched)
        while self._read_trails(audit, time_left):
            self._read_items(audit)
            audit.entries = audit.reading.entries
            if self._conclude(audit):
                return True
        return False

    def _read_trails(self, audit: AccountAudit, time_left: Callable[[], bool]) -> bool:
        find_lease = lru_cache(maxsize=4096)(partial(self.reads.find_lease, audit.account_id))
        for first, last in _PHASES:
            if audit.after >= last:
                continue
            self._settle(audit)
            trails = self.reads.trails(audit.account_id, after=max(audit.after, first), before=last)
            while chunk := list(islice(trails, self.step)):
                if audit.reading.watched is None:
                    self._check(audit, chunk)
                audit.is_torn = True
                for trail in chunk:
                    audit.reading.add(trail, find_lease)
                audit.is_torn, audit.after = False, chunk[-1].id
                if not time_left():
                    return False
        return True

    def _read_items(self, audit: AccountAudit) -> None:
        self._settle(audit)
        audit.is_torn = True
        for limit in self.reads.limits(audit.account_id):
            audit.reading.note_limit(limit)
        for spend in self.reads.spends(audit.account_id):
            audit.reading.note_spend(spend)
        audit.reading.note_balance(self.reads.get_balance(audit.account_id))
        audit.is_torn = False

    def _conclude(self, audit: AccountAudit) -> bool:
        """Whether nothing is left to be found out; otherwise begins the next reading."""
        reading, audit.uncertain, is_known = audit.reading, 0, False
        if len(audit.earlier) == 2:
            verdict = judge(audit.earlier[0], audit.earlier[1], reading)
            audit.differing |= {f"{each.code} {each.subject}": each for each in verdict.findings}
            audit.uncertain = verdict.uncertain
            is_known = verdict.is_exact and not verdict.uncertain
        watched = suspects(reading)
        if watched is None or is_known or audit.readings == _MOST_READINGS:
            audit.is_cut = reading.sums.is_cut
            audit.uncertain = 0 if watched is None else audit.uncertain
            self._note(audit, audit.differing.values())
            return True
        reading.forget_what_agrees()
        audit.earlier = [*audit.earlier[-1:], reading]
        audit.readings += 1
        self._begin_reading(audit, watched)
        return False

    def _begin_reading(self, audit: AccountAudit, watched: frozenset[int] | None) -> None:
        audit.reading = Reading.of(audit.account_id, audit.now_s, watched)
        audit.after, audit.is_torn = "", False

    def _settle(self, audit: AccountAudit) -> None:
        """Before items are read which have to have in them what was seen of entries; a first reading is no proof."""
        if audit.reading.watched is not None:
            self.pause(_SETTLED_S)

    def _check(self, audit: AccountAudit, trails: Sequence[Trail]) -> None:
        """Note what is wrong with them, and still is when nothing has happened to them since."""
        since_s = None if self.kept_s is None else audit.now_s - self.kept_s
        terms = Terms(audit.now_s, self.grace_s, since_s)
        suspicious = [(trail, findings) for trail in trails if (findings := check_trail(trail, terms))]
        for _ in range(_MOST_LOOKS):
            if not suspicious:
                return
            self.pause(_SETTLED_S)
            changed = []
            for trail, findings in suspicious:
                again = self.reads.find_trail(audit.account_id, trail.id)
                if again.at_rest == trail.at_rest:
                    self._note(audit, findings)
                elif findings := check_trail(again, terms):
                    changed.append((again, findings))
            suspicious = changed
        audit.restless += len(suspicious)

    def _note(self, audit: AccountAudit, findings: Iterable[Finding]) -> None:
        for finding in findings:
            if len(audit.findings) < _LISTED:
                audit.findings.append(finding)
            else:
                audit.more += 1
