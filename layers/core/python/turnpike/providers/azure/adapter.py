"""The adapters for Azure OpenAI: OpenAI's requests, sent to Azure's addresses with Azure's headers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest, Completion
from turnpike.domain.errors import UpstreamError
from turnpike.providers.answer import AnswerDecoder
from turnpike.providers.azure.addresses import chat_url, responses_url
from turnpike.providers.azure.failures import completed
from turnpike.providers.azure.quirks import OPENAI_MODELS, quirks_of
from turnpike.providers.openai_compatible.adapter import OpenAICompatibleAdapter
from turnpike.providers.openai_responses.adapter import OpenAIResponsesAdapter
from turnpike.providers.request import ProviderRequest

# Neither API of Azure's documents addresses of files: only data and uploaded files.
# https://learn.microsoft.com/azure/foundry/openai/how-to/responses#file-input
_FETCHED = frozenset({"image_url"})

_RESPONSES_FORM = "azure-openai-responses-v1"


@dataclass(frozen=True, slots=True)
class AzureAdapter:
    """Chat completions."""

    provider: str

    def fetches(self, kind: str, url: str) -> bool:
        return kind in _FETCHED

    def build_request(self, request: ChatRequest, endpoint: Endpoint, api_key: str) -> ProviderRequest:
        built = OpenAICompatibleAdapter(self.provider, quirks_of(endpoint)).build_request(request, endpoint, api_key)
        return at_azure(built, chat_url(endpoint), api_key)

    def parse_completion(self, body: bytes) -> Completion:
        return self._inner.parse_completion(body)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return completed(self._inner.parse_error(status, headers, body))

    def stream_decoder(self, endpoint: Endpoint | None = None) -> AnswerDecoder:
        return self._inner.stream_decoder()

    @property
    def _inner(self) -> OpenAICompatibleAdapter:
        """Answers are read alike, whoever made the model."""
        return OpenAICompatibleAdapter(self.provider, OPENAI_MODELS)


@dataclass(frozen=True, slots=True)
class AzureResponsesAdapter:
    """The Responses API."""

    provider: str

    def fetches(self, kind: str, url: str) -> bool:
        return self._inner.fetches(kind, url)

    def build_request(self, request: ChatRequest, endpoint: Endpoint, api_key: str) -> ProviderRequest:
        """Raises InvalidRequest for parts that the API has no form for."""
        built = self._inner.build_request(request, endpoint, api_key)
        return at_azure(built, responses_url(endpoint), api_key)

    def parse_completion(self, body: bytes) -> Completion:
        return self._inner.parse_completion(body)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return completed(self._inner.parse_error(status, headers, body))

    def stream_decoder(self, endpoint: Endpoint | None = None) -> AnswerDecoder:
        return self._inner.stream_decoder()

    @property
    def _inner(self) -> OpenAIResponsesAdapter:
        """OpenAI's marks for caching are not among what Azure documents:
        https://learn.microsoft.com/azure/foundry/openai/how-to/prompt-caching.
        """
        return OpenAIResponsesAdapter(self.provider, form=_RESPONSES_FORM, fetched=_FETCHED, breakpoints=False)


def at_azure(built: ProviderRequest, url: str, api_key: str) -> ProviderRequest:
    """Keys have a header of their own; tokens of Entra are JSON Web Tokens, which begin like this.

    https://learn.microsoft.com/azure/foundry/openai/latest#authentication
    """
    if api_key.startswith("eyJ"):
        return replace(built, url=url)
    others = {name: value for name, value in built.headers.items() if name != "authorization"}
    return replace(built, url=url, headers={"api-key": api_key, **others})


def build_adapter(provider: str) -> AzureAdapter:
    return AzureAdapter(provider)


def build_responses_adapter(provider: str) -> AzureResponsesAdapter:
    return AzureResponsesAdapter(provider)
