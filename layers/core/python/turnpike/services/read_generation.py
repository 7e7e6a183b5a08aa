"""The record of a generation, from the moment its response has ended."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
from anyio.to_thread import run_sync

from turnpike.domain.errors import NotFound
from turnpike.domain.generation import Generation
from turnpike.domain.ids import AccountId, GenerationId
from turnpike.ports import Generations, Ledger

_WAITS_S = (0.05, 0.1, 0.2, 0.4, 0.75, 0.75, 0.75)
"""Three seconds in all: a usage event is through the queue by then, and most are within the first waits."""

_LONGEST_ID = 128


@dataclass(frozen=True, slots=True)
class ReadGeneration:
    """A generation is settled a moment after its response ends; while its hold is open, the answer waits."""

    generations: Generations
    ledger: Ledger
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep

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
            if hold is None or hold.state != "pending" or wait_s is None:
                break
            await self.sleep(wait_s)
        raise _unknown(wanted)


def _unknown(generation_id: GenerationId) -> NotFound:
    return NotFound(f"Generation {generation_id[:_LONGEST_ID]} not found")
