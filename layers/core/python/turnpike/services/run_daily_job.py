"""Go on with a daily job, if it is due and nobody else is about it, for as long as there is time."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from turnpike.domain.jobs import JobClaim, last_due_s
from turnpike.ports.upkeep import Jobs

AFTER_MIDNIGHT_S = 3600
"""UTC. By then whoever's clock was behind has written what belongs to the day before."""
_SLICE_S = 40.0
"""Of each invocation. Upkeep runs every minute, and has other things to do."""
_CLAIMED_S = 120
"""Longer than a slice and its last step take."""


class Step(Protocol):
    """One slice of a job: goes on with what the claim has, and returns what is to be kept, and whether it is done."""

    def __call__(self, claim: JobClaim, time_left: Callable[[], bool]) -> tuple[bytes, bool]: ...


@dataclass(frozen=True, slots=True)
class RunDailyJob:
    jobs: Jobs
    now: Callable[[], float] = time.time
    slice_s: float = _SLICE_S

    def __call__(self, job: str, step: Step, *, time_left: Callable[[], bool]) -> bool:
        """Whether a slice was done and kept: what it did counts then, and not before. Raises TemporarilyBusy."""
        now = self.now()
        due_s = last_due_s(now, after_midnight_s=AFTER_MIDNIGHT_S)
        claim = self.jobs.claim(job, int(now), due_s=due_s, until_s=int(now) + _CLAIMED_S)
        if claim is None:
            return False
        ends_s = now + self.slice_s
        state, is_done = step(claim, lambda: time_left() and self.now() < ends_s)
        return self.jobs.keep(claim, state, is_done=is_done) is not None
