"""The plugins web, file-parser and moderation, seen by clients of every skin, with their services on loopback."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from openrouter import components

from turnpike.domain.chat import Usage
from turnpike.domain.errors import UpstreamError
from turnpike.domain.pricing import Pricing
from turnpike.services.response_cache import AnswerFromCache

from tests import message_stream, response_stream
from tests.chat_client import HELLO, Answer, Client
from tests.fake_stores import InMemoryCachedAnswers
from tests.pdfs import file_part, pdf
from tests.plugged import EXA_NANO_USD, PAGE_NANO_USD, Plugged
from tests.plugin_server import Mishap, PluginServer, serving_plugins
from tests.scenario import ACCOUNT, World, endpoint, failure, text

pytestmark = pytest.mark.anyio

WEB = {"id": "web"}
ASKED = "What happened to the word-of-the-test?"
MODEL = "acme/chat"
ANSWER = "It is [example.org](https://example.org/page/1)."
TOKENS_NANO_USD = 10 * 1_000 + 5 * 2_000
"""Of what `text` says it used."""
NATIVE = frozenset({"max_tokens", "web_search_options"})
SKINS = ("chat", "messages", "responses")


@pytest.fixture(scope="module")
def served() -> Iterator[PluginServer]:
    with serving_plugins() as server:
        yield server


@pytest.fixture
async def plugged(served: PluginServer) -> AsyncIterator[Plugged]:
    served.forget()
    made = Plugged(served, "exa", "brave")
    yield made
    await made.aclose()


def world_of(plugged: Plugged, *endpoints: Any, said: str = ANSWER, **options: Any) -> World:
    scripts = {each.provider: [text(said)] for each in endpoints or (endpoint(),)}
    return World(scripts, *endpoints, plugins=plugged, **{"credit_usd": "5", **options})


async def ask(world: World, skin: str = "chat", *, stream: bool = False, content: Any = ASKED, **more: Any) -> Answer:
    headers = more.pop("headers", {})
    body = {"model": MODEL, "stream": stream, **more}
    if skin == "responses":
        body |= {"input": content, "store": False}
    else:
        body |= {"messages": [{"role": "user", "content": content}]}
        if skin == "messages":
            body["max_tokens"] = 100
    path = {"chat": "chat/completions"}.get(skin, skin)
    return await Client(world).post(body, path=f"/api/v1/{path}", headers=headers)


def whole(answer: Answer, skin: str, *, stream: bool) -> dict[str, Any]:
    """The answer as one that was not streamed, with its usage."""
    assert answer.status == 200, answer.body
    if not stream:
        content: dict[str, Any] = answer.json
        return content
    if skin == "messages":
        return message_stream.fold(message_stream.read_events(answer.body))
    if skin == "responses":
        return response_stream.fold(response_stream.read_events(answer.body))
    message: dict[str, Any] = {"content": "", "annotations": []}
    for event in answer.events:
        delta = event["choices"][0]["delta"]
        message["content"] += delta.get("content") or ""
        message["annotations"] += delta.get("annotations") or ()
    return {"choices": [{"message": message}], "usage": answer.events[-1]["usage"]}


def cited(content: dict[str, Any], skin: str) -> list[dict[str, Any]]:
    if skin == "messages":
        return list(content["content"][-1]["citations"])
    if skin == "responses":
        return list(content["output"][-1]["content"][-1]["annotations"])
    return [each["url_citation"] for each in content["choices"][0]["message"]["annotations"]]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("skin", SKINS)
async def test_a_search_grounds_the_answer_and_is_charged_with_it(skin: str, stream: bool, plugged: Plugged) -> None:
    world = world_of(plugged)
    answer = await ask(world, skin, stream=stream, plugins=[{**WEB, "max_results": 3}])

    content = whole(answer, skin, stream=stream)
    found = cited(content, skin)
    assert [each["url"] for each in found] == [
        "https://docs.example.com/page/0",
        "https://example.org/page/1",
        "https://news.test/page/2",
    ]
    if skin != "messages":
        place = found[1]
        assert ANSWER[place["start_index"] : place["end_index"]] == "[example.org](https://example.org/page/1)"
        assert (found[0]["start_index"], found[0]["end_index"]) == (0, 0)
    usage = content["usage"]
    assert round(usage["cost"] * 1e9) == TOKENS_NANO_USD + EXA_NANO_USD
    assert round(usage["cost_details"]["upstream_inference_cost"] * 1e9) == TOKENS_NANO_USD
    assert round(usage["cost_details"]["server_tool_cost"] * 1e9) == EXA_NANO_USD
    assert usage["server_tool_use"]["web_search_requests"] == 1

    ((_, sent),) = world.upstream.calls
    instructed, said = sent.messages[-2:]
    assert (instructed["role"], said["role"]) == ("system", "user")
    assert "Page 1\nhttps://example.org/page/1\nFact 1." in instructed["content"]

    world.settle()
    ((record, answered),) = world.sent_events()
    assert (answered, record.search_engine, record.search_results) == (True, "exa", 3)
    assert (record.search_cost, record.upstream_cost) == (EXA_NANO_USD, TOKENS_NANO_USD)
    balance = world.ledger.get_balance(ACCOUNT)
    assert (balance.available, balance.held) == (5_000_000_000 - TOKENS_NANO_USD - EXA_NANO_USD, 0)


async def test_the_sdks_read_what_a_search_adds(plugged: Plugged) -> None:
    answer = await ask(world_of(plugged), plugins=[WEB], headers={"x-openrouter-metadata": "enabled"})
    parsed = components.ChatResult.model_validate(answer.json)
    assert parsed.usage is not None
    assert parsed.usage.server_tool_use_details.web_search_requests == 1  # type: ignore[union-attr]
    (stage,) = answer.json["openrouter_metadata"]["pipeline"]
    components.OpenRouterMetadata.model_validate(answer.json["openrouter_metadata"])
    assert (stage["type"], stage["name"], stage["data"]) == ("plugin", "web", {"engine": "exa", "results": 5})
    assert stage["cost_usd"] == EXA_NANO_USD / 1e9


@pytest.mark.parametrize("stream", [True, False])
async def test_a_slug_that_ends_in_online_searches(stream: bool, plugged: Plugged, served: PluginServer) -> None:
    world = world_of(plugged)
    answer = await ask(world, stream=stream, model=f"{MODEL}:online")
    assert len(cited(whole(answer, "chat", stream=stream), "chat")) == 5
    assert [each.service for each in served.requests] == ["exa"]


@pytest.mark.parametrize("slug", ["acme/chat:online", "acme/chat:ONLINE:nitro", "acme/chat:floor:online"])
async def test_a_search_that_is_switched_off_takes_place_for_no_slug(
    slug: str, plugged: Plugged, served: PluginServer
) -> None:
    world = world_of(plugged)
    answer = await ask(world, model=slug, models=[slug, MODEL], plugins=[{"id": "web", "enabled": False}])
    assert (answer.status, answer.json["model"], served.requests) == (200, MODEL, [])
    assert round(answer.json["usage"]["cost"] * 1e9) == TOKENS_NANO_USD
    # The last of several counts.
    answer = await ask(world_of(plugged), model=slug, plugins=[{"id": "web", "enabled": False}, WEB])
    assert (answer.status, len(served.requests)) == (200, 1)


async def test_only_the_model_that_is_to_search_does(plugged: Plugged, served: PluginServer) -> None:
    one, two = endpoint("one"), endpoint("two", "acme/other")
    world = World({"one": [[failure()]], "two": [text("Hi")]}, one, two, plugins=plugged)
    answer = await ask(world, model=f"{MODEL}:online", models=["acme/other"])
    # The first one's search was for an answer that did not come, and is not charged.
    assert round(answer.json["usage"]["cost"] * 1e9) == TOKENS_NANO_USD
    assert "annotations" not in answer.json["choices"][0]["message"]
    assert [len(sent.messages) for _, sent in world.upstream.calls] == [2, 1]
    ((record, _),) = world.sent_events()
    assert (record.search_cost, record.search_results) == (EXA_NANO_USD, 0)


@pytest.mark.parametrize("stream", [True, False])
async def test_each_of_several_texts_has_a_search_of_its_own(
    stream: bool, plugged: Plugged, served: PluginServer
) -> None:
    body = {"model": f"{MODEL}:online", "prompt": ASKED, "n": 2, "stream": stream}
    answer = await Client(world_of(plugged)).post(body, path="/api/v1/completions")
    usage = (answer.events[-1] if stream else answer.json)["usage"]
    assert round(usage["cost"] * 1e9) == 2 * (TOKENS_NANO_USD + EXA_NANO_USD)
    assert round(usage["cost_details"]["server_tool_cost"] * 1e9) == 2 * EXA_NANO_USD
    assert usage["server_tool_use"] == {"web_search_requests": 2}
    assert len(served.requests) == 2


async def test_endpoints_that_search_themselves_do(plugged: Plugged, served: PluginServer) -> None:
    priced = Pricing(Decimal("0.000001"), Decimal("0.000002"), web_search=Decimal("0.01"))
    world = World(
        {"one": [text("Hi", usage=Usage(10, 5, web_search_requests=2))]},
        endpoint(supported_parameters=NATIVE, pricing=priced),
        plugins=plugged,
    )
    location = {"type": "approximate", "city": "Paris"}
    answer = await ask(world, plugins=[{**WEB, "user_location": location}])
    assert served.requests == []
    # For one search, beside the allowance of 100 tokens and the prompt.
    assert 10_000_000 < world.ledger.get_balance(ACCOUNT).held < 10_300_000
    ((_, sent),) = world.upstream.calls
    assert sent.parameters["web_search_options"] == {
        "user_location": {"type": "approximate", "approximate": {"city": "Paris"}}
    }
    usage = answer.json["usage"]
    assert usage["server_tool_use_details"] == {"web_search_requests": 2}
    assert round(usage["cost"] * 1e9) == TOKENS_NANO_USD + 20_000_000
    assert "server_tool_cost" not in usage["cost_details"]


async def test_a_model_that_searches_as_it_likes_is_held_for_what_it_may_find(plugged: Plugged) -> None:
    priced = Pricing(Decimal("0.000001"), Decimal("0.000002"), web_search=Decimal("0.01"))
    able = replace(endpoint(supported_parameters=NATIVE, pricing=priced), tool_wire="anthropic")
    for limit, searches in ((None, 5), (2, 2), (9, 9)):
        world = World({"one": [text("Hi", usage=Usage(10, 5, web_search_requests=1))]}, able, plugins=plugged)
        uses = {} if limit is None else {"max_uses": limit}
        answer = await ask(world, plugins=[{**WEB, **uses, "exclude_domains": ["a.test"]}])
        # Each search costs a cent, and 10,000 tokens of what it finds.
        assert 0 < world.ledger.get_balance(ACCOUNT).held - searches * 20_000_000 < 300_000
        ((_, sent),) = world.upstream.calls
        assert sent.parameters["web_search_options"] == {"excluded_domains": ["a.test"], **uses}
        assert round(answer.json["usage"]["cost"] * 1e9) == TOKENS_NANO_USD + 10_000_000


@pytest.mark.parametrize(
    ("skin", "wire", "asked"),
    [
        ("chat", "anthropic", {"web_search_options": {"max_uses": 9}}),
        ("chat", "anthropic", {"web_search_options": {"max_uses": 9}, "plugins": [{**WEB, "max_uses": 2}]}),
        (
            "responses",
            "openai_responses",
            {
                "tools": [{"type": "mcp", "server_label": "m", "server_url": "https://m.test"}],
                "max_tool_calls": 9,
                "plugins": [{**WEB, "max_uses": 2}],
            },
        ),
    ],
)
async def test_a_limit_in_other_words_is_held_for_as_well(
    skin: str, wire: str, asked: dict[str, Any], plugged: Plugged
) -> None:
    """Who could raise what the provider is told, and not what is held, would search at others' cost."""
    priced = Pricing(Decimal("0.000001"), Decimal("0.000002"), web_search=Decimal("0.01"))
    world = World(
        {"one": [text("Hi")]},
        replace(endpoint(supported_parameters=NATIVE, pricing=priced), tool_wire=wire),
        plugins=plugged,
    )
    answer = await ask(world, skin, **asked)
    assert answer.status == 200, answer.body
    assert 0 < world.ledger.get_balance(ACCOUNT).held - 9 * 20_000_000 < 6_000_000


