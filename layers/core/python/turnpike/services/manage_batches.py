"""Read, cancel and delete an account's batches."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import orjson
from anyio.to_thread import run_sync

from turnpike.domain.batch_steps import Step
from turnpike.domain.batches import Batch, BatchId, BatchPage, BatchStatus, check_cancellable, check_deletable
from turnpike.domain.errors import NotFound, TemporarilyBusy
from turnpike.domain.ids import AccountId
from turnpike.ports.batches import Batches, BatchFiles, BatchQueue

MOST_RESULT_BYTES = 4 * 1024 * 1024
"""Of results that are told with their batch: a synchronous Lambda invocation answers 6 MB."""
RESULTS_TTL_S = 3600
_RACES = 5
_AGAIN_S = 900
"""After which somebody else is told to end a batch: by then it has ended, or the message was lost."""


@dataclass(frozen=True, slots=True)
class Wanted:
    limit: int
    after: BatchId | None = None
    statuses: Sequence[BatchStatus] = ()
    created_after_s: int | None = None
    created_before_s: int | None = None


@dataclass(frozen=True, slots=True)
class BatchReport:
    """`results` are None where there are none, or more than are told at once; `results_url` has all of them."""

    batch: Batch
    results: Sequence[dict[str, Any]] | None = None
    results_url: str | None = None


@dataclass(frozen=True, slots=True)
class ManageBatches:
    batches: Batches
    files: BatchFiles
    queue: BatchQueue
    now: Callable[[], float] = time.time

    async def list(self, account_id: AccountId, wanted: Wanted) -> BatchPage:
        return await run_sync(
            partial(
                self.batches.list_page,
                account_id,
                after=wanted.after,
                limit=wanted.limit,
                statuses=wanted.statuses,
                created_after_s=wanted.created_after_s,
                created_before_s=wanted.created_before_s,
            )
        )

    async def get(self, account_id: AccountId, batch_id: str) -> BatchReport:
        """Raises NotFound."""
        return await run_sync(self._get, account_id, batch_id)

    async def cancel(self, account_id: AccountId, batch_id: str) -> Batch:
        """What has begun ends as it would have; what has not is not asked. Repeating it is a no-op.

        Raises NotFound; Conflict for one that is over, or about to be.
        """
        return await run_sync(self._cancel, account_id, batch_id)

    async def delete(self, account_id: AccountId, batch_id: str) -> None:
        """With all that was asked and answered. Raises NotFound; Conflict for one that is under way."""
        await run_sync(self._delete, account_id, batch_id)

    def _find(self, account_id: AccountId, batch_id: str) -> Batch:
        batch = self.batches.find(account_id, BatchId(batch_id))
        if batch is None:
            raise NotFound("There is no such batch")
        return batch

    def _get(self, account_id: AccountId, batch_id: str) -> BatchReport:
        batch = self._find(account_id, batch_id)
        if not batch.is_over or not batch.is_done:
            return BatchReport(batch)
        data = self.files.read_output(batch, most_bytes=MOST_RESULT_BYTES)
        results = None if data is None else [orjson.loads(line) for line in data.splitlines()]
        return BatchReport(batch, results, self.files.output_url(batch, ttl_s=RESULTS_TTL_S))

    def _cancel(self, account_id: AccountId, batch_id: str) -> Batch:
        for _ in range(_RACES):
            batch = self._find(account_id, batch_id)
            check_cancellable(batch)
            if batch.status == "validating":
                cancelled = replace(batch, status="cancelled", finalized_at_s=int(self.now()))
            else:
                cancelled = replace(batch, status="cancelling")
            if self.batches.put_status(cancelled, was=batch.status):
                if not cancelled.is_over:
                    # Also when it was cancelled before: the message may have been lost.
                    self.queue.send([Step("end", account_id, batch.id)])
                return cancelled
        raise TemporarilyBusy("This batch changes at the moment; try again")

    def _delete(self, account_id: AccountId, batch_id: str) -> None:
        batch = self._find(account_id, batch_id)
        check_deletable(batch)
        # The files first: what is half deleted can still be found, and deleted again.
        self.files.drop(batch)
        self.batches.delete(batch)


@dataclass(frozen=True, slots=True)
class EndDueBatches:
    """Of every account: batches whose day is over, though a message of theirs may have been lost."""

    batches: Batches
    queue: BatchQueue

    def __call__(self, now_s: int, *, time_left: Callable[[], bool]) -> int:
        """How many were told to end. Raises TemporarilyBusy."""
        told = 0
        for account_id, batch_id in self.batches.list_due(now_s):
            if not time_left():
                break
            batch = self.batches.find(account_id, batch_id)
            if batch is not None and self.batches.claim_ending(batch, now_s=now_s, until_s=now_s + _AGAIN_S):
                self.queue.send([Step("end", account_id, batch_id)])
                told += 1
        return told
