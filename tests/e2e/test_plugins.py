"""The plugins web, file-parser and moderation, with the SDKs that customers use and their services on loopback."""

import json
from typing import Any

import pytest
from openai import APIStatusError, BadRequestError, InternalServerError, PermissionDeniedError

from tests.e2e.asking import generation, nano, user
from tests.e2e.run import MARK
from tests.e2e.simulated import SEARCH_NANO_USD, WIRES, Simulated, price
from tests.pdfs import file_part, pdf

EXA_NANO_USD, TAVILY_NANO_USD = 7_000_000, 8_000_000
MODEL = "sim/openai_compatible"
WEB = {"plugins": [{"id": "web", "max_results": 2}]}
STREAMED_OR_NOT = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
PAGES = ["https://docs.example.com/page/0", "https://example.org/page/1"]
PDF = pdf(f"The answer is {MARK}")


def ask(sim: Simulated, *, stream: bool = False, **request: Any) -> dict[str, Any]:
    """Content, annotations and usage of an answer, streamed or not."""
    extra = {name: request.pop(name) for name in ("plugins",) if name in request}
    request = {"model": MODEL, "messages": user(), **request}
    if not stream:
        answer: Any = sim.openai.chat.completions.create(**request, extra_body=extra)
        message = answer.choices[0].message.model_dump(exclude_none=True)
        return {"annotations": [], **message, "usage": answer.usage, "id": answer.id}
    content, annotations, usage, id_ = "", [], None, ""
    with sim.openai.chat.completions.create(**request, extra_body=extra, stream=True) as chunks:
        for chunk in chunks:
            delta = chunk.choices[0].delta.model_dump(exclude_none=True)
            content += delta.get("content") or ""
            annotations += delta.get("annotations") or []
            usage, id_ = chunk.usage or usage, chunk.id
    return {"content": content, "annotations": annotations, "usage": usage, "id": id_}


@STREAMED_OR_NOT
@pytest.mark.parametrize("wire", WIRES)
def test_any_model_answers_from_the_web(sim: Simulated, wire: str, stream: bool) -> None:
    answer = ask(sim, model=f"sim/{wire}", stream=stream, **WEB)

    assert [each["url_citation"]["url"] for each in answer["annotations"]] == PAGES
    (searched,) = sim.plugins.requests
    assert (searched.service, searched.content["query"]) == ("exa", f"Hello {MARK}")
    (request,) = sim.requests()
    sent = json.dumps(request["body"])
    assert "A web search was conducted on" in sent
    assert all(page in sent for page in PAGES)
    usage = answer["usage"]
    assert nano(usage.cost) == price(usage) + EXA_NANO_USD
    assert nano(usage.cost_details["server_tool_cost"]) == EXA_NANO_USD
    assert usage.server_tool_use_details == {"web_search_requests": 1}


@STREAMED_OR_NOT
@pytest.mark.parametrize(("name", "searches"), [("google", 2), ("old-google", 1)])
def test_google_searches_itself(sim: Simulated, name: str, searches: int, stream: bool) -> None:
    """Two queries, which a model before Gemini 3 is charged for as one search; an empty one for nothing."""
    answer = ask(sim, model=f"sim/searching-{name}:online", stream=stream)

    [cited] = [each["url_citation"] for each in answer["annotations"]]
    assert cited["url"] == "https://example.com/found"
    assert answer["content"][cited["start_index"] : cited["end_index"]] == answer["content"]
    assert sim.plugins.requests == []
    (request,) = sim.requests()
    assert request["body"]["tools"] == [{"googleSearch": {}}]
    usage = answer["usage"]
    assert usage.server_tool_use_details == {"web_search_requests": searches}
    assert nano(usage.cost) == price(usage) + searches * SEARCH_NANO_USD
    assert nano(generation(sim.http, answer["id"])["total_cost"]) == nano(usage.cost)


@STREAMED_OR_NOT
@pytest.mark.parametrize("name", ["anthropic", "chat", "responses"])
def test_openrouters_tool_is_the_providers_own_search(sim: Simulated, name: str, stream: bool) -> None:
    search = {"type": "openrouter:web_search", "parameters": {"excluded_domains": ["a.test"], "max_uses": 2}}
    look = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    asked = user("Hello [call nothing {}]")
    answer = ask(sim, model=f"sim/searching-{name}", messages=asked, stream=stream, tools=[search, look])

    assert len(answer["annotations"]) == 1
    assert sim.plugins.requests == []
    (request,) = sim.requests()
    names = [tool.get("name") or tool["type"] for tool in request["body"]["tools"]]
    assert sorted(names) == ["look", "web_search"]
    assert answer["usage"].server_tool_use_details == {"web_search_requests": 1}
    assert nano(answer["usage"].cost) == price(answer["usage"]) + SEARCH_NANO_USD


def test_an_engine_searches_for_google_where_there_are_functions(sim: Simulated) -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    answer = ask(sim, model="sim/searching-google", tools=[tool], tool_choice="none", **WEB)

    assert [each["url_citation"]["url"] for each in answer["annotations"]] == PAGES
    assert [searched.service for searched in sim.plugins.requests] == ["exa"]
    (request,) = sim.requests()
    assert [list(each) for each in request["body"]["tools"]] == [["functionDeclarations"]]


