"""`POST /chat/completions` as a stream, with the SDKs that customers have and byte by byte."""

import asyncio
import json
from typing import Any

import httpx2
import pytest
from openai import APIError, AsyncOpenAI, OpenAI
from openrouter import OpenRouter

from tests.e2e.asking import WEATHER, chat, chunks_of, events_of, generation, nano, price, user
from tests.e2e.run import MARK, Run


def test_openai_streams_content_then_usage(openai: OpenAI) -> None:
    with openai.chat.completions.create(model="demo/chat", messages=user(), stream=True) as stream:
        chunks = list(stream)

    assert len({chunk.id for chunk in chunks}) == 1
    assert len(chunks) > 10
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert f'You said: "Hello {MARK}"' in text
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    # The chunk with the usage says it once more.
    assert reasons == ["stop", "stop"]
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    last = chunks[-1]
    assert last.choices[0].delta.content == ""
    assert last.usage is not None
    assert nano(last.usage.cost) == price(last.usage) > 0


def test_openai_async_streams(run: Run) -> None:
    async def ask() -> str:
        async with (
            AsyncOpenAI(base_url=run.base_url, api_key=run.api_key) as client,
            await client.chat.completions.create(model="demo/chat", messages=user(), stream=True) as stream,
        ):
            return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

    assert MARK in asyncio.run(ask())


def test_include_usage_changes_nothing(openai: OpenAI) -> None:
    with openai.chat.completions.create(
        model="demo/chat", messages=user(), stream=True, stream_options={"include_usage": True}
    ) as stream:
        assert sum(chunk.usage is not None for chunk in stream) == 1


def test_tool_call_arrives_in_pieces(openai: OpenAI) -> None:
    with openai.chat.completions.create(
        model="demo/chat", messages=user("What is the weather?"), tools=[WEATHER], stream=True
    ) as stream:
        choices = [choice for chunk in stream for choice in chunk.choices]

    deltas = [call for choice in choices for call in choice.delta.tool_calls or []]
    assert len(deltas) > 3
    assert {delta.index for delta in deltas} == {0}
    assert [delta.id for delta in deltas if delta.id] == ["call_demo_0"]
    functions = [delta.function for delta in deltas if delta.function]
    assert [function.name for function in functions if function.name] == ["get_weather"]
    assert json.loads("".join(function.arguments or "" for function in functions))["city"] == "Paris"
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["tool_calls", "tool_calls"]


def test_stream_helper_accumulates(openai: OpenAI) -> None:
    with openai.chat.completions.stream(model="demo/chat", messages=user()) as stream:
        kinds = [event.type for event in stream]
        answer = stream.get_final_completion()

    assert kinds.count("content.delta") > 10
    assert kinds.count("content.done") == 1
    assert MARK in (answer.choices[0].message.content or "")
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 10


def test_stream_helper_accumulates_tool_calls(openai: OpenAI) -> None:
    with openai.chat.completions.stream(
        model="demo/chat",
        messages=user("What is the weather?"),
        tools=[{**WEATHER, "function": {**WEATHER["function"], "strict": True}}],
    ) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        answer = stream.get_final_completion()

    assert [event.name for event in done] == ["get_weather"]
    [call] = answer.choices[0].message.tool_calls or []
    assert call.function.parsed_arguments["days"] == 2


def test_reasoning_comes_before_the_content(openai: OpenAI) -> None:
    with openai.chat.completions.create(model="demo/reasoning", messages=user(), stream=True) as stream:
        deltas = [choice.delta for chunk in stream for choice in chunk.choices]

    reasoning = [bool(getattr(delta, "reasoning", None)) for delta in deltas]
    content = [bool(delta.content) for delta in deltas]
    assert True in reasoning
    assert content.index(True) > max(place for place, there in enumerate(reasoning) if there)


def test_error_in_the_stream_is_raised_and_costs_nothing(openai: OpenAI, http: httpx2.Client) -> None:
    chunks: list[Any] = []
    with (
        openai.chat.completions.create(model="demo/midstream-error", messages=user(), stream=True) as stream,
        pytest.raises(APIError) as caught,
    ):
        # Keeps what came before the error.
        chunks.extend(stream)

    assert sum(bool(chunk.choices[0].delta.content) for chunk in chunks) == 5
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["code"] in (500, 502)
    assert caught.value.body["metadata"]["error_type"]
    record = generation(http, chunks[0].id)
    assert record["total_cost"] == 0
    assert record["finish_reason"] == "error"
    assert record["upstream_inference_cost"] > 0


