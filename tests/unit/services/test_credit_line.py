"""The credit behind a stream, while the ledger is busy or its answers are lost."""

import pytest

from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.ids import new_generation_id
from turnpike.domain.ledger import Hold
from turnpike.domain.money import NanoUsd, parse_usd
from turnpike.services.admit import worst_cost
from turnpike.services.credit_line import CreditLine
from turnpike.services.reserve import OwnHold

from tests.contracts.ledger import KEY, NOW
from tests.fakes import InMemoryLedger
from tests.scenario import ACCOUNT, endpoint

pytestmark = pytest.mark.anyio

ENDPOINT = endpoint()
PROMPT_TOKENS, STEP_TOKENS = 10, 100


class BusyLedger(InMemoryLedger):
    """Is busy when it is to extend for the next `busy` times; the next `deaf` times it extends, and says it is busy."""

    def __init__(self) -> None:
        super().__init__()
        self.busy = self.deaf = 0
        self.top_up(ACCOUNT, parse_usd(1), reference="start", now_s=NOW)

    def extend(self, hold: Hold, by: NanoUsd, now_s: int) -> Hold:
        if self.busy and by <= self.get_balance(ACCOUNT).available:
            self.busy -= 1
            raise TemporarilyBusy("The ledger is busy; try again")
        extended = super().extend(hold, by, now_s)
        if self.deaf:
            self.deaf -= 1
            raise TemporarilyBusy("The ledger is busy; try again")
        return extended


@pytest.fixture
def ledger() -> BusyLedger:
    return BusyLedger()


@pytest.fixture
def credit(ledger: BusyLedger) -> CreditLine:
    """For an answer for which a step is held."""
    amount = worst_cost([ENDPOINT], PROMPT_TOKENS, STEP_TOKENS, NOW)
    hold = Hold(new_generation_id(NOW), ACCOUNT, KEY, amount, NOW, NOW + 60)
    ledger.hold(hold)
    line = CreditLine(OwnHold(ledger, hold), NOW, PROMPT_TOKENS, STEP_TOKENS, lambda: NOW, capped=False)
    line.open(ENDPOINT)
    assert line.grow_at_tokens == 75
    return line


async def test_a_busy_ledger_is_asked_again_while_what_is_held_lasts(ledger: BusyLedger, credit: CreditLine) -> None:
    ledger.busy = 3
    asked_at = []
    for tokens in range(60, 100):
        if tokens > credit.grow_at_tokens:
            asked_at.append(tokens)
            assert await credit.grow(ENDPOINT, tokens)
    assert asked_at == [76, 89, 95, 98]
    assert credit.grow_at_tokens == 175
    assert ledger.get_balance(ACCOUNT).held == worst_cost([ENDPOINT], PROMPT_TOKENS, 2 * STEP_TOKENS, NOW)


async def test_an_answer_beyond_what_is_held_does_not_go_on(ledger: BusyLedger, credit: CreditLine) -> None:
    ledger.busy = 2
    assert await credit.grow(ENDPOINT, 100)
    with pytest.raises(TemporarilyBusy):
        await credit.grow(ENDPOINT, 101)


async def test_so_is_the_rest_of_the_credit(ledger: BusyLedger, credit: CreditLine) -> None:
    left = NanoUsd(20 * 2_000)
    taken = NanoUsd(ledger.get_balance(ACCOUNT).available - left)
    ledger.adjust(ACCOUNT, "adjustment", NanoUsd(-taken), reference="spent elsewhere", now_s=NOW)
    ledger.busy = 1
    assert await credit.grow(ENDPOINT, 80)
    assert await credit.grow(ENDPOINT, 95)
    assert ledger.get_balance(ACCOUNT).available == 0
    assert await credit.grow(ENDPOINT, 120)
    assert not await credit.grow(ENDPOINT, 121)


@pytest.mark.parametrize("tokens", [90, 250])
async def test_an_extension_whose_answer_was_lost_stands_in_nobodys_way(
    ledger: BusyLedger, credit: CreditLine, tokens: int
) -> None:
    ledger.deaf = 1
    assert await credit.grow(ENDPOINT, 80)
    # A burst that is longer than what was added is another extension than the one that was made.
    assert await credit.grow(ENDPOINT, tokens)
    held = ledger.get_balance(ACCOUNT).held
    assert held >= worst_cost([ENDPOINT], PROMPT_TOKENS, tokens, NOW)
    (hold,) = ledger.list_expired_holds(2**40)
    assert held == hold.amount
