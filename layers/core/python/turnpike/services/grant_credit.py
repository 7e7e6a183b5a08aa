"""Credit that the operator adds to an account, without a payment."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from anyio.to_thread import run_sync

from turnpike.domain.errors import Conflict, ReferenceReused
from turnpike.domain.ids import AccountId
from turnpike.domain.ledger import Balance
from turnpike.domain.money import NanoUsd
from turnpike.ports.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Grant:
    """`created` is False when the same grant was made before; `balance` is the account's now."""

    account_id: AccountId
    amount: NanoUsd
    idempotency_key: str
    created: bool
    balance: Balance


@dataclass(frozen=True, slots=True)
class GrantCredit:
    ledger: Ledger
    now: Callable[[], float] = time.time

    async def __call__(self, account_id: AccountId, amount: NanoUsd, *, idempotency_key: str) -> Grant:
        """Raises Conflict when the key was used for another amount on this account."""
        created = await run_sync(self._top_up, account_id, amount, idempotency_key)
        balance = await run_sync(self.ledger.get_balance, account_id)
        return Grant(account_id, amount, idempotency_key, created, balance)

    def _top_up(self, account_id: AccountId, amount: NanoUsd, idempotency_key: str) -> bool:
        # The prefix keeps the operator's keys apart from the ids of payments.
        reference = f"grant:{idempotency_key}"
        try:
            return self.ledger.top_up(account_id, amount, reference=reference, now_s=int(self.now()))
        except ReferenceReused:
            raise Conflict("this idempotency_key was used before with another amount") from None
