"""Sums that must come to what an item says, of which an account may have millions.

Two instruments. A sieve, of fixed size, tells whether all sums agree, and which few may not: what entries say is added
under a label's bucket, what the item says is taken away, and what is left over is wrong. Sums proper are kept by label,
and only for labels in buckets that a sieve found something in.
"""

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache

_BUCKETS = 8192
_MODULUS = 2**64
_MOST_LABELS = 4000
"""Of one reading. So much fits into an item of DynamoDB, where a reading waits that is to be continued."""


def bucket_of(label: str) -> int:
    return _hashed(label)[0]


@lru_cache(maxsize=16_384)
def _hashed(label: str) -> tuple[int, int]:
    """The bucket and an odd weight. Errors under two labels do not cancel out, even in one bucket."""
    digest = hashlib.blake2b(label.encode(), digest_size=12).digest()
    return int.from_bytes(digest[:4]) % _BUCKETS, int.from_bytes(digest[4:]) | 1


@dataclass(slots=True)
class Sieve:
    buckets: list[int] = field(default_factory=lambda: [0] * _BUCKETS)

    def add(self, label: str, amount: int) -> None:
        bucket, weight = _hashed(label)
        self.buckets[bucket] = (self.buckets[bucket] + amount * weight) % _MODULUS

    def left_over(self) -> frozenset[int]:
        """The buckets that did not come to nothing."""
        return frozenset(bucket for bucket, rest in enumerate(self.buckets) if rest)


@dataclass(slots=True)
class Sum:
    """What was added and what was taken away, apart: both only grow while entries are only appended."""

    plus: int = 0
    minus: int = 0
    says: int | None = None
    """What the item says that it is the sum of; None where there is no item."""

    @property
    def differs(self) -> bool:
        return self.total != (self.says or 0)

    @property
    def total(self) -> int:
        return self.plus - self.minus

    def add(self, amount: int) -> None:
        if amount > 0:
            self.plus += amount
        else:
            self.minus -= amount


@dataclass(slots=True)
class Sums:
    """By label, for labels in the buckets that are watched."""

    watched: frozenset[int] = frozenset()
    by_label: dict[str, Sum] = field(default_factory=dict)
    is_cut: bool = False
    """Whether there were more labels than can be kept."""

    def add(self, label: str, amount: int) -> None:
        if found := self._of(label):
            found.add(amount)

    def say(self, label: str, amount: int) -> None:
        if found := self._of(label):
            found.says = amount

    def _of(self, label: str) -> Sum | None:
        found = self.by_label.get(label)
        if found is None and bucket_of(label) in self.watched:
            if len(self.by_label) < _MOST_LABELS:
                found = self.by_label[label] = Sum()
            else:
                self.is_cut = True
        return found

    def get(self, label: str) -> Sum:
        return self.by_label.get(label) or Sum()


@dataclass(frozen=True, slots=True)
class Difference:
    """What an item says beyond its sum, and how much of it may be what came while both were read."""

    label: str
    says: int
    should: int
    least: int
    most: int
    moved: int
    """How much came in all while it was read."""

    @property
    def is_certain(self) -> bool:
        return not self.least <= self.says - self.should <= self.most


def difference(label: str, read: Sum, later: Sum, *, slack: int = 0) -> Difference | None:
    """Compare what an item said when its entries had been summed up with the sum; `later` is the sum when read anew.

    Entries are only appended, and each is written at one with the item. So the item, which was read after `read` and
    before `later`, has all of `read` in it and nothing that is not in `later`: it can differ by entries that came in
    between, and by nothing else. Where none came, every difference is certain. None when there is no difference.
    `slack`: how much more an item may say anyway.
    """
    says = read.says or 0
    if 0 <= says - read.total <= slack:
        return None
    added, taken = later.plus - read.plus, later.minus - read.minus
    return Difference(label, says, read.total, -taken, added + slack, added + taken)
