"""What only one API has words for stays with it: in the messages, on the route, in the estimate."""

from random import Random
from typing import Any

import pytest

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import PromptPlugins, WebSearch
from turnpike.domain.errors import NoEndpoints
from turnpike.domain.estimate import estimate_prompt_tokens
from turnpike.domain.native import NativeTool, dialect_of, native_part, without_native
from turnpike.domain.routing import plan_route
from turnpike.domain.searches import MOST, expected_searches, searches_with

from tests.scenario import catalog, endpoint, request

SEARCHES = frozenset({"tools", "web_search_options"})
SAID, MORE = {"type": "text", "text": "I look. "}, {"type": "text", "text": "Found."}
USE = native_part("messages", {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}})
CALL = native_part("responses", {"type": "web_search_call", "id": "ws_1"})


def planned(*endpoints: Endpoint, **changes: Any) -> list[str]:
    asked = request(**changes)
    return [each.provider for each in plan_route(asked, catalog(*endpoints), prompt_tokens=10, random=Random(1))]


def test_other_apis_get_what_was_said_and_nothing_else() -> None:
    spoken = {"role": "assistant", "content": [SAID, USE, MORE]}
    messages = [{"role": "user", "content": "Hi"}, spoken]
    assert without_native(messages, but="messages") is messages
    for other in ("responses", None):
        told = without_native(messages, but=other)  # type: ignore[arg-type]
        assert told == [messages[0], {"role": "assistant", "content": "I look. Found."}]
    assert spoken["content"] == [SAID, USE, MORE]


def test_of_two_apis_each_gets_its_own() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    mixed = {"role": "assistant", "content": [SAID, USE, CALL, image]}
    assert without_native([mixed], but="responses") == [{"role": "assistant", "content": [SAID, CALL, image]}]
    nothing = {"role": "assistant", "content": [USE], "tool_calls": []}
    assert without_native([nothing], but=None) == [{"role": "assistant", "content": None, "tool_calls": []}]


def test_a_tool_shows_nothing_of_its_declaration() -> None:
    secret = {"type": "mcp", "server_url": "https://tools.test", "authorization": "s3cret"}
    assert repr(NativeTool("responses", secret)) == "NativeTool(responses, mcp)"


@pytest.mark.parametrize(
    ("wire", "dialect"),
    [("anthropic", "messages"), ("openai_responses", "responses"), ("bedrock_anthropic", None), (None, None)],
)
def test_wire_formats_that_know_an_api(wire: str | None, dialect: str | None) -> None:
    assert dialect_of(wire) == dialect


@pytest.mark.parametrize(
    ("wire", "kind", "known"),
    [
        ("anthropic", "web_fetch_20250910", True),
        ("vertex_anthropic", "web_fetch_20250910", False),
        ("vertex_anthropic", "web_search_20250305", True),
        ("vertex_anthropic", "web_search_20260318", False),
        ("vertex_anthropic", "bash_20250124", True),
        ("openai_responses", "bash_20250124", False),
        (None, "bash_20250124", False),
    ],
)
def test_a_platform_may_lack_a_tool_of_its_api(wire: str | None, kind: str, known: bool) -> None:
    assert NativeTool("messages", {"type": kind}).is_known_to(wire) is known


def test_only_endpoints_of_the_same_api_are_asked() -> None:
    endpoints = [
        endpoint("plain"),
        endpoint("claude", tool_wire="anthropic"),
        endpoint("openai", tool_wire="openai_responses"),
    ]
    assert planned(*endpoints, dialect="messages") == ["claude"]
    assert planned(*endpoints, dialect="responses") == ["openai"]
    assert set(planned(*endpoints)) == {"plain", "claude", "openai"}


def test_a_search_is_asked_only_of_those_of_whom_it_is_known() -> None:
    endpoints = [
        endpoint("unpriced", tool_wire="anthropic", supported_parameters=frozenset({"tools"})),
        endpoint("unlisted", tool_wire="anthropic", supported_parameters=frozenset()),
        endpoint("priced", tool_wire="anthropic", supported_parameters=SEARCHES),
    ]
    search = NativeTool("messages", {"type": "web_search_20250305"}, searches=3)
    assert planned(*endpoints, dialect="messages", native_tools=(search,)) == ["priced"]
    fetch = NativeTool("messages", {"type": "web_fetch_20250910"})
    assert len(planned(*endpoints, dialect="messages", native_tools=(fetch,))) == 3


@pytest.mark.parametrize(
    ("dialect", "tools", "said"),
    [
        ("messages", ["bash_20250124"], "the tool bash_20250124 is part of Anthropic's Messages API, which alpha"),
        ("responses", ["mcp", "mcp"], "the tool mcp is part of OpenAI's Responses API, which alpha cannot"),
        ("responses", ["mcp", "computer"], "the tools mcp, computer are part of OpenAI's Responses API"),
        ("responses", [], "items of its own tools are part of OpenAI's Responses API"),
    ],
)
def test_where_nobody_speaks_it_the_client_is_told(dialect: Any, tools: list[str], said: str) -> None:
    declared = tuple(NativeTool(dialect, {"type": kind}) for kind in tools)
    with pytest.raises(NoEndpoints) as caught:
        planned(endpoint("alpha"), dialect=dialect, native_tools=declared)
    assert said in str(caught.value)
    assert caught.value.availability is not None
    assert caught.value.availability.excluded_by == ["native_tools"]


