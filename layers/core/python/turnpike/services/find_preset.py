"""Find the preset that a request names: read once in half a minute, however many requests name it."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeAlias

from anyio.to_thread import run_sync

from turnpike.domain.errors import NotFound
from turnpike.domain.ids import AccountId
from turnpike.domain.presets import Preset
from turnpike.ports.accounts import Presets

_REMEMBERED_PRESETS = 1_000

_Name: TypeAlias = tuple[AccountId, str]


class FindPreset:
    """Remembers presets, and that there is none, for `ttl_s` seconds from when they were asked for."""

    def __init__(self, presets: Presets, *, ttl_s: float, now: Callable[[], float] = time.time) -> None:
        self._presets = presets
        self._ttl_s = ttl_s
        self._now = now
        self._known: OrderedDict[_Name, tuple[float, Preset | None]] = OrderedDict()
        self._reading: dict[_Name, asyncio.Task[Preset | None]] = {}

    async def __call__(self, account_id: AccountId, slug: str) -> Preset:
        """Raises NotFound, which names it, also when it is not active; and TemporarilyBusy."""
        name = (account_id, slug)
        known = self._known.get(name)
        preset = known[1] if known is not None and known[0] > self._now() else await self._read(name)
        if preset is None:
            raise NotFound(f"There is no preset {slug}; GET /presets lists those of this account")
        if preset.status != "active":
            raise NotFound(f"The preset {slug} is {preset.status}; its status has to be active")
        return preset

    async def _read(self, name: _Name) -> Preset | None:
        """Requests that come while it is being read wait for the same reading."""
        reading = self._reading.get(name)
        if reading is None:
            reading = self._reading[name] = asyncio.create_task(self._look_up(name))
            reading.add_done_callback(lambda done: self._end(name, done))
        # Whoever gives up waiting must not end it for the others.
        return await asyncio.shield(reading)

    async def _look_up(self, name: _Name) -> Preset | None:
        until = self._now() + self._ttl_s
        preset = await run_sync(self._presets.find, *name)
        self._known[name] = (until, preset)
        self._known.move_to_end(name)
        while len(self._known) > _REMEMBERED_PRESETS:
            self._known.popitem(last=False)
        return preset

    def _end(self, name: _Name, done: "asyncio.Task[Preset | None]") -> None:
        del self._reading[name]
        if not done.cancelled():
            done.exception()  # Looked at, or asyncio would complain where everybody gave up waiting.
