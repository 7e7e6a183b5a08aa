"""Work that is done once a day, in as many steps as it takes, by whoever has claimed it."""

from dataclasses import dataclass

_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class JobClaim:
    """The right to go on with a run of a job, until somebody else is given it."""

    job: str
    begun_at_s: int
    """When the run began, whoever began it."""
    state: bytes
    """What the last step has left; empty at the beginning."""
    version: int
    """Goes up with every claim and every step, so that who was too slow notices."""


def last_due_s(now_s: float, *, after_midnight_s: int) -> int:
    """When the job of each UTC day was due last."""
    shifted = int(now_s) - after_midnight_s
    return shifted - shifted % _DAY_S + after_midnight_s