def test_where_nobody_searches_with_it_the_client_is_told() -> None:
    search = NativeTool("responses", {"type": "web_search"}, searches=1)
    with pytest.raises(NoEndpoints, match="alpha search the web with no such tool"):
        planned(endpoint("alpha", tool_wire="openai_responses"), dialect="responses", native_tools=(search,))


def test_domains_are_kept_to_by_searches_that_can_be_told_them() -> None:
    plain = endpoint("plain", supported_parameters=SEARCHES)
    endpoints = (plain, endpoint("able", supported_parameters=SEARCHES, tool_wire="anthropic"))
    plugins = PromptPlugins(web=WebSearch(engine="native", include_domains=("example.org",)))
    assert planned(*endpoints, plugins=plugins) == ["able"]
    with pytest.raises(NoEndpoints, match="plain cannot be kept to these domains"):
        planned(plain, plugins=plugins)


def test_a_search_that_is_no_tool_goes_with_no_functions() -> None:
    functions = {"tools": [{"type": "function", "function": {"name": "f"}}]}
    endpoints = (
        endpoint("parameter", supported_parameters=SEARCHES),
        endpoint("tool", supported_parameters=SEARCHES, tool_wire="anthropic"),
        endpoint("functionless", supported_parameters=frozenset({"web_search_options"})),
    )
    asked = request(plugins=PromptPlugins(web=WebSearch(engine="exa", native_first=True)), parameters=functions)
    route = plan_route(asked, catalog(*endpoints), prompt_tokens=10, random=Random(1))
    found = {each.provider: route.search_of(asked, each) for each in route.considered}
    assert found == {"parameter": "engine", "tool": "native", "functionless": "native"}
    with pytest.raises(NoEndpoints, match="a search by parameter does not go with function tools"):
        planned(endpoints[0], parameters=functions, plugins=PromptPlugins(web=WebSearch(engine="native")))


def test_an_engine_searches_where_the_provider_would_not_keep_to_domains() -> None:
    web = WebSearch(engine="exa", native_first=True, exclude_domains=("example.org",))
    asked = request(plugins=PromptPlugins(web=web))
    plain = endpoint("plain", supported_parameters=SEARCHES)
    able = endpoint("able", supported_parameters=SEARCHES, tool_wire="openai_responses")
    route = plan_route(asked, catalog(plain, able), prompt_tokens=10, random=Random(1))
    assert (route.search_of(asked, plain), route.search_of(asked, able)) == ("engine", "native")
    assert route.request_for(asked, able).parameters["web_search_options"] == {"excluded_domains": ["example.org"]}


def test_how_many_searches_are_held_for() -> None:
    once, itself = endpoint("once"), endpoint("itself", tool_wire="anthropic")
    assert expected_searches(None, once) == expected_searches(7, once) == 1
    assert [expected_searches(limit, itself) for limit in (None, 1, 100)] == [MOST, 1, 100]


def test_only_who_lists_the_search_is_asked_for_it() -> None:
    asked = request(parameters={"web_search_options": {}})
    assert searches_with(asked, endpoint("able", supported_parameters=SEARCHES))
    assert not searches_with(asked, endpoint("other"))
    assert not searches_with(request(), endpoint("able", supported_parameters=SEARCHES))


def test_a_picture_in_what_is_native_is_no_text() -> None:
    shown = {"type": "computer_screenshot", "image_url": "data:image/png;base64," + "iVBORw0KGgo" * 50_000}
    seen = native_part("responses", {"type": "computer_call_output", "call_id": "c", "output": shown})
    assert 2_000 < estimate_prompt_tokens(request(messages=[{"role": "user", "content": [seen]}])) < 2_100


@pytest.mark.parametrize(
    ("domains", "themselves"),
    [
        (("example.org", "*.example.com"), {"openai_responses", "anthropic"}),
        (("https://example.org/",), {"openai_responses", "anthropic"}),
        (("example.org/docs", "example.com/*/news"), {"anthropic"}),
        (("news.*.org",), set()),
        (("example.org/*/a/*/b",), set()),
    ],
)
@pytest.mark.parametrize("tool_wire", ["openai_responses", "anthropic"])
def test_an_engine_searches_where_a_pattern_has_no_form(
    tool_wire: str, domains: tuple[str, ...], themselves: set[str]
) -> None:
    able = endpoint("able", supported_parameters=SEARCHES, tool_wire=tool_wire)
    asked = request(plugins=PromptPlugins(web=WebSearch(engine="exa", native_first=True, include_domains=domains)))
    route = plan_route(asked, catalog(able), prompt_tokens=10, random=Random(1))
    assert route.search_of(asked, able) == ("native" if tool_wire in themselves else "engine")


def test_what_is_native_counts_as_part_of_the_prompt() -> None:
    found = native_part("messages", {"type": "web_search_tool_result", "content": "x" * 3_000})
    bare = request(messages=[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [SAID]}])
    full = request(messages=[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [SAID, found]}])
    assert 1_000 < estimate_prompt_tokens(full) - estimate_prompt_tokens(bare) < 1_100
    tool = NativeTool("messages", {"type": "web_search_20250305", "allowed_domains": ["a" * 300]})
    assert estimate_prompt_tokens(request(native_tools=(tool,))) - estimate_prompt_tokens(request()) > 100
