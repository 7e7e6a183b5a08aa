"""The adapter for Cohere's Chat API, version 2."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest, Completion, Delta
from turnpike.domain.errors import ErrorType, UpstreamError
from turnpike.providers.answer import AnswerDecoder
from turnpike.providers.cohere.answer import ChatAnswer
from turnpike.providers.cohere.messages import build_messages
from turnpike.providers.cohere.parameters import build_parameters
from turnpike.providers.failures import parse_failure, unreadable
from turnpike.providers.folding import completion_of
from turnpike.providers.request import ProviderRequest

_STATUSES: Mapping[int, tuple[ErrorType, bool]] = {
    # "The request or response contains a deny-listed token", a word that Cohere blocks.
    498: ("content_policy_violation", False),
    # "Request cancelled" and "streaming error", to be tried again. We do not cancel what we wait for.
    499: ("provider_unavailable", True),
}
"""What Cohere's own statuses mean, and whether another endpoint may do better: https://docs.cohere.com/reference/errors"""


@dataclass(frozen=True, slots=True)
class CohereAdapter:
    provider: str

    def fetches(self, kind: str, url: str) -> bool:
        """Images: "either a base64 data URI or a web URL", says the reference of the Chat API."""
        return kind == "image_url"

    def build_request(self, request: ChatRequest, endpoint: Endpoint, api_key: str) -> ProviderRequest:
        """Raises InvalidRequest for parts that Cohere has no place for: sound, video, files that are not text."""
        parameters = build_parameters(request, endpoint)
        takes_thinking = not endpoint.supported_parameters or "reasoning" in endpoint.supported_parameters
        thinks = takes_thinking and parameters.get("thinking", {}).get("type") != "disabled"
        return ProviderRequest(
            url=f"{endpoint.base_url.rstrip('/')}/chat",
            headers={
                "authorization": f"Bearer {api_key}",
                "content-type": "application/json",
                "accept": "text/event-stream" if request.stream else "application/json",
            },
            body={
                "model": endpoint.upstream_model,
                "messages": build_messages(request.messages, thinks=thinks),
                "stream": request.stream,
                **parameters,
            },
        )

    def parse_completion(self, body: bytes) -> Completion:
        deltas: list[Delta] = []
        try:
            ChatAnswer(self.provider).read_whole(orjson.loads(body), deltas)
        except (AttributeError, LookupError, TypeError, ValueError):
            # Not JSON, or a member of a type that nothing could be made of.
            raise unreadable(self.provider, "The provider sent something that is no answer") from None
        return completion_of(deltas)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        error = parse_failure(self.provider, status, headers, body)
        meaning = _STATUSES.get(status)
        if meaning is None:
            return error
        error_type, retryable = meaning
        return UpstreamError(
            self.provider,
            error.message,
            upstream_status=status,
            error_type=error_type,
            retryable=retryable,
            provider_code=error.provider_code,
            retry_after_s=error.retry_after_s,
        )

    def stream_decoder(self, endpoint: Endpoint | None = None) -> AnswerDecoder:
        return AnswerDecoder(self.provider, ChatAnswer(self.provider))


def build_adapter(provider: str) -> CohereAdapter:
    return CohereAdapter(provider)
