"""The record of a generation, from the moment its response has ended."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
from anyio.to_thread import run_sync

from turnpike.domain.errors import NotFound
from turnpike.domain.generation import Generation
from turnpike.domain.ids import AccountId, GenerationId, time_of
from turnpike.ports.ledger import Generations, Ledger

_WAITS_S = (0.05, 0.1, 0.2, 0.4, 0.75, 0.75, 0.75)
"""Three seconds in all: a usage event is through the queue by then, and most are within the first waits."""

_LONGEST_ID = 128

_RECENT_S = 3600
"""A request takes a quarter of an hour at most, and its id was made at its beginning."""


@dataclass(frozen=True, slots=True)
class ReadGeneration:
    """A generation is settled a moment after its response ends; while that may be still to come, the answer waits.

    It is while a hold of this id is open. One that is served from a lease has no hold of its own, and there is
    nothing of it before it is settled: then it is if the id says that it was made lately.
    """

    generations: Generations
    ledger: Ledger
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    now: Callable[[], float] = time.time

    async def __call__(self, account_id: AccountId, generation_id: str) -> Generation:
        """Raises NotFound."""
        wanted = GenerationId(generation_id)
        if len(generation_id) > _LONGEST_ID:
            raise _unknown(wanted)
        for wait_s in (*_WAITS_S, None):
            # The hold is read first: one that closes after that has left its record by the next read.
            hold = await run_sync(self.ledger.find_hold, account_id, wanted)
            found = await run_sync(self.generations.find, account_id, wanted)
            if found is not None:
                return found
            is_open = self._is_recent(wanted) if hold is None else hold.state == "pending"
            if not is_open or wait_s is None:
                break
            await self.sleep(wait_s)
        raise _unknown(wanted)

    def _is_recent(self, generation_id: GenerationId) -> bool:
        made_at_s = time_of(generation_id)
        return made_at_s is not None and abs(self.now() - made_at_s) < _RECENT_S


def _unknown(generation_id: GenerationId) -> NotFound:
    return NotFound(f"Generation {generation_id[:_LONGEST_ID]} not found")
