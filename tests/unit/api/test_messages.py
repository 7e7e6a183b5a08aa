"""`POST /messages` through the ASGI app, with a scripted provider and everything else in memory."""

from typing import Any

import orjson
import pytest

from turnpike.domain.chat import Delta, Usage
from turnpike.domain.errors import ErrorType
from turnpike.services.response_cache import AnswerFromCache

from tests.chat_client import Answer, Client
from tests.fake_stores import InMemoryCachedAnswers
from tests.message_stream import fold, read_events
from tests.scenario import ACCOUNT, SECRET, Script, World, endpoint, failure, text

pytestmark = pytest.mark.anyio

HELLO: dict[str, Any] = {
    "model": "acme/chat",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hello"}],
}
CALL: Any = [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ""}}]


def arguments(piece: str, index: int = 0) -> Delta:
    return Delta(tool_calls=[{"index": index, "function": {"arguments": piece}}])


def finish(reason: Any = "stop", native: str | None = None) -> list[Delta]:
    return [Delta(finish_reason=reason, native_finish_reason=native), Delta(usage=Usage(10, 5))]


async def ask(*scripts: Script, keepalive_s: float = 10, headers: Any = None, **members: Any) -> Answer:
    client = Client(World({"one": list(scripts or [text("Hel", "lo")])}), keepalive_s=keepalive_s)
    return await client.post({**HELLO, **members}, path="/api/v1/messages", headers=headers)


async def stream(*script: Any, **members: Any) -> dict[str, Any]:
    """The message that a stream tells, whose order is checked."""
    return fold(read_events((await ask(list(script), stream=True, **members)).body))


@pytest.mark.parametrize("path", ["/api/v1/messages", "/v1/messages"])
async def test_a_stream_has_anthropics_events_in_their_order(path: str) -> None:
    answer = await Client(World({"one": [text("Hel", "lo")]})).post({**HELLO, "stream": True}, path=path)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = read_events(answer.body)
    assert [event["type"] for event in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    message = events[0]["message"]
    assert message["id"] == answer.headers["x-generation-id"]
    assert (message["type"], message["role"], message["model"], message["provider"]) == (
        "message",
        "assistant",
        "acme/chat",
        "One",
    )
    assert (message["stop_reason"], message["stop_sequence"]) == (None, None)
    # Clients that are typed strictly want all that the whole answer has, before any of it is known.
    whole = (await ask(text("Hello"))).json
    assert message.keys() == whole.keys()
    assert message["usage"].keys() == whole["usage"].keys() - {"cost", "cost_details", "is_byok"}


@pytest.mark.parametrize("streamed", [True, False])
async def test_an_answer_says_what_it_used_and_cost(streamed: bool) -> None:
    usage = Usage(100, 20, cached_tokens=30, cache_write_tokens=50, cache_write_1h_tokens=10, reasoning_tokens=7)
    answer = await ask(text("Hello", usage=usage), stream=streamed)
    message = fold(read_events(answer.body)) if streamed else answer.json
    told = message["usage"]
    assert told["input_tokens"] == 20
    assert (told["cache_read_input_tokens"], told["cache_creation_input_tokens"]) == (30, 50)
    assert told["cache_creation"] == {"ephemeral_5m_input_tokens": 40, "ephemeral_1h_input_tokens": 10}
    assert (told["output_tokens"], told["output_tokens_details"]) == (20, {"thinking_tokens": 7})
    assert told["cost"] == told["cost_details"]["upstream_inference_cost"] == 0.00014
    assert [{**block, "citations": None} for block in message["content"]] == [
        {"type": "text", "text": "Hello", "citations": None}
    ]


async def test_a_call_of_a_tool_is_a_block_whose_input_comes_in_pieces() -> None:
    deltas = [Delta(content="Let me see."), Delta(tool_calls=CALL), arguments('{"city":'), arguments('"Paris"}')]
    message = await stream(*deltas, *finish("tool_calls"))
    assert message["content"] == [
        {"type": "text", "text": "Let me see."},
        {
            **{"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Paris"}},
            "caller": {"type": "direct"},
        },
    ]
    assert message["stop_reason"] == "tool_use"


