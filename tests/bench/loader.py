"""The loader: requests made of bytes over kept connections, since it shares the machine with what it measures."""

import asyncio
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, cast

_TIMEOUT_S = 30.0
_HEAD_END = b"\r\n\r\n"
_LAST_CHUNK = b"\r\n0\r\n\r\n"
_TAIL = 64
_CONTENT = re.compile(rb'"content":"[^"]')
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_DONE = b"data: [DONE]"

PROMPT = (
    "A customer writes that their invoice of last month counts a day twice, and that the total is off by the "
    "price of that day. Answer in two sentences: say what you will check, and by when they will hear from us."
)


class LoadError(Exception):
    """An answer that no figure may be made of."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`first_content_s` and `total_s` count from the moment the request was written."""

    total_s: float
    first_content_s: float
    body: bytes
    """Of a stream, its end."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where requests go: the router, or the provider for comparison."""

    name: str
    port: int
    path: str
    api_key: str

    def chat(self, model: str, *, stream: bool = False) -> bytes:
        body: dict[str, object] = {"model": model, "messages": [{"role": "user", "content": PROMPT}]}
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return self._request("POST", self.path, json.dumps(body).encode())

    def get(self, path: str) -> bytes:
        return self._request("GET", path, b"")

    def _request(self, method: str, path: str, body: bytes) -> bytes:
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\nauthorization: Bearer {self.api_key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


class Connection(asyncio.Protocol):
    """One request at a time."""

    @classmethod
    async def open(cls, server: Server) -> Self:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(cls, "127.0.0.1", server.port)
        return connection

    async def ask(self, request: bytes) -> Answer:
        """Raises LoadError for any answer but a complete 200."""
        self._received = bytearray()
        self._tail = b""
        self._body_at = self._length = -1
        self._first_content_at = 0.0
        self._answered: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        self._transport.write(request)
        ended = await asyncio.wait_for(self._answered, _TIMEOUT_S)
        body = bytes(self._received[self._body_at :]) if self._length >= 0 else self._tail
        if self._length < 0 and _DONE not in body:
            raise LoadError(f"a stream ended with {body!r}")
        return Answer(ended - began, (self._first_content_at or ended) - began, body)

    def close(self) -> None:
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, since uvloop's own transports are no subclass of it.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        if self._length >= 0 or not self._first_content_at:
            self._received += data
            self._look(now)
        self._tail = (self._tail + data)[-_TAIL:]
        ended = (
            len(self._received) >= self._body_at + self._length
            if self._length >= 0
            else self._tail.endswith(_LAST_CHUNK)
        )
        if self._body_at >= 0 and ended and not self._answered.done():
            self._answered.set_result(now)

    def connection_lost(self, error: Exception | None) -> None:
        if hasattr(self, "_answered") and not self._answered.done():
            self._answered.set_exception(LoadError(f"the connection ended early: {bytes(self._received)!r}"))

    def _look(self, now: float) -> None:
        """Read the head, and find the first content; after it, a stream is not read any more but for its end."""
        if self._body_at < 0:
            head, separator, _ = bytes(self._received).partition(_HEAD_END)
            if not separator:
                return
            if not head.startswith(b"HTTP/1.1 200"):
                self._answered.set_exception(LoadError(f"answered {bytes(self._received)!r}"))
                return
            self._body_at = len(head) + len(_HEAD_END)
            length = _LENGTH.search(head)
            self._length = int(length[1]) if length else -1
        if not self._first_content_at and _CONTENT.search(self._received, self._body_at):
            self._first_content_at = now


async def ask_once(server: Server, request: bytes) -> Answer:
    connection = await Connection.open(server)
    try:
        return await connection.ask(request)
    finally:
        connection.close()


async def load(server: Server, request: bytes, *, count: int, at_once: int, apart_s: float = 0) -> Sequence[Answer]:
    """Ask `count` times, over `at_once` connections, each with its next request as soon as it is answered.

    They begin `apart_s` apart, so that streams of a steady pace do not tick in step.
    """
    left = count
    answers: list[Answer] = []

    async def work(number: int) -> None:
        nonlocal left
        connection = await Connection.open(server)
        await asyncio.sleep(number * apart_s)
        try:
            while left > 0:
                left -= 1
                answers.append(await connection.ask(request))
        finally:
            connection.close()

    await asyncio.gather(*(work(number) for number in range(at_once)))
    return answers
