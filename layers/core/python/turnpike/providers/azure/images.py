"""Azure OpenAI's images: OpenAI's, at Azure's addresses.

https://learn.microsoft.com/azure/foundry/openai/how-to/dall-e
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from turnpike.domain.catalog import Endpoint
from turnpike.domain.errors import UpstreamError
from turnpike.domain.images import ImageRequest, Images
from turnpike.ports.wires import Reply
from turnpike.providers.azure.adapter import AzureAdapter, at_azure
from turnpike.providers.azure.addresses import v1_url
from turnpike.providers.openai_compatible.image_stream import ImageStream
from turnpike.providers.openai_compatible.images import OpenAICompatibleImages
from turnpike.providers.request import ProviderRequest


@dataclass(frozen=True, slots=True)
class AzureImages:
    provider: str

    def build_requests(self, request: ImageRequest, endpoint: Endpoint, api_key: str) -> Sequence[ProviderRequest]:
        url = v1_url(endpoint, f"images/{'edits' if request.references else 'generations'}")
        return [at_azure(each, url, api_key) for each in self._openai.build_own(request, endpoint, api_key)]

    def parse_replies(self, replies: Sequence[Reply], request: ImageRequest, endpoint: Endpoint) -> Images:
        return self._openai.parse_replies(replies, request, endpoint)

    def part_decoder(self, request: ImageRequest, endpoint: Endpoint) -> ImageStream | None:
        return self._openai.part_decoder(request, endpoint)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return AzureAdapter(self.provider).parse_error(status, headers, body)

    @property
    def _openai(self) -> OpenAICompatibleImages:
        return OpenAICompatibleImages(self.provider)


def build_adapter(provider: str) -> AzureImages:
    return AzureImages(provider)
