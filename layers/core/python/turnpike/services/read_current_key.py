"""What a key may know about itself: its limits, its spending, and its account's standing."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from anyio.to_thread import run_sync

from turnpike.domain.api_keys import ApiKey, KeySpend, Principal
from turnpike.domain.free_quota import OPENROUTERS_LIMITS, FreeLimits
from turnpike.domain.ledger import Balance
from turnpike.domain.money import ZERO
from turnpike.ports.accounts import ApiKeys, FreeQuota
from turnpike.ports.ledger import Ledger


@dataclass(frozen=True, slots=True)
class CurrentKey:
    """`read_at_s` says which day, week and month the spending belongs to.

    The account's requests to free models are those of the current UTC day: how many were counted, of how many.
    """

    key: ApiKey
    spend: KeySpend
    balance: Balance
    read_at_s: int
    free_requests_used: int
    free_requests_limit: int

    @property
    def is_free_tier(self) -> bool:
        return self.balance.credits_total == ZERO


@dataclass(frozen=True, slots=True)
class ReadCurrentKey:
    api_keys: ApiKeys
    ledger: Ledger
    free_quota: FreeQuota
    free_limits: FreeLimits = OPENROUTERS_LIMITS
    now: Callable[[], float] = time.time

    async def __call__(self, principal: Principal) -> CurrentKey:
        # The principal may be half a minute old; whoever just changed a limit looks here for the new one.
        key = await run_sync(lambda: self.api_keys.find(principal.key.hash, fresh=True)) or principal.key
        now_s = int(self.now())
        return await run_sync(self._read, key, now_s)

    def _read(self, key: ApiKey, now_s: int) -> CurrentKey:
        spend = self.ledger.get_key_spend(key.account_id, key, now_s)
        balance = self.ledger.get_balance(key.account_id)
        used = self.free_quota.used(key.account_id, now_s)
        return CurrentKey(key, spend, balance, now_s, used, self.free_limits.daily(balance))
