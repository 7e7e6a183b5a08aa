"""The ledger as a customer can check it: to the nano-dollar, and at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from openai import OpenAI, PermissionDeniedError
from openrouter import OpenRouter

from tests.e2e.asking import chat, chunks_of, error_of, generation, http_client, nano, user
from tests.e2e.run import Run, eventually

MODELS = ("demo/chat", "demo/chat:free", "demo/reasoning", "demo/fallback", "demo/midstream-error", "demo/down")


@pytest.fixture(scope="module")
def http(ledger_run: Run) -> Iterator[httpx2.Client]:
    with http_client(ledger_run.base_url, ledger_run.api_key) as client:
        yield client


@pytest.fixture(scope="module")
def manager(ledger_run: Run) -> Iterator[OpenRouter]:
    with OpenRouter(server_url=ledger_run.base_url, api_key=ledger_run.management_key) as client:
        yield client


@contextmanager
def limited_key(run: Run, manager: OpenRouter, limit: float) -> Iterator[tuple[httpx2.Client, Any]]:
    created = manager.api_keys.create(name="Limited", limit=limit)
    with http_client(run.base_url, created.key) as client:
        yield client, created
    manager.api_keys.delete(hash=created.data.hash)


def usage_of(manager: OpenRouter) -> int:
    return nano(manager.credits.get_credits().data.total_usage)


def test_total_usage_is_the_sum_of_all_costs(http: httpx2.Client, manager: OpenRouter) -> None:
    before = usage_of(manager)
    costs = {}
    for model in MODELS:
        for stream in (False, True):
            response = http.post("/chat/completions", json=chat(model, stream=stream))
            record = generation(http, response.headers["x-generation-id"])
            costs[record["id"]] = nano(record["total_cost"])

    assert len(costs) == 2 * len(MODELS)
    assert usage_of(manager) - before == sum(costs.values()) > 0


@pytest.mark.parametrize("stream", [False, True])
def test_cost_in_the_response_is_what_is_charged(http: httpx2.Client, manager: OpenRouter, stream: bool) -> None:
    before = usage_of(manager)
    response = http.post("/chat/completions", json=chat(stream=stream))
    usage = (chunks_of(response.text)[-1] if stream else response.json())["usage"]
    record = generation(http, response.headers["x-generation-id"])

    assert nano(usage["cost"]) == nano(record["total_cost"]) == usage_of(manager) - before


def test_client_that_hangs_up_pays_for_the_answer(http: httpx2.Client, manager: OpenRouter) -> None:
    """On Lambda nobody sees it hang up: the provider's answer goes on to its end, and is charged."""
    before = usage_of(manager)
    with http.stream("POST", "/chat/completions", json=chat("demo/slow", stream=True, max_tokens=10)) as response:
        generation_id = response.headers["x-generation-id"]

    record = eventually(lambda: http.get("/generation", params={"id": generation_id}).json().get("data"), within_s=10)
    assert record["tokens_completion"] == 10
    assert usage_of(manager) - before == nano(record["total_cost"]) > 0


def test_key_spends_up_to_its_limit(ledger_run: Run, manager: OpenRouter) -> None:
    # Enough for the first request's hold (prompt, and 100 tokens), not for a second one beside its cost.
    with limited_key(ledger_run, manager, 0.0001) as (client, created):
        body = chat(max_tokens=100)
        first = client.post("/chat/completions", json=body)
        cost = nano(generation(client, first.json()["id"])["total_cost"])
        key = client.get("/key").json()["data"]

        assert nano(key["usage"]) == nano(key["usage_daily"]) == cost > 0
        assert nano(key["limit_remaining"]) == 100_000 - cost
        refused = client.post("/chat/completions", json=chat(max_tokens=1000))
        error = error_of(refused, 403)
        assert error["message"].startswith("Key limit exceeded (total limit).")
        assert error["metadata"]["error_type"] == "permission_denied"
        # A refusal holds nothing: what still fits goes through.
        assert client.post("/chat/completions", json=body | {"max_tokens": 20}).status_code == 200
        assert nano(manager.api_keys.get(hash=created.data.hash).data.usage) >= cost


def test_limit_is_a_403_for_the_openai_sdk(ledger_run: Run, manager: OpenRouter) -> None:
    with (
        limited_key(ledger_run, manager, 0.000001) as (_, created),
        OpenAI(base_url=ledger_run.base_url, api_key=created.key) as client,
        pytest.raises(PermissionDeniedError) as caught,
    ):
        client.chat.completions.create(model="demo/chat", messages=user())

    assert "Key limit exceeded" in caught.value.message


def test_limited_key_still_uses_what_is_free(ledger_run: Run, manager: OpenRouter) -> None:
    with limited_key(ledger_run, manager, 0) as (client, _):
        assert client.post("/chat/completions", json=chat("demo/chat:free")).status_code == 200
        error_of(client.post("/chat/completions", json=chat()), 403)


def test_key_counts_what_it_spent_and_nothing_else(ledger_run: Run, http: httpx2.Client, manager: OpenRouter) -> None:
    with limited_key(ledger_run, manager, 1) as (client, created):
        mine = [client.post("/chat/completions", json=chat()).json()["id"] for _ in range(3)]
        generation(http, http.post("/chat/completions", json=chat()).json()["id"])
        costs = [nano(generation(client, each)["total_cost"]) for each in mine]

        assert nano(manager.api_keys.get(hash=created.data.hash).data.usage) == sum(costs)
