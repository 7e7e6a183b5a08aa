"""Count requests to free models against their account's limits, before any of them is asked."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from anyio.to_thread import run_sync

from turnpike.domain.errors import InsufficientCredit
from turnpike.domain.free_quota import OPENROUTERS_LIMITS, FreeLimits, FreeModelsExhausted
from turnpike.domain.ids import AccountId
from turnpike.domain.money import ZERO
from turnpike.ports.accounts import FreeQuota
from turnpike.ports.ledger import Ledger


@dataclass(frozen=True, slots=True)
class CountFreeRequest:
    """A request counts whatever becomes of it, failures included; one that is refused counts nothing.

    It costs a read and a write.
    """

    quota: FreeQuota
    ledger: Ledger
    limits: FreeLimits = OPENROUTERS_LIMITS
    now: Callable[[], float] = time.time

    async def __call__(self, account_id: AccountId) -> None:
        """Raises FreeModelsExhausted, InsufficientCredit for an account that owes, TemporarilyBusy."""
        await run_sync(self._count, account_id)

    def _count(self, account_id: AccountId) -> None:
        now_s = self.now()
        limits = self.limits
        balance = self.ledger.get_balance(account_id)
        if balance.available < ZERO:
            # As OpenRouter has it: who owes gets nothing, not even what is free.
            raise InsufficientCredit(
                "Insufficient credits. This account owes more than it has; add credit to it to make requests",
                available=balance.available,
            )
        per_day = limits.daily(balance)
        full = self.quota.take(account_id, now_s, per_minute=limits.per_minute, per_day=per_day)
        if full is not None:
            raise FreeModelsExhausted(full, limits, now_s)
