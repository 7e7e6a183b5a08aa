"""Whatever happens to payments, in whatever order and however often Stripe tells of it: the balance is the facts'."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from turnpike.domain.ids import AccountId

from tests.shop import FEES, Shop, open_shop
from tests.stripe_account import Object
from tests.stripe_server import serving_stripe

_NANO_PER_CENT = 10_000_000


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with serving_stripe() as server, open_shop(server) as opened:
        yield opened


@dataclass
class Facts:
    """Of one payment: what was bought, for how much, and what went and came since, in cents."""

    credit_cents: int
    total_cents: int
    is_paid: bool = False
    is_open: bool = True
    left_to_refund: int = 0
    refunds: dict[str, tuple[int, str]] = field(default_factory=dict)
    disputes: dict[str, tuple[int, int, bool]] = field(default_factory=dict)
    """Taken, given back, and whether it is still open."""

    def share(self, cents: int) -> int:
        return self.credit_cents * _NANO_PER_CENT * cents // self.total_cents

    def worth(self) -> int:
        if not self.is_paid:
            return 0
        gone = sum(self.share(cents) for cents, status in self.refunds.values() if status not in ("failed", "canceled"))
        disputed = sum(self.share(back) - self.share(taken) for taken, back, _ in self.disputes.values())
        return self.credit_cents * _NANO_PER_CENT - gone + disputed


class Payments(RuleBasedStateMachine):
    """Somebody pays, somebody gives back, banks take their time, and the post is slow, repeats itself and mixes up."""

    shop: Shop
    accounts = iter(range(10**9))

    def __init__(self) -> None:
        super().__init__()
        self.account = f"acct-orders-{next(self.accounts)}"
        self.stripe = self.shop.server.stripe
        self.facts: dict[str, Facts] = {}
        self.told: list[Object] = []
        """Events that have happened, delivered or not."""
        self.undelivered: list[Object] = []

    def happened(self) -> None:
        self.told += self.stripe.events
        self.undelivered += self.stripe.events
        self.stripe.events.clear()

    def some(self, pick: Random, allowed: Callable[[Facts], bool]) -> tuple[str, Facts] | None:
        fitting = [each for each in self.facts.items() if allowed(each[1])]
        return pick.choice(fitting) if fitting else None

    @initialize(credit_cents=st.integers(500, 9_999))
    def begin(self, credit_cents: int) -> None:
        self.pay(credit_cents, later=False)

    @rule(credit_cents=st.integers(500, 9_999), later=st.booleans())
    def pay(self, credit_cents: int, later: bool) -> None:
        session = self.shop.checkout(credit_cents / 100, account=self.account)
        payment_id = self.stripe.pay(session, settles="later" if later else "at once")
        total = credit_cents + FEES.on(credit_cents)
        self.facts[payment_id] = Facts(credit_cents, total, not later, later, 0 if later else total)
        self.happened()

    @rule(pick=st.randoms(use_true_random=False), comes=st.booleans())
    def hear_from_the_bank(self, pick: Random, comes: bool) -> None:
        found = self.some(pick, lambda facts: facts.is_open)
        if found is None:
            return
        payment_id, facts = found
        facts.is_open, facts.is_paid = False, comes
        facts.left_to_refund = facts.total_cents if comes else 0
        (self.stripe.settle if comes else self.stripe.bounce)(payment_id)
        self.happened()

    @rule(pick=st.randoms(use_true_random=False), status=st.sampled_from(["pending", "succeeded"]))
    def refund(self, pick: Random, status: str) -> None:
        found = self.some(pick, lambda facts: facts.left_to_refund > 0)
        if found is None:
            return
        payment_id, facts = found
        cents = pick.randint(1, facts.left_to_refund)
        facts.left_to_refund -= cents
        facts.refunds[self.stripe.refund(payment_id, cents, status=status)] = (cents, status)
        self.happened()

    @rule(pick=st.randoms(use_true_random=False), status=st.sampled_from(["succeeded", "failed", "canceled"]))
    def finish_a_refund(self, pick: Random, status: Any) -> None:
        found = self.some(pick, lambda facts: any(each == "pending" for _, each in facts.refunds.values()))
        if found is None:
            return
        refunds = found[1].refunds
        refund_id = pick.choice([name for name, (_, each) in refunds.items() if each == "pending"])
        refunds[refund_id] = (refunds[refund_id][0], status)
        self.stripe.finish_refund(refund_id, status)
        self.happened()

    @rule(pick=st.randoms(use_true_random=False), inquiry=st.booleans())
    def dispute(self, pick: Random, inquiry: bool) -> None:
        found = self.some(pick, lambda facts: facts.is_paid and not facts.disputes)
        if found is None:
            return
        payment_id, facts = found
        cents = pick.randint(1, facts.total_cents)
        dispute_id = self.stripe.dispute(payment_id, cents, inquiry=inquiry)
        facts.disputes[dispute_id] = (0 if inquiry else cents, 0, True)
        self.happened()

    @rule(pick=st.randoms(use_true_random=False), won=st.booleans())
    def close_a_dispute(self, pick: Random, won: bool) -> None:
        found = self.some(pick, lambda facts: any(is_open for *_, is_open in facts.disputes.values()))
        if found is None:
            return
        ((dispute_id, (taken, _, _)),) = found[1].disputes.items()
        back = pick.randint(1, taken) if won and taken else 0
        found[1].disputes[dispute_id] = (taken, back, False)
        self.stripe.close_dispute(dispute_id, won=won, back_cents=back or None)
        self.happened()

    @precondition(lambda self: self.told)
    @rule(pick=st.randoms(use_true_random=False), number=st.integers(1, 4))
    def deliver_some(self, pick: Random, number: int) -> None:
        for event in pick.choices(self.told, k=number):
            self.deliver(event)

    def deliver(self, event: Object) -> None:
        assert self.shop.deliver(event).status_code == 200
        if event in self.undelivered:
            self.undelivered.remove(event)

    @invariant()
    def the_history_adds_up(self) -> None:
        self.shop.available(self.account)

    def teardown(self) -> None:
        # The last first: whatever is late is later still.
        for event in self.undelivered[::-1]:
            self.deliver(event)
        expected = sum(facts.worth() for facts in self.facts.values())
        assert self.shop.available(self.account) == expected
        entries = self.shop.entries(self.account)
        for event in Random(len(self.told)).sample(self.told, len(self.told)):
            self.deliver(event)
        assert self.shop.entries(self.account) == entries
        top_ups = [reference for kind, reference, _ in entries if kind == "top_up"]
        assert sorted(top_ups) == sorted(f"stripe:{name}" for name, facts in self.facts.items() if facts.is_paid)
        assert self.shop.ledger.get_balance(AccountId(self.account)).held == 0


@pytest.mark.timeout(300)
def test_any_history_told_in_any_order_comes_to_what_the_facts_say(shop: Shop) -> None:
    class Machine(Payments):
        pass

    Machine.shop = shop
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Machine,
        settings=settings(
            max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    assert shop.troubles == []
