"""The roll-up: how often it is done, what it reads and writes, and what it says."""

from collections.abc import Mapping

import pytest

from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.health import EndpointReport, HealthReport, HealthSnapshot
from turnpike.domain.tallies import Tally
from turnpike.domain.uptime import UptimeHour
from turnpike.services.roll_up_health import RollUpHealth

from tests.fake_health import InMemoryHealthCounts, InMemoryHealthSnapshots

HOUR = 500_000
NOW = HOUR * 3600 + 1805.0
"""Half past, and five seconds."""
MINUTE = int(NOW) // 60


class World:
    def __init__(self) -> None:
        self.counts = InMemoryHealthCounts()
        self.snapshots = InMemoryHealthSnapshots()
        self.roll_up = self.another()

    def another(self) -> RollUpHealth:
        return RollUpHealth(self.counts, self.snapshots)

    def add(self, ago: int, key: str = "a", **counts: int) -> None:
        self.counts.add(MINUTE - ago, key, Tally(counts), batch=f"{ago}-{counts}")

    @property
    def snapshot(self) -> HealthSnapshot:
        found = self.snapshots.find_snapshot()
        assert found is not None
        return found

    @property
    def report(self) -> HealthReport:
        found = self.snapshots.find_report()
        assert found is not None
        return found

    def uptimes(self) -> Mapping[str, float | None]:
        return {key: told.uptime_last_1d for key, told in self.report.endpoints.items()}


def test_a_snapshot_is_of_the_last_five_minutes_and_the_current_one() -> None:
    world = World()
    world.add(0, o0=1)
    world.add(5, o0=30, f1=2)
    world.add(6, o0=100)
    world.add(3, "b", f0=5)
    world.roll_up(NOW)
    assert world.snapshot.taken_at_s == NOW
    seen = {key: (each.attempts, each.uptime) for key, each in world.snapshot.endpoints.items()}
    assert seen == {"a": (33, 0.9394), "b": (5, None)}
    assert world.snapshot.endpoints["b"].outage_until_s == (MINUTE - 3) * 60 + 50


def test_it_is_done_every_five_seconds_by_whoever_comes_first() -> None:
    world = World()
    environments = [world.another() for _ in range(4)]
    taken = set()
    for tenth in range(400):
        environments[tenth % 4](NOW + tenth / 10)
        taken.add(world.snapshot.taken_at_s)
    assert len(taken) == 8
    # A claim now and then that comes too early, and what is written: little beside the hundreds of calls.
    assert world.counts.writes <= 80


def test_a_report_is_written_every_minute_of_the_last_thirty() -> None:
    world = World()
    world.add(0, o0=10)
    world.add(30, o0=1, f0=9, l50=12)
    world.add(31, o0=100)
    world.roll_up(NOW)
    told = world.report.endpoints["a"]
    assert (told.uptime_last_5m, told.uptime_last_30m) == (100.0, 50.0)
    assert told.latency_last_30m is not None
    world.roll_up(NOW + 50)
    assert (world.report.taken_at_s, world.snapshot.taken_at_s) == (NOW, NOW + 50)
    world.roll_up(NOW + 60)
    assert world.report.taken_at_s == NOW + 60


def test_complete_minutes_are_read_once() -> None:
    world = World()
    world.roll_up(NOW)
    world.counts.reads = 0
    for second in range(10, 60, 10):
        world.roll_up(NOW + second)
    # The current minute, and the two before it that may still grow.
    assert world.counts.reads == 5 * 3
    world.counts.reads = 0
    for second in range(60, 1200, 10):
        world.roll_up(NOW + second)
    # By six snapshots and a report a minute; and one more, as a minute has become complete.
    assert world.counts.reads == 19 * (7 * 3 + 1)


def test_what_comes_late_counts_while_its_minute_is_not_complete() -> None:
    world = World()
    world.roll_up(NOW)
    world.add(2, o0=7)
    world.roll_up(NOW + 10)
    assert world.snapshot.endpoints["a"].attempts == 7


class TestDay:
    def test_every_minute_counts_once_whoever_counts_it(self) -> None:
        world = World()
        for ago in range(-20, 31):
            if ago % 2:
                world.add(ago, o0=10)
            else:
                world.add(ago, f0=10)
        for minute in range(20):
            # Some are done by an environment that has just started, and once two of them race.
            environment = world.another() if minute % 3 else world.roll_up
            environment(NOW + 60 * minute)
        # Minutes from half an hour before, to three before the last roll-up: it may still grow, and so may two more.
        (this_hour,) = world.counts.list_hours(HOUR - 1, HOUR).values()
        counted = range(MINUTE - 30, MINUTE + 19 - 2)
        assert this_hour.minutes == {"a": (sum(minute % 2 != MINUTE % 2 for minute in counted), len(counted))}
        assert this_hour.through == counted[-1]

    def test_the_hour_before_is_completed_too(self) -> None:
        world = World()
        world.add(40, o0=10)
        world.add(29, f0=10)
        at = NOW - 10 * 60
        world.roll_up(at)
        hours = world.counts.list_hours(HOUR - 1, HOUR)
        assert hours == {
            HOUR - 1: UptimeHour(HOUR * 60 - 10, {"a": (1, 1)}),
            HOUR: UptimeHour(HOUR * 60 + 1, {"a": (0, 1)}),
        }
        assert world.uptimes() == {"a": 50.0}

    def test_it_looks_back_a_day(self) -> None:
        world = World()
        world.counts.put_hour(HOUR - 24, UptimeHour(0, {"a": (0, 60)}), seen=None)
        world.counts.put_hour(HOUR - 23, UptimeHour(0, {"a": (30, 60), "gone": (1, 3)}), seen=None)
        world.add(10, o0=10)
        world.roll_up(NOW)
        assert world.uptimes() == {"a": round(100 * 31 / 61, 2), "gone": 33.33}
        assert world.report.endpoints["gone"] == EndpointReport(uptime_last_1d=33.33)

    def test_who_loses_the_race_for_an_hour_changes_nothing(self) -> None:
        world = World()
        world.add(10, o0=10)
        winner = UptimeHour(MINUTE - 10, {"a": (1, 1)})

        class Raced(InMemoryHealthCounts):
            def list_hours(self, first: int, last: int) -> Mapping[int, UptimeHour]:
                found = super().list_hours(first, last)
                super().put_hour(HOUR, winner, seen=None)
                return found

        raced = Raced()
        raced.add(MINUTE - 10, "a", Tally({"o0": 10}), batch="b")
        RollUpHealth(raced, world.snapshots)(NOW)
        assert InMemoryHealthCounts.list_hours(raced, HOUR, HOUR) == {HOUR: winner}


def test_what_fails_is_done_again_when_it_is_due() -> None:
    world = World()
    world.counts.failing = True
    with pytest.raises(TemporarilyBusy):
        world.roll_up(NOW)
    world.counts.failing = False
    world.roll_up(NOW + 4)
    assert world.snapshots.find_snapshot() is None
    world.roll_up(NOW + 5)
    assert world.snapshot.taken_at_s == NOW + 5


def test_a_clock_that_was_set_back_does_not_stop_it() -> None:
    world = World()
    world.roll_up(NOW + 3600)
    other = RollUpHealth(InMemoryHealthCounts(), InMemoryHealthSnapshots())
    other(NOW + 3600)
    world.roll_up(NOW)
    assert world.snapshot.taken_at_s == NOW + 3600
