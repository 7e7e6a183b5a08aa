"""What an endpoint costs, by two sources that may disagree: the newer one wins, and the disagreement is told."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from turnpike.domain.pricing import present_price
from turnpike.services.compile_catalog.genai_prices import GenaiPrices
from turnpike.services.compile_catalog.models_dev import SourceModel
from turnpike.services.compile_catalog.prices import Prices, without_echoes
from turnpike.services.compile_catalog.settings import ProviderSource

_BASE = ("prompt", "completion")
_SEARCH = "web_search"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Both sources know a price, and not the same; USD per token as text. That of genai-prices is used."""

    provider: str
    upstream_model: str
    part: str
    models_dev: str
    genai_prices: str


@dataclass(frozen=True, slots=True)
class Priced:
    prices: Prices | None
    """None where nobody says what the endpoint costs."""
    disagreements: tuple[Disagreement, ...] = ()
    is_confirmed: bool = False
    """Whether both sources know it, and agree on the base prices."""


def price_endpoint(model: SourceModel, source: ProviderSource, genai: GenaiPrices, ids: Sequence[str]) -> Priced:
    """`ids` are the names to look for in genai-prices, the surest first."""
    priced = _priced(model, source, genai, ids)
    if priced.prices is None:
        return priced
    prices = _with_search(priced.prices, source.price_of_search(model.id))
    return replace(priced, prices=without_echoes(_on_days(prices, source.hours_on)))


def _priced(model: SourceModel, source: ProviderSource, genai: GenaiPrices, ids: Sequence[str]) -> Priced:
    listed = model.prices
    own = genai.find(source.genai_prices, ids)
    newer = own.prices if own else None
    if newer is None and listed is None:
        # Where a provider sells another's models, its price is the best guess that its own list knows of.
        other = genai.find_elsewhere(source.genai_prices, ids)
        newer = other.prices if other else None
    if newer is None:
        return Priced(listed)
    if listed is None:
        return Priced(newer)
    if newer.is_free and not listed.is_free:
        # More likely a hole than a gift; it would be given away for as long as nobody looks.
        return Priced(listed, tuple(_disagreements(model, source, listed, newer, _BASE)))
    found = tuple(_disagreements(model, source, listed, newer, (*_BASE, "input_cache_read", "input_cache_write")))
    agree = all(listed.parts.get(part) == newer.parts.get(part) for part in _BASE)
    return Priced(_merged(newer, listed) if agree else newer, found, agree)


def _with_search(prices: Prices, price: Decimal | None) -> Prices:
    if price is None or _SEARCH in prices.parts:
        return prices
    return replace(prices, parts={**prices.parts, _SEARCH: price})


def _on_days(prices: Prices, days: Sequence[str]) -> Prices:
    """With the days of its hours, which neither source can say."""
    if not days:
        return prices
    return replace(
        prices,
        overrides=tuple(
            replace(step, conditions={**step.conditions, "utc_days": list(days)})
            if "utc_start" in step.conditions
            else step
            for step in prices.overrides
        ),
    )


def _merged(newer: Prices, older: Prices) -> Prices:
    """Where they agree on the base, what only the older one knows is still worth having."""
    return Prices({**older.parts, **newer.parts}, newer.overrides, newer.tiers)


def _disagreements(
    model: SourceModel, source: ProviderSource, listed: Prices, newer: Prices, parts: Sequence[str]
) -> list[Disagreement]:
    found = [
        Disagreement(source.slug, model.id, part, present_price(listed.parts[part]), present_price(newer.parts[part]))
        for part in parts
        if part in listed.parts and part in newer.parts and listed.parts[part] != newer.parts[part]
    ]
    if not found and _steps(listed) != _steps(newer):
        found.append(Disagreement(source.slug, model.id, "overrides", _shown(listed), _shown(newer)))
    return found


def _steps(prices: Prices) -> list[tuple[int, Decimal | None]]:
    """The tiers by context length, to the nearest thousand: some say 199,999 where others say 200,000."""
    return [
        (round(start, -3), override.parts.get("prompt"))
        for override in prices.overrides
        if isinstance(start := override.conditions.get("min_prompt_tokens"), int) and len(override.conditions) == 1
    ]


def _shown(prices: Prices) -> str:
    steps = [f"over {start:,}: {present_price(price or Decimal(0))}" for start, price in _steps(prices)]
    return ", ".join(steps) or "none"
