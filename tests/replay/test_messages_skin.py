"""Recorded streams, read by our adapters and told again by the messages skin: the same meaning in the same order."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.datastructures import Headers

from turnpike.api.messages.parse import parse_messages_request
from turnpike.api.messages.thoughts import data_of
from turnpike.domain.catalog import Endpoint, Provider
from turnpike.domain.chat import ChatRequest, Delta
from turnpike.domain.pricing import Pricing
from turnpike.providers.anthropic.body import build_body
from turnpike.providers.folding import completion_of
from turnpike.providers.registry import adapter_for

from tests.chat_client import Answer, Client
from tests.message_stream import fold, read_events
from tests.replay.recordings import Exchange, exchanges
from tests.scenario import World

pytestmark = pytest.mark.anyio

ASKED = {"model": "acme/chat", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}
SPOKEN = {
    "text": ("text",),
    "thinking": ("thinking", "signature"),
    "redacted_thinking": ("data",),
    "tool_use": ("id", "name", "input"),
}
"""Blocks that every provider's answers may have, with what of them says something; the others are Anthropic's alone."""
KEPT_HERE = ("compaction", "something_new")
"""Blocks of features that cannot be asked for here, so that they are not taken back either."""


def streams(wire: str | None = None, *, whole: bool = True) -> list[Any]:
    """Those that say something, and end well or badly."""
    found = exchanges(wire=wire)
    return [each for each in found if each.values[0] is None or fits(each.values[0], whole)]


def fits(exchange: Exchange, whole: bool) -> bool:
    deltas = deltas_of(exchange) if exchange.streamed else []
    return any(delta.has_content for delta in deltas) and whole is not any(delta.error for delta in deltas)


def deltas_of(exchange: Exchange) -> list[Delta]:
    model = ((exchange.request or {}).get("body") or {}).get("model") or "claude"
    provider = Provider(slug=exchange.folder, name=exchange.folder, wire=exchange.wire, base_url="https://api.test")
    endpoint = Endpoint("acme/chat", exchange.folder, model, "https://api.test", Pricing(), 1000)
    decoder = adapter_for(provider).stream_decoder(endpoint)
    return [*decoder.feed(exchange.body), *decoder.finish()]


async def tell(deltas: list[Delta], *, stream: bool = True, **members: Any) -> Answer:
    world = World({"one": [list(deltas) if stream else [completion_of(deltas)]]})
    return await Client(world).post({**ASKED, "stream": stream, **members}, path="/api/v1/messages")


def parsed_again(blocks: list[dict[str, Any]]) -> ChatRequest:
    spoken = [block for block in blocks if block["type"] not in KEPT_HERE]
    talk = [*ASKED["messages"], {"role": "assistant", "content": spoken}, {"role": "user", "content": "Go on"}]  # type: ignore[misc]
    return parse_messages_request({**ASKED, "messages": talk}, Headers())


def plain(block: Mapping[str, Any]) -> dict[str, Any]:
    """What of a block says something; citations are told apart. What only Anthropic understands stays as it is."""
    members = SPOKEN.get(block["type"])
    return dict(block) if members is None else {name: block[name] for name in ("type", *members)}


def said(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The blocks of a message, with adjoining texts as one."""
    blocks: list[dict[str, Any]] = []
    for block in message["content"]:
        if block.get("text") == "":
            continue
        block = plain(block)
        if blocks and blocks[-1]["type"] == block["type"] == "text":
            blocks[-1]["text"] += block["text"]
        else:
            blocks.append(block)
    return blocks


def recorded(exchange: Exchange) -> dict[str, Any]:
    """The message that Anthropic streamed; one server told its beginning twice."""
    events: list[dict[str, Any]] = []
    for event in read_events(exchange.body):
        if event["type"] != "message_start" or not events:
            events.append(event)
    return fold(events)


def known(exchange: Exchange | None) -> bool:
    """Not what we made up of members that a client of Anthropic's would not understand."""
    return exchange is None or not re.search(r"told_at_start|unknown_parts|stop_reasons\[4\]", exchange.name)


