"""Transcriptions by Gemini, which is asked to write down what it hears: https://ai.google.dev/gemini-api/docs/audio"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from turnpike.domain.catalog import Endpoint
from turnpike.domain.errors import InvalidRequest, UpstreamError
from turnpike.domain.recordings import PCM_RATE, wav_header
from turnpike.domain.transcription import TIMED, Recording, Transcript, TranscriptionRequest
from turnpike.ports.wires import Reply
from turnpike.providers.failures import unreadable
from turnpike.providers.google.errors import blocked, error_in_answer, parse_error
from turnpike.providers.google.requests import request_for
from turnpike.providers.google.wire import has_counts, parse_usage
from turnpike.providers.request import ProviderRequest

Json = Mapping[str, Any]

_INSTRUCTION = (
    "Write down what is said in this recording, word for word, in the language in which it is said. "
    "Answer with the transcript alone. Where nobody speaks, answer with nothing."
)
_MEDIA_TYPES: Mapping[str, str] = {"mp3": "audio/mp3", "m4a": "audio/mp4", "oga": "audio/ogg"}


@dataclass(frozen=True, slots=True)
class GoogleTranscription:
    provider: str

    def fetches(self, kind: str, url: str) -> bool:
        return False

    def build_requests(
        self, request: TranscriptionRequest, endpoint: Endpoint, api_key: str
    ) -> Sequence[ProviderRequest]:
        return [request_for(self.provider, endpoint, api_key, build_body(request))]

    def parse_replies(self, replies: Sequence[Reply], request: TranscriptionRequest, endpoint: Endpoint) -> Transcript:
        return parse_transcript(self.provider, replies[0].body, request, endpoint)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return parse_error(self.provider, status, headers, body)


def build_body(request: TranscriptionRequest) -> dict[str, Any]:
    """Raises InvalidRequest for formats with times: what Gemini says of them is a guess."""
    parameters = request.parameters
    if request.format in TIMED:
        raise InvalidRequest("this model's provider gives json and text alone", field="response_format")
    for name in ("diarize", "keyterms"):
        if parameters.get(name):
            raise InvalidRequest("this model's provider does not take it", field=name)
    assert isinstance(request.audio, Recording)  # noqa: S101  # No address is left by then.
    said = [_INSTRUCTION]
    if "language" in parameters:
        said.append(f"It is in the language with the ISO-639-1 code {parameters['language']}.")
    if "prompt" in parameters:
        said.append(f"These words may help to understand it: {parameters['prompt']}")
    sound = {"inlineData": {"mimeType": _media_type(request.audio), "data": b64encode(_data(request.audio)).decode()}}
    # A transcript needs no thought, which would be charged as output.
    config = {"temperature": parameters.get("temperature", 0.0)}
    return {
        "contents": [{"role": "user", "parts": [{"text": "\n".join(said)}, sound]}],
        "generationConfig": config,
    }


def parse_transcript(provider: str, body: bytes, request: TranscriptionRequest, endpoint: Endpoint) -> Transcript:
    """Raises UpstreamError when the body is no answer, or one that was refused."""
    try:
        answer = orjson.loads(body)
        if answer.get("error"):
            raise error_in_answer(provider, answer["error"])
        refused = blocked(provider, answer.get("promptFeedback") or {})
        if refused is not None:
            raise refused
        candidate = answer["candidates"][0]
        parts = (candidate.get("content") or {}).get("parts") or ()
        text = "".join(part.get("text") or "" for part in parts if not part.get("thought")).strip()
        told, upstream_id = answer.get("usageMetadata") or {}, answer.get("responseId")
        usage = parse_usage(told) if has_counts(told) else request.used(endpoint, text)
    except (AttributeError, LookupError, TypeError, ValueError):
        raise unreadable(provider, "The provider sent something that is no transcript") from None
    if not text and candidate.get("finishReason") != "STOP":
        raise unreadable(provider, "The provider sent an empty answer")
    return Transcript(text, usage, upstream_id=upstream_id if isinstance(upstream_id, str) else None)


def _media_type(recording: Recording) -> str:
    return "audio/wav" if recording.format == "pcm" else _MEDIA_TYPES.get(recording.format, f"audio/{recording.format}")


def _data(recording: Recording) -> bytes:
    if recording.format == "pcm":
        return wav_header(PCM_RATE, len(recording.data)) + recording.data
    return recording.data


def build_adapter(provider: str) -> GoogleTranscription:
    return GoogleTranscription(provider)
