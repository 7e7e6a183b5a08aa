"""Stand-ins for the stores of endpoint health, under the same contract as the real ones."""

from collections import defaultdict
from collections.abc import Mapping
from threading import Lock

from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.health import HealthReport, HealthSnapshot
from turnpike.domain.tallies import Tally, merged
from turnpike.domain.uptime import UptimeHour


class InMemoryHealthCounts:
    """`writes` and `reads` count what was asked of it; while `failing`, it does nothing."""

    def __init__(self) -> None:
        self.failing = False
        self.writes = 0
        self.reads = 0
        self._lock = Lock()
        self._minutes: defaultdict[int, dict[str, Tally]] = defaultdict(dict)
        self._batches: dict[tuple[int, str], str] = {}
        self._begun: dict[str, float] = {}
        self._hours: dict[int, UptimeHour] = {}

    def add(self, minute: int, endpoint: str, tally: Tally, *, batch: str) -> None:
        with self._lock:
            self._count_write()
            if self._batches.get((minute, endpoint)) == batch:
                return
            self._batches[minute, endpoint] = batch
            standing = self._minutes[minute].get(endpoint, Tally())
            self._minutes[minute][endpoint] = merged([standing, tally])

    def list_minute(self, minute: int) -> Mapping[str, Tally]:
        with self._lock:
            self.reads += 1
            return dict(self._minutes[minute])

    def claim(self, job: str, now_s: float, *, every_s: float) -> bool:
        with self._lock:
            self._count_write()
            if job in self._begun and self._begun[job] > now_s - every_s:
                return False
            self._begun[job] = now_s
            return True

    def list_hours(self, first: int, last: int) -> Mapping[int, UptimeHour]:
        with self._lock:
            return {hour: uptime for hour, uptime in self._hours.items() if first <= hour <= last}

    def put_hour(self, hour: int, uptime: UptimeHour, *, seen: UptimeHour | None) -> bool:
        with self._lock:
            self._count_write()
            standing = self._hours.get(hour)
            if (standing and standing.through) != (seen and seen.through):
                return False
            self._hours[hour] = uptime
            return True

    def _count_write(self) -> None:
        if self.failing:
            raise TemporarilyBusy("the table is busy")
        self.writes += 1


class InMemoryHealthSnapshots:
    def __init__(self) -> None:
        self._lock = Lock()
        self._snapshot: HealthSnapshot | None = None
        self._report: HealthReport | None = None

    def put_snapshot(self, snapshot: HealthSnapshot) -> None:
        with self._lock:
            if self._snapshot is None or snapshot.taken_at_s > self._snapshot.taken_at_s:
                self._snapshot = snapshot

    def find_snapshot(self) -> HealthSnapshot | None:
        with self._lock:
            return self._snapshot

    def put_report(self, report: HealthReport) -> None:
        with self._lock:
            if self._report is None or report.taken_at_s > self._report.taken_at_s:
                self._report = report

    def find_report(self) -> HealthReport | None:
        with self._lock:
            return self._report
