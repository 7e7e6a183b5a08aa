"""What a function may answer, as strict as AWS's documentation of it."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.runtime_api.wire import Request

DELIMITER = bytes(8)
LONGEST_PRELUDE = 16 * 1024
STREAMED = {
    "content-type": "application/vnd.awslambda.http-integration-response",
    "lambda-runtime-function-response-mode": "streaming",
    "transfer-encoding": "chunked",
    "trailer": "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body",
}
ERROR_TYPE, ERROR_BODY = "lambda-runtime-function-error-type", "lambda-runtime-function-error-body"


class Violation(Exception):
    """The runtime did what Lambda or API Gateway would not take."""


@dataclass(frozen=True)
class Head:
    status: int
    headers: list[tuple[str, str]]


class PreludeReader:
    """Finds the head of a response and the first bytes of its body, wherever the chunks end."""

    def __init__(self) -> None:
        self._seen = b""

    def feed(self, data: bytes) -> tuple[Head, bytes] | None:
        """None while the delimiter is not complete. Raises Violation."""
        self._seen += data
        prelude, delimiter, rest = self._seen.partition(DELIMITER)
        if len(prelude) > LONGEST_PRELUDE:
            raise Violation("the metadata are longer than 16 KB")
        return (read_prelude(prelude), rest) if delimiter else None


def read_prelude(prelude: bytes) -> Head:
    require(b"\0" not in prelude, "a NUL in the metadata")
    try:
        content = json.loads(prelude)
    except ValueError:
        raise Violation(f"the metadata are not JSON: {prelude!r}") from None
    require(isinstance(content, dict), "the metadata are no object")
    require(set(content) <= {"statusCode", "headers", "multiValueHeaders", "cookies"}, f"unknown: {sorted(content)}")
    status = content.get("statusCode", 200)
    require(type(status) is int and 100 <= status <= 599, f"not a status: {status!r}")
    headers = list(content.get("headers", {}).items())
    headers += [(name, value) for name, several in content.get("multiValueHeaders", {}).items() for value in several]
    headers += [("set-cookie", cookie) for cookie in content.get("cookies", [])]
    for name, value in headers:
        require(isinstance(value, str) and "\n" not in name + value, f"not a header: {name}")
        framing = {"content-length", "transfer-encoding", "connection"}
        require(name.lower() not in framing, f"{name} is between API Gateway and the client")
    return Head(status, headers)


def check_streamed(request: Request) -> None:
    for name, expected in STREAMED.items():
        found = request.get(name)
        require(found == expected, f"{name} of a streamed response is {found}")


def read_trailers(trailers: Mapping[str, str]) -> Any:
    """The error in them; None where the response went well."""
    if not trailers:
        return None
    require(set(trailers) == {ERROR_TYPE, ERROR_BODY}, f"unknown trailers: {sorted(trailers)}")
    return read_error(trailers[ERROR_TYPE], base64.b64decode(trailers[ERROR_BODY], validate=True))


def read_error(error_type: str | None, body: bytes) -> Any:
    error = json.loads(body)
    require(isinstance(error, dict) and set(error) == {"errorType", "errorMessage", "stackTrace"}, "not an error")
    require(bool(error_type), "an error without a type")
    return error | {"header": error_type}


def require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise Violation(otherwise)
