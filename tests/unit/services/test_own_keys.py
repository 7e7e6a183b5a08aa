"""Which accounts bring keys: remembered for as long as an API key is, and never guessed."""

import pytest

from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.ids import AccountId
from turnpike.services.own_keys import OwnKeys

from tests.fake_byok import InMemoryByokKeys, own_key
from tests.scenario import ACCOUNT

pytestmark = pytest.mark.anyio


class Office:
    def __init__(self) -> None:
        self.store = InMemoryByokKeys()
        self.failures: list[Exception] = []
        self.at = 0.0
        self.find = OwnKeys(self.store, ttl_s=30, on_failure=self.failures.append, now=lambda: self.at)


async def test_that_there_are_none_is_remembered_too() -> None:
    office = Office()

    for _ in range(5):
        assert list(await office.find(ACCOUNT)) == []
    assert office.store.reads == 1


async def test_a_change_is_seen_within_half_a_minute() -> None:
    office = Office()
    await office.find(ACCOUNT)
    office.store.create(own_key())

    office.at = 29.9
    assert list(await office.find(ACCOUNT)) == []
    office.at = 30
    first = await office.find(ACCOUNT)
    assert list(first) == [own_key()]
    office.at = 60
    # Read anew, and the very same: by that others know that nothing changed.
    assert await office.find(ACCOUNT) is first
    assert office.store.reads == 3
    office.store.delete(own_key(), 1)
    office.at = 89.9
    assert await office.find(ACCOUNT) is first
    office.at = 90
    assert list(await office.find(ACCOUNT)) == []


async def test_accounts_do_not_see_one_another() -> None:
    office = Office()
    office.store.create(own_key())

    assert list(await office.find(AccountId("acct-other"))) == []
    assert list(await office.find(ACCOUNT)) == [own_key()]


@pytest.mark.parametrize("failure", [TemporarilyBusy("busy"), RuntimeError("AccessDenied")])
async def test_what_cannot_be_read_is_asked_for_again(failure: Exception) -> None:
    office = Office()
    office.store.create(own_key())
    await office.find(ACCOUNT)
    office.at = 30
    office.store.failing = failure

    for _ in range(2):
        # Not even what was there half a minute ago: a deletion has to take effect.
        with pytest.raises(TemporarilyBusy, match="cannot be read"):
            await office.find(ACCOUNT)
    assert office.failures == [failure, failure]
    office.store.failing = None
    assert list(await office.find(ACCOUNT)) == [own_key()]
