"""Sound out of what providers send, wherever the network cut it."""

import json
from base64 import b64encode
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Usage
from turnpike.domain.errors import InvalidRequest, UpstreamError
from turnpike.domain.pricing import Pricing
from turnpike.domain.speech import SpeechPiece, SpeechRequest, Turn
from turnpike.ports.wires import SpeechDecoder
from turnpike.providers.google import speech as google
from turnpike.providers.openai_compatible import speech as openai

BY_TOKEN = Endpoint("openai/voice", "openai", "gpt-4o-mini-tts", "https://api.test/v1/", Pricing(), 4096)
BY_CHARACTER = Endpoint(
    "openai/voice", "openai", "tts-1", "https://api.test/v1", Pricing(character=Decimal("0.000015")), 4096
)
SOUND = bytes(range(256)) * 4
EVENTS = {"content-type": "text/event-stream; charset=utf-8"}


def asked(*turns: Turn, **changes: Any) -> SpeechRequest:
    return SpeechRequest(models=("openai/voice",), turns=turns or (Turn("Hello", "alloy", "Be brief"),), **changes)


def decode(decoder: SpeechDecoder, pieces: Sequence[bytes]) -> tuple[bytes, list[SpeechPiece]]:
    found = [each for piece in pieces for each in decoder.feed(piece)]
    found += decoder.finish()
    return b"".join(each.sound for each in found), found


def events(*contents: Any) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(each).encode() for each in contents)


def delta(sound: bytes) -> dict[str, str]:
    return {"type": "speech.audio.delta", "audio": b64encode(sound).decode()}


DONE = {"type": "speech.audio.done", "usage": {"input_tokens": 4, "output_tokens": 90, "total_tokens": 94}}


def test_openai_is_asked_for_events_where_tokens_cost_something() -> None:
    adapter = openai.build_adapter("openai")
    built = adapter.build_request(asked(), BY_TOKEN, "key")
    assert built.url == "https://api.test/v1/audio/speech"
    assert built.body == {
        "model": "gpt-4o-mini-tts",
        "input": "Hello",
        "voice": "alloy",
        "response_format": "pcm",
        "instructions": "Be brief",
        "stream_format": "sse",
    }
    assert "stream_format" not in adapter.build_request(asked(), BY_CHARACTER, "key").body
    assert "stream_format" not in openai.build_adapter("groq").build_request(asked(), BY_TOKEN, "key").body


def test_openai_takes_one_speaker() -> None:
    with pytest.raises(InvalidRequest, match="one text by one speaker"):
        openai.build_body(asked(Turn("a"), Turn("b")), BY_TOKEN)


def test_plain_sound_is_passed_on_as_it_is() -> None:
    decoder = openai.build_adapter("openai").decoder(asked(), {"content-type": "audio/pcm"})
    sound, pieces = decode(decoder, [SOUND, b"{", b"data: \n\n"])
    assert sound == SOUND + b"{data: \n\n"
    assert len(pieces) == 3


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_events_hold_sound_and_usage_wherever_they_are_cut(size: int) -> None:
    body = events(delta(SOUND), delta(b"\xff\x00"), DONE) + b"data: [DONE]\n\n"
    decoder = openai.build_adapter("openai").decoder(asked(), EVENTS)
    sound, pieces = decode(decoder, [body[start : start + size] for start in range(0, len(body), size)])
    assert sound == SOUND + b"\xff\x00"
    assert [each.usage for each in pieces if each.usage] == [Usage(4, 90, completion_audio_tokens=90)]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (events(delta(SOUND)), "The connection to the provider failed"),
        (events({"type": "error", "error": {"message": "Overloaded", "code": "server_error"}}), "Overloaded"),
        (b"data: {\n\n", "something that is no sound"),
        (events({"type": "speech.audio.delta", "audio": "!"}), "something that is no sound"),
        (events([1]), "something that is no sound"),
    ],
)
def test_events_that_break_off_or_mean_nothing(body: bytes, says: str) -> None:
    with pytest.raises(UpstreamError, match=says):
        decode(openai.build_adapter("openai").decoder(asked(), EVENTS), [body])


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"error": {"message": "No such voice", "code": 404}}', "No such voice"),
        (b"<html></html>", "something that is no sound"),
        (b"[" * 300_000, "something that is no sound"),
    ],
)
def test_an_error_with_status_200_is_no_sound(body: bytes, says: str) -> None:
    decoder = openai.build_adapter("openai").decoder(asked(), {"content-type": "application/json"})
    with pytest.raises(UpstreamError, match=says):
        decode(decoder, [body])


GEMINI = Endpoint("google/voice", "google-ai-studio", "gemini-tts", "https://api.test/v1beta", Pricing(), 8192)


def gemini(**changes: Any) -> bytes:
    part = {"inlineData": {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": b64encode(SOUND).decode()}}
    whole = {
        "candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 40},
        "responseId": "up",
    }
    return json.dumps(whole | changes).encode()


def test_gemini_is_asked_for_sound() -> None:
    built = google.build_adapter("google-ai-studio").build_request(asked(), GEMINI, "AIza")
    assert built.url == "https://api.test/v1beta/models/gemini-tts:generateContent"
    assert built.headers["x-goog-api-key"] == "AIza"
    voice = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "alloy"}}}
    assert built.body == {
        "contents": [{"role": "user", "parts": [{"text": "Be brief:\nHello"}]}],
        "generationConfig": {"responseModalities": ["AUDIO"], "speechConfig": voice},
    }


def test_gemini_takes_two_speakers() -> None:
    turns = (Turn("a", "Kore"), Turn("b", "Puck"), Turn("c", "Kore"))
    body = google.build_body(asked(*turns))
    assert body["contents"][0]["parts"][0]["text"] == "Speaker 1: a\nSpeaker 2: b\nSpeaker 1: c"
    config = body["generationConfig"]["speechConfig"]["multiSpeakerVoiceConfig"]["speakerVoiceConfigs"]
    assert [each["speaker"] for each in config] == ["Speaker 1", "Speaker 2"]
    alone = google.build_body(asked(Turn("a", "Kore"), Turn("b", "Kore")))
    assert alone["contents"][0]["parts"][0]["text"] == "a\nb"
    for wrong in ((*turns, Turn("d", "Zephyr")), (Turn("a"), Turn("b", "Kore"))):
        with pytest.raises(InvalidRequest):
            google.build_body(asked(*wrong))


@pytest.mark.parametrize(("form", "head"), [("pcm", 0), ("wav", 44)])
def test_geminis_sound(form: Any, head: int) -> None:
    decoder = google.build_adapter("google-ai-studio").decoder(asked(format=form), {})
    body = gemini()
    sound, [piece] = decode(decoder, [body[:50], body[50:]])
    assert sound[head:] == SOUND
    assert (piece.usage, piece.upstream_id) == (Usage(5, 40), "up")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        gemini(candidates=[]),
        gemini(candidates=[{"finishReason": "SAFETY"}]),
        gemini(promptFeedback={"blockReason": "SAFETY"}),
        gemini(error={"code": 503, "status": "UNAVAILABLE", "message": "busy"}),
        gemini(candidates=[{"content": {"parts": [{"inlineData": {"data": 1}}]}}]),
        gemini(candidates=[{"content": {"parts": [{"text": "No"}]}}]),
    ],
)
def test_gemini_that_says_nothing(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        decode(google.build_adapter("google-ai-studio").decoder(asked(), {}), [body])


def test_gemini_encodes_nothing() -> None:
    with pytest.raises(InvalidRequest, match="response_format: this model's provider gives pcm and wav alone"):
        google.build_body(asked(format="mp3"))
