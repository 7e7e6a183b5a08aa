"""Prices per token, and what a generation costs at them."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from turnpike.domain.chat import Usage
from turnpike.domain.money import ZERO, NanoUsd, round_up

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Pricing:
    """USD per token (`request`: per request). None means that the part has no price of its own."""

    prompt: Decimal = _NOTHING
    completion: Decimal = _NOTHING
    request: Decimal = _NOTHING
    input_cache_read: Decimal | None = None
    input_cache_write: Decimal | None = None
    internal_reasoning: Decimal | None = None

    @property
    def is_free(self) -> bool:
        return not (self.prompt or self.completion or self.request)

    @property
    def combined(self) -> Decimal:
        """One figure to compare endpoints by: the two prices that make up nearly every bill."""
        return self.prompt + self.completion


@dataclass(frozen=True, slots=True)
class Cost:
    """What a generation costs. Each is rounded up by itself, so the parts need not sum to `total`, which is charged."""

    total: NanoUsd = ZERO
    prompt: NanoUsd = ZERO
    completion: NanoUsd = ZERO


def parse_pricing(prices: Mapping[str, str]) -> Pricing:
    """`{"prompt": "0.00000015", …}` as OpenRouter prints it. Raises ValueError, TypeError or ArithmeticError."""
    pricing = Pricing(**{part: Decimal(price) for part, price in prices.items()})
    for part, price in prices.items():
        if not Decimal(price).is_finite() or Decimal(price) < 0:
            raise ValueError(f"the price {part} = {price!r} is not a number of USD per token")
    return pricing


def price(usage: Usage, pricing: Pricing) -> Cost:
    """The cost of `usage`: cached and reasoning tokens at their own price where one is given."""
    read = pricing.input_cache_read
    write = pricing.input_cache_write
    reasoning = pricing.internal_reasoning
    # Never below zero: a provider that counts more cached than prompt tokens is wrong about one of them.
    prompt = (
        pricing.prompt * max(0, usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens)
        + (pricing.prompt if read is None else read) * usage.cached_tokens
        + (pricing.prompt if write is None else write) * usage.cache_write_tokens
    )
    completion = (
        pricing.completion * max(0, usage.completion_tokens - usage.reasoning_tokens)
        + (pricing.completion if reasoning is None else reasoning) * usage.reasoning_tokens
    )
    return Cost(round_up(prompt + completion + pricing.request), round_up(prompt), round_up(completion))


def tokens_for(amount: NanoUsd, price_per_token: Decimal) -> int:
    """How many whole tokens `amount` pays for; only asked of prices above zero."""
    return int(Decimal(amount) / (price_per_token * 1_000_000_000))
