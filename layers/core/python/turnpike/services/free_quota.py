"""Count requests to free models against their account's limits, before any of them is asked."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from anyio.to_thread import run_sync

from turnpike.domain.free_quota import OPENROUTERS_LIMITS, FreeLimits, FreeModelsExhausted
from turnpike.domain.ids import AccountId
from turnpike.ports import FreeQuota, Ledger


@dataclass(frozen=True, slots=True)
class CountFreeRequest:
    """A request counts whatever becomes of it, failures included; one that is refused counts nothing.

    It costs one write. What an account has bought is read once it has used up what everybody has, and the
    day's counter keeps the higher limit from then on.
    """

    quota: FreeQuota
    ledger: Ledger
    limits: FreeLimits = OPENROUTERS_LIMITS
    now: Callable[[], float] = time.time

    async def __call__(self, account_id: AccountId) -> None:
        """Raises FreeModelsExhausted, TemporarilyBusy."""
        await run_sync(self._count, account_id)

    def _count(self, account_id: AccountId) -> None:
        now_s = self.now()
        limits = self.limits
        full = self.quota.take(account_id, now_s, per_minute=limits.per_minute, per_day=limits.per_day)
        if full is not None and full.window == "day" and full.limit < limits.per_day_of_buyers:
            daily = limits.daily(self.ledger.get_balance(account_id))
            if daily > full.limit:
                full = self.quota.take(account_id, now_s, per_minute=limits.per_minute, per_day=daily)
        if full is not None:
            raise FreeModelsExhausted(full, limits, now_s)
