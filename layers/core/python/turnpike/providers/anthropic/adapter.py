"""The adapter for Anthropic's Messages API: https://platform.claude.com/docs/en/api/messages."""

from collections.abc import Mapping
from dataclasses import dataclass

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest, Completion
from turnpike.domain.errors import UpstreamError
from turnpike.providers.answer import AnswerDecoder
from turnpike.providers.anthropic.body import betas_of, build_body
from turnpike.providers.anthropic.content import fetches
from turnpike.providers.anthropic.decoder import MessageAnswer, completion_from
from turnpike.providers.anthropic.errors import parse_error
from turnpike.providers.request import ProviderRequest

_VERSION = "2023-06-01"


@dataclass(frozen=True, slots=True)
class AnthropicAdapter:
    provider: str

    def fetches(self, kind: str, url: str) -> bool:
        return fetches(kind, url)

    def build_request(self, request: ChatRequest, endpoint: Endpoint, api_key: str) -> ProviderRequest:
        body = build_body(request, endpoint)
        betas = betas_of(body, request.betas)
        return ProviderRequest(
            url=f"{endpoint.base_url.rstrip('/')}/messages",
            headers={
                "x-api-key": api_key,
                "anthropic-version": _VERSION,
                **({"anthropic-beta": ",".join(betas)} if betas else {}),
                "content-type": "application/json",
                "accept": "text/event-stream" if request.stream else "application/json",
            },
            body=body,
        )

    def parse_completion(self, body: bytes) -> Completion:
        return completion_from(self.provider, body)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return parse_error(self.provider, status, headers, body)

    def stream_decoder(self, endpoint: Endpoint | None = None) -> AnswerDecoder:
        return AnswerDecoder(self.provider, MessageAnswer(self.provider))


def build_adapter(provider: str) -> AnthropicAdapter:
    return AnthropicAdapter(provider)
