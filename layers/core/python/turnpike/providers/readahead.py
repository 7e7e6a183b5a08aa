"""Between the task that reads a response and the one that takes it: what arrived together is taken together."""

import asyncio

_MOST_BYTES = 1024 * 1024
"""Read ahead of a client that is slow to take it."""


class ReadAhead:
    """An HTTP library hands out one HTTP chunk at a time, without saying whether the next is there already.

    Relaying them so costs a write, and its waking up, for each. A reader that runs ahead until the network
    has no more makes one batch of what one read brought.
    """

    __slots__ = ("_bytes", "_chunks", "_error", "_over", "_room", "_taker")

    def __init__(self) -> None:
        self._over = False
        self._chunks: list[bytes] = []
        self._bytes = 0
        self._error: Exception | None = None
        self._taker: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None

    def put(self, chunk: bytes) -> bool:
        """Whether there is room for more; if not, wait for `room`."""
        self._chunks.append(chunk)
        self._bytes += len(chunk)
        _settle(self._taker)
        return self._bytes < _MOST_BYTES

    async def room(self) -> None:
        self._room = asyncio.get_running_loop().create_future()
        await self._room

    def end(self, error: Exception | None = None) -> None:
        """There will be no more; `error` is raised to the taker when it has taken all."""
        self._over = True
        self._error = error
        _settle(self._taker)

    async def take(self, within_s: float) -> bytes:
        """Everything there is, at least one byte; empty at the end. Raises TimeoutError, or why it ended."""
        while not self._chunks and not self._over:
            await self._wait(within_s)
        if self._chunks:
            data = b"".join(self._chunks)
            self._chunks.clear()
            self._bytes = 0
            _settle(self._room)
            return data
        if self._error is not None:
            raise self._error
        return b""

    async def _wait(self, within_s: float) -> None:
        # A timer that fails the future costs half of `asyncio.timeout`, and this runs for every read.
        loop = asyncio.get_running_loop()
        self._taker = taker = loop.create_future()
        timer = loop.call_later(within_s, _expire, taker)
        try:
            await taker
        finally:
            timer.cancel()


def _settle(future: "asyncio.Future[None] | None") -> None:
    if future is not None and not future.done():
        future.set_result(None)


def _expire(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_exception(TimeoutError())