async def test_searches_that_a_client_declares_itself_are_held_for_as_well(plugged: Plugged) -> None:
    priced = Pricing(Decimal("0.000001"), Decimal("0.000002"), web_search=Decimal("0.01"))
    able = replace(endpoint(supported_parameters=NATIVE, pricing=priced), tool_wire="anthropic")
    search = {"type": "web_search_20250305", "name": "web_search"}
    for plugin in ({"engine": "native", "max_uses": 1}, {"engine": "exa"}):
        world = World({"one": [text("Hi")]}, able, plugins=plugged)
        body = {**HELLO, "max_tokens": 100, "tools": [search], "plugins": [{**WEB, **plugin}]}
        answer = await Client(world).post(body, path="/api/v1/messages")
        assert answer.status == 200, answer.body
        assert 100_000_000 < world.ledger.get_balance(ACCOUNT).held < 115_000_000


@pytest.mark.parametrize("plugin", [{"engine": "brave"}, {"include_domains": ["example.com"]}])
async def test_an_engine_searches_for_them_where_it_is_asked_for_what_they_cannot(
    plugin: dict[str, Any], plugged: Plugged, served: PluginServer
) -> None:
    world = world_of(plugged, endpoint(supported_parameters=NATIVE))
    answer = await ask(world, plugins=[{**WEB, **plugin}])
    assert [each.service for each in served.requests] == [plugin.get("engine", "exa")]
    ((_, sent),) = world.upstream.calls
    assert "web_search_options" not in sent.parameters
    domains = {each["url"].split("/")[2] for each in cited(answer.json, "chat")}
    if "include_domains" in plugin:
        assert domains == {"docs.example.com", "shop.example.com"}


