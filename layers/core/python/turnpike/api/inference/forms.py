"""Forms with files in them, taken apart.

The body is there whole, and Starlette's parser would be loaded with every start of every function that imports
Starlette, where its library is installed at all.
"""

import email.message
import email.parser
import email.utils
from collections.abc import Iterator

from starlette.datastructures import Headers

from turnpike.domain.errors import InvalidRequest

_MOST_PARTS = 128
_MOST_HEAD_BYTES = 8 * 1024


def boundary_of(headers: Headers) -> bytes | None:
    """Between the parts of a form; None for a body that is none. Raises InvalidRequest."""
    message = email.message.Message()
    message["content-type"] = headers.get("content-type", "")
    if message.get_content_type() != "multipart/form-data":
        return None
    boundary = message.get_param("boundary")
    if not isinstance(boundary, str) or not boundary or not boundary.isascii():
        raise InvalidRequest("the header content-type names no boundary; let your HTTP client make the form")
    return boundary.encode()


def parts_of(body: bytes, boundary: bytes) -> Iterator[tuple[bytes, bytes]]:
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


def names_in(head: bytes) -> tuple[str, str | None]:
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


def media_type_in(head: bytes) -> str | None:
    """What the client calls the content of a part, in lower case; None where it does not say."""
    message = email.parser.HeaderParser().parsestr(head.decode("utf-8", "replace"))
    return message.get_content_type() if "content-type" in message else None
