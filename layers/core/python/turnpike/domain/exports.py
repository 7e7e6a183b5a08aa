"""Ledger entries as they are exported: one JSON line each, in objects by UTC day and account.

    ledger/day=2026-11-27/<account>.0000.jsonl.gz    what was there of the day when it was exported
    ledger/day=2026-11-27/<account>.0001.jsonl.gz    what more there was, and what came late
    manifests/day=2026-11-27/0000.json               how much all of them have; the last one counts

Objects are written once. What an object has is in none of those before it, which whoever writes it has read: so every
entry is in one of them, and in one only, however often and by whomever it is exported.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from turnpike.domain.ids import AccountId
from turnpike.domain.ledger import EntryKind, LedgerEntry

_MODULUS = 2**64


@dataclass(frozen=True, slots=True)
class Extent:
    """How many lines, and the sum of their hashes: two sets of lines with the same extent are the same set."""

    count: int = 0
    digest: int = 0

    def __add__(self, other: "Extent") -> "Extent":
        return Extent(self.count + other.count, (self.digest + other.digest) % _MODULUS)


@dataclass(frozen=True, slots=True)
class ExportMark:
    """Of one account, by day, what was exported. `version` goes up with each that is put."""

    days: Mapping[str, Extent] = field(default_factory=dict)
    version: int = 0


@dataclass(frozen=True, slots=True)
class KindSums:
    """Of the entries of one kind. Amounts in nano-USD."""

    entries: int = 0
    available_delta: int = 0
    held_delta: int = 0

    def __add__(self, other: "KindSums") -> "KindSums":
        return KindSums(
            self.entries + other.entries,
            self.available_delta + other.available_delta,
            self.held_delta + other.held_delta,
        )


@dataclass(frozen=True, slots=True)
class PartFacts:
    """What is in an object, told beside it."""

    extent: Extent
    kinds: dict[EntryKind, KindSums]

    def __add__(self, other: "PartFacts") -> "PartFacts":
        kinds = {
            kind: self.kinds.get(kind, KindSums()) + other.kinds.get(kind, KindSums())
            for kind in sorted({*self.kinds, *other.kinds})
        }
        return PartFacts(self.extent + other.extent, kinds)


NO_FACTS = PartFacts(Extent(), {})


def hash_of(text: str | bytes) -> int:
    """64 bits: of a thousand million, two are alike once in forty times; of those of one account and day, never."""
    data = text.encode() if isinstance(text, str) else text
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest())


def extent_of(line: bytes) -> Extent:
    return Extent(1, hash_of(line))


def facts_of(entry: LedgerEntry, line: bytes) -> PartFacts:
    return PartFacts(extent_of(line), {entry.kind: KindSums(1, entry.available_delta, entry.held_delta)})


def day_prefix(day: str) -> str:
    return f"ledger/day={day}/"


def part_prefix(day: str, account_id: AccountId) -> str:
    # A dot ends the account's name, so there may be none in it.
    return f"{day_prefix(day)}{quote(account_id, safe='').replace('.', '%2E')}."


def part_key(day: str, account_id: AccountId, number: int) -> str:
    return f"{part_prefix(day, account_id)}{number:04d}.jsonl.gz"


def manifest_prefix(day: str) -> str:
    return f"manifests/day={day}/"


def manifest_key(day: str, number: int) -> str:
    return f"{manifest_prefix(day)}{number:04d}.json"
