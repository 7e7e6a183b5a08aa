"""OpenAI's embeddings, and those of everyone who copied them.

https://platform.openai.com/docs/api-reference/embeddings/create
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Usage
from turnpike.domain.embeddings import EmbeddingRequest, Embeddings, Vector
from turnpike.domain.errors import InvalidRequest, UpstreamError
from turnpike.domain.vectors import encode
from turnpike.ports import Reply
from turnpike.providers.failures import failure_in_answer, parse_failure, unreadable
from turnpike.providers.request import ProviderRequest

Json = Mapping[str, Any]

_GIVES_BASE64 = frozenset({"azure", "openai"})
"""Providers that are asked for base64 where the client wants it, a quarter of the bytes: few copies know the parameter,
and their floats are turned into it."""


@dataclass(frozen=True, slots=True)
class OpenAICompatibleEmbeddings:
    provider: str

    def build_requests(self, request: EmbeddingRequest, endpoint: Endpoint, api_key: str) -> Sequence[ProviderRequest]:
        return [
            ProviderRequest(
                url=f"{endpoint.base_url.rstrip('/')}/embeddings",
                headers={"authorization": f"Bearer {api_key}", "content-type": "application/json"},
                body=build_body(request, endpoint, gives_base64=self.provider in _GIVES_BASE64),
            )
        ]

    def parse_replies(self, replies: Sequence[Reply], request: EmbeddingRequest, endpoint: Endpoint) -> Embeddings:
        return parse_embeddings(self.provider, replies[0].body, request)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return parse_failure(self.provider, status, headers, body)


def build_body(request: EmbeddingRequest, endpoint: Endpoint, *, gives_base64: bool) -> dict[str, Any]:
    """Raises InvalidRequest for what is neither text nor tokens."""
    for place, each in enumerate(request.inputs):
        if not isinstance(each, str) and any(isinstance(part, Mapping) for part in each):
            raise InvalidRequest("this model's provider takes texts and tokens alone", field=f"input.{place}")
    body: dict[str, Any] = {"model": endpoint.upstream_model, "input": list(request.inputs)}
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    if request.encoding == "base64" and gives_base64:
        body["encoding_format"] = "base64"
    if request.input_type is not None and "input_type" in endpoint.supported_parameters:
        # Not OpenAI's own; NVIDIA's and others' that the catalog knows of.
        body["input_type"] = request.input_type
    if request.user is not None and "user" in endpoint.supported_parameters:
        body["user"] = request.user
    return body


def parse_embeddings(provider: str, body: bytes, request: EmbeddingRequest) -> Embeddings:
    """Raises UpstreamError when the body has not a vector for each input, or is an error with status 200."""
    try:
        answer = orjson.loads(body)
        if answer.get("error"):
            raise failure_in_answer(provider, answer["error"])
        data = answer["data"]
        # By their index, in which nearly everyone answers anyway.
        ordered = sorted(enumerate(data), key=lambda pair: pair[1].get("index", pair[0]))
        vectors = [encode(_vector_of(each), request.encoding) for _, each in ordered]
        usage = _usage_of(answer.get("usage"))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        # Not JSON, or a member of a type that nothing could be made of.
        raise unreadable(provider, "The provider sent something that is no answer") from None
    if len(vectors) != len(request.inputs):
        raise unreadable(provider, "The provider sent another number of embeddings than was asked for")
    return Embeddings(vectors, usage, answer.get("id"))


def _vector_of(given: Json) -> Vector:
    vector = given["embedding"]
    if not isinstance(vector, str | list):
        raise TypeError
    return vector


def _usage_of(given: Json | None) -> Usage | None:
    """Some count the total alone; what there is of tokens has all been read."""
    if not given:
        return None
    tokens = given.get("prompt_tokens") or given.get("total_tokens")
    return Usage(prompt_tokens=int(tokens)) if isinstance(tokens, int | float) and 0 < tokens < 1e12 else None


def build_adapter(provider: str) -> OpenAICompatibleEmbeddings:
    return OpenAICompatibleEmbeddings(provider)
