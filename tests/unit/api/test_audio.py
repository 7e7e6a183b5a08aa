"""Forms as clients make them, bodies of JSON, and the forms in which transcripts go out."""

import json
from base64 import b64encode
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.datastructures import Headers
from starlette.requests import Request

from turnpike.api.audio.speech import parse_speech_request
from turnpike.api.audio.subtitles import present_srt, present_vtt
from turnpike.api.audio.transcription import parse_transcription_request
from turnpike.api.audio.upload import MOST_FILE_BYTES, Upload, parse_form, read_audio
from turnpike.domain.errors import InvalidRequest, PayloadTooLarge
from turnpike.domain.speech import Turn
from turnpike.domain.transcription import Recording, RemoteRecording

pytestmark = pytest.mark.anyio

NO_HEADERS = Headers({})
DATA = {"model": "a/b", "language": "en", "temperature": "0.5", "diarize": "TRUE", "provider": '{"only": ["one"]}'}


def form(files: Any = None, **data: Any) -> httpx2.Request:
    """As HTTPX makes it, which the SDKs use."""
    files = files or {"file": ("talk.mp3", b"\xff\x00", "audio/mpeg")}
    return httpx2.Request("POST", "https://api.test/", data=DATA | data, files=files)


async def read(headers: dict[str, str], *parts: bytes) -> Any:
    left = list(parts)

    async def receive() -> dict[str, Any]:
        part = left.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(left)}

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return await read_audio(Request({"type": "http", "headers": raw, "method": "POST", "path": "/"}, receive))


async def read_form(request: httpx2.Request) -> Any:
    body = request.read()
    return await read({"content-type": request.headers["content-type"]}, body[:9], body[9:])


async def test_a_form_becomes_what_json_would_have_been() -> None:
    found = await read_form(form(**{"timestamp_granularities[]": ["word", "segment"], "prompt": "true ü"}))
    assert found == {
        "model": "a/b",
        "language": "en",
        "temperature": 0.5,
        "diarize": True,
        "provider": {"only": ["one"]},
        "timestamp_granularities": ["word", "segment"],
        "prompt": "true ü",
        "file": Upload("talk.mp3", b"\xff\x00", "audio/mpeg"),
    }
    request = parse_transcription_request(found, NO_HEADERS)
    assert request.audio == Recording(b"\xff\x00", "mp3")
    assert request.provider.only == ("one",)
    assert request.parameters["temperature"] == 0.5


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=40))
async def test_every_byte_of_a_file_survives(content: bytes, other: bytes) -> None:
    for each in (content, other + b"\r\n" + content + b"\r\n", b"--" + content, b"\r\n\r\n" + content):
        request = form({"file": ("Grüße.wav", each, "audio/wav")})
        assert (await read_form(request))["file"] == Upload("Grüße.wav", each, "audio/wav")


@pytest.mark.parametrize("boundary", ["b", "----WebKitFormBoundary7MA4YWxkTrZu0gW", "'()+_,-./:=?"])
async def test_forms_by_hand(boundary: str) -> None:
    body = (
        f'a preamble\r\n--{boundary}  \r\ncontent-disposition: form-data; name=file; filename="a;b.ogg"\r\n\r\nx\r\n'
        f'--{boundary}\r\nContent-Type: text/plain\r\nContent-Disposition: form-data; name="model"\r\n\r\na/b\r\n'
        f"--{boundary}--\r\nan epilogue"
    ).encode()
    found = await read({"content-type": f'multipart/form-data; boundary="{boundary}"'}, body)
    assert found == {"file": Upload("a;b.ogg", b"x"), "model": "a/b"}


