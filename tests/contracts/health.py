"""The contracts of `ports.HealthCounts` and `ports.HealthSnapshots`."""

import secrets
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from turnpike.domain.health import EndpointReport, EndpointSummary, HealthReport, HealthSnapshot, Percentiles
from turnpike.domain.tallies import Tally
from turnpike.domain.uptime import UptimeHour
from turnpike.ports.catalog import HealthCounts, HealthSnapshots

COUNTS = {"o0": 3, "f5": 2, "r0": 1, "c0": 1, "x0": 4, "l57": 12, "t0": 7}
THREADS = 8


def counts_of(tallies: Mapping[str, Tally]) -> Mapping[str, Mapping[str, int]]:
    return {key: dict(tally.counts) for key, tally in tallies.items()}


class HealthCountsContract:
    """A subclass provides the fixture `counts`. Every test has an endpoint and a job of its own."""

    @pytest.fixture
    def endpoint(self) -> str:
        return f"provider|us.author/model-v1:0|{secrets.token_hex(8)}"

    @pytest.fixture
    def minute(self) -> int:
        # Of our time, or what is counted in it would be over; far enough apart for tests to be alone in theirs.
        return int(time.time()) // 60 + secrets.randbelow(2**30)

    @pytest.fixture
    def hour(self) -> int:
        return int(time.time()) // 3600 + 100 * secrets.randbelow(2**20)

    def test_what_is_counted_adds_up(self, counts: HealthCounts, minute: int, endpoint: str) -> None:
        counts.add(minute, endpoint, Tally(COUNTS), batch="one")
        counts.add(minute, endpoint, Tally({"o0": 1, "o1": 1}), batch="two")
        assert counts_of(counts.list_minute(minute)) == {endpoint: {**COUNTS, "o0": 4, "o1": 1}}

    def test_endpoints_and_minutes_are_apart(self, counts: HealthCounts, minute: int, endpoint: str) -> None:
        others = [f"{endpoint}-{number}" for number in range(20)]
        for other in others:
            counts.add(minute, other, Tally({"o0": 1}), batch="one")
        counts.add(minute + 1, endpoint, Tally({"f0": 1}), batch="one")
        assert counts_of(counts.list_minute(minute)) == {other: {"o0": 1} for other in others}
        assert counts_of(counts.list_minute(minute + 1)) == {endpoint: {"f0": 1}}
        assert counts.list_minute(minute + 2) == {}

    def test_a_write_that_is_repeated_counts_once(self, counts: HealthCounts, minute: int, endpoint: str) -> None:
        for _ in range(3):
            counts.add(minute, endpoint, Tally({"o0": 1}), batch="same")
        counts.add(minute, endpoint, Tally({"o0": 1}), batch="other")
        assert counts_of(counts.list_minute(minute)) == {endpoint: {"o0": 2}}

    def test_batches_that_race_lose_nothing(self, counts: HealthCounts, minute: int, endpoint: str) -> None:
        start = Barrier(THREADS)

        def act(thread: int) -> None:
            start.wait()
            for number in range(20):
                counts.add(minute, endpoint, Tally({"o0": 1, f"l{thread}": 2}), batch=f"{thread}-{number}")

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(act, range(THREADS)))
        expected = {"o0": 20 * THREADS} | {f"l{thread}": 40 for thread in range(THREADS)}
        assert counts_of(counts.list_minute(minute)) == {endpoint: expected}

    def test_a_tally_of_every_bucket_is_counted_whole(self, counts: HealthCounts, minute: int, endpoint: str) -> None:
        whole = {f"{letter}{number}": number + 1 for letter in "lt" for number in range(110)}
        counts.add(minute, endpoint, Tally(whole), batch="one")
        assert counts_of(counts.list_minute(minute)) == {endpoint: whole}

    def test_a_job_is_begun_by_one_and_only_so_often(self, counts: HealthCounts, endpoint: str) -> None:
        now = 1_800_000_000.25
        assert counts.claim(endpoint, now, every_s=10)
        assert not counts.claim(endpoint, now, every_s=10)
        assert not counts.claim(endpoint, now + 9.9, every_s=10)
        assert counts.claim(f"{endpoint}-other", now, every_s=10)
        assert counts.claim(endpoint, now + 10, every_s=10)
        assert not counts.claim(endpoint, now + 5, every_s=10)

    def test_of_those_who_race_for_a_job_one_gets_it(self, counts: HealthCounts, endpoint: str) -> None:
        start = Barrier(THREADS)

        def act(thread: int) -> bool:
            start.wait()
            return counts.claim(endpoint, 1_800_000_000 + thread / 1000, every_s=10)

        with ThreadPoolExecutor(THREADS) as pool:
            assert sum(pool.map(act, range(THREADS))) == 1

    def test_an_hour_is_changed_by_whoever_saw_it_last(self, counts: HealthCounts, hour: int, endpoint: str) -> None:
        first, second = UptimeHour(10, {endpoint: (1, 2)}), UptimeHour(11, {endpoint: (2, 3), "b": (0, 1)})
        assert counts.list_hours(hour, hour) == {}
        assert counts.put_hour(hour, first, seen=None)
        assert not counts.put_hour(hour, second, seen=None)
        assert counts.put_hour(hour, second, seen=first)
        assert not counts.put_hour(hour, UptimeHour(12, {}), seen=first)
        assert counts.list_hours(hour, hour) == {hour: second}

    def test_hours_are_listed_with_both_ends(self, counts: HealthCounts, hour: int) -> None:
        written = {hour + number: UptimeHour(number, {"a": (number, 60)}) for number in range(5)}
        for each, uptime in written.items():
            assert counts.put_hour(each, uptime, seen=None)
        assert counts.list_hours(hour + 1, hour + 3) == {each: written[each] for each in range(hour + 1, hour + 4)}