async def test_pieces_of_calls_that_come_mixed_are_still_those_of_their_call() -> None:
    second = [{**CALL[0], "index": 1, "id": "call_2"}]
    deltas = [
        Delta(tool_calls=CALL),
        arguments('{"a":'),
        Delta(tool_calls=second),
        arguments('{"b":2}', 1),
        arguments("1}"),
    ]
    events = read_events((await ask([*deltas, *finish("tool_calls")], stream=True)).body)
    inputs = ["", ""]
    for event in events:
        if event["type"] == "content_block_delta":
            inputs[event["index"]] += event["delta"]["partial_json"]
    assert inputs == ['{"a":1}', '{"b":2}']
    for block in (0, 1):
        kinds = [event["type"].removeprefix("content_block_") for event in events if event.get("index") == block]
        assert (kinds[0], kinds[-1], kinds.count("stop")) == ("start", "stop", 1)


async def test_a_call_that_is_complete_ends_before_the_next_begins() -> None:
    second = [{**CALL[0], "index": 1, "id": "call_2"}]
    deltas = [Delta(tool_calls=CALL), arguments('{"a":1}'), Delta(tool_calls=second), arguments('{"b":2}', 1)]
    message = await stream(*deltas, *finish("tool_calls"))
    assert [block["input"] for block in message["content"]] == [{"a": 1}, {"b": 2}]


async def test_a_call_whose_name_comes_late_waits_for_it() -> None:
    nameless = [{**CALL[0], "function": {"name": "", "arguments": '{"city":'}}]
    named = [{"index": 0, "function": {"name": "weather", "arguments": '"Paris"}'}}]
    message = await stream(Delta(tool_calls=nameless), Delta(tool_calls=named), *finish("tool_calls"))
    assert message["content"] == [
        {
            **{"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Paris"}},
            "caller": {"type": "direct"},
        }
    ]


async def test_claudes_thoughts_keep_their_signatures() -> None:
    def thought(**members: Any) -> dict[str, Any]:
        return {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0, **members}

    redacted = {"type": "reasoning.encrypted", "data": "ZGF0YQ==", "format": "anthropic-claude-v1", "index": 1}
    script = [
        Delta(reasoning="Hm", reasoning_details=[thought(text="Hm")]),
        Delta(reasoning_details=[thought(signature="c2ln")]),
        Delta(reasoning_details=[redacted]),
        Delta(content="Hello"),
        *finish(),
    ]
    thoughts = [
        {"type": "thinking", "thinking": "Hm", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "ZGF0YQ=="},
    ]
    assert (await stream(*script))["content"][:2] == thoughts
    assert (await ask(script)).json["content"][:2] == thoughts
    omitted = {"thinking": {"type": "adaptive", "display": "omitted"}}
    hidden = [{**thoughts[0], "thinking": ""}, thoughts[1]]
    assert (await stream(*script, **omitted))["content"][:2] == hidden
    assert (await ask(script, **omitted)).json["content"][:2] == hidden


@pytest.mark.parametrize("streamed", [True, False])
async def test_thoughts_that_nothing_has_to_go_back_of_can_be_left_out(streamed: bool) -> None:
    script = [Delta(reasoning="Hm"), Delta(content="Hello"), *finish()]
    answer = await ask(script, stream=streamed, thinking={"type": "adaptive", "display": "omitted"})
    message = fold(read_events(answer.body)) if streamed else answer.json
    assert [block["type"] for block in message["content"]] == ["text"]


@pytest.mark.parametrize("streamed", [True, False])
async def test_what_is_cited_goes_with_its_text(streamed: bool) -> None:
    cited = {"url": "https://a.test", "title": "A", "content": "said so", "start_index": 0, "end_index": 5}
    elsewhere = {"url": "#document-0", "title": "B", "start_index": 0, "end_index": 5}
    annotations = [{"type": "url_citation", "url_citation": each} for each in (cited, elsewhere)]
    answer = await ask([Delta(content="Hello"), Delta(extra={"annotations": annotations}), *finish()], stream=streamed)
    message = fold(read_events(answer.body)) if streamed else answer.json
    assert message["content"][0]["citations"] == [
        {
            "type": "web_search_result_location",
            "url": "https://a.test",
            "title": "A",
            "cited_text": "said so",
            "encrypted_index": "",
        }
    ]