async def test_a_search_runs_once_however_many_endpoints_are_tried(plugged: Plugged, served: PluginServer) -> None:
    world = World({"one": [[failure(503)]], "two": [text("Hi")]}, endpoint(), endpoint("two"), plugins=plugged)
    answer = await ask(world, plugins=[WEB], provider={"order": ["one", "two"]})
    assert (answer.status, len(world.upstream.calls), len(served.requests)) == (200, 2, 1)
    assert round(answer.json["usage"]["cost_details"]["server_tool_cost"] * 1e9) == EXA_NANO_USD


@pytest.mark.parametrize("stream", [True, False])
async def test_what_the_cache_has_is_not_searched_for_again(
    stream: bool, plugged: Plugged, served: PluginServer
) -> None:
    world = world_of(plugged)
    find = AnswerFromCache(InMemoryCachedAnswers(), world.ledger, lambda _: None)
    client = Client(world, find_answer=find)
    body = {"model": MODEL, "messages": [{"role": "user", "content": ASKED}], "plugins": [WEB], "stream": stream}
    first, again = [await client.post(body, headers={"x-openrouter-cache": "true"}) for _ in range(2)]
    assert again.headers["x-openrouter-cache-status"] == "HIT"
    told, repeated = (whole(each, "chat", stream=stream) for each in (first, again))
    assert cited(repeated, "chat") == cited(told, "chat")
    assert (repeated["usage"]["cost"], "server_tool_use" in repeated["usage"]) == (0, False)
    assert len(served.requests) == 1


