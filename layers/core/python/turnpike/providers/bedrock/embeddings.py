"""Embeddings at Bedrock: Amazon's Titan and Cohere's models, asked by InvokeModel, each in its own form.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Usage
from turnpike.domain.embeddings import EmbeddingRequest, Embeddings, Vector
from turnpike.domain.errors import UpstreamError
from turnpike.domain.operation import parts_of
from turnpike.ports.wires import Reply
from turnpike.providers.bedrock.errors import parse_error_answer
from turnpike.providers.bedrock.invoke import invoke
from turnpike.providers.cohere_inputs import MOST_AT_ONCE, build_inputs, read_vectors
from turnpike.providers.request import ProviderRequest
from turnpike.providers.vectors import Json, count_of, one_by_one, read_embeddings, usage_of, vector_of


@dataclass(frozen=True, slots=True)
class BedrockEmbeddings:
    provider: str

    def build_requests(self, request: EmbeddingRequest, endpoint: Endpoint, api_key: str) -> Sequence[ProviderRequest]:
        """Raises InvalidRequest."""
        if _is_cohere(endpoint):
            bodies = [build_inputs(some, request) for some in parts_of(request.inputs, MOST_AT_ONCE)]
        else:
            bodies = _titan_bodies(request)
        return [invoke(endpoint, api_key, body) for body in bodies]

    def parse_replies(self, replies: Sequence[Reply], request: EmbeddingRequest, endpoint: Endpoint) -> Embeddings:
        def read(body: Json, reply: Reply) -> tuple[Sequence[Vector], Usage | None]:
            vectors = read_vectors(body) if _is_cohere(endpoint) else [vector_of(body["embedding"])]
            # Cohere's bodies do not count, but the headers of every answer do.
            told = reply.headers.get("x-amzn-bedrock-input-token-count", "")
            header = int(told) if told.isascii() and told.isdigit() else 0
            return vectors, usage_of(count_of(body.get("inputTextTokenCount")) or count_of(header))

        return read_embeddings(self.provider, replies, request, read)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return parse_error_answer(self.provider, status, headers, body)


def _is_cohere(endpoint: Endpoint) -> bool:
    """By the name: `cohere.embed-v4:0`, `us.cohere.embed-v4:0`."""
    return "cohere." in endpoint.upstream_model


def _titan_bodies(request: EmbeddingRequest) -> list[dict[str, Any]]:
    more = {} if request.dimensions is None else {"dimensions": request.dimensions}
    return [{"inputText": text, **more} for text in one_by_one(request.texts)]


def build_adapter(provider: str) -> BedrockEmbeddings:
    return BedrockEmbeddings(provider)
