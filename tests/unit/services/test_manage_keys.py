"""Managing keys: what must not be lost between the key and what counts against its limit."""

import pytest

from turnpike.domain.api_keys import ApiKey
from turnpike.domain.errors import KeyLimitExceeded, TemporarilyBusy
from turnpike.domain.ids import AccountId, new_generation_id
from turnpike.domain.ledger import Hold, key_limit_of
from turnpike.domain.money import NanoUsd, parse_usd
from turnpike.services.manage_keys import KeyChanges, ManageKeys

from tests.contracts.ledger import NOW
from tests.fakes import InMemoryApiKeys, InMemoryLedger
from tests.scenario import ACCOUNT, principal

pytestmark = pytest.mark.anyio

KEY = principal().key
LIMIT = NanoUsd(150)


class BusyLedger(InMemoryLedger):
    """Is busy when it is to count for the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.is_busy = True

    def count_earlier_spending(self, account_id: AccountId, key: ApiKey, now_s: int) -> None:
        if self.is_busy:
            self.is_busy = False
            raise TemporarilyBusy("The ledger is busy; try again")
        super().count_earlier_spending(account_id, key, now_s)


def new_hold(key: ApiKey, amount: int) -> Hold:
    generation_id = new_generation_id(NOW)
    return Hold(generation_id, ACCOUNT, key.hash, NanoUsd(amount), NOW, NOW + 60, key_limit_of(key, NOW))


def spend(ledger: InMemoryLedger, amount: int) -> None:
    hold = new_hold(KEY, amount)
    ledger.hold(hold)
    ledger.capture(ACCOUNT, hold.hold_id, NanoUsd(amount), NOW, None)


async def test_a_limit_that_fails_to_be_set_counts_what_was_spent_when_it_is_set_again() -> None:
    ledger, api_keys = BusyLedger(), InMemoryApiKeys(KEY)
    ledger.top_up(ACCOUNT, parse_usd(1), reference="start", now_s=NOW)
    spend(ledger, 100)
    manage_keys = ManageKeys(api_keys, ledger, now=lambda: NOW)
    with pytest.raises(TemporarilyBusy):
        await manage_keys.update(ACCOUNT, KEY.hash, KeyChanges(limit=LIMIT))
    report = await manage_keys.update(ACCOUNT, KEY.hash, KeyChanges(limit=LIMIT))
    assert (report.key.limit, report.spend.limit_used) == (LIMIT, 100)


async def test_what_was_spent_counts_before_anybody_meets_the_limit() -> None:
    ledger = InMemoryLedger()
    ledger.top_up(ACCOUNT, parse_usd(1), reference="start", now_s=NOW)
    spend(ledger, 100)
    met: list[int] = []

    class Watched(InMemoryApiKeys):
        """Asks with the new key as soon as it is there."""

        def replace(self, key: ApiKey, *, was: ApiKey) -> None:
            super().replace(key, was=was)
            with pytest.raises(KeyLimitExceeded) as refused:
                ledger.hold(new_hold(key, 60))
            met.append(refused.value.remaining)

    await ManageKeys(Watched(KEY), ledger, now=lambda: NOW).update(ACCOUNT, KEY.hash, KeyChanges(limit=LIMIT))
    assert met == [50]
