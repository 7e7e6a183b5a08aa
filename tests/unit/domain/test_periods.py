"""Windows of spending, in UTC."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.api_keys import LimitReset
from turnpike.domain.periods import day_of, first_day_of, next_reset_s, window_of


@pytest.mark.parametrize(
    ("reset", "now", "first", "following"),
    [
        ("daily", "2026-11-24T00:00:00Z", "2026-11-24", "2026-11-25T00:00:00Z"),
        ("daily", "2026-12-31T23:59:59Z", "2026-12-31", "2027-01-01T00:00:00Z"),
        ("weekly", "2026-11-23T00:00:00Z", "2026-11-23", "2026-11-30T00:00:00Z"),
        ("weekly", "2026-11-29T23:59:59Z", "2026-11-23", "2026-11-30T00:00:00Z"),
        ("monthly", "2027-02-28T12:00:00Z", "2027-02-01", "2027-03-01T00:00:00Z"),
        ("monthly", "2026-12-01T00:00:00Z", "2026-12-01", "2027-01-01T00:00:00Z"),
    ],
)
def test_a_window_has_its_first_day_and_its_end(reset: LimitReset, now: str, first: str, following: str) -> None:
    now_s = datetime.fromisoformat(now).timestamp()

    assert first_day_of(reset, now_s) == first
    assert next_reset_s(reset, now_s) == datetime.fromisoformat(following).timestamp()


@pytest.mark.parametrize(
    ("reset", "window"),
    [
        (None, "total"),
        ("daily", "daily:2026-11-29"),
        ("weekly", "weekly:2026-11-23"),
        ("monthly", "monthly:2026-11-01"),
    ],
)
def test_a_window_is_named_for_its_first_day(reset: LimitReset | None, window: str) -> None:
    assert window_of(reset, datetime.fromisoformat("2026-11-29T23:59:59.9Z").timestamp()) == window


@given(st.floats(0, 4e9), st.sampled_from(["daily", "weekly", "monthly"]))
def test_a_moment_lies_between_its_windows_first_day_and_its_end(now_s: float, reset: LimitReset) -> None:
    end_s = next_reset_s(reset, now_s)
    assert first_day_of(reset, now_s) <= day_of(now_s) < day_of(end_s)
    assert now_s < end_s
    assert window_of(reset, now_s) == window_of(reset, end_s - 1) != window_of(reset, end_s)
