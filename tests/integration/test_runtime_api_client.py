"""The runtime's client against servers that answer in every way that HTTP has, and in some that it has not."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from stream_runtime.exchange import Exchange
from stream_runtime.framing import prelude
from stream_runtime.runtime_api import Invocation, RuntimeApi, RuntimeApiError

pytestmark = pytest.mark.anyio

Server = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HEADERS = (
    b"Lambda-Runtime-Aws-Request-Id: id-1\r\nLambda-Runtime-Invocation-Id: invocation-1\r\n"
    b"Lambda-Runtime-Trace-Id: Root=1-2-3\r\nLAMBDA-RUNTIME-INVOKED-FUNCTION-ARN: arn\r\n"
)
NEXT = b"HTTP/1.1 200 OK\r\n" + HEADERS + b"Content-Length: 2\r\n\r\n{}"


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[RuntimeApi]:
    listening = await asyncio.start_server(server, "127.0.0.1", 0)
    async with listening:
        yield RuntimeApi(f"127.0.0.1:{listening.sockets[0].getsockname()[1]}")


def saying(answer: bytes) -> Server:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    return serve


async def invocation_of(answer: bytes) -> Invocation:
    async with serving(saying(answer)) as api:
        return await api.next()


async def test_an_invocation() -> None:
    invocation = await invocation_of(NEXT)
    assert (invocation.event, invocation.path) == (b"{}", "/2018-06-01/runtime/invocation/id-1")
    assert (invocation.context.trace_id, invocation.context.invoked_function_arn) == ("Root=1-2-3", "arn")
    assert invocation.echoed == "Lambda-Runtime-Invocation-Id: invocation-1\r\n"


async def test_nothing_is_echoed_where_nothing_came() -> None:
    bare = b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: id-1\r\nContent-Length: 2\r\n\r\n{}"
    invocation = await invocation_of(bare)
    assert (invocation.echoed, invocation.context.trace_id) == ("", None)
    assert 890_000 < invocation.context.get_remaining_time_in_millis() <= 900_000


async def test_an_event_in_chunks() -> None:
    """A server that does not know how long an event is sends it so."""
    head = b"HTTP/1.1 200 OK\r\n" + HEADERS + b"Transfer-Encoding: Chunked\r\n\r\n"
    chunks = b'2\r\n{"\r\n5;with=something\r\na": 1\r\n1\r\n}\r\n0\r\nTrailer: x\r\n\r\n'
    assert (await invocation_of(head + chunks)).event == b'{"a": 1}'


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        NEXT[:-1],
        NEXT.replace(b"Length: 2", b"Length: two"),
        NEXT.replace(b"200 OK", b"403 Forbidden"),
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\ncut",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n",
    ],
)
async def test_what_is_no_invocation(answer: bytes) -> None:
    with pytest.raises(RuntimeApiError):
        await invocation_of(answer)


async def test_a_response_is_sent_at_once_and_not_held_back_by_nagle() -> None:
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not (data := await reader.read(65536)).endswith(b"0\r\n\r\n"):
            received.put_nowait(data)
        received.put_nowait(data)
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    invocation = await invocation_of(NEXT)
    async with serving(serve) as api:
        stream = await api.stream(invocation)
        sock: socket.socket = stream._writer.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        await stream.write(prelude(200, []), b"data", last=False)
        whole = await received.get()
        if b"data" not in whole:  # What was written together may still come apart.
            whole += await received.get()
        assert whole.endswith(b"8\r\n" + bytes(8) + b"\r\n4\r\ndata\r\n")
        assert whole.startswith(b"POST /2018-06-01/runtime/invocation/id-1/response HTTP/1.1\r\n")
        assert b"\r\nLambda-Runtime-Invocation-Id: invocation-1\r\n" in whole
        await stream.write(b"", b"", last=True)
        assert await received.get() == b"0\r\n\r\n"
        await stream.close()


async def test_a_response_that_is_complete_when_the_time_is_up_has_no_trailers() -> None:
    received = b""
    time_is_up = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        await time_is_up.wait()
        while not received.endswith(b"0\r\n\r\n"):
            received += await reader.read(2**20)
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        try:
            # More than fits into the sockets' buffers, so that the wait for room is what is interrupted.
            await send({"type": "http.response.body", "body": bytes(50_000_000)})
        finally:
            time_is_up.set()

    invocation = await invocation_of(NEXT)
    soon_ms = int(time.time() * 1000) + 400
    limited = replace(invocation, context=replace(invocation.context, deadline_ms=soon_ms))
    async with serving(serve) as api:
        await Exchange(api, limited, b"").run(app, {})
    assert len(received) > 50_000_000
    assert b"Lambda-Runtime-Function-Error-Type: " not in received


@pytest.mark.parametrize("answer", [b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", b""])
async def test_a_response_that_is_not_taken_is_told_at_its_end(answer: bytes) -> None:
    """Not before: the app has to go on, as it has to with a client that leaves."""
    invocation = await invocation_of(NEXT)
    async with serving(saying(answer)) as api:
        stream = await api.stream(invocation)
        for _ in range(50):
            await stream.write(b"", bytes(1024 * 1024))
        await stream.write(b"", b"", last=True)
        with pytest.raises((RuntimeApiError, OSError)):
            await stream.close()