async def test_what_a_search_takes_says_nothing_of_the_endpoint(plugged: Plugged) -> None:
    world = world_of(plugged)
    await ask(world, plugins=[WEB], stream=True)
    (attempt,) = world.attempts
    # The search is an exchange over HTTP; the scripted provider answers at once.
    assert attempt.outcome == "ok"
    assert attempt.first_content_ms is not None
    assert attempt.first_content_ms <= 5


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("skin", SKINS)
@pytest.mark.parametrize("mishap", [401, 500, "junk"])
async def test_a_search_that_fails_ends_the_request_at_no_cost(
    mishap: Mishap, skin: str, stream: bool, plugged: Plugged, served: PluginServer
) -> None:
    world = world_of(plugged)
    served.mishaps.append(mishap)
    answer = await ask(world, skin, stream=stream, plugins=[WEB])
    assert answer.status == 503
    assert "The search engine exa" in answer.json["error"]["message"]
    assert b"word-of-the-test" not in answer.body
    assert world.upstream.calls == []
    assert len(plugged.failures) == 1
    world.settle()
    ((record, answered),) = world.sent_events()
    assert (answered, record.search_cost, record.search_engine) == (False, 0, None)
    assert world.ledger.get_balance(ACCOUNT).available == 5_000_000_000


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_that_fails_costs_no_search_either(stream: bool, plugged: Plugged) -> None:
    world = World({"one": [[failure(500)]]}, endpoint(), plugins=plugged, credit_usd="5")
    answer = await ask(world, stream=stream, plugins=[WEB])
    assert answer.status == 502
    world.settle()
    ((record, answered),) = world.sent_events()
    assert (answered, record.search_cost) == (False, EXA_NANO_USD)
    assert world.ledger.get_balance(ACCOUNT).available == 5_000_000_000


async def test_an_answer_that_breaks_off_costs_no_search_either(plugged: Plugged) -> None:
    broken = UpstreamError("one", "It broke", upstream_status=200, error_type="provider_unavailable", retryable=True)
    script = [*text("Half of", finish=False, usage=None), replace(text("x")[0], content=None, error=broken)]
    world = World({"one": [script]}, endpoint(), plugins=plugged, credit_usd="5")
    answer = await ask(world, stream=True, plugins=[WEB])
    assert answer.events[-1]["usage"]["cost"] == 0
    assert b"annotations" not in answer.body
    world.settle()
    assert world.ledger.get_balance(ACCOUNT).available == 5_000_000_000


async def test_a_search_is_held_for(plugged: Plugged, served: PluginServer) -> None:
    # The model is free, and the account has less than a search costs.
    free = endpoint(pricing=Pricing(Decimal(0), Decimal(0)))
    world = world_of(plugged, free, credit_usd="0.006")
    refused = await ask(world, plugins=[WEB])
    assert (refused.status, served.requests) == (402, [])
    assert (await ask(world)).status == 200
    world = world_of(plugged, free, credit_usd="0.008")
    call = await ask(world, plugins=[WEB])
    assert call.status == 200
    assert world.ledger.get_balance(ACCOUNT).held == EXA_NANO_USD
    world.settle()
    assert world.ledger.get_balance(ACCOUNT).available == 1_000_000


