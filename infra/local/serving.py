"""Runs ASGI apps on loopback, each in a thread with an event loop of its own."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

HOST = "127.0.0.1"
_DRAIN_WITHIN_S = 5
_BACKLOG = 2048


def listen(port: int = 0) -> socket.socket:
    """Claim a port, any free one for 0; clients that connect wait until it is served. Raises OSError."""
    return socket.create_server((HOST, port), backlog=_BACKLOG)


def port_of(sock: socket.socket) -> int:
    port: int = sock.getsockname()[1]
    return port


@contextmanager
def serving(
    app: Callable[..., Any], sock: socket.socket, *, on_end: Callable[[], None] | None = None
) -> Iterator[None]:
    """Serve `app` on `sock`; on leaving, let open requests end and close it.

    `on_end` is called when the server stops, also by a failure of its own.
    """
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=_DRAIN_WITHIN_S,
        )
    )

    def run() -> None:
        try:
            server.run(sockets=[sock])
        finally:
            sock.close()
            if on_end:
                on_end()

    thread = threading.Thread(target=run, name=f"server-{port_of(sock)}")
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