PART = b'--b\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not complete"),
        (b"--b\r\n", "not complete"),
        (PART % (b"model", b"", b"a/b"), "not complete"),
        (b"--b\r\n\r\nx\r\n--b--", "has no name"),
        (b"--bc\r\n\r\nx\r\n--b--", "not complete"),
        (PART % (b"image", b'; filename="a.png"', b"x") + b"--b--", "image: only `file` may be a file"),
        (PART % (b"file", b"", b"x") + b"--b--", "file: it has no file name"),
        (PART % (b"file", b'; filename="a"', b"x") * 2 + b"--b--", "file: there is more than one"),
        (PART % (b"model", b"", b"\xff") + b"--b--", "model: it is not text in UTF-8"),
        (PART % (b"a", b"", b"x") * 200 + b"--b--", "not complete"),
    ],
)
def test_forms_that_are_none(body: bytes, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        parse_form(body, b"b")


@given(st.binary(max_size=400), st.integers(0, 400))
def test_no_form_is_too_broken_to_look_at(junk: bytes, place: int) -> None:
    body = PART % (b"file", b'; filename="a.wav"', b"x") + PART % (b"model", b"", b"a/b") + b"--b--"
    for each in (junk, body[:place] + junk, body[:place] + junk + body[place:], b"--b\r\n" + junk + b"\r\n--b--"):
        try:
            parse_form(each, b"b")
        except (InvalidRequest, PayloadTooLarge):
            continue


@pytest.mark.parametrize(
    ("media_type", "ending"), [("audio/webm;codecs=opus", "webm"), ("Audio/X-WAV", "wav"), ("audio/mpeg", "mp3")]
)
async def test_a_file_without_an_ending_is_what_its_type_says(media_type: str, ending: str) -> None:
    found = await read_form(form({"file": ("blob", b"x", media_type)}))
    assert parse_transcription_request(found, NO_HEADERS).audio == Recording(b"x", ending)
    with pytest.raises(InvalidRequest, match="file: neither its name's ending"):
        parse_transcription_request(await read_form(form({"file": ("blob", b"x", "text/plain")})), NO_HEADERS)


async def test_a_form_may_have_an_address_in_the_place_of_the_file() -> None:
    part = PART % (b"source_url", b"", b"https://e.com/a.mp3")
    found = parse_form(PART % (b"model", b"", b"a/b") + part + b"--b--", b"b")
    assert parse_transcription_request(found, NO_HEADERS).audio == RemoteRecording("https://e.com/a.mp3", "mp3")
    with pytest.raises(InvalidRequest, match="source_url: send either file or source_url"):
        parse_form(PART % (b"file", b'; filename="a.wav"', b"x") + part + b"--b--", b"b")


async def test_a_form_without_a_file_may_be_urlencoded() -> None:
    """As OpenRouter's SDK sends it, its brackets included; and what curl calls so without being told is JSON."""
    kind = {"content-type": "application/x-www-form-urlencoded"}
    times = b"timestamp_granularities%5B%5D%5B%5D=word&timestamp_granularities%5B%5D%5B%5D=segment"
    found = await read(kind, b"model=a%2Fb&temperature=0.5&source_url=https%3A%2F%2Fe.com%2F%C3%BC.mp3&" + times)
    request = parse_transcription_request(found, NO_HEADERS)
    assert request.audio == RemoteRecording("https://e.com/ü.mp3", "mp3")
    assert request.parameters == {"temperature": 0.5, "timestamp_granularities": ["word", "segment"]}
    assert await read(kind, b' {"a": 1}') == {"a": 1}
    for body, says in (
        (b"a=1&" * 200, "more than 128 fields"),
        (b"a=%ff", "no text in UTF-8"),
        (b"x", "model: "),
    ):
        with pytest.raises(InvalidRequest, match=says):
            parse_transcription_request(await read(kind, body), NO_HEADERS)


async def test_limits() -> None:
    uploaded = PART % (b"file", b'; filename="a.wav"', bytes(MOST_FILE_BYTES)) + b"--b--"
    assert len(parse_form(uploaded, b"b")["file"].content) == MOST_FILE_BYTES
    with pytest.raises(PayloadTooLarge, match="the file is larger than 25 MB"):
        parse_form(uploaded[:-7] + b"x" + uploaded[-7:], b"b")
    with pytest.raises(PayloadTooLarge, match="the request body is larger than 34 MB"):
        await read({"content-length": str(40 * 1024 * 1024)}, b"")
    with pytest.raises(PayloadTooLarge, match="a field of the form"):
        await read_form(form(prompt="x" * 600_000))


@pytest.mark.parametrize("parameter", ["", "; boundary=", "; boundary=ü"])
async def test_a_form_without_a_boundary(parameter: str) -> None:
    with pytest.raises(InvalidRequest, match="names no boundary"):
        await read({"content-type": f"multipart/form-data{parameter}"}, b"x")


async def test_whatever_is_no_form_is_json() -> None:
    assert await read({}, b'{"a": 1}') == {"a": 1}
    with pytest.raises(InvalidRequest, match="not valid JSON"):
        await read({"content-type": "audio/wav"}, b"RIFF")


def parsed(**members: Any) -> Any:
    return parse_transcription_request({"model": "a/b", **members}, NO_HEADERS)


def test_a_recording_in_json() -> None:
    data = b64encode(b"\xff\x00").decode()
    assert parsed(input_audio={"data": data, "format": "wav"}).audio == Recording(b"\xff\x00", "wav")
    for url, form_ in (("https://e.com/a.MP3?x=.wav", None), ("https://e.com/a", "mp3")):
        found = parsed(input_audio={"url": url, **({"format": form_} if form_ else {})})
        assert found.audio == RemoteRecording(url, "mp3")


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"file": Upload("talk", b"x")}, "file: neither its name's ending"),
        ({"file": Upload("talk.wav", b"")}, "file: it is empty"),
        ({"file": Upload("a.b/c", b"x")}, "file: neither its name's ending"),
        ({"file": "a text"}, "input_audio: send it as"),
        ({"input_audio": {"data": "AAAA", "format": "../x"}}, "input_audio.format"),
        ({"input_audio": {"data": "AAAA", "format": "wav"}, "language": "English, please"}, "language: String should"),
        ({"input_audio": {"data": "AAAA", "format": "wav"}, "response_format": "docx"}, "response_format: Input"),
        ({"input_audio": {"data": "A", "format": "wav"}}, "input_audio.data: it is not base64"),
    ],
)
def test_recordings_that_are_none(members: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        parsed(**members)


def test_what_is_to_be_spoken() -> None:
    members = {"model": "a/b", "input": "Hello", "voice": {"id": "voice_1"}, "instructions": "slowly", "speed": 1}
    request = parse_speech_request(members, NO_HEADERS)
    assert (request.turns, request.format) == ((Turn("Hello", "voice_1", "slowly"),), "pcm")
    assert (request.speed, request.parameters) == (None, {"instructions": True})
    turns = [{"text": "a", "voice": "x"}, {"text": "b", "instructions": "fast"}]
    request = parse_speech_request({"model": "a/b", "input": turns, "voice": "y", "instructions": "slowly"}, NO_HEADERS)
    assert request.turns == (Turn("a", "x", "slowly"), Turn("b", "y", "fast"))
    assert parse_speech_request({"model": "a/b", "input": "a", "speed": 2}, NO_HEADERS).parameters == {"speed": 2}
    with pytest.raises(InvalidRequest, match="more than 100,000 characters together"):
        parse_speech_request({"model": "a/b", "input": [{"text": "x" * 60_000}] * 2}, NO_HEADERS)


SEGMENTS = [
    {"start": 0, "end": 3599.9996, "text": " Hello\n\nthere --> you "},
    {"start": 3661.25, "end": 36000.5, "text": "Bye"},
    {"start": None, "end": -1},
]


def test_subtitles() -> None:
    assert present_srt(SEGMENTS) == (
        "1\n00:00:00,000 --> 01:00:00,000\nHello there -> you\n\n"
        "2\n01:01:01,250 --> 10:00:00,500\nBye\n\n"
        "3\n00:00:00,000 --> 00:00:00,000\n\n"
    )
    assert present_vtt(SEGMENTS[:1]) == "WEBVTT\n\n00:00:00.000 --> 01:00:00.000\nHello there -> you\n"
    assert present_vtt([]) == "WEBVTT\n"
    assert json.dumps(SEGMENTS)
