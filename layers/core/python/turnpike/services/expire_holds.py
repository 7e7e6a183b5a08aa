"""Return the holds that nobody settled in time, and end leases: their invocation died, or its report was lost."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from turnpike.domain.errors import HoldResolved, TemporarilyBusy
from turnpike.ports.ledger import Ledger


class Expired(NamedTuple):
    """How many there were from which credit came back."""

    holds: int = 0
    """Of single requests: each may have been answered, and will not be charged."""
    leases: int = 0
    """Left behind by an environment that ended, as all of them do."""


@dataclass(frozen=True, slots=True)
class ExpireHolds:
    """Races safely with a late settlement: whichever resolves the hold first wins, the other changes nothing."""

    ledger: Ledger

    def __call__(self, now_s: int, *, time_left: Callable[[], bool] = lambda: True) -> Expired:
        """What was expired; stops early, to go on at the next run, when time is up.

        A lease that was closed has spent all of it by then, and is not counted.
        """
        holds = leases = 0
        for hold in self.ledger.list_expired_holds(now_s):
            if not time_left():
                break
            try:
                resolution = self.ledger.expire(hold.account_id, hold.hold_id, now_s)
            except (HoldResolved, TemporarilyBusy):
                continue
            if not hold.is_lease:
                holds += 1
            elif resolution.entries[0].available_delta:
                leases += 1
        return Expired(holds, leases)
