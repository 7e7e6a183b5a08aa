"""Writes what is not exported yet of one account's day."""

import gzip
from collections.abc import Iterable
from datetime import UTC, datetime

import orjson

from turnpike.domain.exports import (
    NO_FACTS,
    Extent,
    PartFacts,
    extent_of,
    facts_of,
    hash_of,
    part_key,
    part_prefix,
)
from turnpike.domain.ids import AccountId
from turnpike.domain.ledger import LedgerEntry
from turnpike.ports.upkeep import ExportStore


class DayExport:
    """Knows what all objects of the day have that there are, by 8 bytes for each line; adds what they have not."""

    def __init__(self, store: ExportStore, account_id: AccountId, day: str) -> None:
        self._store, self._account_id, self._day = store, account_id, day
        self._known: set[int] = set()
        self._waiting: dict[str, tuple[bytes, PartFacts]] = {}
        self.extent = Extent()
        """Of what is exported."""
        self._parts = 0
        for _ in store.list_keys(part_prefix(day, account_id)):
            self._read_next()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def add(self, entry: LedgerEntry) -> None:
        if hash_of(entry.entry_id) not in self._known:
            line = line_of(entry)
            self._waiting[entry.entry_id] = line, facts_of(entry, line)

    def flush(self) -> int:
        """Write what waits, in an object that nobody has written; returns the number of lines.

        Where somebody has, what is in that one waits no more.
        """
        written = 0
        while self._waiting:
            lines = [line for line, _ in self._waiting.values()]
            facts = sum((each for _, each in self._waiting.values()), NO_FACTS)
            if not self._store.put_once(self._key(), pack(lines), facts):
                self._read_next()
                self._waiting = {name: each for name, each in self._waiting.items() if hash_of(name) not in self._known}
                continue
            self._parts += 1
            self._known.update(map(hash_of, self._waiting))
            self.extent += facts.extent
            written += len(lines)
            self._waiting = {}
        return written

    def _read_next(self) -> None:
        for line in unpack(self._store.get(self._key())):
            self._known.add(hash_of(orjson.loads(line)["entry_id"]))
            self.extent += extent_of(line)
        self._parts += 1

    def _key(self) -> str:
        return part_key(self._day, self._account_id, self._parts)


def line_of(entry: LedgerEntry) -> bytes:
    """Without the line's end. The same entry is the same line for ever: what is exported is compared with it."""
    return orjson.dumps(
        {
            "entry_id": entry.entry_id,
            "account_id": entry.account_id,
            "kind": entry.kind,
            "available_delta_nanousd": entry.available_delta,
            "held_delta_nanousd": entry.held_delta,
            "reference": entry.reference,
            "created_at": datetime.fromtimestamp(entry.created_at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )


def pack(lines: Iterable[bytes]) -> bytes:
    """The same lines are the same bytes: no time is among them."""
    return gzip.compress(b"".join(line + b"\n" for line in lines), mtime=0)


def unpack(data: bytes) -> list[bytes]:
    return gzip.decompress(data).splitlines()
