"""`python -m tests.bench.simulation`: how routing divides its traffic, leaves what fails, and comes back to it.

100,000 requests of a simulated quarter of an hour, and some harder cases beside it; a picture of the former goes to
`.build/bench/routing.svg`. The traffic that an endpoint is given are the requests that ask it first: what it answers
in the end says nothing of how soon it is asked again. Times are simulated.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import mean
from typing import Any

from infra.local.emulator import ROOT

from tests.bench.figures import Figure
from tests.bench.fleet import Fault, Fleet, Record, Scenario, Span
from tests.bench.pictures import BLUE, GREEN, ORANGE, PURPLE, RED, Line, Panel, Shade, draw
from tests.bench.report import print_table, say

PICTURE = ROOT / ".build" / "bench" / "routing.svg"

_PRICES = {"A": 1, "B": 2, "C": 3}
"""USD per million tokens, as in the documented example: A is nine times likelier to be asked first than C."""
_DOWN, _LIMITED = Span(200, 440), Span(640, 820)
_MOST_PER_S = 30
_MAIN = Scenario(
    _PRICES,
    per_s=100,
    length_s=1000,
    faults=[Fault("A", _DOWN), Fault("A", _LIMITED, most_per_s=_MOST_PER_S, retry_after_s=5)],
)
_SHORT_DOWN = Span(60, 171)
"""Its last failures come just after ten seconds of metering have begun, which puts its return off for longest."""
_SHORT = Scenario(_PRICES, per_s=100, length_s=320, faults=[Fault("A", _SHORT_DOWN)])
_QUIET_RUNS = 10

_BACK, _GONE, _AGAIN = 0.9, 0.8, 0.2
"""Of its normal share: what counts as recovered, as lost again after that, and as tried again while it is down."""
_RECOVERY_WINDOW_S, _WINDOW_S, _DRAWN_S = 3, 10, 5
_RECOVERY_S = 60.0
_SETTLED_S = 60
"""After a fault begins or ends."""
_UNSTEADY = 0.25
"""By how much a share leaves its own mean when it swings."""


def measure_simulation(say: Callable[[str], None], *, quick: bool = False) -> list[Figure]:
    """Writes the picture, too. `quick`: without the cases beside the main one."""
    record = Fleet(_MAIN).run()
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(_picture(record), encoding="utf-8")
    say(f"100,000 requests are drawn in {PICTURE.relative_to(ROOT)}")
    figures = [*_shares(record), *_main_outage(record), *_main_limit(record)]
    if not quick:
        figures += [*_other_outages(), *_other_faults()]
    return figures


def _shares(record: Record) -> list[Figure]:
    steady = [
        *range(_DOWN.begin_s),
        *range(_DOWN.end_s + _SETTLED_S, _LIMITED.begin_s),
        *range(_LIMITED.end_s + _SETTLED_S, _MAIN.length_s),
    ]
    asked = {name: sum(counts[second] for second in steady) for name, counts in record.asked.items()}
    requests = sum(asked.values())
    off = max(abs(asked[name] / requests - share) for name, share in _fair_shares().items())
    told = ", ".join(f"{name} {100 * asked[name] / requests:.1f} %" for name in asked)
    ratio = asked["A"] / asked["C"]
    return [
        Figure("routing, shares off 1/price²", 100 * off, "points", 1.0, f"{told} of {requests:,} requests"),
        Figure("routing, $1 to $3 off 9 : 1", abs(ratio - 9), "", 0.5, f"{ratio:.2f} : 1"),
        Figure(
            "routing, requests nobody answered", record.lost, "", 0, f"of {_MAIN.per_s * _MAIN.length_s:,}, with faults"
        ),
    ]


def _main_outage(record: Record) -> list[Figure]:
    until = _LIMITED.begin_s
    down = _Watched(record).between(_DOWN.begin_s + _SETTLED_S, _DOWN.end_s)
    failed = sum(record.failed["A"])
    repeated = failed / (_MAIN.per_s * (_DOWN.end_s - _DOWN.begin_s))
    return [
        _recovery("an outage", _Watched(record), _DOWN, until),
        _oscillations("an outage", _Watched(record), _DOWN, until),
        Figure(
            "routing, traffic to what is down",
            100 * mean(down),
            "%",
            note=f"from {_SETTLED_S} s on, {100 * max(down):.1f} at most in {_WINDOW_S} s; "
            f"{failed:,} attempts failed, of {100 * repeated:.1f} % of the requests",
        ),
    ]


def _main_limit(record: Record) -> list[Figure]:
    return [
        _use_of_limit("Retry-After", record, _LIMITED),
        _swings("a rate limit", _Watched(record), _LIMITED),
        _recovery("a rate limit", _Watched(record), _LIMITED, _MAIN.length_s),
        _oscillations("a rate limit", _Watched(record), _LIMITED, _MAIN.length_s),
    ]


def _other_outages() -> list[Figure]:
    figures = []
    busy = replace(_SHORT, per_s=300, length_s=300)
    for name, scenario in (("300 requests a second", busy), ("hanging for 30 s", _hanging(_SHORT_DOWN))):
        watched = _Watched(Fleet(scenario).run())
        figures.append(_recovery(name, watched, _SHORT_DOWN, scenario.length_s))
        figures.append(_oscillations(name, watched, _SHORT_DOWN, scenario.length_s))
    for name, scenario in (
        ("5 requests a second", _SHORT),
        ("hanging for 30 s, 5 requests a second", _hanging(_SHORT_DOWN)),
    ):
        quiet = replace(scenario, per_s=5)
        # Several runs add up to enough requests to tell shares by, which would hide what single ones swing by.
        together = _Watched(*(Fleet(replace(quiet, seed=seed)).run() for seed in range(_QUIET_RUNS)))
        figures.append(_recovery(name, together, _SHORT_DOWN, quiet.length_s))
    return [*figures, _latest_recovery()]


def _hanging(span: Span, **changes: Any) -> Scenario:
    return replace(_SHORT, faults=[Fault("A", span, fails_after_s=30)], **changes)


def _latest_recovery() -> Figure:
    """Of outages that end in one of ten seconds each, among them the worst for who counts by five and reads by ten."""
    spans = [Span(_SHORT_DOWN.begin_s, end) for end in range(_SHORT_DOWN.end_s - 5, _SHORT_DOWN.end_s + 5)]
    scenarios = [_hanging(span, per_s=20) for span in spans]
    name = "hanging for 30 s, whenever it ends"
    found = [
        _recovery(name, _Watched(Fleet(scenario).run()), span, scenario.length_s)
        for span, scenario in zip(spans, scenarios, strict=True)
    ]
    latest = max(found, key=lambda figure: figure.value)
    least = min(figure.value for figure in found)
    return replace(latest, note=f"the latest of ten, the soonest {least:.0f}; 20 requests a second")


def _other_faults() -> list[Figure]:
    span = Span(60, 260)
    limit = replace(_SHORT, faults=[Fault("A", span, most_per_s=_MOST_PER_S)])
    limited = Fleet(limit).run()
    flaky = {
        share: Fleet(replace(_SHORT, faults=[Fault("A", span, fails_after_s=0.3, share=share)])).run()
        for share in (0.15, 0.4)
    }
    long = Span(60, 460)
    hangs = Fault("A", long, fails_after_s=30, share=0.4)
    sometimes = Fleet(replace(_SHORT, length_s=480, faults=[hangs])).run()
    return [
        _use_of_limit("no Retry-After", limited, span),
        _swings("a limit without Retry-After", _Watched(limited), span),
        *(_swings(f"{share:.0%} failing", _Watched(record), span) for share, record in flaky.items()),
        # What hangs is noticed half a minute later: all leave it at once and return at once, and take longer to settle.
        _swings("40% hanging, three minutes on", _Watched(sometimes), Span(long.begin_s + 2 * _SETTLED_S, long.end_s)),
    ]


class _Watched:
    """The share of requests that ask A first, over one or several runs."""

    def __init__(self, *records: Record) -> None:
        self.environments = round(mean(record.environments for record in records))
        self._asked: list[int] = [sum(each) for each in zip(*(record.asked["A"] for record in records), strict=True)]
        every = (counts for record in records for counts in record.asked.values())
        self._all: list[int] = [sum(each) for each in zip(*every, strict=True)]

    def share(self, begin: int, end: int) -> float:
        return sum(self._asked[begin:end]) / max(1, sum(self._all[begin:end]))

    def between(self, begin: int, end: int, window: int = _WINDOW_S) -> list[float]:
        """Over windows that slide by a second and lie between these two."""
        return [self.share(at, at + window) for at in range(begin, end - window + 1)]


def _recovery(name: str, watched: _Watched, span: Span, until: int) -> Figure:
    normal, end = _fair_shares()["A"], span.end_s
    back = _first(watched.between(end, until, _RECOVERY_WINDOW_S), lambda share: share >= _BACK * normal)
    left = _first(watched.between(span.begin_s, span.end_s, _RECOVERY_WINDOW_S), lambda share: share <= normal / 10)
    note = f"to {_BACK:.0%} of its traffic, over {_RECOVERY_WINDOW_S} s; {watched.environments} environments"
    if left is not None:
        note += f"; left within {left + _RECOVERY_WINDOW_S} s"
    if back is None:
        return Figure(f"routing, recovery from {_noun(name)}", until - end, "s", _RECOVERY_S, f"not by then; {note}")
    # The window's end: by then all of it has been seen, so this is a little too long.
    value = back + _RECOVERY_WINDOW_S
    return Figure(f"routing, recovery from {_noun(name)}", value, "s", _RECOVERY_S, note)


def _oscillations(name: str, watched: _Watched, span: Span, until: int) -> Figure:
    normal = _fair_shares()["A"]
    shares = watched.between(span.end_s, until)
    begin = _first(shares, lambda share: share >= _BACK * normal)
    after = shares[begin:] if begin is not None else []
    # While it is down it should not be tried by many at once either, time and again.
    again = _alternations(
        watched.between(span.begin_s + _SETTLED_S, span.end_s), low=_AGAIN / 2 * normal, high=_AGAIN * normal
    )
    value = _alternations(after, low=_GONE * normal, high=_BACK * normal)
    worst = f"its least share after it {100 * min(after):.0f} %, most {100 * max(after):.0f}" if after else "never back"
    note = f"{worst}; {again} while it lasts, from {_SETTLED_S} s on"
    return Figure(f"routing, oscillations after {_noun(name)}", value, "", 0, note)


def _swings(name: str, watched: _Watched, span: Span) -> Figure:
    """How often a share that should be steady goes from clearly too low to clearly too high, or back."""
    shares = watched.between(span.begin_s + _SETTLED_S, span.end_s)
    middle = mean(shares)
    value = _alternations(shares, low=(1 - _UNSTEADY) * middle, high=(1 + _UNSTEADY) * middle)
    note = f"{100 * min(shares):.0f} to {100 * max(shares):.0f} % of requests, {100 * middle:.0f} on the average"
    return Figure(f"routing, oscillations during {name}", value, "", 0, note)


def _use_of_limit(name: str, record: Record, span: Span) -> Figure:
    seconds = slice(span.begin_s + _SETTLED_S, span.end_s)
    answered, limited = record.answered["A"][seconds], record.limited["A"][seconds]
    note = f"of the {_MOST_PER_S} a second that it takes, {mean(limited):.1f} more a second were refused"
    return Figure(f"routing, use of a limit, {name}", 100 * mean(answered) / _MOST_PER_S, "%", note=note)


def _alternations(shares: Sequence[float], *, low: float, high: float) -> int:
    sides = [share > high for share in shares if not low <= share <= high]
    return sum(before != after for before, after in pairwise(sides))


def _first(shares: Sequence[float], fits: Callable[[float], bool]) -> int | None:
    return next((place for place, share in enumerate(shares) if fits(share)), None)


def _noun(name: str) -> str:
    return name if name.startswith(("a ", "an ")) else f"an outage, {name}"


def _fair_shares() -> Mapping[str, float]:
    weights = {name: 1 / (price * price) for name, price in _PRICES.items()}
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}


def _picture(record: Record) -> str:
    colours, normal = {"A": BLUE, "B": ORANGE, "C": GREEN}, _fair_shares()
    spans = range(0, _MAIN.length_s, _DRAWN_S)
    totals = [sum(sum(counts[at : at + _DRAWN_S]) for counts in record.asked.values()) for at in spans]
    shares, wanted = [], []
    for name, price in _PRICES.items():
        points = [
            (at + _DRAWN_S / 2, 100 * sum(record.asked[name][at : at + _DRAWN_S]) / max(1, total))
            for at, total in zip(spans, totals, strict=True)
        ]
        shares.append(Line(f"{name}, ${price}", colours[name], points))
        level = 100 * normal[name]
        wanted.append(Line("", colours[name], [(0, level), (_MAIN.length_s, level)], dashed=True))
    troubles = [
        Line(label, colour, [(at + _DRAWN_S / 2, sum(counts[at : at + _DRAWN_S]) / _DRAWN_S) for at in spans])
        for label, colour, counts in (
            ("failed", RED, record.failed["A"]),
            ("rate limited", PURPLE, record.limited["A"]),
        )
    ]
    most = max(value for line in troubles for _, value in line.points)
    return draw(
        f"Routing of {_MAIN.per_s * _MAIN.length_s:,} requests, {_MAIN.per_s} a second",
        [
            Panel(
                "Who is asked first, by price per million tokens (dashed: 1/price²)",
                "% of requests",
                100,
                [*wanted, *shares],
            ),
            Panel("Attempts at A that did not answer", "attempts a second", max(10.0, -(-most // 10) * 10), troubles),
        ],
        x_label=f"seconds, in steps of {_DRAWN_S}",
        x_max=_MAIN.length_s,
        shades=[
            Shade(_DOWN.begin_s, _DOWN.end_s, "A is down", RED),
            Shade(_LIMITED.begin_s, _LIMITED.end_s, f"A takes {_MOST_PER_S} a second", PURPLE),
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.simulation", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="without the cases beside the main one")
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    arguments = parser.parse_args()
    print_table(measure_simulation(say, quick=arguments.quick), markdown=arguments.markdown)


if __name__ == "__main__":
    main()
