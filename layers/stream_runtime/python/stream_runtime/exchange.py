"""One request and its response, between the ASGI app and the Runtime API."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from stream_runtime.events import Scope
from stream_runtime.failure import Failure, failure_of
from stream_runtime.framing import chunk, prelude
from stream_runtime.logs import log_failure
from stream_runtime.runtime_api import Invocation, ResponseStream, RuntimeApi

Message = dict[str, Any]
App = Callable[[Scope, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

_RESERVED_S = 2.0
"""Kept at the end of an invocation for ending the response; an app that would end it better takes more for itself."""
_LAST_EVENT = b'\n\ndata: {"error": {"code": 500, "message": "The answer was interrupted"}}\n\n'
"""For clients of server-sent events, to whom an ended stream is a finished answer."""


class Exchange:
    """Sends nothing before the first part of a body, so that a failure until then is the invocation's own."""

    def __init__(self, api: RuntimeApi, invocation: Invocation, body: bytes) -> None:
        self._api, self._invocation = api, invocation
        self._body: bytes | None = body
        self._head: tuple[int, list[tuple[bytes, bytes]]] | None = None
        self._stream: ResponseStream | None = None
        self._ended = asyncio.Event()
        self._turn = asyncio.Lock()

    async def run(self, app: App, scope: Scope) -> None:
        """All of the app's work, also what it does after the response. Raises RuntimeApiError or OSError."""
        left_s = self._invocation.context.get_remaining_time_in_millis() / 1000
        time_limit = asyncio.timeout(max(left_s - _RESERVED_S, left_s / 2))
        failure: Failure | None = None
        try:
            async with time_limit:
                await app(scope, self._receive, self._send)
        except (Exception, asyncio.CancelledError) as error:
            # Whatever it is, it is this invocation's; the next one may go well.
            failure = failure_of(error, message="the function's time was up" if time_limit.expired() else "")
        if failure is None and not self._ended.is_set():
            failure = Failure("IncompleteResponse", "the app returned before its response was complete")
        if failure is not None:
            log_failure("an invocation failed", failure)
            await self._fail(failure)
        if self._stream is not None:
            await self._stream.close()

    async def _fail(self, failure: Failure) -> None:
        if self._stream is None:
            await self._api.fail(self._invocation, failure)
        elif not self._ended.is_set():
            if self._is_event_stream():
                await self._stream.write(chunk(_LAST_EVENT))
            await self._stream.fail(failure)

    async def _receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        # A client that leaves is never seen: its connection is API Gateway's.
        await self._ended.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        async with self._turn:
            if message["type"] == "http.response.start" and self._head is None:
                self._head = (message["status"], list(message.get("headers", ())))
            elif message["type"] == "http.response.body" and self._head is not None and not self._ended.is_set():
                await self._write(message.get("body", b""), last=not message.get("more_body", False))
            else:
                raise RuntimeError(f"{message['type']} is not what comes next in a response")

    async def _write(self, data: bytes, *, last: bool) -> None:
        assert self._head is not None  # noqa: S101  # As its caller has seen.
        framed = b""
        if self._stream is None:
            if not data and not last:
                return
            self._stream = await self._api.stream(self._invocation)
            framed = prelude(*self._head)
        if last:
            # Before the wait in `write`, which the end of the time may interrupt when everything is written.
            self._ended.set()
        await self._stream.write(framed, data, last=last)

    def _is_event_stream(self) -> bool:
        _, headers = self._head or (0, [])
        return any(name.lower() == b"content-type" and b"text/event-stream" in value for name, value in headers)
