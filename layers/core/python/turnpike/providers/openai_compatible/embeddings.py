"""OpenAI's embeddings, and those of everyone who copied them.

https://platform.openai.com/docs/api-reference/embeddings/create
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Usage
from turnpike.domain.embeddings import EmbeddingRequest, Embeddings, Vector, parts_in
from turnpike.domain.errors import InvalidRequest, UpstreamError
from turnpike.ports.wires import Reply
from turnpike.providers.failures import failure_in_answer, parse_failure
from turnpike.providers.request import ProviderRequest
from turnpike.providers.vectors import Json, count_of, read_embeddings, usage_of, vector_of

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
        return parse_embeddings(self.provider, replies, request)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return parse_failure(self.provider, status, headers, body)


def build_body(request: EmbeddingRequest, endpoint: Endpoint, *, gives_base64: bool) -> dict[str, Any]:
    """Raises InvalidRequest for what is neither text nor tokens."""
    for place, each in enumerate(request.inputs):
        if parts_in(each):
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


def parse_embeddings(provider: str, replies: Sequence[Reply], request: EmbeddingRequest) -> Embeddings:
    """Raises UpstreamError where they have not a vector for each input, or are an error with status 200."""

    def read(body: Json, _: Reply) -> tuple[Sequence[Vector], Usage | None]:
        if body.get("error"):
            raise failure_in_answer(provider, body["error"])
        # By their index, in which nearly everyone answers anyway.
        data = sorted(enumerate(body["data"]), key=lambda pair: pair[1].get("index", pair[0]))
        counted = body.get("usage") or {}
        # Some count the total alone.
        tokens = count_of(counted.get("prompt_tokens")) or count_of(counted.get("total_tokens"))
        return [vector_of(each["embedding"]) for _, each in data], usage_of(tokens)

    return read_embeddings(provider, replies, request, read)


def build_adapter(provider: str) -> OpenAICompatibleEmbeddings:
    return OpenAICompatibleEmbeddings(provider)
