"""The adapter for Mistral's chat completions, which are OpenAI's but for their content."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest, Completion, Delta
from turnpike.domain.errors import ErrorType, UpstreamError
from turnpike.providers.answer import AnswerDecoder
from turnpike.providers.failures import parse_failure, unreadable
from turnpike.providers.folding import completion_of
from turnpike.providers.mistral.answer import ChunkAnswer
from turnpike.providers.mistral.gap import build_gap
from turnpike.providers.mistral.messages import build_messages
from turnpike.providers.mistral.parameters import build_parameters
from turnpike.providers.request import ProviderRequest

_FETCHED = frozenset({"image_url", "file"})
"""What Mistral gets from a web address itself; chats have no video:
https://docs.mistral.ai/studio/document-processing/document_qna"""

_CODES: Mapping[str, tuple[ErrorType, bool]] = {
    # "Invalid model: …" with status 400: the catalog's name for it is wrong, the client's is not.
    "1500": ("not_found", True),
}
"""What Mistral's own codes mean where the status does not say it, and whether another endpoint may do better."""


@dataclass(frozen=True, slots=True)
class MistralAdapter:
    provider: str

    def fetches(self, kind: str, url: str) -> bool:
        return kind in _FETCHED

    def build_request(self, request: ChatRequest, endpoint: Endpoint, api_key: str) -> ProviderRequest:
        """Raises InvalidRequest for video, which Mistral has no place for, and for instructions with a suffix."""
        fills = "suffix" in request.parameters
        reasons = not endpoint.supported_parameters or "reasoning" in endpoint.supported_parameters
        parameters = build_parameters(request, endpoint)
        body: dict[str, Any] = {"model": endpoint.upstream_model}
        if fills:
            body |= build_gap(request, parameters)
        else:
            body |= {"messages": build_messages(request.messages, reasons=reasons), **parameters}
        if request.stream:
            # Usage comes unasked; `stream_options` is refused: https://github.com/avante-corp/avante.nvim/issues/2347
            body["stream"] = True
        return ProviderRequest(
            url=f"{endpoint.base_url.rstrip('/')}/{'fim' if fills else 'chat'}/completions",
            headers={
                "authorization": f"Bearer {api_key}",
                "content-type": "application/json",
                "accept": "text/event-stream" if request.stream else "application/json",
            },
            body=body,
        )

    def parse_completion(self, body: bytes) -> Completion:
        deltas: list[Delta] = []
        answer = ChunkAnswer(self.provider)
        try:
            answer.read_whole(orjson.loads(body), deltas)
        except (AttributeError, LookupError, TypeError, ValueError):
            # Not JSON, or a member of a type that nothing could be made of.
            raise unreadable(self.provider, "The provider sent something that is no answer") from None
        answer.end(deltas, told=True)
        completion = completion_of(deltas)
        if not completion.choices:
            raise unreadable(self.provider, "The provider sent an empty answer")
        return completion

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        error = parse_failure(self.provider, status, headers, body)
        meaning = _CODES.get(error.provider_code or "")
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
        return AnswerDecoder(self.provider, ChunkAnswer(self.provider))


def build_adapter(provider: str) -> MistralAdapter:
    return MistralAdapter(provider)
