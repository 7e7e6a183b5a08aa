"""`provider.options`: as they are merged, and as they are sent."""

from dataclasses import replace
from typing import Any

import httpx2
import orjson
import pytest

from turnpike.domain.catalog import Endpoint, Provider
from turnpike.domain.chat import ChatRequest, ProviderPreferences
from turnpike.domain.pricing import Pricing
from turnpike.providers.options import with_options
from turnpike.providers.upstream import HttpUpstream

BODY: dict[str, Any] = {"model": "m", "messages": [1], "generationConfig": {"maxOutputTokens": 5, "topK": 1}}


def test_objects_are_merged_and_the_rest_is_replaced() -> None:
    merged = with_options(BODY, {"generationConfig": {"topK": 9, "mediaResolution": "LOW"}, "safe": [1], "extra": {}})
    assert merged == {
        "model": "m",
        "messages": [1],
        "generationConfig": {"maxOutputTokens": 5, "topK": 9, "mediaResolution": "LOW"},
        "safe": [1],
        "extra": {},
    }
    assert BODY["generationConfig"] == {"maxOutputTokens": 5, "topK": 1}


@pytest.mark.parametrize(
    "options",
    [
        {"model": "dearer"},
        {"messages": []},
        {"stream": True, "n": 8},
        {"max_tokens": 10**6},
        {"generationConfig": {"maxOutputTokens": 10**6, "candidateCount": 8}},
        {"service_tier": "priority", "tools": [{"type": "web_search"}]},
    ],
)
def test_what_routing_and_billing_rely_on_stays(options: dict[str, Any]) -> None:
    assert with_options(BODY, options) == BODY


class Wire(httpx2.AsyncBaseTransport):
    """Keeps what it was to send, and answers."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.bodies.append(orjson.loads(request.content))
        answer = {"id": "c1", "choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}
        return httpx2.Response(200, json=answer)


@pytest.mark.anyio
async def test_only_those_of_the_provider_that_is_asked_are_sent() -> None:
    wire = Wire()
    providers = [
        Provider(slug, name, "openai_compatible", "") for slug, name in (("acme", "Acme"), ("other", "Big AI"))
    ]
    upstream = HttpUpstream(providers, {}, transport=wire)
    options: dict[str, dict[str, Any]] = {"acme": {"top_secret": 1, "temperature": 0.5}, "big ai": {"loud": True}}
    request = ChatRequest(("acme/chat",), [{"role": "user", "content": "Hi"}], {"temperature": 1})
    asked = replace(request, provider=ProviderPreferences(options=options))
    endpoint = Endpoint("acme/chat", "acme", "chat-1", "http://acme.test/v1", Pricing(), 1000)
    await upstream.complete(asked, endpoint)
    await upstream.complete(asked, replace(endpoint, provider="other"))
    await upstream.complete(request, endpoint)
    await upstream.aclose()
    first, second, without = wire.bodies
    assert (first["top_secret"], first["temperature"], first["model"]) == (1, 0.5, "chat-1")
    assert "loud" not in first
    assert second["loud"] is True
    assert "top_secret" not in second
    assert "top_secret" not in without