async def test_what_is_held_for_a_search_pays_for_no_words(plugged: Plugged) -> None:
    # 2,048 tokens of the answer are held for, which are to last for 3,000; there is credit for a little more.
    long = [replace(text("x")[0], content="word " * 60) for _ in range(90)]
    world = World({"one": [long]}, endpoint(), plugins=plugged, credit_usd="0.0175", allowance_tokens=100)
    answer = await ask(world, stream=True, plugins=[{**WEB, "max_results": 1}])
    assert answer.events[-1]["error"]["code"] == 402
    world.settle()
    balance = world.ledger.get_balance(ACCOUNT)
    assert balance.held == 0
    assert 0 <= balance.available < 700_000
    # What came is paid for, and so is the search that it came of.
    assert balance.usage_total > EXA_NANO_USD + 9_000_000


async def test_more_results_than_a_search_includes_cost_more(plugged: Plugged) -> None:
    answer = await ask(world_of(plugged), plugins=[{**WEB, "max_results": 12}])
    assert round(answer.json["usage"]["cost_details"]["server_tool_cost"] * 1e9) == EXA_NANO_USD + 2_000_000
    assert len(cited(answer.json, "chat")) == 12


async def test_a_search_that_finds_nothing_is_a_search(plugged: Plugged) -> None:
    world = world_of(plugged)
    answer = await ask(world, content="nothing", plugins=[WEB])
    assert "annotations" not in answer.json["choices"][0]["message"]
    assert round(answer.json["usage"]["cost_details"]["server_tool_cost"] * 1e9) == EXA_NANO_USD
    assert world.upstream.calls[0][1].messages[0]["content"].endswith("Nothing was found.")


@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        ({"engine": "tavily"}, "this deployment has no key for tavily; its operator sets TAVILY_API_KEY, or choose"),
        ({"engine": "firecrawl"}, "there is no engine 'firecrawl' here; choose one of exa, brave, native"),
        ({"engine": "native", "include_domains": ["a.test"], "exclude_domains": ["b.test"]}, "takes either"),
        ({"max_results": 0}, "plugins.0.max_results"),
        ({"max_results": 21}, "plugins.0.max_results"),
        ({"include_domains": [""]}, "plugins.0.include_domains"),
    ],
)
async def test_what_cannot_be_searched_is_said(plugin: dict[str, Any], said: str, plugged: Plugged) -> None:
    answer = await ask(world_of(plugged), plugins=[{**WEB, **plugin}])
    assert answer.status == 400
    assert said in answer.json["error"]["message"]


async def test_a_search_that_keeps_to_no_domains_is_no_search_of_them(plugged: Plugged) -> None:
    world = world_of(plugged, replace(endpoint(), supported_parameters=frozenset({"web_search_options"})))
    answer = await ask(world, plugins=[{**WEB, "engine": "native", "include_domains": ["a.test"]}])
    assert answer.status == 404
    assert "a search by one cannot be kept to these domains" in answer.json["error"]["message"].lower()


async def test_without_an_engine_the_provider_has_to_search(served: PluginServer) -> None:
    bare = Plugged(served)
    answer = await ask(world_of(bare), plugins=[WEB])
    assert answer.status == 404
    assert "an operator who sets EXA_API_KEY" in answer.json["error"]["message"]
    named = await ask(world_of(bare), plugins=[{**WEB, "engine": "exa"}])
    assert named.status == 400
    assert "there is only native until the operator sets one of EXA_API_KEY" in named.json["error"]["message"]
    native = await ask(world_of(bare, endpoint(supported_parameters=NATIVE)), plugins=[WEB])
    assert native.status == 200
    await bare.aclose()


async def test_a_plugin_that_is_off_does_nothing(plugged: Plugged, served: PluginServer) -> None:
    off = [{"id": name, "enabled": False} for name in ("web", "moderation")]
    answer = await ask(world_of(plugged), content="[flag:hate]", plugins=off)
    assert (answer.status, served.requests) == (200, [])


PAPER = pdf("The answer is 42", "and the rest")
READS_FILES = endpoint(input_modalities=("text", "file"))


def document(skin: str, content: bytes = PAPER, name: str = "paper.pdf") -> Any:
    """What a user says of a file."""
    part = file_part(content, name)
    if skin == "chat":
        return [{"type": "text", "text": "What?"}, part]
    data = part["file"]["file_data"]
    if skin == "responses":
        return [
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "What?"},
                    {"type": "input_file", "filename": name, "file_data": data},
                ],
            }
        ]
    source = {"type": "base64", "media_type": "application/pdf", "data": data.partition(",")[2]}
    return [{"type": "text", "text": "What?"}, {"type": "document", "source": source, "title": name}]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("skin", SKINS)