@pytest.mark.parametrize("exchange", [each for each in streams("anthropic") if known(each.values[0])])
async def test_what_anthropic_streamed_comes_out_again(exchange: Exchange) -> None:
    given, told = recorded(exchange), fold(read_events((await tell(deltas_of(exchange))).body))
    assert said(told) == said(given)
    assert told["stop_reason"] == given["stop_reason"]
    for name in ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"):
        if not given["usage"].get("iterations"):
            assert told["usage"][name] == (given["usage"].get(name) or 0), name


@pytest.mark.parametrize("exchange", streams("anthropic"))
async def test_what_anthropic_streamed_goes_back_as_it_came(exchange: Exchange) -> None:
    told = fold(read_events((await tell(deltas_of(exchange))).body))
    endpoint = Endpoint("acme/chat", "anthropic", "claude-sonnet-4-5", "https://api.test", Pricing(), 1000)
    turns = build_body(parsed_again(told["content"]), endpoint)["messages"]
    expected = [block for block in said(told) if block["type"] not in KEPT_HERE]
    while expected and expected[-1]["type"].endswith("thinking"):
        expected.pop()  # Anthropic refuses answers that end in a thought.
    assert [plain(block) for turn in turns if turn["role"] == "assistant" for block in turn["content"]] == expected


def by_kind(message: Mapping[str, Any]) -> tuple[str, list[Any]]:
    blocks = said(message)
    text = "".join(block["text"] for block in blocks if block["type"] == "text")
    return text, sorted(repr(block) for block in blocks if block["type"] != "text")


@pytest.mark.parametrize("exchange", streams())
async def test_every_provider_is_told_in_order_and_streamed_or_not_alike(exchange: Exchange) -> None:
    deltas = deltas_of(exchange)
    streamed = fold(read_events((await tell(deltas)).body))
    whole = (await tell(deltas, stream=False)).json
    # A whole answer is one text with all calls after it, wherever its thoughts stood.
    text, others = by_kind(whole)
    left_out = [repr({"type": "redacted_thinking", "data": data_of(detail)}) for detail in last_words(deltas)]
    assert by_kind(streamed) == (text, [each for each in others if each not in left_out])
    assert not text or not streamed["content"][-1]["type"].startswith("redacted")
    for name in ("stop_reason", "stop_details"):
        assert streamed[name] == whole[name]
    assert streamed["usage"] == whole["usage"]


@pytest.mark.parametrize("exchange", streams(whole=False))
async def test_what_breaks_off_ends_in_an_error(exchange: Exchange) -> None:
    start, *_, last = read_events((await tell(deltas_of(exchange))).body)
    assert (start["type"], last["type"]) == ("message_start", "error")
    assert last["error"]["message"]


@pytest.mark.parametrize("exchange", streams())
async def test_the_reasoning_of_every_provider_survives_the_next_turn(exchange: Exchange) -> None:
    """What a client of chat completions would send back, one of messages does too."""
    deltas = deltas_of(exchange)
    message = completion_of(deltas).choices[0].message
    for stream in (True, False):
        answer = await tell(deltas, stream=stream)
        blocks = fold(read_events(answer.body))["content"] if stream else answer.json["content"]
        again = parsed_again(blocks).messages[1]
        left_out = last_words(deltas) if stream else []
        details = [detail for detail in message.get("reasoning_details") or () if detail not in left_out]
        assert (again.get("reasoning_details") or []) == details
        assert (again.get("reasoning") or "") == (message.get("reasoning") or "")
        assert bare(again.get("tool_calls")) == bare(message.get("tool_calls"))


def last_words(deltas: list[Delta]) -> list[Any]:
    """What a stream has encrypted behind its last text: there it cannot stand, and it is known too late to stand
    elsewhere.
    """
    found: list[Any] = []
    after_text = False
    for delta in deltas:
        for detail in delta.reasoning_details or ():
            if after_text and detail["type"] == "reasoning.encrypted":
                found.append(detail)
            else:
                found, after_text = [], False
        if delta.content:
            after_text = True
        if delta.tool_calls:
            found, after_text = [], False
    return found


def bare(calls: Any) -> list[Any]:
    """JSON may be spaced in any way."""
    described = [(call["id"], call["function"]) for call in calls or ()]
    return [(id_, each["name"], re.sub(r"\s", "", each["arguments"])) for id_, each in described]