SUMMARIES = {
    "a|m|a": EndpointSummary(20, Percentiles(0.1, 0.2, 0.3, 4.5), Percentiles(90.0, 80.0, 7.5, 1.0), 0.9995, 1_800),
    "b|m|b/fp8": EndpointSummary(1),
    "c|m|c": EndpointSummary(
        9, whole_s=Percentiles(1.5, 2.0, 3.0, 9.0), whole_throughput=Percentiles(9.0, 8.0, 7.0, 6.5)
    ),
}
REPORTS = {
    "a|m|a": EndpointReport(100.0, 96.67, 99.5, Percentiles(100, 200, 300, 4500), Percentiles(90.0, 80.0, 7.5, 1.0)),
    "b|m|b/fp8": EndpointReport(),
}


class HealthSnapshotsContract:
    """A subclass provides the fixture `snapshots`: a store that is empty."""

    def test_there_is_none_at_first(self, snapshots: HealthSnapshots) -> None:
        assert snapshots.find_snapshot() is None
        assert snapshots.find_report() is None

    def test_the_newest_stays(self, snapshots: HealthSnapshots) -> None:
        snapshots.put_snapshot(HealthSnapshot(100.5, SUMMARIES))
        snapshots.put_snapshot(HealthSnapshot(99.5, {}))
        assert snapshots.find_snapshot() == HealthSnapshot(100.5, SUMMARIES)
        snapshots.put_snapshot(HealthSnapshot(101, {}))
        assert snapshots.find_snapshot() == HealthSnapshot(101, {})

    def test_reports_are_apart_from_snapshots(self, snapshots: HealthSnapshots) -> None:
        snapshots.put_snapshot(HealthSnapshot(100, SUMMARIES))
        snapshots.put_report(HealthReport(90, REPORTS))
        snapshots.put_report(HealthReport(80, {}))
        assert snapshots.find_report() == HealthReport(90, REPORTS)
        assert snapshots.find_snapshot() == HealthSnapshot(100, SUMMARIES)
