"""OpenAI's own tools end to end: in Responses with OpenAI's SDK, and a search that chat completions ask for."""

import json
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError
from openai.types.responses import Response

from tests.e2e.asking import generation, nano, user
from tests.e2e.run import MARK
from tests.e2e.simulated import CACHED_NANO_USD, COMPLETION_NANO_USD, PROMPT_NANO_USD, SEARCH_NANO_USD, Simulated, price

STREAMED_OR_NOT = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
EITHER_ENDPOINT = pytest.mark.parametrize("model", ["sim/searching-responses", "sim/searching-chat"])
SEARCH: Any = {"type": "web_search", "search_context_size": "low"}
PAGE = "https://docs.example.com/page/0"


def ask(sim: Simulated, given: Any = None, *, stream: bool = False, **members: Any) -> Response:
    request: Any = {"model": "sim/searching-responses", "input": given or f"Hello {MARK}", "store": False, **members}
    if not stream:
        return sim.openai.responses.create(**request)
    with sim.openai.responses.stream(**request) as events:
        return events.get_final_response()


def kinds(response: Response) -> list[str]:
    return [item.type for item in response.output if item.type != "reasoning"]


def tokens_price(usage: Any) -> int:
    cached = usage.input_tokens_details.cached_tokens
    prompt = (usage.input_tokens - cached) * PROMPT_NANO_USD + cached * CACHED_NANO_USD
    return int(prompt + usage.output_tokens * COMPLETION_NANO_USD)


@EITHER_ENDPOINT
@STREAMED_OR_NOT
def test_a_search_is_told_cited_and_charged_once(sim: Simulated, model: str, stream: bool) -> None:
    sources = ["web_search_call.action.sources"]
    answer: Any = ask(sim, model=model, stream=stream, tools=[SEARCH], include=sources, reasoning={"effort": "low"})
    assert [item.type for item in answer.output] == ["reasoning", "web_search_call", "web_search_call", "message"]
    search, page = answer.output[1:3]
    assert (search.status, search.action.type, page.action.type) == ("completed", "search", "open_page")
    assert [source.url for source in search.action.sources] == [PAGE]
    [part] = answer.output[3].content
    [citation] = part.annotations
    assert (citation.type, citation.url) == ("url_citation", PAGE)
    assert part.text[citation.start_index : citation.end_index] == part.text

    (request,) = sim.requests()
    assert (request["wire"], request["body"]["tools"]) == ("openai_responses", [SEARCH])
    usage = answer.usage
    assert nano(usage.cost) == tokens_price(usage) + SEARCH_NANO_USD
    assert usage.server_tool_use_details == {"web_search_requests": 1}
    record = generation(sim.http, answer.id)
    assert nano(record["total_cost"]) == nano(usage.cost)
    assert (record["web_search_engine"], record["num_search_results"]) == ("native", None)


@EITHER_ENDPOINT
@STREAMED_OR_NOT
def test_the_whole_output_is_handed_back(sim: Simulated, model: str, stream: bool) -> None:
    first = ask(sim, model=model, stream=stream, tools=[SEARCH], reasoning={"effort": "low"})
    items = [item.model_dump(exclude_none=True) for item in first.output]
    second = ask(sim, [*user(), *items, *user("And now?")], model=model, stream=stream, tools=[SEARCH])
    assert kinds(second) == ["web_search_call", "web_search_call", "message"]
    sent = sim.requests()[1]
    assert "refused" not in sent
    assert [item["type"] for item in sent["body"]["input"]] == [
        *("message", "reasoning", "web_search_call", "web_search_call", "message", "message"),
    ]
    assert sent["body"]["input"][2] == items[1]


def test_elsewhere_what_was_searched_is_left_out(sim: Simulated) -> None:
    first = ask(sim, tools=[SEARCH])
    items = [item.model_dump(exclude_none=True) for item in first.output]
    ask(sim, [*user(), *items, *user("And now?")], model="sim/anthropic")
    sent = json.dumps(sim.requests()[1]["body"])
    assert first.output_text[:40] in json.loads(json.dumps(sent)).replace('\\"', '"')
    assert "web_search_call" not in sent


