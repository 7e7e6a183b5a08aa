"""Search engines over real HTTP, against one of each on loopback."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from turnpike.domain.web_search import Query, SearchFailed
from turnpike.providers.search.engine import ENGINES, HttpSearchEngine
from turnpike.providers.search.requests import SearchRequest
from turnpike.providers.transport import PooledTransport

from tests.plugin_server import KEY, Mishap, PluginServer

pytestmark = pytest.mark.anyio

QUESTION = "what happened to the word-of-the-test"


def engine(
    name: str, transport: PooledTransport, url: str, *, key: str = KEY, within_s: float = 5
) -> tuple[HttpSearchEngine, list[SearchFailed]]:
    told: list[SearchFailed] = []
    made = HttpSearchEngine(
        name, transport, api_key=key, base_url=f"{url}/{name}/", on_failure=told.append, within_s=within_s
    )
    return made, told


@pytest.mark.parametrize("name", ENGINES)
async def test_what_an_engine_finds(name: str, server: PluginServer, transport: PooledTransport) -> None:
    search, told = engine(name, transport, server.url)
    found = await search(Query(QUESTION, 3))
    assert [each.url for each in found] == [
        "https://docs.example.com/page/0",
        "https://example.org/page/1",
        "https://news.test/page/2",
    ]
    assert (found[1].title, found[1].text[:7]) == ("Page 1", "Fact 1.")
    assert told == []


@pytest.mark.parametrize("name", ENGINES)
async def test_an_engine_that_finds_nothing(name: str, server: PluginServer, transport: PooledTransport) -> None:
    assert await engine(name, transport, server.url)[0](Query("nothing", 5)) == []


PICKY = Query(QUESTION, 4, ("example.com", "*.test"), ("shop.example.com", "example.com/old"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "exa",
            {
                "query": QUESTION,
                "numResults": 4,
                "includeDomains": ["example.com", "*.test"],
                "excludeDomains": ["shop.example.com", "example.com/old"],
            },
        ),
        (
            "tavily",
            {
                "query": QUESTION,
                "max_results": 4,
                "include_domains": ["example.com", "*.test"],
                "exclude_domains": ["shop.example.com"],
            },
        ),
        ("brave", {"q": f"{QUESTION} -site:shop.example.com", "count": "20"}),
    ],
)
async def test_domains_are_told_as_far_as_an_engine_takes_them(
    name: str, expected: Mapping[str, Any], server: PluginServer, transport: PooledTransport
) -> None:
    await engine(name, transport, server.url)[0](PICKY)
    (asked,) = server.requests
    assert {member: asked.content[member] for member in expected} == expected


async def test_a_single_domain_is_an_operator_of_brave(server: PluginServer, transport: PooledTransport) -> None:
    await engine("brave", transport, server.url)[0](Query("q", 4, ("example.com",)))
    assert server.requests[0].content["q"] == "q site:example.com"


@pytest.mark.parametrize("name", ENGINES)
async def test_long_questions_are_cut_to_what_an_engine_takes(
    name: str, server: PluginServer, transport: PooledTransport
) -> None:
    # The server insists on the limits that the engines document.
    long = Query("some words " * 150, 2, (), tuple(f"{n}.some-quite-long-domain.example" for n in range(60)))
    assert len(await engine(name, transport, server.url)[0](long)) == (20 if name == "brave" else 2)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize(
    ("mishap", "said", "status"),
    [
        (401, "refused this deployment's key (HTTP 401); its operator has to look after", 401),
        (403, "refused this deployment's key (HTTP 403)", 403),
        (429, "failed (HTTP 429)", 429),
        (500, "failed (HTTP 500)", 500),
        ("junk", "sent what is no answer", 200),
        ("other", "sent what is no answer", 200),
        ("cut", "cannot be reached", None),
        ("large", "sent an answer that is too large", 200),
    ],
)
async def test_failures_are_told_without_what_was_asked(
    name: str, mishap: Mishap, said: str, status: int | None, server: PluginServer, transport: PooledTransport
) -> None:
    search, told = engine(name, transport, server.url)
    server.mishaps.append(mishap)
    with pytest.raises(SearchFailed) as caught:
        await search(Query(QUESTION, 3))
    error = caught.value
    assert error.message.startswith(f"The search engine {name} {said}")
    assert "Nothing was charged" in error.message
    assert (error.status, error.error_type, error.engine_status) == (503, "provider_unavailable", status)
    assert told == [error]
    assert error.__context__ is None
    assert KEY not in error.message
    assert "word-of-the-test" not in error.message


async def test_a_key_that_is_wrong_is_the_operators_concern(server: PluginServer, transport: PooledTransport) -> None:
    search, _ = engine("exa", transport, server.url, key="wrong")
    with pytest.raises(SearchFailed, match="EXA_API_KEY"):
        await search(Query(QUESTION, 3))


async def test_an_engine_that_is_not_there(transport: PooledTransport) -> None:
    search, _ = engine("tavily", transport, "http://127.0.0.1:1")
    with pytest.raises(SearchFailed, match="tavily cannot be reached"):
        await search(Query(QUESTION, 3))


async def test_an_engine_that_says_nothing(transport: PooledTransport) -> None:
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    silent = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with silent:
        port = silent.sockets[0].getsockname()[1]
        search, _ = engine("brave", transport, f"http://127.0.0.1:{port}", within_s=0.1)
        with pytest.raises(SearchFailed, match="brave did not answer in time"):
            await search(Query(QUESTION, 3))


def test_a_request_shows_nobody_its_key_or_its_question() -> None:
    for api in ENGINES.values():
        built = api.build_request(Query(QUESTION, 3), base_url="https://x.test", api_key=KEY)
        assert isinstance(built, SearchRequest)
        assert KEY not in repr(built)
        assert "word-of-the-test" not in repr(built)
