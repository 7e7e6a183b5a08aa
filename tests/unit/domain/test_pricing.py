"""Prices are decimal; what a generation costs at them is rounded up once."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.chat import Usage
from turnpike.domain.cost import cache_discount, exact_cost, price, tokens_for
from turnpike.domain.money import NANO_PER_USD, NanoUsd
from turnpike.domain.pricing import DAYS, PARTS, Pricing, in_tier, multiplied, parse_pricing, present_price

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
STEPPED = parse_pricing(
    {
        "prompt": "0.000001",
        "completion": "0.000002",
        "overrides": [
            {"min_prompt_tokens": 100, "prompt": "0.000003"},
            {"min_prompt_tokens": 200, "prompt": "0.000005", "completion": "0.000006"},
            {"utc_start": 100, "utc_end": 400, "prompt": "0.000009"},
            {"utc_start": 2230, "utc_end": 30, "completion": "0.000007"},
        ],
    }
)
HOUR = 3600
NOON = 1_795_521_600
"""2026-11-24T12:00:00Z."""
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
    # What is given away is given away whole.
    assert not Pricing(web_search=Decimal("0.01")).is_free
    assert not parse_pricing({"overrides": [{"min_prompt_tokens": 9, "prompt": "0.000001"}]}).is_free
    assert parse_pricing({"overrides": [{"min_prompt_tokens": 9, "prompt": "0"}]}).is_free
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
    with pytest.raises(ValueError, match="sunday"):
        parse_pricing({"prompt": "0", "sunday": "0.1"})


def test_sound_images_and_an_hour_in_the_cache_have_prices_of_their_own() -> None:
    pricing = parse_pricing(
        {
            "prompt": "0.000001",
            "completion": "0.000002",
            "audio": "0.00001",
            "audio_output": "0.00002",
            "image_output": "0.00003",
            "input_cache_write": "0.00000125",
            "input_cache_write_1h": "0.000002",
            "web_search": "0.01",
        }
    )
    heard = Usage(1000, 500, prompt_audio_tokens=400, completion_audio_tokens=100)
    assert price(heard, pricing).prompt == 600 * 1_000 + 400 * 10_000
    assert price(heard, pricing).completion == 400 * 2_000 + 100 * 20_000
    seen = Usage(10, 500, completion_image_tokens=300, web_search_requests=2)
    assert price(seen, pricing).completion == 200 * 2_000 + 300 * 30_000
    assert price(seen, pricing).total == 10_000 + 200 * 2_000 + 300 * 30_000 + 2 * 10_000_000
    kept = Usage(1000, 0, cache_write_tokens=1000, cache_write_1h_tokens=600)
    assert price(kept, pricing).total == 400 * 1_250 + 600 * 2_000
    # What is counted and has no price is text.
    assert price(heard, PLAIN) == price(Usage(1000, 500), PLAIN)
    assert price(kept, FULL) == price(Usage(1000, 0, cache_write_tokens=1000), FULL)


def test_sound_that_was_cached_has_a_price_of_its_own() -> None:
    sound = {"prompt": "0.000001", "audio": "0.00001"}
    usage = Usage(1000, 0, cached_tokens=500, prompt_audio_tokens=400, cached_audio_tokens=300)
    priced = parse_pricing({**sound, "input_cache_read": "0.0000001", "input_audio_cache": "0.000002"})
    assert price(usage, priced).prompt == 400 * 1_000 + 100 * 10_000 + 200 * 100 + 300 * 2_000
    # Cached like the rest, where sound has no other price for that; and where nothing has one, sound like the rest.
    assert price(usage, parse_pricing({**sound, "input_cache_read": "0.0000001"})).prompt == 1_400_000 + 500 * 100
    assert price(usage, parse_pricing(sound)).prompt == 600 * 1_000 + 400 * 10_000
    assert price(usage, PLAIN) == price(Usage(1000, 0), PLAIN)


def test_images_cost_what_their_tokens_do_and_something_each() -> None:
    pricing = parse_pricing({"prompt": "0.000001", "image_token": "0.000004", "image": "0.002"})
    usage = Usage(1000, 0, prompt_image_tokens=300, prompt_images=2)
    assert price(usage, pricing).prompt == 700 * 1_000 + 300 * 4_000 + 2 * 2_000_000
    assert price(usage, PLAIN) == price(Usage(1000, 0), PLAIN)


def test_counts_that_exceed_the_whole_are_never_below_zero() -> None:
    pricing = parse_pricing({"prompt": "0.000001", "completion": "0.000001", "audio": "0.00001", "audio_output": "0"})
    odd = Usage(10, 5, cached_tokens=8, prompt_audio_tokens=9, completion_audio_tokens=6)
    assert price(odd, pricing).total == 8 * 1_000 + 2 * 10_000
    # More cached sound than was cached at all.
    assert price(replace(odd, cached_audio_tokens=20), pricing).total == 8 * 10_000 + 10_000 + 1_000


def test_no_digit_is_lost_however_many_there_are() -> None:
    """The default context has 28: it would lose what makes this a nano-dollar more."""
    tiny = Decimal("0.00000000000000000000000001")
    usage = Usage(10**12, 1)
    assert exact_cost(usage, Pricing(Decimal("0.005"), tiny))[0] == 5 * 10**9 + Fraction(tiny)
    assert price(usage, Pricing(Decimal("0.005"), tiny)).total == 5 * 10**18 + 1


@pytest.mark.parametrize(("tokens", "prompt", "completion"), [(100, 1, 2), (101, 3, 2), (200, 3, 2), (201, 5, 6)])
def test_all_tokens_of_a_longer_prompt_cost_more(tokens: int, prompt: int, completion: int) -> None:
    cost = price(Usage(tokens, 10), STEPPED, NOON)
    assert (cost.prompt, cost.completion) == (tokens * prompt * 1_000, 10 * completion * 1_000)
    # Without a time, the hours do not count.
    assert price(Usage(tokens, 10), STEPPED) == cost


@pytest.mark.parametrize(
    ("at_s", "prompt", "completion"),
    [
        (NOON, 5, 6),
        (NOON - 11 * HOUR - 1, 5, 6),
        (NOON - 11 * HOUR, 9, 6),
        (NOON - 8 * HOUR - 1, 9, 6),
        (NOON - 8 * HOUR, 5, 6),
        # Over midnight.
        (NOON + 10 * HOUR + 30 * 60, 5, 7),
        (NOON + 12 * HOUR + 30 * 60 - 1, 5, 7),
        (NOON + 12 * HOUR + 30 * 60, 5, 6),
    ],
)
def test_hours_change_prices_and_the_later_change_wins(at_s: int, prompt: int, completion: int) -> None:
    cost = price(Usage(201, 1), STEPPED, at_s)
    assert (cost.prompt, cost.completion) == (201 * prompt * 1_000, completion * 1_000)


@pytest.mark.parametrize("day", range(7))
def test_some_prices_hold_on_some_days(day: int) -> None:
    pricing = parse_pricing(
        {
            "prompt": "0.000001",
            "completion": "0.000001",
            "overrides": [
                {"utc_start": 1000, "utc_end": 1400, "utc_days": list(DAYS[:5]), "prompt": "0.000002"},
                {"utc_days": ["sunday"], "completion": "0.000003"},
            ],
        }
    )
    # NOON is a Tuesday's.
    noon = NOON + (day - 1) * 24 * HOUR
    assert price(Usage(1, 0), pricing, noon).total == (2_000 if day < 5 else 1_000)
    assert price(Usage(1, 0), pricing, noon + 3 * HOUR).total == 1_000
    midnight = noon - 12 * HOUR
    assert [price(Usage(0, 1), pricing, at_s).total for at_s in (midnight, midnight + 24 * HOUR - 1)] == (
        [3_000, 3_000] if day == 6 else [1_000, 1_000]
    )
    assert price(Usage(1, 1), pricing).total == 2_000


def test_a_day_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="'someday' is no day"):
        parse_pricing({"overrides": [{"utc_days": ["someday"], "prompt": "0"}]})


def test_what_a_prompt_may_reach() -> None:
    def prompts(tokens: int, at_s: int | None = None) -> list[Decimal]:
        return [rates.prompt * 1_000_000 for rates in STEPPED.reachable(tokens, at_s)]

    assert prompts(100) == [1]
    assert prompts(101) == [1, 3]
    assert prompts(10_000) == [1, 3, 5]
    assert prompts(10_000, NOON - 11 * HOUR) == [9, 9, 9]
    assert list(PLAIN.reachable(10_000, NOON)) == [PLAIN]


def test_output_is_priced_as_the_dearer_of_text_and_reasoning() -> None:
    assert (PLAIN.output, FULL.output) == (PLAIN.completion, Decimal("0.00002"))


def test_a_tier_replaces_parts_and_scales_what_changes_them() -> None:
    tier = in_tier(STEPPED, {"prompt": "0.0000005"})
    assert (tier.prompt, tier.completion) == (Decimal("0.0000005"), Decimal("0.000002"))
    long = tier.at(201, None)
    assert (long.prompt, long.completion) == (Decimal("0.0000025"), Decimal("0.000006"))
    free_before = in_tier(Pricing(overrides=STEPPED.overrides), {"prompt": "0.000001"})
    assert free_before.at(101, None).prompt == Decimal("0.000003")


def test_a_tier_with_steps_of_its_own_has_no_others() -> None:
    longer = [{"min_prompt_tokens": 100, "prompt": "0.0000004"}]
    tier = in_tier(STEPPED, {"prompt": "0.0000005", "overrides": longer})
    assert [tier.at(tokens, NOON - 11 * HOUR).prompt * 10**7 for tokens in (100, 101, 201)] == [5, 4, 4]
    assert in_tier(STEPPED, {"prompt": "0.0000005", "overrides": []}).overrides == ()


def test_a_cache_saves_money_or_costs_some() -> None:
    read = Usage(1000, 500, cached_tokens=600)
    assert cache_discount(read, FULL) == 600 * (3_000 - 300)
    assert cache_discount(Usage(1000, 500, cache_write_tokens=100), FULL) == 100 * (3_000 - 3_750)
    assert cache_discount(Usage(1000, 500), FULL) == 0
    assert cache_discount(read, PLAIN) == 0
    assert cache_discount(read, Pricing()) == 0


@given(
    st.lists(st.integers(0, 10_000), min_size=5, max_size=5),
    st.lists(prices, min_size=6, max_size=6),
)
def test_a_cost_and_its_discount_are_what_would_have_been_charged(counts: list[int], each: list[Decimal]) -> None:
    plain, read, short, long, sound = counts
    names = ("prompt", "input_cache_read", "input_cache_write", "input_cache_write_1h", "audio", "input_audio_cache")
    pricing = Pricing(**dict(zip(names, each, strict=True)))
    whole = plain + read + short + long + 2 * sound
    cached = Usage(
        whole, 7, cached_tokens=read + sound, cache_write_tokens=short + long, cache_write_1h_tokens=long,
        prompt_audio_tokens=2 * sound, cached_audio_tokens=sound,
    )  # fmt: skip
    without = price(Usage(whole, 7, prompt_audio_tokens=2 * sound), pricing).total
    assert price(cached, pricing).total + cache_discount(cached, pricing) == without


def test_every_part_can_be_read() -> None:
    pricing = parse_pricing(dict.fromkeys(PARTS, "0.001"))
    assert {getattr(pricing, part) for part in PARTS} == {Decimal("0.001")}


@given(st.sampled_from([PLAIN, FULL, STEPPED]), tokens, tokens, st.one_of(st.none(), st.integers(0, 2**33)))
def test_no_prompt_costs_more_than_what_it_may_reach(pricing: Pricing, given_: int, got: int, at_s: int | None) -> None:
    cost = price(Usage(given_, got), pricing, at_s).total
    assert cost <= max(price(Usage(given_, got), rates).total for rates in pricing.reachable(given_, at_s))


@pytest.mark.parametrize(
    ("price_", "text"), [("1.5E-7", "0.00000015"), ("1E+1", "10"), ("0.0100", "0.01"), ("0", "0"), ("100", "100")]
)
def test_prices_are_written_plainly(price_: str, text: str) -> None:
    assert present_price(Decimal(price_)) == text


@given(st.integers(0, 300), tokens, st.sampled_from([FULL, STEPPED]), st.decimals(0, 1, places=3))
def test_a_share_of_all_prices_is_that_share_of_the_cost(
    prompt: int, output: int, pricing: Pricing, by: Decimal
) -> None:
    usage = Usage(prompt, output, cached_tokens=prompt // 2, reasoning_tokens=output // 2)
    share = price(usage, multiplied(pricing, by), NOON).total
    whole = price(usage, pricing, NOON).total
    # Both are rounded up to whole nano-USD, each once.
    assert whole * by - by <= share < whole * by + 1


def test_nothing_of_all_prices_is_nothing() -> None:
    assert multiplied(STEPPED, Decimal(0)) == Pricing()
    assert multiplied(STEPPED, Decimal(1)) == STEPPED
    assert multiplied(multiplied(FULL, Decimal(4)), Decimal("0.25")) == FULL
