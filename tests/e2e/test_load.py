"""Five hundred requests, sixteen at a time: none is lost, and none is billed twice."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from openai import AsyncOpenAI

from tests.e2e.asking import http_client, nano, user
from tests.e2e.run import Run, eventually

REQUESTS, AT_ONCE = 500, 16


@pytest.fixture(scope="module")
def management_http(ledger_run: Run) -> Iterator[httpx2.Client]:
    with http_client(ledger_run.base_url, ledger_run.management_key) as client:
        yield client


@pytest.fixture(scope="module")
def limited(management_http: httpx2.Client) -> Any:
    """A key with a limit, of which it will have used what it spent and no more."""
    return management_http.post("/keys", json={"name": "Load", "limit": 5}).json()


async def ask_all(base_url: str, keys: list[str]) -> dict[str, int]:
    """What each response says it costs, by its generation's id."""
    numbers = iter(range(REQUESTS))
    costs: dict[str, int] = {}

    async def work(clients: list[AsyncOpenAI]) -> None:
        for number in numbers:
            client = clients[number // 2 % len(clients)]
            answer = await (ask_streamed(client) if number % 2 else ask(client))
            assert answer.id not in costs
            costs[answer.id] = nano(answer.usage.cost)

    # Without retries: a request that fails is to be seen, not repeated.
    async with (
        AsyncOpenAI(base_url=base_url, api_key=keys[0], max_retries=0) as one,
        AsyncOpenAI(base_url=base_url, api_key=keys[1], max_retries=0) as other,
    ):
        await asyncio.gather(*(work([one, other]) for _ in range(AT_ONCE)))
    return costs


async def ask(client: AsyncOpenAI) -> Any:
    return await client.chat.completions.create(model="demo/chat", messages=user())


async def ask_streamed(client: AsyncOpenAI) -> Any:
    """The last chunk, which has the usage."""
    async with await client.chat.completions.create(model="demo/chat", messages=user(), stream=True) as stream:
        return [chunk async for chunk in stream][-1]


def test_none_is_lost_and_none_is_billed_twice(ledger_run: Run, management_http: httpx2.Client, limited: Any) -> None:
    def usage() -> int:
        return nano(management_http.get("/credits").json()["data"]["total_usage"])

    def charged_for(generation_id: str) -> int:
        def find() -> Any:
            return management_http.get("/generation", params={"id": generation_id}).json().get("data")

        # Sixteen at a time are faster than one metering function, which has a queue to work through.
        return nano(eventually(find, within_s=30)["total_cost"])

    before = usage()
    costs = asyncio.run(ask_all(ledger_run.base_url, [ledger_run.api_key, limited["key"]]))

    assert len(costs) == REQUESTS
    assert {generation_id: charged_for(generation_id) for generation_id in costs} == costs
    assert usage() - before == sum(costs.values()) > 0
    key = management_http.get(f"/keys/{limited['data']['hash']}").json()["data"]
    assert nano(key["usage"]) > 0
    assert nano(key["limit"]) - nano(key["limit_remaining"]) == nano(key["usage"])
