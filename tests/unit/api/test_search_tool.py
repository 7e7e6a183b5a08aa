"""OpenRouter's tool that searches the web, of clients of every skin."""

from typing import Any

import pytest

from tests.chat_client import HELLO, Answer, Client
from tests.scenario import World, endpoint, text

pytestmark = pytest.mark.anyio

FUNCTION = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
TOOL = {"type": "openrouter:web_search"}
SEARCHES = frozenset({"max_tokens", "tools", "web_search_options"})


def world() -> World:
    return World({"one": [text("Hi")]}, endpoint(supported_parameters=SEARCHES, tool_wire="anthropic"))


async def ask(found: World, *tools: Any, **more: Any) -> Answer:
    return await Client(found).post({**HELLO, "tools": list(tools), **more})


@pytest.mark.parametrize(
    ("tool", "options"),
    [
        (TOOL, {}),
        ({"type": "web_search"}, {}),
        ({"type": "web_search_preview_2025_03_11", "search_context_size": "high"}, {}),
        ({**TOOL, "parameters": {"engine": "auto", "max_uses": 2, "mode": "fast"}}, {"max_uses": 2}),
        ({**TOOL, "parameters": {"allowed_domains": ["example.org"]}}, {"allowed_domains": ["example.org"]}),
        ({"type": "web_search", "engine": "native", "excluded_domains": ["a.test"]}, {"excluded_domains": ["a.test"]}),
        (
            {"type": "web_search", "user_location": {"type": "approximate", "city": "Paris"}},
            {"user_location": {"type": "approximate", "approximate": {"city": "Paris"}}},
        ),
    ],
)
async def test_it_is_the_providers_own_search(tool: dict[str, Any], options: dict[str, Any]) -> None:
    found = world()
    assert (await ask(found, tool, FUNCTION)).status == 200
    ((_, sent),) = found.upstream.calls
    assert sent.parameters["web_search_options"] == options
    assert sent.parameters["tools"] == [FUNCTION]


@pytest.mark.parametrize("tool_wire", [None, "anthropic", "openai_responses"])
@pytest.mark.parametrize("skin", ["messages", "responses"])
async def test_every_skin_takes_it(skin: str, tool_wire: str | None) -> None:
    found = World({"one": [text("Hi")]}, endpoint(supported_parameters=SEARCHES, tool_wire=tool_wire))
    body = {"model": "acme/chat", "input": "Hi"} if skin == "responses" else {**HELLO, "max_tokens": 50}
    tool = {**TOOL, "parameters": {"max_uses": 2}}
    answer = await Client(found).post({**body, "tools": [tool]}, path=f"/api/v1/{skin}")
    assert answer.status == 200, answer.json
    ((_, sent),) = found.upstream.calls
    assert sent.parameters["web_search_options"] == {"max_uses": 2}
    assert "tools" not in sent.parameters
    assert (sent.native_tools, sent.dialect) == ((), None)
    refused = {**body, "tools": [{**TOOL, "parameters": {"engine": "exa"}}]}
    answer = await Client(found).post(refused, path=f"/api/v1/{skin}")
    assert answer.status == 400
    assert answer.json["error"]["message"].startswith("tools.0.engine: as a tool only")


async def test_alone_it_leaves_no_tools() -> None:
    found = world()
    assert (await ask(found, TOOL)).status == 200
    ((_, sent),) = found.upstream.calls
    assert sent.parameters == {"web_search_options": {}}


@pytest.mark.parametrize(
    ("tools", "more", "said"),
    [
        ([{**TOOL, "parameters": {"engine": "exa"}}], {}, "tools.0.engine: as a tool only the search of the model's"),
        ([FUNCTION, {"type": "web_search", "engine": "parallel"}], {}, "tools.1.engine: as a tool only"),
        ([{**TOOL, "parameters": {"max_uses": 0}}], {}, "tools.0.parameters.max_uses: "),
        ([FUNCTION, {"type": "web_search", "allowed_domains": "a.test"}], {}, "tools.1.allowed_domains: "),
        ([TOOL], {"plugins": [{"id": "web"}]}, "tools.0: send either this tool or the plugin web"),
        ([TOOL, {"type": "web_search"}], {}, "tools.1: send either this tool or the plugin web"),
        (
            [{"type": "openrouter:datetime"}],
            {},
            "tools.0.type: openrouter:datetime is a tool that this deploy",
        ),
        ([FUNCTION, {"type": "x" * 100}], {}, f"tools.1.type: {'x' * 64} is a tool"),
        ([{"type": 7}], {}, "tools.0.type: Input should be 'function'"),
        (["look"], {}, "tools.0: "),
    ],
)
async def test_what_cannot_be_had_is_said(tools: list[Any], more: dict[str, Any], said: str) -> None:
    found = world()
    answer = await ask(found, *tools, **more)
    assert answer.status == 400
    assert answer.json["error"]["message"].startswith(said)
    assert found.upstream.calls == []


async def test_a_model_that_does_not_search_is_not_asked() -> None:
    answer = await ask(World({"one": [text("Hi")]}, endpoint(supported_parameters=frozenset({"tools"}))), TOOL)
    assert answer.status == 404
    assert "leave out the tool that searches, send the plugin web in its place" in answer.json["error"]["message"]
    assert answer.json["error"]["availability"]["constraint"]["field"] == "tools"