def test_long_answer_is_not_cut_while_there_is_credit(http: httpx2.Client) -> None:
    """It comes faster than its hold is extended, as from a provider that streams in bursts."""
    schema = {"type": "object", "properties": {"essay": {"const": MARK * 3_000}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "essay", "schema": schema}}
    chunks = chunks_of(http.post("/chat/completions", json=chat(stream=True, response_format=wanted)).text)

    assert [chunk["error"] for chunk in chunks if "error" in chunk] == []
    text = "".join(choice["delta"]["content"] for chunk in chunks for choice in chunk["choices"])
    assert json.loads(text) == {"essay": MARK * 3_000}
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"


def test_failing_provider_is_not_noticed(openai: OpenAI) -> None:
    with openai.chat.completions.create(model="demo/fallback", messages=user(), stream=True) as stream:
        providers = {chunk.provider for chunk in stream}

    assert providers == {"Demo"}


def test_openrouter_sdk_streams(openrouter: OpenRouter) -> None:
    with openrouter.chat.send(model="demo/chat", messages=user(), stream=True) as stream:
        chunks = list(stream)

    text = "".join(str(choice.delta.content or "") for chunk in chunks for choice in chunk.choices)
    assert MARK in text
    assert chunks[-1].usage is not None
    assert nano(chunks[-1].usage.cost or 0) == price(chunks[-1].usage)


def test_openrouter_sdk_sees_the_error_in_the_stream(openrouter: OpenRouter) -> None:
    with openrouter.chat.send(model="demo/midstream-error", messages=user(), stream=True) as stream:
        chunks = list(stream)

    last = chunks[-1]
    assert [chunk for chunk in chunks if chunk.error] == [last]
    assert last.choices[0].finish_reason == "error"
    assert last.usage is not None
    assert last.usage.cost == 0


def test_bytes_of_a_stream(http: httpx2.Client) -> None:
    with http.stream("POST", "/chat/completions", json=chat(stream=True)) as response:
        text = response.read().decode()

    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-cache"
    events = events_of(text)
    assert events[-1] == "data: [DONE]"
    assert events.count("data: [DONE]") == 1
    chunks = chunks_of(text)
    assert {chunk["id"] for chunk in chunks} == {response.headers["x-generation-id"]}
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert {chunk["model"] for chunk in chunks} == {"demo/chat"}
    *content, finish, usage = chunks
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in content)
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert finish["choices"][0]["native_finish_reason"] == "stop"
    assert usage["choices"][0] == {**finish["choices"][0], "delta": {"role": "assistant", "content": ""}}
    assert nano(usage["usage"]["cost"]) > 0
    assert all("usage" not in chunk for chunk in chunks[:-1])


def test_bytes_of_a_stream_that_breaks_off(http: httpx2.Client) -> None:
    response = http.post("/chat/completions", json=chat("demo/midstream-error", stream=True))

    assert response.status_code == 200
    errors = [chunk for chunk in chunks_of(response.text) if "error" in chunk]
    [last] = errors
    assert set(last["error"]) >= {"code", "message", "metadata"}
    assert last["choices"][0]["finish_reason"] == "error"
    assert last["choices"][0]["delta"]["content"] == ""
    assert last["usage"]["cost"] == 0
    assert chunks_of(response.text)[-1] == last


def test_comments_keep_a_slow_stream_alive(http: httpx2.Client) -> None:
    body = chat("demo/slow", stream=True, max_tokens=3)
    with http.stream("POST", "/chat/completions", json=body) as response:
        text = response.read().decode()

    events = events_of(text)
    comments = [event for event in events if event.startswith(":")]
    assert len(comments) >= 2
    assert set(comments) == {": OPENROUTER PROCESSING"}
    assert events[: len(comments)] == comments
    assert chunks_of(text)[-1]["usage"]["completion_tokens"] == 3


def test_chunks_arrive_as_they_are_made(http: httpx2.Client) -> None:
    """The provider pauses 50 ms between tokens: whoever buffers would get them all at once."""
    body = chat("demo/slow", stream=True, max_tokens=5)
    seen: list[Any] = []
    with http.stream("POST", "/chat/completions", json=body) as response:
        seen += [data for data in response.iter_raw() if b'"content":" ' in data]

    assert len(seen) >= 4
