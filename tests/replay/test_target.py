"""What we emit has the structure that OpenRouter's own recorded traffic has: the same keys at the same places.

The deltas of a recorded stream are sent through our whole edge again, and each chunk that comes out is held
against the recorded chunks of its kind.
"""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from turnpike.domain.chat import Delta

from tests.chat_client import HELLO, Client
from tests.replay.recordings import Exchange, exchanges
from tests.replay.test_matrix import adapter
from tests.scenario import World

pytestmark = pytest.mark.anyio

RECORDED = exchanges(folder="openrouter")
STREAMS = [
    each
    for each in RECORDED
    if each.values[0] is None or (each.values[0].streamed and "error_in_stream" not in each.values[0].name)
]
WHOLE = [
    each
    for each in RECORDED
    if each.values[0] is None or (each.values[0].status == 200 and not each.values[0].streamed)
]

OPTIONAL = {
    # Null in some of the recorded chunks, and left out of others of the same kind.
    "choices.delta.reasoning",
    "service_tier",
    # Only where a provider's own tools ran.
    "usage.server_tool_use_details",
    # Left out by the oldest of the recordings.
    "usage.is_byok",
}


def paths(value: Any, at: str = "") -> Iterator[str]:
    """The dotted path of every member; those of a list's elements are the list's."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield f"{at}{name}"
            yield from paths(member, f"{at}{name}.")
    elif isinstance(value, list):
        for element in value:
            yield from paths(element, at)


def structure(chunk: Any) -> frozenset[str]:
    return frozenset(path for path in paths(chunk) if not path.startswith(tuple(OPTIONAL)))


def chunks_of(body: bytes) -> list[Any]:
    lines = [line for line in body.decode().split("\n\n") if line.startswith("data: {")]
    return [orjson.loads(line.removeprefix("data: ")) for line in lines]


def kind(chunk: Any) -> str:
    if "usage" in chunk:
        return "usage"
    (choice,) = chunk["choices"]
    if choice["finish_reason"]:
        return "finish"
    delta = choice["delta"]
    for member in ("annotations", "reasoning_details"):
        if member in delta:
            return member
    if "tool_calls" in delta:
        return "call" if "id" in delta["tool_calls"][0] else "arguments"
    return "content"


def deltas_of(exchange: Exchange) -> list[Delta]:
    decoder = adapter(exchange).stream_decoder()
    return [*decoder.feed(exchange.body), *decoder.finish()]


@pytest.mark.parametrize("exchange", STREAMS)
async def test_chunks_have_the_recorded_structure(exchange: Exchange) -> None:
    recorded: dict[str, set[frozenset[str]]] = {}
    for chunk in chunks_of(exchange.body):
        recorded.setdefault(kind(chunk), set()).add(structure(chunk))
    answer = await Client(World({"one": [deltas_of(exchange)]})).post({**HELLO, "stream": True})
    emitted = chunks_of(answer.body)
    assert {kind(chunk) for chunk in emitted} == set(recorded)
    for chunk in emitted:
        assert structure(chunk) in recorded[kind(chunk)], chunk
    assert [kind(chunk) for chunk in emitted][-2:] == ["finish", "usage"]
    assert answer.body.endswith(b"\n\ndata: [DONE]\n\n")


@pytest.mark.parametrize("exchange", STREAMS)
async def test_members_come_in_the_recorded_order(exchange: Exchange) -> None:
    answer = await Client(World({"one": [deltas_of(exchange)]})).post({**HELLO, "stream": True})
    last = [list(chunk) for chunk in (chunks_of(exchange.body)[-1], chunks_of(answer.body)[-1])]
    assert [name for name in last[0] if name in last[1]] == [name for name in last[1] if name in last[0]]


@pytest.mark.parametrize("exchange", WHOLE)
async def test_a_whole_answer_has_the_recorded_structure(exchange: Exchange) -> None:
    completion = adapter(exchange).parse_completion(exchange.body)
    answer = await Client(World({"one": [[completion]]})).post(HELLO)
    missing = structure(orjson.loads(exchange.body)) - structure(answer.json)
    # The index of a call belongs to streams; one provider's whole answers have it all the same.
    assert missing <= {"choices.message.tool_calls.index"}
