"""Forms, with files in them or not, as RFC 7578 has them: https://www.rfc-editor.org/rfc/rfc7578."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from turnpike.ports.wires import FormFile


def with_form(
    headers: Mapping[str, str], fields: Mapping[str, Any], files: Sequence[FormFile]
) -> tuple[Mapping[str, str], bytes]:
    """(headers, body). A list is a field for each of its items, and what is no text is written as JSON.

    Raises TypeError for what is no JSON.
    """
    # So long that no file holds it by chance, nor on purpose.
    boundary = secrets.token_hex(24)
    parts = [b'"%b"\r\n\r\n%b' % (_quoted(name), _text_of(value)) for name, value in _fields_of(fields)]
    for file in files:
        told = (_quoted(file.name), _quoted(file.filename), file.media_type.encode(), file.content)
        parts.append(b'"%b"; filename="%b"\r\nContent-Type: %b\r\n\r\n%b' % told)
    start = b"--%b\r\nContent-Disposition: form-data; name=" % boundary.encode()
    body = b"".join(piece for part in parts for piece in (start, part, b"\r\n"))
    content_type = f"multipart/form-data; boundary={boundary}"
    return {**headers, "content-type": content_type}, body + b"--%b--\r\n" % boundary.encode()


def _fields_of(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        for each in value if isinstance(value, list | tuple) else (value,):
            yield name, each


def _text_of(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else orjson.dumps(value)


def _quoted(name: str) -> bytes:
    """As browsers do: https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data"""
    return name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22").encode()
