"""OpenAI's speech, and that of everyone who copied it: https://platform.openai.com/docs/api-reference/audio/createSpeech"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from turnpike.domain.catalog import Endpoint
from turnpike.domain.errors import InvalidRequest, UpstreamError
from turnpike.domain.speech import SpeechRequest
from turnpike.ports.wires import SpeechDecoder
from turnpike.providers.failures import parse_failure
from turnpike.providers.request import ProviderRequest
from turnpike.providers.sound import RawSound, SoundEvents

_COUNTS_IN_EVENTS = frozenset({"openai"})
"""Providers that tell the tokens of speech, which a body of plain sound has no place for: "`sse` is not supported for
`tts-1` or `tts-1-hd`", whose characters are priced, in the reference above."""


@dataclass(frozen=True, slots=True)
class OpenAICompatibleSpeech:
    provider: str

    def build_request(self, request: SpeechRequest, endpoint: Endpoint, api_key: str) -> ProviderRequest:
        in_events = self.provider in _COUNTS_IN_EVENTS and endpoint.pricing.character is None
        return ProviderRequest(
            url=f"{endpoint.base_url.rstrip('/')}/audio/speech",
            headers={"authorization": f"Bearer {api_key}", "content-type": "application/json"},
            body={**build_body(request, endpoint), **({"stream_format": "sse"} if in_events else {})},
        )

    def decoder(self, request: SpeechRequest, headers: Mapping[str, str]) -> SpeechDecoder:
        if headers.get("content-type", "").startswith("text/event-stream"):
            return SoundEvents(self.provider)
        return RawSound(self.provider, headers)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return parse_failure(self.provider, status, headers, body)


def build_body(request: SpeechRequest, endpoint: Endpoint) -> dict[str, Any]:
    """Raises InvalidRequest for several speakers."""
    if len(request.turns) > 1:
        raise InvalidRequest("this model's provider takes one text by one speaker; send a string", field="input")
    [turn] = request.turns
    body: dict[str, Any] = {
        "model": endpoint.upstream_model,
        "input": turn.text,
        "response_format": request.format,
    }
    if turn.voice is not None:
        body["voice"] = turn.voice
    if turn.instructions is not None and _takes(endpoint, "instructions"):
        body["instructions"] = turn.instructions
    if request.speed is not None and _takes(endpoint, "speed"):
        body["speed"] = request.speed
    return body


def _takes(endpoint: Endpoint, name: str) -> bool:
    return not endpoint.supported_parameters or name in endpoint.supported_parameters


def build_adapter(provider: str) -> OpenAICompatibleSpeech:
    return OpenAICompatibleSpeech(provider)
