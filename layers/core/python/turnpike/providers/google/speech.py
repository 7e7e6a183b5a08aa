"""Gemini's speech: generateContent, answered in sound. https://ai.google.dev/gemini-api/docs/speech-generation"""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from turnpike.domain.catalog import Endpoint
from turnpike.domain.errors import InvalidRequest, UpstreamError
from turnpike.domain.recordings import wav_header
from turnpike.domain.speech import SAMPLE_RATE, SpeechPiece, SpeechRequest
from turnpike.ports.wires import SpeechDecoder
from turnpike.providers.failures import unreadable
from turnpike.providers.google.errors import blocked, error_in_answer, parse_error
from turnpike.providers.google.requests import request_for
from turnpike.providers.google.wire import has_counts, parse_usage
from turnpike.providers.request import ProviderRequest
from turnpike.providers.sound import NO_SOUND

Json = Mapping[str, Any]

_MOST_SPEAKERS = 2
"""https://ai.google.dev/gemini-api/docs/speech-generation#multi-speaker"""
_MOST_BYTES = 64 * 1024 * 1024
_GIVEN = ("pcm", "wav")


@dataclass(frozen=True, slots=True)
class GoogleSpeech:
    provider: str

    def build_request(self, request: SpeechRequest, endpoint: Endpoint, api_key: str) -> ProviderRequest:
        return request_for(self.provider, endpoint, api_key, build_body(request))

    def decoder(self, request: SpeechRequest, headers: Mapping[str, str]) -> SpeechDecoder:
        return GeminiSound(self.provider, is_wav=request.format == "wav")

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return parse_error(self.provider, status, headers, body)


def build_body(request: SpeechRequest) -> dict[str, Any]:
    """Raises InvalidRequest for a format that would have to be encoded, and for too many speakers."""
    if request.format not in _GIVEN:
        raise InvalidRequest(f"this model's provider gives {' and '.join(_GIVEN)} alone", field="response_format")
    text, config = _alone(request) if len(request.turns) == 1 else _in_turns(request)
    return {
        "contents": [{"role": "user", "parts": [{"text": text}]}],
        "generationConfig": {"responseModalities": ["AUDIO"], **({"speechConfig": config} if config else {})},
    }


def _alone(request: SpeechRequest) -> tuple[str, Json]:
    """(what is said, in which voice). Instructions stand before what is to be said, as there is no place for them."""
    [turn] = request.turns
    text = f"{turn.instructions}:\n{turn.text}" if turn.instructions else turn.text
    return text, {"voiceConfig": _voice(turn.voice)} if turn.voice else {}


def _in_turns(request: SpeechRequest) -> tuple[str, Json]:
    speakers: dict[str, str] = {}
    lines = []
    for place, turn in enumerate(request.turns):
        if not turn.voice:
            raise InvalidRequest("each turn needs a voice, or the request one for all", field=f"input.{place}.voice")
        speaker = speakers.setdefault(turn.voice, f"Speaker {len(speakers) + 1}")
        how = f" ({turn.instructions})" if turn.instructions else ""
        lines.append(f"{speaker}{how}: {turn.text}")
    if len(speakers) > _MOST_SPEAKERS:
        raise InvalidRequest(f"this model's provider takes {_MOST_SPEAKERS} voices at most", field="input")
    text = "\n".join(lines)
    if len(speakers) == 1:
        [voice] = speakers
        return "\n".join(turn.text for turn in request.turns), {"voiceConfig": _voice(voice)}
    configs = [{"speaker": speaker, "voiceConfig": _voice(voice)} for voice, speaker in speakers.items()]
    return text, {"multiSpeakerVoiceConfig": {"speakerVoiceConfigs": configs}}


def _voice(name: str) -> Json:
    return {"prebuiltVoiceConfig": {"voiceName": name}}


class GeminiSound:
    """The answer comes in one piece, which is read when it is whole: base64 in JSON."""

    __slots__ = ("_body", "_is_wav", "_provider")

    def __init__(self, provider: str, *, is_wav: bool) -> None:
        self._provider = provider
        self._is_wav = is_wav
        self._body = bytearray()

    def feed(self, data: bytes) -> Sequence[SpeechPiece]:
        self._body += data
        if len(self._body) > _MOST_BYTES:
            raise unreadable(self._provider, "The provider sent an answer that is too large")
        return ()

    def finish(self) -> Sequence[SpeechPiece]:
        try:
            answer = orjson.loads(self._body)
            if answer.get("error"):
                raise error_in_answer(self._provider, answer["error"])
            refused = blocked(self._provider, answer.get("promptFeedback") or {})
            if refused is not None:
                raise refused
            sound, usage = _sound_of(answer), answer.get("usageMetadata") or {}
            counted = parse_usage(usage) if has_counts(usage) else None
            upstream_id = answer.get("responseId")
        except (AttributeError, LookupError, TypeError, ValueError):
            raise unreadable(self._provider, NO_SOUND) from None
        if not sound:
            raise unreadable(self._provider, "The provider sent no sound")
        head = wav_header(SAMPLE_RATE, len(sound)) if self._is_wav else b""
        return (SpeechPiece(head + sound, counted, upstream_id if isinstance(upstream_id, str) else None),)


def _sound_of(answer: Json) -> bytes:
    """Of the one candidate, which may say why it has none."""
    candidates = answer.get("candidates") or [{}]
    parts = (candidates[0].get("content") or {}).get("parts") or ()
    return b"".join(b64decode(part["inlineData"]["data"], validate=True) for part in parts if "inlineData" in part)


def build_adapter(provider: str) -> GoogleSpeech:
    return GoogleSpeech(provider)
