"""A response of server-sent events, whose status waits for the first of them."""

import asyncio
from collections.abc import Mapping

from starlette.types import Send


class EventStream:
    """Sends nothing until the first `write`, so that an error can still have its own status.

    When that takes longer than `keepalive_s`, the response starts and `keepalive` is sent now and then, since
    API Gateway closes an idle stream. A client that has gone is not noticed: the answer is read to its
    end, because the provider charges for it and only its last chunk says how much.
    """

    def __init__(self, send: Send, headers: Mapping[str, str], *, keepalive: bytes, keepalive_s: float) -> None:
        self.started = False
        self._send = send
        self._headers = {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache",
            "x-accel-buffering": "no",
            **headers,
        }
        self._keepalive = keepalive
        self._keepalive_s = keepalive_s
        self._beating: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._schedule()

    async def write(self, data: bytes, *, more: bool = True) -> None:
        if self._timer is not None:
            await self.quiet()
        if not self.started:
            await self._start()
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def quiet(self) -> None:
        """End the keep-alives; one that is being sent is sent whole."""
        if self._beating is not None:
            await self._beating
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._keepalive_s, self._beat)

    def _beat(self) -> None:
        self._beating = asyncio.create_task(self._keep_alive())

    async def _keep_alive(self) -> None:
        await self._start()
        await self._send({"type": "http.response.body", "body": self._keepalive, "more_body": True})
        self._schedule()

    async def _start(self) -> None:
        if self.started:
            return
        self.started = True
        headers = [(name.encode(), value.encode()) for name, value in self._headers.items()]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
