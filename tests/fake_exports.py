"""What stands in for exports' storage in unit tests, under the same contract as the real one."""

from collections.abc import Iterator, Mapping
from threading import Lock

from turnpike.domain.exports import ExportMark, Extent, PartFacts
from turnpike.domain.ids import AccountId


class InMemoryExportStore:
    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, PartFacts]] = {}
        self._lock = Lock()

    def list_keys(self, prefix: str) -> Iterator[str]:
        with self._lock:
            return iter(sorted(key for key in self.objects if key.startswith(prefix)))

    def get(self, key: str) -> bytes:
        with self._lock:
            return self.objects[key][0]

    def get_facts(self, key: str) -> PartFacts:
        with self._lock:
            return self.objects[key][1]

    def put_once(self, key: str, data: bytes, facts: PartFacts) -> bool:
        with self._lock:
            return self.objects.setdefault(key, (data, facts))[0] is data


class InMemoryExportMarks:
    def __init__(self) -> None:
        self.marks: dict[AccountId, ExportMark] = {}
        self._lock = Lock()

    def find(self, account_id: AccountId) -> ExportMark:
        with self._lock:
            return self.marks.get(account_id, ExportMark())

    def put(self, account_id: AccountId, days: Mapping[str, Extent], *, seen: ExportMark) -> bool:
        with self._lock:
            if self.marks.get(account_id, ExportMark()).version != seen.version:
                return False
            self.marks[account_id] = ExportMark(dict(days), seen.version + 1)
            return True
