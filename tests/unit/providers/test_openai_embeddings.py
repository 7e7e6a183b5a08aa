"""OpenAI's embeddings: what is sent, and how odd answers are read."""

from typing import Any

import orjson
import pytest

from turnpike.domain.catalog import Endpoint
from turnpike.domain.embeddings import EmbeddingRequest, Embeddings
from turnpike.domain.errors import InvalidRequest, UpstreamError
from turnpike.domain.pricing import Pricing
from turnpike.ports.wires import Reply
from turnpike.providers.openai_compatible.embeddings import OpenAICompatibleEmbeddings


def endpoint(*parameters: str) -> Endpoint:
    return Endpoint(
        "acme/embed", "openai", "embed-1", "https://api.test/v1/", Pricing(), 8192,
        supported_parameters=frozenset(parameters),
    )  # fmt: skip


def asked(*inputs: Any, **changes: Any) -> EmbeddingRequest:
    return EmbeddingRequest(models=("acme/embed",), inputs=inputs or ("Hello",), **changes)


def body(request: EmbeddingRequest, *parameters: str, provider: str = "openai") -> Any:
    [built] = OpenAICompatibleEmbeddings(provider).build_requests(request, endpoint(*parameters), "sk-secret")
    return built.body


def parse(content: Any, request: EmbeddingRequest | None = None) -> Embeddings:
    reply = Reply({}, content if isinstance(content, bytes) else orjson.dumps(content))
    return OpenAICompatibleEmbeddings("openai").parse_replies([reply], request or asked(), endpoint())


def test_the_least_request() -> None:
    [built] = OpenAICompatibleEmbeddings("openai").build_requests(asked("a", "b"), endpoint(), "sk-secret")
    assert built.url == "https://api.test/v1/embeddings"
    assert built.headers["authorization"] == "Bearer sk-secret"
    assert built.body == {"model": "embed-1", "input": ["a", "b"]}


def test_base64_is_asked_only_of_those_who_know_it() -> None:
    assert body(asked(encoding="base64"))["encoding_format"] == "base64"
    assert "encoding_format" not in body(asked(encoding="base64"), provider="together")
    assert "encoding_format" not in body(asked())


def test_what_the_endpoint_takes_is_sent_and_the_rest_is_not() -> None:
    request = asked(parameters={"dimensions": 8, "input_type": "search_query"}, user="ann")
    assert body(request) == {"model": "embed-1", "input": ["Hello"], "dimensions": 8}
    whole = body(request, "input_type", "user")
    assert (whole["input_type"], whole["user"]) == ("search_query", "ann")


def test_tokens_go_as_they_are_and_pictures_do_not() -> None:
    assert body(asked([1, 2], [3]))["input"] == [[1, 2], [3]]
    with pytest.raises(InvalidRequest, match=r"input\.1: this model's provider takes texts and tokens alone"):
        body(asked("a", [{"type": "text", "text": "b"}]))


def test_vectors_are_in_the_order_of_their_index() -> None:
    data = [{"index": 1, "embedding": [1.0]}, {"index": 0, "embedding": [0.5]}]
    assert parse({"data": data}, asked("a", "b")).vectors == [[0.5], [1.0]]
    assert parse({"data": [{"embedding": [2.0]}, {"embedding": [3.0]}]}, asked("a", "b")).vectors == [[2.0], [3.0]]


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [({"prompt_tokens": 3, "total_tokens": 9}, 3), ({"total_tokens": 4}, 4), ({}, None), (None, None)],
)
def test_tokens_are_counted_as_far_as_anybody_says(usage: Any, tokens: int | None) -> None:
    found = parse({"data": [{"embedding": [1.0]}], "usage": usage}).usage
    assert (found.prompt_tokens if found else None) == tokens


@pytest.mark.parametrize(
    "content",
    [
        b"<html>",
        [],
        {},
        {"data": []},
        {"data": [{"embedding": []}]},
        {"data": [{"embedding": None}]},
        {"data": [{"embedding": "no base64"}]},
        {"data": [{"embedding": [1.0]}, {"embedding": [1.0]}]},
        {"error": {"message": "overloaded", "code": 503}},
    ],
)
def test_what_is_no_answer_is_tried_elsewhere(content: Any) -> None:
    with pytest.raises(UpstreamError) as caught:
        parse(content)
    assert caught.value.retryable
