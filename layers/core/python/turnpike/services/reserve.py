"""The credit set aside for one generation: a hold of its own, or a share of a lease."""

from typing import Protocol

from anyio.to_thread import run_sync

from turnpike.domain.errors import HoldMismatch
from turnpike.domain.ids import LeaseId
from turnpike.domain.ledger import Hold, check_pending
from turnpike.domain.money import NanoUsd
from turnpike.ports.ledger import Ledger


class Reserve(Protocol):
    @property
    def amount(self) -> NanoUsd: ...

    @property
    def lease_id(self) -> LeaseId | None:
        """What the generation is to be captured from; None for a hold that bears its id."""

    async def extend(self, by: NanoUsd, now_s: int) -> None:
        """Raises InsufficientCredit, KeyLimitExceeded, HoldResolved, TemporarilyBusy."""

    def end(self, cost: NanoUsd) -> None:
        """The generation is over, and this is what it will be charged."""


class OwnHold:
    lease_id = None

    def __init__(self, ledger: Ledger, hold: Hold) -> None:
        self._ledger = ledger
        self._hold = hold

    @property
    def amount(self) -> NanoUsd:
        return self._hold.amount

    async def extend(self, by: NanoUsd, now_s: int) -> None:
        try:
            self._hold = await run_sync(self._ledger.extend, self._hold, by, now_s)
        except HoldMismatch:
            self._hold = await run_sync(see_again, self._ledger, self._hold)
            self._hold = await run_sync(self._ledger.extend, self._hold, by, now_s)

    def end(self, cost: NanoUsd) -> None:
        """Settling resolves the hold, whatever it came to."""


def see_again(ledger: Ledger, hold: Hold) -> Hold:
    """A hold that is more than it was seen as: an extension went through, and its answer was lost, or its request was
    ended while it waited for it. Raises HoldNotFound or HoldResolved.
    """
    return check_pending(ledger.find_hold(hold.account_id, hold.hold_id), hold.hold_id)
