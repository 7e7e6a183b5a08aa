"""What a generation costs, at the prices of what was used."""

from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

from turnpike.domain.chat import Usage
from turnpike.domain.money import NANO_PER_USD, ZERO, NanoUsd, round_up
from turnpike.domain.pricing import EXACT, Pricing

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a generation costs. Each is rounded up by itself, so the parts need not sum to `total`, which is charged."""

    total: NanoUsd = ZERO
    prompt: NanoUsd = ZERO
    completion: NanoUsd = ZERO


def price(usage: Usage, pricing: Pricing, at_s: float | None = None) -> Cost:
    """The cost of `usage` at a time in epoch seconds: what has a price of its own at it, the rest at that of text.

    Without a time, the prices of certain hours are left out of account.
    """
    total, prompt, completion = exact_cost(usage, pricing, at_s)
    return Cost(round_up(total), round_up(prompt), round_up(completion))


def exact_cost(usage: Usage, pricing: Pricing, at_s: float | None = None) -> tuple[Decimal, Decimal, Decimal]:
    """(total, prompt, completion) in USD, of which not a digit has been rounded."""
    rates = pricing.at(usage.prompt_tokens, at_s) if pricing.overrides else pricing
    with localcontext(EXACT):
        prompt, completion = _prompt_cost(usage, rates), _completion_cost(usage, rates)
        total = prompt + completion + rates.request * max(usage.search_units, 1)
        if usage.web_search_requests and rates.web_search is not None:
            total += rates.web_search * usage.web_search_requests
    return total, prompt, completion


def cache_discount(usage: Usage, pricing: Pricing, at_s: float | None = None) -> NanoUsd:
    """What the provider's prompt cache saved: the cost without it, less the cost. Below zero where a prompt was only
    written to a cache, and its provider charges for that.

    The difference of two amounts that were each rounded up, as a charge is: so cost and discount together are to the
    nano-dollar what would have been charged, and the discount is less than one away from the exact difference.
    """
    plain = replace(usage, cached_tokens=0, cached_audio_tokens=0, cache_write_tokens=0, cache_write_1h_tokens=0)
    return NanoUsd(price(plain, pricing, at_s).total - price(usage, pricing, at_s).total)


def tokens_for(amount: NanoUsd, price_per_token: Decimal) -> int:
    """How many whole tokens `amount` pays for; only asked of prices above zero."""
    return int(Decimal(amount) / (price_per_token * NANO_PER_USD))


def _prompt_cost(usage: Usage, rates: Pricing) -> Decimal:
    read, write = usage.cached_tokens, usage.cache_write_tokens
    # Never below zero: a provider that counts more cached than prompt tokens is wrong about one of them.
    plain = max(0, usage.prompt_tokens - read - write)
    cached_audio = min(usage.cached_audio_tokens, read)
    cost = _NOTHING
    for tokens, its_price in (
        (usage.prompt_audio_tokens - cached_audio, rates.audio),
        (usage.prompt_image_tokens, rates.image_token),
    ):
        if tokens > 0 and its_price is not None:
            # What the cache took of it, as far as nobody says, was taken from what has no price of its own.
            apart = min(tokens, plain)
            plain -= apart
            cost += its_price * apart
    if read:
        read_price = rates.prompt if rates.input_cache_read is None else rates.input_cache_read
        cost += read_price * (read - cached_audio)
        if cached_audio:
            # Where nothing is cheaper for being cached, sound is still sound.
            uncached = rates.audio if rates.input_cache_read is None else None
            prices = (rates.input_audio_cache, uncached, read_price)
            cost += next(price for price in prices if price is not None) * cached_audio
    if write:
        short_price = rates.prompt if rates.input_cache_write is None else rates.input_cache_write
        long = min(usage.cache_write_1h_tokens, write) if rates.input_cache_write_1h is not None else 0
        cost += short_price * (write - long) + (rates.input_cache_write_1h or _NOTHING) * long
    if usage.prompt_images and rates.image is not None:
        cost += rates.image * usage.prompt_images
    if usage.prompt_characters and rates.character is not None:
        cost += rates.character * usage.prompt_characters
    if usage.prompt_audio_ms and rates.second is not None:
        cost += rates.second * usage.prompt_audio_ms / 1000
    return cost + rates.prompt * plain


def _completion_cost(usage: Usage, rates: Pricing) -> Decimal:
    plain = usage.completion_tokens
    cost = rates.image_of(usage.image_variant) * usage.completion_images if usage.completion_images else _NOTHING
    for tokens, its_price in (
        (usage.reasoning_tokens, rates.internal_reasoning),
        (usage.completion_audio_tokens, rates.audio_output),
        (usage.completion_image_tokens, rates.image_output),
    ):
        if tokens and its_price is not None:
            cost += its_price * tokens
            plain -= tokens
    return cost + rates.completion * max(0, plain)
