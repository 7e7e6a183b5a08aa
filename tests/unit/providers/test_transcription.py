"""Transcriptions: the forms that are sent, and what is read out of answers."""

import json
from decimal import Decimal
from email.parser import BytesParser
from typing import Any

import pytest

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Usage
from turnpike.domain.errors import InvalidRequest, UpstreamError
from turnpike.domain.pricing import Pricing
from turnpike.domain.recordings import wav_header
from turnpike.domain.transcription import Recording, RemoteRecording, TranscriptionRequest
from turnpike.ports.wires import Reply
from turnpike.providers.forms import with_form
from turnpike.providers.google import transcription as google
from turnpike.providers.openai_compatible import transcription as openai
from turnpike.providers.request import FormFile

WHISPER = frozenset({"language", "prompt", "temperature", "timestamp_granularities"})
SOUND = wav_header(24_000, 48_000) + bytes(48_000)


def at(provider: str = "openai", *, takes: frozenset[str] = frozenset(), second: str | None = None) -> Endpoint:
    pricing = Pricing(second=None if second is None else Decimal(second))
    return Endpoint("acme/ear", provider, "whisper-1", "https://api.test/v1", pricing, 448, supported_parameters=takes)


def asked(**changes: Any) -> TranscriptionRequest:
    return TranscriptionRequest(**({"models": ("acme/ear",), "audio": Recording(SOUND, "wav")} | changes))


def built(provider: str, request: TranscriptionRequest, **options: Any) -> Any:
    [found] = openai.build_adapter(provider).build_requests(request, at(provider, **options), "key")
    return found


def read(provider: str, answer: Any, request: TranscriptionRequest | None = None, **options: Any) -> Any:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return openai.build_adapter(provider).parse_replies([Reply({}, body)], request or asked(), at(provider, **options))


def test_a_form_is_read_by_others_as_it_was_meant() -> None:
    content = bytes(range(256)) + b"\r\n--\r\n\r\n"
    file = FormFile("file", "audio.wav", "audio/wav", content)
    fields = {"model": "whisper-1", "temperature": 0.5, "words[]": ["a", "ü"], 'na"me\r\n': "", "stream": False}
    headers, body = with_form({"authorization": "Bearer key"}, fields, [file])
    assert headers["authorization"] == "Bearer key"
    message = BytesParser().parsebytes(b"content-type: %b\r\n\r\n%b" % (headers["content-type"].encode(), body))
    found = [
        (part.get_param("name", header="content-disposition"), part.get_filename(), part.get_payload(decode=True))
        for part in message.get_payload()
    ]
    assert found == [
        ("model", None, b"whisper-1"),
        ("temperature", None, b"0.5"),
        ("words[]", None, b"a"),
        ("words[]", None, "ü".encode()),
        ("na%22me%0D%0A", None, b""),
        ("stream", None, b"false"),
        ("file", "audio.wav", content),
    ]


def test_whisper_always_says_how_long_it_was() -> None:
    request = built("openai", asked(parameters={"language": "en", "temperature": 0.5}), takes=WHISPER)
    assert request.url == "https://api.test/v1/audio/transcriptions"
    assert request.body == {
        "model": "whisper-1",
        "language": "en",
        "temperature": 0.5,
        "response_format": "verbose_json",
    }
    assert request.form == (FormFile("file", "audio.wav", "audio/wav", SOUND),)
    assert built("openai", asked(), takes=frozenset({"prompt"})).body["response_format"] == "json"


def test_times_are_asked_for_where_somebody_wants_them() -> None:
    parameters = {"timestamp_granularities": ["word"], "prompt": "p"}
    request = built("openai", asked(format="verbose_json", parameters=parameters), takes=WHISPER - {"prompt"})
    assert request.body["timestamp_granularities[]"] == ["word"]
    assert "prompt" not in request.body
    # Mistral has one form of answer, and its own name for this.
    request = built("mistral", asked(format="srt"))
    assert request.body == {"model": "whisper-1", "timestamp_granularities": ["segment"]}


def test_samples_get_the_header_that_says_their_rate() -> None:
    [file] = built("openai", asked(audio=Recording(b"\x01\x02", "pcm"))).form
    assert (file.filename, file.content) == ("audio.wav", wav_header(16_000, 2) + b"\x01\x02")
    [file] = built("openai", asked(audio=Recording(b"x", "m4a"))).form
    assert (file.filename, file.media_type) == ("audio.m4a", "audio/mp4")


@pytest.mark.parametrize(("provider", "name"), [("groq", "url"), ("mistral", "file_url")])
def test_who_gets_recordings_is_told_where(provider: str, name: str) -> None:
    request = built(provider, asked(audio=RemoteRecording("https://example.com/a.mp3", "mp3")))
    assert (request.body[name], request.form) == ("https://example.com/a.mp3", ())
    assert openai.build_adapter(provider).fetches("input_audio", "https://example.com/a.mp3")


def test_the_others_want_them_fetched() -> None:
    for adapter in (openai.build_adapter("openai"), google.build_adapter("google-ai-studio")):
        assert not adapter.fetches("input_audio", "https://example.com/a.mp3")


