"""`openrouter_metadata`, for those who ask for it."""

from typing import Any

import pytest

from turnpike.domain.chat import Delta

from tests.chat_client import HELLO, Answer, Client
from tests.scenario import Script, World, endpoint, failure, text

pytestmark = pytest.mark.anyio
ON = {"x-openrouter-metadata": "enabled"}
IN_ORDER = {**HELLO, "provider": {"order": ["one", "two"]}}


def client(one: Script, two: Script | None = None) -> Client:
    world = World(
        {"one": [one], "two": [two or text("Hello")], "far": [text("Hello")]},
        endpoint("one"),
        endpoint("two"),
        endpoint("far", context_length=1, max_completion_tokens=None),
    )
    return Client(world)


def metadata_of(answer: Answer, stream: bool) -> Any:
    if not stream:
        return answer.json["openrouter_metadata"]
    *before, last = answer.events
    assert not any("openrouter_metadata" in event for event in before)
    return last["openrouter_metadata"]


@pytest.mark.parametrize("stream", [True, False])
async def test_it_tells_what_was_tried_and_who_answered(stream: bool) -> None:
    answer = await client([failure(503)]).post({**IN_ORDER, "max_tokens": 50, "stream": stream}, headers=ON)
    told = metadata_of(answer, stream)
    assert isinstance(told.pop("generation_time"), int)
    assert told == {
        "requested": "acme/chat",
        "strategy": "direct",
        "region": None,
        "summary": "available=2, selected=Two",
        "attempt": 2,
        "is_byok": False,
        "endpoints": {
            "total": 3,
            "available": [
                {"provider": "One", "model": "acme/chat", "selected": False},
                {"provider": "Two", "model": "acme/chat", "selected": True},
            ],
        },
        "attempts": [
            {"provider": "One", "model": "acme/chat", "status": 503},
            {"provider": "Two", "model": "acme/chat", "status": 200},
        ],
    }


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "headers",
    [{}, {"x-openrouter-metadata": "disabled"}, {"x-openrouter-metadata": "yes"}, {"x-openrouter-metadata": ""}],
)
async def test_nobody_else_gets_it(headers: dict[str, str], stream: bool) -> None:
    answer = await client(text("Hello")).post({**IN_ORDER, "stream": stream}, headers=headers)
    assert answer.status == 200
    assert b"openrouter_metadata" not in answer.body


@pytest.mark.parametrize(
    "headers", [{"x-openrouter-metadata": "ENABLED"}, {"x-openrouter-experimental-metadata": "enabled"}]
)
async def test_the_case_does_not_matter_and_the_older_name_holds(headers: dict[str, str]) -> None:
    answer = await client(text("Hello")).post(IN_ORDER, headers=headers)
    assert answer.json["openrouter_metadata"]["attempt"] == 1


@pytest.mark.parametrize("stream", [True, False])
async def test_a_failure_has_it_beside_the_error(stream: bool) -> None:
    failing = client([failure(None, error_type="timeout")], [failure(200)])
    answer = await failing.post({**IN_ORDER, "stream": stream}, headers=ON)
    assert answer.status == 502
    assert set(answer.json) == {"error", "openrouter_metadata"}
    told = answer.json["openrouter_metadata"]
    assert (told["summary"], told["attempt"]) == ("available=2, selected=none", 2)
    # Neither has a status that would say that it failed.
    assert [attempt["status"] for attempt in told["attempts"]] == [504, 502]
    assert "generation_time" not in told
    assert not any(each["selected"] for each in told["endpoints"]["available"])


async def test_a_stream_that_broke_off_has_it_on_its_last_chunk() -> None:
    broken = [Delta(content="Hel"), Delta(error=failure(500))]
    answer = await client(broken).post({**IN_ORDER, "stream": True}, headers=ON)
    last = answer.events[-1]
    assert last["error"]["code"] == 502
    assert last["openrouter_metadata"]["attempts"] == [{"provider": "One", "model": "acme/chat", "status": 500}]


async def test_a_failure_behind_a_comment_has_it_too() -> None:
    world = World({"one": [[0.1, failure(500)]]})
    answer = await Client(world, keepalive_s=0.02).post({**HELLO, "stream": True}, headers=ON)
    assert answer.status == 200
    assert answer.events[-1]["openrouter_metadata"]["attempt"] == 1


async def test_a_fallback_model_says_so() -> None:
    refused = failure(400, retryable=False, error_type="context_length_exceeded")
    world = World({"one": [[refused]], "two": [text("Hello")]}, endpoint("one"), endpoint("two", "acme/long"))
    answer = await Client(world).post({**HELLO, "models": ["acme/chat", "acme/long"]}, headers=ON)
    told = answer.json["openrouter_metadata"]
    assert (told["requested"], told["strategy"]) == ("acme/chat", "fallback")
    assert [attempt["model"] for attempt in told["attempts"]] == ["acme/chat", "acme/long"]
    assert answer.json["model"] == "acme/long"
