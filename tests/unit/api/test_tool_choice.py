"""Choices of tools that cannot be made, in every skin that takes tools."""

from typing import Any

import pytest

from tests.chat_client import Answer, Client
from tests.scenario import ACCOUNT, World, endpoint, text

pytestmark = pytest.mark.anyio

SCHEMA = {"type": "object"}
USER = {"role": "user", "content": "Hello"}
SEARCHES = frozenset({"max_tokens", "tools", "tool_choice", "web_search_options"})
NAMED: dict[str, Any] = {"type": "function", "function": {"name": "gone"}}
NARROWED = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "weather"}}, NAMED]}
CHAT = {"messages": [USER]}, [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
MESSAGES = {"messages": [USER], "max_tokens": 9}, [{"name": "weather", "input_schema": SCHEMA}]
RESPONSES = {"input": "Hello"}, [{"type": "function", "name": "weather", "parameters": SCHEMA}]


async def ask(path: str, body: dict[str, Any], tools: Any, choice: Any) -> tuple[Answer, World]:
    world = World({"one": [text("Hi")]})
    content = {"model": "acme/chat", **body, "tools": tools, "tool_choice": choice}
    return await Client(world).post(content, path=f"/api/v1/{path}"), world


@pytest.mark.parametrize(
    ("path", "skin", "choice"),
    [
        ("chat/completions", CHAT, NAMED),
        ("chat/completions", CHAT, {"type": "allowed_tools", "allowed_tools": NARROWED}),
        ("messages", MESSAGES, {"type": "tool", "name": "gone"}),
        ("responses", RESPONSES, {"type": "function", "name": "gone"}),
        ("responses", RESPONSES, {"type": "custom", "name": "gone"}),
        (
            "responses",
            RESPONSES,
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "gone"}]},
        ),
    ],
)
async def test_a_tool_that_is_not_there_is_refused_before_anything_is_held(path: str, skin: Any, choice: Any) -> None:
    answer, world = await ask(path, *skin, choice)
    assert answer.status == 400
    assert "there is no tool gone among the tools" in answer.json["error"]["message"]
    assert (world.upstream.calls, world.ledger.get_balance(ACCOUNT).held) == ([], 0)


@pytest.mark.parametrize(
    ("path", "skin", "choice"),
    [
        ("chat/completions", CHAT, "required"),
        ("messages", MESSAGES, {"type": "any"}),
        ("responses", RESPONSES, "required"),
    ],
)
async def test_a_call_cannot_be_demanded_where_there_are_no_tools(path: str, skin: Any, choice: Any) -> None:
    body, tools = skin
    for none in (None, []):
        answer, world = await ask(path, body, none, choice)
        assert answer.status == 400
        assert "there are no tools to choose from" in answer.json["error"]["message"]
        assert (world.upstream.calls, world.ledger.get_balance(ACCOUNT).held) == ([], 0)
    answer, _ = await ask(path, body, tools, choice)
    assert answer.status == 200


@pytest.mark.parametrize("choice", ["auto", "none"])
async def test_a_choice_of_none_needs_no_tools(choice: str) -> None:
    answer, _ = await ask("chat/completions", CHAT[0], None, choice)
    assert answer.status == 200


async def test_a_search_is_a_tool_to_choose_but_not_beside_some_alone() -> None:
    search = {"type": "openrouter:web_search"}
    searching = endpoint(supported_parameters=SEARCHES, tool_wire="anthropic")
    for tools, choice, status in (
        ([search], "required", 200),
        ([search, *CHAT[1]], "required", 200),
        (
            [search, *CHAT[1]],
            {"type": "allowed_tools", "allowed_tools": {**NARROWED, "tools": NARROWED["tools"][:1]}},
            400,
        ),
    ):
        content = {"model": "acme/chat", **CHAT[0], "tools": tools, "tool_choice": choice}
        answer = await Client(World({"one": [text("Hi")]}, searching)).post(content)
        assert answer.status == status, answer.body
