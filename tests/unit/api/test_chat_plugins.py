"""Context compression and response healing, seen by a client of POST /chat/completions."""

from typing import Any

import pytest
from openrouter import components

from turnpike.domain.estimate import estimate_message

from tests.chat_client import HELLO, Client
from tests.scenario import ACCOUNT, World, endpoint, failure, text

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


@pytest.mark.parametrize("stream", [True, False])
async def test_no_more_is_held_for_than_is_sent(stream: bool) -> None:
    # The whole prompt, of some 41,500 tokens, would cost four cents; what is sent of it is below one.
    client = Client(World({"one": [text("Hi")]}, endpoint(context_length=8_192), credit_usd="0.009"))
    answer = await client.post({**HELLO, "messages": LONG, "stream": stream})
    assert answer.status == 200
    assert 8_192_000 < client.world.ledger.get_balance(ACCOUNT).held < 9_000_000


@pytest.mark.parametrize("stream", [True, False])
async def test_whoever_counts_no_tokens_is_taken_to_have_read_what_was_sent(stream: bool) -> None:
    world = World({"one": [text("Hi", usage=None)]}, endpoint(context_length=8_192))
    answer = await Client(world).post({**HELLO, "messages": LONG, "stream": stream})
    ((_, sent),) = world.upstream.calls
    usage = (answer.events[-1] if stream else answer.json)["usage"]
    assert usage["prompt_tokens"] == sum(map(estimate_message, sent.messages))


async def test_it_is_refused_where_nobody_may_shorten_it() -> None:
    client = client_of(8_192)
    answer = await client.post({**HELLO, "messages": LONG, "plugins": [{**COMPRESS, "enabled": False}]})
    assert (answer.status, client.world.upstream.calls) == (400, [])


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


METADATA = {"x-openrouter-metadata": "enabled"}


@pytest.mark.parametrize("stream", [True, False])
async def test_the_metadata_tells_of_a_prompt_that_was_shortened(stream: bool) -> None:
    client = client_of(8_192)
    answer = await client.post({**HELLO, "messages": LONG, "stream": stream}, headers=METADATA)
    told = (answer.events[-1] if stream else answer.json)["openrouter_metadata"]

    components.OpenRouterMetadata.model_validate(told)
    ((_, sent),) = client.world.upstream.calls
    (stage,) = told["pipeline"]
    assert (stage["type"], stage["name"]) == ("context_compression", "context-compression")
    left = len(sent.messages)
    assert stage["data"] == {"engine": "middle-out", "original_count": 61, "compressed_count": left}
    assert stage["summary"] == f"middle-out, {left} of 61 messages left"


async def test_the_metadata_tells_of_an_answer_that_was_healed() -> None:
    healed = await client_of(100_000, "{a: 1,}").post({**HELLO, **JSON, "plugins": [HEAL]}, headers=METADATA)
    told = healed.json["openrouter_metadata"]
    components.OpenRouterMetadata.model_validate(told)
    assert told["pipeline"] == [
        {
            "type": "response_healing",
            "name": "response-healing",
            "summary": "choices healed=1",
            "data": {"healed_choices": 1},
        }
    ]


@pytest.mark.parametrize("said", ['{"a": 1}', "nothing that is JSON"])
async def test_the_metadata_tells_nothing_of_plugins_that_did_nothing(said: str) -> None:
    answer = await client_of(100_000, said).post({**HELLO, **JSON, "plugins": [HEAL, COMPRESS]}, headers=METADATA)
    assert "pipeline" not in answer.json["openrouter_metadata"]


async def test_the_metadata_tells_of_the_endpoint_that_answered() -> None:
    world = World(
        {"one": [[failure(503)]], "two": [text("Hi")]},
        endpoint("one", context_length=30_000),
        endpoint("two"),
        credit_usd="9",
    )
    more = {"provider": {"order": ["one", "two"]}, "plugins": [COMPRESS]}
    answer = await Client(world).post({**HELLO, **more, "messages": LONG}, headers=METADATA)
    first, second = [len(sent.messages) for _, sent in world.upstream.calls]
    assert first < second == 61
    assert "pipeline" not in answer.json["openrouter_metadata"]


async def test_a_stream_is_not_healed() -> None:
    answer = await client_of(100_000, "{a: 1,}").post({**HELLO, **JSON, "plugins": [HEAL], "stream": True})
    assert answer.events[0]["choices"][0]["delta"]["content"] == "{a: 1,}"
