"""The front: takes HTTP requests as a REST API's STREAM integration does, and gives each to an environment."""

import asyncio
import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from fnmatch import fnmatch
from typing import Any
from urllib.parse import parse_qs

from infra.routes import BINARY_TYPES

from tests.proxy_events import proxy_event
from tests.runtime_api.answers import Head
from tests.runtime_api.environment import HOST, Environment, Function, Invocation
from tests.runtime_api.wire import Request, WireError, read_request

LARGEST_EVENT = 6 * 1024 * 1024
"""What Lambda takes: the whole event, in which the body is a JSON string."""
_TOO_LONG = 413, b'{"message":"Request Too Long"}'
_FAILED = 502, b'{"message":"Internal server error"}'
_STARTS_WITHIN_S = 20.0


class Front:
    """Runs on a loop of its own, in a thread. What tests read of it is only ever added to."""

    def __init__(self, function: Function) -> None:
        self.violations: list[str] = []
        self.invocations: list[Invocation] = []
        self.environments: list[Environment] = []
        self.url = ""
        self._function = function
        self._loop = asyncio.new_event_loop()

    def invoke(self, event: Any, *, deadline_ms: int | None = None) -> tuple[bytes, Invocation]:
        """Invoke with an event of any kind; the payload of the answer, when the environment is idle again.

        `deadline_ms` is what the runtime is told, if not the truth.
        """
        return self._call(self._invoke(json.dumps(event).encode(), deadline_ms)).result(_STARTS_WITHIN_S)

    def warm_up(self) -> Environment:
        """Start an environment, until it asks for its first invocation or is gone."""
        return self._call(self._start()).result(_STARTS_WITHIN_S)

    def wait_until_idle(self) -> None:
        """Until all that environments do after their responses is done too."""
        self._call(self._idle()).result(_STARTS_WITHIN_S)

    def _call(self, work: Any) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _idle(self) -> None:
        for invocation in self.invocations:
            await invocation.done.wait()

    async def _invoke(self, event: bytes, deadline_ms: int | None) -> tuple[bytes, Invocation]:
        invocation = await self._begin(event, deadline_ms)
        parts = []
        while not isinstance(part := await invocation.parts.get(), str):
            if isinstance(part, bytes):
                parts.append(part)
        await invocation.done.wait()
        return b"".join(parts), invocation

    async def _begin(self, event: bytes, deadline_ms: int | None = None) -> Invocation:
        """In an environment that has room, else in a new one; its start counts as part of the time limit."""
        invocation = Invocation(event, self._function.timeout_s)
        if deadline_ms is not None:
            invocation.told_deadline_ms = deadline_ms
        environment = next((each for each in self.environments if each.has_room), None)
        if environment is None:
            environment = Environment(len(self.environments) + 1, self._function, self.violations)
            self.environments.append(environment)
            await environment.start()
        self.invocations.append(invocation)
        environment.invoke(invocation)
        return invocation

    async def _start(self) -> Environment:
        environment = Environment(len(self.environments) + 1, self._function, self.violations)
        self.environments.append(environment)
        await environment.start()
        await environment.asked.wait()
        return environment

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await read_request(reader)
            if request is not None:
                await self._answer(request, writer)
        except (ConnectionError, WireError):
            pass  # The client has left. Lambda does not learn of it.
        finally:
            writer.close()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        event = json.dumps(rest_event(request, await request.body())).encode()
        if len(event) > LARGEST_EVENT:
            await _reply(writer, *_TOO_LONG)
            return
        invocation = await self._begin(event)
        head = await invocation.parts.get()
        if not isinstance(head, Head):
            await _reply(writer, *_FAILED)
            return
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.headers)
        lines += "transfer-encoding: chunked\r\nconnection: close\r\n"
        writer.write(f"HTTP/1.1 {head.status} -\r\n{lines}\r\n".encode("latin-1"))
        while isinstance(part := await invocation.parts.get(), bytes):
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await writer.drain()
        if part == "ended":
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        else:
            # All that can be done when the status is gone: a body without an end.
            writer.transport.abort()

    async def _run(self, started: Future[None]) -> None:
        server = await asyncio.start_server(self._serve, HOST, 0, limit=2**20)
        self.url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
        self._stop = asyncio.Event()
        started.set_result(None)
        await self._stop.wait()
        server.close()
        for environment in self.environments:
            await environment.end()

    def run(self, started: Future[None]) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._run(started))

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)


@contextmanager
def fronting(function: Function) -> Iterator[Front]:
    """A front until the block ends; then nothing may have been violated, and no process is left."""
    front, started = Front(function), Future[None]()
    thread = threading.Thread(target=front.run, args=(started,))
    thread.start()
    started.result(_STARTS_WITHIN_S)
    try:
        yield front
    finally:
        front.stop()
        thread.join()
    assert front.violations == []


def rest_event(request: Request, body: bytes) -> dict[str, Any]:
    """As our REST API makes it: a body of a binary media type is base64, and any other is text."""
    path, _, query = request.target.partition("?")
    headers: dict[str, list[str]] = {}
    for name, value in request.headers:
        headers.setdefault(name, []).append(value)
    [content_type, *_] = next((values for name, values in headers.items() if name.lower() == "content-type"), [""])
    is_base64 = any(fnmatch(content_type.partition(";")[0].strip().lower(), each) for each in BINARY_TYPES)
    text = b64encode(body).decode() if is_base64 else body.decode("utf-8", "replace")
    return proxy_event(
        request.method,
        path,
        headers=headers,
        query=parse_qs(query, keep_blank_values=True),
        body=text if body else None,
        is_base64=is_base64,
    )


async def _reply(writer: asyncio.StreamWriter, status: int, content: bytes) -> None:
    lines = f"content-type: application/json\r\ncontent-length: {len(content)}\r\nconnection: close\r\n"
    writer.write(f"HTTP/1.1 {status} -\r\n{lines}\r\n".encode() + content)
    await writer.drain()
