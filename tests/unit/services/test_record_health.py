"""Counting attempts: one write for each endpoint and minute of a batch, and nothing twice."""

from typing import Any

import pytest

from turnpike.domain.chat import Usage
from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.generation import Attempt, Generation
from turnpike.domain.ids import AccountId, GenerationId, KeyHash
from turnpike.services.record_health import RecordHealth

from tests.fake_health import InMemoryHealthCounts

NOW = 1_800_000_000
MINUTE = NOW // 60


def attempt(provider: str = "one", **changes: Any) -> Attempt:
    values: dict[str, Any] = {"model": "acme/chat", "upstream_model": "chat", "status": 200, "latency_ms": 0}
    return Attempt(provider, **(values | {"tag": provider, "ended_at_s": NOW} | changes))


def generation(*attempts: Attempt, created_at_s: int = NOW) -> Generation:
    ids = (GenerationId("gen-1"), AccountId("acct"), KeyHash("k"))
    return Generation(*ids, created_at_s, "m", "m", None, True, Usage(), attempts=attempts)


def counted(counts: InMemoryHealthCounts, minute: int = MINUTE) -> dict[str, dict[str, int]]:
    return {key: dict(tally.counts) for key, tally in counts.list_minute(minute).items()}


def test_a_batch_is_one_write_for_each_endpoint_and_minute() -> None:
    counts = InMemoryHealthCounts()
    record = RecordHealth(counts)
    for _ in range(10):
        record.note(generation(attempt("one", outcome="failed", status=500), attempt("two")), NOW)
    record.note(generation(attempt("two", ended_at_s=NOW - 60)), NOW)
    assert record.write() == 21
    assert counts.writes == 3
    assert counted(counts) == {"one|chat|one": {"f0": 10}, "two|chat|two": {"o0": 10, "a0": 10}}
    assert counted(counts, MINUTE - 1) == {"two|chat|two": {"o0": 1, "a0": 1}}


def test_what_is_written_is_not_written_again() -> None:
    counts = InMemoryHealthCounts()
    record = RecordHealth(counts)
    record.note(generation(attempt()), NOW)
    assert (record.write(), record.write(), counts.writes) == (1, 0, 1)
    record.note(generation(attempt()), NOW)
    record.write()
    assert counted(counts) == {"one|chat|one": {"o0": 2, "a0": 2}}


def test_what_cannot_be_written_is_gone() -> None:
    counts = InMemoryHealthCounts()
    record = RecordHealth(counts)
    record.note(generation(attempt()), NOW)
    counts.failing = True
    with pytest.raises(TemporarilyBusy):
        record.write()
    counts.failing = False
    assert record.write() == 0


def test_an_attempt_ended_as_it_says_as_far_as_that_can_be() -> None:
    counts = InMemoryHealthCounts()
    record = RecordHealth(counts)
    record.note(generation(attempt(ended_at_s=None), created_at_s=NOW - 600), NOW)
    # By another clock than ours.
    record.note(generation(attempt(ended_at_s=NOW + 90)), NOW)
    record.write()
    assert counted(counts, MINUTE - 10) == counted(counts) == {"one|chat|one": {"o0": 1, "a0": 1}}


def test_an_attempt_counts_in_the_minute_in_which_it_began() -> None:
    counts = InMemoryHealthCounts()
    record = RecordHealth(counts)
    record.note(generation(attempt(latency_ms=30_000, outcome="failed", ended_at_s=NOW + 10)), NOW + 15)
    record.write()
    assert counted(counts, MINUTE - 1) == {"one|chat|one": {"f8": 1, "w8": 20}}


@pytest.mark.parametrize("untold", [attempt(ended_at_s=NOW - 1801), attempt(tag=""), attempt(ended_at_s=None, tag="")])
def test_what_is_too_old_or_says_too_little_is_left_out(untold: Attempt) -> None:
    counts = InMemoryHealthCounts()
    record = RecordHealth(counts)
    record.note(generation(untold), NOW)
    assert (record.write(), counts.writes) == (0, 0)


def test_what_a_customers_own_key_met_says_nothing_of_ours() -> None:
    counts = InMemoryHealthCounts()
    record = RecordHealth(counts)
    record.note(generation(attempt(outcome="failed", status=401, is_byok=True), attempt()), NOW)
    assert record.write() == 1
    (of_ours,) = counted(counts).values()
    assert of_ours["o0"] == 1
    assert not any(name.startswith(("f", "c")) for name in of_ours)
