"""Cohere's embeddings. https://docs.cohere.com/v2/reference/embed"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Usage
from turnpike.domain.embeddings import EmbeddingRequest, Embeddings, Vector
from turnpike.domain.errors import UpstreamError
from turnpike.domain.operation import parts_of
from turnpike.ports.wires import Reply
from turnpike.providers.cohere.adapter import CohereAdapter
from turnpike.providers.cohere_inputs import MOST_AT_ONCE, build_inputs, read_vectors
from turnpike.providers.request import ProviderRequest
from turnpike.providers.vectors import Json, count_of, read_embeddings, usage_of


@dataclass(frozen=True, slots=True)
class CohereEmbeddings:
    provider: str

    def build_requests(self, request: EmbeddingRequest, endpoint: Endpoint, api_key: str) -> Sequence[ProviderRequest]:
        """Raises InvalidRequest for tokens, for an `input_type` that Cohere does not know, and for odd parts."""
        return [
            ProviderRequest(
                url=f"{endpoint.base_url.rstrip('/')}/embed",
                headers={"authorization": f"Bearer {api_key}", "content-type": "application/json"},
                body=_body(some, request, endpoint),
            )
            for some in parts_of(request.inputs, MOST_AT_ONCE)
        ]

    def parse_replies(self, replies: Sequence[Reply], request: EmbeddingRequest, endpoint: Endpoint) -> Embeddings:
        def read(body: Json, _: Reply) -> tuple[Sequence[Vector], Usage | None]:
            billed = (body.get("meta") or {}).get("billed_units") or {}
            images = count_of(billed.get("image_tokens"))
            return read_vectors(body), usage_of(count_of(billed.get("input_tokens")), image_tokens=images)

        return read_embeddings(self.provider, replies, request, read)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return CohereAdapter(self.provider).parse_error(status, headers, body)


def _body(inputs: Sequence[Any], request: EmbeddingRequest, endpoint: Endpoint) -> dict[str, Any]:
    return {"model": endpoint.upstream_model, **build_inputs(inputs, request)}


def build_adapter(provider: str) -> CohereEmbeddings:
    return CohereEmbeddings(provider)