@pytest.mark.parametrize(
    ("reason", "native", "told"),
    [
        ("stop", "stop", "end_turn"),
        ("stop", "end_turn", "end_turn"),
        ("length", "length", "max_tokens"),
        ("length", "model_context_window_exceeded", "model_context_window_exceeded"),
        ("stop", "pause_turn", "pause_turn"),
        ("tool_calls", "end_turn", "tool_use"),
        ("content_filter", "SAFETY", "refusal"),
    ],
)
@pytest.mark.parametrize("streamed", [True, False])
async def test_reasons_to_stop_are_told_in_anthropics_words(
    streamed: bool, reason: str, native: str, told: str
) -> None:
    answer = await ask([Delta(content="Hello"), *finish(reason, native)], stream=streamed)
    message = fold(read_events(answer.body)) if streamed else answer.json
    assert message["stop_reason"] == told


@pytest.mark.parametrize(("stops", "told"), [(["END"], "END"), (["END", "STOP"], None)])
async def test_the_sequence_that_ended_an_answer_is_told_where_it_is_known(stops: list[str], told: str | None) -> None:
    script = [Delta(content="Hello"), *finish("stop", "stop_sequence")]
    message = await stream(*script, stop_sequences=stops)
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", told)


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_refusal_is_told_with_its_reason(streamed: bool) -> None:
    refused = [Delta(refusal="Not that.", finish_reason="content_filter", native_finish_reason="refusal")]
    answer = await ask([*refused, Delta(usage=Usage(10, 5))], stream=streamed)
    message = fold(read_events(answer.body)) if streamed else answer.json
    assert message["stop_reason"] == "refusal"
    assert message["stop_details"] == {"type": "refusal", "explanation": "Not that."}
    assert message["content"] == []


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_refusal_in_words_is_a_text(streamed: bool) -> None:
    answer = await ask([Delta(refusal="I "), Delta(refusal="won't."), *finish()], stream=streamed)
    message = fold(read_events(answer.body)) if streamed else answer.json
    assert [(block["type"], block["text"]) for block in message["content"]] == [("text", "I won't.")]


@pytest.mark.parametrize(
    ("error_type", "status", "kind", "said"),
    [
        ("rate_limit_exceeded", 429, "rate_limit_error", "It broke"),
        ("provider_overloaded", 503, "overloaded_error", "It broke"),
        ("timeout", 504, "timeout_error", "It broke"),
        # By these words Claude Code knows that it has to shorten the conversation.
        ("context_length_exceeded", 400, "invalid_request_error", "prompt is too long. It broke"),
        ("provider_unavailable", 502, "api_error", "It broke"),
    ],
)
@pytest.mark.parametrize("streamed", [True, False])
async def test_an_error_before_the_first_content_has_anthropics_envelope(
    streamed: bool, error_type: ErrorType, status: int, kind: str, said: str
) -> None:
    answer = await ask([failure(500, error_type=error_type)], stream=streamed)
    assert answer.status == status
    assert answer.json["type"] == "error"
    assert answer.json["error"] | {"availability": None} == {
        "type": kind,
        "message": said,
        "error_type": error_type,
        "availability": None,
    }
    assert answer.json["request_id"] == answer.headers["x-generation-id"]
    assert answer.json["metadata"]["provider_name"] == "One"


@pytest.mark.parametrize(("credit_usd", "limit"), [("1", 8000), ("0.0005", None), ("0.00002", 0)])
async def test_a_high_limit_gets_as_long_an_answer_as_the_credit_reaches(credit_usd: str, limit: int | None) -> None:
    world = World({"one": [text("Hel", "lo")]}, credit_usd=credit_usd)
    answer = await Client(world).post({**HELLO, "max_tokens": 8000}, path="/api/v1/messages")
    if limit == 0:
        assert (answer.status, answer.json["error"]["type"]) == (402, "billing_error")
        assert world.upstream.calls == []
        return
    assert answer.status == 200
    [(_, asked)] = world.upstream.calls
    assert asked.max_tokens == limit if limit else 100 < (asked.max_tokens or 0) < 250
    refused = await Client(World({"one": []}, credit_usd="0.0005")).post(
        {"model": "acme/chat", "max_tokens": 8000, "messages": HELLO["messages"]}
    )
    assert refused.status == 402


