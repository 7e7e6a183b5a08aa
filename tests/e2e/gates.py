"""Two places in the path of a request at which a test can hold it."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from infra.local.demo_provider import DemoProvider, Receive, Scope, Send
from infra.local.serving import HOST, listen, port_of

_ENOUGH = 1_000_000
"""More chunks than any test lets through."""


class GatedProvider:
    """The demo provider, of whose streams only as many chunks pass as a test lets through; all until it holds them."""

    def __init__(self, inner: DemoProvider) -> None:
        self.passed = 0
        """Chunks since the last `hold`."""
        self._inner = inner
        self._allowed = _ENOUGH
        self._changed = threading.Condition()

    def hold(self) -> None:
        with self._changed:
            self.passed = self._allowed = 0

    def let(self, chunks: int = _ENOUGH) -> None:
        with self._changed:
            self._allowed += chunks
            self._changed.notify_all()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def wait_and_send(message: Any) -> None:
            if message["type"] == "http.response.body":
                await asyncio.to_thread(self._wait)
            await send(message)

        await self._inner(scope, receive, wait_and_send)

    def _wait(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self.passed < self._allowed)
            self.passed += 1


class Sluice:
    """A port that leads to another one. While it is shut, what is sent stays where it is; while it is cut, nobody
    gets through, and who was through is cut off.
    """

    def __init__(self, port: int) -> None:
        self._there = port
        self._is_cut = False
        self._passing: list[socket.socket] = []
        self._open = threading.Event()
        self._open.set()
        self._sock = listen()
        self.url = f"http://{HOST}:{port_of(self._sock)}"

    def shut(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    def cut(self) -> None:
        self._is_cut = True
        for passing in self._passing:
            with suppress(OSError):
                passing.shutdown(socket.SHUT_RDWR)
        self._passing.clear()

    def mend(self) -> None:
        self._is_cut = False

    def run(self) -> None:
        """Until `close`."""
        while True:
            try:
                here, _ = self._sock.accept()
            except OSError:
                return
            if self._is_cut:
                here.close()
                continue
            there = socket.create_connection((HOST, self._there))
            self._passing += (here, there)
            threading.Thread(target=self._pass, args=(here, there), daemon=True).start()
            threading.Thread(target=self._pass, args=(there, here), daemon=True).start()

    def close(self) -> None:
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with source:
            try:
                while data := source.recv(65536):
                    self._open.wait()
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # One side has gone, and the other learns of it.


@contextmanager
def sluice(port: int) -> Iterator[Sluice]:
    found = Sluice(port)
    thread = threading.Thread(target=found.run)
    thread.start()
    try:
        yield found
    finally:
        found.open()
        found.close()
        thread.join()
