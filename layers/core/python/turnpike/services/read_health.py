"""What is known of an endpoint's health, without waiting for it: the last snapshot, and this environment's breaker."""

import threading
import time
from collections.abc import Callable

from turnpike.domain.breaker import Breaker
from turnpike.domain.catalog import Endpoint
from turnpike.domain.generation import Attempt
from turnpike.domain.health import (
    UNKNOWN,
    UNKNOWN_OUTAGE,
    WINDOW_S,
    EndpointStats,
    HealthReport,
    HealthSnapshot,
    endpoint_key,
)

Run = Callable[[Callable[[], None]], None]


def in_background(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="health", daemon=True).start()


class HealthReader:
    """A `Health`: call it with an endpoint.

    Snapshots are read when somebody asks and the last read began `every_s` ago or longer, by a thread that nobody
    waits for; until it is through, and when it fails, the one before is used. There is no timer: on Lambda nothing
    runs between requests, and a read that was cut off there fails, or ends late, without holding up the next one.
    Old snapshots do no harm: an outage says itself when it is over, and the rest counts for five minutes.

    Times are wall-clock seconds, since other clocks may stand still while Lambda does.
    """

    def __init__(
        self,
        find: Callable[[], HealthSnapshot | None],
        breaker: Breaker,
        *,
        on_failure: Callable[[Exception], None],
        now: Callable[[], float] = time.time,
        every_s: float = 15.0,
        run: Run = in_background,
    ) -> None:
        """`find` may take its time and raise; `on_failure` is called where it ran."""
        self._find = find
        self._breaker = breaker
        self._on_failure = on_failure
        self._now = now
        self._every_s = every_s
        self._run = run
        self._read_at_s: float | None = None
        self._snapshot: HealthSnapshot | None = None
        self._applied: HealthSnapshot | None = None

    def __call__(self, endpoint: Endpoint) -> EndpointStats:
        now_s = self._now()
        self.refresh_when_due()
        snapshot = self._snapshot
        if snapshot is not self._applied:
            self._apply(snapshot)
        key = endpoint_key(endpoint)
        outage = self._breaker.is_open(key, now_s)
        if snapshot is None or now_s - snapshot.taken_at_s > WINDOW_S:
            return UNKNOWN_OUTAGE if outage else UNKNOWN
        summary = snapshot.endpoints.get(key)
        if summary is None:
            return UNKNOWN_OUTAGE if outage else UNKNOWN
        return summary.stats(outage=outage)

    def begin_attempt(self, endpoint: Endpoint) -> None:
        """Tell it of every attempt that is about to be made: an endpoint that failed is probed one at a time."""
        self._breaker.try_probe(endpoint_key(endpoint), self._now())

    def record_attempt(self, endpoint: Endpoint, attempt: Attempt) -> None:
        """Tell it of every attempt that ended.

        Rate limits are no downtime, but as good a reason to ask somebody else for a while.
        """
        key = endpoint_key(endpoint)
        if attempt.outcome in ("client", "cancelled"):
            self._breaker.release(key)
        else:
            self._breaker.record(key, attempt.outcome == "ok", self._now())

    def refresh_when_due(self) -> None:
        """Begin to read the snapshot if it is time; returns at once, and never raises."""
        now_s = self._now()
        if self._read_at_s is not None and 0 <= now_s - self._read_at_s < self._every_s:
            return
        self._read_at_s = now_s
        try:
            self._run(self._refresh)
        except RuntimeError as error:  # No thread can be started: the process has too many, or ends.
            self._on_failure(error)

    def _refresh(self) -> None:
        try:
            found = self._find()
        except Exception as error:  # Whatever it is: requests do without.
            self._on_failure(error)
            return
        known = self._snapshot
        # A read that was cut off and goes on later may bring what is older by now.
        if found is not None and (known is None or found.taken_at_s > known.taken_at_s):
            self._snapshot = found

    def _apply(self, snapshot: HealthSnapshot | None) -> None:
        """An outage that others saw opens the breaker here too, so that the endpoint is probed before it is used."""
        self._applied = snapshot
        if snapshot is None:
            return
        for key, summary in snapshot.endpoints.items():
            if summary.outage_until_s is not None and summary.outage_until_s > self._now():
                self._breaker.open_until(key, summary.outage_until_s, seen_at_s=snapshot.taken_at_s)


class ReportReader:
    """What the catalog tells of endpoints, at most `every_s` old as far as it can be read; for several threads."""

    def __init__(
        self,
        find: Callable[[], HealthReport | None],
        *,
        on_failure: Callable[[Exception], None],
        now: Callable[[], float] = time.time,
        every_s: float = 15.0,
    ) -> None:
        self._find = find
        self._on_failure = on_failure
        self._now = now
        self._every_s = every_s
        self._lock = threading.Lock()
        self._read_at_s: float | None = None
        self._report = HealthReport(0.0, {})

    def __call__(self) -> HealthReport:
        """Waits for storage when it is time to read, so call it in a thread; never raises.

        When it cannot be read it is the one before; `HealthReport.of` leaves out what is too old to be told.
        """
        now_s = self._now()
        with self._lock:
            if self._read_at_s is None or not 0 <= now_s - self._read_at_s < self._every_s:
                self._read_at_s = now_s
                try:
                    self._report = self._find() or self._report
                except Exception as error:  # Whatever it is: the catalog is told without.
                    self._on_failure(error)
            return self._report
