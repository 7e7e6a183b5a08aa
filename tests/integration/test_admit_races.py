"""Requests that ask for the same credit at the same moment: as many are admitted as it can pay for."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.to_thread import current_default_thread_limiter

from turnpike.domain.api_keys import ApiKey, Principal
from turnpike.domain.chat import ChatRequest
from turnpike.domain.errors import InsufficientCredit, KeyLimitExceeded, RequestError
from turnpike.domain.ids import AccountId, new_account_id, new_generation_id
from turnpike.domain.ledger import balance_of
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.services.admit import Admission, Admit, affordable_tokens, worst_cost
from turnpike.services.leases import Leases
from turnpike.storage.ledger import DynamoLedger

from tests.contracts.ledger import KEY, NOW
from tests.scenario import endpoint, request

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

pytestmark = pytest.mark.anyio

REQUESTS, PAYABLE = 64, 10
PROMPT_TOKENS, MAX_TOKENS = 20, 100
ROUTE = [endpoint(), endpoint("two")]
EACH = worst_cost(ROUTE, PROMPT_TOKENS, MAX_TOKENS, NOW)
CREDIT = NanoUsd(PAYABLE * EACH + EACH - 1)
"""A nano-dollar less than one more would need."""


@pytest.fixture
def ledger(dynamodb: "DynamoDBClient", ledger_table: str) -> DynamoLedger:
    return DynamoLedger(dynamodb, ledger_table)


@pytest.fixture
def account(ledger: DynamoLedger) -> AccountId:
    account_id = new_account_id(NOW)
    ledger.top_up(account_id, CREDIT, reference="start", now_s=NOW)
    return account_id


@pytest.fixture(autouse=True)
async def all_at_once() -> None:
    """A thread for each of the requests."""
    current_default_thread_limiter().total_tokens = REQUESTS


def asker(account_id: AccountId, *, limit: NanoUsd | None = None) -> Principal:
    return Principal(account_id, ApiKey(KEY, account_id, "", "", limit=limit))


async def ask(admit: Admit, principal: Principal, wanted: ChatRequest) -> list[Admission | RequestError]:
    """What came of each of the requests."""
    answers: list[Admission | RequestError] = []

    async def ask_once() -> None:
        try:
            answers.append(
                await admit(
                    principal,
                    wanted,
                    ROUTE,
                    generation_id=new_generation_id(NOW),
                    prompt_tokens=PROMPT_TOKENS,
                    now_s=NOW,
                )
            )
        except RequestError as error:
            answers.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(REQUESTS):
            tasks.start_soon(ask_once)
    return answers


def admitted(answers: list[Admission | RequestError]) -> Iterator[Admission]:
    return (answer for answer in answers if isinstance(answer, Admission))


def kinds(answers: list[Admission | RequestError]) -> Counter[type]:
    return Counter(type(answer) for answer in answers)


def check_held(ledger: DynamoLedger, account_id: AccountId, amount: int, credit: int = CREDIT) -> None:
    balance = ledger.get_balance(account_id)
    assert (balance.available, balance.held) == (credit - amount, amount)
    assert balance == balance_of(ledger.list_entries(account_id))


async def test_as_many_are_admitted_as_the_account_can_pay_for(ledger: DynamoLedger, account: AccountId) -> None:
    answers = await ask(Admit(ledger, 1800, 2048), asker(account), request(max_tokens=MAX_TOKENS))
    assert kinds(answers) == {Admission: PAYABLE, InsufficientCredit: REQUESTS - PAYABLE}
    assert {admission.max_tokens for admission in admitted(answers)} == {MAX_TOKENS}
    check_held(ledger, account, PAYABLE * EACH)


async def test_as_many_as_the_keys_limit_allows(ledger: DynamoLedger, account: AccountId) -> None:
    ledger.top_up(account, NanoUsd(REQUESTS * EACH), reference="enough for all", now_s=NOW)
    answers = await ask(Admit(ledger, 1800, 2048), asker(account, limit=CREDIT), request(max_tokens=MAX_TOKENS))
    assert kinds(answers) == {Admission: PAYABLE, KeyLimitExceeded: REQUESTS - PAYABLE}
    check_held(ledger, account, PAYABLE * EACH, CREDIT + REQUESTS * EACH)


async def test_what_is_left_still_serves_those_that_name_no_maximum(ledger: DynamoLedger, account: AccountId) -> None:
    answers = await ask(Admit(ledger, 1800, MAX_TOKENS), asker(account), request())
    # Ten have the allowance, and one what is left after them.
    rest = affordable_tokens(ROUTE, PROMPT_TOKENS, NanoUsd(EACH - 1), NOW)
    tokens = Counter(admission.max_tokens for admission in admitted(answers))
    assert tokens == {None: PAYABLE, rest: 1}
    assert kinds(answers) == {Admission: PAYABLE + 1, InsufficientCredit: REQUESTS - PAYABLE - 1}
    check_held(ledger, account, sum(admission.reserve.amount for admission in admitted(answers)))


async def test_no_more_are_admitted_where_credit_is_leased(ledger: DynamoLedger, account: AccountId) -> None:
    """Whether a request is served from a lease or holds for itself, together they never have more than there is."""
    ledger.top_up(account, NanoUsd(100 * EACH), reference="enough to lease", now_s=NOW)
    leases = Leases(ledger, serve_s=60, hold_ttl_s=1800, now=lambda: NOW)
    principal = asker(account)
    for _ in range(3):
        await leases.tend(principal, EACH, ZERO)
    held_before = ledger.get_balance(account).held
    assert held_before >= 2 * EACH

    # All but what ten can be paid with, and what was leased.
    less = NanoUsd(ledger.get_balance(account).available - CREDIT)
    ledger.adjust(account, "adjustment", NanoUsd(-less), reference="spent elsewhere", now_s=NOW)
    answers = await ask(Admit(ledger, 1800, 2048, leases), principal, request(max_tokens=MAX_TOKENS))

    from_lease = [admission for admission in admitted(answers) if admission.reserve.lease_id]
    assert len(from_lease) == held_before // EACH
    assert kinds(answers)[Admission] == PAYABLE + len(from_lease)
    check_held(ledger, account, held_before + PAYABLE * EACH, held_before + CREDIT)


async def test_one_that_is_longer_than_all_credit_is_refused_whatever_else_is_asked(
    ledger: DynamoLedger, account: AccountId
) -> None:
    answers = await ask(Admit(ledger, 1800, 2048), asker(account), replace(request(), max_tokens=12 * MAX_TOKENS))
    assert kinds(answers) == {InsufficientCredit: REQUESTS}
    check_held(ledger, account, 0)
