"""The bytes of a streamed answer: `prelude`, then chunks, then the end or the trailers of a failure.

As AWS's own clients for Node.js, .NET and Rust write them; see also "Lambda proxy integration format for response
streaming" in API Gateway's guide.
"""

import base64
import json
from collections.abc import Iterable

from stream_runtime.failure import Failure

STREAMING_HEADERS = (
    "Content-Type: application/vnd.awslambda.http-integration-response\r\n"
    "Lambda-Runtime-Function-Response-Mode: streaming\r\n"
    "Transfer-Encoding: chunked\r\n"
    "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n"
)
DELIMITER = bytes(8)
END = b"0\r\n\r\n"

_FRAMING = {"connection", "content-length", "keep-alive", "transfer-encoding"}
"""How long a body is and where it ends is between API Gateway and the client."""


def chunk(data: bytes) -> bytes:
    """Nothing for no data: an empty chunk would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def prelude(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Status and headers, and the delimiter, each in a chunk of its own.

    A repeated header becomes a list in one: `multiValueHeaders` would say the same to REST APIs, but not to function
    URLs. Only cookies cannot be joined, and have a member for that.
    """
    joined: dict[str, str] = {}
    cookies = []
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name == "set-cookie":
            cookies.append(value)
        elif name not in _FRAMING:
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
    head = {"statusCode": status, "headers": joined, "cookies": cookies}
    # Escaped to ASCII, so that no NUL can be in it.
    return chunk(json.dumps(head).encode()) + chunk(DELIMITER)


def trailers(failure: Failure) -> bytes:
    """The end of a body that failed. The error is base64: a line end in it would end the trailer."""
    body = base64.b64encode(failure.to_json()).decode()
    return (
        f"0\r\nLambda-Runtime-Function-Error-Type: {failure.type}\r\nLambda-Runtime-Function-Error-Body: {body}\r\n\r\n"
    ).encode()
