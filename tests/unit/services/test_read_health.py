"""Reading endpoint health: how often, by whom, and what is known while it cannot be read."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from turnpike.domain.breaker import Breaker
from turnpike.domain.generation import Attempt, Outcome
from turnpike.domain.health import (
    UNKNOWN,
    EndpointReport,
    EndpointStats,
    EndpointSummary,
    HealthReport,
    HealthSnapshot,
    Percentiles,
)
from turnpike.services.read_health import SCOUTS, HealthReader, ReportReader, in_background

from tests.scenario import endpoint

ONE, TWO = endpoint("one"), endpoint("two")
KEY = "one|chat|one"
NOW = 1_800_000_000.0
KNOWN = EndpointSummary(20, Percentiles(1, 2, 3, 4), Percentiles(9, 8, 7, 6), 0.95)
STATS = EndpointStats(KNOWN.latency_s, KNOWN.throughput, KNOWN.uptime)


class World:
    """A reader whose background work is done when the test says so, by a clock that it sets."""

    def __init__(self, snapshot: HealthSnapshot | None = None) -> None:
        self.now_s = NOW
        self.snapshot = snapshot
        self.error: Exception | None = None
        self.waiting: list[Callable[[], None]] = []
        self.failures: list[Exception] = []
        self.reads = 0
        self.drawn = 1.0
        self.breaker = Breaker()
        self.reader = HealthReader(
            self._find,
            self.breaker,
            on_failure=self.failures.append,
            now=lambda: self.now_s,
            run=self.waiting.append,
            random=lambda: self.drawn,
        )

    def _find(self) -> HealthSnapshot | None:
        self.reads += 1
        if self.error:
            raise self.error
        return self.snapshot

    def at(self, second: float, *, read: bool = True) -> EndpointStats:
        """What it says then; `read`: after what it has begun to read has come."""
        self.now_s = NOW + second
        self.reader(ONE)
        if read:
            self.work()
        return self.reader(ONE)

    def work(self) -> None:
        while self.waiting:
            self.waiting.pop(0)()

    def end(self, outcome: Outcome, second: float) -> None:
        self.now_s = NOW + second
        self.reader.record_attempt(ONE, Attempt("one", "m", "chat", 200, 1, tag="one", outcome=outcome))


def snapshot(at_s: float = 0, summary: EndpointSummary = KNOWN) -> HealthSnapshot:
    return HealthSnapshot(NOW + at_s, {KEY: summary})


def outage(until_s: int) -> EndpointSummary:
    return EndpointSummary(20, outage_until_s=int(NOW) + until_s)


class TestReading:
    def test_nobody_waits_for_it(self) -> None:
        world = World(snapshot())
        assert world.at(0, read=False) == UNKNOWN
        assert world.reads == 0
        world.work()
        assert world.at(0) == STATS

    def test_it_is_read_every_fifteen_seconds_at_most(self) -> None:
        world = World(snapshot())
        for tenth in range(600):
            world.at(tenth / 10)
        assert world.reads == 4

    def test_nothing_is_read_while_nobody_asks(self) -> None:
        world = World(snapshot())
        world.at(0)
        assert world.at(280, read=False) == STATS
        assert (world.reads, len(world.waiting)) == (1, 1)

    def test_a_read_that_does_not_end_holds_up_no_other(self) -> None:
        world = World(snapshot())
        world.at(0, read=False)
        stuck = world.waiting.pop()
        world.snapshot = snapshot(20)
        world.at(20)
        # It was cut off when the environment was frozen, and goes on with what it was about to say.
        world.snapshot = snapshot(0, EndpointSummary(1))
        stuck()
        assert world.at(21) == STATS

    def test_when_it_cannot_be_read_the_last_one_stays(self) -> None:
        world = World(snapshot())
        world.at(0)
        world.error = OSError("no network")
        assert world.at(20) == world.at(21) == STATS
        assert world.failures == [world.error]
        world.error, world.snapshot = None, snapshot(40, EndpointSummary(1))
        assert world.at(40) == UNKNOWN

    def test_no_thread_is_no_error(self) -> None:
        failures: list[Exception] = []

        def refuse(work: Callable[[], None]) -> None:
            raise RuntimeError("can't start new thread")

        reader = HealthReader(lambda: None, Breaker(), on_failure=failures.append, run=refuse)
        assert reader(ONE) == UNKNOWN
        assert [type(failure) for failure in failures] == [RuntimeError]

    def test_statistics_of_long_ago_are_forgotten(self) -> None:
        world = World(snapshot())
        assert world.at(300) == STATS
        assert world.at(301) == UNKNOWN

    def test_a_clock_that_was_set_back_does_not_stop_it(self) -> None:
        world = World(snapshot())
        world.at(1000)
        world.at(0)
        assert world.reads == 2

    def test_what_nobody_tried_is_unknown(self) -> None:
        world = World(snapshot())
        world.at(0)
        assert world.reader(TWO) == UNKNOWN

    def test_it_reads_in_a_thread_of_its_own(self) -> None:
        done = threading.Event()
        threads: list[Any] = []

        def work() -> None:
            threads.append(threading.current_thread())
            done.set()

        in_background(work)
        assert done.wait(5)
        assert threads[0] is not threading.current_thread()
        assert threads[0].daemon


class TestOutage:
    def test_failures_of_its_own_are_known_at_once(self) -> None:
        world = World(snapshot())
        world.at(0)
        for second in range(3):
            assert not world.at(second).outage
            world.end("failed", second)
        assert world.at(2) == EndpointStats(KNOWN.latency_s, KNOWN.throughput, KNOWN.uptime, outage=True)

    @pytest.mark.parametrize(
        ("outcome", "expected"), [("rate_limited", True), ("client", False), ("cancelled", False), ("ok", False)]
    )
    def test_only_what_the_endpoint_did_counts(self, outcome: Outcome, expected: bool) -> None:
        world = World()
        for _ in range(3):
            world.end(outcome, 0)
        assert world.at(0).outage == expected

    def test_one_attempt_at_a_time_probes_it(self) -> None:
        world = World()
        for _ in range(3):
            world.end("failed", 0)
        assert world.at(29).outage
        assert not world.at(30).outage
        assert not world.at(30).outage
        world.reader.begin_attempt(ONE)
        assert world.at(30).outage
        world.end("cancelled", 31)
        assert not world.at(31).outage
        world.reader.begin_attempt(ONE)
        world.end("failed", 32)
        assert world.at(61).outage
        world.reader.begin_attempt(ONE)
        assert not world.at(62).outage
        world.reader.begin_attempt(ONE)
        world.end("ok", 63)
        assert not world.at(63).outage

    def test_what_others_saw_counts_until_it_is_over(self) -> None:
        world = World(snapshot(0, outage(until_s=35)))
        assert world.at(0).outage
        world.error = OSError()
        assert world.at(34).outage
        assert not world.at(35).outage
        # And then it is probed.
        world.reader.begin_attempt(ONE)
        assert world.at(35).outage

    def test_a_few_requests_find_out_whether_what_others_saw_is_over(self) -> None:
        world = World(snapshot(0, outage(until_s=35)))
        world.drawn = SCOUTS
        assert world.at(0).outage
        world.drawn = SCOUTS - 0.001
        assert not world.at(0).outage
        # What only this environment knows is found out by probes.
        alone = World()
        alone.drawn = 0.0
        for _ in range(3):
            alone.end("failed", 0)
        assert alone.at(0).outage

    def test_it_counts_for_endpoints_without_statistics_too(self) -> None:
        world = World(snapshot(0, outage(until_s=350)))
        assert world.at(0).outage
        assert world.at(340).outage

    def test_a_success_since_then_counts_for_more(self) -> None:
        world = World(snapshot(0, outage(until_s=35)))
        world.end("ok", 1)
        assert not world.at(2).outage
        world.snapshot = snapshot(10, outage(until_s=45))
        assert world.at(20).outage

    def test_an_outage_that_was_over_when_it_was_read_is_none(self) -> None:
        world = World(snapshot(0, outage(until_s=5)))
        assert not world.at(6).outage
        world.reader.begin_attempt(ONE)
        assert not world.at(6).outage


class TestReports:
    def test_they_are_read_now_and_then_and_kept_when_they_cannot_be(self) -> None:
        told = HealthReport(NOW, {KEY: EndpointReport(99.0)})
        answers: list[HealthReport | Exception | None] = [None, told, OSError(), None]
        failures: list[Exception] = []
        now_s = NOW

        def find() -> HealthReport | None:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        reader = ReportReader(find, on_failure=failures.append, now=lambda: now_s)
        assert reader().of(ONE, NOW) == EndpointReport()
        assert len(answers) == 3
        for second, left in ((14, 3), (15, 2), (29, 2), (30, 1), (45, 0)):
            now_s = NOW + second
            found = reader().of(ONE, now_s)
            assert found == (EndpointReport(99.0) if second >= 15 else EndpointReport())
            assert len(answers) == left
        assert [type(failure) for failure in failures] == [OSError]
