"""`POST /audio/speech` and `/audio/transcriptions` with the SDKs that people use, and with the demo provider."""

import struct
from base64 import b64encode
from typing import Any
from zlib import crc32

import httpx2
import pytest
from openai import APIConnectionError, APIStatusError, OpenAI
from openrouter import OpenRouter

from tests.e2e.asking import error_of, generation, nano
from tests.e2e.run import MARK
from tests.e2e.simulated import Simulated

VOICE, EAR = "demo/speak", "demo/transcribe"
CHARACTER_NANO_USD, SECOND_NANO_USD = 15_000, 100_000
TEXT = f"The quick brown fox {MARK}"
BYTES_PER_CHARACTER = 2 * 24_000 // 20


def size_of(text: str) -> int:
    return sum(len(word) + 1 for word in text.split()) * BYTES_PER_CHARACTER


def wav_of(ms: int) -> bytes:
    size = ms * 48
    form = struct.pack("<IHHIIHH", 16, 1, 1, 24_000, 48_000, 2, 16)
    head = struct.pack("<4sI8s20s4sI", b"RIFF", size + 36, b"WAVEfmt ", form, b"data", size)
    return head + bytes(range(256)) * (size // 256) + b"\xff" * (size % 256)


def test_the_openai_sdk_gets_sound(openai: OpenAI, http: httpx2.Client) -> None:
    raw = openai.audio.speech.with_raw_response.create(
        model=VOICE, voice="alloy", input=TEXT, response_format="pcm", extra_body={"user": "ann"}
    )
    assert raw.headers["content-type"] == "audio/pcm;rate=24000;channels=1"
    sound = raw.content
    assert len(sound) == size_of(TEXT)
    assert 0xFF in sound
    record = generation(http, raw.headers["x-generation-id"])
    assert (record["api_type"], record["model"], record["external_user"]) == ("tts", VOICE, "ann")
    assert (record["provider_name"], record["streamed"]) == ("Demo", True)
    assert nano(record["total_cost"]) == len(TEXT) * CHARACTER_NANO_USD
    again = openai.audio.speech.create(model=VOICE, voice="alloy", input=TEXT, response_format="wav")
    assert again.content[:4] == b"RIFF"
    assert again.content[44:] == sound


def test_sound_is_streamed_as_it_comes(openai: OpenAI) -> None:
    with openai.audio.speech.with_streaming_response.create(
        model=VOICE, voice="alloy", input=TEXT, response_format="pcm", speed=2.0
    ) as answer:
        assert answer.headers.get("content-length") is None
        sizes = [len(each) for each in answer.iter_bytes(4800)]
    assert 0.4 < sum(sizes) / size_of(TEXT) < 0.6


def test_the_openrouter_sdk_speaks(openrouter: OpenRouter) -> None:
    answer: Any = openrouter.tts.create_speech(model=VOICE, input=TEXT, voice="alloy", response_format="pcm")
    assert len(answer.read() if hasattr(answer, "read") else answer.result.read()) == size_of(TEXT)


def spoken(sim: Simulated, text: str = TEXT, **members: Any) -> httpx2.Response:
    order = {"order": ["sim-openai-compatible", "sim-google"]}
    asked = {"model": "sim/speech", "input": text, "voice": "Kore", "provider": order}
    return sim.http.post("/audio/speech", json=asked | members)


def simulated_sound(text: str) -> bytes:
    """As `tests.simulator.operations.sounds` has it, heard from outside."""
    start = crc32(text.encode()) % 256
    return bytes((start + place) % 256 for place in range(960)) * len(text)


def test_every_byte_of_the_sound_arrives(sim: Simulated) -> None:
    answer = spoken(sim)
    assert answer.content == simulated_sound(TEXT)
    assert set(answer.content) == set(range(256))
    assert spoken(sim, response_format="opus").headers["content-type"] == "audio/opus"


@pytest.mark.parametrize("fault", [{"status": 500}, {"cut": 0}, {"empty": 1}, {"garbage": 0}, {"status": 401}])
def test_before_the_first_byte_another_endpoint_speaks(sim: Simulated, fault: dict[str, Any]) -> None:
    sim.plan("", fault, model="voice")
    answer = spoken(sim)
    assert answer.content == simulated_sound(TEXT)
    record = generation(sim.http, answer.headers["x-generation-id"])
    assert record["provider_name"] == "Simulated google"
    # Its tokens, which it counts: one for each character spoken, and one for four that it read.
    assert nano(record["total_cost"]) == len(TEXT) // 4 * 1_000 + len(TEXT) * 10_000
    assert record["native_tokens_completion"] == len(TEXT)


def test_sound_that_breaks_off_is_seen_to_and_costs_nothing(sim: Simulated) -> None:
    sim.plan("", {"cut": 2}, model="voice")
    asked = {"model": "sim/speech", "input": TEXT, "voice": "a", "provider": {"only": ["sim-openai-compatible"]}}
    heard: list[bytes] = []
    with sim.http.stream("POST", "/audio/speech", json=asked) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx2.RemoteProtocolError):
            # Keeps what came before the error.
            heard.extend(answer.iter_raw())
    assert b"".join(heard) == simulated_sound(TEXT)[:9600]
    record = generation(sim.http, answer.headers["x-generation-id"])
    assert (record["total_cost"], record["finish_reason"]) == (0, "error")
    assert nano(record["upstream_inference_cost"]) == len(TEXT) * 10_000


