"""Every way in which a provider fails: before the first content nobody notices, after it nobody pays."""

from typing import Any

import pytest
from openai import APIError, APIStatusError, RateLimitError

from tests.e2e.asking import generation, nano, user
from tests.e2e.simulated import SPARE, WIRES, Simulated, name_of, slug_of

EVERY_WIRE = pytest.mark.parametrize("wire", WIRES)

ALL = 99
"""More requests than any test makes."""

BEFORE_THE_FIRST_EVENT: tuple[dict[str, Any], ...] = (
    {"status": 429, "retry_after": 60},
    {"status": 500},
    {"trouble": "overloaded"},
    {"trouble": "auth"},
    {"reset": "headers"},
    {"cut": "headers"},
    {"cut": 0},
    {"garbage": 0},
    {"empty": 1},
    {"stop": 0},
    {"tear": 0},
    {"error": 0, "trouble": "overloaded"},
)
AFTER_THE_FIRST_EVENT: tuple[dict[str, Any], ...] = (
    {"cut": 1},
    {"reset": 1},
    {"stop": 1},
    {"tear": 1},
    {"garbage": 1},
    {"error": 1, "trouble": "overloaded"},
)
"""It says that the answer begins, and nothing else; Gemini alone begins with content."""
INSTEAD_OF_A_WHOLE_ANSWER: tuple[dict[str, Any], ...] = (
    {"status": 500},
    {"reset": "headers"},
    {"cut": 0},
    {"cut": 1},
    {"reset": 1},
    {"garbage": 0},
    {"empty": 1},
)
AFTER_THE_FIRST_CONTENT: tuple[dict[str, Any], ...] = (
    {"cut": 9},
    {"reset": 9},
    {"stop": 9},
    {"tear": 9},
    {"garbage": 9},
    {"error": 9, "trouble": "overloaded"},
)
RECORDED = ({"cut": 9}, {"error": 9, "trouble": "overloaded"})
"""Of which the record is read too, which takes longer than all the rest."""


def named(fault: dict[str, Any]) -> str:
    return "~".join(f"{name}.{value}" for name, value in fault.items())


BEFORE_THE_FIRST_CONTENT = [
    pytest.param(wire, fault, id=f"{wire}-{named(fault)}")
    for wire in WIRES
    for fault in (*BEFORE_THE_FIRST_EVENT, *(AFTER_THE_FIRST_EVENT if wire != "google" else ()))
]


def first_of(wire: str, suffix: str) -> dict[str, Any]:
    """A model with two endpoints, of which the wire's own is to be tried first."""
    order = {"provider": {"order": [slug_of(wire), "sim-spare"]}}
    return {"model": f"sim/{wire}-{suffix}", "messages": user(), "extra_body": order}


def stream(sim: Simulated, wire: str, suffix: str = "spared") -> list[Any]:
    with sim.openai.chat.completions.create(**first_of(wire, suffix), stream=True) as chunks:
        return list(chunks)


def assert_spared(sim: Simulated, wire: str) -> None:
    *before, last = [request["model"] for request in sim.requests()]
    # A connection that was open and is gone tells nothing of the provider: then it is asked once more.
    assert (set(before), last) == ({WIRES[wire].model}, "spare")


@pytest.mark.parametrize(("wire", "fault"), BEFORE_THE_FIRST_CONTENT)
def test_before_the_first_content_another_provider_streams(sim: Simulated, wire: str, fault: dict[str, Any]) -> None:
    sim.plan(wire, fault, count=ALL)
    chunks = stream(sim, wire)

    assert {chunk.provider for chunk in chunks} == {SPARE}
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text.startswith("By openai_compatible you said:")
    assert text.endswith("cut in two.")
    assert {choice.finish_reason for chunk in chunks for choice in chunk.choices} == {None, "stop"}
    assert nano(chunks[-1].usage.cost) > 0
    assert_spared(sim, wire)


@EVERY_WIRE
@pytest.mark.parametrize("fault", INSTEAD_OF_A_WHOLE_ANSWER, ids=named)
def test_another_provider_answers_in_one_piece(sim: Simulated, wire: str, fault: dict[str, Any]) -> None:
    sim.plan(wire, fault, count=ALL)
    answer = sim.openai.chat.completions.create(**first_of(wire, "spared"))

    assert (answer.provider, answer.choices[0].finish_reason) == (SPARE, "stop")
    assert_spared(sim, wire)


