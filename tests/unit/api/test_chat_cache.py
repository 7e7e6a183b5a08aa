"""The response cache, seen by a client of POST /chat/completions."""

from typing import Any

import pytest

from turnpike.domain.chat import Delta
from turnpike.services.response_cache import AnswerFromCache

from tests.chat_client import HELLO, Answer, Client
from tests.fake_stores import InMemoryCachedAnswers
from tests.scenario import ACCOUNT, World, failure, text

pytestmark = pytest.mark.anyio

ON = {"x-openrouter-cache": "true"}


class CachingClient(Client):
    """`now_s` is the cache's clock."""

    def __init__(self, *scripts: Any) -> None:
        world = World({"one": list(scripts or [text("Hel", "lo")])})
        self.answers = InMemoryCachedAnswers()
        self.now_s = 1_795_521_600.0
        find = AnswerFromCache(self.answers, world.ledger, lambda _: None, now=lambda: self.now_s)
        super().__init__(world, find_answer=find)

    async def ask(self, **headers: str) -> Answer:
        return await self.post(HELLO, headers={**ON, **headers})

    async def stream(self, **headers: str) -> Answer:
        return await self.post({**HELLO, "stream": True}, headers={**ON, **headers})


def without_what_is_its_own(content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name not in ("id", "created", "usage")}


async def test_a_second_request_is_answered_for_nothing() -> None:
    client = CachingClient()
    first = await client.ask()
    client.now_s += 12
    second = await client.ask()

    assert len(client.world.upstream.calls) == 1
    assert (first.headers["x-openrouter-cache-status"], first.headers["x-openrouter-cache-ttl"]) == ("MISS", "300")
    assert second.headers["x-openrouter-cache-status"] == "HIT"
    assert (second.headers["x-openrouter-cache-age"], second.headers["x-openrouter-cache-ttl"]) == ("12", "288")
    assert second.headers["x-openrouter-cache-source-id"] == first.json["id"] == first.headers["x-generation-id"]
    assert second.json["id"] == second.headers["x-generation-id"] != first.json["id"]
    assert second.json["created"] == int(client.now_s)
    assert without_what_is_its_own(second.json) == without_what_is_its_own(first.json)
    usage = second.json["usage"]
    assert first.json["usage"]["total_tokens"] == 15
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"], usage["cost"]) == (0, 0, 0, 0)
    assert len(client.world.queue.events) == 1
    assert client.world.ledger.find_generation(ACCOUNT, second.json["id"]) is not None


async def test_a_stream_is_replayed_with_the_same_chunks() -> None:
    client = CachingClient([Delta(reasoning="Hm"), *text("Hel", "lo")])
    first, second = await client.stream(), await client.stream()

    assert second.headers["content-type"] == first.headers["content-type"]
    assert second.headers["x-openrouter-cache-status"] == "HIT"
    assert [without_what_is_its_own(event) for event in second.events] == [
        without_what_is_its_own(event) for event in first.events
    ]
    assert {event["id"] for event in second.events} == {second.headers["x-generation-id"]}
    assert second.events[-1]["usage"]["total_tokens"] == 0
    assert len(client.world.upstream.calls) == 1
    # Streamed and whole answers are kept apart.
    assert (await client.ask()).headers["x-openrouter-cache-status"] == "MISS"


async def test_what_the_client_did_not_want_to_see_is_not_replayed_either() -> None:
    client = CachingClient([Delta(reasoning="Let me see"), *text("Hi")])
    for stream in (True, False):
        body = {**HELLO, "stream": stream, "reasoning": {"exclude": True}}
        await client.post(body, headers=ON)
        assert b"Let me see" not in (await client.post(body, headers=ON)).body


async def test_metadata_is_for_requests_that_were_routed() -> None:
    client = CachingClient()
    wants = {"x-openrouter-metadata": "enabled"}
    for ask in (client.ask, client.stream):
        assert b"openrouter_metadata" in (await ask(**wants)).body
        assert b"openrouter_metadata" not in (await ask(**wants)).body


@pytest.mark.parametrize("headers", [{}, {"x-openrouter-cache": "false"}, {"x-openrouter-cache-clear": "true"}])
async def test_who_does_not_ask_for_it_meets_no_cache(headers: dict[str, str]) -> None:
    client = CachingClient()
    await client.ask()
    called = list(client.answers.calls)
    for _ in range(2):
        answer = await client.post(HELLO, headers=headers)
        assert not [name for name in answer.headers if name.startswith("x-openrouter-cache")]
    assert client.answers.calls == called
    assert len(client.world.upstream.calls) == 3


async def test_time_and_clearing_end_it() -> None:
    client = CachingClient()
    assert (await client.ask(**{"x-openrouter-cache-ttl": "60abc"})).headers["x-openrouter-cache-ttl"] == "60"
    client.now_s += 60
    assert (await client.ask()).headers["x-openrouter-cache-status"] == "MISS"
    assert (await client.ask(**{"x-openrouter-cache-clear": "true"})).headers["x-openrouter-cache-status"] == "MISS"
    assert (await client.ask()).headers["x-openrouter-cache-status"] == "HIT"
    assert len(client.world.upstream.calls) == 3


@pytest.mark.parametrize("stream", [True, False])
async def test_a_failure_is_not_kept_and_says_nothing_of_the_cache(stream: bool) -> None:
    client = CachingClient([failure(500)], text("Hi"))
    failed = await client.post({**HELLO, "stream": stream}, headers=ON)
    assert failed.status == 502
    assert "x-openrouter-cache-status" not in failed.headers
    good = await client.post({**HELLO, "stream": stream}, headers=ON)
    assert (good.status, good.headers["x-openrouter-cache-status"]) == (200, "MISS")


async def test_a_stream_that_broke_off_is_not_kept() -> None:
    client = CachingClient([Delta(content="Hi"), Delta(error=failure(500))], text("Hi"))
    await client.stream()
    assert (await client.stream()).headers["x-openrouter-cache-status"] == "MISS"
    assert (await client.stream()).headers["x-openrouter-cache-status"] == "HIT"
