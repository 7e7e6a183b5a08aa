"""What every function's HTTP app shares: routing, bodies, JSON answers, and errors that never leak."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import orjson
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Router
from starlette.types import Message, Receive, Scope, Send

from turnpike.api.errors import error_headers, present_error_body
from turnpike.api.headers import finish_headers, preflight_headers
from turnpike.domain.errors import (
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    TurnpikeError,
)
from turnpike.telemetry import log_failure

MAX_BODY_BYTES = 6 * 1024 * 1024
"""What a synchronous Lambda invocation takes."""

MAX_DEPTH = 100
"""Nesting of a JSON body. Serialising stops at 254 levels, and no real request comes near this."""

PREFIXES = ("/api/v1", "/v1")
"""OpenRouter's own base path, and the one that OpenAI's clients append by themselves."""

ERROR_BODY = "turnpike.error_body"
"""The member of a scope that holds an `ErrorBody`, where errors are not told as OpenRouter's clients read them."""


class ErrorBody(Protocol):
    """What a response says of an error, as JSON. `call_id` is the generation's, where there is one by then;
    `beside` are members that stand next to the error.
    """

    def __call__(
        self, error: TurnpikeError, call_id: str | None = None, beside: Mapping[str, Any] | None = None
    ) -> dict[str, Any]: ...


class Edge:
    """An ASGI app over `routes`, served below each of `PREFIXES`. `aclose` ends what it keeps open. `error_bodies` are
    of paths, with all below them, whose errors are told in another way even where no endpoint is found.
    """

    def __init__(
        self,
        routes: Sequence[BaseRoute],
        *,
        aclose: Callable[[], Awaitable[None]] | None = None,
        error_bodies: Mapping[str, ErrorBody] | None = None,
    ) -> None:
        self._aclose = aclose
        self._error_bodies = error_bodies or {}
        # Of the mounted ones too: a slash too many is an unknown address, and no redirect to wherever `Host` says.
        inner = Router(list(routes), redirect_slashes=False)
        self._router = Router([Mount(prefix, inner) for prefix in PREFIXES], redirect_slashes=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                finish_headers(scope, message)
            elif scope.get("method") == "HEAD":
                # The headers are those of the answer to GET, and not every host leaves out the body.
                message = {**message, "body": b""}
            await send(message)

        scope["app"] = self  # Makes the router raise for 404 and 405 instead of answering in plain text.
        try:
            await self._router(scope, receive, watch)
        except BrokenOff:
            raise
        except Exception as error:  # the last stop before the host, which would log a traceback
            failure = _translate(error)
            if isinstance(failure, MethodNotAllowed) and scope["method"] == "OPTIONS":
                await Response(None, 204, preflight_headers(failure.allow, Headers(scope=scope)))(scope, receive, watch)
                return
            if started:
                # The status is gone; ending the body here is all that is left, and hosts cut the connection.
                log_failure("response broke off", error)
                raise BrokenOff from None
            body: ErrorBody = scope.get(ERROR_BODY) or self._error_body(scope["path"])
            await error_response(failure, body(failure))(scope, receive, watch)

    def _error_body(self, path: str) -> ErrorBody:
        for prefix in PREFIXES:
            for below, body in self._error_bodies.items():
                if f"{path}/".startswith(f"{prefix}{below}/"):
                    return body
        return present_error_body

    async def aclose(self) -> None:
        if self._aclose is not None:
            await self._aclose()


class BrokenOff(Exception):
    """Tells the host that a response cannot be finished; carries nothing of what happened."""


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(content), status, headers, media_type="application/json")


def error_response(
    error: TurnpikeError, body: Mapping[str, Any], extra_headers: Mapping[str, str] | None = None
) -> Response:
    headers = {**error_headers(error), **(extra_headers or {})}
    if isinstance(error, MethodNotAllowed) and error.allow:
        headers["allow"] = error.allow
    return json_response(body, error.status, headers)


def _translate(error: Exception) -> TurnpikeError:
    if isinstance(error, TurnpikeError):
        if error.status >= 500 and type(error) is TurnpikeError:
            log_failure("request failed", error)
        return error
    if isinstance(error, HTTPException) and error.status_code == 404:
        return NotFound("There is nothing at this address; the API lives below /api/v1")
    if isinstance(error, HTTPException) and error.status_code == 405:
        return MethodNotAllowed(allow=(error.headers or {}).get("Allow", ""))
    log_failure("request failed", error)
    return TurnpikeError("Internal Server Error")


async def read_json(request: Request) -> dict[str, Any]:
    """The body as a JSON object. Raises PayloadTooLarge or InvalidRequest."""
    return parse_json(await read_body(request.headers, request.receive))


def parse_json(body: bytes) -> dict[str, Any]:
    """Raises InvalidRequest."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # The decoder's message holds a position and no text of the body.
        raise InvalidRequest(f"the body is not valid JSON: {error.msg} at line {error.lineno}") from None
    if not isinstance(content, dict):
        raise InvalidRequest("the body must be a JSON object")
    check_depth(content, body)
    return content


async def read_body(headers: Headers, receive: Receive, *, most: int = MAX_BODY_BYTES) -> bytes:
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise InvalidRequest("the body is compressed; send it as it is, without a content-encoding")
    too_large = PayloadTooLarge(f"the request body is larger than {most // 1024 // 1024} MB")
    declared = headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > most:
        raise too_large
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidRequest("the body ended before it was complete")
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > most:
            raise too_large
        more = message.get("more_body", False)
    return b"".join(parts)


def check_depth(content: Any, body: bytes) -> None:
    """Raises InvalidRequest for nesting beyond `MAX_DEPTH`; counts brackets first, which settles nearly all."""
    if body.count(b"{") + body.count(b"[") <= MAX_DEPTH:
        return
    level: list[Any] = [content]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return
    raise InvalidRequest(f"the body is nested more than {MAX_DEPTH} levels deep")
