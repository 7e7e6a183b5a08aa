"""Endpoints that asked to be left alone."""

from turnpike.domain.errors import UpstreamError
from turnpike.domain.waits import Waits


def busy(retry_after_s: int | None, *, retryable: bool = True) -> UpstreamError:
    return UpstreamError(
        "one",
        "Slow down",
        upstream_status=429,
        error_type="rate_limit_exceeded",
        retryable=retryable,
        retry_after_s=retry_after_s,
    )


def test_an_endpoint_is_left_alone_for_as_long_as_it_said_and_no_longer() -> None:
    waits = Waits(3600)
    waits.note("one", busy(10), 100.0)
    assert waits.find("one", 109.9) is not None
    assert waits.find("two", 109.9) is None
    assert waits.find("one", 110.0) is None
    assert not waits


def test_a_later_and_shorter_wait_does_not_end_a_longer_one() -> None:
    waits = Waits(3600)
    waits.note("one", busy(60), 100.0)
    waits.note("one", busy(5), 101.0)
    wait = waits.find("one", 150.0)
    assert wait is not None
    assert wait.left_s(150.0) == 10
    waits.note("one", busy(60), 150.0)
    assert waits.find("one", 205.0) is not None


def test_what_is_left_is_rounded_up_and_told_in_an_error_of_the_same_kind() -> None:
    waits = Waits(3600)
    waits.note("one", busy(10), 100.0)
    wait = waits.find("one", 108.2)
    assert wait is not None
    error = wait.as_error(108.2)
    assert (error.upstream_status, error.error_type, error.retry_after_s) == (429, "rate_limit_exceeded", 2)
    assert error.retryable
    assert "2 s" in error.message


def test_nobody_is_left_alone_for_longer_than_the_operator_wants() -> None:
    waits = Waits(30)
    waits.note("one", busy(86_400), 0.0)
    assert waits.find("one", 29.0) is not None
    assert waits.find("one", 30.0) is None
    never = Waits(0)
    never.note("one", busy(10), 0.0)
    assert not never


def test_only_an_error_that_asks_for_it_and_can_be_over_by_then_counts() -> None:
    waits = Waits(3600)
    waits.note("one", busy(None), 0.0)
    waits.note("one", busy(0), 0.0)
    waits.note("one", busy(10, retryable=False), 0.0)
    assert not waits
