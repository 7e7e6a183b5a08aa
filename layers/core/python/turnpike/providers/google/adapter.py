"""The adapter for Gemini's generateContent."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest, Completion, Delta
from turnpike.domain.errors import UpstreamError
from turnpike.providers.answer import AnswerDecoder
from turnpike.providers.failures import unreadable
from turnpike.providers.folding import completion_of
from turnpike.providers.google.answer import GeminiAnswer
from turnpike.providers.google.contents import build_contents
from turnpike.providers.google.errors import parse_error
from turnpike.providers.google.models import parse_model
from turnpike.providers.google.parameters import build_parameters, taken_parameters, tier_headers
from turnpike.providers.google.parts import is_youtube
from turnpike.providers.google.quirks import API_KEYS, FILES, Quirks, quirks_of
from turnpike.providers.request import ProviderRequest

_NO_ANSWER = "The provider sent something that is no answer"


@dataclass(frozen=True, slots=True)
class GoogleAdapter:
    """`api_key` is an API key, or where the provider takes one an access token."""

    provider: str
    quirks: Quirks

    def fetches(self, kind: str, url: str) -> bool:
        return (self.quirks.own_files and url.startswith(FILES)) or (kind == "video_url" and is_youtube(url))

    def build_request(self, request: ChatRequest, endpoint: Endpoint, api_key: str) -> ProviderRequest:
        model = parse_model(endpoint.upstream_model)
        taken = taken_parameters(request, endpoint)
        method = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
        name = endpoint.upstream_model.rpartition("models/")[2]
        return ProviderRequest(
            url=f"{endpoint.base_url.rstrip('/')}/{self.quirks.models_path}/{name}:{method}",
            headers={
                **self.credential(api_key),
                **tier_headers(taken, self.quirks),
                "content-type": "application/json",
                "accept": "text/event-stream" if request.stream else "application/json",
            },
            body={
                **build_contents(request.messages, model, call_ids=self.quirks.call_ids),
                **build_parameters(taken, request, endpoint, model, self.quirks),
            },
        )

    def parse_completion(self, body: bytes) -> Completion:
        answer = GeminiAnswer(self.provider)
        deltas: list[Delta] = []
        try:
            content = orjson.loads(body)
            # A stream that is not of server-sent events is an array of the same.
            for event in content if isinstance(content, list) else [content]:
                answer.read("message", event, deltas)
            whole = answer.end(deltas, told=isinstance(content, dict))
            completion = completion_of(deltas)
        except (AttributeError, LookupError, TypeError, ValueError):
            # Not JSON, or a member of a type that nothing could be made of.
            raise unreadable(self.provider, _NO_ANSWER) from None
        if not whole or not completion.choices:
            raise unreadable(self.provider, "The provider sent an empty answer")
        return completion

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return parse_error(self.provider, status, headers, body)

    def stream_decoder(self, endpoint: Endpoint | None = None) -> AnswerDecoder:
        return AnswerDecoder(self.provider, GeminiAnswer(self.provider))

    def credential(self, api_key: str) -> dict[str, str]:
        if self.quirks.tokens and not api_key.startswith(API_KEYS):
            return {"authorization": f"Bearer {api_key}"}
        return {"x-goog-api-key": api_key}


def build_adapter(provider: str) -> GoogleAdapter:
    return GoogleAdapter(provider, quirks_of(provider))
