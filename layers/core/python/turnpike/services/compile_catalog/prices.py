"""Prices of one endpoint: exact, in USD per token (`request`, `web_search`: each), with what changes them.

Named as OpenRouter prints them; so are the conditions of an override, of which the later one wins:
https://openrouter.ai/docs/api-reference/list-available-models.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal

from turnpike.domain.pricing import CONDITIONS, MOST_PER_CALL, MOST_PER_TOKEN, PARTS, present_price

_EXACT = Context(prec=12)
"""More digits are what is left of somebody's floating point, as in 0.049999999999999996."""


@dataclass(frozen=True, slots=True)
class Override:
    """Other prices where all conditions hold: more prompt tokens than this, or a time of day (HHMM, UTC)."""

    conditions: Mapping[str, int]
    parts: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Prices:
    parts: Mapping[str, Decimal]
    overrides: tuple[Override, ...] = ()
    tiers: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    """The parts that cost something else in a service tier: `flex`, `priority`."""

    @property
    def is_free(self) -> bool:
        return not any(self.parts.get(part) for part in ("prompt", "completion", "request"))


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
        presented["overrides"] = [
            {
                **{name: override.conditions[name] for name in CONDITIONS if name in override.conditions},
                **present_parts(override.parts),
            }
            for override in prices.overrides
        ]
    return presented


def present_tiers(prices: Prices) -> dict[str, dict[str, str]]:
    return {tier: present_parts(prices.tiers[tier]) for tier in sorted(prices.tiers)}