async def test_a_model_that_reads_no_files_is_told_what_a_pdf_says(skin: str, stream: bool, plugged: Plugged) -> None:
    world = world_of(plugged)
    answer = await ask(world, skin, stream=stream, content=document(skin))
    content = whole(answer, skin, stream=stream)
    ((_, sent),) = world.upstream.calls
    assert [part["text"] for part in sent.messages[-1]["content"]] == [
        "What?",
        '<file name="paper.pdf">',
        "The answer is 42\n\nand the rest",
        "</file>",
    ]
    assert round(content["usage"]["cost"] * 1e9) == TOKENS_NANO_USD
    if skin == "chat":
        (annotation,) = content["choices"][0]["message"]["annotations"]
        assert annotation["type"] == "file"
        assert annotation["file"]["name"] == "paper.pdf"
        assert annotation["file"]["content"][1] == {"type": "text", "text": "The answer is 42\n\nand the rest"}


async def test_an_annotation_that_comes_back_saves_the_reading(plugged: Plugged) -> None:
    world = world_of(plugged)
    first = await ask(world, content=document("chat"))
    message = first.json["choices"][0]["message"]
    asked = [{"role": "user", "content": document("chat")}, message, {"role": "user", "content": "And then?"}]
    again = await Client(world).post({"model": MODEL, "messages": asked})
    assert again.status == 200
    assert plugged.reader.read == 1
    assert "annotations" not in again.json["choices"][0]["message"]
    sent = world.upstream.calls[1][1].messages
    assert sent[0]["content"][2]["text"] == "The answer is 42\n\nand the rest"

    other = pdf("Another one")
    asked[0] = {"role": "user", "content": document("chat", other)}
    await Client(world).post({"model": MODEL, "messages": asked})
    assert plugged.reader.read == 2


@pytest.mark.parametrize("stream", [True, False])
async def test_what_was_read_is_not_lost_with_the_answer(stream: bool, plugged: Plugged) -> None:
    world = World({"one": [[failure(500)]]}, endpoint(), plugins=plugged)
    answer = await ask(world, stream=stream, content=document("chat"))
    assert answer.status == 502
    (annotation,) = answer.json["error"]["metadata"]["file_annotations"]
    assert annotation["file"]["content"][1]["text"] == "The answer is 42\n\nand the rest"


async def test_the_same_file_is_read_once(plugged: Plugged) -> None:
    answer = await ask(world_of(plugged), content=[file_part(PAPER), file_part(PAPER, "copy.pdf"), file_part(pdf("b"))])
    assert plugged.reader.read == 2
    assert len(answer.json["choices"][0]["message"]["annotations"]) == 2


@pytest.mark.parametrize(("plugins", "reads"), [([], 0), ([{"id": "file-parser", "pdf": {"engine": "pdf-text"}}], 1)])
async def test_a_model_that_reads_files_gets_them_unless_text_is_asked_for(
    plugins: list[Any], reads: int, plugged: Plugged
) -> None:
    world = world_of(plugged, READS_FILES)
    answer = await ask(world, content=document("chat"), plugins=plugins)
    assert (answer.status, plugged.reader.read) == (200, reads)
    ((_, sent),) = world.upstream.calls
    kinds = [part["type"] for part in sent.messages[0]["content"]]
    assert kinds == (["text"] * 4 if reads else ["text", "file"])


async def test_endpoints_that_read_files_go_before_those_that_do_not(plugged: Plugged) -> None:
    cheap = endpoint("cheap", pricing=Pricing(Decimal("0.0000001"), Decimal("0.0000001")))
    world = world_of(plugged, cheap, replace(READS_FILES, provider="reader"))
    answer = await ask(world, content=document("chat"))
    assert (answer.json["provider"], plugged.reader.read) == ("Reader", 0)


async def test_another_model_that_reads_none_gets_the_text(plugged: Plugged) -> None:
    reader, other = replace(READS_FILES, provider="reader"), endpoint("other", "acme/other")
    world = World({"reader": [[failure()]], "other": [text("Hi")]}, reader, other, plugins=plugged)
    answer = await ask(world, content=document("chat"), models=["acme/other"])
    assert answer.status == 200
    kinds = [[part["type"] for part in sent.messages[0]["content"]] for _, sent in world.upstream.calls]
    assert kinds == [["text", "file"], ["text"] * 4]


async def test_a_file_that_cannot_be_read_keeps_nobody_from_who_can(plugged: Plugged) -> None:
    scanned = document("chat", pdf(streams=[b"q Q"]))
    reader, other = replace(READS_FILES, provider="reader"), endpoint("other", "acme/other")
    world = world_of(plugged, reader, other)
    assert (await ask(world, content=scanned, models=["acme/other"])).status == 200
    world = World({"reader": [[failure()]], "other": [text("Hi")]}, reader, other, plugins=plugged)
    answer = await ask(world, content=scanned, models=["acme/other"])
    assert (answer.status, len(world.upstream.calls)) == (400, 1)
    assert "a PDF cannot be read" in answer.json["error"]["message"]


