"""Prices are decimal; what a generation costs at them is rounded up once."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.chat import Usage
from turnpike.domain.money import NANO_PER_USD, NanoUsd
from turnpike.domain.pricing import Pricing, parse_pricing, price, tokens_for

PLAIN = parse_pricing({"prompt": "0.00000015", "completion": "0.0000006"})
FULL = parse_pricing(
    {
        "prompt": "0.000003",
        "completion": "0.000015",
        "request": "0.001",
        "input_cache_read": "0.0000003",
        "input_cache_write": "0.00000375",
        "internal_reasoning": "0.00002",
    }
)
prices = st.decimals(0, "0.001", places=12)
tokens = st.integers(0, 2_000_000)


def test_tokens_times_their_price() -> None:
    cost = price(Usage(1000, 500), PLAIN)
    assert (cost.total, cost.prompt, cost.completion) == (450_000, 150_000, 300_000)


def test_cached_and_reasoning_tokens_have_prices_of_their_own() -> None:
    usage = Usage(1000, 500, cached_tokens=600, cache_write_tokens=100, reasoning_tokens=200)
    cost = price(usage, FULL)
    assert cost.prompt == 300 * 3_000 + 600 * 300 + 100 * 3_750
    assert cost.completion == 300 * 15_000 + 200 * 20_000
    assert cost.total == cost.prompt + cost.completion + 1_000_000


def test_without_one_they_cost_what_others_do() -> None:
    usage = Usage(1000, 500, cached_tokens=600, cache_write_tokens=100, reasoning_tokens=200)
    assert price(usage, PLAIN) == price(Usage(1000, 500), PLAIN)


def test_a_price_of_zero_is_a_price() -> None:
    cached_for_nothing = Pricing(Decimal("0.000001"), input_cache_read=Decimal(0))
    assert price(Usage(10, 0, cached_tokens=10), cached_for_nothing).total == 0


def test_the_total_is_rounded_once() -> None:
    third = Pricing(Decimal("0.0000000004"), Decimal("0.0000000004"))
    cost = price(Usage(1, 1), third)
    # Each part alone would be a whole nano-dollar.
    assert (cost.total, cost.prompt, cost.completion) == (1, 1, 1)


def test_an_empty_answer_to_an_empty_prompt_costs_the_request() -> None:
    assert price(Usage(), FULL).total == 1_000_000
    assert price(Usage(), PLAIN).total == 0


def test_free_and_combined() -> None:
    assert Pricing().is_free
    assert not PLAIN.is_free
    assert not Pricing(request=Decimal("0.01")).is_free
    assert PLAIN.combined == Decimal("0.00000075")


@given(prices, prices, tokens, tokens)
def test_a_cost_is_exact_to_the_nano_dollar(prompt: Decimal, completion: Decimal, given_: int, got: int) -> None:
    exact = (prompt * given_ + completion * got) * NANO_PER_USD
    cost = price(Usage(given_, got), Pricing(prompt, completion))
    assert 0 <= cost.total - exact < 1
    assert cost.total <= cost.prompt + cost.completion <= cost.total + 1


@given(st.integers(0, 10**15).map(NanoUsd), prices.filter(bool))
def test_tokens_for_an_amount_cost_no_more_than_it(amount: NanoUsd, each: Decimal) -> None:
    affordable = tokens_for(amount, each)
    assert each * affordable * NANO_PER_USD <= amount < each * (affordable + 1) * NANO_PER_USD


@pytest.mark.parametrize("text", ["-0.1", "NaN", "Infinity", "free", ""])
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        parse_pricing({"prompt": text})


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(TypeError):
        parse_pricing({"prompt": "0", "sunday": "0.1"})
