"""How long records are kept."""

import pytest

from turnpike.domain.retention import KEPT_FOR_GOOD, Retention

DAY = 86_400
MONDAY = 1_795_392_000
"""The midnight that 23 November 2026 begins with, UTC."""


def test_without_a_limit_nothing_ends() -> None:
    assert KEPT_FOR_GOOD.generation_ends_s(MONDAY) is None
    assert KEPT_FOR_GOOD.activity_ends_s("2026-11-23") is None


def test_a_generation_ends_so_many_days_after_its_request() -> None:
    assert Retention(generation_days=180).generation_ends_s(MONDAY + 5) == MONDAY + 5 + 180 * DAY


def test_the_thirtieth_completed_day_is_there_for_the_least_that_may_be_set() -> None:
    # On 23 December the thirty days that are over begin with 23 November, until that day is over itself.
    assert Retention(activity_days=31).activity_ends_s("2026-11-23") == MONDAY + 32 * DAY


@pytest.mark.parametrize("days", [-1, 1, 30])
def test_less_than_what_is_relied_on_is_refused(days: int) -> None:
    with pytest.raises(ValueError, match="31 at least"):
        Retention(generation_days=days)
    with pytest.raises(ValueError, match="31 at least"):
        Retention(activity_days=days)
