"""Usage events: what completions sends today and sent yesterday, metering reads."""

from dataclasses import asdict
from typing import Any

import orjson
import pytest

from turnpike.domain.chat import Usage
from turnpike.domain.generation import Attempt, Generation
from turnpike.domain.ids import AccountId, GenerationId, KeyHash
from turnpike.domain.money import NanoUsd
from turnpike.services.settle_usage import build_usage_event, parse_usage_event

ATTEMPTS = (
    Attempt("one", "m", "u", None, 3, "timeout", "one/fp8", outcome="failed", ended_at_s=1_800_000_000),
    Attempt("two", "m", "u", 200, 7, None, "two", 250, 81.5, "ok", 1_800_000_009, NanoUsd(3)),
)
GENERATION = Generation(
    GenerationId("gen-1"),
    AccountId("acct"),
    KeyHash("k"),
    1_800_000_000,
    "m",
    "m",
    "Two",
    True,
    Usage(10, 5, cached_tokens=3),
    cost=NanoUsd(7),
    attempts=ATTEMPTS,
)


def sent(event: object) -> Any:
    return orjson.loads(orjson.dumps(event))


@pytest.mark.parametrize("answered", [True, False])
def test_everything_arrives(answered: bool) -> None:
    assert parse_usage_event(sent(build_usage_event(GENERATION, answered=answered))) == (GENERATION, answered)


def test_what_was_sent_before_attempts_told_so_much_is_read() -> None:
    event = sent(build_usage_event(GENERATION, answered=True))
    known = ("provider", "model", "upstream_model", "status", "latency_ms", "error_type")
    event["generation"]["attempts"] = [{name: each[name] for name in known} for each in event["generation"]["attempts"]]
    generation, answered = parse_usage_event(event)
    assert answered
    assert generation.attempts == (
        Attempt("one", "m", "u", None, 3, "timeout"),
        Attempt("two", "m", "u", 200, 7),
    )
    assert asdict(generation) | {"attempts": ()} == asdict(GENERATION) | {"attempts": ()}


def test_what_a_newer_version_tells_besides_is_left_out() -> None:
    event = sent(build_usage_event(GENERATION, answered=True))
    event["priority"] = "high"
    event["generation"] |= {"mood": "fine", "usage": event["generation"]["usage"] | {"smells": 4}}
    event["generation"]["attempts"][0]["weather"] = ["rain"]
    assert parse_usage_event(event) == (GENERATION, True)


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        None,
        {"version": 2, "answered": True, "generation": {}},
        {"version": 1},
        {"version": 1, "answered": True, "generation": None},
        {"version": 1, "answered": True, "generation": {}},
        {"version": 1, "answered": True, "generation": {"usage": {}, "attempts": []}},
        {"version": 1, "answered": True, "generation": {"usage": None, "attempts": []}},
        {"version": 1, "answered": True, "generation": {"usage": {}, "attempts": [{}]}},
    ],
)
def test_what_is_no_usage_event_is_refused(content: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        parse_usage_event(content)
