"""Every adapter against everything that providers really sent: whole, event by event, and cut at every byte.

What is expected is read a second time from the recorded JSON, by a reader of each wire format that knows
nothing of the adapter (tests/replay/readers).
"""

import json
from collections.abc import Iterable
from importlib import import_module
from itertools import pairwise
from typing import Any

import pytest

from turnpike.domain.catalog import Endpoint, Provider
from turnpike.domain.chat import Choice, Delta
from turnpike.domain.errors import UpstreamError
from turnpike.domain.pricing import Pricing
from turnpike.ports.wires import ProviderAdapter
from turnpike.providers.folding import completion_of
from turnpike.providers.openai_compatible.quirks import QUIRKS
from turnpike.providers.reasoning import merged_details
from turnpike.providers.registry import WIRES, adapter_for

from tests.replay.expected import Expected
from tests.replay.recordings import Exchange, exchanges

ALL = [
    *exchanges(),
    # The target of the translation is also a provider that may be routed to.
    *exchanges(folder="openrouter"),
]
STREAMS = [each for each in ALL if each.values[0] is None or each.values[0].streamed]
WHOLE = [
    each for each in ALL if each.values[0] is None or (each.values[0].status == 200 and not each.values[0].streamed)
]
ERRORS = [each for each in ALL if each.values[0] is None or each.values[0].status != 200]

SHORT = 2_500
"""Bytes of a recording that is cut in two at each of them; every recording is also fed byte by byte."""
CUTS = 60
"""Places to cut a longer one in two at, beside the borders of its events."""

_SLUGS = {"google": "google-ai-studio", "bedrock": "amazon-bedrock", "openai-responses": "openai"}
"""The provider's slug, where the folder of its recordings has another name."""


def adapter(exchange: Exchange) -> ProviderAdapter:
    slug = _SLUGS.get(exchange.folder, exchange.folder)
    return adapter_for(Provider(slug=slug, name=slug, wire=exchange.wire, base_url="https://api.test"))


def endpoint(exchange: Exchange) -> Endpoint:
    """With the model that was asked, which some wire formats name in the address."""
    asked = exchange.request or {}
    model = (asked.get("body") or {}).get("model") or str(asked.get("path"))
    return Endpoint("acme/chat", "acme", model, "https://api.test", Pricing(), 1000)


def expected(exchange: Exchange) -> Expected:
    reading: Expected = import_module(f"tests.replay.readers.{exchange.wire}").expected(exchange)
    return reading


def replay(exchange: Exchange, pieces: Iterable[bytes]) -> list[Delta]:
    decoder = adapter(exchange).stream_decoder(endpoint(exchange))
    deltas = [delta for piece in pieces for delta in decoder.feed(piece)]
    deltas += decoder.finish()
    assert decoder.done
    assert not decoder.feed(exchange.body)
    assert not decoder.finish()
    return deltas


def comparable(deltas: Iterable[Delta]) -> list[Any]:
    """Ids that we make up differ from one replay to the next, as errors do, which are compared by what they say."""
    made: dict[str, str] = {}

    def named(call: Any) -> Any:
        given = str(call.get("id", ""))
        return {**call, "id": made.setdefault(given, f"call {len(made)}")} if given.startswith("call_") else call

    def details(given: Any) -> Any:
        return [{**each, "id": made.get(str(each.get("id")), each.get("id"))} for each in given or ()]

    return [
        (delta.error.message, getattr(delta.error, "error_type", None))
        if delta.error
        else (
            (
                delta.content,
                delta.reasoning,
                delta.refusal,
                delta.finish_reason,
                delta.native_finish_reason,
                delta.index,
            ),
            [named(call) for call in delta.tool_calls or ()],
            details(delta.reasoning_details),
            (delta.usage, delta.extra, delta.logprobs, delta.upstream_id, delta.service_tier),
        )
        for delta in deltas
    ]


