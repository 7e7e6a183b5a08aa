"""Anthropic's own tools end to end: with Anthropic's SDK, and a search that chat completions ask for."""

from typing import Any

import pytest
from anthropic import BadRequestError, NotFoundError
from anthropic.types import Message
from openai import NotFoundError as OpenAINotFoundError

from tests.e2e.asking import generation, nano, user
from tests.e2e.run import MARK
from tests.e2e.simulated import CACHED_NANO_USD, COMPLETION_NANO_USD, PROMPT_NANO_USD, SEARCH_NANO_USD, Simulated, price
from tests.e2e.test_messages import ask, text_of
from tests.e2e.test_plugins import ask as ask_chat

STREAMED_OR_NOT = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
CLAUDE = "searching-anthropic"
SEARCH: Any = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
BASH: Any = {"type": "bash_20250124", "name": "bash"}
THINKING: Any = {"type": "enabled", "budget_tokens": 2000}
PAGE = "https://docs.example.com/page/0"


def kinds(message: Message) -> list[str]:
    return [block.type for block in message.content]


def tokens_price(usage: Any) -> int:
    prompt = usage.input_tokens * PROMPT_NANO_USD + usage.cache_read_input_tokens * CACHED_NANO_USD
    return int(prompt + usage.output_tokens * COMPLETION_NANO_USD)


@pytest.mark.parametrize("model", [CLAUDE, "searching-vertex"])
@STREAMED_OR_NOT
def test_a_search_is_told_cited_and_charged_once(sim: Simulated, model: str, stream: bool) -> None:
    answer: Any = ask(sim, model, stream=stream, tools=[SEARCH], thinking=THINKING)
    assert kinds(answer) == ["thinking", "server_tool_use", "web_search_tool_result", "text"]
    _, use, result, said = answer.content
    assert (use.name, use.input, result.tool_use_id) == ("web_search", {"query": f"Hello {MARK}"}, use.id)
    assert [found.url for found in result.content] == [PAGE]
    assert [cited.url for cited in said.citations] == [PAGE]
    assert f"Hello {MARK}" in said.text

    (request,) = sim.requests()
    assert request["body"]["tools"] == [SEARCH]
    usage = answer.usage
    assert (usage.server_tool_use.web_search_requests, usage.server_tool_use.web_fetch_requests) == (1, 0)
    assert nano(usage.cost) == tokens_price(usage) + SEARCH_NANO_USD
    record = generation(sim.http, answer.id)
    assert nano(record["total_cost"]) == nano(usage.cost)
    assert record["web_search_engine"] == "native"


@STREAMED_OR_NOT
def test_the_whole_content_is_handed_back_as_it_came(sim: Simulated, stream: bool) -> None:
    first: Any = ask(sim, CLAUDE, stream=stream, tools=[SEARCH], thinking=THINKING)
    talk = [*user(), {"role": "assistant", "content": first.content}, *user("And now?")]
    second = ask(sim, CLAUDE, messages=talk, stream=stream, tools=[SEARCH], thinking=THINKING)
    assert kinds(second) == kinds(first)
    _, request = sim.requests()
    assert "refused" not in request
    [_, answer, _] = request["body"]["messages"]
    assert [block["type"] for block in answer["content"]] == kinds(first)
    assert answer["content"][1:3] == [block.model_dump(exclude_unset=True) for block in first.content[1:3]]


def test_elsewhere_the_conversation_goes_on_without_what_was_searched(sim: Simulated) -> None:
    first = ask(sim, CLAUDE, tools=[SEARCH])
    talk = [*user(), {"role": "assistant", "content": first.content}, *user("And now?")]
    for wire in ("google", "openai_compatible", "bedrock_anthropic"):
        assert f"And now? {MARK}" in text_of(ask(sim, wire, messages=talk))
    assert not any("refused" in request for request in sim.requests())


@STREAMED_OR_NOT
def test_a_tool_that_clients_run_is_called_like_a_function(sim: Simulated, stream: bool) -> None:
    first = ask(sim, CLAUDE, stream=stream, tools=[BASH], tool_choice={"type": "tool", "name": "bash"})
    [call] = [block for block in first.content if block.type == "tool_use"]
    assert (call.name, first.stop_reason, list(call.input)) == ("bash", "tool_use", ["command"])
    result = {"type": "tool_result", "tool_use_id": call.id, "content": f"done {MARK}"}
    talk = [*user(), {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    second = ask(sim, CLAUDE, messages=talk, stream=stream, tools=[BASH])
    assert text_of(second).startswith(f"The tool answered: done {MARK}")


def test_a_later_version_searches_without_running_code(sim: Simulated) -> None:
    answer = ask(sim, CLAUDE, tools=[{"type": "web_search_20260318", "name": "web_search"}])
    assert kinds(answer) == ["server_tool_use", "web_search_tool_result", "text"]
    (request,) = sim.requests()
    assert request["body"]["tools"][0]["allowed_callers"] == ["direct"]


def test_what_cannot_be_had_is_refused_with_what_to_do(sim: Simulated) -> None:
    with pytest.raises(BadRequestError, match="charged by the hour of a container"):
        ask(sim, CLAUDE, tools=[{"type": "code_execution_20250825", "name": "code_execution"}])
    with pytest.raises(NotFoundError, match="the tool bash_20250124 is part of Anthropic's Messages API"):
        ask(sim, "bedrock_anthropic", tools=[BASH])
    with pytest.raises(NotFoundError, match="the tool web_search_20250305 is part of Anthropic's Messages API"):
        ask(sim, "openai_responses", tools=[SEARCH])
    assert sim.requests() == []
    both = {**SEARCH, "allowed_domains": ["a.test"], "blocked_domains": ["b.test"]}
    with pytest.raises(BadRequestError, match="only one of allowed_domains and blocked_domains"):
        ask(sim, CLAUDE, tools=[both])


@STREAMED_OR_NOT
@pytest.mark.parametrize("model", [f"{CLAUDE}:online", "searching-vertex:online", CLAUDE])
def test_chat_completions_search_with_it(sim: Simulated, model: str, stream: bool) -> None:
    online = model.endswith(":online")
    web: dict[str, Any] = {"id": "web", "include_domains": ["*.example.org"], "max_uses": 1}
    asked: dict[str, Any] = {} if online else {"plugins": [web]}
    answer = ask_chat(sim, model=f"sim/{model}", stream=stream, **asked)
    page = PAGE if online else "https://example.org/page/0"
    [annotation] = answer["annotations"]
    cited = annotation["url_citation"]
    assert (cited["url"], answer["content"][cited["start_index"] : cited["end_index"]]) == (page, answer["content"])
    assert sim.plugins.requests == []
    (request,) = sim.requests()
    limits = {"max_uses": 5} if online else {"max_uses": 1, "allowed_domains": ["example.org"]}
    assert request["body"]["tools"] == [{"type": "web_search_20250305", "name": "web_search", **limits}]
    usage = answer["usage"]
    assert nano(usage.cost) == price(usage) + SEARCH_NANO_USD
    assert usage.server_tool_use_details == {"web_search_requests": 1}
    assert nano(generation(sim.http, answer["id"])["total_cost"]) == nano(usage.cost)


def test_a_domain_that_its_search_cannot_be_told_is_refused(sim: Simulated) -> None:
    with pytest.raises(OpenAINotFoundError, match="cannot be kept to these domains"):
        ask_chat(
            sim, model=f"sim/{CLAUDE}", plugins=[{"id": "web", "engine": "native", "exclude_domains": ["ex*.com"]}]
        )
    assert sim.requests() == []
