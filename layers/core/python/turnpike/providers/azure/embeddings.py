"""Azure OpenAI's embeddings: OpenAI's, at Azure's addresses.

https://learn.microsoft.com/azure/foundry/openai/reference#embeddings
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from turnpike.domain.catalog import Endpoint
from turnpike.domain.embeddings import EmbeddingRequest, Embeddings
from turnpike.domain.errors import UpstreamError
from turnpike.ports.wires import Reply
from turnpike.providers.azure.adapter import AzureAdapter, at_azure
from turnpike.providers.azure.addresses import embeddings_url
from turnpike.providers.openai_compatible.embeddings import OpenAICompatibleEmbeddings
from turnpike.providers.request import ProviderRequest


@dataclass(frozen=True, slots=True)
class AzureEmbeddings:
    provider: str

    def build_requests(self, request: EmbeddingRequest, endpoint: Endpoint, api_key: str) -> Sequence[ProviderRequest]:
        built = OpenAICompatibleEmbeddings(self.provider).build_requests(request, endpoint, api_key)
        return [at_azure(each, embeddings_url(endpoint), api_key) for each in built]

    def parse_replies(self, replies: Sequence[Reply], request: EmbeddingRequest, endpoint: Endpoint) -> Embeddings:
        return OpenAICompatibleEmbeddings(self.provider).parse_replies(replies, request, endpoint)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return AzureAdapter(self.provider).parse_error(status, headers, body)


def build_adapter(provider: str) -> AzureEmbeddings:
    return AzureEmbeddings(provider)