@pytest.mark.parametrize("stream", [False, True])
async def test_a_high_limit_is_each_endpoints_own_where_that_is_lower(stream: bool) -> None:
    """Claude Code asks for 32,000 tokens of every model."""
    short, long = endpoint("one", max_completion_tokens=4_000), endpoint("two", max_completion_tokens=None)
    world = World({"one": [[failure(500)]], "two": [text("Hel", "lo")]}, short, long)
    order = {"order": ["one", "two"]}
    body = {**HELLO, "max_tokens": 32_000, "stream": stream, "provider": order}
    assert (await Client(world).post(body, path="/api/v1/messages")).status == 200
    assert [(name, asked.max_tokens) for name, asked in world.upstream.calls] == [("one", 4_000), ("two", 32_000)]
    world = World({"one": [text("Hel", "lo")]}, short)
    await Client(world).post(body, path="/api/v1/messages")
    # No more is held than can be used.
    held = world.ledger.get_balance(ACCOUNT).held
    assert 4_000 * 2_000 <= held < 4_000 * 2_000 + 100 * 1_000


@pytest.mark.parametrize("thread", [{"type": "create"}, {"type": "continue", "previous_message_id": "gen-1"}])
async def test_a_kept_conversation_is_refused_in_words_on_which_the_sdk_sends_all_of_it(thread: Any) -> None:
    answer = await ask(thread=thread)
    assert (answer.status, answer.json["error"]["type"]) == (400, "invalid_request_error")
    assert answer.json["error"]["details"] == {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
    assert answer.json["error"]["message"] == "thread: nothing is stored here; send the whole conversation as messages"


async def test_an_error_after_it_is_an_event_that_ends_the_stream() -> None:
    answer = await ask([Delta(content="Hel"), Delta(error=failure(500))], stream=True)
    *_, delta, broken = read_events(answer.body)
    assert delta["type"] == "content_block_delta"
    assert broken == {
        "type": "error",
        "error": {"type": "api_error", "message": "It broke", "error_type": "provider_unavailable"},
    }


async def test_a_slow_provider_is_bridged_by_pings_and_an_error_after_one_is_an_event() -> None:
    ping = b'event: ping\ndata: {"type":"ping"}\n\n'
    answer = await ask([0.1, *text("Hello")], stream=True, keepalive_s=0.02)
    assert answer.writes[0] == ping
    assert fold(read_events(answer.body))["content"][0]["text"] == "Hello"
    answer = await ask([0.1, failure(500)], stream=True, keepalive_s=0.02)
    assert (answer.status, answer.writes[0]) == (200, ping)
    [event] = read_events(answer.body)
    assert event["error"]["type"] == "api_error"


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({}, 401, "authentication_error"),
        ({"x-api-key": "sk-or-v1-wrong"}, 401, "authentication_error"),
        ({"x-api-key": SECRET}, 200, None),
        ({"authorization": f"Bearer {SECRET}"}, 200, None),
        ({"authorization": f"Bearer {SECRET}", "x-api-key": "another"}, 200, None),
    ],
)
async def test_either_form_of_a_key_lets_in(headers: dict[str, str], status: int, kind: str | None) -> None:
    client = Client(World({"one": [text("Hello")]}))
    answer = await client.post(HELLO, path="/v1/messages", secret=None, headers=headers)
    assert answer.status == status
    if kind:
        assert answer.json["error"]["type"] == kind
        assert answer.json["request_id"] is None


async def test_what_is_no_request_is_refused_in_anthropics_envelope() -> None:
    client = Client(World({"one": [text("Hello")]}))
    for body in (b"{", {**HELLO, "model": "acme/none"}, {**HELLO, "max_tokens": None}, {**HELLO, "messages": []}):
        answer = await client.post(body, path="/v1/messages")
        assert (answer.status, answer.json["type"]) == (400, "error")
        assert answer.json["error"]["type"] == "invalid_request_error"
    assert not client.world.upstream.calls


async def test_routing_is_shown_to_who_asks_for_it() -> None:
    asked = {"x-openrouter-metadata": "enabled"}
    whole = (await ask(headers=asked)).json
    *_, stop = read_events((await ask(stream=True, headers=asked)).body)
    failed = (await ask([failure(500)], headers=asked)).json
    for content in (whole, stop, failed):
        assert content["openrouter_metadata"]["requested"] == "acme/chat"
    assert "openrouter_metadata" not in (await ask()).json


