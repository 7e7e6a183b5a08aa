"""What is wrong for certain, of what readings of an account that may be in use found to differ."""

from collections.abc import Iterator
from dataclasses import dataclass

from turnpike.domain.audit.findings import Code, Finding
from turnpike.domain.audit.readings import PARTS, Reading
from turnpike.domain.audit.sums import Difference, Sum, bucket_of, difference

_CODES: dict[str, Code] = {
    "lease": "lease_captured_differs",
    "spend": "key_spend_differs",
    "limit": "limit_differs",
}
_ANYTHING = 2**63


@dataclass(frozen=True, slots=True)
class Verdict:
    findings: tuple[Finding, ...]
    is_exact: bool
    """Whether their amounts are, with nothing in them that came while the account was read."""
    uncertain: int
    """The largest difference, in nano-USD, that may be what came while the account was read; 0 if there is none."""


def suspects(reading: Reading) -> frozenset[int] | None:
    """The buckets in which something differs, and may differ for nothing but what came meanwhile. None: all agree."""
    if reading.sieve is not None:
        buckets = reading.sieve.left_over()
    else:
        buckets = frozenset(bucket_of(each.label) for each in _of_labels(reading, reading))
    sums_differ = any(True for _ in _of_balance(reading, reading, reading))
    return buckets if buckets or sums_differ else None


def judge(before: Reading, reading: Reading, later: Reading) -> Verdict:
    """Of `reading`, by the readings before and after it."""
    found = [*_of_balance(before, reading, later), *_of_labels(reading, later)]
    certain = [each for each in found if each.is_certain]
    uncertain = [abs(each.says - each.should) for each in found if not each.is_certain]
    findings = tuple(_finding(reading, each) for each in certain)
    return Verdict(findings, not any(each.moved for each in certain), max(uncertain, default=0))


def _of_labels(reading: Reading, later: Reading) -> Iterator[Difference]:
    for label, read in reading.sums.by_label.items():
        slack = _slack(later, label)
        if label not in later.sums.by_label:
            # Cut off there: nothing is known of what came in between.
            known = Sum(read.plus + _ANYTHING, read.minus + _ANYTHING)
        else:
            known = later.sums.by_label[label]
        found = difference(label, read, known, slack=slack)
        if found:
            yield found


def _slack(later: Reading, label: str) -> int:
    """A limit may count what its key spent before, which no entry says of a key's spending. Of what the customer's own
    accounts were charged then, the records may be gone."""
    kind, key_hash, *_ = label.split("|")
    if kind != "limit":
        return 0
    return _ANYTHING if key_hash in later.byok_keys else later.loose.get(label).plus


def _of_balance(before: Reading, reading: Reading, later: Reading) -> Iterator[Difference]:
    for part in PARTS:
        found = difference(part, reading.parts[part], later.parts[part])
        if found:
            yield found
    held, pending = reading.parts["held"].says or 0, reading.pending_left
    if held != pending:
        # A hold's item is not only added to: what it says may be as old as the reading's begin.
        moved = _turnover(later) - _turnover(before)
        yield Difference("pending", held, pending, -moved, moved, moved)
    available = reading.parts["available"].says or 0
    if available < -later.taken_back:
        moved = later.taken_back - reading.taken_back
        yield Difference("overdrawn", available, -later.taken_back, 0, 0, moved)


def _turnover(reading: Reading) -> int:
    return reading.parts["held"].plus + reading.parts["held"].minus


def _finding(reading: Reading, found: Difference) -> Finding:
    def finding(code: Code, subject: str) -> Finding:
        return Finding(code, reading.account_id, subject, found.says, found.should)

    if found.label in PARTS:
        return finding("balance_differs", found.label)
    if found.label == "pending":
        return finding("held_differs", "held")
    if found.label == "overdrawn":
        return finding("overdrawn", "available")
    kind, _, subject = found.label.partition("|")
    if kind == "lease" and reading.sums.by_label[found.label].says is None:
        return finding("entry_without_hold", subject)
    return finding(_CODES[kind], subject.replace("|", " "))
