"""Work off the queue of batches, one step at a time, from a batch's first line to its results."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from anyio import create_task_group
from anyio.to_thread import run_sync

from turnpike.domain.batch_steps import Step
from turnpike.domain.batches import Batch, BatchId, Chunk
from turnpike.domain.errors import NotFound
from turnpike.domain.ids import AccountId
from turnpike.ports.batches import Batches, BatchFiles, BatchQueue
from turnpike.services.ask_chunk import AskChunk
from turnpike.services.begin_batch import BeginBatch

_ENDED_AT_ONCE = 8
_NEEDED_S = 60.0
"""What is left of an invocation's time when the rest is left to another one."""


@dataclass(frozen=True, slots=True)
class WorkOffBatches:
    batches: Batches
    files: BatchFiles
    queue: BatchQueue
    begin: BeginBatch
    ask_chunk: AskChunk
    on_over: Callable[[Batch], None] = lambda batch: None
    now: Callable[[], float] = time.time

    async def __call__(self, step: Step, time_left_s: Callable[[], float]) -> None:
        """Any step at any time: one whose time has passed does nothing. Raises TemporarilyBusy."""
        batch = await run_sync(self.batches.find, step.account_id, step.batch_id)
        if batch is None or batch.is_over:
            return
        if step.kind == "begin":
            await run_sync(self.begin, batch)
        elif step.kind == "ask":
            await self.ask_chunk(batch, step, time_left_s)
            await run_sync(self._advance, batch.account_id, batch.id)
        elif step.kind == "end":
            await self._end(batch, step, time_left_s)
        else:
            await run_sync(self._assemble, batch)

    async def _end(self, batch: Batch, step: Step, time_left_s: Callable[[], float]) -> None:
        """Close what nobody works on, without asking it; whoever works on the rest closes that."""
        if batch.ending(self.now()) is None:
            return
        if batch.status == "validating":
            error = "It could not be validated within its day; submit it again"
            failed = replace(batch, status="failed", error=error, finalized_at_s=int(self.now()))
            await run_sync(lambda: self.batches.put_status(failed, was="validating"))
            return
        closed = await run_sync(self.batches.list_closed, batch)
        left = [chunk for chunk in await run_sync(self.files.get_plan, batch) if chunk.number not in closed]
        for start in range(0, len(left), _ENDED_AT_ONCE):
            if time_left_s() < _NEEDED_S:
                await run_sync(self.queue.send, [step])
                return
            await self._end_some(batch, left[start : start + _ENDED_AT_ONCE], time_left_s)
        await run_sync(self._advance, batch.account_id, batch.id)

    async def _end_some(self, batch: Batch, chunks: Sequence[Chunk], time_left_s: Callable[[], float]) -> None:
        async with create_task_group() as group:
            for chunk in chunks:
                ask = Step("ask", batch.account_id, batch.id, chunk)
                group.start_soon(self.ask_chunk, batch, ask, time_left_s)

    def _advance(self, account_id: AccountId, batch_id: BatchId) -> None:
        """See whether that was the last chunk. Whoever finds it so says it, however many do."""
        batch = self.batches.find(account_id, batch_id)
        if batch is None or batch.is_over or not batch.is_done:
            return
        if batch.status == "in_progress":
            self.batches.put_status(replace(batch, status="finalizing"), was="in_progress")
        self.queue.send([Step("assemble", account_id, batch_id)])

    def _assemble(self, batch: Batch) -> None:
        if not batch.is_done or batch.status not in ("finalizing", "cancelling"):
            return
        try:
            self.files.assemble(batch)
        except NotFound:
            now = self.batches.find(batch.account_id, batch.id)
            if now is None or now.is_over:
                return  # Whoever was first has dropped what it had put together.
            raise
        over = replace(batch, status=batch.last_status(), finalized_at_s=int(self.now()))
        if self.batches.put_status(over, was=batch.status):
            self.on_over(over)
            self.files.drop_chunks(batch)
