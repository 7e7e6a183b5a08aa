"""Uptime over a day, kept by hour: in how many minutes an endpoint was up, of those that tell."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from turnpike.domain.tallies import Tally, up_minutes, uptime_percentage

MINUTES_AN_HOUR = 60


@dataclass(frozen=True, slots=True)
class UptimeHour:
    through: int
    """The last minute (epoch seconds / 60) that is counted, and all before it are."""
    minutes: Mapping[str, tuple[int, int]]
    """By endpoint key: how many minutes it was up, and how many had enough attempts to tell."""


def count_minutes(
    hour: int, seen: UptimeHour | None, minutes: Mapping[int, Mapping[str, Tally]], *, through: int
) -> UptimeHour | None:
    """The hour with what `minutes` add to it, up to the minute `through`; None when they add nothing."""
    first = hour * MINUTES_AN_HOUR if seen is None else seen.through + 1
    last = min(through, (hour + 1) * MINUTES_AN_HOUR - 1)
    counted = dict(seen.minutes) if seen else {}
    counted_through = None
    for minute in range(first, last + 1):
        for key, tally in minutes.get(minute, {}).items():
            up, told = up_minutes([tally])
            if told:
                before = counted.get(key, (0, 0))
                counted[key] = (before[0] + up, before[1] + told)
                counted_through = minute
    return None if counted_through is None else UptimeHour(counted_through, counted)


def day_uptime(hours: Iterable[UptimeHour]) -> Mapping[str, float | None]:
    """A percentage by endpoint key."""
    up: dict[str, int] = {}
    told: dict[str, int] = {}
    for hour in hours:
        for key, (of_up, of_told) in hour.minutes.items():
            up[key] = up.get(key, 0) + of_up
            told[key] = told.get(key, 0) + of_told
    return {key: uptime_percentage(up[key], told[key]) for key in told}
