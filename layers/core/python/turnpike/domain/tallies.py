"""What became of the attempts at one endpoint within one minute, as counts that add up.

Every count has a name of a letter and a number: `o` and `f` count successes and failures by five seconds of the
minute, `w` adds up how long after that the failures count as such; `r0`, `c0` and `x0` count the attempts that were
rate limited, failed by the client's own fault, or were ended by us; `l` and `t` latencies and throughputs of streams
by their bucket (`domain/sketches.py`), `a` and `s` times and throughputs of answers in one piece.

Attempts count when they began. Of an endpoint that sometimes hangs, what succeeds is known sooner than what fails;
counted by their ends, the successes of many that have begun to come back would hide the failures of the few before.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from turnpike.domain.generation import Attempt, Outcome
from turnpike.domain.health import EndpointReport, EndpointSummary, Percentiles, failed_at_s
from turnpike.domain.sketches import Scale

MINUTE_S = 60
SLOT_S = 5
_SLOTS = MINUTE_S // SLOT_S

LATENCY_MS = Scale(10, 600_000, 0.05)
THROUGHPUT = Scale(0.5, 10_000, 0.05)
WHOLE_MS = Scale(10, 600_000, 0.1)
WHOLE_THROUGHPUT = Scale(0.5, 10_000, 0.1)

_LETTERS: Mapping[Outcome, str] = {"ok": "o", "failed": "f", "rate_limited": "r", "client": "c", "cancelled": "x"}
_BY_SLOT = frozenset("of")

_LONGEST_S = 60.0
"""Of what an attempt took, how much counts: soon after, a minute is held to be complete."""

_FEWEST_TIMES = 10
"""Below that, percentiles are those of a handful of requests, and say more of them than of the endpoint."""
_FEWEST_ATTEMPTS = 20
"""Below that, a single failure would make a twentieth of the uptime."""

_FEWEST_A_MINUTE, _UP_SHARE = 10, 0.8
"""OpenRouter's: uptime is the share of minutes in which four in five attempts succeeded, of those with ten or more."""

_OUTAGE_SLOTS = 6
"""How far back an outage is looked for: 30 seconds."""
_SILENT_S = 15
"""How much longer it lasts as long as nothing has succeeded since."""
_OUTAGE_FAILURES, _OUTAGE_BEGINS, _OUTAGE_ENDS = 3, 0.5, 0.2
"""An outage begins when half of the attempts fail, three or more, and ends when less than a fifth do.

While it lasts only a few probes are made, so a single one that fails prolongs it.
"""


class Tally:
    """Mutable: attempts are added to it, and other tallies."""

    __slots__ = ("counts",)

    def __init__(self, counts: Mapping[str, int] | None = None) -> None:
        self.counts = Counter(counts or {})

    def add(self, attempt: Attempt, at_s: float) -> None:
        """`at_s`: as `counted_at_s` says."""
        letter = _LETTERS.get(attempt.outcome)
        if letter is None:
            return  # Told by a newer version than this one.
        slot = int(at_s) % MINUTE_S // SLOT_S if letter in _BY_SLOT else 0
        self.counts[f"{letter}{slot}"] += 1
        if attempt.outcome == "failed":
            waited_s = min(attempt.latency_ms / 1000, _LONGEST_S)
            # None of it for most, which fail at once.
            if late_s := round(failed_at_s(waited_s, waited_s)):
                self.counts[f"w{slot}"] += late_s
        if attempt.first_content_ms is not None:
            self._add_times("l", LATENCY_MS, attempt.first_content_ms, "t", THROUGHPUT, attempt.output_tokens_per_s)
        elif attempt.outcome == "ok":
            self._add_times("a", WHOLE_MS, attempt.latency_ms, "s", WHOLE_THROUGHPUT, attempt.output_tokens_per_s)

    def succeeded(self, slot: int | None = None) -> int:
        """Of the whole minute, or of the five seconds of that number."""
        return self._count("o", slot)

    def failed(self, slot: int | None = None) -> int:
        return self._count("f", slot)

    def late_s(self, slot: int) -> int:
        """How long after they began the failures of a slot count as such, on the average."""
        return self.counts[f"w{slot}"] // max(1, self.counts[f"f{slot}"])

    @property
    def attempts(self) -> int:
        return sum(count for name, count in self.counts.items() if name[0] in "ofrcx")

    def histogram(self, letter: str) -> Mapping[int, int]:
        return {int(name[1:]): count for name, count in self.counts.items() if name[0] == letter}

    def _add_times(
        self, time: str, times: Scale, ms: int, speed: str, speeds: Scale, tokens_per_s: float | None
    ) -> None:
        self.counts[f"{time}{times.bucket_of(ms)}"] += 1
        if tokens_per_s is not None:
            self.counts[f"{speed}{speeds.bucket_of(tokens_per_s)}"] += 1

    def _count(self, letter: str, slot: int | None) -> int:
        if slot is not None:
            return self.counts[f"{letter}{slot}"]
        return sum(self.counts[f"{letter}{each}"] for each in range(_SLOTS))


