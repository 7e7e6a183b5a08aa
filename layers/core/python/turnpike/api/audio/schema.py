"""The bodies of `POST /audio/speech` and `POST /audio/transcriptions` (reference 7.14 and 7.13)."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from turnpike.api.inference.operation import OperationBody
from turnpike.api.inference.routing_schema import Checked
from turnpike.domain.speech import SoundFormat
from turnpike.domain.transcription import TranscriptFormat

MOST_CHARACTERS = 100_000
"""Of all turns together; what a model takes is far less, and for its provider to say."""
_MOST_TURNS = 256

Text = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]
Voice = Annotated[str, Field(min_length=1, max_length=256)]
Instructions = Annotated[str, Field(max_length=MOST_CHARACTERS)]


class VoiceObject(Checked):
    """OpenAI's form of a voice of the customer's own."""

    id: Voice


class TurnBody(Checked):
    text: Text
    voice: Voice | None = None
    instructions: Instructions | None = None


def _kind_of(given: Any) -> str:
    return "turns" if isinstance(given, list) else "text"


Input = Annotated[
    Annotated[Text, Tag("text")]
    | Annotated[Annotated[list[TurnBody], Field(min_length=1, max_length=_MOST_TURNS)], Tag("turns")],
    Discriminator(_kind_of),
]


class SpeechBody(OperationBody):
    input: Input
    voice: Voice | VoiceObject | None = None
    response_format: SoundFormat | None = None
    speed: Annotated[float, Field(ge=0.25, le=4.0)] | None = None
    instructions: Instructions | None = None
    input_references: list[Any] | None = None
    stream_format: Literal["audio", "sse"] | None = None


AudioFormat = Annotated[str, Field(pattern=r"^[a-z0-9]{1,8}$")]


class InlineAudio(Checked):
    data: Annotated[str, Field(min_length=1)]
    format: AudioFormat


class AudioAddress(Checked):
    url: Annotated[str, Field(min_length=1, max_length=8192)]
    format: AudioFormat | None = None


def _audio_kind_of(given: Any) -> str:
    return "url" if isinstance(given, dict) and "url" in given and "data" not in given else "inline"


InputAudio = Annotated[
    Annotated[InlineAudio, Tag("inline")] | Annotated[AudioAddress, Tag("url")], Discriminator(_audio_kind_of)
]


class TranscriptionBody(OperationBody):
    input_audio: InputAudio | None = None
    """None for an upload, which has a file in its place."""
    language: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] | None = None
    prompt: Annotated[str, Field(max_length=MOST_CHARACTERS)] | None = None
    response_format: TranscriptFormat | None = None
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    timestamp_granularities: list[Literal["word", "segment"]] | None = None
    diarize: bool | None = None
    keyterms: Annotated[list[Annotated[str, Field(max_length=256)]], Field(max_length=1000)] | None = None
    stream: bool | None = None
