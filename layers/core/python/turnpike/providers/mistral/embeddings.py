"""Mistral's embeddings: OpenAI's, with its own name for the dimensions. https://docs.mistral.ai/api/endpoint/embeddings"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from turnpike.domain.catalog import Endpoint
from turnpike.domain.embeddings import EmbeddingRequest, Embeddings
from turnpike.domain.errors import UpstreamError
from turnpike.ports.wires import Reply
from turnpike.providers.mistral.adapter import MistralAdapter
from turnpike.providers.openai_compatible.embeddings import parse_embeddings
from turnpike.providers.request import ProviderRequest


@dataclass(frozen=True, slots=True)
class MistralEmbeddings:
    provider: str

    def build_requests(self, request: EmbeddingRequest, endpoint: Endpoint, api_key: str) -> Sequence[ProviderRequest]:
        """Raises InvalidRequest for what is no text."""
        dimensions = {} if request.dimensions is None else {"output_dimension": request.dimensions}
        return [
            ProviderRequest(
                url=f"{endpoint.base_url.rstrip('/')}/embeddings",
                headers={"authorization": f"Bearer {api_key}", "content-type": "application/json"},
                body={"model": endpoint.upstream_model, "input": request.texts, **dimensions},
            )
        ]

    def parse_replies(self, replies: Sequence[Reply], request: EmbeddingRequest, endpoint: Endpoint) -> Embeddings:
        return parse_embeddings(self.provider, replies, request)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return MistralAdapter(self.provider).parse_error(status, headers, body)


def build_adapter(provider: str) -> MistralEmbeddings:
    return MistralEmbeddings(provider)