def test_the_openai_sdk_tells_of_sound_that_breaks_off(sim: Simulated) -> None:
    only = {"provider": {"only": ["sim-openai-compatible"]}}
    sim.plan("", {"cut": 2}, model="voice")
    with pytest.raises(APIConnectionError):
        sim.openai.audio.speech.create(model="sim/speech", voice="a", input=TEXT, extra_body=only)


def test_two_speakers_and_a_wav_file(sim: Simulated) -> None:
    turns = [{"text": "Hello", "voice": "Kore"}, {"text": "Hi", "voice": "Puck", "instructions": "shyly"}]
    answer = spoken(sim, provider={"only": ["sim-google"]}, input=turns, response_format="wav")
    assert answer.content[44:] == simulated_sound("Speaker 1: Hello\nSpeaker 2 (shyly): Hi")
    assert (answer.content[:4], answer.headers["content-type"]) == (b"RIFF", "audio/wav")
    refused = spoken(sim, provider={"only": ["sim-google"]}, response_format="mp3")
    assert "response_format: this model's provider gives pcm and wav alone" in error_of(refused, 400)["message"]


def test_tokens_or_seconds_are_paid_for_as_the_endpoint_counts(sim: Simulated) -> None:
    def heard(**members: Any) -> Any:
        order = {"order": ["sim-openai-compatible", "sim-spare"]}
        sound = {"data": b64encode(bytes(8000)).decode(), "format": "mp3"}
        asked = {"model": "sim/transcription", "input_audio": sound, "provider": order}
        answer = sim.http.post("/audio/transcriptions", json=asked | members)
        assert answer.status_code == 200, answer.text
        return answer.json()

    counted = heard()["usage"]
    assert (counted["type"], counted["input_tokens"], counted["total_tokens"]) == ("tokens", 80, 85)
    assert nano(counted["cost"]) == 80 * 4_000 + 5 * 10_000
    # Only the other endpoint says when something was said.
    timed = heard(response_format="verbose_json")
    assert (timed["usage"]["seconds"], timed["segments"][0]["end"]) == (8.0, 8.0)
    assert nano(timed["usage"]["cost"]) == 8 * 100_000
    sim.plan("", {"status": 503}, model="ear")
    assert heard()["usage"]["type"] == "duration"


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"input": ""}, "input: String should have at least 1 character"),
        ({"input": []}, "input: List should have at least 1 item"),
        ({"input": [{"voice": "a"}]}, "input.0.text: Field required"),
        ({"input": "a", "response_format": "midi"}, "response_format: Input should be 'mp3'"),
        ({"input": "a", "speed": 9}, "speed: Input should be less than or equal to 4"),
        ({"input": "a", "stream_format": "sse"}, "stream_format: the sound is streamed as bytes"),
        ({"input": "a", "input_references": [{}]}, "input_references: voices cannot be cloned here"),
        ({"input": [{"text": "a", "voice": "b"}, {"text": "c"}]}, "input: this model's provider takes one text"),
        ({"input": "a", "response_format": "mp3"}, "`response_format` of pcm or wav"),
    ],
)
def test_what_cannot_be_spoken_is_said(http: httpx2.Client, members: dict[str, Any], says: str) -> None:
    assert says in error_of(http.post("/audio/speech", json={"model": VOICE, **members}), 400)["message"]


