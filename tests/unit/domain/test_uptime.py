"""Uptime by hour: every minute counts once, and only when it tells something."""

import pytest

from turnpike.domain.tallies import Tally
from turnpike.domain.uptime import UptimeHour, count_minutes, day_uptime

HOUR = 500_000
FIRST = HOUR * 60
UP, DOWN, SILENT = Tally({"o0": 10}), Tally({"f0": 10}), Tally({"o0": 9})


def test_minutes_are_counted_once() -> None:
    minutes = {FIRST + 1: {"a": UP, "b": DOWN, "c": SILENT}, FIRST + 2: {"a": DOWN}, FIRST + 9: {"a": UP}}
    first = count_minutes(HOUR, None, minutes, through=FIRST + 1)
    assert first == UptimeHour(FIRST + 1, {"a": (1, 1), "b": (0, 1)})
    second = count_minutes(HOUR, first, minutes, through=FIRST + 5)
    assert second == UptimeHour(FIRST + 2, {"a": (1, 2), "b": (0, 1)})
    assert count_minutes(HOUR, second, minutes, through=FIRST + 5) is None


def test_an_hour_has_its_own_minutes_only() -> None:
    minutes = {FIRST - 1: {"a": UP}, FIRST: {"a": UP}, FIRST + 59: {"a": UP}, FIRST + 60: {"a": UP}}
    assert count_minutes(HOUR, None, minutes, through=FIRST + 90) == UptimeHour(FIRST + 59, {"a": (2, 2)})


@pytest.mark.parametrize("minutes", [{}, {FIRST: {}}, {FIRST: {"a": SILENT}}])
def test_what_tells_nothing_changes_nothing(minutes: dict[int, dict[str, Tally]]) -> None:
    assert count_minutes(HOUR, None, minutes, through=FIRST + 59) is None


def test_a_day_is_the_sum_of_its_hours() -> None:
    hours = [UptimeHour(0, {"a": (60, 60), "b": (0, 3)}), UptimeHour(0, {"a": (30, 60)})]
    assert day_uptime(hours) == {"a": 75.0, "b": 0.0}
