"""Write down in one place what is known of every endpoint, so that readers need not gather it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from turnpike.domain.health import EndpointReport, HealthReport, HealthSnapshot
from turnpike.domain.tallies import MINUTE_S, Tally, report, summarize
from turnpike.domain.uptime import MINUTES_AN_HOUR, count_minutes, day_uptime
from turnpike.ports.catalog import HealthCounts, HealthSnapshots

_ROUTING_MINUTES, _REPORT_MINUTES, _DAY_HOURS = 5, 30, 24
"""How far back each looks, besides the current minute or hour."""
_LATE_MINUTES = 2
"""Before a minute counts as complete: events wait in the queue for a while."""

_Minutes = Mapping[int, Mapping[str, Tally]]


@dataclass(slots=True)
class RollUpHealth:
    """Call it whenever counts were written. Of all environments, one does it each time that it is due."""

    counts: HealthCounts
    snapshots: HealthSnapshots
    snapshot_every_s: float = 5.0
    report_every_s: float = 60.0
    _tried_at_s: dict[str, float] = field(default_factory=dict)
    _complete: dict[int, Mapping[str, Tally]] = field(default_factory=dict)

    def __call__(self, now_s: float) -> None:
        """Raises TemporarilyBusy, and then it is done when it is due the next time."""
        if self._is_due("snapshot", now_s, self.snapshot_every_s):
            self._write_snapshot(now_s)
        if self._is_due("report", now_s, self.report_every_s):
            self._write_report(now_s)

    def _is_due(self, job: str, now_s: float, every_s: float) -> bool:
        # What this environment has tried a moment ago is not due, whoever did it then: asking costs a write.
        tried_at_s = self._tried_at_s.get(job)
        if tried_at_s is not None and 0 <= now_s - tried_at_s < every_s:
            return False
        self._tried_at_s[job] = now_s
        return self.counts.claim(job, now_s, every_s=every_s)

    def _write_snapshot(self, now_s: float) -> None:
        current = int(now_s) // MINUTE_S
        by_endpoint = _by_endpoint(self._read(current - _ROUTING_MINUTES, current))
        summaries = {key: summarize(minutes) for key, minutes in by_endpoint.items()}
        self.snapshots.put_snapshot(HealthSnapshot(now_s, summaries))

    def _write_report(self, now_s: float) -> None:
        current = int(now_s) // MINUTE_S
        minutes = self._read(current - _REPORT_MINUTES, current)
        uptimes = self._count_uptime(minutes, current)
        reports = {key: EndpointReport(uptime_last_1d=uptime) for key, uptime in uptimes.items()}
        for key, tallies in _by_endpoint(minutes).items():
            reports[key] = report(tallies, now_minute=current, uptime_last_1d=uptimes.get(key))
        self.snapshots.put_report(HealthReport(now_s, reports))

    def _count_uptime(self, minutes: _Minutes, current: int) -> Mapping[str, float | None]:
        """Add the minutes that are complete to their hours; the last day's uptimes, with them."""
        this_hour, through = current // MINUTES_AN_HOUR, current - 1 - _LATE_MINUTES
        hours = dict(self.counts.list_hours(this_hour - _DAY_HOURS + 1, this_hour))
        for hour in {min(minutes) // MINUTES_AN_HOUR, this_hour}:
            seen = hours.get(hour)
            counted = count_minutes(hour, seen, minutes, through=through)
            if counted is not None and self.counts.put_hour(hour, counted, seen=seen):
                hours[hour] = counted
        return day_uptime(hours.values())

    def _read(self, first: int, last: int) -> _Minutes:
        """Minutes that are complete are read once, and kept as long as they are looked at."""
        found = {minute: self._complete.get(minute) for minute in range(first, last + 1)}
        minutes = {minute: self.counts.list_minute(minute) if was is None else was for minute, was in found.items()}
        oldest, complete = last - _REPORT_MINUTES, last - _LATE_MINUTES
        known = {**self._complete, **minutes}
        self._complete = {minute: each for minute, each in known.items() if oldest <= minute < complete}
        return minutes


def _by_endpoint(minutes: _Minutes) -> Mapping[str, Mapping[int, Tally]]:
    found: defaultdict[str, dict[int, Tally]] = defaultdict(dict)
    for minute, tallies in minutes.items():
        for key, tally in tallies.items():
            found[key][minute] = tally
    return found
