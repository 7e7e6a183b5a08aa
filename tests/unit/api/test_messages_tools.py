"""Anthropic's own tools through `POST /messages`: which are passed on, and how what came of them is told."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest

from turnpike.domain.chat import Delta, Usage
from turnpike.domain.native import NativeTool, native_part
from turnpike.domain.pricing import Pricing
from turnpike.services.response_cache import AnswerFromCache

from tests.chat_client import Answer, Client
from tests.fake_stores import InMemoryCachedAnswers
from tests.message_stream import fold, read_events
from tests.scenario import ACCOUNT, COMPLETION_PRICE, PROMPT_PRICE, World, endpoint
from tests.unit.api.test_messages_parse import TOOL, USE, messages, parse, refusal

pytestmark = pytest.mark.anyio

SEARCH: Any = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}
FETCH: Any = {"type": "web_fetch_20250910", "name": "web_fetch", "citations": {"enabled": True}}
BASH: Any = {"type": "bash_20250124", "name": "bash"}
SEARCHED = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "cats"}}
FOUND = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_1",
    "content": [{"type": "web_search_result", "url": "https://a.test", "title": "A", "encrypted_content": "eA=="}],
}
FETCHED = {"type": "web_fetch_tool_result", "tool_use_id": "srvtoolu_2", "content": {"type": "web_fetch_result"}}
NOT_FETCHED = {
    "type": "web_fetch_tool_result",
    "tool_use_id": "srvtoolu_3",
    "content": {"type": "web_fetch_tool_result_error", "error_code": "url_not_accessible"},
}
CITED = {"url": "https://a.test", "title": "A", "content": "cats", "start_index": 8, "end_index": 13}
SEARCHING = frozenset({"max_tokens", "tools", "web_search_options"})
PRICED = Pricing(PROMPT_PRICE, COMPLETION_PRICE, web_search=Decimal("0.01"))
ABLE = replace(endpoint(), tool_wire="anthropic", supported_parameters=SEARCHING, pricing=PRICED)
HELLO: Any = {"model": "acme/chat", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}


def told(block: dict[str, Any]) -> Delta:
    return Delta(native=native_part("messages", block))


def thought(text: str, place: int) -> Delta:
    detail = {"type": "reasoning.text", "text": text, "signature": "c2ln", "format": "anthropic-claude-v1"}
    return Delta(reasoning=text, reasoning_details=[{**detail, "index": place}])


SCRIPT = [
    thought("Hm.", 0),
    Delta(content="I look. "),
    told(SEARCHED),
    told(FOUND),
    thought("Aha.", 4),
    Delta(content="Cats."),
    Delta(extra={"annotations": [{"type": "url_citation", "url_citation": CITED}]}),
    Delta(finish_reason="stop", native_finish_reason="end_turn"),
    Delta(usage=Usage(1000, 50, web_search_requests=2)),
]


async def ask(world: World, **members: Any) -> Answer:
    return await Client(world).post({**HELLO, **members}, path="/api/v1/messages")


async def message(*script: Delta, stream: bool, **members: Any) -> dict[str, Any]:
    answer = await ask(World({"one": [list(script)]}, ABLE), stream=stream, tools=[SEARCH], **members)
    return fold(read_events(answer.body)) if stream else answer.json


# Tools


def test_those_that_are_passed_on_go_as_they_are_but_for_a_limit() -> None:
    request = parse(tools=[TOOL, SEARCH, FETCH, BASH])
    assert [tool["function"]["name"] for tool in request.parameters["tools"]] == ["weather"]
    assert request.native_tools == (
        NativeTool("messages", SEARCH, searches=5),
        NativeTool("messages", {**FETCH, "max_uses": 5}, fetches=5),
        NativeTool("messages", BASH),
    )
    assert request.dialect == "messages"
    assert parse(tools=[TOOL]).dialect is None


@pytest.mark.parametrize(
    "kind", ["text_editor_20250728", "computer_20251124", "computer_20250124", "memory_20250818", "bash_20250124"]
)
def test_what_clients_run_themselves_is_passed_on(kind: str) -> None:
    [tool] = parse(tools=[{"type": kind, "name": "x"}]).native_tools
    assert (tool.declared, tool.searches) == ({"type": kind, "name": "x"}, 0)


@pytest.mark.parametrize(("most", "allowed"), [(None, 5), (1, 1), (5, 5), (50, 50)])
def test_searches_are_limited_and_expected_as_far_as_they_may_be_made(most: int | None, allowed: int) -> None:
    limit = {} if most is None else {"max_uses": most}
    given = {"type": "web_search_20250305", "name": "web_search", **limit}
    [tool] = parse(tools=[given]).native_tools
    assert (tool.searches, tool.declared) == (allowed, {**given, "max_uses": allowed})


@pytest.mark.parametrize("kind", ["web_search_20260209", "web_search_20260318", "web_fetch_20260318"])
def test_later_versions_search_without_running_code(kind: str) -> None:
    given = {"type": kind, "name": "x"}
    [tool] = parse(tools=[given]).native_tools
    assert tool.declared == {**given, "max_uses": 5, "allowed_callers": ["direct"]}
    assert parse(tools=[tool.declared]).native_tools == (tool,)
    assert given == {"type": kind, "name": "x"}


@pytest.mark.parametrize(
    ("tool", "said"),
    [
        ({"type": "code_execution_20250825"}, "tools.0.type: code_execution_20250825 is a tool that this deployment"),
        ({"type": "code_execution_20250825"}, "charged by the hour of a container"),
        ({"type": "tool_search_tool_bm25_20251119"}, "send those that are needed"),
        ({"type": "advisor_20260301"}, "ask that model yourself"),
        ({"type": "mcp_toolset", "mcp_server_name": "x"}, "connect to the server yourself"),
        ({"type": "computer_toolset_20260801"}, "send computer_20251124"),
        ({"type": "browser_toolset_20260801"}, "run it yourself"),
        ({"type": "web_search"}, "tools.0.type: web_search is a tool that this deployment does not have"),
        ({"type": "openrouter:datetime"}, "send a tool with an input_schema and run it yourself"),
        ({**SEARCH, "max_uses": 0}, "tools.0.max_uses: Input should be a whole number above 0"),
        ({**SEARCH, "max_uses": "many"}, "tools.0.max_uses"),
        ({**SEARCH, "max_uses": True}, "tools.0.max_uses"),
        ({**SEARCH, "allowed_callers": ["code_execution_20260120"]}, "tools.0.allowed_callers: code that calls tools"),
        ({**BASH, "allowed_callers": ["direct", "code_execution_20260120"]}, "tools.0.allowed_callers"),
    ],
)
def test_the_others_are_refused_with_what_to_do(tool: dict[str, Any], said: str) -> None:
    assert said in refusal(tools=[tool])


def test_servers_are_not_connected_to() -> None:
    server = {"type": "url", "url": "https://tools.test", "name": "x", "authorization_token": "s3cret"}
    said = refusal(mcp_servers=[server])
    assert said.startswith("mcp_servers: no server is connected to here")
    assert "s3cret" not in said


def test_a_tool_can_be_chosen_by_its_name() -> None:
    request = parse(tools=[SEARCH], tool_choice={"type": "tool", "name": "web_search"})
    assert request.parameters["tool_choice"] == {"type": "function", "function": {"name": "web_search"}}


# Conversations


def test_what_came_of_them_keeps_its_place() -> None:
    blocks = [
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "text", "text": "I "},
        {"type": "text", "text": "look."},
        SEARCHED,
        FOUND,
        {"type": "thinking", "thinking": "Aha.", "signature": "c2ln"},
        {"type": "text", "text": "Found."},
        USE,
    ]
    [answer, _] = messages(("assistant", blocks), ("user", "And?"))
    assert answer["content"] == [
        {"type": "text", "text": "I look."},
        native_part("messages", SEARCHED),
        native_part("messages", FOUND),
        {"type": "text", "text": "Found."},
    ]
    assert [detail["index"] for detail in answer["reasoning_details"]] == [0, 4]
    assert [call["id"] for call in answer["tool_calls"]] == ["toolu_1"]


def test_a_conversation_with_them_can_go_on_anywhere() -> None:
    request = parse(messages=[{"role": "assistant", "content": [SEARCHED, FOUND]}, *HELLO["messages"]])
    assert (request.dialect, request.native_tools) == (None, ())


@pytest.mark.parametrize("kind", ["mcp_tool_use", "mcp_tool_result", "compaction", "something_new"])
def test_what_came_of_what_is_not_here_is_refused(kind: str) -> None:
    said = refusal(messages=[{"role": "assistant", "content": [{"type": kind}]}])
    assert said.startswith(f"messages.0.content: a block of type {kind} cannot stand here; it is of no tool")


# Answers


@pytest.mark.parametrize("stream", [True, False])
async def test_blocks_are_told_in_order_with_thoughts_and_citations(stream: bool) -> None:
    answer = await message(*SCRIPT, stream=stream)
    thinking = {"type": "thinking", "signature": "c2ln"}
    content = answer["content"]
    assert [content[place] for place in (0, 2, 3, 4)] == [
        {**thinking, "thinking": "Hm."},
        SEARCHED,
        FOUND,
        {**thinking, "thinking": "Aha."},
    ]
    first, last = content[1], content[5]
    assert (first["text"], first.get("citations")) == ("I look. ", None)
    assert last["text"] == "Cats."
    assert [(each["url"], each["cited_text"]) for each in last["citations"]] == [("https://a.test", "cats")]
    assert len(content) == 6
    assert answer["usage"]["server_tool_use"] == {"web_search_requests": 2, "web_fetch_requests": 0}


async def test_in_a_stream_an_input_comes_behind_its_block_and_a_result_within_it() -> None:
    answer = await ask(World({"one": [SCRIPT]}, ABLE), stream=True, tools=[SEARCH])
    events = [event for event in read_events(answer.body) if event.get("index") in (2, 3)]
    assert [event["type"] for event in events] == [
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_stop",
    ]
    assert events[0]["content_block"] == {**SEARCHED, "input": {}}
    assert events[1]["delta"]["type"] == "input_json_delta"
    assert orjson.loads(events[1]["delta"]["partial_json"]) == SEARCHED["input"]
    assert events[3]["content_block"] == FOUND


@pytest.mark.parametrize("stream", [True, False])
async def test_pages_that_were_fetched_are_counted(stream: bool) -> None:
    end = Delta(finish_reason="stop", native_finish_reason="pause_turn")
    fetched = {**SEARCHED, "name": "web_fetch"}
    answer = await message(told(fetched), told(FETCHED), told(NOT_FETCHED), end, stream=stream)
    assert answer["usage"]["server_tool_use"] == {"web_search_requests": 0, "web_fetch_requests": 1}
    assert [block["type"] for block in answer["content"]] == ["server_tool_use", *["web_fetch_tool_result"] * 2]
    assert answer["stop_reason"] == "pause_turn"


@pytest.mark.parametrize("stream", [True, False])
async def test_what_is_native_to_another_api_is_not_told(stream: bool) -> None:
    call = Delta(native=native_part("responses", {"type": "web_search_call", "id": "ws_1"}))
    script = [Delta(content="I look. "), call, Delta(content="Cats."), Delta(finish_reason="stop")]
    answer = await message(*script, stream=stream)
    assert [block["text"] for block in answer["content"]] == ["I look. Cats."]


@pytest.mark.parametrize("stream", [True, False])
async def test_chat_completions_get_the_words_alone(stream: bool) -> None:
    world = World({"one": [SCRIPT]}, ABLE)
    answer = await Client(world).post({**HELLO, "stream": stream, "web_search_options": {}})
    if stream:
        deltas = [choice["delta"] for event in answer.events for choice in event["choices"]]
        content = "".join(delta.get("content") or "" for delta in deltas)
        assert not any("native" in delta for delta in deltas)
    else:
        [choice] = answer.json["choices"]
        content = choice["message"]["content"]
        assert not {"parts", "native"} & (choice.keys() | choice["message"].keys())
    assert content == "I look. Cats."


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_from_the_cache_has_them_too(stream: bool) -> None:
    world = World({"one": [SCRIPT]}, ABLE)
    answers = InMemoryCachedAnswers()
    case = AnswerFromCache(answers, world.ledger, on_unrecorded=lambda generation: None)
    client = Client(world, find_answer=case)
    found = []
    for _ in range(2):
        body = {**HELLO, "stream": stream, "tools": [SEARCH]}
        answer = await client.post(body, path="/api/v1/messages", headers={"x-openrouter-cache": "true"})
        found.append((fold(read_events(answer.body)) if stream else answer.json)["content"])
    assert answer.headers["x-openrouter-cache-status"] == "HIT"
    assert found[0] == found[1]
    assert len(found[0]) == 6


# Money and routing


@pytest.mark.parametrize("stream", [True, False])
async def test_searches_are_held_for_and_charged_once(stream: bool) -> None:
    world = World({"one": [SCRIPT]}, ABLE)
    answer = await ask(world, stream=stream, tools=[{**SEARCH, "max_uses": 2}])
    # Two cents, and 20,000 tokens of what may be found.
    assert 0 < world.ledger.get_balance(ACCOUNT).held - 40_000_000 < 500_000
    usage = (fold(read_events(answer.body)) if stream else answer.json)["usage"]
    assert round(usage["cost"] * 1e9) == 1000 * 1_000 + 50 * 2_000 + 2 * 10_000_000
    [(generation, answered)] = world.sent_events()
    assert (generation.cost, generation.usage.web_search_requests, answered) == (21_100_000, 2, True)


async def test_pages_are_held_for_by_what_is_read_of_them() -> None:
    for most in (1, 9):
        world = World({"one": [SCRIPT]}, ABLE)
        assert (await ask(world, tools=[{**FETCH, "max_uses": most}])).status == 200
        assert 0 < world.ledger.get_balance(ACCOUNT).held - most * 10_000_000 < 500_000


async def test_no_more_is_held_for_than_a_context_takes_beside_the_searches() -> None:
    world = World({"one": [SCRIPT]}, ABLE, credit_usd="5")
    assert (await ask(world, tools=[{**SEARCH, "max_uses": 80}])).status == 200
    context = ABLE.context_length * 1_000
    assert 0 < world.ledger.get_balance(ACCOUNT).held - context - 80 * 10_000_000 < 500_000


async def test_who_cannot_pay_for_the_searches_is_told() -> None:
    world = World({"one": [SCRIPT]}, ABLE, credit_usd="0.5")
    answer = await ask(world, tools=[{**SEARCH, "max_uses": 80}])
    assert (answer.status, answer.json["error"]["type"]) == (402, "billing_error")
    assert (world.upstream.calls, world.ledger.get_balance(ACCOUNT).held) == ([], 0)


async def test_where_nobody_has_them_the_error_says_so() -> None:
    answer = await ask(World({"one": [SCRIPT]}), tools=[BASH])
    assert answer.status == 404
    error = answer.json["error"]
    assert error["type"] == "not_found_error"
    assert (
        "the tool bash_20250124 is part of Anthropic's Messages API, which one cannot be asked in" in error["message"]
    )
    assert "send function tools and run them yourself" in error["message"]


async def test_google_has_no_fetching_and_only_the_first_search() -> None:
    google = replace(ABLE, provider="google", tool_wire="vertex_anthropic")
    for tool, status in ((SEARCH, 200), (BASH, 200), (FETCH, 404), ({**SEARCH, "type": "web_search_20260318"}, 404)):
        answer = await ask(World({"google": [SCRIPT]}, google), tools=[tool])
        assert answer.status == status, answer.body
    world = World({"google": [SCRIPT], "one": [SCRIPT]}, google, ABLE)
    for _ in range(3):
        assert (await ask(world, tools=[FETCH])).status == 200
    assert {provider for provider, _ in world.upstream.calls} == {"one"}


async def test_tokens_of_tools_are_counted() -> None:
    counted = []
    for tools in ([], [SEARCH], [SEARCH, BASH]):
        body = {**HELLO, "tools": tools}
        answer = await Client(World({})).post(body, path="/api/v1/messages/count_tokens")
        counted.append(answer.json["input_tokens"])
    assert counted[0] < counted[1] < counted[2]