def test_what_nobody_can_be_asked_for_is_refused() -> None:
    for wire in (openai.build_adapter("openai"), google.build_adapter("google-ai-studio")):
        for name in ("diarize", "keyterms"):
            with pytest.raises(InvalidRequest, match=f"{name}: this model's provider does not take it"):
                wire.build_requests(asked(parameters={name: True}), at(), "key")


@pytest.mark.parametrize(
    ("provider", "answer", "usage"),
    [
        ("openai", {"usage": {"type": "duration", "seconds": 3}, "duration": 2.9}, Usage(prompt_audio_ms=3000)),
        ("openai", {"duration": "2.9000001"}, Usage(prompt_audio_ms=2901)),
        ("groq", {"duration": 2.9}, Usage(prompt_audio_ms=10_000)),
        ("groq", {"duration": 20.5}, Usage(prompt_audio_ms=20_500)),
        (
            "mistral",
            {"usage": {"prompt_audio_seconds": 203, "prompt_tokens": 4, "completion_tokens": 635}},
            Usage(4, 635, prompt_audio_ms=203_000),
        ),
        (
            "openai",
            {
                "usage": {
                    "type": "tokens",
                    "input_tokens": 14,
                    "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
                    "output_tokens": 45,
                }
            },
            Usage(14, 45, prompt_audio_tokens=14),
        ),
    ],
)
def test_what_providers_count(provider: str, answer: dict[str, Any], usage: Usage) -> None:
    assert read(provider, {"text": "Hi", **answer}).usage == usage


@pytest.mark.parametrize("counted", [{}, {"duration": -1}, {"duration": True and "no"}, {"usage": {"seconds": 1e300}}])
def test_what_they_do_not_count_is_measured(counted: dict[str, Any]) -> None:
    usage = read("openai", {"text": "Hi", **counted}, second="0.0001").usage
    assert usage == Usage(prompt_audio_ms=1000, estimated=True)
    remote = asked(audio=RemoteRecording("https://example.com/a.mp3", "mp3"))
    assert read("groq", {"text": "Hi", **counted}, remote).usage is None


def test_segments_and_words_are_passed_on() -> None:
    segment, word = {"start": 0.0, "end": 1.0, "text": "Hi", "speaker": 2}, {"word": "Hi", "start": 0, "end": 1}
    answer = {"text": "Hi", "language": "english", "duration": 1.0, "segments": [segment], "words": [word]}
    found = read("openai", answer)
    assert (found.segments, found.words, found.language, found.duration_s) == ([segment], [word], "english", 1.0)


@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b'{"text": 1}', b'{"text": "", "segments": [1]}', b"Hi", b'{"error": {"message": "No"}}']
)
def test_what_is_no_transcript(body: bytes) -> None:
    with pytest.raises(UpstreamError):
        read("openai", body)


def test_silence_is_an_answer() -> None:
    assert read("openai", {"text": "", "duration": 1}).text == ""


def gemini(answer: Any, request: TranscriptionRequest | None = None) -> Any:
    adapter = google.build_adapter("google-ai-studio")
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return adapter.parse_replies([Reply({}, body)], request or asked(), at("google-ai-studio"))


def test_gemini_is_asked_to_write_down_what_it_hears() -> None:
    adapter = google.build_adapter("google-ai-studio")
    parameters = {"language": "de", "prompt": "Grüezi"}
    request = asked(audio=Recording(b"\x00\xff", "pcm"), parameters=parameters)
    [found] = adapter.build_requests(request, at("google-ai-studio"), "AIza")
    said, heard = found.body["contents"][0]["parts"]
    assert "word for word" in said["text"]
    assert "code de." in said["text"]
    assert "Grüezi" in said["text"]
    assert heard["inlineData"]["mimeType"] == "audio/wav"
    assert found.url.endswith("/models/whisper-1:generateContent")
    with pytest.raises(InvalidRequest, match="response_format"):
        adapter.build_requests(asked(format="srt"), at("google-ai-studio"), "AIza")


def test_geminis_transcript() -> None:
    parts = [{"text": "hmm", "thought": True}, {"text": " Hello "}, {"text": "there\n"}]
    heard = [{"modality": "AUDIO", "tokenCount": 32}]
    told = {"promptTokenCount": 40, "candidatesTokenCount": 3, "promptTokensDetails": heard}
    answer = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}], "usageMetadata": told}
    found = gemini(answer)
    assert (found.text, found.usage) == ("Hello there", Usage(40, 3, prompt_audio_tokens=32))
    assert gemini({"candidates": [{"finishReason": "STOP"}]}).usage.estimated


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        {"candidates": []},
        {"candidates": [{"finishReason": "SAFETY"}]},
        {"promptFeedback": {"blockReason": "SAFETY"}},
        {"error": {"code": 503, "status": "UNAVAILABLE", "message": "busy"}},
        {"candidates": [{"content": {"parts": [1]}}]},
    ],
)
def test_gemini_that_hears_nothing(body: Any) -> None:
    with pytest.raises(UpstreamError):
        gemini(body)
