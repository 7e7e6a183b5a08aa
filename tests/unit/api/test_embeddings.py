"""`POST /embeddings` and `POST /rerank` through the ASGI app, with a scripted provider and the rest in memory."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from starlette.datastructures import Headers

from turnpike.api.embeddings.skin import parse_embeddings_request
from turnpike.domain.catalog import FixedCatalog
from turnpike.domain.chat import Usage
from turnpike.domain.embeddings import Embeddings
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.pricing import Pricing
from turnpike.domain.rerank import Ranked, Ranking

from tests.chat_client import Answer, Client
from tests.scenario import Script, World, endpoint, failure

pytestmark = pytest.mark.anyio


def client(gives: str, *scripts: Script, pricing: Pricing) -> Client:
    world = World({"one": list(scripts)}, endpoint(pricing=pricing))
    models = [
        replace(model, input_modalities=("text", "image"), output_modalities=(gives,)) for model in world.catalog.models
    ]
    world.catalog = FixedCatalog(models, world.catalog.providers)
    return Client(world)


async def embed(*scripts: Script, **members: Any) -> Answer:
    asked = client("embeddings", *scripts, pricing=Pricing(Decimal("0.000001"), image_token=Decimal("0.000003")))
    return await asked.post({"model": "acme/chat", "input": "Hello", **members}, path="/api/v1/embeddings")


async def test_embeddings_have_the_shape_that_clients_know() -> None:
    answer = await embed([Embeddings(["AACAPw==", "AAAAQA=="], Usage(7))], input=["a", "b"], encoding_format="base64")
    assert answer.status == 200
    assert answer.json == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": "AACAPw=="},
            {"object": "embedding", "index": 1, "embedding": "AAAAQA=="},
        ],
        "model": "acme/chat",
        "id": answer.headers["x-generation-id"],
        "provider": "One",
        "usage": {
            "prompt_tokens": 7,
            "total_tokens": 7,
            "cost": 0.000007,
            "is_byok": False,
            "cost_details": {
                "upstream_inference_cost": 0.000007,
                "upstream_inference_prompt_cost": 0.000007,
                "upstream_inference_completions_cost": 0.0,
            },
        },
    }


async def test_tokens_of_images_are_told_apart_and_have_their_price() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    answer = await embed([Embeddings([[1.0]], Usage(10, prompt_image_tokens=8))], input=[{"content": [image]}])
    usage = answer.json["usage"]
    assert usage["prompt_tokens_details"] == {"text_tokens": 2, "image_tokens": 8}
    assert usage["cost"] == (2 * 1 + 8 * 3) / 1_000_000


async def test_a_failure_is_told_as_chats_tell_theirs() -> None:
    answer = await embed([failure(503, error_type="provider_overloaded")])
    assert answer.status == 503
    error = answer.json["error"]
    assert (error["code"], error["metadata"]["error_type"]) == (503, "provider_overloaded")
    assert error["metadata"]["provider_name"] == "One"
    assert answer.headers["x-generation-id"]


async def test_a_ranking_repeats_the_documents() -> None:
    asked = client(
        "rerank",
        [Ranking([Ranked(1, 0.9), Ranked(0, 0.1)], Usage(search_units=1))],
        pricing=Pricing(request=Decimal("0.002")),
    )
    body = {"model": "acme/chat", "query": "q", "documents": ["a", {"text": "b"}]}
    answer = await asked.post(body, path="/v1/rerank")
    content = answer.json
    assert content["results"] == [
        {"index": 1, "relevance_score": 0.9, "document": {"text": "b"}},
        {"index": 0, "relevance_score": 0.1, "document": {"text": "a"}},
    ]
    assert (content["model"], content["provider"], content["id"]) == (
        "acme/chat",
        "One",
        answer.headers["x-generation-id"],
    )
    assert (content["usage"]["search_units"], content["usage"]["cost"]) == (1, 0.002)
    assert "total_tokens" not in content["usage"]


@pytest.mark.parametrize(
    ("given", "inputs"),
    [
        ("a", ["a"]),
        (["a", "b"], ["a", "b"]),
        ([1, 2], [[1, 2]]),
        ([[1], [2, 3]], [[1], [2, 3]]),
        ([{"content": [{"type": "text", "text": "a"}]}], [[{"type": "text", "text": "a"}]]),
    ],
)
def test_every_form_of_input_is_read(given: Any, inputs: Any) -> None:
    request = parse_embeddings_request({"model": "acme/embed", "input": given}, Headers())
    assert request.inputs == inputs


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (None, "input"),
        ({}, "input"),
        ([[]], "input.0"),
        ([1, "a"], "input.1"),
        (["a", 1], "input.1"),
        ([1, -1], "input.1"),
        ([True], "input.0"),
        ([1.5], "input.0"),
        ([[1], ["a"]], "input.1.0"),
        ([{"content": []}], "input.0.content"),
        ([{"content": [{"type": "text"}]}], "input.0.content.0.text"),
        ([{"content": [{"type": "sound"}]}], "input.0.content.0"),
        (["a", {"content": []}], "input.1"),
    ],
)
def test_what_is_wrong_is_named(given: Any, field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_embeddings_request({"model": "acme/embed", "input": given}, Headers())
    assert caught.value.field == field
