"""Ask the requests of a chunk, each as a client would, and close the chunk when all of them have their results.

A result is kept before its generation is reported, and only a generation whose result was kept is charged. So whatever
is delivered twice, cut short or raced: no request is charged twice, and none is charged whose answer nobody has.
"""

import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import orjson
from anyio import create_task_group
from anyio.to_thread import run_sync

from turnpike.domain.batch_steps import Step
from turnpike.domain.batches import (
    CLAIM_S,
    Batch,
    BatchRequest,
    Chunk,
    ChunkBusy,
    ChunkClaim,
    ChunkClosed,
    Ending,
    Tally,
    tally_of,
)
from turnpike.domain.errors import TemporarilyBusy
from turnpike.ports.batches import Batches, BatchFiles, BatchQueue
from turnpike.services.batch_lines import parse_lines

Keep = Callable[[bytes], Awaitable[bool]]
"""Keeps a result; False where the request has one already. Raises TemporarilyBusy."""

_LONGEST_WAIT_S = 900
"""Without a word of the provider's when to come again."""
_MOST_TRIES = 5
"""In a row with nothing answered in a chunk, until what is refused stays so."""


@dataclass(frozen=True, slots=True)
class Reply:
    """`line`: the result, as it is told. `is_kept`: whether it is, which answers are at once, and refusals are not."""

    status: int
    line: bytes
    is_kept: bool
    retry_after_s: int | None = None


class Asker(Protocol):
    async def ask(self, batch: Batch, request: BatchRequest, *, time_left_s: float, keep: Keep) -> Reply:
        """Never raises for what becomes of the request."""

    def end(self, batch: Batch, request: BatchRequest, ending: Ending) -> bytes:
        """The result of a request that is not asked."""


@dataclass(frozen=True, slots=True)
class AskChunk:
    batches: Batches
    files: BatchFiles
    queue: BatchQueue
    asker: Asker
    now: Callable[[], float] = time.time

    async def __call__(self, batch: Batch, step: Step, time_left_s: Callable[[], float]) -> None:
        """`step.chunk` is given. Raises TemporarilyBusy when not even the step could be sent again."""
        if step.chunk is None:
            return
        now_s = int(self.now())
        token = secrets.token_hex(8)
        claim_chunk = partial(self.batches.claim_chunk, now_s=now_s, until_s=now_s + CLAIM_S)
        claim = await run_sync(claim_chunk, batch, step.chunk.number, token)
        if isinstance(claim, ChunkClosed):
            return
        if isinstance(claim, ChunkBusy):
            # They may fail, so somebody has to come after them; who comes to a closed chunk has nothing to do.
            await run_sync(partial(self.queue.send, [step], delay_s=claim.until_s - now_s))
            return
        try:
            again = await self._work(batch, step, step.chunk, claim, time_left_s)
        except TemporarilyBusy as error:
            again = (replace(step, waits=step.waits + 1), _delay_s(step, error.retry_after_s))
        if again is not None:
            later, delay_s = again
            await run_sync(partial(self.queue.send, [later], delay_s=delay_s))
            await run_sync(self.batches.release_chunk, batch, claim)

    async def _work(
        self, batch: Batch, step: Step, chunk: Chunk, claim: ChunkClaim, time_left_s: Callable[[], float]
    ) -> tuple[Step, int] | None:
        """The step that goes on with it, and when; None when the chunk is closed."""
        lines = dict(await run_sync(self.files.read_results, batch, chunk.number))
        data = await run_sync(self.files.read_input, batch, chunk.offset, chunk.length)
        left = [request for request in parse_lines(data, chunk.first) if request.number not in lines]
        ending = batch.ending(self.now())
        waiting: list[Reply] = []
        known = len(lines)
        if ending is not None:
            lines |= {request.number: self.asker.end(batch, request, ending) for request in left}
        else:

            async def ask(request: BatchRequest) -> None:
                reply = await self._ask(batch, claim, step, request, time_left_s())
                if reply.is_kept:
                    lines[request.number] = reply.line
                else:
                    waiting.append(reply)

            async with create_task_group() as group:
                for request in left:
                    group.start_soon(ask, request)
        if waiting:
            return _later(step, waiting, is_ahead=len(lines) > known)
        await run_sync(self._close, batch, claim, [lines[number] for number in sorted(lines)])
        return None

    async def _ask(
        self, batch: Batch, claim: ChunkClaim, step: Step, request: BatchRequest, time_left_s: float
    ) -> Reply:
        async def keep(line: bytes) -> bool:
            if self.now() >= claim.until_s:
                return False  # Somebody else may have closed the chunk since, and asked this request.
            return await run_sync(self.files.keep_result, batch, claim.number, request.number, line)

        reply = await self.asker.ask(batch, request, time_left_s=time_left_s, keep=keep)
        if reply.is_kept or _may_pass(reply.status, step.tries):
            return reply
        try:
            return replace(reply, is_kept=await keep(reply.line))
        except TemporarilyBusy:
            return reply  # As if it were to be waited for.

    def _close(self, batch: Batch, claim: ChunkClaim, lines: Iterable[bytes]) -> None:
        results = list(lines)
        tally = sum((tally_of(orjson.loads(line)) for line in results), Tally())
        self.files.close_results(batch, claim.number, b"".join(line + b"\n" for line in results))
        if self.batches.close_chunk(batch, claim, tally):
            self.files.drop_results(batch, claim.number)


def _may_pass(status: int, tries: int) -> bool:
    """Whether a refusal is waited out. That of a rate is for as long as the batch lasts: nothing was wrong with it."""
    if status == 429:
        return True
    # Credit may only be held by requests beside this one, which give it back when they end.
    return (status in (402, 408) or status >= 500) and tries + 1 < _MOST_TRIES


def _later(step: Step, waiting: list[Reply], *, is_ahead: bool) -> tuple[Step, int]:
    counts = any(reply.status != 429 for reply in waiting)
    named = [reply.retry_after_s for reply in waiting if reply.retry_after_s is not None]
    later = replace(step, waits=step.waits + 1, tries=0 if is_ahead else step.tries + counts)
    return later, _delay_s(step, max(named, default=None))


def _delay_s(step: Step, retry_after_s: int | None) -> int:
    """Twice as long each time, and not before the providers have asked for."""
    own_s: int = min(1 << min(step.waits, 10), _LONGEST_WAIT_S)
    return max(own_s, retry_after_s or 0)
