"""Connections to one address that stay open between calls, and as much of HTTP/1.1 as AWS's JSON protocols take.

urllib3 takes 0.4 ms of CPU for such a call, the standard library's client 0.15 ms, this 0.02 ms: they read headers
as if they were mail. Nothing else here speaks it, so whatever is not understood is an error, and ends its connection.
"""

import select
import socket
import ssl
import weakref
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
    SSLError,
)

from turnpike.storage.aws_json.answers import Answer
from turnpike.storage.aws_json.incoming import Closed, Incoming, Malformed
from turnpike.trust import tls_context

_CONNECT_TIMEOUT_S = 2.0
_READ_TIMEOUT_S = 5.0
_MOST_IDLE = 64
_PORTS = {"http": 80, "https": 443}


class Connections:
    """Threads may share it: each call has a connection for itself."""

    def __init__(
        self,
        endpoint: str,
        *,
        ca_bundle: str = "",
        connect_timeout_s: float = _CONNECT_TIMEOUT_S,
        read_timeout_s: float = _READ_TIMEOUT_S,
    ) -> None:
        """`endpoint`: a URL without a path. `ca_bundle`: the file of those to trust, if others than usual."""
        url = urlsplit(endpoint)
        if url.scheme not in _PORTS or not url.hostname or url.path not in ("", "/") or url.query:
            raise ValueError(f"an address of AWS is http(s)://host[:port], not {endpoint}")
        self._endpoint, self._is_secure, self._ca_bundle = endpoint, url.scheme == "https", ca_bundle
        self._address = url.hostname, url.port or _PORTS[url.scheme]
        self._connect_timeout_s, self._read_timeout_s = connect_timeout_s, read_timeout_s
        host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
        self.host = host if self._address[1] == _PORTS[url.scheme] else f"{host}:{self._address[1]}"
        """As it stands in headers."""
        # The newest first: the others may then rest until they are closed.
        self._idle: deque[_Connection] = deque()
        weakref.finalize(self, _close_all, self._idle)

    def post(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Sent once: whether it is repeated is for those to decide who know what it does."""
        sent = _head(headers, len(body)) + body
        connection = self._take()
        try:
            answer, stays_open = connection.exchange(sent)
        except TimeoutError as error:
            raise ReadTimeoutError(endpoint_url=self._endpoint) from error
        except (Closed, OSError) as error:
            # One that rested was closed meanwhile, so those that rested longer may be as well.
            _close_all(self._idle)
            raise ConnectionClosedError(endpoint_url=self._endpoint) from error
        except Malformed as error:
            raise HTTPClientError(error=f"{self._endpoint} answers with no HTTP/1.1: {error}") from None
        if stays_open and len(self._idle) < _MOST_IDLE:
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def _take(self) -> "_Connection":
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self._open()
            if connection.is_quiet():
                return connection
            connection.close()

    def _open(self) -> "_Connection":
        try:
            opened = socket.create_connection(self._address, self._connect_timeout_s)
        except TimeoutError as error:
            raise ConnectTimeoutError(endpoint_url=self._endpoint, error=error) from error
        except OSError as error:
            raise EndpointConnectionError(endpoint_url=self._endpoint, error=error) from error
        # What is sent is whole, and waits for nothing to follow.
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._is_secure:
            opened = self._secure(opened)
        opened.settimeout(self._read_timeout_s)
        return _Connection(opened)

    def _secure(self, opened: socket.socket) -> ssl.SSLSocket:
        try:
            return tls_context(self._ca_bundle).wrap_socket(opened, server_hostname=self._address[0])
        except TimeoutError as error:
            opened.close()
            raise ConnectTimeoutError(endpoint_url=self._endpoint, error=error) from error
        except OSError as error:
            opened.close()
            raise SSLError(endpoint_url=self._endpoint, error=error) from error


class _Connection:
    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._incoming = Incoming(opened)
        self._readable = select.poll()
        self._readable.register(opened, select.POLLIN)

    def exchange(self, sent: bytes) -> tuple[Answer, bool]:
        """The answer, and whether another call may follow. Raises OSError, Closed, Malformed, and is closed then."""
        try:
            self._socket.sendall(sent)
            return self._incoming.read_answer()
        except BaseException:
            self.close()
            raise

    def is_quiet(self) -> bool:
        """Nobody was asked, so what can be read now is the end of it, or what nothing good can follow."""
        return not self._readable.poll(0)

    def close(self) -> None:
        self._socket.close()


def _close_all(idle: deque[_Connection]) -> None:
    # Others may take some of them meanwhile.
    with suppress(IndexError):
        while True:
            idle.pop().close()


def _head(headers: Mapping[str, str], length: int) -> bytes:
    lines = ["POST / HTTP/1.1", f"content-length: {length}"]
    for name, value in headers.items():
        # One with the end of a line in it would be another header. The value may be a secret.
        if not (value.isascii() and value.isprintable()):
            raise ValueError(f"the header {name} cannot be sent: it holds what no header may")
        lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode("ascii")