@EVERY_WIRE
def test_the_record_shows_every_attempt(sim: Simulated, wire: str) -> None:
    sim.plan(wire, {"status": 500})
    attempts = generation(sim.http, stream(sim, wire)[0].id)["provider_responses"]
    tried = [(attempt["provider_name"], attempt["status"]) for attempt in attempts]
    assert tried == [(name_of(wire), 500), (SPARE, 200)]


@EVERY_WIRE
@pytest.mark.parametrize("fault", AFTER_THE_FIRST_CONTENT, ids=named)
def test_after_the_first_content_the_stream_ends_in_an_error_that_costs_nothing(
    sim: Simulated, wire: str, fault: dict[str, Any]
) -> None:
    sim.plan(wire, fault)
    generation_id = assert_broken_off(sim, wire, "spared")

    if fault in RECORDED:
        record = generation(sim.http, generation_id)
        assert (record["total_cost"], record["finish_reason"]) == (0, "error")
        assert record["upstream_inference_cost"] > 0


def assert_broken_off(sim: Simulated, wire: str, suffix: str) -> str:
    """The id of the generation."""
    chunks: list[Any] = []
    with (
        sim.openai.chat.completions.create(**first_of(wire, suffix), stream=True) as incoming,
        pytest.raises(APIError) as caught,
    ):
        # Keeps what came before the error.
        chunks.extend(incoming)

    deltas = [choice.delta.model_dump() for chunk in chunks for choice in chunk.choices]
    text = "".join(delta.get("reasoning") or delta["content"] or "" for delta in deltas)
    assert text.startswith(("By ", "Somebody "))
    assert not text.endswith("two.")
    assert {chunk.provider for chunk in chunks} == {name_of(wire)}
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["code"] in (429, 500, 502, 503, 504)
    assert caught.value.body["metadata"]["error_type"]
    # Nobody else was asked: two answers cannot be spliced.
    assert [request["model"] for request in sim.requests()] == [WIRES[wire].model]
    return str(chunks[0].id)


def test_silence_is_a_failure(sim: Simulated) -> None:
    """Which has nothing to do with what is spoken otherwise."""
    wire = "bedrock"
    sim.plan(wire, {"hang": "headers"})
    assert {chunk.provider for chunk in stream(sim, wire, "impatient")} == {SPARE}
    sim.forget()
    sim.plan(wire, {"hang": 9})
    assert_broken_off(sim, wire, "impatient")


@EVERY_WIRE
def test_how_long_to_wait_is_told_when_nobody_can_answer(sim: Simulated, wire: str) -> None:
    """Gemini says it in the body, and all others in a header."""
    sim.plan(wire, {"trouble": "rate_limit", "retry_after": 7})
    with pytest.raises(RateLimitError) as caught:
        sim.openai.chat.completions.create(model=f"sim/{wire}", messages=user())
    assert caught.value.response.headers["retry-after"] == "7"


@EVERY_WIRE
@pytest.mark.parametrize("streamed", [False, True])
def test_every_endpoint_may_fail(sim: Simulated, wire: str, streamed: bool) -> None:
    sim.plan(wire, {"trouble": "overloaded"})
    sim.plan(wire, {"trouble": "rate_limit", "retry_after": 5}, model="spare")
    with pytest.raises(APIStatusError) as caught:
        sim.openai.chat.completions.create(**first_of(wire, "spared"), stream=streamed)

    assert caught.value.status_code == 429
    assert caught.value.response.headers["retry-after"] == "5"
    assert isinstance(caught.value.body, dict)
    [before] = caught.value.body["metadata"]["previous_errors"]
    assert before["provider"] == slug_of(wire)
    # Anthropic has a status of its own for it.
    assert before["code"] in (503, 529)


@EVERY_WIRE
def test_what_the_client_did_wrong_is_not_tried_elsewhere(sim: Simulated, wire: str) -> None:
    sim.plan(wire, {"trouble": "context_length"})
    with pytest.raises(APIStatusError) as caught:
        stream(sim, wire)
    assert caught.value.status_code == 400
    assert [request["model"] for request in sim.requests()] == [WIRES[wire].model]


def test_an_answer_that_comes_slowly_is_no_failure(sim: Simulated) -> None:
    sim.plan("openai_compatible", {"headers_ms": 200, "first_ms": 200, "chunk_ms": 5})
    chunks = stream(sim, "openai_compatible")
    assert {chunk.provider for chunk in chunks} == {name_of("openai_compatible")}
