"""Threads that move the same credit at the same moment: the ledger stays right whoever wins."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

import pytest

from turnpike.domain.api_keys import ApiKey
from turnpike.domain.errors import (
    HoldMismatch,
    HoldResolved,
    InsufficientCredit,
    KeyLimitExceeded,
    TemporarilyBusy,
)
from turnpike.domain.ids import AccountId, new_account_id, new_generation_id
from turnpike.domain.ledger import Balance, Hold, KeyLimit, Resolution, balance_of
from turnpike.domain.money import ZERO
from turnpike.storage.generations import DynamoGenerations
from turnpike.storage.ledger import DynamoLedger

from tests.contracts.ledger import KEY, NOW, generation, nano
from tests.integration.racing import at_once, kinds

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

THREADS = 64
PAST = NOW + 60
"""When the holds of these tests have expired."""


@pytest.fixture
def ledger(dynamodb: "DynamoDBClient", ledger_table: str) -> DynamoLedger:
    return DynamoLedger(dynamodb, ledger_table)


@pytest.fixture
def account(ledger: DynamoLedger) -> AccountId:
    """With 1,000 nano-USD."""
    account_id = new_account_id(NOW)
    ledger.top_up(account_id, nano(1000), reference="start", now_s=NOW)
    return account_id


def new_hold(account_id: AccountId, amount: int, key_limit: KeyLimit | None = None) -> Hold:
    return Hold(new_generation_id(NOW), account_id, KEY, nano(amount), NOW, PAST, key_limit)


def settle(ledger: DynamoLedger, hold: Hold, cost: int) -> Resolution:
    """As the queue does: what found the credit changed under its hands too often is delivered again."""
    while True:
        with suppress(TemporarilyBusy):
            return ledger.capture(hold.account_id, hold.hold_id, nano(cost), NOW, generation(hold))


def checked_balance(ledger: DynamoLedger, account_id: AccountId) -> Balance:
    balance = ledger.get_balance(account_id)
    assert balance == balance_of(ledger.list_entries(account_id))
    assert balance.available >= 0
    return balance


def test_only_as_many_holds_succeed_as_the_credit_covers(ledger: DynamoLedger, account: AccountId) -> None:
    holds = [new_hold(account, 100) for _ in range(THREADS)]
    answers = at_once(*(lambda hold=hold: ledger.hold(hold) for hold in holds))
    assert kinds(answers) == {type(None): 10, InsufficientCredit: THREADS - 10}
    balance = checked_balance(ledger, account)
    assert (balance.available, balance.held) == (0, 1000)


def test_only_as_many_holds_succeed_as_the_key_may_use(ledger: DynamoLedger, account: AccountId) -> None:
    holds = [new_hold(account, 10, KeyLimit(nano(105))) for _ in range(THREADS)]
    answers = at_once(*(lambda hold=hold: ledger.hold(hold) for hold in holds))
    assert kinds(answers) == {type(None): 10, KeyLimitExceeded: THREADS - 10}
    assert checked_balance(ledger, account).held == 100


def test_one_hold_made_many_times_is_held_once(ledger: DynamoLedger, account: AccountId) -> None:
    hold = new_hold(account, 100)
    assert kinds(at_once(*[lambda: ledger.hold(hold)] * THREADS)) == {type(None): THREADS}
    assert checked_balance(ledger, account).held == 100


@pytest.mark.parametrize("round_", range(12))
def test_a_hold_resolves_once_whoever_races(
    dynamodb: "DynamoDBClient", ledger_table: str, ledger: DynamoLedger, account: AccountId, round_: int
) -> None:
    hold = new_hold(account, 100, KeyLimit(nano(500)))
    ledger.hold(hold)
    record = generation(hold, cost=nano(150))
    at = (account, hold.hold_id)
    acts: list[Callable[[], Resolution]] = [
        lambda: ledger.capture(*at, nano(150), PAST, record),
        lambda: ledger.capture(*at, nano(150), PAST, record),
        lambda: ledger.expire(*at, PAST),
        lambda: ledger.expire(*at, PAST),
        lambda: ledger.void(*at, PAST, generation(hold, cost=ZERO)),
        lambda: ledger.capture(*at, nano(40), PAST, generation(hold, cost=nano(40))),
    ]
    Random(round_).shuffle(acts)
    answers = at_once(*acts)
    assert kinds(answers) == {Resolution: 1, HoldResolved: len(acts) - 1}
    (won,) = (answer for answer in answers if isinstance(answer, Resolution))
    assert {answer.state for answer in answers if isinstance(answer, HoldResolved)} == {won.state}

    assert checked_balance(ledger, account) == Balance(nano(1000 - won.charged), ZERO, nano(1000), won.charged)
    spend = ledger.get_key_spend(account, ApiKey(KEY, account, "", "", limit=nano(500)), PAST)
    assert (spend.credit.total, spend.credit.daily, spend.limit_used) == (won.charged,) * 3
    stored = DynamoGenerations(dynamodb, ledger_table).find(*at)
    assert (stored.cost if stored else None) == (None if won.state == "expired" else won.charged)


def test_a_hold_is_extended_once_by_whom_it_is_as_seen(ledger: DynamoLedger, account: AccountId) -> None:
    hold = new_hold(account, 100)
    ledger.hold(hold)
    steps = [nano(10 + number) for number in range(16)]
    answers = at_once(*(lambda by=by: ledger.extend(hold, by, NOW) for by in steps))
    assert kinds(answers) == {Hold: 1, HoldMismatch: len(steps) - 1}
    (extended,) = (answer for answer in answers if isinstance(answer, Hold))
    assert ledger.find_hold(account, hold.hold_id) == extended
    assert checked_balance(ledger, account).held == extended.amount


def test_one_extension_made_many_times_adds_once(ledger: DynamoLedger, account: AccountId) -> None:
    hold = new_hold(account, 100)
    ledger.hold(hold)
    answers = at_once(*[lambda: ledger.extend(hold, nano(30), NOW)] * 16)
    assert {answer.amount for answer in answers if isinstance(answer, Hold)} == {130}
    assert kinds(answers) == {Hold: 16}
    assert checked_balance(ledger, account).held == 130


@pytest.mark.parametrize("round_", range(10))
def test_a_capture_takes_in_an_extension_or_comes_before_it(
    ledger: DynamoLedger, account: AccountId, round_: int
) -> None:
    hold = new_hold(account, 100)
    ledger.hold(hold)
    acts: list[Callable[[], Resolution | Hold]] = [
        lambda: ledger.capture(account, hold.hold_id, nano(130), NOW, None),
        lambda: ledger.extend(hold, nano(50), NOW),
    ]
    Random(round_).shuffle(acts)
    answers = at_once(*acts)
    (captured,) = (answer for answer in answers if isinstance(answer, Resolution))
    came_first = kinds(answers)[Hold] == 1
    assert came_first or kinds(answers)[HoldResolved] == 1
    # What the extension held is no overage.
    assert [entry.kind for entry in captured.entries] == ["capture"] + ["overage"] * (not came_first)
    assert checked_balance(ledger, account) == Balance(nano(870), ZERO, nano(1000), nano(130))


def test_overage_never_takes_more_than_there_is(ledger: DynamoLedger, account: AccountId) -> None:
    holds = [new_hold(account, 50) for _ in range(16)]
    for hold in holds:
        ledger.hold(hold)
    answers = at_once(*(lambda hold=hold: settle(ledger, hold, 80) for hold in holds))
    resolutions = [answer for answer in answers if isinstance(answer, Resolution)]
    assert len(resolutions) == len(holds)
    assert sum(each.charged for each in resolutions) == 1000
    assert sum(each.absorbed for each in resolutions) == 16 * 80 - 1000
    assert checked_balance(ledger, account) == Balance(ZERO, ZERO, nano(1000), nano(1000))


def test_overage_never_takes_a_key_above_its_limit(ledger: DynamoLedger, account: AccountId) -> None:
    limit = KeyLimit(nano(900))
    holds = [new_hold(account, 50, limit) for _ in range(16)]
    for hold in holds:
        ledger.hold(hold)
    answers = at_once(*(lambda hold=hold: settle(ledger, hold, 80) for hold in holds))
    resolutions = [answer for answer in answers if isinstance(answer, Resolution)]
    assert len(resolutions) == len(holds)
    assert sum(each.charged for each in resolutions) == 900
    assert sum(each.absorbed for each in resolutions) == 16 * 80 - 900
    spend = ledger.get_key_spend(account, ApiKey(KEY, account, "", "", limit=limit.limit), NOW)
    assert (spend.credit.total, spend.limit_used) == (900, 900)
    assert checked_balance(ledger, account) == Balance(nano(100), ZERO, nano(1000), nano(900))


def test_one_reference_adds_credit_once(ledger: DynamoLedger, account: AccountId) -> None:
    answers = at_once(*[lambda: ledger.top_up(account, nano(500), reference="evt_1", now_s=NOW)] * THREADS)
    assert Counter(answers) == {True: 1, False: THREADS - 1}
    assert checked_balance(ledger, account).credits_total == 1500


def test_a_busy_account_stays_balanced(ledger: DynamoLedger, account: AccountId) -> None:
    def live(seed: int) -> None:
        random = Random(seed)
        for number in range(6):
            hold = new_hold(account, random.randrange(200), KeyLimit(nano(2000)))
            try:
                ledger.hold(hold)
                if random.random() < 0.5:
                    hold = ledger.extend(hold, nano(random.randrange(1, 100)), NOW)
                settle(ledger, hold, random.randrange(300))
            except (InsufficientCredit, KeyLimitExceeded):
                ledger.top_up(account, nano(100), reference=f"{seed}-{number}", now_s=NOW)

    failures = [it for it in at_once(*(lambda seed=seed: live(seed) for seed in range(16))) if it is not None]
    assert failures == []
    balance = checked_balance(ledger, account)
    pending = [hold for hold in ledger.list_expired_holds(PAST) if hold.account_id == account]
    assert balance.held == sum(hold.amount for hold in pending)
    key = ApiKey(KEY, account, "", "", limit=nano(2000))
    spend = ledger.get_key_spend(account, key, NOW)
    assert spend.credit.total == balance.usage_total
    assert spend.limit_used == balance.usage_total + balance.held


@pytest.mark.parametrize("round_", range(6))
def test_what_is_settled_together_and_one_by_one_is_settled_once(
    ledger: DynamoLedger, account: AccountId, round_: int
) -> None:
    holds = [new_hold(account, 60, KeyLimit(nano(2000))) for _ in range(6)]
    for hold in holds:
        ledger.hold(hold)
    records = [generation(hold, cost=nano(10 + number)) for number, hold in enumerate(holds)]
    acts: list[Callable[[], object]] = [
        lambda: ledger.capture_together(records[:4], NOW),
        lambda: ledger.capture_together(records[2:], NOW),
        lambda: ledger.capture_together(records[::-1], NOW),
        *(lambda each=each: settle(ledger, each[0], each[1].cost) for each in zip(holds, records, strict=True)),
        lambda: ledger.expire(account, holds[0].hold_id, PAST),
    ]
    Random(round_).shuffle(acts)
    charged: Counter[str] = Counter()
    for answer in at_once(*acts):
        if isinstance(answer, Mapping):
            charged.update({each.entries[0].reference: each.charged for each in answer.values()})
        elif isinstance(answer, Resolution):
            charged[answer.entries[0].reference] += answer.charged
        else:
            assert isinstance(answer, HoldResolved)
    assert all(charged[record.id] in (0, record.cost) for record in records)
    assert all(charged[record.id] == record.cost for record in records[1:])
    assert checked_balance(ledger, account).usage_total == charged.total()
