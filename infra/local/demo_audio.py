"""The demo provider's sound, as OpenAI's: a tone for each word, and a transcript that says what was heard of it."""

import email.parser
import math
import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import orjson

SPEECH, TRANSCRIPTION = "speak", "transcribe"
"""The models that speak and that listen; of the behaviours they have `ttft_ms` and `status`, and speech has `chunk_ms`
and `empty`."""
_RATE = 24_000
_PER_CHARACTER = _RATE // 20
"""Samples, which are whole periods of every tone below."""
_TYPES = {"pcm": "audio/pcm", "wav": "audio/wav"}
_HEADER = 44
_PIECE = 4800
"""Bytes: a tenth of a second."""


@dataclass(frozen=True, slots=True)
class Spoken:
    media_type: str
    pieces: Sequence[bytes]


def present_speech(body: Mapping[str, Any]) -> Spoken:
    """Raises LookupError, TypeError or ValueError for what is no request for speech."""
    form = body["response_format"]
    speed = float(body.get("speed", 1))
    sound = b"".join(_tone_of(word, speed) for word in re.findall(r"\S+", body["input"]))
    if form == "wav":
        sound = _wav_header(len(sound)) + sound
    return Spoken(_TYPES[form], [sound[start : start + _PIECE] for start in range(0, len(sound), _PIECE)])


def _tone_of(word: str, speed: float) -> bytes:
    """Always the same for a word, and as long as the word is."""
    hertz = 200 + 20 * (crc32(word.lower().encode()) % 30)
    period = [round(6000 * math.sin(2 * math.pi * hertz * place / _RATE)) for place in range(_PER_CHARACTER)]
    repeated = max(1, round((len(word) + 1) / speed))
    return array("h", period).tobytes() * repeated


def _wav_header(size: int) -> bytes:
    parts = ((size + 36, 4), b"WAVEfmt ", (16, 4), (1, 2), (1, 2), (_RATE, 4), (2 * _RATE, 4), (2, 2), (16, 2), b"data")
    told = b"".join(part if isinstance(part, bytes) else part[0].to_bytes(part[1], "little") for part in parts)
    return b"RIFF" + told + size.to_bytes(4, "little")


def read_form(content_type: str, raw: bytes) -> dict[str, Any]:
    """Texts by their names, and the file as (name, bytes). Raises ValueError for what is no form."""
    head = f"content-type: {content_type}\r\n\r\n".encode("latin-1")
    message = email.parser.BytesParser().parsebytes(head + raw)
    if message.get_content_type() != "multipart/form-data" or not message.is_multipart():
        raise ValueError
    fields: dict[str, Any] = {}
    for part in message.walk():
        name = part.get_param("name", header="content-disposition")
        if isinstance(name, str):
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)  # noqa: S101  # No part is a message of its own.
            filename = part.get_filename()
            fields[name] = content.decode() if filename is None else (filename, content)
    return fields


def present_transcript(fields: Mapping[str, Any]) -> bytes:
    """Raises LookupError, TypeError or ValueError for what is no request for a transcript."""
    name, content = fields["file"]
    seconds = round(max(len(content) - _HEADER, 0) / (2 * _RATE), 3)
    ending = name.rpartition(".")[2]
    text = f"This is a recording of {seconds} seconds ({ending}) with the fingerprint {crc32(content):08x}."
    if fields.get("prompt"):
        text += f" It was expected to say: {fields['prompt']}"
    usage = {"type": "duration", "seconds": seconds}
    match fields.get("response_format", "json"):
        case "json":
            return orjson.dumps({"text": text, "usage": usage})
        case "verbose_json":
            words = text.split()
            each_s = seconds / len(words)
            timed = [
                {"word": word, "start": round(place * each_s, 3), "end": round((place + 1) * each_s, 3)}
                for place, word in enumerate(words)
            ]
            segment = {"id": 0, "start": 0.0, "end": seconds, "text": text}
            asked = {"words": timed} if fields.get("timestamp_granularities[]") == "word" else {}
            language = fields.get("language") or "english"
            told = {"task": "transcribe", "language": language, "duration": seconds, "text": text}
            return orjson.dumps({**told, "segments": [segment], **asked, "usage": usage})
    raise ValueError
