"""Anthropic's own tools: how they are asked for, and how what came of them is read and sent back."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest, Delta
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.native import NativeTool, native_part
from turnpike.domain.pricing import Pricing
from turnpike.providers.anthropic.adapter import build_adapter
from turnpike.providers.anthropic.decoder import MessageAnswer, completion_from
from turnpike.providers.anthropic.search import search_tool
from turnpike.providers.anthropic_platforms.vertex import build_adapter as build_vertex_adapter

MODEL = "claude-opus-4-6"
USER = {"role": "user", "content": "Hello"}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}
BASH = {"type": "bash_20250124", "name": "bash"}
USE = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "cats"}}
RESULT = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
PLAIN = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}
ROME = {"type": "approximate", "city": "Rome"}
ENDPOINT = Endpoint(
    "anthropic/claude",
    "anthropic",
    MODEL,
    "https://api.test/v1",
    Pricing(Decimal(1), Decimal(1)),
    200_000,
    supported_parameters=frozenset({"max_tokens", "tools", "tool_choice", "reasoning", "web_search_options"}),
)


def request(*messages: Mapping[str, Any], own: tuple[NativeTool, ...] = (), **parameters: Any) -> ChatRequest:
    dialect = "messages" if own else None
    return ChatRequest(
        models=("anthropic/claude",),
        messages=messages or (USER,),
        parameters=parameters,
        native_tools=own,
        dialect=dialect,
    )


def native(declared: Mapping[str, Any], searches: int = 0) -> NativeTool:
    return NativeTool("messages", declared, searches)


def sent(asked: ChatRequest, endpoint: Endpoint = ENDPOINT) -> Any:
    return orjson.loads(orjson.dumps(build_adapter("anthropic").build_request(asked, endpoint, "k").body))


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


# Asking


def test_a_search_is_a_tool_beside_the_functions() -> None:
    assert sent(request(web_search_options={}))["tools"] == [PLAIN]
    body = sent(request(web_search_options={}, tools=[WEATHER], tool_choice="auto"))
    assert [tool["name"] for tool in body["tools"]] == ["weather", "web_search"]
    assert body["tool_choice"] == {"type": "auto"}


def test_nobody_searches_at_no_price() -> None:
    asked = request(web_search_options={})
    for listed in (frozenset[str](), frozenset({"tools"})):
        assert "tools" not in sent(asked, replace(ENDPOINT, supported_parameters=listed))


def test_calls_of_before_do_not_keep_it_from_searching() -> None:
    call = {"id": "toolu_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    answer = {"role": "assistant", "content": None, "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": "toolu_1", "content": "sunny"}
    body = sent(request(USER, answer, result, web_search_options={}))
    assert (body["tools"], "tool_choice" in body) == ([PLAIN], False)


@pytest.mark.parametrize(
    ("options", "added"),
    [
        ({"max_uses": 1}, {"max_uses": 1}),
        ({"search_context_size": "high"}, {}),
        ({"allowed_domains": ["example.com"]}, {"allowed_domains": ["example.com"]}),
        (
            {"excluded_domains": ["*.example.com", "https://example.com/blog/", "example.org/*", "example.org/*/x"]},
            {"blocked_domains": ["example.com", "example.com/blog", "example.org", "example.org/*/x"]},
        ),
        (
            {"user_location": {"type": "approximate", "approximate": {"city": "Paris", "country": "FR", "x": 1}}},
            {"user_location": {"type": "approximate", "city": "Paris", "country": "FR"}},
        ),
        (
            {"user_location": {"type": "approximate", "timezone": "Europe/Paris"}},
            {"user_location": {"type": "approximate", "timezone": "Europe/Paris"}},
        ),
        ({"user_location": {"type": "approximate", "approximate": {}}}, {}),
        ({"user_location": "Paris", "allowed_domains": "a.test", "excluded_domains": [1], "max_uses": "9"}, {}),
        ({"user_location": {"approximate": "Paris", "city": "Rome"}, "max_uses": -1}, {"user_location": ROME}),
    ],
)
def test_options_of_a_search_in_anthropics_words(options: dict[str, Any], added: dict[str, Any]) -> None:
    assert search_tool(options) == {**PLAIN, **added}


@pytest.mark.parametrize("domain", ["", "*", "ex*.com", "*.*.com", "example.com/*/a/*/b", "https://"])
def test_what_is_no_domain_there_is_refused_and_not_left_open(domain: str) -> None:
    with pytest.raises(InvalidRequest, match="is no domain for Claude's search; write it as example"):
        search_tool({"excluded_domains": ["example.org", domain]})
    with pytest.raises(InvalidRequest, match="either allowed or excluded domains"):
        search_tool({"allowed_domains": ["a.test"], "excluded_domains": ["b.test"]})


def test_a_tool_goes_as_it_is_declared() -> None:
    tools = (native(SEARCH, 3), native(BASH))
    assert sent(request(own=tools))["tools"] == [SEARCH, BASH]
    body = sent(request(own=tools, web_search_options={"max_uses": 1}))
    assert body["tools"] == [SEARCH, BASH]
    beside = sent(request(own=(native(BASH),), web_search_options={"max_uses": 1}))
    assert beside["tools"] == [BASH, {**PLAIN, "max_uses": 1}]


def test_what_is_of_another_api_does_not_go() -> None:
    body = sent(request(own=(NativeTool("responses", {"type": "mcp"}), native(BASH))))
    assert body["tools"] == [BASH]


def test_a_tool_can_be_chosen_by_its_name() -> None:
    choice = {"type": "function", "function": {"name": "web_search"}}
    body = sent(request(own=(native(SEARCH, 3),), tool_choice=choice, parallel_tool_calls=False))
    assert body["tool_choice"] == {"type": "tool", "name": "web_search", "disable_parallel_tool_use": True}
    forced = sent(request(own=(native(BASH),), tool_choice="required", reasoning={"max_tokens": 2000}))
    assert (forced["tool_choice"], "thinking" in forced) == ({"type": "any"}, False)


def test_marks_that_are_too_many_are_taken_from_what_is_sent_alone() -> None:
    marked = {**SEARCH, "cache_control": {"type": "ephemeral"}}
    told = {**RESULT, "cache_control": {"type": "ephemeral"}}
    answer = {"role": "assistant", "content": [native_part("messages", USE), native_part("messages", told)]}
    parts = [{**text(str(place)), "cache_control": {"type": "ephemeral"}} for place in range(4)]
    body = sent(request(USER, answer, {"role": "user", "content": parts}, own=(native(marked, 3),)))
    assert str(body).count("cache_control") == 4
    assert "cache_control" not in body["messages"][1]["content"][1]
    assert all("cache_control" in each for each in (marked, told))


@pytest.mark.parametrize(
    ("kind", "beta"),
    [
        ("computer_20251124", "computer-use-2025-11-24"),
        ("computer_20250124", "computer-use-2025-01-24"),
        ("bash_20250124", None),
        ("web_fetch_20250910", None),
    ],
)
def test_previews_are_named_in_a_header(kind: str, beta: str | None) -> None:
    asked = request(own=(native({"type": kind, "name": "x"}),))
    for adapter in (build_adapter("anthropic"), build_vertex_adapter("google-vertex")):
        assert adapter.build_request(asked, ENDPOINT, "k").headers.get("anthropic-beta") == beta


def test_at_google_a_search_is_a_preview() -> None:
    built = build_vertex_adapter("google-vertex").build_request(request(web_search_options={}), ENDPOINT, "token")
    assert built.headers["anthropic-beta"] == "web-search-2025-03-05"
    assert built.body["tools"] == [PLAIN]


# Reading


def told(*events: dict[str, Any]) -> list[Delta]:
    answer, deltas = MessageAnswer("anthropic"), list[Delta]()
    for event in events:
        answer.read(event["type"], event, deltas)
    return deltas


def block(index: int, given: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": given},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def piece(json: str) -> dict[str, Any]:
    return {"type": "input_json_delta", "partial_json": json}


def test_blocks_are_told_whole_and_take_a_place() -> None:
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    deltas = told(
        *block(0, {**USE, "input": {}}, piece(""), piece('{"que'), piece('ry":"cats"}')),
        *block(1, RESULT),
        *block(2, thought),
        *block(3, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Cats."}),
    )
    assert [delta.native for delta in deltas if delta.native] == [
        native_part("messages", USE),
        native_part("messages", RESULT),
    ]
    [first, *_] = [delta.reasoning_details for delta in deltas if delta.reasoning_details]
    assert first[0]["index"] == 2


def test_half_an_input_is_none() -> None:
    deltas = told(*block(0, {**USE, "input": {}}, piece('{"query": "ca')))
    assert [delta.native for delta in deltas] == [native_part("messages", {**USE, "input": {}})]


def test_members_that_stream_are_put_together() -> None:
    pieces = [{"type": "compaction_delta", "content": "So "}, {"type": "compaction_delta", "content": "far."}]
    deltas = told(*block(0, {"type": "compaction", "content": None}, *pieces))
    assert [delta.native for delta in deltas] == [native_part("messages", {"type": "compaction", "content": "So far."})]


def test_a_whole_answer_has_its_parts_in_order() -> None:
    content = [text("I look. "), USE, RESULT, text("Cats "), text("purr.")]
    message = {"type": "message", "id": "msg_1", "content": content, "stop_reason": "pause_turn", "usage": {}}
    [choice] = completion_from("anthropic", orjson.dumps(message)).choices
    assert choice.message["content"] == "I look. Cats purr."
    assert choice.parts == [
        text("I look. "),
        native_part("messages", USE),
        native_part("messages", RESULT),
        text("Cats purr."),
    ]
    assert (choice.finish_reason, choice.native_finish_reason) == ("stop", "pause_turn")


# Sending back

THOUGHT = {"type": "reasoning.text", "text": "Hm.", "signature": "c2ln", "format": "anthropic-claude-v1"}


def blocks(answer: dict[str, Any]) -> list[str]:
    last = {"role": "user", "content": "And?"}
    [_, turn, *_] = sent(request(USER, {"role": "assistant", **answer}, last))["messages"]
    return [each.get("text") or each.get("thinking") or each["type"] for each in turn["content"]]


def test_blocks_stand_where_they_stood() -> None:
    content = [text("I "), text("look."), native_part("messages", USE), native_part("messages", RESULT), text("Found.")]
    details = [{**THOUGHT, "text": "First.", "index": 0}, {**THOUGHT, "text": "Then.", "index": 4}]
    call = {"id": "toolu_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    told_back = blocks({"content": content, "reasoning_details": details, "tool_calls": [call]})
    assert told_back == [
        "First.",
        "I ",
        "look.",
        "server_tool_use",
        "web_search_tool_result",
        "Then.",
        "Found.",
        "tool_use",
    ]


def test_thoughts_between_searches_that_did_not_come_back_stay_before_the_answer() -> None:
    """As in chat completions, whose clients never see a search."""
    details = [{**THOUGHT, "text": "First.", "index": 0}, {**THOUGHT, "text": "Then.", "index": 3}]
    assert blocks({"content": "Found.", "reasoning_details": details}) == ["First.", "Then.", "Found."]


def test_an_answer_that_paused_is_continued() -> None:
    paused = {"role": "assistant", "content": [text("I look. "), native_part("messages", USE)]}
    turns = sent(request(USER, paused, own=(native(SEARCH, 3),)))["messages"]
    assert [each["type"] for each in turns[-1]["content"]] == ["text", "server_tool_use"]
    rest = {"role": "assistant", "content": [native_part("messages", RESULT), text("Found.")]}
    turns = sent(request(USER, paused, rest, USER))["messages"]
    assert turns[1] == {"role": "assistant", "content": [text("I look. "), USE, RESULT, text("Found.")]}
