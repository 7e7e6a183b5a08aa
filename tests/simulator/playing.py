"""Sends a reply as it is, or with what was asked to go wrong."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.simulator.faults import HEADERS, Fault
from tests.simulator.http import Connection, Reply

_LONGEST_HANG_S = 60.0
_GARBAGE = b'data: {"half": \xff\xfe<html>\n\n'
"""No JSON in an event, and no frame of an event stream either."""
_JUNK = b"<html><body>This is nobody's answer.</body></html>"


@dataclass(slots=True)
class Player:
    """`hung_up` waits until the client is gone."""

    connection: Connection
    fault: Fault
    hung_up: Callable[[], Awaitable[None]]

    async def play(self, reply: Reply, error: bytes) -> None:
        """`error` is the wire format's error for the middle of a stream."""
        await asyncio.sleep(self.fault.headers_ms / 1000)
        if await self._ends(HEADERS):
            return
        if self.fault.empty:
            await self._send_whole(Reply(200, reply.content_type, (b"",)))
        elif self.fault.garbage == 0:
            await self._send_whole(Reply(200, "text/html", (_JUNK,)))
        elif reply.streamed:
            await self._stream(reply, error)
        else:
            await self._send_slowly(reply)

    async def _stream(self, reply: Reply, error: bytes) -> None:
        fault = self.fault
        await self.connection.start(reply, None)
        await asyncio.sleep(fault.first_ms / 1000)
        for place, piece in enumerate(reply.pieces):
            if await self._ends(place):
                return
            if fault.tear == place:
                await self.connection.write_chunk(piece[: len(piece) // 2])
                await self.connection.close()
                return
            if fault.stop == place:
                break
            if fault.error == place:
                await self.connection.write_chunk(error)
                break
            await self.connection.write_chunk(_GARBAGE if fault.garbage == place else piece)
            await asyncio.sleep(fault.chunk_ms / 1000)
        else:
            if await self._ends(len(reply.pieces)):
                return
        await self.connection.write_chunk(b"")

    async def _send_slowly(self, reply: Reply) -> None:
        """A whole body breaks in its middle, wherever after its beginning that is asked for."""
        [body] = reply.pieces
        await self.connection.start(reply, len(body))
        await asyncio.sleep(self.fault.first_ms / 1000)
        if await self._ends(0):
            return
        await self.connection.write(body[: len(body) // 2])
        positions = {self.fault.hang, self.fault.reset, self.fault.cut, self.fault.tear}
        later = max(positions)
        if later > 0:
            await (self._hang if self.fault.hang == later else self._break)(later)
            return
        await self.connection.write(body[len(body) // 2 :])

    async def _send_whole(self, reply: Reply) -> None:
        [body] = reply.pieces
        await self.connection.start(reply, len(body))
        await self.connection.write(body)

    async def _ends(self, place: int) -> bool:
        """Whether the connection is over, or of no use any more."""
        if self.fault.hang == place:
            await self._hang(place)
        elif place in (self.fault.reset, self.fault.cut):
            await self._break(place)
        else:
            return False
        return True

    async def _hang(self, place: int) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.hung_up(), _LONGEST_HANG_S)
        await self.connection.close()

    async def _break(self, place: int) -> None:
        if self.fault.reset == place:
            await self.connection.reset()
        else:
            await self.connection.close()
