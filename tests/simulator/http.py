"""HTTP/1.1 by hand: no server library lets go of a connection in the middle of a chunk."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote

MOST_HEAD_BYTES = 64 * 1024
_MOST_BODY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """`path` is decoded; header names are in lower case; `body` is None where it is no JSON object."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes = b""
    body: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A response that is ready to be played. Streamed, each piece is one event; otherwise there is one piece."""

    status: int
    content_type: str
    pieces: tuple[bytes, ...]
    streamed: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


def json_reply(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, "application/json", (json.dumps(content).encode(),), headers=headers or {})


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """None when the client is gone. Raises ValueError for what is no request."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        start, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        method, target, _ = start.split(" ")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        raw = await _read_body(reader, headers)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    except asyncio.LimitOverrunError as error:
        raise ValueError("the head is too long") from error
    path, _, query = target.partition("?")
    return Request(method, unquote(path), dict(parse_qsl(query)), headers, raw, _parse(raw))


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        parts = []
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            parts.append((await reader.readexactly(size + 2))[:-2])
        await reader.readuntil(b"\r\n")
        return b"".join(parts)
    size = int(headers.get("content-length", "0"))
    if not 0 <= size <= _MOST_BODY_BYTES:
        raise ValueError("the body is too long")
    return await reader.readexactly(size)


def _parse(raw: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(raw)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


class Connection:
    """The sending half of one connection. Everything is on its way when a method returns."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.open = True
        """Whether another request may come over it."""

    async def start(self, reply: Reply, length: int | None) -> None:
        """The head; `length` is None for a body in HTTP chunks."""
        framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
        phrases = {status.value: status.phrase for status in HTTPStatus}
        lines = [
            f"HTTP/1.1 {reply.status} {phrases.get(reply.status, 'Unknown')}",
            f"content-type: {reply.content_type}",
            framing,
        ]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        await self.write("\r\n".join([*lines, "", ""]).encode())

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def write_chunk(self, data: bytes) -> None:
        """An empty one ends the body."""
        await self.write(b"%x\r\n%b\r\n" % (len(data), data))

    async def close(self) -> None:
        """A clean end of the connection, wherever in the response that falls."""
        self.open = False
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def reset(self) -> None:
        """What a crashed server or a firewall sends: RST instead of FIN."""
        self.open = False
        sock: socket.socket = self._writer.get_extra_info("socket")
        # What was written is to arrive first: a reset throws away what the far side has not read.
        await asyncio.sleep(0.02)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
