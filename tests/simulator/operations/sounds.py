"""Sound that a test can compute by itself, and the forms in which recordings come."""

import email.parser
from typing import Any
from zlib import crc32

from tests.simulator.http import Request
from tests.simulator.trouble import Trouble

BYTES_PER_CHARACTER = 960
"""Of 24,000 samples a second with 16 bits each: 20 milliseconds."""
PIECE = 4800


def sound_of(text: str) -> bytes:
    """Every byte there is may be in it."""
    start = crc32(text.encode()) % 256
    cycle = bytes((start + place) % 256 for place in range(BYTES_PER_CHARACTER))
    return cycle * len(text)


def pieces_of(sound: bytes) -> tuple[bytes, ...]:
    return tuple(sound[start : start + PIECE] for start in range(0, len(sound), PIECE))


def said_of(sound: bytes) -> str:
    return f"{len(sound)} bytes, {crc32(sound):08x}"


def form_of(request: Request) -> dict[str, Any]:
    """Lists of texts by their names, and the file as (name, bytes). Raises Trouble."""
    content_type = request.headers.get("content-type", "")
    head = f"content-type: {content_type}\r\n\r\n".encode("latin-1")
    message = email.parser.BytesParser().parsebytes(head + request.raw)
    if message.get_content_type() != "multipart/form-data" or not message.is_multipart():
        raise Trouble("invalid", "The request is not a form.")
    fields: dict[str, Any] = {}
    for part in message.walk():
        name, content = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            filename = part.get_filename()
            if filename is None:
                fields.setdefault(name, []).append(content.decode())
            else:
                fields[name] = (filename, content)
    return fields


def model_in(request: Request) -> str:
    """Of a form; empty where there is none."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return ""
    return str(form_of(request).get("model", [""])[0])