@STREAMED_OR_NOT
def test_online_is_a_search_and_so_it_is_recorded(sim: Simulated, stream: bool) -> None:
    answer = ask(sim, model=f"{MODEL}:online", stream=stream)
    assert len(answer["annotations"]) == 5
    record = generation(sim.http, answer["id"])
    assert (record["web_search_engine"], record["num_search_results"]) == ("exa", 5)
    assert nano(record["total_cost"]) == price(answer["usage"]) + EXA_NANO_USD
    assert nano(record["upstream_inference_cost"]) == price(answer["usage"])


def test_another_engine_is_another_price(sim: Simulated) -> None:
    answer = ask(sim, plugins=[{"id": "web", "engine": "tavily"}])
    assert nano(answer["usage"].cost_details["server_tool_cost"]) == TAVILY_NANO_USD
    with pytest.raises(BadRequestError, match="BRAVE_API_KEY"):
        ask(sim, plugins=[{"id": "web", "engine": "brave"}])


@STREAMED_OR_NOT
def test_anthropics_clients_get_citations(sim: Simulated, stream: bool) -> None:
    request: Any = {"model": MODEL, "max_tokens": 500, "messages": user(), "extra_body": WEB}
    if stream:
        with sim.anthropic.messages.stream(**request) as events:
            message = events.get_final_message()
    else:
        message = sim.anthropic.messages.create(**request)
    cited: Any = message.content[-1]
    assert [each.url for each in cited.citations] == PAGES
    assert message.usage.server_tool_use is not None
    assert message.usage.server_tool_use.web_search_requests == 1


@STREAMED_OR_NOT
def test_clients_of_responses_get_annotations(sim: Simulated, stream: bool) -> None:
    request: Any = {"model": MODEL, "input": f"Hello {MARK}", "store": False, "extra_body": WEB}
    if stream:
        with sim.openai.responses.stream(**request) as events:
            response = events.get_final_response()
    else:
        response = sim.openai.responses.create(**request)
    text: Any = response.output[-1].content[-1]  # type: ignore[union-attr]
    assert [each.url for each in text.annotations] == PAGES


@STREAMED_OR_NOT
def test_a_search_that_fails_costs_nothing(sim: Simulated, stream: bool) -> None:
    sim.plugins.mishaps.append(500)
    with pytest.raises(InternalServerError, match="The search engine exa failed") as caught:
        ask(sim, stream=stream, **WEB)
    assert caught.value.status_code == 503
    assert sim.requests() == []
    record = generation(sim.http, caught.value.response.headers["x-generation-id"])
    assert (record["total_cost"], record["web_search_engine"]) == (0, None)


@STREAMED_OR_NOT
def test_a_model_that_reads_no_files_is_told_what_a_pdf_says(sim: Simulated, stream: bool) -> None:
    """With the real reader, in a process of its own."""
    messages = [{"role": "user", "content": [{"type": "text", "text": "What?"}, file_part(PDF)]}]
    answer = ask(sim, messages=messages, stream=stream)
    (request,) = sim.requests()
    assert f"The answer is {MARK}" in json.dumps(request["body"])
    (annotation,) = answer["annotations"]
    assert annotation["file"]["content"][1]["text"] == f"The answer is {MARK}"
    assert nano(answer["usage"].cost) == price(answer["usage"])

    # What the client sends back is taken for what was read.
    annotation["file"]["content"][1]["text"] = f"It was edited {MARK}"
    said = {"role": "assistant", "content": answer["content"], "annotations": [annotation]}
    again = ask(sim, messages=[*messages, said, *user("And?")], stream=stream)
    assert f"It was edited {MARK}" in json.dumps(sim.requests()[1]["body"])
    assert again["annotations"] == []


def test_what_is_no_pdf_is_refused(sim: Simulated) -> None:
    messages = [{"role": "user", "content": [file_part(b"%PDF-1.7 and nothing else")]}]
    with pytest.raises(BadRequestError, match="a PDF cannot be read: it is damaged"):
        ask(sim, messages=messages)


@STREAMED_OR_NOT
def test_what_is_flagged_reaches_no_provider(sim: Simulated, stream: bool) -> None:
    moderated: Any = {"plugins": [{"id": "moderation"}]}
    assert ask(sim, stream=stream, **moderated)["content"]
    with pytest.raises(PermissionDeniedError) as caught:
        ask(sim, stream=stream, messages=user("[flag:harassment]"), **moderated)
    assert len(sim.requests()) == 1
    error: Any = caught.value.body
    assert error["metadata"]["reasons"] == ["harassment"]
    assert error["metadata"]["model_slug"] == MODEL
    assert error["metadata"]["flagged_input"] == f"[flag:harassment] {MARK}"


def test_without_its_moderator_nothing_is_sent(sim: Simulated) -> None:
    sim.plugins.mishaps.append(429)
    with pytest.raises(APIStatusError, match="The moderation endpoint failed") as caught:
        ask(sim, plugins=[{"id": "moderation"}])
    assert (caught.value.status_code, sim.requests()) == (503, [])
