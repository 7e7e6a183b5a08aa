"""Speech: a text that is spoken, as the sound comes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Usage
from turnpike.domain.estimate import estimate_tokens
from turnpike.domain.operation import Operation, OperationRequest
from turnpike.domain.recordings import mp3_bytes_per_s

SoundFormat = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]

SAMPLE_RATE = 24_000
"""Of `pcm`, in 16 bits and one channel, as OpenAI and Gemini both have it."""

MEDIA_TYPES: Mapping[SoundFormat, str] = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": f"audio/pcm;rate={SAMPLE_RATE};channels=1",
}
"""https://openrouter.ai/docs/guides/overview/multimodal/tts"""

_TOKENS_PER_S = 25
"""Of sound. Gemini's: https://ai.google.dev/gemini-api/docs/tokens; OpenAI's price of a minute is that of 1,250."""
_CHARACTERS_PER_S = 15.0
"""Of English, read aloud at 150 words a minute."""
_SLOWEST_PER_S = 8.0
_SLOWEST_OTHERS_PER_S = 2.5
"""Beyond ASCII: a syllable may be one character."""
_PAUSES_S = 3.0


@dataclass(frozen=True, slots=True)
class Turn:
    """What one speaker says."""

    text: str
    voice: str | None = None
    instructions: str | None = None


@dataclass(frozen=True, slots=True)
class SpeechPiece:
    """Sound as it came, and what came with it. The last has the usage, where the provider counts."""

    sound: bytes = b""
    usage: Usage | None = None
    upstream_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechRequest(OperationRequest[SpeechPiece]):
    operation: ClassVar[Operation] = "speech"
    turns: tuple[Turn, ...]
    """At least one. Several are for endpoints that take several speakers."""
    format: SoundFormat = "pcm"

    @property
    def speed(self) -> float | None:
        found: float | None = self.parameters.get("speed")
        return found

    @property
    def characters(self) -> int:
        return sum(len(turn.text) for turn in self.turns)

    @property
    def longest_input_tokens(self) -> int:
        return sum(estimate_tokens(turn.text) + estimate_tokens(turn.instructions or "") for turn in self.turns)

    def most_used(self, endpoint: Endpoint) -> Usage:
        return self._usage(endpoint, self._longest_s())

    def used(self, endpoint: Endpoint, sound: "Heard") -> Usage:
        """Where the provider counts nothing. Characters are exact, and tokens are estimated."""
        seconds = sound.seconds(self.format)
        return self._usage(endpoint, self.characters / _CHARACTERS_PER_S if seconds is None else seconds)

    def _usage(self, endpoint: Endpoint, seconds: float) -> Usage:
        if endpoint.pricing.character is not None:
            return Usage(prompt_characters=self.characters)
        tokens = round(seconds * _TOKENS_PER_S) + 1
        return Usage(self.longest_input_tokens, tokens, completion_audio_tokens=tokens, estimated=True)

    def _longest_s(self) -> float:
        plain = sum(character.isascii() for turn in self.turns for character in turn.text)
        seconds = plain / _SLOWEST_PER_S + (self.characters - plain) / _SLOWEST_OTHERS_PER_S
        return (seconds + _PAUSES_S * len(self.turns)) / min(self.speed or 1.0, 1.0)


_LONGEST_HEAD = 4096


class Heard:
    """How much sound went by."""

    __slots__ = ("_head", "size")

    def __init__(self) -> None:
        self.size = 0
        self._head = b""

    def record(self, sound: bytes) -> None:
        self.size += len(sound)
        if len(self._head) < _LONGEST_HEAD:
            self._head += sound[: _LONGEST_HEAD - len(self._head)]

    def seconds(self, format: SoundFormat) -> float | None:
        """None for formats whose sizes say nothing of it."""
        if format in ("pcm", "wav"):
            return self.size / (2 * SAMPLE_RATE)
        rate = mp3_bytes_per_s(self._head) if format == "mp3" else None
        return self.size / rate if rate else None
