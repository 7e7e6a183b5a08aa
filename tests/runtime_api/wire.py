"""HTTP/1.1 as a server reads it, byte by byte: nothing is forgiven, and the borders of chunks stay visible."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

_LONGEST_BODY = 64 * 1024 * 1024


class WireError(Exception):
    """What was sent is not HTTP, or its end is missing."""


@dataclass
class Request:
    method: str
    target: str
    headers: list[tuple[str, str]]
    reader: asyncio.StreamReader
    trailers: dict[str, str] = field(default_factory=dict)
    """Of a chunked body, once all of it has been read; names in lower case."""

    def get(self, name: str) -> str | None:
        return next((value for each, value in self.headers if each.lower() == name), None)

    async def body(self) -> bytes:
        return b"".join([part async for part in self.parts()])

    async def parts(self) -> AsyncIterator[bytes]:
        """The body as it comes: chunk by chunk, or in one piece."""
        try:
            if self.get("transfer-encoding") == "chunked":
                async for part in self._chunks():
                    yield part
            elif length := int(self.get("content-length") or 0):
                assert length <= _LONGEST_BODY
                yield await self.reader.readexactly(length)
        except (EOFError, ValueError) as error:
            raise WireError("a body broke off") from error

    async def _chunks(self) -> AsyncIterator[bytes]:
        while size := int(await _line(self.reader), 16):
            yield await self.reader.readexactly(size)
            if await self.reader.readexactly(2) != b"\r\n":
                raise WireError("a chunk is longer than it says")
        self.trailers = {name.lower(): value for name, value in await _fields(self.reader)}


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """None where the connection ends instead."""
    try:
        method, target, version = (await _line(reader)).split(" ")
    except (EOFError, ConnectionError):
        return None
    if version != "HTTP/1.1":
        raise WireError(f"not HTTP/1.1 but {version}")
    return Request(method, target, await _fields(reader), reader)


async def _fields(reader: asyncio.StreamReader) -> list[tuple[str, str]]:
    fields = []
    while line := await _line(reader):
        name, colon, value = line.partition(":")
        if not colon or not name or name.strip() != name:
            raise WireError(f"not a header: {line}")
        fields.append((name, value.strip()))
    return fields


async def _line(reader: asyncio.StreamReader) -> str:
    line = (await reader.readuntil(b"\r\n"))[:-2]
    if b"\n" in line or b"\r" in line:
        raise WireError("a bare line end")
    return line.decode("latin-1")
