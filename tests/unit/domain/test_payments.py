"""Fees, prices and the parts of a payment's credit."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.errors import InvalidRequest
from turnpike.domain.ids import AccountId
from turnpike.domain.money import ZERO, NanoUsd, parse_usd
from turnpike.domain.payments import Fees, Payment, Price, Terms, to_cents, to_nano

TERMS = Terms(500, 100_000, Fees(Decimal("5.5"), 80), parse_usd("500"))
PAID = Payment("pi_1", AccountId("acct-1"), "paid", to_nano(2_000), paid_cents=2_110, created_at_s=1)


@pytest.mark.parametrize(
    ("fees", "credit", "fee"),
    [
        (Fees(), 1_000_000, 0),
        (Fees(Decimal("5.5")), 1_000, 55),
        (Fees(Decimal("5.5")), 1_001, 56),
        (Fees(Decimal("0.0001")), 500, 1),
        (Fees(least_cents=80), 500, 80),
        (Fees(Decimal(100)), 500, 500),
    ],
)
def test_fees_are_rounded_up_to_the_cent(fees: Fees, credit: int, fee: int) -> None:
    assert fees.on(credit) == fee


@pytest.mark.parametrize("amount", [4.99, 1000.01, 5.001, 999.999999999999, 0, -5])
def test_what_is_not_sold_is_refused(amount: float) -> None:
    with pytest.raises(InvalidRequest, match="amount: "):
        TERMS.price(amount, field="amount")


@pytest.mark.parametrize("amount", [5, 5.01, 19.99, 1000])
def test_a_price_is_exact(amount: float) -> None:
    price = TERMS.price(amount, field="amount")
    assert price == Price(round(amount * 100), TERMS.fees.on(round(amount * 100)))
    assert price.credit == parse_usd(amount)


def test_cents_are_whole() -> None:
    assert to_cents(parse_usd("1.23")) == 123
    with pytest.raises(ValueError, match="whole cents"):
        to_cents(NanoUsd(parse_usd("1.23") + 1))


def test_the_whole_payment_is_the_whole_credit_and_no_more() -> None:
    assert PAID.credit_for(2_110) == to_nano(2_000)
    assert PAID.credit_for(-2_110) == -to_nano(2_000)
    assert PAID.credit_for(9_999) == to_nano(2_000)
    assert PAID.credit_for(0) == ZERO


@given(
    credit=st.integers(50, 10**8),
    fee=st.integers(0, 10**6),
    cuts=st.lists(st.integers(1, 10**6), min_size=1, max_size=12),
)
def test_parts_never_make_more_than_the_whole_and_all_of_them_nearly_all(
    credit: int, fee: int, cuts: list[int]
) -> None:
    """Rounding stays below a nano-dollar for each part, in the account's favour."""
    payment = replace(PAID, credit=to_nano(credit), paid_cents=credit + fee)
    parts = [max(1, cut * payment.paid_cents // sum(cuts)) for cut in cuts]
    if sum(parts) > payment.paid_cents:
        return
    parts.append(payment.paid_cents - sum(parts))
    taken = -sum(payment.credit_for(-part) for part in parts)
    assert payment.credit - len(parts) < taken <= payment.credit
    assert all(payment.credit_for(part) == -payment.credit_for(-part) for part in parts)
    if not fee:
        assert taken == payment.credit
