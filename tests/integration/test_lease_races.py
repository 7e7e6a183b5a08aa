"""Leases on DynamoDB while everything happens to them at once."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest

from turnpike.domain.api_keys import ApiKey, Principal
from turnpike.domain.errors import HoldMismatch, HoldResolved, TemporarilyBusy
from turnpike.domain.ids import AccountId, LeaseId, new_account_id, new_generation_id, new_lease_id
from turnpike.domain.ledger import Balance, Hold, KeyLimit, Resolution, balance_of
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.services.leases import Leases
from turnpike.services.settle_usage import SettleUsage
from turnpike.storage.ledger import DynamoLedger

from tests.contracts.leases import Part, part_of
from tests.contracts.ledger import KEY, NOW, generation, nano
from tests.integration.racing import at_once, kinds

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

THREADS = 64
EXPIRY = NOW + 60
LIMIT = KeyLimit(nano(900))


@pytest.fixture
def ledger(dynamodb: "DynamoDBClient", ledger_table: str) -> DynamoLedger:
    return DynamoLedger(dynamodb, ledger_table)


@pytest.fixture
def account(ledger: DynamoLedger) -> AccountId:
    """With 1,000 nano-USD."""
    account_id = new_account_id(NOW)
    ledger.top_up(account_id, nano(1000), reference="start", now_s=NOW)
    return account_id


def new_lease(ledger: DynamoLedger, account_id: AccountId, amount: int, key_limit: KeyLimit | None = LIMIT) -> Hold:
    lease = Hold(new_lease_id(NOW), account_id, KEY, nano(amount), NOW, EXPIRY, key_limit)
    ledger.hold(lease)
    return lease


def insist(act: Callable[[], Resolution]) -> Resolution:
    """As the queue does: what found the lease changed under its hands too often is delivered again."""
    while True:
        try:
            return act()
        except TemporarilyBusy:
            continue


def checked_balance(ledger: DynamoLedger, account_id: AccountId) -> Balance:
    balance = ledger.get_balance(account_id)
    assert balance == balance_of(ledger.list_entries(account_id))
    assert balance.available >= 0
    assert balance.held >= 0
    return balance


def check_counted(ledger: DynamoLedger, account_id: AccountId, charged: int, *, held: int = 0) -> None:
    spend = ledger.get_key_spend(account_id, ApiKey(KEY, account_id, "", "", limit=LIMIT.limit), NOW)
    assert (spend.credit.total, spend.limit_used) == (charged, charged + held)


def test_parts_are_captured_at_once_and_each_once(ledger: DynamoLedger, account: AccountId) -> None:
    lease = new_lease(ledger, account, 640)
    parts = [part_of(lease) for _ in range(THREADS // 2)]
    answers = at_once(*(lambda part=part: insist(lambda: part.capture(ledger, 20)) for part in parts * 2))
    assert kinds(answers) == {Resolution: len(parts), HoldResolved: len(parts)}
    assert {answer.state for answer in answers if isinstance(answer, HoldResolved)} == {"captured"}
    assert checked_balance(ledger, account) == Balance(nano(360), ZERO, nano(1000), nano(640))
    check_counted(ledger, account, 640)


def test_what_a_lease_has_no_room_for_is_overage_as_far_as_there_is_credit(
    ledger: DynamoLedger, account: AccountId
) -> None:
    lease = new_lease(ledger, account, 300, None)
    parts = [part_of(lease) for _ in range(16)]
    answers = at_once(*(lambda part=part: insist(lambda: part.capture(ledger, 80)) for part in parts))
    resolutions = [answer for answer in answers if isinstance(answer, Resolution)]
    assert len(resolutions) == len(parts)
    assert sum(each.charged for each in resolutions) == 1000
    assert sum(each.absorbed for each in resolutions) == 16 * 80 - 1000
    assert checked_balance(ledger, account) == Balance(ZERO, ZERO, nano(1000), nano(1000))


def test_nor_does_it_take_a_key_above_its_limit(ledger: DynamoLedger, account: AccountId) -> None:
    lease = new_lease(ledger, account, 300)
    parts = [part_of(lease) for _ in range(16)]
    answers = at_once(*(lambda part=part: insist(lambda: part.capture(ledger, 80)) for part in parts))
    assert sum(answer.charged for answer in answers if isinstance(answer, Resolution)) == LIMIT.limit
    check_counted(ledger, account, LIMIT.limit)
    assert checked_balance(ledger, account).available == 100


@pytest.mark.parametrize("round_", range(12))
def test_a_lease_is_captured_extended_closed_and_expired_at_once(
    ledger: DynamoLedger, account: AccountId, round_: int
) -> None:
    lease = new_lease(ledger, account, 300)
    at = (account, lease.hold_id)
    parts = [part_of(lease) for _ in range(6)]
    settle = SettleUsage(ledger)

    def capture(part: Part) -> Callable[[], object]:
        return lambda: settle(replace(part.record, cost=nano(70)), True, NOW)

    acts: list[Callable[[], object]] = [
        *(capture(part) for part in (*parts, *parts[:3])),
        lambda: ledger.extend(lease, nano(200), NOW),
        lambda: ledger.close(lease, nano(40), NOW),
        lambda: ledger.close(lease, nano(40), NOW),
        lambda: ledger.expire(*at, EXPIRY),
        lambda: ledger.expire(*at, EXPIRY),
    ]
    Random(round_).shuffle(acts)
    answers = at_once(*acts)
    # What was too busy or came too soon is done now, as a later run of upkeep does it.
    if all(not isinstance(answer, Resolution) or answer.state != "expired" for answer in answers):
        ledger.expire(*at, EXPIRY)
    for part in parts:
        settle(replace(part.record, cost=nano(70)), True, NOW)

    found = ledger.find_hold(*at)
    assert found is not None
    assert found.state == "expired"
    charged = sum(answer.charged for answer in answers if isinstance(answer, Resolution))
    assert charged % 70 == 0
    assert checked_balance(ledger, account) == Balance(nano(1000 - charged), ZERO, nano(1000), nano(charged))
    check_counted(ledger, account, charged)
    failures = {type(answer) for answer in answers if isinstance(answer, Exception)}
    assert failures <= {HoldMismatch, HoldResolved, TemporarilyBusy}


@pytest.mark.parametrize("round_", range(8))
def test_an_extension_and_a_closing_exclude_each_other(ledger: DynamoLedger, account: AccountId, round_: int) -> None:
    lease = new_lease(ledger, account, 300)
    acts: list[Callable[[], object]] = [
        lambda: ledger.extend(lease, nano(200), NOW),
        lambda: ledger.close(lease, nano(250), NOW),
        lambda: part_of(lease).capture(ledger, 20),
    ]
    Random(round_).shuffle(acts)
    answers = at_once(*acts)
    assert kinds(answers)[HoldMismatch] == 1
    was_extended = kinds(answers)[Hold] == 1
    balance = checked_balance(ledger, account)
    assert balance.held == (480 if was_extended else 30)
    check_counted(ledger, account, 20, held=balance.held)


def test_of_environments_that_lease_at_once_one_leases_what_there_is_room_for(
    ledger: DynamoLedger, account: AccountId
) -> None:
    asker = Principal(account, ApiKey(KEY, account, "", ""))
    # A lease would be of 50: a twentieth of all there is.
    amount = NanoUsd(25)

    def ask_thrice_and_lease() -> None:
        leases = Leases(ledger, serve_s=60, hold_ttl_s=60, now=lambda: NOW)

        async def ask() -> None:
            for _ in range(3):
                await leases.tend(asker, amount, ZERO)

        asyncio.run(ask())

    assert kinds(at_once(*[ask_thrice_and_lease] * 8)) == {type(None): 8}
    (lease,) = (hold for hold in ledger.list_expired_holds(EXPIRY + 60) if hold.account_id == account)
    assert (lease.is_lease, lease.amount) == (True, 50)
    assert checked_balance(ledger, account).held == 50


def test_many_environments_serve_one_account_and_nothing_is_spent_twice(
    ledger: DynamoLedger, account: AccountId
) -> None:
    """Each leases, serves, settles late and ends or dies, while the others do the same."""
    asker = Principal(account, ApiKey(KEY, account, "", ""))
    ledger.top_up(account, nano(100_000), reference="more", now_s=NOW)
    settle = SettleUsage(ledger)

    def live(seed: int) -> int:
        random = Random(seed)
        leases = Leases(ledger, serve_s=60, hold_ttl_s=60, now=lambda: NOW)

        async def serve() -> int:
            charged = 0
            for _ in range(12):
                share = leases.take(asker, nano(30))
                cost = NanoUsd(random.randrange(60))
                if share is None:
                    await leases.tend(asker, nano(30), cost)
                    continue
                if cost > share.amount:
                    await share.extend(NanoUsd(cost - share.amount), NOW)
                share.end(cost)
                hold = Hold(new_generation_id(NOW), account, KEY, ZERO, NOW, NOW)
                record = generation(hold, cost=cost, lease_id=LeaseId(str(share.lease_id)))
                for _ in range(random.choice([1, 1, 2])):
                    resolution = settle(record, True, NOW)
                    charged += resolution.charged if resolution else 0
                assert resolution is None or resolution.absorbed == 0
                await leases.tend(asker, share.amount, cost)
            if random.random() < 0.5:
                await leases.aclose()
            return charged

        return asyncio.run(serve())

    answers = at_once(*(lambda seed=seed: live(seed) for seed in range(12)))
    charged = sum(answer for answer in answers if isinstance(answer, int))
    assert kinds(answers) == {int: 12}
    assert charged > 0
    for hold in list(ledger.list_expired_holds(EXPIRY + 60)):
        if hold.account_id == account:
            ledger.expire(account, hold.hold_id, EXPIRY + 60)
    assert checked_balance(ledger, account) == Balance(nano(101_000 - charged), ZERO, nano(101_000), nano(charged))
