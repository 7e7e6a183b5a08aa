"""OpenAI's transcriptions, and those of everyone who copied them, Mistral among them.

https://platform.openai.com/docs/api-reference/audio/createTranscription
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Usage
from turnpike.domain.errors import InvalidRequest, UpstreamError
from turnpike.domain.recordings import PCM_RATE, wav_header
from turnpike.domain.transcription import (
    GRANULARITIES,
    TIMED,
    Recording,
    RemoteRecording,
    Transcript,
    TranscriptionRequest,
)
from turnpike.ports.wires import Reply
from turnpike.providers.failures import failure_in_answer, parse_failure, unreadable
from turnpike.providers.request import FormFile, ProviderRequest
from turnpike.providers.sound import count_of

Json = Mapping[str, Any]

_NO_FORMATS = frozenset({"mistral"})
"""Who has one form of answer, which has what was asked for: https://docs.mistral.ai/api/endpoint/audio/transcriptions"""

_ADDRESS_FIELDS: Mapping[str, str] = {
    # https://console.groq.com/docs/speech-to-text
    "groq": "url",
    # https://docs.mistral.ai/api/endpoint/audio/transcriptions
    "mistral": "file_url",
}
"""The field that takes an address, of the providers that have one."""

_LEAST_MS: Mapping[str, int] = {"groq": 10_000}
"""What a request is billed for at least: https://console.groq.com/docs/speech-to-text"""

_MOST_MS = 1_000_000_000
_MEDIA_TYPES: Mapping[str, str] = {"mp3": "audio/mpeg", "m4a": "audio/mp4", "oga": "audio/ogg"}


@dataclass(frozen=True, slots=True)
class OpenAICompatibleTranscription:
    provider: str

    def fetches(self, kind: str, url: str) -> bool:
        return self.provider in _ADDRESS_FIELDS

    def build_requests(
        self, request: TranscriptionRequest, endpoint: Endpoint, api_key: str
    ) -> Sequence[ProviderRequest]:
        fields, audio = build_fields(self.provider, request, endpoint), request.audio
        files: tuple[FormFile, ...] = ()
        if isinstance(audio, RemoteRecording):
            fields[_ADDRESS_FIELDS[self.provider]] = audio.url
        else:
            files = (_file_of(audio),)
        return [
            ProviderRequest(
                url=f"{endpoint.base_url.rstrip('/')}/audio/transcriptions",
                headers={"authorization": f"Bearer {api_key}"},
                body=fields,
                form=files,
            )
        ]

    def parse_replies(self, replies: Sequence[Reply], request: TranscriptionRequest, endpoint: Endpoint) -> Transcript:
        return parse_transcript(self.provider, replies[0].body, request, endpoint)

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return parse_failure(self.provider, status, headers, body)


def build_fields(provider: str, request: TranscriptionRequest, endpoint: Endpoint) -> dict[str, Any]:
    """Raises InvalidRequest for what no copy of this API can be asked for."""
    parameters, taken = request.parameters, endpoint.supported_parameters
    for name in ("diarize", "keyterms"):
        if parameters.get(name):
            raise InvalidRequest("this model's provider does not take it", field=name)
    fields: dict[str, Any] = {"model": endpoint.upstream_model}
    for name in ("language", "prompt", "temperature"):
        if name in parameters and (not taken or name in taken):
            fields[name] = parameters[name]
    if provider not in _NO_FORMATS:
        # The only one of its forms that says how long the recording is, by which it may be charged.
        timed = request.format in TIMED or GRANULARITIES in taken
        fields["response_format"] = "verbose_json" if timed else "json"
    if request.format in TIMED:
        fields[GRANULARITIES if provider in _NO_FORMATS else f"{GRANULARITIES}[]"] = list(request.granularities)
    return fields


def parse_transcript(provider: str, body: bytes, request: TranscriptionRequest, endpoint: Endpoint) -> Transcript:
    """Raises UpstreamError when the body has no text, or is an error with status 200."""
    try:
        answer = orjson.loads(body)
        if answer.get("error"):
            raise failure_in_answer(provider, answer["error"])
        text, segments, words = answer["text"], answer.get("segments") or (), answer.get("words") or ()
        if not isinstance(text, str) or not all(isinstance(each, dict) for each in (*segments, *words)):
            raise TypeError
    except (AttributeError, LookupError, TypeError, ValueError):
        # Not JSON, or a member of a type that nothing could be made of.
        raise unreadable(provider, "The provider sent something that is no transcript") from None
    usage = _usage_of(provider, answer)
    language = answer.get("language")
    length_ms = _length_ms(answer)
    return Transcript(
        text,
        usage or request.used(endpoint, text),
        language=language if isinstance(language, str) else None,
        duration_s=length_ms / 1000 if length_ms else None,
        segments=segments,
        words=words,
    )


def _usage_of(provider: str, answer: Json) -> Usage | None:
    """Tokens where the provider counts them, and the length that it says, which is at least what it bills for."""
    length_ms = _length_ms(answer)
    billed_ms = max(length_ms, _LEAST_MS.get(provider, 0)) if length_ms else 0
    given = answer.get("usage")
    told: Json = given if isinstance(given, dict) else {}
    read = count_of(told.get("input_tokens")) or count_of(told.get("prompt_tokens"))
    said = count_of(told.get("output_tokens")) or count_of(told.get("completion_tokens"))
    if not billed_ms and not read and not said:
        return None
    details = told.get("input_token_details")
    heard = count_of(details.get("audio_tokens")) if isinstance(details, dict) else 0
    return Usage(read, said, prompt_audio_tokens=min(heard, read), prompt_audio_ms=billed_ms)


def _length_ms(answer: Json) -> int:
    """0 where the provider does not say."""
    given = answer.get("usage")
    told: Json = given if isinstance(given, dict) else {}
    for seconds in (told.get("seconds"), told.get("prompt_audio_seconds"), answer.get("duration")):
        try:
            # Some say it as text.
            length = float(seconds) if isinstance(seconds, int | float | str) else math.nan
        except ValueError:
            continue
        if 0 < length * 1000 < _MOST_MS:
            return math.ceil(length * 1000)
    return 0


def _file_of(recording: Recording) -> FormFile:
    """Providers go by the name's ending. Samples without a header get one: none of them takes the rate otherwise."""
    if recording.format == "pcm":
        header = wav_header(PCM_RATE, len(recording.data))
        return FormFile("file", "audio.wav", "audio/wav", header + recording.data)
    media_type = _MEDIA_TYPES.get(recording.format, f"audio/{recording.format}")
    return FormFile("file", f"audio.{recording.format}", media_type, recording.data)


def build_adapter(provider: str) -> OpenAICompatibleTranscription:
    return OpenAICompatibleTranscription(provider)