def assert_says(choice: Choice, reading: Expected) -> None:
    message = choice.message
    assert (message.get("content") or "") == reading.text
    assert (message.get("reasoning") or "") == reading.reasoning
    assert (message.get("refusal") or "") == reading.refusal
    calls = [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message.get("tool_calls") or ()
    ]
    assert [call[1:] for call in calls] == [tuple(call[1:]) for call in reading.calls]
    assert all(given in (None, call[0]) for call, (given, *_) in zip(calls, reading.calls, strict=True))
    assert len({call[0] for call in calls}) == len(calls)
    if reading.details is not None:
        assert [
            (
                each["type"],
                each.get("text") or each.get("summary") or each.get("data") or "",
                each.get("signature") or "",
            )
            for each in message.get("reasoning_details") or ()
        ] == reading.details
    if reading.natives is not None:
        assert [part["item"] for part in choice.parts or () if part["type"] == "native"] == reading.natives
    assert len(message.get("annotations") or ()) == reading.annotations
    assert len(message.get("images") or ()) == reading.images
    assert (choice.finish_reason, choice.native_finish_reason) == (reading.finish, reading.native)


@pytest.mark.parametrize("exchange", STREAMS)
def test_a_stream_says_what_the_recording_says(exchange: Exchange) -> None:
    reading = expected(exchange)
    deltas = replay(exchange, [exchange.body])
    told = [delta for delta in deltas if delta.error is None]
    folded = completion_of(told)
    (choice,) = folded.choices or [Choice(0, {}, None, None)]
    assert_says(choice, reading)
    assert folded.usage == reading.usage
    assert folded.upstream_id == reading.upstream_id
    errors = [delta.error for delta in deltas if delta.error is not None]
    assert [getattr(error, "error_type", None) for error in errors] == ([reading.error] if reading.error else [])


@pytest.mark.parametrize("exchange", STREAMS)
def test_a_stream_ends_once_with_its_usage_last(exchange: Exchange) -> None:
    deltas = replay(exchange, [exchange.body])
    assert all(
        delta.has_content
        or delta.finish_reason
        or delta.usage
        or delta.error
        or delta.upstream_id
        or delta.service_tier
        for delta in deltas
    )
    usages = [index for index, delta in enumerate(deltas) if delta.usage]
    finishes = [index for index, delta in enumerate(deltas) if delta.finish_reason]
    failures = [index for index, delta in enumerate(deltas) if delta.error]
    last = len(deltas) - 1
    if failures:
        assert failures == [last]
        assert not finishes
        assert usages in ([], [last - 1])
    else:
        assert len(finishes) == 1
        assert usages in ([], [last])
        assert not any(delta.has_content for delta in deltas[finishes[0] + 1 :] if not delta.extra)


@pytest.mark.parametrize("exchange", STREAMS)
def test_streamed_tool_calls_have_the_shape_that_clients_expect(exchange: Exchange) -> None:
    first: set[int] = set()
    for delta in replay(exchange, [exchange.body]):
        for fragment in delta.tool_calls or ():
            index, function = fragment["index"], fragment["function"]
            assert isinstance(function["arguments"], str)
            if index in first:
                assert "id" not in fragment
                assert "name" not in function
            else:
                assert index == len(first)
                assert fragment["type"] == "function"
                assert fragment["id"]
                assert function["name"]
                first.add(index)


@pytest.mark.parametrize("exchange", STREAMS)
def test_reasoning_has_its_structured_form(exchange: Exchange) -> None:
    deltas = replay(exchange, [exchange.body])
    details = [detail for delta in deltas for detail in delta.reasoning_details or ()]
    assert all({"type", "format", "index"} <= detail.keys() for detail in details)
    merged = merged_details(details)
    text = "".join(each.get("text") or each.get("summary") or "" for each in merged)
    assert text == "".join(delta.reasoning or "" for delta in deltas)