@STREAMED_OR_NOT
def test_a_shell_that_the_client_runs(sim: Simulated, stream: bool) -> None:
    tools: Any = [{"type": "local_shell"}]
    prompt = user('Look. [call local_shell {"command": ["ls"]}]')
    first: Any = ask(sim, prompt, stream=stream, tools=tools, reasoning={"effort": "low"})
    thought, call = first.output
    assert (thought.type, call.type, call.action.command) == ("reasoning", "local_shell_call", ["ls"])
    items = [item.model_dump(exclude_none=True) for item in first.output]
    ran = {"type": "local_shell_call_output", "call_id": call.call_id, "output": "note.txt"}
    second = ask(sim, [*prompt, *items, ran], stream=stream, tools=tools)
    assert second.output_text.startswith("The tool answered: note.txt")
    assert nano(first.usage.cost) == tokens_price(first.usage)


def test_who_does_not_speak_it_is_not_asked(sim: Simulated) -> None:
    with pytest.raises(NotFoundError, match="the tool local_shell is part of OpenAI's Responses API"):
        ask(sim, model="sim/anthropic", tools=[{"type": "local_shell"}])
    with pytest.raises(NotFoundError, match="search the web with no such tool"):
        ask(sim, model="sim/openai_responses", tools=[SEARCH])
    with pytest.raises(BadRequestError, match="a fee that no answer tells"):
        ask(sim, tools=[{"type": "code_interpreter", "container": {"type": "auto"}}])
    assert sim.requests() == []


@pytest.mark.parametrize("online", [False, True], ids=["plugin", "online"])
@EITHER_ENDPOINT
@STREAMED_OR_NOT
def test_chat_is_answered_from_the_web_by_the_provider(sim: Simulated, model: str, stream: bool, online: bool) -> None:
    asked: Any = {"model": f"{model}:online" if online else model, "messages": user()}
    asked["extra_body"] = {"reasoning": {"effort": "minimal"}}
    if not online:
        asked["extra_body"]["plugins"] = [{"id": "web", "exclude_domains": ["example.org"]}]
    annotations: list[Any] = []
    if stream:
        with sim.openai.chat.completions.create(**asked, stream=True) as chunks:
            for chunk in chunks:
                annotations += getattr(chunk.choices[0].delta, "annotations", None) or []
                usage, id_ = chunk.usage, chunk.id
    else:
        answer = sim.openai.chat.completions.create(**asked)
        annotations = [each.model_dump() for each in answer.choices[0].message.annotations or ()]
        usage, id_ = answer.usage, answer.id

    assert [each["url_citation"]["url"] for each in annotations] == [PAGE]
    assert sim.plugins.requests == []
    (request,) = sim.requests()
    filters = {} if online else {"filters": {"blocked_domains": ["example.org"]}}
    assert request["wire"] == "openai_responses"
    assert request["body"]["tools"] == [{"type": "web_search", **filters}]
    assert request["body"]["reasoning"]["effort"] == "low"
    extra: Any = usage
    assert nano(extra.cost) == price(usage) + SEARCH_NANO_USD
    assert nano(generation(sim.http, id_)["total_cost"]) == nano(extra.cost)


@STREAMED_OR_NOT
def test_so_are_clients_of_the_other_skins(sim: Simulated, stream: bool) -> None:
    model = "sim/searching-chat:online"
    request: Any = {"model": model, "max_tokens": 500, "messages": user()}
    if stream:
        with sim.anthropic.messages.stream(**request) as events:
            message = events.get_final_message()
    else:
        message = sim.anthropic.messages.create(**request)
    [text] = [block for block in message.content if block.type == "text"]
    assert text.text.startswith("By openai_responses you said")
    assert "web_search_call" not in message.model_dump_json()

    answer: Any = ask(sim, model=model, stream=stream)
    assert kinds(answer) == ["web_search_call", "web_search_call", "message"]
    assert [each.url for each in answer.output[-1].content[0].annotations] == [PAGE]
    assert nano(answer.usage.cost) == tokens_price(answer.usage) + SEARCH_NANO_USD


def test_without_a_search_chat_stays_chat(sim: Simulated) -> None:
    sim.openai.chat.completions.create(model="sim/searching-chat", messages=user())
    assert [request["wire"] for request in sim.requests()] == ["openai_compatible"]
