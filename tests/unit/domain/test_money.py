"""Money is whole nano-dollars; USD is what people and clients read."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.money import NanoUsd, parse_usd, present_usd, round_up

EIGHT_MILLION_USD = 8_000_000 * 10**9


@pytest.mark.parametrize(
    ("text", "nano"),
    [
        ("10", 10_000_000_000),
        ("0.000000001", 1),
        ("-2.5", -2_500_000_000),
        ("1e-9", 1),
        (10, 10_000_000_000),
        (0.1, 100_000_000),  # The float is a little more than a tenth; the person who wrote it meant a tenth.
        (Decimal("0.25"), 250_000_000),
        ("0.250000000000", 250_000_000),
    ],
)
def test_usd_is_read_exactly(text: str | float | Decimal, nano: int) -> None:
    assert parse_usd(text) == nano


@pytest.mark.parametrize("text", ["", "ten", "NaN", "sNaN", "Infinity", "1e-10", "0.1234567891", "1e999999", "$1"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount in USD"):
        parse_usd(text)


@given(st.integers(-EIGHT_MILLION_USD, EIGHT_MILLION_USD).map(NanoUsd))
def test_clients_read_back_the_very_nano_dollar(amount: NanoUsd) -> None:
    assert parse_usd(json.loads(json.dumps(present_usd(amount)))) == amount


@pytest.mark.parametrize(
    ("usd", "nano"), [("0", 0), ("0.0000000001", 1), ("0.000000001", 1), ("0.0000000011", 2), ("3", 3 * 10**9)]
)
def test_costs_are_rounded_up(usd: str, nano: int) -> None:
    assert round_up(Decimal(usd)) == nano
