"""Downloads over real sockets: what comes, what is left alone, and what is refused."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress

import pytest

from turnpike.domain.stored_catalog import Document, SourceUnavailable
from turnpike.providers.download import download
from turnpike.providers.transport import PooledTransport

pytestmark = pytest.mark.anyio
BODY = b'{"models": {}}' * 1000


class Publisher:
    """Answers every request with the same bytes; `asked` holds the heads of the requests."""

    def __init__(self, answer: bytes, *, hangs: bool = False) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.may_end = asyncio.Event()
        self.left: list[asyncio.Task[None]] = []
        if not hangs:
            self.may_end.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.left.append(task)
        self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        writer.write(self.answer)
        await self.may_end.wait()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def head(status: str = "200 OK", **headers: object) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


def whole(body: bytes = BODY, **headers: object) -> bytes:
    return head(content_length=len(body), **headers) + body


@asynccontextmanager
async def published(publisher: Publisher) -> AsyncGenerator[tuple[PooledTransport, str]]:
    server = await asyncio.start_server(publisher.serve, "127.0.0.1", 0)
    transport = PooledTransport()
    try:
        yield transport, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/data.json"
    finally:
        await transport.aclose()
        publisher.may_end.set()
        server.close()
        await asyncio.gather(*publisher.left)


async def get(
    publisher: Publisher, etag: str | None = None, most_bytes: int = len(BODY), within_s: float = 5
) -> Document | None:
    async with published(publisher) as (transport, url):
        return await download(transport, url, etag=etag, most_bytes=most_bytes, within_s=within_s)


PACKED: Mapping[str, bytes] = {"gzip": gzip.compress(BODY), "identity": BODY}


@pytest.mark.parametrize("encoding", sorted(PACKED))
async def test_it_comes_whole(encoding: str) -> None:
    publisher = Publisher(whole(PACKED[encoding], etag='W/"1"', content_encoding=encoding))
    assert await get(publisher) == Document(BODY, 'W/"1"')
    assert "get /data.json http/1.1" in publisher.asked[0]
    assert "accept-encoding: gzip" in publisher.asked[0]
    assert "if-none-match" not in publisher.asked[0]


async def test_without_an_etag() -> None:
    assert await get(Publisher(whole())) == Document(BODY, None)


async def test_what_we_have_is_not_sent_again() -> None:
    publisher = Publisher(head("304 Not Modified"))
    assert await get(publisher, '"1"') is None
    assert 'if-none-match: "1"' in publisher.asked[0]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (head("304 Not Modified"), "HTTP 304"),
        (head("404 Not Found", content_length=0), "HTTP 404"),
        (head("302 Found", location="http://127.0.0.1/", content_length=0), "HTTP 302"),
        (whole(BODY + b"x"), "larger than 14,000 bytes"),
        (whole(gzip.compress(b"0" * 10_000_000), content_encoding="gzip"), "larger than 14,000 bytes"),
        (whole(zlib.compress(BODY), content_encoding="deflate"), "was not asked for"),
        (whole(b"junk", content_encoding="gzip"), r"the connection failed \(error\)"),
        (whole(gzip.compress(BODY)[:-20], content_encoding="gzip"), "it broke off"),
        (head(content_length=100) + b"short", "the connection failed"),
        (b"not http\r\n\r\n", "the connection failed"),
        (b"", "the connection failed"),
    ],
)
async def test_what_is_refused_says_where_and_why(answer: bytes, message: str) -> None:
    with pytest.raises(SourceUnavailable, match=rf"^http://127\.0\.0\.1:\d+/data\.json: .*{message}") as caught:
        await get(Publisher(answer))
    assert caught.value.__cause__ is None


async def test_it_does_not_wait_for_ever() -> None:
    with pytest.raises(SourceUnavailable, match=r"it did not come within 0\.1 s"):
        await get(Publisher(head(content_length=100), hangs=True), within_s=0.1)


async def test_nobody_there() -> None:
    transport = PooledTransport()
    with pytest.raises(SourceUnavailable, match="the connection failed"):
        await download(transport, "http://127.0.0.1:9/x", etag=None, most_bytes=1, within_s=5)
    await transport.aclose()
