"""TCP and TLS for httpcore2, straight on asyncio: half the CPU per chunk of its default, which is anyio.

anyio pauses and resumes the socket and opens a cancel scope around every read. A relay does little else
than to wake up for small reads, so that is most of what it costs.
"""
# ruff: noqa: ASYNC109  # httpcore2 names its parameters itself.

import asyncio
import contextlib
import select
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, cast

import httpcore2

from turnpike.providers.addresses import IpAddress, parse_address

Resolve = Callable[[str, int], Awaitable[Sequence[tuple[str, int]]]]
"""From a host and a port to (address, port) of each way there. Raises OSError when there is none."""

_MOST_UNREAD_BYTES = 256 * 1024
"""Beyond it the far side is told to wait."""

_KEPT_ALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}
"""After so many seconds of silence the far host is asked whether it is there, then in these intervals, so often; and so
many milliseconds it may leave unacknowledged what was sent. Either way it is given up after 30 seconds.
"""


class AsyncioBackend(httpcore2.AsyncNetworkBackend):
    def __init__(self) -> None:
        self.opened = 0
        """Connections so far, by which a caller can tell whether its request went over one that was open."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        self.opened += 1
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                # asyncio sets TCP_NODELAY itself.
                transport, stream = await loop.create_connection(_Stream, host, port)
        except TimeoutError:
            raise httpcore2.ConnectTimeout from None
        except (OSError, OverflowError, UnicodeError) as error:
            # The last two: a port and a host name that cannot be.
            raise httpcore2.ConnectError(type(error).__name__) from None
        _watch(transport.get_extra_info("socket"))
        return stream


def _watch(connection: socket.socket | None) -> None:
    """Have the kernel notice a host that is gone, for which a request could only wait: a whole answer shows nothing
    until it is finished. It also keeps NAT gateways from forgetting a connection that is silent for 350 seconds
    (https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html).
    """
    if connection is None:
        return
    # A connection that is gone by now says so when it is used.
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEPT_ALIVE.items():
            # Not every system has all of them.
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class AddressRefused(Exception):
    """A name leads nowhere, or where nobody may be sent: which of the two says something about the inside."""


_RESOLVERS = ThreadPoolExecutor(16, thread_name_prefix="resolve")
"""Threads of their own: a customer's name that takes its time must not keep a provider's waiting."""


async def resolve(host: str, port: int) -> Sequence[tuple[str, int]]:
    """As the system does it, in a thread."""
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_RESOLVERS, ask)
    return [(str(address[0]), int(address[1])) for *_, address in found]


class GuardedBackend(AsyncioBackend):
    """Connects only where `allow` lets it.

    A name is resolved once: what is checked is what is connected to, so that a name cannot mean one address
    when it is checked and another one afterwards. One refused address of several refuses them all.
    """

    def __init__(self, allow: Callable[[IpAddress], bool], resolve: Resolve = resolve) -> None:
        super().__init__()
        self._allow = allow
        self._resolve = resolve

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Raises AddressRefused, and as without a guard."""
        try:
            places = await self._resolve(host, port)
        except (OSError, UnicodeError):
            raise AddressRefused from None
        if not places or not all(self._allow(parse_address(address)) for address, _ in places):
            raise AddressRefused
        *others, last = places
        for address, its_port in others:
            with contextlib.suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                return await super().connect_tcp(address, its_port, timeout)
        return await super().connect_tcp(*last, timeout)


class _Stream(asyncio.Protocol, httpcore2.AsyncNetworkStream):
    """One connection. httpcore2 never reads from two tasks at once."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._unread: list[bytes] = []
        self._unread_bytes = 0
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False
        self._error: Exception | None = None
        self._poll: select.poll | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._unread.append(data)
        self._unread_bytes += len(data)
        if self._unread_bytes > _MOST_UNREAD_BYTES and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        self._error = exc
        self._wake()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if not self._unread and not self._closed:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self._unread:
            data = self._unread[0] if len(self._unread) == 1 else b"".join(self._unread)
            self._unread, self._unread_bytes = [], 0
            if self._paused:
                self._paused = False
                self._transport.resume_reading()
            return data
        if self._error is not None:
            raise httpcore2.ReadError(type(self._error).__name__)
        return b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # Without waiting: the body is in memory anyway, and who does not read it does not answer either.
        if self._closed or self._transport.is_closing():
            raise httpcore2.WriteError("the connection is closed")
        self._transport.write(buffer)

    async def aclose(self) -> None:
        # Not `close`, which waits for TLS to say goodbye; a provider should notice at once that we left.
        self._transport.abort()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                transport = await loop.start_tls(self._transport, self, ssl_context, server_hostname=server_hostname)
        except TimeoutError:
            self._transport.abort()
            raise httpcore2.ConnectTimeout from None
        except OSError as error:
            # ssl.SSLError is one, too.
            self._transport.abort()
            raise httpcore2.ConnectError(type(error).__name__) from None
        self._transport = cast(asyncio.Transport, transport)
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return self._closed or bool(self._unread) or self._is_readable()
        return self._transport.get_extra_info("ssl_object") if info == "ssl_object" else None

    def _is_readable(self) -> bool:
        """Asks the kernel: an environment that was frozen has not heard yet that the far side hung up."""
        socket = self._transport.get_extra_info("socket")
        if socket is None or socket.fileno() < 0:
            return True
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(socket.fileno(), select.POLLIN)
        return bool(self._poll.poll(0))

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
