"""A server that is killed in the middle of its streams: the credit that it held comes back, and nothing is charged."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx2

from tests.e2e.asking import chat, http_client
from tests.e2e.deployment import Deployment
from tests.e2e.run import eventually

STREAMS = 20
ACCOUNT = "acct-crash"


def hang_on(url: str, api_key: str, began: threading.Semaphore) -> bool:
    """Read a stream until it breaks; whether it came to its end."""
    body = chat("demo/slow", stream=True)
    text = ""
    with (
        http_client(f"{url}/api/v1", api_key) as client,
        suppress(httpx2.TransportError),
        client.stream("POST", "/chat/completions", json=body) as response,
    ):
        for data in response.iter_text():
            if not text:
                began.release()
            text += data
    return "[DONE]" in text


def number(item: dict[str, Any], name: str) -> int:
    return int(item[name]["N"]) if name in item else 0


def states(items: list[dict[str, Any]]) -> Counter[str]:
    return Counter(item["state"]["S"] for item in items if item["sk"]["S"].startswith("HOLD#"))


def balance(items: list[dict[str, Any]]) -> dict[str, int]:
    [item] = [item for item in items if item["sk"]["S"] == "BALANCE"]
    return {name: number(item, name) for name in ("available", "held", "credits_total", "usage_total")}


def sum_of_entries(items: list[dict[str, Any]]) -> tuple[int, int]:
    """Of available and of held. A hold's own item is the entry of its making."""
    available = held = 0
    for item in items:
        if item["sk"]["S"].startswith("HOLD#"):
            available -= number(item, "amount_at_creation")
            held += number(item, "amount_at_creation")
        elif item["sk"]["S"].startswith("ENTRY#"):
            available += number(item, "available_delta")
            held += number(item, "held_delta")
    return available, held


def test_killed_in_the_middle_of_streams(parts: Deployment) -> None:
    api_key = parts.call("seed", ACCOUNT, "1")["api_key"]
    began = threading.Semaphore(0)

    with (
        parts.serving("serve_completions", TURNPIKE_HOLD_TTL_S="1") as (server, url),
        ThreadPoolExecutor(STREAMS) as threads,
    ):
        streams = [threads.submit(hang_on, url, api_key, began) for _ in range(STREAMS)]
        for _ in streams:
            assert began.acquire(timeout=20)
        server.kill()
        assert not any(stream.result() for stream in streams)

    items = parts.ledger_items(ACCOUNT)
    at_the_crash = balance(items)
    assert states(items) == {"pending": STREAMS}
    assert at_the_crash["held"] > 0
    assert (at_the_crash["available"], at_the_crash["held"]) == sum_of_entries(items)

    def is_over() -> bool:
        parts.call("run_upkeep")
        return "pending" not in states(parts.ledger_items(ACCOUNT))

    eventually(is_over)

    items = parts.ledger_items(ACCOUNT)
    assert states(items) == {"expired": STREAMS}
    assert balance(items) == {
        "available": 1_000_000_000,
        "held": 0,
        "credits_total": 1_000_000_000,
        "usage_total": 0,
    }
    assert sum_of_entries(items) == (1_000_000_000, 0)
    kinds = Counter(item["kind"]["S"] for item in items if "kind" in item)
    assert kinds == {"top_up": 1, "expire": STREAMS}
