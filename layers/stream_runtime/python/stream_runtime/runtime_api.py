"""The client of the Runtime API: takes invocations, and hands in answers whole, in a stream, or as failures.

Every request has a connection of its own. That costs a fraction of a millisecond on loopback, and nothing has to be
known of connections that were open while the environment was frozen, or copied with it by SnapStart.
"""

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from stream_runtime.failure import Failure
from stream_runtime.framing import END, STREAMING_HEADERS, chunk, trailers

_RUNTIME = "/2018-06-01/runtime"
_JSON = "Content-Type: application/json\r\n"
_ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"
_HEAD_BYTES = 1024 * 1024
"""The longest line or head of an answer: the client context alone may have kilobytes."""


_LONGEST_MS = 900_000
"""What an invocation may take at most."""


class RuntimeApiError(Exception):
    """The Runtime API did not answer as it should, or did not take an answer."""


@dataclass(frozen=True, slots=True)
class Context:
    """What handlers and adapters read of the context that Lambda's own runtimes give them."""

    aws_request_id: str
    invoked_function_arn: str
    deadline_ms: int
    """In epoch milliseconds: Lambda ends the process then."""
    trace_id: str | None
    function_name: str
    function_version: str
    memory_limit_in_mb: str

    def get_remaining_time_in_millis(self) -> int:
        return max(0, self.deadline_ms - int(time.time() * 1000))


@dataclass(frozen=True, slots=True)
class Invocation:
    event: bytes
    context: Context
    echoed: str
    """Headers that go back with whatever is answered."""

    @property
    def path(self) -> str:
        return f"{_RUNTIME}/invocation/{self.context.aws_request_id}"


class RuntimeApi:
    def __init__(self, address: str) -> None:
        """`address` is `host:port`, as AWS_LAMBDA_RUNTIME_API has it; emulators put a path behind it."""
        self._address, slash, path = address.partition("/")
        self._base = slash + path

    async def next(self) -> Invocation:
        """Waits for it, and is frozen while it does. Telling that the one before is over is part of asking."""
        headers, event = await self._call("GET", f"{_RUNTIME}/invocation/next")
        invocation_id = headers.get("lambda-runtime-invocation-id")
        context = Context(
            headers["lambda-runtime-aws-request-id"],
            headers.get("lambda-runtime-invoked-function-arn", ""),
            _deadline_ms(headers.get("lambda-runtime-deadline-ms")),
            headers.get("lambda-runtime-trace-id"),
            os.environ.get("AWS_LAMBDA_FUNCTION_NAME", ""),
            os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", ""),
            os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", ""),
        )
        return Invocation(event, context, f"Lambda-Runtime-Invocation-Id: {invocation_id}\r\n" if invocation_id else "")

    async def respond(self, invocation: Invocation, content: bytes) -> None:
        await self._call("POST", f"{invocation.path}/response", _JSON + invocation.echoed, content)

    async def fail(self, invocation: Invocation, failure: Failure) -> None:
        await self._post_failure(f"{invocation.path}/error", failure, invocation.echoed)

    async def fail_init(self, failure: Failure) -> None:
        await self._post_failure(f"{_RUNTIME}/init/error", failure)

    async def restore(self) -> None:
        """Returns in an environment that was made from the snapshot, and never in the one that is the snapshot."""
        await self._call("GET", f"{_RUNTIME}/restore/next")

    async def fail_restore(self, failure: Failure) -> None:
        await self._post_failure(f"{_RUNTIME}/restore/error", failure)

    async def stream(self, invocation: Invocation) -> "ResponseStream":
        reader, writer = await self._connect()
        writer.write(self._head("POST", f"{invocation.path}/response", STREAMING_HEADERS + invocation.echoed))
        return ResponseStream(reader, writer)

    async def _post_failure(self, path: str, failure: Failure, headers: str = "") -> None:
        await self._call("POST", path, f"{_JSON}{_ERROR_TYPE}: {failure.type}\r\n{headers}", failure.to_json())

    async def _call(
        self, method: str, path: str, headers: str = "", content: bytes = b""
    ) -> tuple[Mapping[str, str], bytes]:
        """Headers, with lower-case names, and the body. Raises RuntimeApiError or OSError."""
        reader, writer = await self._connect()
        try:
            length = f"Content-Length: {len(content)}\r\n" if method == "POST" else ""
            writer.write(self._head(method, path, headers + length) + content)
            status, answered, body = await _read_answer(reader)
        finally:
            writer.close()
        _require_success(f"{method} {path}", status)
        return answered, body

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = self._address.rpartition(":")
        # asyncio sets TCP_NODELAY.
        return await asyncio.open_connection(host, int(port), limit=_HEAD_BYTES)

    def _head(self, method: str, path: str, headers: str) -> bytes:
        request = f"{method} {self._base}{path} HTTP/1.1\r\nHost: {self._address}\r\nConnection: close\r\n"
        return f"{request}{headers}\r\n".encode()


class ResponseStream:
    """An answer on its way. Errors of the connection are raised by `close` alone, which has to be called."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._broken: OSError | None = None

    async def write(self, framed: bytes, data: bytes = b"", *, last: bool = False) -> None:
        """What is framed already, then data; `last` ends the body. All of it is one write."""
        await self._send(framed + chunk(data) + (END if last else b""))

    async def fail(self, failure: Failure) -> None:
        await self._send(trailers(failure))

    async def close(self) -> None:
        """Wait until the answer is accepted. Raises RuntimeApiError or OSError."""
        try:
            if self._broken is not None:
                raise self._broken
            status, _, _ = await _read_answer(self._reader)
        finally:
            self._writer.close()
        _require_success("a streamed answer", status)

    async def _send(self, data: bytes) -> None:
        if self._broken is not None:
            return
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            # Whoever answers has more to do than that: what was used is still to be reported.
            self._broken = error


def _deadline_ms(told: str | None) -> int:
    """One that passed before the invocation came says nothing: a clock that went wrong, or an emulator's."""
    now_ms = int(time.time() * 1000)
    deadline_ms = int(told or 0)
    return deadline_ms if deadline_ms > now_ms else now_ms + _LONGEST_MS


def _require_success(what: str, status: int) -> None:
    # 200 for what is asked and 202 for what is told; emulators do not tell them apart.
    if status // 100 != 2:
        raise RuntimeApiError(f"{what}: status {status}")


async def _read_answer(reader: asyncio.StreamReader) -> tuple[int, Mapping[str, str], bytes]:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status_line, *lines = head.split("\r\n")[:-2]
        parted = [line.partition(":") for line in lines]
        headers = {name.lower(): value.strip() for name, _, value in parted}
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return int(status_line.split()[1]), headers, await _read_chunks(reader)
        return int(status_line.split()[1]), headers, await reader.readexactly(int(headers.get("content-length") or 0))
    except (EOFError, ValueError, IndexError, asyncio.LimitOverrunError) as error:
        raise RuntimeApiError("the Runtime API broke off, or did not speak HTTP") from error


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int((await reader.readline()).partition(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readline()
    while (await reader.readline()).strip():
        pass  # Trailers say nothing that we need.
    return b"".join(parts)