@pytest.mark.parametrize("streamed", [True, False])
async def test_an_answer_from_the_cache_is_told_like_any_other(streamed: bool) -> None:
    world = World({"one": [text("Hel", "lo")]})
    cache = AnswerFromCache(InMemoryCachedAnswers(), world.ledger, lambda _: None)
    client = Client(world, find_answer=cache)
    asked = {"x-openrouter-cache": "true"}
    chat = {"model": "acme/chat", "max_tokens": 100, "messages": HELLO["messages"], "stream": streamed}
    await client.post(chat, headers=asked)
    first = await client.post(chat, path="/api/v1/messages", headers=asked)
    second = await client.post(chat, path="/api/v1/messages", headers=asked)
    # What the chat skin kept means nothing here, though the body is the same.
    statuses = [answer.headers["x-openrouter-cache-status"] for answer in (first, second)]
    assert statuses == ["MISS", "HIT"]
    messages = [fold(read_events(each.body)) if streamed else each.json for each in (first, second)]
    assert messages[0]["content"] == messages[1]["content"]
    assert [message["usage"]["cost"] for message in messages] == [0.00002, 0]


async def test_tokens_are_counted_without_asking_anybody() -> None:
    client = Client(World({"one": [text("Hello")]}, credit_usd="0"))
    path = "/v1/messages/count_tokens"
    short = {name: value for name, value in HELLO.items() if name != "max_tokens"}
    counted = await client.post(short, path=path)
    assert counted.json == {"input_tokens": 10}
    tools = [{"name": "weather", "input_schema": {"type": "object"}}]
    more = await client.post({**short, "system": "Be brief. " * 100, "tools": tools}, path=path)
    assert more.json["input_tokens"] > 300
    assert not client.world.upstream.calls
    assert (await client.post(short, path=path, secret=None)).json["error"]["type"] == "authentication_error"
    refused = await client.post({**short, "messages": "Hello"}, path=path)
    assert (refused.status, refused.json["error"]["type"]) == (400, "invalid_request_error")


async def test_tokens_are_counted_of_models_that_there_are() -> None:
    client = Client(World({"one": []}))
    for members, status in (
        ({"model": "acme/chatt"}, 400),
        ({"model": "acme/chat:free"}, 404),
        ({"model": "acme/chatt", "models": ["acme/chat"]}, 200),
        ({"model": "acme/chat:nitro"}, 200),
        ({"model": "openrouter/auto"}, 200),
    ):
        counted = await client.post({**HELLO, **members}, path="/v1/messages/count_tokens")
        assert counted.status == status, members
        if status != 200:
            # In the words that a message to it gets.
            asked = await client.post({**HELLO, **members}, path="/v1/messages")
            assert (counted.status, counted.json["error"]) == (asked.status, asked.json["error"])


async def test_the_same_answer_costs_the_same_in_either_skin() -> None:
    world = World({"one": [text("Hel", "lo")]})
    client = Client(world)
    for path in ("/api/v1/chat/completions", "/api/v1/messages"):
        for streamed in (True, False):
            await client.post({**HELLO, "stream": streamed}, path=path)
    costs = {generation.cost for generation, answered in world.sent_events() if answered}
    assert len(world.sent_events()) == 4
    assert len(costs) == 1
    assert orjson.dumps(list(costs)) == b"[20000]"


@pytest.mark.parametrize("prefix", ["/api/v1", "/v1"])
async def test_unknown_addresses_and_methods_are_told_as_anthropics_clients_read_them(prefix: str) -> None:
    client = Client(World({"one": []}))
    for path, method, status, kind in (
        ("/messages", "GET", 405, "invalid_request_error"),
        ("/messages/count_tokens", "PUT", 405, "invalid_request_error"),
        ("/messages/batches", "POST", 404, "not_found_error"),
        ("/messages/", "POST", 404, "not_found_error"),
    ):
        answer = await client.post({}, path=prefix + path, method=method)
        assert (answer.status, answer.json["type"], answer.json["error"]["type"]) == (status, "error", kind)
        assert answer.headers.get("allow") == ("POST" if status == 405 else None)
    answer = await client.post({}, path=f"{prefix}/messagesandmore")
    assert (answer.status, answer.json["error"]["code"]) == (404, 404)
