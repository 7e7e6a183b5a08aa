"""`POST /chat/completions` through the ASGI app, with a scripted provider and everything else in memory."""

import asyncio
import gzip
from dataclasses import replace
from typing import Any

import orjson
import pytest

from turnpike.api.edge import MAX_BODY_BYTES
from turnpike.domain.api_keys import hash_secret
from turnpike.domain.chat import Delta

from tests.chat_client import HELLO, Client
from tests.scenario import Script, World, failure, principal, text

pytestmark = pytest.mark.anyio


def client(*scripts: Script, **options: Any) -> Client:
    return Client(World({"one": list(scripts or [text("Hel", "lo")])}), **options)


async def test_a_stream_has_the_shape_that_clients_know() -> None:
    answer = await client().post({**HELLO, "stream": True})
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    *chunks, finish, last = answer.events
    generation_id = answer.headers["x-generation-id"]
    for chunk in answer.events:
        assert list(chunk)[:5] == ["id", "object", "created", "model", "provider"]
        assert chunk["id"] == generation_id
        assert chunk["object"] == "chat.completion.chunk"
        assert (chunk["model"], chunk["provider"]) == ("acme/chat", "One")
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == [
        {"role": "assistant", "content": "Hel"},
        {"role": "assistant", "content": "lo"},
    ]
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert last["choices"] == [
        {
            "index": 0,
            "delta": {"role": "assistant", "content": ""},
            "finish_reason": "stop",
            "native_finish_reason": "stop",
        }
    ]
    assert last["usage"]["cost"] == 0.00002
    assert last["usage"]["total_tokens"] == 15
    assert sum("usage" in event for event in answer.events) == 1


async def test_the_older_prompt_is_what_a_user_says() -> None:
    asker = client()
    answer = await asker.post({"model": "acme/chat", "prompt": "Once upon"})
    assert answer.json["choices"][0]["message"]["content"] == "Hello"
    [(_, request)] = asker.world.upstream.calls
    assert request.messages == [{"role": "user", "content": "Once upon"}]
    await asker.post({**HELLO, "prompt": "Once upon"})
    assert asker.world.upstream.calls[-1][1].messages == HELLO["messages"]
    for prompt, told in (([1, 2], "prompt: send a text, or messages"), ("", "messages: Field required")):
        refused = await asker.post({"model": "acme/chat", "prompt": prompt})
        assert (refused.status, refused.json["error"]["message"]) == (400, told)


@pytest.mark.parametrize("path", ["/api/v1/chat/completions", "/api/v1/responses", "/api/v1/completions"])
@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ({str(number): "v" for number in range(17)}, "metadata"),
        ({"k" * 65: "v"}, "metadata"),
        ({"a[0]": "v"}, "metadata.a[0]"),
        ({"a": "v" * 513}, "metadata.a"),
        ({"a": 1}, "metadata.a"),
    ],
)
async def test_metadata_keeps_within_its_limits(path: str, metadata: dict[str, Any], field: str) -> None:
    bodies = {"chat/completions": HELLO, "responses": {"input": "Hello"}, "completions": {"prompt": "Hello"}}
    body = {"model": "acme/chat", **bodies[path.removeprefix("/api/v1/")]}
    refused = await client().post({**body, "metadata": metadata}, path=path)
    assert (refused.status, refused.json["error"]["message"].startswith(field)) == (400, True)
    most = {f"{number:064}": "v" * 512 for number in range(16)}
    for allowed in (most, {}, None):
        assert (await client().post({**body, "metadata": allowed}, path=path)).status == 200


async def test_a_whole_answer_has_the_shape_that_clients_know() -> None:
    answer = await client().post(HELLO)
    content = answer.json
    assert content["id"] == answer.headers["x-generation-id"]
    assert content["object"] == "chat.completion"
    assert content["choices"][0]["message"]["content"] == "Hello"
    assert content["choices"][0]["finish_reason"] == "stop"
    assert content["usage"]["cost"] == 0.00002
    assert content["usage"]["cost_details"]["upstream_inference_cost"] == 0.00002


@pytest.mark.parametrize("stream", [True, False])
async def test_reasoning_is_hidden_from_who_does_not_want_to_see_it(stream: bool) -> None:
    thinking = [
        Delta(reasoning="Let me see", reasoning_details=[{"type": "reasoning.text", "text": "Let me see"}]),
        *text("Hello"),
    ]
    shown = await client(thinking).post({**HELLO, "stream": True})
    assert b"Let me see" in shown.body
    hidden = await client(thinking).post({**HELLO, "stream": stream, "reasoning": {"exclude": True}})
    assert b"Let me see" not in hidden.body
    assert b"Hello" in hidden.body


async def test_events_that_arrive_together_leave_together() -> None:
    world = World({"one": [text("a", "b", "c")]})
    world.upstream.together = True
    answer = await Client(world).post({**HELLO, "stream": True})
    assert len(answer.writes) == 2


