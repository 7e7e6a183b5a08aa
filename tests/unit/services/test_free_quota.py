"""Requests to free models are counted per account, and refused in words that clients know."""

import pytest

from turnpike.api.errors import present_error
from turnpike.domain.errors import InsufficientCredit, TemporarilyBusy
from turnpike.domain.free_quota import FreeModelsExhausted, is_free
from turnpike.domain.ids import AccountId
from turnpike.domain.ledger import Balance
from turnpike.domain.money import NanoUsd, parse_usd
from turnpike.services.free_quota import CountFreeRequest

from tests.contracts.free_quota import MIDNIGHT, NOON
from tests.fake_stores import InMemoryFreeQuota
from tests.fakes import InMemoryLedger

ACCOUNT = AccountId("acct-free")

pytestmark = pytest.mark.anyio


class CountingLedger(InMemoryLedger):
    reads = 0

    def get_balance(self, account_id: AccountId) -> Balance:
        self.reads += 1
        return super().get_balance(account_id)


class Asker:
    """An account that asks free models, at a clock that it moves itself."""

    def __init__(self, *, bought: str = "0") -> None:
        self.quota = InMemoryFreeQuota()
        self.ledger = CountingLedger()
        self.buy(bought)
        self.now_s = float(NOON)
        self.count = CountFreeRequest(self.quota, self.ledger, now=lambda: self.now_s)

    def buy(self, usd: str) -> None:
        if usd != "0":
            self.ledger.top_up(ACCOUNT, parse_usd(usd), reference=usd, now_s=NOON)

    async def ask(self, times: int, *, every_s: float = 60) -> None:
        for _ in range(times):
            await self.count(ACCOUNT)
            self.now_s += every_s

    async def refused(self) -> FreeModelsExhausted:
        with pytest.raises(FreeModelsExhausted) as caught:
            await self.count(ACCOUNT)
        return caught.value


async def test_a_request_costs_one_write_and_one_read() -> None:
    asker = Asker()
    await asker.ask(50)
    assert (asker.quota.writes, asker.ledger.reads) == (50, 50)


async def test_who_owes_gets_nothing_for_free() -> None:
    asker = Asker(bought="10")
    asker.ledger.adjust(
        ACCOUNT, "refund", NanoUsd(-parse_usd("10") - 1), reference="re_1", now_s=NOON, may_overdraw=True
    )
    with pytest.raises(InsufficientCredit, match="owes"):
        await asker.count(ACCOUNT)
    assert asker.quota.writes == 0
    asker.buy("0.000000001")
    await asker.count(ACCOUNT)


async def test_twenty_a_minute() -> None:
    asker = Asker(bought="100")
    asker.now_s += 18.25
    for _ in range(20):
        await asker.count(ACCOUNT)
    error = await asker.refused()

    assert (error.status, error.error_type, error.retry_after_s) == (429, "rate_limit_exceeded", 42)
    assert error.headers == {
        "X-RateLimit-Limit": "20",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str((NOON + 60) * 1000),
    }
    assert present_error(error) == {
        "code": 429,
        "message": "Rate limit exceeded: free-models-per-min.",
        "metadata": {
            "error_type": "rate_limit_exceeded",
            "headers": error.headers,
            "provider_name": None,
            "limit_source": "openrouter_free_tier_per_minute",
            "remedy_hint": "Slow down requests to free models, or retry after the per-minute window resets.",
        },
    }
    asker.now_s += 42
    await asker.ask(1)


async def test_fifty_a_day() -> None:
    asker = Asker(bought="9.999")
    await asker.ask(50)
    error = await asker.refused()

    assert error.message.startswith("Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free")
    assert error.metadata["limit_source"] == "openrouter_free_tier_daily"
    assert error.headers["X-RateLimit-Limit"] == "50"
    assert error.headers["X-RateLimit-Reset"] == str(MIDNIGHT * 1000)
    assert error.retry_after_s == MIDNIGHT - asker.now_s
    asker.now_s = MIDNIGHT
    await asker.ask(50)


async def test_a_thousand_a_day_for_who_bought_ten_dollars_ever() -> None:
    asker = Asker(bought="10")
    await asker.ask(1000, every_s=6)
    error = await asker.refused()

    assert error.message == "Rate limit exceeded: free-models-per-day-high-balance."
    assert error.headers["X-RateLimit-Limit"] == "1000"


async def test_credit_bought_on_the_way_counts_at_once() -> None:
    asker = Asker()
    await asker.ask(50)
    await asker.refused()
    asker.buy("10")
    await asker.ask(60)


async def test_a_store_that_is_busy_is_no_exhausted_account() -> None:
    class BusyQuota(InMemoryFreeQuota):
        def take(self, *_: object, **__: object) -> None:
            raise TemporarilyBusy("busy")

    with pytest.raises(TemporarilyBusy):
        await CountFreeRequest(BusyQuota(), InMemoryLedger())(ACCOUNT)


@pytest.mark.parametrize(
    ("model", "free"), [("a/b:free", True), ("a/b", False), ("a/free", False), ("a/b:free-trial", False)]
)
def test_which_models_are_free(model: str, free: bool) -> None:
    assert is_free(model) is free
