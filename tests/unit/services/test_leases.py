"""Leases: when they are taken, what they serve, and that nothing is spent twice through them."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnpike.domain.api_keys import Principal
from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.generation import Generation
from turnpike.domain.ids import AccountId, LeaseId, new_generation_id
from turnpike.domain.ledger import Hold, balance_of
from turnpike.domain.money import ZERO, NanoUsd, parse_usd
from turnpike.services.leases import Leases, LeaseShare
from turnpike.services.settle_usage import SettleUsage

from tests.contracts.ledger import NOW, generation
from tests.fakes import InMemoryLedger
from tests.scenario import ACCOUNT, principal

pytestmark = pytest.mark.anyio

ASKER = principal()
SERVES_S, TTL_S = 60, 1800
TYPICAL, COST = NanoUsd(1_000), NanoUsd(100)


class Environment:
    """One of those that lease from an account. Its clock stands until it is moved."""

    def __init__(self, ledger: InMemoryLedger, now: float = NOW) -> None:
        self.ledger, self.now = ledger, now
        self.failures: list[Exception] = []
        self.leases = Leases(
            ledger, serve_s=SERVES_S, hold_ttl_s=TTL_S, now=lambda: self.now, on_failure=self.failures.append
        )

    async def ask(self, times: int = 1, amount: NanoUsd = TYPICAL, asker: Principal = ASKER) -> None:
        """Requests that hold for themselves, one after the other."""
        for _ in range(times):
            await self.leases.tend(asker, amount, COST)

    def take(self, amount: int = TYPICAL, *, floor: int = 0, asker: Principal = ASKER) -> LeaseShare | None:
        return self.leases.take(asker, NanoUsd(amount), floor=NanoUsd(floor))

    async def end(self, share: LeaseShare, cost: NanoUsd = COST) -> None:
        share.end(cost)
        await self.leases.tend(ASKER, share.amount, cost)


@pytest.fixture
def ledger() -> InMemoryLedger:
    ledger = InMemoryLedger()
    ledger.top_up(ACCOUNT, parse_usd(1), reference="start", now_s=NOW)
    return ledger


@pytest.fixture
def here(ledger: InMemoryLedger) -> Environment:
    return Environment(ledger)


def open_leases(ledger: InMemoryLedger) -> Sequence[Hold]:
    return [hold for hold in ledger.list_expired_holds(2**40) if hold.is_lease]


def share_of(environment: Environment, **options: Any) -> LeaseShare:
    share = environment.take(**options)
    assert share is not None
    return share


async def test_a_key_that_asks_often_leases(here: Environment, ledger: InMemoryLedger) -> None:
    await here.ask(2)
    assert here.take() is None
    await here.ask()
    (lease,) = open_leases(ledger)
    share = share_of(here)
    assert share.lease_id == lease.hold_id
    # Twice what a request sets aside, and what is spent in its time at this rate.
    assert lease.amount == 2 * TYPICAL + 3 * COST * SERVES_S // 20
    assert lease.expires_at_s == NOW + SERVES_S + TTL_S
    assert ledger.get_balance(ACCOUNT).held == lease.amount


async def test_a_key_that_asks_now_and_then_does_not(here: Environment, ledger: InMemoryLedger) -> None:
    for _ in range(10):
        await here.ask()
        here.now += 11
    assert open_leases(ledger) == []


async def test_a_low_balance_never_leases(ledger: InMemoryLedger, here: Environment) -> None:
    # A lease would be of 2,900: a twentieth of 58,000.
    ledger.adjust(ACCOUNT, "adjustment", NanoUsd(57_999 - parse_usd(1)), reference="less", now_s=NOW)
    await here.ask(20)
    assert open_leases(ledger) == []
    ledger.adjust(ACCOUNT, "adjustment", NanoUsd(500_000), reference="more", now_s=NOW)
    await here.ask()
    assert len(open_leases(ledger)) == 1


async def test_nor_does_a_key_near_its_limit(ledger: InMemoryLedger, here: Environment) -> None:
    await here.ask(20, asker=principal(limit=NanoUsd(50_000)))
    assert open_leases(ledger) == []
    await here.ask(20, asker=principal(limit=NanoUsd(500_000)))
    assert len(open_leases(ledger)) == 1


async def test_nor_an_account_most_of_whose_credit_is_held(ledger: InMemoryLedger, here: Environment) -> None:
    half = NanoUsd(parse_usd(1) // 2)
    ledger.hold(Hold(new_generation_id(NOW), ACCOUNT, ASKER.key.hash, half, NOW, NOW + 60))
    await here.ask(20)
    assert open_leases(ledger) == []


async def test_what_is_free_needs_no_lease(ledger: InMemoryLedger, here: Environment) -> None:
    await here.ask(20, amount=NanoUsd(0))
    assert open_leases(ledger) == []


async def test_shares_never_sum_to_more_than_the_lease(here: Environment, ledger: InMemoryLedger) -> None:
    await here.ask(3)
    (lease,) = open_leases(ledger)
    taken = 0
    while here.take():
        taken += 1
    assert taken == lease.amount // TYPICAL


async def test_what_a_request_did_not_need_serves_the_next(here: Environment, ledger: InMemoryLedger) -> None:
    await here.ask(3)
    (lease,) = open_leases(ledger)
    served = 0
    while (share := here.take()) is not None:
        share.end(COST)
        served += 1
    # Until less is left than a request sets aside.
    assert served == (lease.amount - TYPICAL) // COST + 1


async def test_a_new_one_is_leased_before_the_old_one_is_used_up(here: Environment, ledger: InMemoryLedger) -> None:
    await here.ask(3)
    for _ in range(200):
        await here.end(share_of(here))
        here.now += 0.1
    # The others are closed, and wait for what they owe to be settled.
    assert len([lease for lease in open_leases(ledger) if not lease.is_closed]) <= 2
    assert here.failures == []


async def test_after_its_time_it_gives_back_the_rest(here: Environment, ledger: InMemoryLedger) -> None:
    await here.ask(3)
    share = share_of(here)
    here.now += SERVES_S
    assert here.take() is None
    await here.ask()
    # A request is still under way that may cost up to its share.
    (lease,) = open_leases(ledger)
    assert not lease.is_closed
    await here.end(share)
    (lease,) = open_leases(ledger)
    assert (lease.is_closed, lease.left) == (True, COST)
    assert ledger.get_balance(ACCOUNT).held == COST


async def test_a_changed_limit_ends_it(here: Environment, ledger: InMemoryLedger) -> None:
    await here.ask(3)
    limited = principal(limit=NanoUsd(5_000))
    assert here.take(asker=limited) is None
    await here.ask(asker=limited)
    (lease,) = open_leases(ledger)
    assert lease.is_closed


async def test_midnight_ends_it_where_a_limit_resets(here: Environment, ledger: InMemoryLedger) -> None:
    daily = replace(principal(limit=parse_usd("0.5")).key, limit_reset="daily")
    asker = Principal(ACCOUNT, daily)
    here.now = 1_795_478_390  # Ten seconds before it.
    await here.ask(3, asker=asker)
    assert here.take(asker=asker) is not None
    here.now += 10
    assert here.take(asker=asker) is None


async def test_another_key_leases_for_itself(here: Environment) -> None:
    await here.ask(3)
    other = Principal(ACCOUNT, replace(ASKER.key, hash="b" * 64))
    assert here.take(asker=other) is None
    assert here.take(asker=Principal(AccountId("acct-other"), ASKER.key)) is None


async def test_an_open_end_is_served_where_the_account_could_pay_it_by_far(here: Environment) -> None:
    await here.ask(3)
    assert here.take(floor=parse_usd(1)) is None
    assert here.take(floor=parse_usd("0.4")) is not None


async def test_a_share_grows_within_the_lease_and_then_with_it(here: Environment, ledger: InMemoryLedger) -> None:
    await here.ask(3)
    (before,) = open_leases(ledger)
    share = share_of(here)
    await share.extend(NanoUsd(before.amount - TYPICAL), NOW)
    assert open_leases(ledger) == [before]
    await share.extend(NanoUsd(700), NOW)
    (after,) = open_leases(ledger)
    assert (share.amount, after.amount) == (before.amount + 700, before.amount + 700)
    assert here.take(1) is None


class DeafLedger(InMemoryLedger):
    """Extends, and then says that it could not."""

    def __init__(self) -> None:
        super().__init__()
        self.is_deaf = True
        self.top_up(ACCOUNT, parse_usd(1), reference="start", now_s=NOW)

    def extend(self, hold: Hold, by: NanoUsd, now_s: int) -> Hold:
        extended = super().extend(hold, by, now_s)
        if self.is_deaf:
            self.is_deaf = False
            raise TemporarilyBusy("busy")
        return extended


async def test_an_extension_whose_answer_was_lost_stands_in_nobodys_way() -> None:
    ledger = DeafLedger()
    here = Environment(ledger)
    await here.ask(3)
    one, other = share_of(here), share_of(here)
    (before,) = open_leases(ledger)
    with pytest.raises(TemporarilyBusy):
        await one.extend(NanoUsd(before.amount), NOW)
    # What was added is used, and then what is missing is added.
    for by in (before.amount - 1, before.amount + 2):
        await other.extend(NanoUsd(by), NOW)
    (after,) = open_leases(ledger)
    assert after.amount == 3 * before.amount + 2
    one.end(NanoUsd(0))
    other.end(NanoUsd(0))
    await here.leases.aclose()
    assert (here.failures, ledger.get_balance(ACCOUNT).held) == ([], 0)


async def test_nor_in_the_way_of_giving_back() -> None:
    ledger = DeafLedger()
    here = Environment(ledger)
    await here.ask(3)
    share = share_of(here)
    with pytest.raises(TemporarilyBusy):
        await share.extend(NanoUsd(5_000), NOW)
    share.end(NanoUsd(0))
    await here.leases.aclose()
    assert (here.failures, ledger.get_balance(ACCOUNT).held) == ([], 0)


async def test_ending_all_gives_everything_back(here: Environment, ledger: InMemoryLedger) -> None:
    await here.ask(3)
    await here.end(share_of(here), NanoUsd(0))
    await here.leases.aclose()
    assert ledger.get_balance(ACCOUNT).available == parse_usd(1)


async def test_a_ledger_that_is_busy_costs_a_lease_and_no_request(ledger: InMemoryLedger) -> None:
    class Busy(InMemoryLedger):
        def hold(self, hold: Hold, *, floor: NanoUsd = ZERO) -> None:
            raise TemporarilyBusy("busy")

    busy = Busy()
    busy.top_up(ACCOUNT, parse_usd(1), reference="start", now_s=NOW)
    here = Environment(busy)
    await here.ask(3)
    assert [type(failure) for failure in here.failures] == [TemporarilyBusy]
    assert here.take() is None


def record_of(share: LeaseShare | None, cost: NanoUsd, now: float) -> Generation:
    generation_id = new_generation_id(now)
    hold = Hold(generation_id, ACCOUNT, ASKER.key.hash, NanoUsd(0), int(now), int(now))
    return generation(hold, cost=cost, lease_id=share.lease_id if share else None)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), credit=st.integers(0, 200_000), environments=st.integers(1, 5))
async def test_whatever_happens_nothing_is_spent_twice(seed: int, credit: int, environments: int) -> None:
    """Several environments serve one account from leases and from single holds, some die, and messages come late,
    twice and in any order: no account goes below zero, and all that was charged is what it cost.
    """
    random = Random(seed)
    ledger = InMemoryLedger()
    if credit:
        ledger.top_up(ACCOUNT, NanoUsd(credit), reference="start", now_s=NOW)
    fleet = [Environment(ledger) for _ in range(environments)]
    under_way: list[tuple[Environment, LeaseShare]] = []
    sent: list[Generation] = []
    settled: dict[str, int] = {}
    settle = SettleUsage(ledger)
    for _ in range(random.randrange(20, 150)):
        for each in fleet:
            each.now = fleet[0].now
        chosen = random.choice(fleet)
        step = random.random()
        if step < 0.45:
            share = chosen.take(random.choice([300, 1_000, 2_000]))
            if share is None:
                await chosen.ask(amount=NanoUsd(random.choice([300, 1_000])))
            else:
                under_way.append((chosen, share))
        elif step < 0.7 and under_way:
            environment, share = under_way.pop(random.randrange(len(under_way)))
            cost = NanoUsd(random.randrange(share.amount + 1))
            sent.append(record_of(share, cost, environment.now))
            await environment.end(share, cost)
        elif step < 0.9 and sent:
            record = random.choice(sent)
            resolution = settle(record, True, int(fleet[0].now))
            assert resolution is None or record.id not in settled
            if resolution is not None:
                assert (resolution.charged, resolution.absorbed) == (record.cost, 0)
                settled[record.id] = resolution.charged
        elif step < 0.93:
            fleet[fleet.index(chosen)] = Environment(ledger, chosen.now)
        else:
            fleet[0].now += random.choice([1, 5, 30, 70])
        balance = ledger.get_balance(ACCOUNT)
        assert balance == balance_of(ledger.list_entries(ACCOUNT))
        assert balance.available >= 0
        assert balance.held >= 0
        assert sum(settled.values()) == balance.usage_total
    for lease in open_leases(ledger):
        assert 0 <= lease.left <= lease.amount
        ledger.expire(ACCOUNT, LeaseId(lease.hold_id), lease.expires_at_s)
    assert ledger.get_balance(ACCOUNT).available == credit - sum(settled.values())