@pytest.mark.parametrize(
    ("content", "plugins", "status", "said"),
    [
        (document("chat", pdf(streams=[b"q Q"])), [], 400, "messages: a PDF cannot be read: it has no text"),
        (document("chat", b"Hello"), [{"id": "file-parser", "pdf": {"engine": "mistral-ocr"}}], 400, "it is no PDF"),
        (document("chat"), [{"id": "file-parser", "pdf": {"engine": "native"}}], 404, "support file input"),
        (document("chat"), [{"id": "file-parser", "enabled": False}], 404, "support file input"),
        ([file_part(PAPER)] * 3, [{"id": "file-parser", "max_files": 2}], 400, "there are 3 files, and max_files is 2"),
        ([file_part(PAPER)] * 11, [], 400, "there are 11 files, and 10 are the most"),
        (document("chat", b"Hello"), [{"id": "file-parser"}], 400, "it is no PDF"),
        ([{"type": "file", "file": {"file_id": "file-1"}}], [], 404, "support file input"),
        ([{"type": "file", "file": {"file_data": "data:text/plain;base64,SGk="}}], [], 404, "support file input"),
        ([{"type": "file", "file": {"file_data": "https://127.0.0.1/a.pdf"}}], [], 400, "could not be fetched"),
    ],
)
async def test_what_cannot_be_read_is_said(
    content: Any, plugins: list[Any], status: int, said: str, plugged: Plugged
) -> None:
    world = world_of(plugged)
    answer = await ask(world, content=content, plugins=plugins)
    assert answer.status == status, answer.body
    assert said in answer.json["error"]["message"]
    assert world.ledger.get_balance(ACCOUNT).held == 0


OCR = {"id": "file-parser", "pdf": {"engine": "mistral-ocr"}}
SCANNED = pdf(streams=[b"q Q"] * 3)


@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("skin", SKINS)
async def test_scanned_pages_are_recognised_for_whoever_asks_and_charged(
    skin: str, stream: bool, reads: bool, plugged: Plugged
) -> None:
    world = world_of(plugged, *([READS_FILES] if reads else []))
    answer = await ask(world, skin, stream=stream, content=document(skin, SCANNED), plugins=[OCR])
    content = whole(answer, skin, stream=stream)
    ((_, sent),) = world.upstream.calls
    recognised = "\n\n".join(f"# Page {n}\n\nRecognised" for n in range(3))
    assert [part["text"] for part in sent.messages[-1]["content"]][2] == recognised
    usage = content["usage"]
    assert round(usage["cost"] * 1e9) == TOKENS_NANO_USD + 3 * PAGE_NANO_USD
    assert round(usage["cost_details"]["server_tool_cost"] * 1e9) == 3 * PAGE_NANO_USD
    world.settle()
    ((record, _),) = world.sent_events()
    assert (record.file_cost, record.search_cost, record.upstream_cost) == (3 * PAGE_NANO_USD, 0, TOKENS_NANO_USD)
    balance = world.ledger.get_balance(ACCOUNT)
    assert (balance.usage_total, balance.held) == (TOKENS_NANO_USD + 3 * PAGE_NANO_USD, 0)


async def test_what_was_recognised_is_not_paid_for_again(plugged: Plugged, served: PluginServer) -> None:
    world = world_of(plugged)
    asked = {"role": "user", "content": [*document("chat", SCANNED), file_part(SCANNED, "copy.pdf")]}
    body = {"model": MODEL, "plugins": [OCR], "messages": [asked]}
    first = await Client(world).post(body, headers={"x-openrouter-metadata": "enabled"})
    assert round(first.json["usage"]["cost_details"]["server_tool_cost"] * 1e9) == 3 * PAGE_NANO_USD
    (stage,) = first.json["openrouter_metadata"]["pipeline"]
    assert (stage["data"], stage["cost_usd"]) == ({"engine": "mistral-ocr", "files": 2}, 0.006)
    message = first.json["choices"][0]["message"]
    assert len(message["annotations"]) == 1

    again = await Client(world).post({**body, "messages": [asked, message, {"role": "user", "content": "?"}]})
    assert "server_tool_cost" not in again.json["usage"]["cost_details"]
    assert len(served.requests) == 1


async def test_recognition_is_held_for(plugged: Plugged, served: PluginServer) -> None:
    free = endpoint(pricing=Pricing(Decimal(0), Decimal(0)))
    poor = world_of(plugged, free, credit_usd="0.005")
    assert (await ask(poor, content=document("chat", SCANNED), plugins=[OCR])).status == 402
    assert served.requests == []
    world = world_of(plugged, free, credit_usd="0.007")
    assert (await ask(world, content=document("chat", SCANNED), plugins=[OCR])).status == 200
    assert world.ledger.get_balance(ACCOUNT).held == 3 * PAGE_NANO_USD