def test_the_openai_sdk_gets_a_transcript(openai: OpenAI, http: httpx2.Client) -> None:
    sound = wav_of(1500)
    answer = openai.audio.transcriptions.with_raw_response.create(
        model=EAR, file=("talk.wav", sound), prompt=MARK, language="en"
    )
    found: Any = answer.parse()
    assert "a recording of 1.5 seconds (wav)" in found.text
    assert MARK in found.text
    assert (found.usage.type, found.usage.seconds) == ("duration", 1.5)
    assert nano(found.usage.cost) == 1.5 * SECOND_NANO_USD
    record = generation(http, answer.headers["x-generation-id"])
    assert (record["api_type"], record["num_input_audio_prompt"]) == ("stt", 1)
    assert nano(record["total_cost"]) == 1.5 * SECOND_NANO_USD


def test_every_byte_of_a_recording_arrives(openai: OpenAI) -> None:
    one, other = wav_of(40), wav_of(40)[:-1] + b"\x00"
    texts = [openai.audio.transcriptions.create(model=EAR, file=("a.wav", sound)).text for sound in (one, other, one)]
    assert texts[0] == texts[2] != texts[1]


def test_a_transcript_says_when_something_was_said(openai: OpenAI) -> None:
    timed: Any = openai.audio.transcriptions.create(
        model=EAR,
        file=("a.wav", wav_of(1000)),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert (timed.duration, timed.language, timed.segments[0].end) == (1.0, "english", 1.0)
    subtitles: Any = openai.audio.transcriptions.create(model=EAR, file=("a.wav", wav_of(1000)), response_format="srt")
    assert subtitles.startswith("1\n00:00:00,000 --> 00:00:01,000\nThis is a recording")
    for form, begins in (("vtt", "WEBVTT\n\n00:00:00.000 -->"), ("text", "This is a recording")):
        told: Any = openai.audio.transcriptions.create(model=EAR, file=("a.wav", wav_of(1000)), response_format=form)  # type: ignore[call-overload]
        assert told.startswith(begins)


def test_the_openrouter_sdk_listens(openrouter: OpenRouter) -> None:
    sound = b64encode(wav_of(1000)).decode()
    answer: Any = openrouter.stt.create_transcription(model=EAR, input_audio={"data": sound, "format": "wav"})
    assert "1.0 seconds" in answer.text
    assert (answer.usage.seconds, nano(answer.usage.cost)) == (1.0, SECOND_NANO_USD)


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({}, "input_audio: send it as"),
        ({"input_audio": {"data": "data:audio/wav;base64,AAAA", "format": "wav"}}, "it is not base64"),
        ({"input_audio": {"data": "AAAA"}}, "input_audio.format: Field required"),
        ({"input_audio": {"url": "https://example.com/a"}}, "input_audio.format: the address has no ending"),
        ({"input_audio": {"url": "https://127.0.0.1/a.wav"}}, "input_audio.url: what stands at 127.0.0.1"),
        ({"input_audio": {"data": "AAAA", "format": "wav"}, "stream": True}, "stream: transcripts come in one piece"),
        ({"input_audio": {"data": "AAAA", "format": "wav"}, "temperature": "0"}, "temperature: Input should"),
    ],
)
def test_what_cannot_be_transcribed_is_said(http: httpx2.Client, members: dict[str, Any], says: str) -> None:
    assert says in error_of(http.post("/audio/transcriptions", json={"model": EAR, **members}), 400)["message"]


def test_who_spoke_is_not_to_be_had(http: httpx2.Client) -> None:
    asked = {"model": EAR, "input_audio": {"data": "AAAA", "format": "wav"}, "diarize": True}
    assert "leave out diarize" in error_of(http.post("/audio/transcriptions", json=asked), 404)["message"]


def test_models_that_speak_do_not_listen(openai: OpenAI) -> None:
    with pytest.raises(APIStatusError) as caught:
        openai.audio.transcriptions.create(model=VOICE, file=("a.wav", wav_of(10)))
    assert "GET /models?output_modalities=transcription" in str(caught.value.body)
