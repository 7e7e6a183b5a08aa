"""Reads what is sent to be transcribed: JSON, or a form with a file in it as OpenAI's clients send it."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import orjson
from starlette.datastructures import Headers
from starlette.requests import Request

from turnpike.api.edge import check_depth, parse_json, read_body
from turnpike.api.inference.forms import boundary_of, media_type_in, names_in, parts_of
from turnpike.domain.errors import InvalidRequest, PayloadTooLarge

MOST_FILE_BYTES = 25 * 1024 * 1024
"""As OpenAI's and OpenRouter's. API Gateway and Lambda let through less: docs/audio.md."""
_MOST_BODY_BYTES = MOST_FILE_BYTES * 4 // 3 + 1024 * 1024
"""In base64, with everything else."""
_MOST_FIELD_BYTES = 512 * 1024
_MOST_FIELDS = 128

_LISTS = frozenset({"keyterms", "models", "timestamp_granularities"})
_NUMBERS = frozenset({"temperature"})
_FLAGS: Mapping[str, bool] = {"true": True, "false": False}
_FLAGGED = frozenset({"diarize", "stream"})
_OBJECTS = frozenset({"plugins", "provider"})


class Upload(NamedTuple):
    """`name` is what the client calls the file, and `media_type` what it says of it, if anything."""

    name: str
    content: bytes
    media_type: str | None = None


_ADDRESS = "source_url"

FILE = "file"
"""The member in which `read_audio` leaves an `Upload`."""


async def read_audio(request: Request) -> Mapping[str, Any]:
    """The body as JSON would have it, and its `file` where it is a form. Raises PayloadTooLarge or InvalidRequest."""
    body = await read_body(request.headers, request.receive, most=_MOST_BODY_BYTES)
    boundary = boundary_of(request.headers)
    if boundary is not None:
        fields = parse_form(body, boundary)
    elif _is_urlencoded(request.headers, body):
        fields = parse_urlencoded(body)
    else:
        return parse_json(body)
    check_depth(fields, body if _OBJECTS & fields.keys() else b"")
    return fields


def _is_urlencoded(headers: Headers, body: bytes) -> bool:
    """As clients send a form without a file. Others call JSON so, above all curl."""
    given = headers.get("content-type", "").partition(";")[0].strip().lower()
    return given == "application/x-www-form-urlencoded" and not body.lstrip().startswith(b"{")


def parse_urlencoded(body: bytes) -> dict[str, Any]:
    """As `parse_form`, of a form that has no file. Raises InvalidRequest or PayloadTooLarge."""
    fields: dict[str, Any] = {}
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        raise InvalidRequest(f"the form is no text in UTF-8, or has more than {_MOST_FIELDS} fields") from None
    for name, content in pairs:
        _add(fields, _bare(name), content.encode())
    _take_address(fields)
    return fields


def _bare(name: str) -> str:
    """Without what says that there may be several; OpenRouter's client says it twice."""
    return name.replace("[]", "")


def parse_form(body: bytes, boundary: bytes) -> dict[str, Any]:
    """Texts become what JSON would have had for them, as far as they can. Raises InvalidRequest or PayloadTooLarge."""
    fields: dict[str, Any] = {}
    for head, content in parts_of(body, boundary):
        name, filename = names_in(head)
        if name == FILE and filename is not None:
            if FILE in fields:
                raise InvalidRequest("there is more than one; send one request for each", field=FILE)
            if len(content) > MOST_FILE_BYTES:
                raise PayloadTooLarge(f"the file is larger than {MOST_FILE_BYTES // 1024 // 1024} MB")
            fields[FILE] = Upload(filename, content, media_type_in(head))
        elif filename is not None:
            raise InvalidRequest("only `file` may be a file", field=name[:64])
        else:
            _add(fields, _bare(name), content)
    _take_address(fields)
    return fields


def _take_address(fields: dict[str, Any]) -> None:
    """OpenRouter's clients have a field for the address of a recording, in the place of the file."""
    address = fields.pop(_ADDRESS, None)
    if address is None:
        return
    if FILE in fields:
        raise InvalidRequest(f"send either {FILE} or {_ADDRESS}", field=_ADDRESS)
    fields["input_audio"] = {"url": address}


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