@pytest.mark.parametrize("exchange", STREAMS)
def test_where_the_network_cut_a_stream_does_not_matter(exchange: Exchange) -> None:
    body = exchange.body
    whole = comparable(replay(exchange, [body]))
    assert comparable(replay(exchange, by_event(exchange))) == whole
    assert comparable(replay(exchange, (body[i : i + 1] for i in range(len(body))))) == whole
    stride = 1 if len(body) < SHORT else len(body) // CUTS
    around = {border + offset for border in borders(exchange)[:CUTS] for offset in range(-1, 2)}
    for cut in sorted({*range(0, len(body), stride), *around}):
        assert comparable(replay(exchange, [body[:cut], body[cut:]])) == whole, cut


@pytest.mark.parametrize("exchange", STREAMS)
def test_a_stream_that_stops_before_its_end_is_an_error(exchange: Exchange) -> None:
    parts = by_event(exchange)
    whole = replay(exchange, [exchange.body])
    ended = next((i for i, delta in enumerate(whole) if delta.finish_reason or delta.error), len(whole))
    for count in {0, 1, len(parts) // 2}:
        deltas = replay(exchange, [b"".join(parts[:count])])
        if any(delta.finish_reason for delta in deltas) or len(deltas) > ended:
            continue  # The end was in these parts already.
        error = deltas[-1].error
        assert isinstance(error, UpstreamError)
        assert error.retryable


@pytest.mark.parametrize("exchange", WHOLE)
def test_a_whole_answer_says_what_the_recording_says(exchange: Exchange) -> None:
    reading = expected(exchange)
    if reading.error:
        with pytest.raises(UpstreamError) as raised:
            adapter(exchange).parse_completion(exchange.body)
        assert raised.value.error_type == reading.error
        return
    completion = adapter(exchange).parse_completion(exchange.body)
    (choice,) = completion.choices
    assert_says(choice, reading)
    assert completion.usage == reading.usage
    assert completion.upstream_id == reading.upstream_id


@pytest.mark.parametrize("exchange", ERRORS)
def test_an_error_is_understood(exchange: Exchange) -> None:
    meant = import_module(f"tests.replay.readers.{exchange.wire}").ERRORS[exchange.name]
    error = adapter(exchange).parse_error(exchange.status, exchange.headers, exchange.body)
    assert (error.error_type, error.retryable) == (meant.error_type, meant.retryable)
    assert meant.message in error.message
    assert error.upstream_status == exchange.status
    wait = exchange.headers.get("retry-after")
    assert error.retry_after_s == (int(wait) if wait else meant.retry_after_s)


def test_every_wire_format_has_streams_answers_and_errors() -> None:
    def covered(group: list[Any]) -> set[str]:
        return {each.values[0].wire for each in group if each.values[0] is not None}

    if not any(each.values[0] is not None and each.values[0].folder == "xai" for each in ALL):
        pytest.skip("there is no ../shared/recordings beside this repository")
    assert covered(STREAMS) == set(WIRES)
    assert covered(WHOLE) == set(WIRES)
    assert covered(ERRORS) == set(WIRES)


def test_every_provider_with_quirks_has_a_recording() -> None:
    folders = {each.values[0].folder for each in ALL if each.values[0] is not None}
    if "xai" not in folders:
        pytest.skip("there is no ../shared/recordings beside this repository")
    # Our own demonstration speaks for itself, in the tests of the local run.
    assert set(QUIRKS) - {"demo"} <= folders


def borders(exchange: Exchange) -> list[int]:
    """Where events end."""
    body, found, at = exchange.body, [], 0
    if exchange.framed:
        while at < len(body):
            at += int.from_bytes(body[at : at + 4], "big")
            found.append(at)
        return found
    return [index + 2 for index in range(len(body) - 1) if body[index : index + 2] == b"\n\n"] + [
        index + 4 for index in range(len(body) - 3) if body[index : index + 4] == b"\r\n\r\n"
    ]


def by_event(exchange: Exchange) -> list[bytes]:
    marks = [0, *borders(exchange), len(exchange.body)]
    return [exchange.body[start:end] for start, end in pairwise(marks) if end > start]
