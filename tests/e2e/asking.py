"""Requests as the tests make them, and the arithmetic that they are checked against."""

import json
from typing import Any

import httpx2

from tests.e2e.run import MARK

NANO_PER_USD = 1_000_000_000
# Of demo/chat, per token.
PROMPT_NANO_USD, COMPLETION_NANO_USD = 150, 600

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": f"The weather in a city. {MARK}",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "note": {"type": "string"},
                "days": {"type": "integer", "minimum": 2},
            },
            "required": ["city", "note", "days"],
            "additionalProperties": False,
        },
    },
}


def http_client(base_url: str, api_key: str) -> httpx2.Client:
    return httpx2.Client(base_url=base_url, headers={"authorization": f"Bearer {api_key}"}, timeout=30, trust_env=False)


def user(text: str = "Hello") -> Any:
    """Messages of one turn. `Any`, since every SDK has its own type for them."""
    return [{"role": "user", "content": f"{text} {MARK}"}]


def chat(model: str = "demo/chat", text: str = "Hello", **members: Any) -> dict[str, Any]:
    """A body of `POST /chat/completions`."""
    return {"model": model, "messages": user(text), **members}


def nano(usd: float) -> int:
    """Amounts on the wire are exact to the nano-dollar, as JSON numbers in USD."""
    assert abs(usd * NANO_PER_USD - round(usd * NANO_PER_USD)) < 0.001
    return round(usd * NANO_PER_USD)


def price(usage: Any) -> int:
    """What demo/chat costs, in nano-USD, by the usage in a response of any SDK."""
    return int(usage.prompt_tokens * PROMPT_NANO_USD + usage.completion_tokens * COMPLETION_NANO_USD)


def events_of(text: str) -> list[str]:
    """The events of a complete stream: each the text between two empty lines."""
    *events, rest = text.split("\n\n")
    assert rest == ""
    return events


def chunks_of(text: str) -> list[Any]:
    """The chunks of a complete stream, without comments."""
    events = [event for event in events_of(text) if not event.startswith(":")]
    assert events.pop() == "data: [DONE]"
    return [json.loads(event.removeprefix("data: ")) for event in events]


def error_of(response: httpx2.Response, status: int) -> Any:
    """The error of a refused request, whose envelope is checked."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert set(body) == {"error"}
    error = body["error"]
    assert error["code"] == status
    assert error["message"]
    assert error["metadata"]["error_type"]
    return error


def generation(client: httpx2.Client, generation_id: str) -> Any:
    """The record of a request, which must be readable at once."""
    response = client.get("/generation", params={"id": generation_id})
    assert response.status_code == 200, response.text
    return response.json()["data"]
