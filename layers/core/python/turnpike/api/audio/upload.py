"""Reads what is sent to be transcribed: JSON, or a form with a file in it as OpenAI's clients send it.

Forms are taken apart here: the body is there whole, and Starlette's parser would be loaded with every start of every
function that imports Starlette, where its library is installed at all.
"""

import email.message
import email.parser
import email.utils
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import orjson
from starlette.requests import Request

from turnpike.api.edge import check_depth, parse_json, read_body
from turnpike.domain.errors import InvalidRequest, PayloadTooLarge

MOST_FILE_BYTES = 25 * 1024 * 1024
"""As OpenAI's and OpenRouter's. API Gateway and Lambda let through less: docs/audio.md."""
_MOST_BODY_BYTES = MOST_FILE_BYTES * 4 // 3 + 1024 * 1024
"""In base64, with everything else."""
_MOST_PARTS = 128
_MOST_HEAD_BYTES = 8 * 1024
_MOST_FIELD_BYTES = 512 * 1024

_LISTS = frozenset({"keyterms", "models", "timestamp_granularities"})
_NUMBERS = frozenset({"temperature"})
_FLAGS: Mapping[str, bool] = {"true": True, "false": False}
_FLAGGED = frozenset({"diarize", "stream"})
_OBJECTS = frozenset({"provider"})


class Upload(NamedTuple):
    """`name` is what the client calls the file."""

    name: str
    content: bytes


FILE = "file"
"""The member in which `read_audio` leaves an `Upload`."""


async def read_audio(request: Request) -> Mapping[str, Any]:
    """The body as JSON would have it, and its `file` where it is a form. Raises PayloadTooLarge or InvalidRequest."""
    body = await read_body(request.headers, request.receive, most=_MOST_BODY_BYTES)
    message = email.message.Message()
    message["content-type"] = request.headers.get("content-type", "")
    if message.get_content_type() != "multipart/form-data":
        return parse_json(body)
    boundary = message.get_param("boundary")
    if not isinstance(boundary, str) or not boundary or not boundary.isascii():
        raise InvalidRequest("the header content-type names no boundary; let your HTTP client make the form")
    fields = parse_form(body, boundary.encode())
    check_depth(fields, body if "provider" in fields else b"")
    return fields


def parse_form(body: bytes, boundary: bytes) -> dict[str, Any]:
    """Texts become what JSON would have had for them, as far as they can. Raises InvalidRequest or PayloadTooLarge."""
    fields: dict[str, Any] = {}
    for head, content in _parts_of(body, boundary):
        name, filename = _names_in(head)
        if name == FILE and filename is not None:
            if FILE in fields:
                raise InvalidRequest("there is more than one; send one request for each", field=FILE)
            if len(content) > MOST_FILE_BYTES:
                raise PayloadTooLarge(f"the file is larger than {MOST_FILE_BYTES // 1024 // 1024} MB")
            fields[FILE] = Upload(filename, content)
        elif filename is not None:
            raise InvalidRequest("only `file` may be a file", field=name[:64])
        else:
            _add(fields, name.removesuffix("[]"), content)
    return fields


def _add(fields: dict[str, Any], name: str, content: bytes) -> None:
    if len(content) > _MOST_FIELD_BYTES:
        raise PayloadTooLarge(f"a field of the form is larger than {_MOST_FIELD_BYTES // 1024} kB")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("it is not text in UTF-8", field=name[:64]) from None
    if name in _LISTS:
        fields.setdefault(name, []).append(text)
    elif name == FILE:
        raise InvalidRequest("it has no file name, so it is no file", field=FILE)
    else:
        fields[name] = _value_of(name, text)


def _value_of(name: str, text: str) -> Any:
    """What cannot be read as what it should be stays text, and is refused as any other wrong value."""
    try:
        if name in _NUMBERS:
            return float(text)
        if name in _OBJECTS:
            return orjson.loads(text)
    except ValueError:
        return text
    return _FLAGS.get(text.lower(), text) if name in _FLAGGED else text


def _parts_of(body: bytes, boundary: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(head, content) of each: https://www.rfc-editor.org/rfc/rfc2046#section-5.1.1. Raises InvalidRequest."""
    broken = InvalidRequest("the form is not complete; let your HTTP client make it")
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary, _MOST_PARTS + 2)
    # What stands before the first boundary means nothing, and the last one is followed by two dashes.
    ended = False
    for part in parts[1:]:
        if ended:
            break
        ended = part.startswith(b"--")
        if ended:
            continue
        padding, line_end, rest = part.partition(b"\r\n")
        # A part may have no head at all, and then begins with the empty line behind it.
        head, blank, content = (b"\r\n" + rest).partition(b"\r\n\r\n")
        if padding.strip(b" \t") or not line_end or not blank or len(head) > _MOST_HEAD_BYTES:
            raise broken
        yield head[2:], content
    if not ended:
        raise broken


def _names_in(head: bytes) -> tuple[str, str | None]:
    """(name, filename) of a part. Raises InvalidRequest."""
    # Clients write names in UTF-8 as they are, which is no mail's way.
    message = email.parser.HeaderParser().parsestr(head.decode("utf-8", "replace"))
    try:
        found = message.get_params(header="content-disposition") or []
        parameters = {name.lower(): email.utils.collapse_rfc2231_value(value) for name, value in found}
    except (LookupError, TypeError, ValueError):
        parameters = {}
    if "form-data" not in parameters or "name" not in parameters:
        raise InvalidRequest("a part of the form has no name")
    return parameters["name"], parameters.get("filename")
