"""Begin a batch: read all of its lines, divide them into chunks, and have the chunks asked."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from turnpike.domain.batch_steps import Step
from turnpike.domain.batches import Batch
from turnpike.domain.errors import InvalidRequest
from turnpike.ports.batches import Batches, BatchFiles, BatchQueue
from turnpike.services.batch_lines import CheckBody, LineCheck, divide_lines, plan_chunks


@dataclass(frozen=True, slots=True)
class BeginBatch:
    batches: Batches
    files: BatchFiles
    queue: BatchQueue
    check_body: CheckBody
    now: Callable[[], float] = time.time

    def __call__(self, batch: Batch) -> None:
        """Repeated, it only asks for the chunks again, which is no harm: whoever gets one finds how far it has come.

        Raises TemporarilyBusy.
        """
        if batch.status == "validating" and not self._validate(batch):
            return
        chunks = self.files.get_plan(batch)
        self.queue.send([Step("ask", batch.account_id, batch.id, chunk) for chunk in chunks])

    def _validate(self, batch: Batch) -> bool:
        """Whether it is in progress now: it may be no good, or have been cancelled meanwhile."""
        check = LineCheck(batch, self.check_body)
        try:
            chunks = plan_chunks(divide_lines(self.files.stream_input(batch)), check)
        except InvalidRequest as error:
            failed = replace(batch, status="failed", error=error.message, finalized_at_s=int(self.now()))
            self.batches.put_status(failed, was="validating")
            return False
        # Before it is in progress, so that whoever finds it in progress finds the plan.
        self.files.put_plan(batch, chunks)
        begun = replace(batch, status="in_progress", model=check.model, total=check.count, chunks=len(chunks))
        return self.batches.put_status(begun, was="validating")
