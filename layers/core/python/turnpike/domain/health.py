"""How an endpoint has been doing lately, as routing sees it and as the catalog tells it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from turnpike.domain.catalog import Endpoint

if TYPE_CHECKING:
    from turnpike.domain.generation import Attempt

WINDOW_S = 300
"""How far back statistics for routing look; what was taken before it says nothing any more."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    p50: float
    p75: float
    p90: float
    p99: float


@dataclass(frozen=True, slots=True)
class EndpointStats:
    """Over the last five minutes, from every environment; None where too little was seen to say."""

    latency_s: Percentiles | None = None
    """From the attempt's start to its first content."""
    throughput: Percentiles | None = None
    """Output tokens a second, after the first content. p90 is what nine in ten attempts reach: higher is better,
    so its percentiles count from the fast end."""
    uptime: float | None = None
    """The share of attempts that succeeded; the client's own faults and rate limits are not counted."""
    outage: bool = False
    """Whether it failed significantly within the last 30 seconds: it is tried behind the others."""
    whole_s: Percentiles | None = None
    """From the attempt's start to the end of an answer that came in one piece. It shows no first content, whose time
    this one exceeds by as much as the answer is long."""
    whole_throughput: Percentiles | None = None
    """Output tokens a second over all that time, so fewer than `throughput` would tell of the same answers."""


UNKNOWN = EndpointStats()
UNKNOWN_OUTAGE = EndpointStats(outage=True)

Health = Callable[[Endpoint], EndpointStats]
"""What is known about an endpoint now; never waits for anything."""


def no_health(endpoint: Endpoint) -> EndpointStats:
    """For callers that have no statistics: every endpoint is as good as the other."""
    return UNKNOWN


HINDSIGHT_S = 10.0
"""By how much a failure is older than its end, where it was waited for that long. Who hangs until a deadline of 30
seconds has failed before that: if only the end counted, an endpoint would be left alone for 70 seconds after its
return. If only the beginning did, an outage would be over before it is known of."""


def failed_at_s(ended_at_s: float, waited_s: float) -> float:
    """When an endpoint counts as having failed, by the attempt's end and how long it showed nothing."""
    return ended_at_s - min(waited_s, HINDSIGHT_S)


def endpoint_key(endpoint: "Endpoint | Attempt") -> str:
    """What its statistics are kept under; the same after the catalog has been compiled anew.

    One that is called with a customer's own key has a name of its own: what becomes of that says nothing of ours.
    """
    key = f"{endpoint.provider}|{endpoint.upstream_model}|{endpoint.tag}"
    if isinstance(endpoint, Endpoint) and endpoint.byok is not None:
        return f"{key}|{endpoint.byok.key.id}"
    return key


@dataclass(frozen=True, slots=True)
class EndpointSummary:
    """One endpoint's part of a snapshot: its statistics, and until when it counts as failing."""

    attempts: int
    """All of them, whatever became of them."""
    latency_s: Percentiles | None = None
    throughput: Percentiles | None = None
    uptime: float | None = None
    outage_until_s: int | None = None
    """Epoch seconds, so that an outage ends by itself for those who have no newer snapshot."""
    whole_s: Percentiles | None = None
    whole_throughput: Percentiles | None = None

    @property
    def stats(self) -> EndpointStats:
        """Without its outage, which ends by the clock."""
        return EndpointStats(
            self.latency_s,
            self.throughput,
            self.uptime,
            whole_s=self.whole_s,
            whole_throughput=self.whole_throughput,
        )


@dataclass(frozen=True, slots=True)
class HealthSnapshot:
    """Every endpoint that was tried within the last five minutes, by its key."""

    taken_at_s: float
    endpoints: Mapping[str, EndpointSummary]


@dataclass(frozen=True, slots=True)
class EndpointReport:
    """What the catalog tells of an endpoint. Uptimes are percentages, None where no minute had enough attempts."""

    uptime_last_5m: float | None = None
    uptime_last_30m: float | None = None
    uptime_last_1d: float | None = None
    """Of the last 24 hours, by whole hours but for the current one."""
    latency_last_30m: Percentiles | None = None
    """Milliseconds to the first content."""
    throughput_last_30m: Percentiles | None = None
    """Output tokens a second; percentiles as in `EndpointStats.throughput`."""


_NOTHING_TOLD = EndpointReport()


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Every endpoint that was tried within the last day, by its key."""

    taken_at_s: float
    endpoints: Mapping[str, EndpointReport]

    def of(self, endpoint: Endpoint, now_s: float) -> EndpointReport:
        """Without what is too old to be told: nothing is written while there are no requests."""
        found = self.endpoints.get(endpoint_key(endpoint), _NOTHING_TOLD)
        age_s = now_s - self.taken_at_s
        if age_s > 86_400:
            return _NOTHING_TOLD
        if age_s > 1800:
            return EndpointReport(uptime_last_1d=found.uptime_last_1d)
        return found if age_s <= WINDOW_S else replace(found, uptime_last_5m=None)