@pytest.mark.parametrize(
    ("mishap", "status"),
    [(401, 503), (429, 503), (500, 503), ("junk", 503), ("other", 503), ("cut", 503), (422, 400), (400, 400)],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_recognition_that_fails_costs_nothing(
    mishap: Mishap, status: int, stream: bool, plugged: Plugged, served: PluginServer
) -> None:
    world = world_of(plugged)
    served.mishaps.append(mishap)
    answer = await ask(world, content=document("chat", SCANNED), plugins=[OCR], stream=stream)
    assert answer.status == status
    assert "mistral-ocr" in answer.json["error"]["message"]
    assert [each.__context__ for each in plugged.failures] == [None] * (status == 503)
    world.settle()
    assert world.ledger.get_balance(ACCOUNT).available == 5_000_000_000


async def test_what_was_recognised_goes_with_an_answer_that_is_paid_for(plugged: Plugged) -> None:
    world = World({"one": [[failure(500)]]}, endpoint(), plugins=plugged, credit_usd="5")
    answer = await ask(world, content=document("chat", SCANNED), plugins=[OCR])
    assert answer.status == 502
    assert "file_annotations" not in answer.json["error"]["metadata"]
    world.settle()
    ((record, answered),) = world.sent_events()
    assert (record.file_cost, answered) == (3 * PAGE_NANO_USD, False)
    assert world.ledger.get_balance(ACCOUNT).available == 5_000_000_000


async def test_recognition_has_to_be_configured(served: PluginServer) -> None:
    bare = Plugged(served, recognises=False)
    answer = await ask(world_of(bare), content=document("chat", SCANNED), plugins=[OCR])
    assert answer.status == 400
    assert "its operator sets MISTRAL_API_KEY" in answer.json["error"]["message"]
    await bare.aclose()


async def test_a_long_text_is_held_for_and_has_to_fit(plugged: Plugged) -> None:
    long = document("chat", pdf("word " * 8_000))
    world = world_of(plugged, endpoint(context_length=100_000))
    await ask(world, content=long)
    # 40,000 characters are some 13,000 tokens, as holds count them.
    assert world.ledger.get_balance(ACCOUNT).held > 13_000 * 1_000
    short = await ask(world_of(plugged, endpoint(context_length=6_000)), content=long, transforms=[])
    assert (short.status, short.json["error"]["availability"]["excluded_by"]) == (400, ["context_length"])


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("skin", SKINS)
async def test_what_is_flagged_reaches_no_provider(skin: str, stream: bool, plugged: Plugged) -> None:
    world = world_of(plugged)
    said = f"[flag:harassment] [flag:violence] {'word ' * 40}of-the-test"
    answer = await ask(world, skin, stream=stream, content=said, plugins=[{"id": "moderation"}])
    assert answer.status == 403
    content = answer.json
    metadata = content["metadata"] if skin == "messages" else content["error"]["metadata"]
    assert metadata["reasons"] == ["harassment", "violence"]
    assert (metadata["provider_name"], metadata["model_slug"]) == ("One", MODEL)
    assert len(metadata["flagged_input"]) == 100
    assert metadata["flagged_input"].startswith("[flag:harassment]")
    assert metadata["flagged_input"].endswith("of-the-test")
    assert "of-the-test" not in content["error"]["message"]
    assert (world.upstream.calls, world.queue.events) == ([], [])
    balance = world.ledger.get_balance(ACCOUNT)
    assert (balance.available, balance.held) == (5_000_000_000, 0)


async def test_what_is_not_flagged_is_answered(plugged: Plugged, served: PluginServer) -> None:
    answer = await ask(world_of(plugged), plugins=[{"id": "moderation"}, WEB])
    assert answer.status == 200
    assert [each.service for each in served.requests] == ["moderation", "exa"]
    assert served.requests[0].content["input"] == [ASKED]


async def test_nothing_is_sent_unmoderated(plugged: Plugged, served: PluginServer) -> None:
    world = world_of(plugged)
    served.mishaps.append(500)
    answer = await ask(world, plugins=[{"id": "moderation"}])
    assert answer.status == 503
    assert "The moderation endpoint failed" in answer.json["error"]["message"]
    assert (world.upstream.calls, world.ledger.get_balance(ACCOUNT).held) == ([], 0)


async def test_moderation_has_to_be_configured(served: PluginServer) -> None:
    bare = Plugged(served, moderates=False)
    answer = await ask(world_of(bare), plugins=[{"id": "moderation"}])
    assert answer.status == 400
    assert "its operator sets OPENAI_API_KEY or MODERATION_API_KEY" in answer.json["error"]["message"]
    await bare.aclose()