async def test_an_error_before_the_first_content_has_its_own_status() -> None:
    answer = await client([failure(429, error_type="rate_limit_exceeded")]).post({**HELLO, "stream": True})
    assert answer.status == 429
    assert answer.json["error"]["metadata"]["error_type"] == "rate_limit_exceeded"
    assert answer.json["error"]["availability"]["code"] == "capacity_exhausted"
    assert answer.headers["x-generation-id"].startswith("gen-")


async def test_an_error_after_it_is_a_chunk_that_ends_the_stream() -> None:
    answer = await client([Delta(content="Hel"), Delta(error=failure(500))]).post({**HELLO, "stream": True})
    assert answer.status == 200
    _, broken = answer.events
    assert broken["error"]["code"] == 502
    assert broken["error"]["metadata"]["error_type"] == "provider_unavailable"
    assert broken["choices"][0]["finish_reason"] == "error"
    assert broken["usage"]["cost"] == 0


async def test_a_stream_ends_before_the_invocation_does() -> None:
    """Five seconds of what it has left are kept for that, and for the report."""
    script: Script = [*text("Hel", finish=False), 30.0, *text("lo")]
    answer = await client(script).post({**HELLO, "stream": True}, left_s=5.1)
    assert answer.status == 200
    assert answer.events[0]["choices"][0]["delta"]["content"] == "Hel"
    assert answer.events[-1]["error"]["metadata"]["error_type"] == "timeout"


@pytest.mark.parametrize("stream", [True, False])
async def test_an_invocation_that_is_nearly_over_is_told_so(stream: bool) -> None:
    answer = await client([1.0, *text("Hello")]).post({**HELLO, "stream": stream}, left_s=5.0)
    assert answer.status == 504
    assert answer.json["error"]["metadata"]["error_type"] == "timeout"


async def test_a_slow_provider_is_bridged_by_comments() -> None:
    answer = await client([0.1, *text("Hello")], keepalive_s=0.02).post({**HELLO, "stream": True})
    comments = [line for line in answer.lines if line.startswith(":")]
    assert comments
    assert set(comments) == {": OPENROUTER PROCESSING"}
    assert answer.lines[: len(comments)] == comments
    assert answer.events[0]["choices"][0]["delta"]["content"] == "Hello"


async def test_an_error_after_a_comment_cannot_have_a_status_any_more() -> None:
    answer = await client([0.1, failure(500)], keepalive_s=0.02).post({**HELLO, "stream": True})
    assert answer.status == 200
    assert answer.events[-1]["error"]["code"] == 502


async def test_usage_is_reported_after_the_response_has_ended() -> None:
    it = client()
    before = len(it.world.queue.events)
    answer = await it.post({**HELLO, "stream": True})
    assert answer.lines[-1] == "data: [DONE]"
    assert len(it.world.queue.events) == before + 1


