"""The breaker: when it opens, whom it lets through, and what closes it."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.breaker import PAUSE_S, PROBE_S, Breaker
from turnpike.domain.health import HINDSIGHT_S

KEY = "a|m|a"
NOW = 1_800_000_000.0


def fail(breaker: Breaker, *at_s: float) -> None:
    for each in at_s:
        breaker.record(KEY, False, NOW + each)


def hang(breaker: Breaker, at_s: float, waited_s: float = 30) -> None:
    """An attempt that failed then, after so long."""
    breaker.record(KEY, False, NOW + at_s, waited_s=waited_s)


def opened(at_s: float = 0) -> Breaker:
    """By failures of which the last was then."""
    breaker = Breaker()
    fail(breaker, at_s - 2, at_s - 1, at_s)
    assert breaker.is_open(KEY, NOW + at_s)
    return breaker


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        ([0, 0], False),
        ([0, 0, 0], True),
        ([0, 15, 30], True),
        ([0, 15, 30.1], False),
        ([0, 20, 40], False),
        ([0, 20, 40, 49], True),
    ],
)
def test_three_failures_within_thirty_seconds_open_it(failures: Sequence[float], expected: bool) -> None:
    breaker = Breaker()
    fail(breaker, *failures)
    assert breaker.is_open(KEY, NOW + failures[-1]) == expected
    assert not breaker.is_open("b|m|b", NOW + failures[-1])


def test_successes_between_them_do_not_hide_failures() -> None:
    breaker = Breaker()
    for second in range(3):
        fail(breaker, second)
        for _ in range(2):
            breaker.record(KEY, True, NOW + second)
    # The third failure was the third of seven attempts.
    assert breaker.is_open(KEY, NOW + 2)


def test_few_failures_among_many_attempts_do_not_open_it() -> None:
    breaker = Breaker()
    for number in range(1_000):
        breaker.record(KEY, number % 20 != 19, NOW + number / 100)
    assert not breaker.is_open(KEY, NOW + 10)


def test_many_failures_among_many_attempts_open_it() -> None:
    breaker = Breaker()
    for number in range(1_000):
        breaker.record(KEY, number % 3 != 2, NOW + number / 100)
    fail(breaker, 10)
    assert breaker.is_open(KEY, NOW + 10)


def test_successes_before_the_window_do_not_excuse_failures() -> None:
    breaker = Breaker()
    for number in range(1_000):
        breaker.record(KEY, True, NOW + number / 1000)
    fail(breaker, 41, 42, 43)
    assert breaker.is_open(KEY, NOW + 43)


def test_after_the_pause_one_at_a_time_may_probe_it() -> None:
    breaker = opened()
    assert not breaker.try_probe(KEY, NOW + PAUSE_S - 0.1)
    assert not breaker.is_open(KEY, NOW + PAUSE_S)
    assert breaker.try_probe(KEY, NOW + PAUSE_S)
    assert breaker.is_open(KEY, NOW + PAUSE_S)
    assert not breaker.try_probe(KEY, NOW + PAUSE_S)


def test_a_probe_that_succeeds_closes_it() -> None:
    breaker = opened()
    assert breaker.try_probe(KEY, NOW + 31)
    breaker.record(KEY, True, NOW + 32)
    assert not breaker.is_open(KEY, NOW + 32)
    assert breaker.try_probe(KEY, NOW + 32)
    assert breaker.try_probe(KEY, NOW + 32)
    # What it failed before is forgotten.
    fail(breaker, 33, 34)
    assert not breaker.is_open(KEY, NOW + 34)
    fail(breaker, 35)
    assert breaker.is_open(KEY, NOW + 35)


def test_a_probe_that_fails_opens_it_for_as_long_again() -> None:
    breaker = opened()
    assert breaker.try_probe(KEY, NOW + 31)
    fail(breaker, 33)
    assert breaker.is_open(KEY, NOW + 33 + PAUSE_S - 0.1)
    assert breaker.try_probe(KEY, NOW + 33 + PAUSE_S)


def test_a_probe_that_says_nothing_lets_the_next_one_through() -> None:
    breaker = opened()
    assert breaker.try_probe(KEY, NOW + 31)
    breaker.release(KEY)
    assert breaker.try_probe(KEY, NOW + 31)
    breaker.release("never heard of")


def test_a_probe_that_nobody_ends_does_not_hold_others_back_for_good() -> None:
    breaker = opened()
    assert breaker.try_probe(KEY, NOW + 31)
    assert not breaker.try_probe(KEY, NOW + 31 + PROBE_S - 0.1)
    assert breaker.try_probe(KEY, NOW + 31 + PROBE_S)


def test_answers_that_were_under_way_do_not_close_it() -> None:
    breaker = opened()
    breaker.record(KEY, True, NOW + 1)
    assert breaker.is_open(KEY, NOW + 29)
    breaker.record(KEY, True, NOW + 30)
    fail(breaker, 30)
    assert not breaker.is_open(KEY, NOW + 30)


def test_one_that_hung_for_half_a_minute_opens_it_by_itself() -> None:
    breaker = Breaker()
    hang(breaker, 0)
    # It counts ten seconds before its end, so that an endpoint that has returned meanwhile is found sooner.
    assert breaker.is_open(KEY, NOW + PAUSE_S - HINDSIGHT_S - 0.1)
    assert breaker.try_probe(KEY, NOW + PAUSE_S - HINDSIGHT_S)
    hang(breaker, 50)
    assert breaker.is_open(KEY, NOW + 50)
    assert not breaker.is_open(KEY, NOW + 50 + PAUSE_S - HINDSIGHT_S)


@pytest.mark.parametrize(("waited_s", "needed"), [(0.3, 3), (10, 3), (16, 2), (20, 2), (29, 1), (600, 1)])
def test_the_longer_one_waited_the_fewer_open_it(waited_s: float, needed: int) -> None:
    breaker = Breaker()
    for number in range(1, needed + 1):
        assert not breaker.is_open(KEY, NOW)
        hang(breaker, number / 10, waited_s)
    assert breaker.is_open(KEY, NOW + 1)


def test_one_that_hung_among_many_that_answered_does_not_open_it() -> None:
    breaker = Breaker()
    for number in range(100):
        breaker.record(KEY, True, NOW + number / 10)
    hang(breaker, 10)
    assert not breaker.is_open(KEY, NOW + 10)


def test_an_outage_that_others_saw_is_probed_before_it_is_over() -> None:
    breaker = Breaker()
    breaker.take_over({KEY: NOW + 20}, NOW, seen_at_s=NOW)
    assert breaker.is_open(KEY, NOW + 19)
    assert breaker.try_probe(KEY, NOW + 20)
    assert not breaker.try_probe(KEY, NOW + 20)
    fail(breaker, 21)
    assert breaker.is_open(KEY, NOW + 50)


def test_an_outage_that_others_saw_shortens_no_pause_of_its_own() -> None:
    breaker = opened()
    breaker.take_over({KEY: NOW + 5}, NOW, seen_at_s=NOW)
    assert breaker.is_open(KEY, NOW + 29)


def test_others_may_come_to_know_that_it_is_over_sooner_or_later() -> None:
    breaker = Breaker()
    breaker.take_over({KEY: NOW + 40}, NOW, seen_at_s=NOW)
    breaker.take_over({KEY: NOW + 20}, NOW + 10, seen_at_s=NOW + 10)
    assert breaker.is_open(KEY, NOW + 19)
    assert not breaker.is_open(KEY, NOW + 20)
    breaker.take_over({KEY: NOW + 60}, NOW + 25, seen_at_s=NOW + 25)
    assert breaker.is_open(KEY, NOW + 59)
    # Of one that it had not heard of, and that is over, there is nothing to be careful of.
    breaker.take_over({"b|m|b": NOW + 10}, NOW + 25, seen_at_s=NOW)
    assert breaker.try_probe("b|m|b", NOW + 25)
    assert breaker.try_probe("b|m|b", NOW + 25)


def test_a_success_ends_an_outage_of_others_that_is_over_and_no_other() -> None:
    breaker = Breaker()
    breaker.take_over({KEY: NOW + 20}, NOW, seen_at_s=NOW)
    breaker.record(KEY, True, NOW + 10)
    assert breaker.is_open(KEY, NOW + 19)
    assert breaker.try_probe(KEY, NOW + 20)
    breaker.record(KEY, True, NOW + 21)
    assert breaker.try_probe(KEY, NOW + 21)
    assert breaker.try_probe(KEY, NOW + 21)


@pytest.mark.parametrize(("succeeded", "expected"), [(-1, True), (0, False), (1, False)])
def test_what_was_seen_here_since_counts_for_more_than_what_others_saw(succeeded: float, expected: bool) -> None:
    breaker = Breaker()
    breaker.record(KEY, True, NOW + succeeded)
    breaker.take_over({KEY: NOW + 20}, NOW + 2, seen_at_s=NOW)
    assert breaker.is_open(KEY, NOW + 2) == expected


@given(st.lists(st.tuples(st.sampled_from(["ok", "failed", "hung", "probe", "wait"]), st.floats(0, 40)), max_size=60))
def test_it_never_stays_open_without_a_failure(history: list[tuple[str, float]]) -> None:
    breaker, now_s, failed_at_s = Breaker(), NOW, None
    for what, waited_s in history:
        now_s += waited_s
        if what == "probe":
            breaker.try_probe(KEY, now_s)
        elif what != "wait":
            breaker.record(KEY, what == "ok", now_s, waited_s=30 if what == "hung" else 0)
            failed_at_s = failed_at_s if what == "ok" else now_s
        if breaker.is_open(KEY, now_s):
            assert failed_at_s is not None
    assert not breaker.is_open(KEY, now_s + PAUSE_S + PROBE_S)
