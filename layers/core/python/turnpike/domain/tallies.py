"""What became of the attempts at one endpoint within one minute, as counts that add up.

Every count has a name of a letter and a number: `o` and `f` count successes and failures by ten seconds of the
minute, `r0`, `c0` and `x0` the attempts that were rate limited, failed by the client's own fault, or were ended by
us; `l` and `t` count latencies and throughputs by their bucket (`domain/sketches.py`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from turnpike.domain.generation import Attempt, Outcome
from turnpike.domain.health import EndpointReport, EndpointSummary, Percentiles
from turnpike.domain.sketches import Scale

MINUTE_S = 60
SLOT_S = 10
_SLOTS = MINUTE_S // SLOT_S

LATENCY_MS = Scale(10, 600_000, 0.05)
THROUGHPUT = Scale(0.5, 10_000, 0.05)

_LETTERS: Mapping[Outcome, str] = {"ok": "o", "failed": "f", "rate_limited": "r", "client": "c", "cancelled": "x"}
_BY_SLOT = frozenset("of")

_FEWEST_TIMES = 10
"""Below that, percentiles are those of a handful of requests, and say more of them than of the endpoint."""
_FEWEST_ATTEMPTS = 20
"""Below that, a single failure would make a twentieth of the uptime."""

_FEWEST_A_MINUTE, _UP_SHARE = 10, 0.8
"""OpenRouter's: uptime is the share of minutes in which four in five attempts succeeded, of those with ten or more."""

_OUTAGE_SLOTS = 3
"""How far back an outage is looked for: 30 seconds."""
_OUTAGE_FAILURES, _OUTAGE_BEGINS, _OUTAGE_ENDS = 3, 0.5, 0.2
"""An outage begins when half of the attempts fail, three or more, and ends when less than a fifth do.

While it lasts only a few probes are made, so a single one that fails prolongs it.
"""


class Tally:
    """Mutable: attempts are added to it, and other tallies."""

    __slots__ = ("counts",)

    def __init__(self, counts: Mapping[str, int] | None = None) -> None:
        self.counts = Counter(counts or {})

    def add(self, attempt: Attempt, ended_at_s: float) -> None:
        letter = _LETTERS.get(attempt.outcome)
        if letter is None:
            return  # Told by a newer version than this one.
        slot = int(ended_at_s) % MINUTE_S // SLOT_S if letter in _BY_SLOT else 0
        self.counts[f"{letter}{slot}"] += 1
        if attempt.first_content_ms is not None:
            self.counts[f"l{LATENCY_MS.bucket_of(attempt.first_content_ms)}"] += 1
        if attempt.output_tokens_per_s is not None:
            self.counts[f"t{THROUGHPUT.bucket_of(attempt.output_tokens_per_s)}"] += 1

    def succeeded(self, slot: int | None = None) -> int:
        """Of the whole minute, or of the ten seconds of that number."""
        return self._count("o", slot)

    def failed(self, slot: int | None = None) -> int:
        return self._count("f", slot)

    @property
    def attempts(self) -> int:
        return sum(count for name, count in self.counts.items() if name[0] in "ofrcx")

    def histogram(self, letter: str) -> Mapping[int, int]:
        return {int(name[1:]): count for name, count in self.counts.items() if name[0] == letter}

    def _count(self, letter: str, slot: int | None) -> int:
        if slot is not None:
            return self.counts[f"{letter}{slot}"]
        return sum(self.counts[f"{letter}{each}"] for each in range(_SLOTS))


def merged(tallies: Iterable[Tally]) -> Tally:
    whole = Tally()
    for tally in tallies:
        whole.counts.update(tally.counts)
    return whole


def summarize(minutes: Mapping[int, Tally]) -> EndpointSummary:
    """What routing needs to know of an endpoint. `minutes` are its tallies by minute (epoch seconds / 60)."""
    whole = merged(minutes.values())
    counted = whole.succeeded() + whole.failed()
    return EndpointSummary(
        attempts=whole.attempts,
        latency_s=_latencies(whole, unit_ms=1000),
        throughput=_throughputs(whole),
        uptime=round(whole.succeeded() / counted, 4) if counted >= _FEWEST_ATTEMPTS else None,
        outage_until_s=outage_until(minutes),
    )


def outage_until(minutes: Mapping[int, Tally]) -> int | None:
    """Epoch seconds, 30 after the last failure; None when it is not failing, or no longer.

    The minutes are gone through in their order, so who asks again with newer ones comes to the same conclusions.
    """
    until, failing = None, False
    recent: dict[int, tuple[int, int]] = {}
    for minute in sorted(minutes):
        for slot in range(_SLOTS):
            at = minute * _SLOTS + slot
            ok, failed = minutes[minute].succeeded(slot), minutes[minute].failed(slot)
            if not ok and not failed:
                continue
            recent = {each: seen for each, seen in recent.items() if each > at - _OUTAGE_SLOTS} | {at: (ok, failed)}
            all_failed = sum(seen[1] for seen in recent.values())
            share = all_failed / sum(sum(seen) for seen in recent.values())
            begins = all_failed >= _OUTAGE_FAILURES and share >= _OUTAGE_BEGINS
            if until is not None and at * SLOT_S >= until:
                failing = False
            failing = begins or (failing and share >= _OUTAGE_ENDS)
            if not failing:
                until = None
            elif failed:
                until = (at + 1 + _OUTAGE_SLOTS) * SLOT_S
    return until


def report(minutes: Mapping[int, Tally], *, now_minute: int, uptime_last_1d: float | None) -> EndpointReport:
    """What the catalog tells. `minutes` are the last 30 and the current one, as far as there were attempts."""
    whole = merged(minutes.values())
    last_five = [tally for minute, tally in minutes.items() if minute >= now_minute - 5]
    return EndpointReport(
        uptime_last_5m=uptime_percentage(*up_minutes(last_five)),
        uptime_last_30m=uptime_percentage(*up_minutes(minutes.values())),
        uptime_last_1d=uptime_last_1d,
        latency_last_30m=_latencies(whole, unit_ms=1),
        throughput_last_30m=_throughputs(whole),
    )


def up_minutes(tallies: Iterable[Tally]) -> tuple[int, int]:
    """How many minutes it was up, and how many had enough attempts to tell."""
    up = told = 0
    for tally in tallies:
        succeeded, failed = tally.succeeded(), tally.failed()
        if succeeded + failed >= _FEWEST_A_MINUTE:
            told += 1
            up += succeeded >= _UP_SHARE * (succeeded + failed)
    return up, told


def uptime_percentage(up: int, told: int) -> float | None:
    return round(100 * up / told, 2) if told else None


def _latencies(tally: Tally, *, unit_ms: float) -> Percentiles | None:
    counts = tally.histogram("l")
    if sum(counts.values()) < _FEWEST_TIMES:
        return None
    return Percentiles(*(_rounded(LATENCY_MS.quantile(counts, share) / unit_ms) for share in (0.5, 0.75, 0.9, 0.99)))


def _throughputs(tally: Tally) -> Percentiles | None:
    counts = tally.histogram("t")
    if sum(counts.values()) < _FEWEST_TIMES:
        return None
    # Nine in ten reach what one in ten stays below.
    return Percentiles(*(_rounded(THROUGHPUT.quantile(counts, 1 - share)) for share in (0.5, 0.75, 0.9, 0.99)))


def _rounded(value: float) -> float:
    """To three digits, which is more than a sketch knows."""
    return float(f"{value:.3g}")
