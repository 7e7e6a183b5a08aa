"""Runs slices of daily jobs, whose states are bytes in between."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from turnpike.bootstrap.resources import Resources
from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.jobs import JobClaim
from turnpike.services.run_daily_job import RunDailyJob
from turnpike.telemetry import AUDIT_FAILED, MetricUnit, log_failure, metrics

State = TypeVar("State")
TimeLeft = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class DailyJob(Generic[State]):
    """`advance` changes the state, and says whether the job is done."""

    name: str
    load: Callable[[bytes], State]
    dump: Callable[[State], bytes]
    advance: Callable[[State, JobClaim, TimeLeft], bool]

    def run(self, parts: Resources, time_left: TimeLeft, note: Callable[[State, State], None]) -> None:
        """Go on with it, if it is due; `note` is told of the state before and after, once that is kept.

        Never raises: the rest of upkeep goes on without.
        """
        told: list[State] = []

        def step(claim: JobClaim, time_left: TimeLeft) -> tuple[bytes, bool]:
            before, after = self.load(claim.state), self.load(claim.state)
            told[:] = before, after
            try:
                is_done = self.advance(after, claim, time_left)
            except TemporarilyBusy as error:
                # What was done so far is good, and the next invocation goes on from there.
                log_failure("a daily job was interrupted", error, job=self.name)
                is_done = False
            return self.dump(after), is_done

        try:
            if RunDailyJob(parts.jobs)(self.name, step, time_left=time_left):
                note(told[0], told[1])
        except Exception as error:
            log_failure("a daily job could not go on", error, job=self.name)
            metrics.add_metric(AUDIT_FAILED, MetricUnit.Count, 1)