def counted_at_s(attempt: Attempt, ended_at_s: float) -> float:
    """When it began, but at most a minute before its end. What broke off was well until then, but for its beginning."""
    lasted_ms = attempt.latency_ms if attempt.outcome == "failed" else attempt.took_ms
    return ended_at_s - min(lasted_ms / 1000, _LONGEST_S)


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
        latency_s=_times(whole, "l", LATENCY_MS, unit_ms=1000),
        throughput=_throughputs(whole, "t", THROUGHPUT),
        uptime=round(whole.succeeded() / counted, 4) if counted >= _FEWEST_ATTEMPTS else None,
        outage_until_s=outage_until(minutes),
        whole_s=_times(whole, "a", WHOLE_MS, unit_ms=1000),
        whole_throughput=_throughputs(whole, "s", WHOLE_THROUGHPUT),
    )


def outage_until(minutes: Mapping[int, Tally]) -> int | None:
    """Epoch seconds, 30 after the last failure; None when it is not failing, or no longer.

    The minutes are gone through in their order, so who asks again with newer ones comes to the same conclusions.
    """
    until, failing, late_s, last = None, False, 0, 0
    recent: dict[int, tuple[int, int]] = {}
    for minute in sorted(minutes):
        for slot in range(_SLOTS):
            at = minute * _SLOTS + slot
            ok, failed = minutes[minute].succeeded(slot), minutes[minute].failed(slot)
            if not ok and not failed:
                continue
            recent = {each: seen for each, seen in recent.items() if each > at - _OUTAGE_SLOTS} | {at: (ok, failed)}
            if until is not None and at * SLOT_S >= until:
                failing = False
            # While failures come late, what began last is only known as far as it succeeded.
            if failed or not late_s:
                failing = _begins(recent) or (failing and not _ends(recent))
            if not failing:
                until, late_s = None, 0
                continue
            if failed:
                last, late_s = at, minutes[minute].late_s(slot)
            silent_s = _SILENT_S if last == at else 0
            until = (last + 1 + _OUTAGE_SLOTS) * SLOT_S + late_s + silent_s
    return until


def _begins(recent: Mapping[int, tuple[int, int]]) -> bool:
    failed = sum(seen[1] for seen in recent.values())
    return failed >= _OUTAGE_FAILURES and failed >= _OUTAGE_BEGINS * sum(map(sum, recent.values()))


def _ends(recent: Mapping[int, tuple[int, int]]) -> bool:
    return sum(seen[1] for seen in recent.values()) < _OUTAGE_ENDS * sum(map(sum, recent.values()))


def report(minutes: Mapping[int, Tally], *, now_minute: int, uptime_last_1d: float | None) -> EndpointReport:
    """What the catalog tells. `minutes` are the last 30 and the current one, as far as there were attempts."""
    whole = merged(minutes.values())
    last_five = [tally for minute, tally in minutes.items() if minute >= now_minute - 5]
    return EndpointReport(
        uptime_last_5m=uptime_percentage(*up_minutes(last_five)),
        uptime_last_30m=uptime_percentage(*up_minutes(minutes.values())),
        uptime_last_1d=uptime_last_1d,
        latency_last_30m=_times(whole, "l", LATENCY_MS, unit_ms=1),
        throughput_last_30m=_throughputs(whole, "t", THROUGHPUT),
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


def _times(tally: Tally, letter: str, scale: Scale, *, unit_ms: float) -> Percentiles | None:
    counts = tally.histogram(letter)
    if sum(counts.values()) < _FEWEST_TIMES:
        return None
    return Percentiles(*(_rounded(scale.quantile(counts, share) / unit_ms) for share in (0.5, 0.75, 0.9, 0.99)))


def _throughputs(tally: Tally, letter: str, scale: Scale) -> Percentiles | None:
    counts = tally.histogram(letter)
    if sum(counts.values()) < _FEWEST_TIMES:
        return None
    # Nine in ten reach what one in ten stays below.
    return Percentiles(*(_rounded(scale.quantile(counts, 1 - share)) for share in (0.5, 0.75, 0.9, 0.99)))


def _rounded(value: float) -> float:
    """To three digits, which is more than a sketch knows."""
    return float(f"{value:.3g}")
