"""Downloads what others publish, within limits, and only if it is not what we have already."""

import asyncio
import zlib

import httpx2

from turnpike.domain.stored_catalog import Document, SourceUnavailable
from turnpike.providers.transport import BROKEN, HEADERS, LATE, raw_chunks_of

_CONNECT_S = 3.0
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


async def download(
    transport: httpx2.AsyncBaseTransport, url: str, *, etag: str | None, most_bytes: int, within_s: float
) -> Document | None:
    """None where it is still the one with this etag; `most_bytes` are counted unpacked. Raises SourceUnavailable."""
    headers = {**HEADERS, "accept-encoding": "gzip"} | ({"if-none-match": etag} if etag else {})
    request = httpx2.Request("GET", url, headers=headers, extensions={"timeout": {"connect": _CONNECT_S}})
    try:
        async with asyncio.timeout(within_s):
            response = await transport.handle_async_request(request)
            try:
                if response.status_code == 304 and etag:
                    return None
                if response.status_code != 200:
                    raise SourceUnavailable(f"{url}: HTTP {response.status_code}")
                body = await _read(response, url, most_bytes)
            finally:
                await response.aclose()
    except LATE:
        raise SourceUnavailable(f"{url}: it did not come within {within_s:g} s") from None
    except (*BROKEN, zlib.error) as error:
        raise SourceUnavailable(f"{url}: the connection failed ({type(error).__name__})") from None
    return Document(body, response.headers.get("etag"))


async def _read(response: httpx2.Response, url: str, most_bytes: int) -> bytes:
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip"):
        raise SourceUnavailable(f"{url}: it is compressed in a way that was not asked for")
    packed = zlib.decompressobj(_GZIP_OR_ZLIB) if encoding == "gzip" else None
    body = bytearray()
    async for chunk in raw_chunks_of(response):
        room = most_bytes - len(body) + 1
        body += chunk[:room] if packed is None else packed.decompress(chunk, room)
        if len(body) > most_bytes:
            raise SourceUnavailable(f"{url}: it is larger than {most_bytes:,} bytes")
    if packed is not None and not packed.eof:
        raise SourceUnavailable(f"{url}: it broke off")
    return bytes(body)
