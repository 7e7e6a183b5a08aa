"""What a key may know about itself: its limits, its spending, and its account's standing."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from anyio.to_thread import run_sync

from turnpike.domain.api_keys import ApiKey, KeySpend, Principal
from turnpike.domain.ledger import Balance
from turnpike.domain.money import NANO_PER_USD, ZERO
from turnpike.ports import ApiKeys, Ledger

_FREE_DAILY_REQUESTS = 50
_FREE_DAILY_REQUESTS_OF_BUYERS = 1000
_BUYER_FROM = 10 * NANO_PER_USD


@dataclass(frozen=True, slots=True)
class CurrentKey:
    """`read_at_s` says which day, week and month the spending belongs to."""

    key: ApiKey
    spend: KeySpend
    balance: Balance
    read_at_s: int

    @property
    def is_free_tier(self) -> bool:
        return self.balance.credits_total == ZERO

    @property
    def free_daily_requests(self) -> int:
        """The policy for `:free` models; OpenRouter's own figures."""
        bought = self.balance.credits_total >= _BUYER_FROM
        return _FREE_DAILY_REQUESTS_OF_BUYERS if bought else _FREE_DAILY_REQUESTS


@dataclass(frozen=True, slots=True)
class ReadCurrentKey:
    api_keys: ApiKeys
    ledger: Ledger
    now: Callable[[], float] = time.time

    async def __call__(self, principal: Principal) -> CurrentKey:
        # The principal may be half a minute old; whoever just changed a limit looks here for the new one.
        key = await run_sync(lambda: self.api_keys.find(principal.key.hash, fresh=True)) or principal.key
        now_s = int(self.now())
        spend = await run_sync(self.ledger.get_key_spend, key.account_id, key, now_s)
        return CurrentKey(key, spend, await run_sync(self.ledger.get_balance, key.account_id), now_s)
