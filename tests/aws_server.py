"""A server that answers as AWS does, or as nobody should: what it does with each request is written down before."""

import socket
import ssl
import struct
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import BinaryIO

from infra.local.serving import HOST, listen, port_of


@dataclass(frozen=True)
class Request:
    headers: Mapping[str, str]
    body: bytes
    connection: int
    """Counted from 0."""


Reply = Callable[[socket.socket, Request], bool]
"""Does with one request what it likes, and says whether the connection is to end with it."""


@dataclass
class AwsServer:
    url: str
    script: deque[Reply] = field(default_factory=deque)
    """What befalls the next requests, one each; the last one befalls all that follow."""
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    ended: list[int] = field(default_factory=list)
    """Connections that are closed."""
    open: list[socket.socket] = field(default_factory=list)

    def plays(self, *replies: Reply) -> "AwsServer":
        self.script.extend(replies)
        return self

    def serve(self, connected: socket.socket, number: int) -> None:
        self.open.append(connected)
        with suppress(OSError), connected, connected.makefile("rb") as incoming:
            while (request := _read(incoming, number)) is not None:
                self.requests.append(request)
                reply = self.script.popleft() if len(self.script) > 1 else self.script[0]
                if reply(connected, request):
                    break
        self.ended.append(number)


def answer(body: bytes = b"{}", status: int = 200, **headers: str) -> Reply:
    """`headers`: with _ for -, and instead of the usual ones."""
    return sends(whole(body, status, **headers))


def whole(body: bytes, status: int = 200, **headers: str) -> bytes:
    usual = {"content_length": str(len(body)), "x_amzn_requestid": "REQUEST1", **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in usual.items())
    return f"HTTP/1.1 {status} Whatever\r\n{lines}\r\n".encode() + body


def checked(body: bytes) -> Reply:
    return answer(body, x_amz_crc32=str(zlib.crc32(body)))


def sends(content: bytes, *, by: int = 0) -> Reply:
    """In pieces of so many bytes, if they are to be."""

    def reply(connected: socket.socket, request: Request) -> bool:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        size = by or len(content)
        for at in range(0, len(content), size):
            connected.sendall(content[at : at + size])
        return False

    return reply


def then_ends(first: Reply) -> Reply:
    """Closes the connection without a word about it, as a server does with one that has rested for long."""
    return lambda connected, request: first(connected, request) or True


def ends(connected: socket.socket, request: Request) -> bool:
    return True


def resets(connected: socket.socket, request: Request) -> bool:
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return True


@contextmanager
def aws_server(tls: ssl.SSLContext | None = None) -> Iterator[AwsServer]:
    with listen() as listening:
        server = AwsServer(f"http{'s' if tls else ''}://{HOST}:{port_of(listening)}")
        threads: list[threading.Thread] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connected, _ = listening.accept()
                    threads.append(threading.Thread(target=converse, args=(connected, server.connections)))
                    server.connections += 1
                    threads[-1].start()

        def converse(connected: socket.socket, number: int) -> None:
            with suppress(OSError):
                server.serve(tls.wrap_socket(connected, server_side=True) if tls else connected, number)

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield server
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for connected in server.open:
                with suppress(OSError):
                    connected.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def _read(incoming: BinaryIO, number: int) -> Request | None:
    lines = []
    while line := incoming.readline().rstrip(b"\r\n"):
        lines.append(line.decode())
    if not lines:
        return None
    if lines[0] != "POST / HTTP/1.1":
        raise AssertionError(lines[0])
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return Request(headers, incoming.read(int(headers["content-length"])), number)
