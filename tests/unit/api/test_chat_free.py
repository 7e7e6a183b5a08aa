"""Free models and their limits, seen by a client of POST /chat/completions."""

from dataclasses import replace

import pytest

from turnpike.domain.catalog import Endpoint
from turnpike.domain.free_quota import FreeLimits
from turnpike.services.free_quota import CountFreeRequest

from tests.chat_client import HELLO, Answer, Client
from tests.fake_stores import InMemoryFreeQuota
from tests.scenario import World, endpoint, failure, text

pytestmark = pytest.mark.anyio

MIDNIGHT = 1_795_564_800
FREE, PAID = endpoint("one", "acme/chat:free"), endpoint("two", "acme/chat")


class LimitedClient(Client):
    """Free models answer twice a minute, four times a day."""

    def __init__(self, *endpoints: Endpoint, **scripts: object) -> None:
        world = World({"one": [text("Hi")], "two": [text("Hi")], **scripts}, *(endpoints or (FREE, PAID)))  # type: ignore[dict-item]
        self.quota = InMemoryFreeQuota()
        self.now_s = float(MIDNIGHT - 12 * 3600)
        limits = FreeLimits(per_minute=2, per_day=4, per_day_of_buyers=1000)
        count = CountFreeRequest(self.quota, world.ledger, limits, now=lambda: self.now_s)
        world.case = replace(world.case, count_free=count)
        super().__init__(world)

    async def ask(self, *models: str, stream: bool = False) -> Answer:
        return await self.post({**HELLO, "model": models[0], "models": list(models), "stream": stream})


@pytest.mark.parametrize("stream", [True, False])
async def test_too_many_a_minute_are_told_when_to_come_again(stream: bool) -> None:
    client = LimitedClient()
    client.now_s += 20
    for _ in range(2):
        answer = await client.ask("acme/chat:free", stream=stream)
        assert answer.status == 200
        assert not [name for name in answer.headers if name.startswith("x-ratelimit")]
    refused = await client.ask("acme/chat:free", stream=stream)

    assert refused.status == 429
    assert refused.headers["X-RateLimit-Limit".lower()] == "2"
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert refused.headers["x-ratelimit-reset"] == str((MIDNIGHT - 12 * 3600 + 60) * 1000)
    assert refused.headers["retry-after"] == "40"
    error = refused.json["error"]
    assert error["message"] == "Rate limit exceeded: free-models-per-min."
    assert error["metadata"]["error_type"] == "rate_limit_exceeded"
    assert error["metadata"]["headers"]["X-RateLimit-Limit"] == "2"
    # Nothing was held, and nobody asked.
    assert len(client.world.upstream.calls) == len(client.world.queue.events) == 2


async def test_failures_count() -> None:
    client = LimitedClient(one=[[failure(500)]])
    for _ in range(4):
        assert (await client.ask("acme/chat:free")).status == 502
        client.now_s += 60
    assert (await client.ask("acme/chat:free")).headers["retry-after"] == str(MIDNIGHT - int(client.now_s))


async def test_another_model_answers_when_free_ones_are_used_up() -> None:
    client = LimitedClient()
    models = [(await client.ask("acme/chat:free", "acme/chat")).json["model"] for _ in range(3)]
    assert models == ["acme/chat:free", "acme/chat:free", "acme/chat"]


async def test_a_free_fallback_is_counted_when_it_is_asked() -> None:
    client = LimitedClient(two=[text("Hi"), [failure(400, retryable=False)]])
    assert (await client.ask("acme/chat", "acme/chat:free")).json["model"] == "acme/chat"
    assert client.quota.writes == 0
    for _ in range(2):
        assert (await client.ask("acme/chat", "acme/chat:free")).json["model"] == "acme/chat:free"
    last = await client.ask("acme/chat", "acme/chat:free")
    assert (last.status, last.json["error"]["message"]) == (502, "It broke")


async def test_other_models_are_not_counted() -> None:
    client = LimitedClient()
    for _ in range(5):
        assert (await client.ask("acme/chat")).status == 200
    assert client.quota.writes == 0
