"""Tallies: what an attempt counts as, and what is known of an endpoint from its minutes."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.generation import Attempt
from turnpike.domain.health import EndpointReport, EndpointSummary
from turnpike.domain.tallies import Tally, merged, outage_until, report, summarize, up_minutes

MINUTE = 30_000_000
START_S = MINUTE * 60


def attempt(**changes: Any) -> Attempt:
    values: dict[str, Any] = {"provider": "a", "model": "m", "upstream_model": "u", "status": 200, "latency_ms": 1}
    return Attempt(**(values | {"tag": "a"} | changes))


def slots(*seen: tuple[int, int]) -> Mapping[int, Tally]:
    """Successes and failures of ten seconds each, from the beginning of a minute on."""
    minutes: dict[int, Tally] = {}
    for number, (ok, failed) in enumerate(seen):
        counts = minutes.setdefault(MINUTE + number // 6, Tally()).counts
        counts.update({f"o{number % 6}": ok, f"f{number % 6}": failed})
    return minutes


@pytest.mark.parametrize(
    ("outcome", "second", "name"),
    [
        ("ok", 0, "o0"),
        ("ok", 9.99, "o0"),
        ("ok", 10, "o1"),
        ("failed", 59.9, "f5"),
        ("rate_limited", 59, "r0"),
        ("client", 30, "c0"),
        ("cancelled", 30, "x0"),
    ],
)
def test_an_attempt_counts_by_its_outcome_and_second(outcome: str, second: float, name: str) -> None:
    tally = Tally()
    tally.add(attempt(outcome=outcome), START_S + second)
    assert dict(tally.counts) == {name: 1}
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
        assert summary.latency_s is not None
        assert summary.throughput is not None
        latency, throughput = summary.latency_s, summary.throughput
        assert (latency.p50, latency.p75, latency.p90, latency.p99) == pytest.approx((0.5, 0.75, 0.9, 0.99), rel=0.07)
        of = (throughput.p50, throughput.p75, throughput.p90, throughput.p99)
        assert of == pytest.approx((50, 25, 10, 1), rel=0.1)

    def test_uptime_leaves_out_what_is_nobodys_fault_there(self) -> None:
        minutes = {MINUTE: Tally({"o0": 18, "r0": 50, "c0": 50, "x0": 50}), MINUTE + 1: Tally({"f3": 2})}
        summary = summarize(minutes)
        assert (summary.uptime, summary.attempts) == (0.9, 170)


class TestOutage:
    """By ten seconds each: successes and failures."""

    def until(self, *seen: tuple[int, int]) -> int | None:
        """Seconds from the beginning."""
        found = outage_until(slots(*seen))
        return None if found is None else found - START_S

    def test_half_of_the_attempts_make_one_from_three_failures_on(self) -> None:
        assert self.until((0, 2)) is None
        assert self.until((0, 3)) == 40
        assert self.until((3, 3)) == 40
        assert self.until((4, 3)) is None
        assert self.until((0, 1), (0, 1), (0, 1)) == 60
        assert self.until((0, 1), (0, 1), (0, 0), (0, 1)) is None

    def test_a_few_failed_probes_prolong_it(self) -> None:
        assert self.until((0, 90), (0, 40), (0, 0), (0, 1)) == 70
        assert self.until((0, 90), (0, 0), (0, 0), (0, 1), (0, 0), (0, 0), (0, 1)) == 100

    def test_it_is_over_without_a_failure_for_thirty_seconds(self) -> None:
        assert self.until((0, 90), (0, 0), (0, 0), (0, 0), (0, 1)) is None

    def test_successes_end_it(self) -> None:
        assert self.until((0, 3), (1, 0)) == 40
        assert self.until((0, 3), (13, 0)) is None
        assert self.until((0, 3), (13, 0), (0, 1)) is None

    def test_it_goes_on_from_one_minute_to_the_next(self) -> None:
        assert self.until(*[(0, 0)] * 5, (0, 2), (0, 1)) == 100

    def test_minutes_without_attempts_are_left_out(self) -> None:
        far = {MINUTE: Tally({"f5": 2}), MINUTE + 3: Tally({"f0": 1})}
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
