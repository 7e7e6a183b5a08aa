"""Prices of one endpoint: exact, in USD per token (`request`, `web_search`: each), with what changes them.

Named as OpenRouter prints them; so are the conditions of an override, of which the later one wins:
https://openrouter.ai/docs/api-reference/list-available-models.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal

from turnpike.domain.pricing import CONDITIONS, MOST_PER_CALL, MOST_PER_TOKEN, PARTS, present_price

_EXACT = Context(prec=12)
"""More digits are what is left of somebody's floating point, as in 0.049999999999999996."""


@dataclass(frozen=True, slots=True)
class Override:
    """Other prices where all conditions hold: more prompt tokens than this, a time of day (HHMM, UTC), or days."""

    conditions: Mapping[str, int | Sequence[str]]
    parts: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Tier:
    """The parts that cost something else in a service tier, and all that then changes a price in it."""

    parts: Mapping[str, Decimal]
    overrides: tuple[Override, ...] = ()


@dataclass(frozen=True, slots=True)
class Prices:
    parts: Mapping[str, Decimal]
    overrides: tuple[Override, ...] = ()
    tiers: Mapping[str, Tier] = field(default_factory=dict)
    """By service tier: `flex`, `priority`."""

    @property
    def is_free(self) -> bool:
        return not any(self.parts.get(part) for part in ("prompt", "completion", "request"))


_WHOLES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("internal_reasoning", "audio_output", "image_output"), ("completion",)),
    **dict.fromkeys(("audio", "image_token", "input_cache_read", "input_cache_write"), ("prompt",)),
    "input_audio_cache": ("input_cache_read", "audio", "prompt"),
    "input_cache_write_1h": ("input_cache_write", "prompt"),
}
"""What is paid for a part that has no price of its own: the first of these that has one."""


def whole_price(part: str, parts: Mapping[str, Decimal]) -> Decimal | None:
    """What the part costs where it has no price of its own; None for what then costs nothing."""
    return next((parts[whole] for whole in _WHOLES.get(part, ()) if whole in parts), None)


def without_echoes(prices: Prices) -> Prices:
    """Less the parts that cost what they would anyway.

    As prices of their own they would stay what they are where length, hour or tier changes what they repeat: lists
    name thinking at the price of an answer, and leave it out where long prompts make answers dearer.
    """
    parts = {part: price for part, price in prices.parts.items() if price != whole_price(part, prices.parts)}
    return replace(prices, parts=parts)


def per_token(value: object, scale: int = 6) -> Decimal | None:
    """A price for 10^`scale` units as the price of one; None for what is no price. Never touches a float."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return None
    price = Decimal(value)
    if not price.is_finite() or price < 0:
        return None
    one = _EXACT.create_decimal(price).scaleb(-scale)
    return one if one <= (MOST_PER_TOKEN if scale == 6 else MOST_PER_CALL) else None


def present_parts(parts: Mapping[str, Decimal]) -> dict[str, str]:
    return {part: present_price(parts[part]) for part in PARTS if part in parts}


def present_prices(prices: Prices) -> dict[str, object]:
    """As an endpoint's `pricing` stands in the artefact."""
    presented: dict[str, object] = dict(present_parts(prices.parts))
    if prices.overrides:
        presented["overrides"] = _present_overrides(prices.overrides)
    return presented


def present_tiers(prices: Prices) -> dict[str, dict[str, object]]:
    """As an endpoint's `tiers` stand there: what changes their prices is said where anything changes any."""
    presented: dict[str, dict[str, object]] = {}
    for name in sorted(prices.tiers):
        tier = prices.tiers[name]
        presented[name] = dict(present_parts(tier.parts))
        if prices.overrides or tier.overrides:
            presented[name]["overrides"] = _present_overrides(tier.overrides)
    return presented


def _present_overrides(overrides: Iterable[Override]) -> list[dict[str, object]]:
    return [
        {
            **{name: override.conditions[name] for name in CONDITIONS if name in override.conditions},
            **present_parts(override.parts),
        }
        for override in overrides
    ]
