"""Gets what customers point at, for providers that do not: public https addresses only, within strict limits."""

import asyncio
import ssl
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import httpx2

from turnpike.domain.errors import InvalidRequest
from turnpike.providers.addresses import IpAddress, is_public
from turnpike.providers.network import AddressRefused, GuardedBackend, Resolve, resolve
from turnpike.providers.sniff import sniff_media_type
from turnpike.providers.transport import BROKEN, HEADERS, LATE, PooledTransport, raw_chunks_of

LONGEST_S = 10.0
_CONNECT_S = 3.0
_MOST_BYTES = 20 * 1024 * 1024
_MOST_BYTES_TOGETHER = 50 * 1024 * 1024
_MOST_ADDRESSES = 16
_MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32

_FAMILIES = ("image/", "audio/", "video/", "text/")
_DOCUMENTS = frozenset(
    {
        "application/json",
        "application/msword",
        "application/pdf",
        "application/vnd.ms-excel",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    }
)
_UNTOLD = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/force-download"})
"""What servers say of a file that they know nothing about."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """`media_type` is in lower case and has no parameters."""

    media_type: str
    content: bytes = field(repr=False)


class Fetcher:
    """Its errors tell the client which host failed and how, and nothing about where we are."""

    def __init__(
        self,
        *,
        allow: Callable[[IpAddress], bool] = is_public,
        resolve: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`allow` decides on every address that a name leads to; `tls` replaces the system's certificates."""
        # No connection is kept: the next picture is somewhere else, and each new one is checked.
        self._transport = PooledTransport(GuardedBackend(allow, resolve), tls=tls, idle_connections=0)

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def fetch(self, url: str) -> Fetched:
        """Raises InvalidRequest."""
        return (await self.fetch_each([url]))[url]

    async def fetch_each(self, urls: Iterable[str], *, within_s: float = LONGEST_S) -> Mapping[str, Fetched]:
        """All at once, each address one time. Raises InvalidRequest, for the first that cannot be had."""
        wanted = list(dict.fromkeys(urls))
        if len(wanted) > _MOST_ADDRESSES:
            raise InvalidRequest(
                f"{len(wanted)} addresses would have to be fetched, and {_MOST_ADDRESSES} are the most; "
                "send some of the files as data URLs",
                field="messages",
            )
        budget = _Budget(_MOST_BYTES_TOGETHER)
        limit_s = min(within_s, LONGEST_S)
        tasks = [asyncio.create_task(self._fetch(url, budget, limit_s)) for url in wanted]
        try:
            return dict(zip(wanted, await asyncio.gather(*tasks), strict=True))
        finally:
            for task in tasks:
                task.cancel()
            # Also hears their errors, of which only the first is told.
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _fetch(self, address: str, budget: "_Budget", limit_s: float) -> Fetched:
        try:
            async with asyncio.timeout(limit_s):
                return await self._follow(address, budget)
        except _Unfetchable as error:
            reason = error.reason
        except LATE:
            reason = "it did not come in time"
        except AddressRefused:
            reason = "its name leads to no public address"
        except (*BROKEN, zlib.error):
            reason = "the connection failed"
        # Here, so that what failed inside is not the context of what the client is told.
        raise InvalidRequest(
            f"what stands at {_host_of(address)} could not be fetched: {reason}; check that anybody can open "
            "the address, or send the file itself as a data URL",
            field="messages",
        )

    async def _follow(self, address: str, budget: "_Budget") -> Fetched:
        url = _checked(address)
        for _ in range(_MOST_REDIRECTS + 1):
            request = httpx2.Request("GET", url, headers=HEADERS, extensions={"timeout": {"connect": _CONNECT_S}})
            response = await self._transport.handle_async_request(request)
            try:
                if response.status_code == 200:
                    return await _read(response, budget)
                if response.status_code not in _REDIRECTS or "location" not in response.headers:
                    raise _Unfetchable(f"HTTP {response.status_code}")
                url = _checked(response.headers["location"], since=url)
            finally:
                await response.aclose()
        raise _Unfetchable(f"it redirects more than {_MOST_REDIRECTS} times")


class _Unfetchable(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Budget:
    """What all the files of one request may have together."""

    def __init__(self, left: int) -> None:
        self._left = left

    def spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise _Unfetchable(f"together with the request's other files it is larger than {_mb(_MOST_BYTES_TOGETHER)}")


class _Expander:
    """Undoes a compression that was not asked for, but never to more than there is room for."""

    def __init__(self, encoding: str) -> None:
        if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise _Unfetchable("it is compressed in a way that was not asked for")
        self._zlib = None if encoding in ("", "identity") else zlib.decompressobj(_GZIP_OR_ZLIB)

    def expand(self, data: bytes, room: int) -> bytes:
        """At most one byte more than `room`, which shows that there is more. Raises zlib.error."""
        return data[: room + 1] if self._zlib is None else self._zlib.decompress(data, room + 1)

    @property
    def whole(self) -> bool:
        return self._zlib is None or self._zlib.eof


async def _read(response: httpx2.Response, budget: _Budget) -> Fetched:
    headers = response.headers
    declared = headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared not in _UNTOLD and not _is_wanted(declared):
        raise _Unfetchable(f"it is of the type {declared[:100]}, which no model reads")
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > _MOST_BYTES:
        raise _too_large()
    expander = _Expander(headers.get("content-encoding", "").strip().lower())
    content = bytearray()
    async for chunk in raw_chunks_of(response):
        piece = expander.expand(chunk, _MOST_BYTES - len(content))
        content += piece
        if len(content) > _MOST_BYTES:
            raise _too_large()
        budget.spend(len(piece))
    if not content or not expander.whole:
        raise _Unfetchable("it broke off" if content else "it is empty")
    return _typed(declared, bytes(content))


def _typed(declared: str, content: bytes) -> Fetched:
    # Servers call pictures by their old name, and providers refuse one that is not what it is said to be.
    if declared in _UNTOLD or declared.startswith("image/"):
        found = sniff_media_type(content)
        if declared in _UNTOLD:
            if found is None:
                raise _Unfetchable("the server does not say what type it is of, and neither do its first bytes")
            return Fetched(found, content)
        if found is not None and found.startswith("image/"):
            return Fetched(found, content)
    return Fetched(declared, content)


def _is_wanted(media_type: str) -> bool:
    return media_type.startswith(_FAMILIES) or media_type in _DOCUMENTS


def _checked(address: str, since: httpx2.URL | None = None) -> httpx2.URL:
    """Raises _Unfetchable for whatever is no plain https address; where it leads shows when it is connected to."""
    url = _parse(address, since)
    if url is None:
        raise _Unfetchable("it is not an address" if since is None else "it redirects to what is not an address")
    whose = "it" if since is None else "the address that it redirects to"
    if url.scheme != "https":
        raise _Unfetchable(f"{whose} does not begin with https://")
    if url.userinfo:
        raise _Unfetchable(f"{whose} holds a user name or a password")
    if url.port is not None:
        raise _Unfetchable(f"{whose} names a port other than 443")
    return url


def _parse(address: str, since: httpx2.URL | None = None) -> httpx2.URL | None:
    try:
        url = httpx2.URL(address) if since is None else since.join(address)
    except (httpx2.InvalidURL, ValueError):
        return None
    return url if url.host else None


def _host_of(address: str) -> str:
    url = _parse(address)
    return url.host[:100] if url is not None else "an address in the messages"


def _too_large() -> _Unfetchable:
    return _Unfetchable(f"it is larger than {_mb(_MOST_BYTES)}")


def _mb(size: int) -> str:
    return f"{size // (1024 * 1024)} MB"
