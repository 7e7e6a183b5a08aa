"""What an account was ever credited and charged."""

from dataclasses import dataclass

from anyio.to_thread import run_sync

from turnpike.domain.ids import AccountId
from turnpike.domain.ledger import Balance
from turnpike.ports.ledger import Ledger


@dataclass(frozen=True, slots=True)
class ReadCredits:
    ledger: Ledger

    async def __call__(self, account_id: AccountId) -> Balance:
        return await run_sync(self.ledger.get_balance, account_id)
