"""What providers of OpenAI's wire format really sent. What is expected is read here from the JSON, once more."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from turnpike.domain.chat import Delta, Usage
from turnpike.domain.errors import UpstreamError
from turnpike.providers.openai_compatible.adapter import OpenAICompatibleAdapter
from turnpike.providers.openai_compatible.quirks import QUIRKS, quirks_of

from tests.replay.recordings import Exchange, exchanges

OTHER_WIRES = frozenset(
    {
        "embeddings_base64",  # embeddings
        "openai_error_1",  # the Responses API
        "parallel_tool_call_wrapper_1",  # the Responses API
    }
)
FOLDERS = (
    "openai",
    "openai-compatible",
    "groq",
    "deepseek",
    "mistral",
    "xai",
    "perplexity",
    "together",
    "fireworks",
    "openrouter",
)
ALL = exchanges(*FOLDERS, without=OTHER_WIRES)
STREAMS = [each for each in ALL if each.values[0] is None or each.values[0].streamed]
WHOLE = [
    each for each in ALL if each.values[0] is None or (each.values[0].status == 200 and not each.values[0].streamed)
]
ERRORS = [each for each in ALL if each.values[0] is None or each.values[0].status != 200]

SHORT = 2_500
"""Bytes of a recording that is cut at each of them."""
CUTS = 100
"""Places to cut a longer one at, beside the borders of its events."""


def adapter(exchange: Exchange) -> OpenAICompatibleAdapter:
    return OpenAICompatibleAdapter(exchange.folder, quirks_of(exchange.folder))


def replay(exchange: Exchange, pieces: Iterable[bytes]) -> list[Delta]:
    decoder = adapter(exchange).stream_decoder()
    deltas = [delta for piece in pieces for delta in decoder.feed(piece)]
    deltas += decoder.finish()
    assert decoder.done
    assert not decoder.feed(b'data: {"choices":[{"delta":{"content":"late"}}]}\n\n')
    return deltas


def comparable(deltas: Iterable[Delta]) -> list[Any]:
    return [(delta.error.message, delta.error.error_type) if delta.error else delta for delta in deltas]


def events(exchange: Exchange) -> list[Any]:
    lines = exchange.body.decode().splitlines()
    data = [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]
    return [json.loads(each) for each in data if each.startswith("{") and each.endswith("}")]


def choices(exchange: Exchange) -> list[Any]:
    return [choice for event in events(exchange) if "error" not in event for choice in event["choices"]]


def expected_usage(usages: Iterable[Any]) -> Usage | None:
    given = [usage for usage in usages if usage]
    if not given:
        return None
    usage = given[-1]
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    return Usage(
        prompt_tokens=usage["prompt_tokens"],
        # xAI's completion_tokens leave the reasoning out; its total does not.
        completion_tokens=usage["total_tokens"] - usage["prompt_tokens"],
        cached_tokens=prompt.get("cached_tokens", usage.get("prompt_cache_hit_tokens", 0)),
        reasoning_tokens=completion.get("reasoning_tokens", 0),
        prompt_audio_tokens=prompt.get("audio_tokens", 0),
        completion_audio_tokens=completion.get("audio_tokens", 0),
    )


def text_of(content: Any) -> str:
    parts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
    return "".join(part["text"] for part in parts if part["type"] == "text")


def reasoning_of(message: Any) -> str:
    plain = message.get("reasoning_content") or message.get("reasoning")
    parts = message.get("content")
    if not isinstance(parts, list):
        return plain or ""
    return "".join(piece["text"] for part in parts if part["type"] == "thinking" for piece in part["thinking"])


def calls_in(messages: Iterable[Any]) -> list[tuple[str, str, Any]]:
    """(id, name, arguments) of every tool call, put together by index, or by id where there is none."""
    calls: dict[Any, list[Any]] = {}
    for message in messages:
        for fragment in message.get("tool_calls") or ():
            key = fragment.get("index", fragment.get("id"))
            call = calls.setdefault(key, [fragment.get("id"), fragment["function"].get("name"), ""])
            arguments = fragment["function"].get("arguments")
            call[2] += arguments if isinstance(arguments, str) else json.dumps(arguments)
    return [(call_id, name, json.loads(arguments or "{}")) for call_id, name, arguments in calls.values()]


def assert_tool_calls(deltas: list[Delta], expected: list[tuple[str, str, Any]]) -> None:
    fragments = [fragment for delta in deltas for fragment in delta.tool_calls or ()]
    first: dict[int, tuple[str, str]] = {}
    arguments: dict[int, str] = {}
    for fragment in fragments:
        index, function = fragment["index"], fragment["function"]
        assert isinstance(function["arguments"], str)
        if index not in first:
            assert index == len(first)
            assert fragment["type"] == "function"
            first[index] = (fragment["id"], function["name"])
        else:
            assert "id" not in fragment
            assert "name" not in function
        arguments[index] = arguments.get(index, "") + function["arguments"]
    assert [(*first[index], json.loads(arguments[index])) for index in first] == expected


@pytest.mark.parametrize("exchange", STREAMS)
def test_a_stream_says_what_the_recording_says(exchange: Exchange) -> None:
    deltas = replay(exchange, [exchange.body])
    messages = [choice.get("delta") or {} for choice in choices(exchange)]
    assert "".join(delta.content or "" for delta in deltas) == "".join(text_of(m.get("content")) for m in messages)
    assert "".join(delta.reasoning or "" for delta in deltas) == "".join(reasoning_of(m) for m in messages)
    assert "".join(delta.refusal or "" for delta in deltas) == "".join(m.get("refusal") or "" for m in messages)
    assert_tool_calls(deltas, calls_in(messages))
    assert deltas[0].upstream_id == events(exchange)[0]["id"]
    usages = [delta.usage for delta in deltas if delta.usage]
    given = [event.get("usage") or (event.get("x_groq") or {}).get("usage") for event in events(exchange)]
    expected = expected_usage(given)
    assert usages == ([expected] if expected else [])


@pytest.mark.parametrize("exchange", STREAMS)
def test_a_stream_ends_once(exchange: Exchange) -> None:
    deltas = replay(exchange, [exchange.body])
    given = [choice["finish_reason"] for choice in choices(exchange) if choice.get("finish_reason")]
    finished = [delta for delta in deltas if delta.finish_reason]
    failed = "error" in events(exchange)[-1] or not given or given == ["insufficient_system_resource"]
    if failed:
        assert not finished
        assert [index for index, delta in enumerate(deltas) if delta.error] == [len(deltas) - 1]
        return
    assert not any(delta.error for delta in deltas)
    assert len(finished) == 1
    native = [choice.get("native_finish_reason") for choice in choices(exchange) if choice.get("finish_reason")]
    assert finished[0].native_finish_reason == (native[0] or given[0])
    assert finished[0].finish_reason == {"eos": "stop"}.get(given[0], given[0])


@pytest.mark.parametrize("exchange", STREAMS)
def test_reasoning_has_its_structured_form(exchange: Exchange) -> None:
    for delta in replay(exchange, [exchange.body]):
        details = delta.reasoning_details or ()
        if delta.reasoning and exchange.folder != "openrouter":
            assert [(each["type"], each["text"], each["format"], each["index"]) for each in details] == [
                ("reasoning.text", delta.reasoning, "unknown", 0)
            ]


@pytest.mark.parametrize("exchange", STREAMS)
def test_where_the_network_cut_a_stream_does_not_matter(exchange: Exchange) -> None:
    body = exchange.body
    whole = comparable(replay(exchange, [body]))
    by_event = [part + b"\n\n" for part in body.split(b"\n\n")]
    by_event[-1] = by_event[-1].removesuffix(b"\n\n")
    assert comparable(replay(exchange, by_event)) == whole
    assert comparable(replay(exchange, (body[i : i + 1] for i in range(len(body))))) == whole
    stride = 1 if len(body) < SHORT else len(body) // CUTS
    borders = [index for index in range(len(body) - 1) if body[index : index + 2] == b"\n\n"]
    around = {border + offset for border in borders for offset in range(3)}
    for cut in sorted({*range(0, len(body), stride), *around}):
        assert comparable(replay(exchange, [body[:cut], body[cut:]])) == whole, cut


@pytest.mark.parametrize("exchange", STREAMS)
def test_a_stream_that_stops_before_its_end_is_an_error(exchange: Exchange) -> None:
    parts = exchange.body.split(b"\n\n")
    for count in {0, 1, len(parts) // 2}:
        body = b"".join(part + b"\n\n" for part in parts[:count])
        if b'"finish_reason":"' in body:
            continue
        error = replay(exchange, [body])[-1].error
        assert isinstance(error, UpstreamError)
        assert (error.error_type, error.retryable) == ("provider_unavailable", True)


@pytest.mark.parametrize("exchange", WHOLE)
def test_a_whole_answer_says_what_the_recording_says(exchange: Exchange) -> None:
    completion = adapter(exchange).parse_completion(exchange.body)
    answer = json.loads(exchange.body)
    assert completion.upstream_id == answer["id"]
    assert completion.usage == expected_usage([answer["usage"]])
    assert len(completion.choices) == len(answer["choices"])
    for choice, given in zip(completion.choices, answer["choices"], strict=True):
        message = given["message"]
        assert choice.finish_reason == given["finish_reason"]
        assert choice.native_finish_reason == given.get("native_finish_reason", given["finish_reason"])
        assert choice.message["content"] == message["content"]
        assert choice.message.get("reasoning", "") == reasoning_of(message)
        calls = choice.message.get("tool_calls", ())
        assert [
            (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls
        ] == calls_in([message])


@pytest.mark.parametrize("exchange", ERRORS)
def test_an_error_is_understood(exchange: Exchange) -> None:
    error = adapter(exchange).parse_error(exchange.status, exchange.headers, exchange.body)
    answer = json.loads(exchange.body)
    expected = {
        "deepseek/chat_real_error_scenarios_deepseek_deepseek_chat_handles_context_length_exceeded_errors[0]": (
            "context_length_exceeded",
            False,
            answer.get("error", {}).get("message"),
        ),
        "openai/chat_unknown_model[0]": ("not_found", True, answer.get("error", {}).get("message")),
        "openai/openai_rate_limit[0]": ("rate_limit_exceeded", True, answer.get("error", {}).get("message")),
        "openai/openai_rate_limit[1]": ("provider_unavailable", True, None),
        "mistral/mistral_validation_error[0]": (
            "unprocessable",
            False,
            "body.stream_options: Extra inputs are not permitted",
        ),
        "mistral/mistral_validation_error[1]": ("unprocessable", False, "body.messages: Field required"),
        "mistral/mistral_validation_error[2]": ("provider_unavailable", True, None),
        **{
            f"openrouter/test_openrouter_errors_raised[{index}]": (
                "rate_limit_exceeded",
                True,
                answer.get("error", {}).get("metadata", {}).get("raw"),
            )
            for index in range(3)
        },
    }[exchange.name]
    assert (error.error_type, error.retryable) == expected[:2]
    assert error.upstream_status == exchange.status
    if expected[2] is None:
        assert error.message == "The provider refused this deployment's credential or contract"
    else:
        assert error.message == expected[2]
    wait = exchange.headers.get("retry-after")
    assert error.retry_after_s == (int(wait) if wait else None)


def test_every_provider_with_quirks_has_a_recording() -> None:
    folders = {each.values[0].folder for each in ALL if each.values[0] is not None}
    if not any(folder == "xai" for folder in folders):
        pytest.skip("there is no ../shared/recordings beside this repository")
    # Our own demonstration speaks for itself, in the tests of the local run.
    assert set(QUIRKS) - {"demo"} <= folders
