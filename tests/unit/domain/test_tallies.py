"""Tallies: what an attempt counts as, and what is known of an endpoint from its minutes."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.generation import Attempt
from turnpike.domain.health import EndpointReport, EndpointSummary
from turnpike.domain.tallies import Tally, counted_at_s, merged, outage_until, report, summarize, up_minutes

MINUTE = 30_000_000
START_S = MINUTE * 60


def attempt(**changes: Any) -> Attempt:
    values: dict[str, Any] = {"provider": "a", "model": "m", "upstream_model": "u", "status": 200, "latency_ms": 1}
    return Attempt(**(values | {"tag": "a"} | changes))


def slots(*seen: tuple[int, int], late_s: int = 0) -> Mapping[int, Tally]:
    """Successes and failures of five seconds each, from the beginning of a minute on."""
    minutes: dict[int, Tally] = {}
    for number, (ok, failed) in enumerate(seen):
        counts = minutes.setdefault(MINUTE + number // 12, Tally()).counts
        counts.update({f"o{number % 12}": ok, f"f{number % 12}": failed, f"w{number % 12}": failed * late_s})
    return minutes


@pytest.mark.parametrize(
    ("outcome", "second", "name"),
    [
        ("ok", 0, "o0"),
        ("ok", 4.99, "o0"),
        ("ok", 5, "o1"),
        ("failed", 59.9, "f11"),
        ("rate_limited", 59, "r0"),
        ("client", 30, "c0"),
        ("cancelled", 30, "x0"),
    ],
)
def test_an_attempt_counts_by_its_outcome_and_second(outcome: str, second: float, name: str) -> None:
    tally = Tally()
    tally.add(attempt(outcome=outcome, first_content_ms=500 if outcome == "ok" else None), START_S + second)
    assert {name: count for name, count in tally.counts.items() if name[0] != "l"} == {name: 1}
    assert tally.attempts == 1


def test_an_outcome_of_tomorrow_counts_nothing() -> None:
    tally = Tally()
    tally.add(attempt(outcome="abducted", first_content_ms=5), START_S)
    assert dict(tally.counts) == {}


def test_times_are_counted_where_there_are_any() -> None:
    tally = Tally()
    tally.add(attempt(first_content_ms=500, output_tokens_per_s=80.0), START_S)
    tally.add(attempt(outcome="failed", first_content_ms=500), START_S)
    assert sum(tally.histogram("l").values()) == 2
    assert sum(tally.histogram("t").values()) == 1
    assert tally.attempts == 2


def test_times_of_whole_answers_are_counted_apart() -> None:
    tally = Tally()
    tally.add(attempt(latency_ms=9_000, output_tokens_per_s=40.0), START_S)
    tally.add(attempt(latency_ms=9_000, output_tokens_per_s=40.0, outcome="failed"), START_S)
    assert {letter: sum(tally.histogram(letter).values()) for letter in "ltas"} == {"l": 0, "t": 0, "a": 1, "s": 1}


@pytest.mark.parametrize(
    ("changes", "seconds_before_its_end"),
    [
        ({"latency_ms": 2_500}, 2.5),
        ({"latency_ms": 500, "streamed_ms": 9_500}, 10),
        ({"latency_ms": 1_000, "streamed_ms": 300_000}, 60),
        ({"latency_ms": 30_000, "outcome": "failed"}, 30),
        # It broke off, and did well until then.
        ({"latency_ms": 500, "streamed_ms": 9_500, "outcome": "failed"}, 0.5),
        ({"latency_ms": 600_000, "outcome": "failed"}, 60),
    ],
)
def test_an_attempt_counts_when_it_began(changes: dict[str, Any], seconds_before_its_end: float) -> None:
    assert START_S - counted_at_s(attempt(**changes), START_S) == seconds_before_its_end


@pytest.mark.parametrize(("latency_ms", "late_s"), [(300, 0), (9_900, 0), (11_000, 1), (30_000, 20), (600_000, 50)])
def test_what_was_waited_for_counts_as_failed_ten_seconds_before_its_end(latency_ms: int, late_s: int) -> None:
    tally = Tally()
    for _ in range(2):
        tally.add(attempt(latency_ms=latency_ms, outcome="failed"), START_S)
    assert tally.late_s(0) == late_s
    assert tally.late_s(1) == 0


@given(st.lists(st.dictionaries(st.sampled_from(["o0", "f1", "l5", "l6", "t3"]), st.integers(1, 9)), max_size=6))
def test_tallies_add_up_in_any_order(parts: list[dict[str, int]]) -> None:
    tallies = [Tally(part) for part in parts]
    whole = merged(tallies)
    assert whole.counts == merged(reversed(tallies)).counts
    assert whole.counts.total() == sum(sum(part.values()) for part in parts)


class TestSummary:
    def test_it_tells_nothing_of_a_handful_of_attempts(self) -> None:
        tally = Tally({"o0": 9, "l50": 9, "t50": 9, "f0": 2})
        assert summarize({MINUTE: tally}) == EndpointSummary(attempts=11)

    def test_percentiles_count_from_the_good_end(self) -> None:
        tally = Tally()
        for number in range(1, 101):
            tally.add(attempt(first_content_ms=number * 10, output_tokens_per_s=float(number)), START_S)
        summary = summarize({MINUTE: tally})
        assert (summary.whole_s, summary.whole_throughput) == (None, None)
        assert summary.latency_s is not None
        assert summary.throughput is not None
        latency, throughput = summary.latency_s, summary.throughput
        assert (latency.p50, latency.p75, latency.p90, latency.p99) == pytest.approx((0.5, 0.75, 0.9, 0.99), rel=0.07)
        of = (throughput.p50, throughput.p75, throughput.p90, throughput.p99)
        assert of == pytest.approx((50, 25, 10, 1), rel=0.1)

    def test_answers_in_one_piece_are_told_by_themselves(self) -> None:
        tally = Tally()
        for number in range(1, 101):
            tally.add(attempt(latency_ms=number * 100, output_tokens_per_s=float(number)), START_S)
        summary = summarize({MINUTE: tally})
        assert (summary.latency_s, summary.throughput) == (None, None)
        assert summary.whole_s is not None
        assert summary.whole_throughput is not None
        assert (summary.whole_s.p50, summary.whole_s.p99) == pytest.approx((5, 9.9), rel=0.12)
        assert (summary.whole_throughput.p50, summary.whole_throughput.p90) == pytest.approx((50, 10), rel=0.15)
        assert (summary.stats.whole_s, summary.stats.whole_throughput) == (summary.whole_s, summary.whole_throughput)

    def test_uptime_leaves_out_what_is_nobodys_fault_there(self) -> None:
        minutes = {MINUTE: Tally({"o0": 18, "r0": 50, "c0": 50, "x0": 50}), MINUTE + 1: Tally({"f3": 2})}
        summary = summarize(minutes)
        assert (summary.uptime, summary.attempts) == (0.9, 170)


NONE = (0, 0)


class TestOutage:
    """By five seconds each: successes and failures."""

    def until(self, *seen: tuple[int, int], late_s: int = 0) -> int | None:
        """Seconds from the beginning."""
        found = outage_until(slots(*seen, late_s=late_s))
        return None if found is None else found - START_S

    def test_half_of_the_attempts_make_one_from_three_failures_on(self) -> None:
        assert self.until((0, 2)) is None
        assert self.until((0, 3)) == 50
        assert self.until((3, 3)) == 50
        assert self.until((4, 3)) is None
        assert self.until((0, 1), NONE, (0, 1), NONE, NONE, (0, 1)) == 75
        assert self.until((0, 1), NONE, (0, 1), NONE, NONE, NONE, (0, 1)) is None

    def test_a_few_failed_probes_prolong_it(self) -> None:
        assert self.until((0, 90), NONE, (0, 40), NONE, NONE, NONE, (0, 1)) == 80
        probed = [(0, 90), *[NONE] * 5, (0, 1), *[NONE] * 6, (0, 1)]
        assert self.until(*probed) == 115

    def test_it_lasts_thirty_seconds_and_a_little_longer_as_long_as_nothing_succeeds(self) -> None:
        assert self.until((0, 90), (1, 0)) == 35
        assert self.until((0, 90), NONE, NONE, (1, 0)) == 35
        # What succeeded beside the failures says nothing of what came after them.
        assert self.until((9, 90)) == 50
        assert self.until((0, 90), (1, 0), (0, 1)) == 60

    def test_it_is_over_without_a_failure_for_that_long(self) -> None:
        assert self.until((0, 90), *[NONE] * 8, (0, 1)) == 95
        assert self.until((0, 90), *[NONE] * 9, (0, 1)) is None
        assert self.until((0, 90), (1, 0), *[NONE] * 5, (0, 1)) is None

    def test_successes_end_it(self) -> None:
        assert self.until((0, 3), (1, 0)) == 35
        assert self.until((0, 3), (13, 0)) is None
        assert self.until((0, 3), (13, 0), (0, 1)) is None

    def test_while_failures_come_late_it_lasts_until_they_would_have_come(self) -> None:
        assert self.until((0, 90), late_s=20) == 70
        assert self.until((0, 90), (1, 0), late_s=20) == 55
        # So many successes would end it, were nothing to come of what else began with them.
        assert self.until((0, 90), (900, 0), late_s=20) == 55
        assert self.until((0, 90), (900, 0), (0, 1), late_s=20) is None

    def test_what_hangs_now_and_then_does_not_hide_it_behind_what_it_answers(self) -> None:
        steady = [(6, 4)] * 20
        begun = [(0, 10), *steady]
        assert self.until(*begun, late_s=20) == 5 * 21 + 30 + 20 + 15
        # Many have come back to it, of whom the failures are not known yet.
        assert self.until(*begun, *[(600, 0)] * 6, late_s=20) == 5 * 21 + 30 + 20

    def test_it_goes_on_from_one_minute_to_the_next(self) -> None:
        assert self.until(*[NONE] * 11, (0, 2), (0, 1)) == 110

    def test_minutes_without_attempts_are_left_out(self) -> None:
        far = {MINUTE: Tally({"f11": 2}), MINUTE + 3: Tally({"f0": 1})}
        assert outage_until(far) is None
        assert outage_until({}) is None


class TestReport:
    def test_uptime_is_the_share_of_minutes_that_were_up(self) -> None:
        assert up_minutes([Tally({"o0": 8, "f0": 2}), Tally({"o0": 7, "f0": 3}), Tally({"o0": 9})]) == (1, 2)

    def test_its_windows_end_with_the_current_minute(self) -> None:
        up, down = {"o0": 10}, {"f0": 10}
        minutes = {MINUTE: Tally(down), **{MINUTE + ago: Tally(up) for ago in (1, 2, 3, 4, 5)}, MINUTE + 6: Tally(down)}
        told = report(minutes, now_minute=MINUTE + 6, uptime_last_1d=12.5)
        assert (told.uptime_last_5m, told.uptime_last_30m, told.uptime_last_1d) == (83.33, 71.43, 12.5)

    def test_nothing_is_told_of_too_little(self) -> None:
        assert report({MINUTE: Tally({"o0": 9})}, now_minute=MINUTE, uptime_last_1d=None) == EndpointReport()

    def test_latency_is_in_milliseconds(self) -> None:
        tally = Tally()
        for _ in range(10):
            tally.add(attempt(first_content_ms=1_000), START_S)
        told = report({MINUTE: tally}, now_minute=MINUTE, uptime_last_1d=None)
        assert told.latency_last_30m is not None
        assert told.latency_last_30m.p99 == pytest.approx(1_000, rel=0.06)
