"""Recorded streams of every provider, told by the responses skin: in order, and what is returned means the same."""

from typing import Any

import pytest
from starlette.datastructures import Headers

from turnpike.api.responses.parse import parse_responses_request
from turnpike.domain.chat import Delta
from turnpike.providers.folding import completion_of

from tests.chat_client import Answer, Client
from tests.replay.recordings import Exchange
from tests.replay.test_messages_skin import bare, deltas_of, streams
from tests.response_stream import fold, read_events
from tests.scenario import World

pytestmark = pytest.mark.anyio

ASKED = {"model": "acme/chat", "input": "Hello"}


async def tell(deltas: list[Delta], *, stream: bool = True) -> Answer:
    world = World({"one": [list(deltas) if stream else [completion_of(deltas)]]})
    return await Client(world).post({**ASKED, "stream": stream}, path="/api/v1/responses")


def by_kind(response: dict[str, Any]) -> tuple[str, list[Any]]:
    words = ""
    others: list[Any] = []
    for item in response["output"]:
        if item["type"] == "message":
            words += "".join(part.get("text", "") + part.get("refusal", "") for part in item["content"])
        else:
            others.append(repr({name: value for name, value in item.items() if name != "id"}))
    return words, sorted(others)


@pytest.mark.parametrize("exchange", streams())
async def test_every_provider_is_told_in_order_and_streamed_or_not_alike(exchange: Exchange) -> None:
    deltas = deltas_of(exchange)
    streamed = fold(read_events((await tell(deltas)).body))
    whole = (await tell(deltas, stream=False)).json
    assert by_kind(streamed) == by_kind(whole)
    for name in ("status", "incomplete_details", "usage"):
        assert streamed[name] == whole[name]
    message = completion_of(deltas).choices[0].message
    assert by_kind(streamed)[0] == (message.get("content") or "") + (message.get("refusal") or "")


@pytest.mark.parametrize("exchange", streams(whole=False))
async def test_what_breaks_off_has_failed(exchange: Exchange) -> None:
    response = fold(read_events((await tell(deltas_of(exchange))).body))
    assert response["status"] == "failed"
    assert response["error"]["message"]
    assert response["error_type"] == response["error"]["metadata"]["error_type"]


@pytest.mark.parametrize("exchange", streams())
async def test_the_reasoning_of_every_provider_survives_the_next_turn(exchange: Exchange) -> None:
    """What a client of chat completions would send back, one of responses does too."""
    deltas = deltas_of(exchange)
    message = completion_of(deltas).choices[0].message
    for stream in (True, False):
        answer = await tell(deltas, stream=stream)
        response = fold(read_events(answer.body)) if stream else answer.json
        talk = [{"role": "user", "content": "Hello"}, *response["output"], {"role": "user", "content": "Go on"}]
        messages = parse_responses_request({**ASKED, "input": talk}, Headers()).messages
        again = messages[1] if len(messages) == 3 else {}
        assert again.get("reasoning_details") == message.get("reasoning_details")
        assert (again.get("reasoning") or "") == (message.get("reasoning") or "")
        assert bare(again.get("tool_calls")) == bare(message.get("tool_calls"))
