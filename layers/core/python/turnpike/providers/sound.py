"""Sound as providers send it, whichever wire format asked for it: bytes, or events with bytes in them."""

from base64 import b64decode
from collections.abc import Mapping, Sequence

import orjson

from turnpike.domain.chat import Usage
from turnpike.domain.errors import UpstreamError
from turnpike.domain.speech import SpeechPiece
from turnpike.providers.failures import failure_in_answer, unreachable, unreadable
from turnpike.providers.sse import EventTooLarge, SseDecoder

NO_SOUND = "The provider sent something that is no sound"
_MOST_ERROR_BYTES = 256 * 1024
_NO_TYPES = ("application/json", "text/")
"""Of what is no sound, whatever its status. Some servers call sound `application/octet-stream`, or nothing."""


class RawSound:
    """The body is the sound. That it is whole is for HTTP to say."""

    __slots__ = ("_provider", "_said")

    def __init__(self, provider: str, headers: Mapping[str, str]) -> None:
        self._provider = provider
        told = headers.get("content-type", "").strip().lower()
        self._said: bytearray | None = bytearray() if told.startswith(_NO_TYPES) else None

    def feed(self, data: bytes) -> Sequence[SpeechPiece]:
        if self._said is None:
            return (SpeechPiece(data),)
        self._said += data
        if len(self._said) > _MOST_ERROR_BYTES:
            raise unreadable(self._provider, NO_SOUND)
        return ()

    def finish(self) -> Sequence[SpeechPiece]:
        if self._said is not None:
            raise _error_in(self._provider, bytes(self._said))
        return ()


class SoundEvents:
    """OpenAI's events, the last of which tells the usage.

    https://platform.openai.com/docs/api-reference/audio/speech-audio-delta-event
    """

    __slots__ = ("_done", "_events", "_provider")

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._events = SseDecoder()
        self._done = False

    def feed(self, data: bytes) -> Sequence[SpeechPiece]:
        try:
            return [self._read(event.data) for event in self._events.feed(data) if event.data != b"[DONE]"]
        except (AttributeError, EventTooLarge, LookupError, TypeError, ValueError):
            raise unreadable(self._provider, NO_SOUND) from None

    def finish(self) -> Sequence[SpeechPiece]:
        if not self._done:
            raise unreachable(self._provider, "The connection to the provider failed")
        return ()

    def _read(self, data: bytes) -> SpeechPiece:
        event = orjson.loads(data)
        kind = event.get("type")
        if kind == "error" or event.get("error"):
            raise failure_in_answer(self._provider, event.get("error") or event)
        if kind == "speech.audio.delta":
            return SpeechPiece(b64decode(event["audio"], validate=True))
        if kind == "speech.audio.done":
            self._done = True
            return SpeechPiece(usage=_usage_of(event.get("usage")))
        return SpeechPiece()


def _usage_of(given: object) -> Usage | None:
    if not isinstance(given, dict):
        return None
    read, said = (count_of(given.get(name)) for name in ("input_tokens", "output_tokens"))
    return Usage(read, said, completion_audio_tokens=said) if said else None


def count_of(given: object) -> int:
    """Zero for what is no count."""
    return given if isinstance(given, int) and not isinstance(given, bool) and 0 < given < 10**12 else 0


def _error_in(provider: str, body: bytes) -> UpstreamError:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return unreadable(provider, NO_SOUND)
    error = content.get("error") if isinstance(content, dict) else None
    return failure_in_answer(provider, error) if error else unreadable(provider, NO_SOUND)
