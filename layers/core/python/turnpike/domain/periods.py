"""UTC days, weeks (from Monday) and months, as the names that counters are kept under."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from turnpike.domain.api_keys import LimitReset

Period = Literal["day", "week", "month"]

_PERIODS: Mapping[LimitReset, Period] = {"daily": "day", "weekly": "week", "monthly": "month"}


def day_of(now_s: float) -> str:
    """`2026-11-23`."""
    return datetime.fromtimestamp(now_s, UTC).date().isoformat()


def first_day_of(reset: LimitReset, now_s: float) -> str:
    """The first day of the current day, week or month."""
    return first_of(_PERIODS[reset], day_of(now_s))


def first_of(period: Period, day: str) -> str:
    """The first day of the day, week or month that a day belongs to."""
    found = date.fromisoformat(day)
    if period == "week":
        found -= timedelta(days=found.weekday())
    elif period == "month":
        found = found.replace(day=1)
    return found.isoformat()


def days_before(day: str, number: int) -> str:
    """So many days before it; after it for a number below zero."""
    return (date.fromisoformat(day) - timedelta(days=number)).isoformat()


def month_of(day: str) -> str:
    """`2026-11`, of a day as `day_of` writes it."""
    return day[:7]


def window_of(reset: LimitReset | None, now_s: float) -> str:
    """The window that a key's limit counts in now: `total`, or `daily:2026-11-23` and the like."""
    return "total" if reset is None else f"{reset}:{first_day_of(reset, now_s)}"


def next_reset_s(reset: LimitReset, now_s: float) -> int:
    """The midnight, in epoch seconds, at which the current window ends."""
    first = datetime.fromisoformat(first_day_of(reset, now_s)).replace(tzinfo=UTC)
    if reset == "monthly":
        # The 1st plus 32 days lies in the next month, whatever the month's length.
        following = (first + timedelta(days=32)).replace(day=1)
    else:
        following = first + timedelta(days=7 if reset == "weekly" else 1)
    return int(following.timestamp())
