"""The credit set aside for one generation: a hold of its own, or a share of a lease."""

from typing import Protocol

from anyio.to_thread import run_sync

from turnpike.domain.ids import LeaseId
from turnpike.domain.ledger import Hold
from turnpike.domain.money import NanoUsd
from turnpike.ports import Ledger


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
        self._hold = await run_sync(self._ledger.extend, self._hold, by, now_s)

    def end(self, cost: NanoUsd) -> None:
        """Settling resolves the hold, whatever it came to."""
