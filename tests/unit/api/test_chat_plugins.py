"""Context compression and response healing, seen by a client of POST /chat/completions."""

from typing import Any

import pytest

from turnpike.domain.estimate import estimate_message

from tests.chat_client import HELLO, Client
from tests.scenario import World, endpoint, text

pytestmark = pytest.mark.anyio

LONG = [{"role": ("user", "assistant")[n % 2], "content": "word " * 400} for n in range(61)]
COMPRESS = {"id": "context-compression"}
HEAL = {"id": "response-healing"}
JSON = {"response_format": {"type": "json_object"}}


def client_of(context_length: int, *said: str) -> Client:
    return Client(World({"one": [text(*(said or ("Hi",)))]}, endpoint(context_length=context_length), credit_usd="9"))


@pytest.mark.parametrize(
    ("context_length", "more"),
    [(8_192, {}), (20_000, {"plugins": [COMPRESS]}), (20_000, {"transforms": ["middle-out"]})],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_prompt_that_is_too_long_loses_its_middle(
    context_length: int, more: dict[str, Any], stream: bool
) -> None:
    client = client_of(context_length)
    answer = await client.post({**HELLO, "messages": LONG, "stream": stream, **more})

    assert answer.status == 200
    ((_, sent),) = client.world.upstream.calls
    assert context_length * 0.8 < sum(map(estimate_message, sent.messages)) < context_length
    assert (sent.messages[0], sent.messages[-1]) == (LONG[0], LONG[-1])


async def test_it_is_refused_where_nobody_may_shorten_it() -> None:
    client = client_of(8_192)
    answer = await client.post({**HELLO, "messages": LONG, "plugins": [{**COMPRESS, "enabled": False}]})
    assert (answer.status, client.world.upstream.calls) == (404, [])


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({**JSON, "plugins": [HEAL]}, '{"a": 1}'),
        ({**JSON}, "```json\n{a: 1,}\n```"),
        ({**JSON, "plugins": [{**HEAL, "enabled": False}]}, "```json\n{a: 1,}\n```"),
        ({"plugins": [HEAL]}, "```json\n{a: 1,}\n```"),
    ],
)
async def test_an_answer_is_healed_for_who_asks_for_json_and_healing(more: dict[str, Any], expected: str) -> None:
    answer = await client_of(100_000, "```json\n", "{a: 1,}\n```").post({**HELLO, **more})
    assert answer.json["choices"][0]["message"]["content"] == expected


async def test_a_stream_is_not_healed() -> None:
    answer = await client_of(100_000, "{a: 1,}").post({**HELLO, **JSON, "plugins": [HEAL], "stream": True})
    assert answer.events[0]["choices"][0]["delta"]["content"] == "{a: 1,}"