async def test_a_cancelled_request_is_reported_and_not_charged() -> None:
    it = client([Delta(content="Hel"), 30.0])
    task = asyncio.create_task(it.post({**HELLO, "stream": True}))
    await it.world.upstream.waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (event,) = it.world.queue.events
    assert event["generation"].cost == 0


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"{", "the body is not valid JSON"),
        (b"[]", "the body must be a JSON object"),
        (b"\xff", "the body is not valid JSON"),
        ({}, "messages"),
        ({**HELLO, "messages": []}, "messages"),
        ({**HELLO, "messages": [{"role": "robot", "content": "x"}]}, "messages.0"),
        ({**HELLO, "messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
        ({**HELLO, "messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text"),
        ({**HELLO, "temperature": 5}, "temperature"),
        ({**HELLO, "temperature": "1"}, "temperature"),
        ({**HELLO, "max_tokens": 0}, "max_tokens"),
        ({**HELLO, "max_tokens": "many"}, "max_tokens"),
        ({**HELLO, "stream": "yes"}, "stream"),
        ({**HELLO, "tools": [{"type": "function"}]}, "tools.0.function"),
        ({**HELLO, "provider": {"colour": "red"}}, "provider.colour"),
        ({**HELLO, "provider": {"max_price": {"prompt": "cheap"}}}, "provider.max_price.prompt"),
        ({**HELLO, "reasoning": {"effort": "low", "max_tokens": 10}}, "reasoning"),
        ({**HELLO, "reasoning": {"effort": "low"}, "reasoning_effort": "high"}, "reasoning_effort"),
        ({"messages": HELLO["messages"]}, "model"),
    ],
)
async def test_bad_input_is_refused_by_the_name_of_its_field(content: Any, field: str) -> None:
    answer = await client().post(content)
    assert answer.status == 400
    assert answer.json["error"]["message"].startswith(field)
    assert answer.json["error"]["metadata"]["error_type"] == "invalid_request"


async def test_a_compressed_body_is_refused_as_such() -> None:
    answer = await client().post(gzip.compress(orjson.dumps(HELLO)), headers={"content-encoding": "gzip"})
    assert answer.status == 400
    assert answer.json["error"]["message"].startswith("the body is compressed")
    assert (await client().post(HELLO, headers={"content-encoding": "identity"})).status == 200


async def test_a_refusal_never_quotes_what_was_sent() -> None:
    answer = await client().post({**HELLO, "messages": [{"role": "user", "content": {"secret": "hunter2"}}]})
    assert answer.status == 400
    assert b"hunter2" not in answer.body


async def test_deep_nesting_is_refused() -> None:
    nested = b"[" * 500 + b"]" * 500
    answer = await client().post(orjson.dumps(HELLO)[:-1] + b',"metadata":' + nested + b"}")
    assert answer.status == 400
    assert "nested" in answer.json["error"]["message"]


async def test_an_unknown_model_says_so() -> None:
    answer = await client().post({**HELLO, "model": "acme/none"})
    assert answer.status == 400
    assert answer.json["error"]["message"] == "acme/none is not a valid model ID"
    assert answer.json["error"]["availability"]["code"] == "model_not_found"


@pytest.mark.parametrize("secret", [None, "junk", "sk-or-v1-" + "b" * 64])
async def test_a_missing_or_unknown_key_is_401(secret: str | None) -> None:
    answer = await client().post(HELLO, secret=secret)
    assert answer.status == 401
    assert answer.json["error"]["code"] == 401


async def test_too_large_a_body_is_413() -> None:
    answer = await client().post(b" " * (MAX_BODY_BYTES + 1))
    assert answer.status == 413
    declared = await client().post(b"{}", headers={"content-length": str(MAX_BODY_BYTES + 1)})
    assert declared.status == 413


async def test_another_method_is_405_and_names_the_right_one() -> None:
    answer = await client().post(b"", method="GET")
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"
    assert answer.json["error"]["code"] == 405


async def test_an_unknown_path_is_404_in_the_same_envelope() -> None:
    answer = await client().post(HELLO, path="/api/v1/nothing")
    assert answer.status == 404
    assert answer.json["error"]["code"] == 404


async def test_openais_own_base_path_works_too() -> None:
    assert (await client().post(HELLO, path="/v1/chat/completions")).status == 200


async def test_management_keys_cannot_call_models() -> None:
    it = client()
    secret = "sk-or-v1-" + "c" * 64
    key = principal(role="management").key
    it.keys.create(replace(key, hash=hash_secret(secret)))
    answer = await it.post(HELLO, secret=secret)
    assert answer.status == 403


async def test_headers_are_kept_up_to_a_length() -> None:
    it = client()
    assert (await it.post(HELLO, headers={"user-agent": "a" * 60_000})).status == 200
    (event,) = it.world.queue.events
    assert len(event["generation"].user_agent) == 512
    refused = await it.post(HELLO, headers={"x-session-id": "s" * 257})
    assert refused.status == 400
    assert refused.json["error"]["message"].startswith("x-session-id")


@pytest.mark.parametrize(
    ("asked", "status", "field", "number"),
    [
        ({"max_tokens": 8_001}, 404, "max_tokens", "8000"),
        ({"messages": [{"role": "user", "content": "x" * 700_000}]}, 400, "messages", "100000"),
    ],
)
async def test_too_long_a_request_is_told_how_long_it_may_be(
    asked: dict[str, Any], status: int, field: str, number: str
) -> None:
    answer = await client().post({**HELLO, **asked})
    assert answer.status == status
    constraint = answer.json["error"]["availability"]["constraint"]
    assert constraint["field"] == field
    assert number in constraint["detail"]


async def test_a_prompt_that_is_too_long_is_refused_in_the_words_that_agents_look_for() -> None:
    long = {**HELLO, "messages": [{"role": "user", "content": "x" * 699_000}], "max_tokens": 100}
    error = (await client().post(long)).json["error"]
    assert (error["code"], error["metadata"]["error_type"]) == (400, "context_length_exceeded")
    assert error["message"].startswith(
        "This endpoint's maximum context length is 100000 tokens. However, you requested about 233109 tokens "
        "(233009 of the prompt, 100 in the output). Please reduce the length of either one"
    )
    answer = await client().post(long, path="/api/v1/messages")
    assert (answer.status, answer.json["error"]["type"]) == (400, "invalid_request_error")
    assert answer.json["error"]["message"].startswith("prompt is too long: 233009 tokens > 100000 maximum. This endp")


async def test_an_unexpected_failure_is_500_and_says_nothing() -> None:
    it = client([RuntimeError("the prompt was hunter2")])
    answer = await it.post(HELLO)
    assert answer.status == 500
    assert answer.json["error"]["message"] == "Internal Server Error"
    assert b"hunter2" not in answer.body
    assert len(it.world.queue.events) == 1
