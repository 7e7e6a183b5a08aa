"""Return the holds that nobody settled in time, and end leases: their invocation died, or its report was lost."""

from collections.abc import Callable
from dataclasses import dataclass

from turnpike.domain.errors import HoldResolved, TemporarilyBusy
from turnpike.ports import Ledger


@dataclass(frozen=True, slots=True)
class ExpireHolds:
    """Races safely with a late settlement: whichever resolves the hold first wins, the other changes nothing."""

    ledger: Ledger

    def __call__(self, now_s: int, *, time_left: Callable[[], bool] = lambda: True) -> int:
        """The number of holds from which credit came back; stops early, to go on at the next run, when time is up.

        A lease that was closed has spent all of it by then, and is not counted.
        """
        expired = 0
        for hold in self.ledger.list_expired_holds(now_s):
            if not time_left():
                break
            try:
                resolution = self.ledger.expire(hold.account_id, hold.hold_id, now_s)
            except (HoldResolved, TemporarilyBusy):
                continue
            is_spent_lease = hold.is_lease and not resolution.entries[0].available_delta
            expired += 0 if is_spent_lease else 1
        return expired
