"""What is known of an endpoint's health, without waiting for it: the last snapshot, and this environment's breaker."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random

from turnpike.domain.breaker import Breaker
from turnpike.domain.catalog import Endpoint
from turnpike.domain.generation import Attempt
from turnpike.domain.health import (
    UNKNOWN,
    WINDOW_S,
    EndpointStats,
    HealthReport,
    HealthSnapshot,
    endpoint_key,
)

Run = Callable[[Callable[[], None]], None]

SCOUTS = 0.03
"""The share of requests that see nothing of an outage that all environments know of. They learn when it is over, and
tell the others as long as it is not: else all would try the endpoint again at once, each by itself, time and again."""


_RANDOM = Random()  # noqa: S311  # Guards nothing.


@dataclass(frozen=True, slots=True)
class _Known:
    """A snapshot, made ready where nobody waits for it. Both by endpoint key."""

    taken_at_s: float
    stats: Mapping[str, EndpointStats]
    outages: Mapping[str, int]
    """Until when they last, in epoch seconds; those that are over may be among them."""


_NOTHING = _Known(float("-inf"), {}, {})


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
        random: Callable[[], float] = _RANDOM.random,
    ) -> None:
        """`find` may take its time and raise; `on_failure` is called where it ran."""
        self._find = find
        self._breaker = breaker
        self._on_failure = on_failure
        self._now = now
        self._every_s = every_s
        self._run = run
        self._random = random
        self._read_at_s = float("-inf")
        self._known = self._applied = _NOTHING

    def __call__(self, endpoint: Endpoint) -> EndpointStats:
        now_s = self._now()
        if not 0 <= now_s - self._read_at_s < self._every_s:
            self.refresh_when_due()
        known = self._known
        if known is not self._applied:
            self._apply(known, now_s)
        key = endpoint_key(endpoint)
        stats = known.stats.get(key, UNKNOWN) if now_s - known.taken_at_s <= WINDOW_S else UNKNOWN
        if not self._breaker.is_open(key, now_s):
            return stats
        if known.outages.get(key, 0) > now_s and self._random() < SCOUTS:
            return stats
        return replace(stats, outage=True)

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
            self._breaker.record(key, attempt.outcome == "ok", self._now(), waited_s=attempt.latency_ms / 1000)

    def refresh_when_due(self) -> None:
        """Begin to read the snapshot if it is time; returns at once, and never raises."""
        now_s = self._now()
        if 0 <= now_s - self._read_at_s < self._every_s:
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
        # A read that was cut off and goes on later may bring what is older by now.
        if found is not None and found.taken_at_s > self._known.taken_at_s:
            stats = {key: summary.stats for key, summary in found.endpoints.items()}
            untils = {key: summary.outage_until_s for key, summary in found.endpoints.items()}
            outages = {key: until_s for key, until_s in untils.items() if until_s is not None}
            self._known = _Known(found.taken_at_s, stats, outages)

    def _apply(self, known: _Known, now_s: float) -> None:
        """An outage that others saw opens the breaker here too, so that the endpoint is probed before it is used."""
        self._applied = known
        self._breaker.take_over(known.outages, now_s, seen_at_s=known.taken_at_s)


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
