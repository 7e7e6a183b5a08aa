"""Transcription: a recording of speech, written down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Usage
from turnpike.domain.estimate import estimate_tokens
from turnpike.domain.operation import Operation, OperationRequest
from turnpike.domain.recordings import longest_ms, measure_ms

TranscriptFormat = Literal["json", "text", "verbose_json", "srt", "vtt"]
TIMED: frozenset[TranscriptFormat] = frozenset(("verbose_json", "srt", "vtt"))
"""Formats that say when something was said."""
GRANULARITIES = "timestamp_granularities"
"""The parameter of endpoints that can say it."""

_AUDIO_TOKENS_PER_S = 32
"""Gemini's: https://ai.google.dev/gemini-api/docs/audio. OpenAI's gpt-4o-transcribe counts 10."""
_TEXT_TOKENS_PER_S = 8
"""Of somebody who talks very fast."""
_LEAST_BILLED_MS = 10_000
"""Some providers bill for so much of a shorter one: https://console.groq.com/docs/speech-to-text"""
_LONGEST_REMOTE_MS = 2 * 3600 * 1000
"""Of what is read from an address, before anybody has seen it."""


@dataclass(frozen=True, slots=True)
class Recording:
    """`format` is what the client calls it: wav, mp3, flac, m4a, ogg, webm, aac, or pcm."""

    data: bytes = field(repr=False)
    format: str
    length_ms: int | None = field(init=False, compare=False)
    """As far as it says so itself. Looked for once: a recording may be long, and asked for of many endpoints."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "length_ms", measure_ms(self.data, self.format))

    @property
    def longest_ms(self) -> int:
        return longest_ms(self.data, self.length_ms)


@dataclass(frozen=True, slots=True)
class RemoteRecording:
    """One that somebody has yet to get."""

    url: str = field(repr=False)
    format: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """`segments` and `words` have OpenAI's shape: `start` and `end` in seconds, `text` or `word`."""

    text: str
    usage: Usage | None
    language: str | None = None
    duration_s: float | None = None
    segments: Sequence[Mapping[str, Any]] = ()
    words: Sequence[Mapping[str, Any]] = ()
    upstream_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionRequest(OperationRequest[Transcript]):
    """`parameters` may have `language`, `prompt`, `temperature`, `timestamp_granularities`, `diarize`, `keyterms`.

    That a model which transcribes takes sound goes without saying, so there are no `input_kinds`.
    """

    operation: ClassVar[Operation] = "transcription"
    media_field: ClassVar[str] = "input_audio"
    audio: Recording | RemoteRecording
    format: TranscriptFormat = "json"

    @property
    def granularities(self) -> Sequence[str]:
        """What the client wants of times, which is at least segments where its format has times."""
        found: Sequence[str] = self.parameters.get(GRANULARITIES) or ()
        return found or (("segment",) if self.format in TIMED else ())

    @property
    def demands(self) -> frozenset[str]:
        timed = frozenset((GRANULARITIES,)) if self.format in TIMED else frozenset()
        return timed | (self.parameters.keys() & {"diarize", "keyterms"})

    @property
    def longest_input_tokens(self) -> int:
        """Sound is not of a model's context here: providers take it by its length or size."""
        return estimate_tokens(self.parameters.get("prompt") or "")

    @property
    def input_media(self) -> tuple[int, int]:
        return 0, 1

    def most_used(self, endpoint: Endpoint) -> Usage:
        audio = self.audio
        most = _LONGEST_REMOTE_MS if isinstance(audio, RemoteRecording) else audio.longest_ms
        most = max(most, _LEAST_BILLED_MS)
        return self._usage(endpoint, most, most * _TEXT_TOKENS_PER_S // 1000 + 1)

    def used(self, endpoint: Endpoint, text: str) -> Usage | None:
        """Where the provider counts nothing; None where nobody knows how long the recording is."""
        length = None if isinstance(self.audio, RemoteRecording) else self.audio.length_ms
        return None if length is None else self._usage(endpoint, length, estimate_tokens(text))

    def _usage(self, endpoint: Endpoint, length_ms: int, text_tokens: int) -> Usage:
        if endpoint.pricing.second is not None:
            return Usage(prompt_audio_ms=length_ms, estimated=True)
        heard = length_ms * _AUDIO_TOKENS_PER_S // 1000 + 1
        return Usage(
            heard + self.longest_input_tokens,
            text_tokens,
            prompt_audio_tokens=heard,
            prompt_audio_ms=length_ms,
            estimated=True,
        )
