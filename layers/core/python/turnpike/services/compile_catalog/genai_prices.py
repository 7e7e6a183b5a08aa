"""The prices of genai-prices, a list of providers with their models: https://github.com/pydantic/genai-prices.

Its published JSON (`prices/new_data/v2/data.json`, which its own package downloads, `prices/data.json`, which knows
fewer parts, and v3, with the list under `providers`) holds per model a `match` for ids, and `prices` in USD per
million tokens or thousand calls: one table, or several with conditions, of which the last that holds applies.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from turnpike.services.compile_catalog.models_dev import Rejected
from turnpike.services.compile_catalog.prices import Override, Prices, Tier, per_token, whole_price

MOST_MODELS = 5_000
_MOST_CLAUSES = 200

# Its key, ours, and for how many units of ten its price is. Where two of its keys are one of ours, the last wins.
_PARTS = (
    ("input_mtok", "prompt", 6),
    ("output_mtok", "completion", 6),
    ("cache_read_mtok", "input_cache_read", 6),
    ("cache_write_5m_mtok", "input_cache_write", 6),
    ("cache_write_mtok", "input_cache_write", 6),
    ("cache_write_1h_mtok", "input_cache_write_1h", 6),
    ("output_reasoning_mtok", "internal_reasoning", 6),
    ("input_audio_mtok", "audio", 6),
    ("output_audio_mtok", "audio_output", 6),
    ("cache_audio_read_mtok", "input_audio_cache", 6),
    ("input_image_mtok", "image_token", 6),
    ("output_image_mtok", "image_output", 6),
    ("requests_kcount", "request", 3),
    ("web_searches_kcount", "web_search", 3),
)
_TIERS = {"flex": "flex", "priority": "priority", "fast": "priority"}

# Patterns come from a download: those that could take forever on a wrong id are not even tried.
_HARMLESS = re.compile(r"(?!.*[+*}]\)?[+*{])[\w\s^$.()?:!|\\\[\]{},*+@/=-]{1,200}")
_TIME = re.compile(r"(\d\d):(\d\d)(?::\d\d)?(?:\.\d+)?(?:Z|\+00:00)?")

_Test = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class PricedModel:
    id: str
    matches: _Test
    prices: Prices | None
    """None for a model that is listed without prices: free somewhere, or not known."""


@dataclass(frozen=True, slots=True)
class PriceList:
    models: tuple[PricedModel, ...]
    fallbacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GenaiPrices:
    providers: Mapping[str, PriceList]
    rejected: tuple[Rejected, ...]

    def find(self, provider: str | None, ids: Iterable[str]) -> PricedModel | None:
        """The first model of the provider's own list that one of the ids matches; as published, in its order."""
        listed = self.providers.get(provider or "")
        return _first(listed.models, ids) if listed else None

    def find_elsewhere(self, provider: str | None, ids: Sequence[str]) -> PricedModel | None:
        """The same in the lists of providers whose models it also sells, at prices that may be others."""
        listed = self.providers.get(provider or "")
        for other in listed.fallbacks if listed else ():
            found = self.find(other, ids)
            if found is not None:
                return found
        return None


def _first(models: Sequence[PricedModel], ids: Iterable[str]) -> PricedModel | None:
    for id_ in ids:
        for model in models:
            if model.matches(id_.lower()):
                return model
    return None


def parse_genai_prices(raw: object, on: date) -> GenaiPrices:
    """Prices as they are `on` that day (UTC). JSON must have been read without floats (see `parse_json`)."""
    listed = raw.get("providers") if isinstance(raw, dict) else raw
    rejected: list[Rejected] = []
    providers: dict[str, PriceList] = {}
    for provider in listed if isinstance(listed, list) else ():
        id_, models = _get(provider, "id"), _get(provider, "models")
        if not isinstance(id_, str) or not isinstance(models, list):
            rejected.append(Rejected("genai-prices", str(id_)[:80], "the provider has no id or no models"))
            continue
        if len(models) > MOST_MODELS:
            rejected.append(Rejected(f"genai-prices {id_}", "*", "the provider lists too many models"))
        read = [(model, _model(model, on)) for model in models[:MOST_MODELS]]
        rejected += [
            Rejected(f"genai-prices {id_}", str(_get(model, "id"))[:80], result)
            for model, result in read
            if isinstance(result, str)
        ]
        fallbacks = _get(provider, "fallback_model_providers")
        providers[id_] = PriceList(
            tuple(result for _, result in read if not isinstance(result, str)),
            tuple(other for other in fallbacks if isinstance(other, str)) if isinstance(fallbacks, list) else (),
        )
    return GenaiPrices(providers, tuple(rejected))


def _model(raw: object, on: date) -> PricedModel | str:
    id_ = _get(raw, "id")
    matches = _test(_get(raw, "match"))
    if not isinstance(id_, str) or matches is None:
        return "its id or what it matches is not understood"
    tables = _get(raw, "prices")
    if isinstance(tables, dict):
        tables = [{"prices": tables}]
    if not isinstance(tables, list) or not tables:
        return "it has no prices"
    prices = _prices_on(tables, on)
    if isinstance(prices, str):
        return prices
    if prices is not None:
        prices = replace(prices, tiers=_tiers(_get(raw, "price_variants"), prices.overrides, on))
    return PricedModel(id_, matches, prices)


def _prices_on(tables: Sequence[object], on: date) -> Prices | str | None:
    """The last table that holds on that day is the base; later ones of a time of day override it."""
    base = max((place for place, table in enumerate(tables) if _holds(_get(table, "constraint"), on)), default=0)
    parts = _parts(_get(tables[base], "prices"))
    if isinstance(parts, str):
        return parts
    if "prompt" not in parts or "completion" not in parts:
        return None
    overrides = _steps(_get(tables[base], "prices"), {})
    for table in tables[base + 1 :]:
        hours = _hours(_get(table, "constraint"))
        if hours is None:
            continue
        within = _parts(_get(table, "prices"))
        if isinstance(within, str) or "prompt" not in within or "completion" not in within:
            return "its prices at a time of day are not understood"
        # A part without a price of its own then costs what the whole does, not what it did before.
        missing = {part: whole_price(part, within) or Decimal(0) for part in parts if part not in within}
        overrides += [Override(hours, {**within, **missing}), *_steps(_get(table, "prices"), hours)]
    return Prices(parts, tuple(overrides))


def _holds(constraint: object, on: date) -> bool:
    if constraint is None:
        return True
    start = _get(constraint, "start_date")
    try:
        return isinstance(start, str) and date.fromisoformat(start) <= on
    except ValueError:
        return False


def _hours(constraint: object) -> dict[str, int] | None:
    times = [_get(constraint, "start_time"), _get(constraint, "end_time")]
    found = [_TIME.fullmatch(time) if isinstance(time, str) else None for time in times]
    if found[0] is None or found[1] is None:
        return None
    start, end = (int(time[1]) * 100 + int(time[2]) for time in found if time)
    return {"utc_start": start, "utc_end": end}


def _parts(table: object) -> dict[str, Decimal] | str:
    parts: dict[str, Decimal] = {}
    for key, part, scale in _PARTS:
        value = _get(table, key)
        price = per_token(value.get("base") if isinstance(value, dict) else value, scale)
        if price is not None:
            parts[part] = price
        elif value is not None:
            return f"its price {key} is no price"
    return parts


def _steps(table: object, hours: Mapping[str, int]) -> list[Override]:
    """What is charged for all tokens of a request whose prompt is longer than a tier's start."""
    steps: dict[int, dict[str, Decimal]] = {}
    for key, part, scale in _PARTS:
        tiers = _get(_get(table, key), "tiers")
        for tier in tiers if isinstance(tiers, list) else ():
            start, price = _get(tier, "start"), per_token(_get(tier, "price"), scale)
            if isinstance(start, int) and start >= 0 and price is not None:
                steps.setdefault(start, {})[part] = price
    return [Override({**hours, "min_prompt_tokens": start}, steps[start]) for start in sorted(steps)]


def _tiers(variants: object, ordinary: Sequence[Override], on: date) -> dict[str, Tier]:
    """Service tiers alone: batches and other ways to send a request are none that we have.

    A price of a tier takes the place of the ordinary one and of all that changes it.
    """
    found: dict[str, dict[str, object]] = {}
    for variant in variants if isinstance(variants, list) else ():
        when, prices = _get(variant, "when"), _get(variant, "prices")
        tier = _get(when, "service_tier") if isinstance(when, dict) and len(when) == 1 else None
        name = _TIERS.get(tier) if isinstance(tier, str) else None
        if name and isinstance(prices, dict) and _holds(_get(variant, "constraint"), on):
            # The first that holds wins, part by part.
            found[name] = {**prices, **found.get(name, {})}
    tiers: dict[str, Tier] = {}
    for name, table in found.items():
        parts = _parts(table)
        if not isinstance(parts, str) and "prompt" in parts and "completion" in parts:
            kept = ((step, {part: step.parts[part] for part in step.parts if part not in parts}) for step in ordinary)
            inherited = (Override(step.conditions, rest) for step, rest in kept if rest)
            tiers[name] = Tier(parts, (*inherited, *_steps(table, {})))
    return tiers


def _test(clause: object, depth: int = 0) -> _Test | None:
    """What ids a clause matches, in lower case; None for a clause that is not understood."""
    if not isinstance(clause, dict) or len(clause) != 1 or depth > 4:
        return None
    (kind, value), *_ = clause.items()
    if kind in ("or", "and"):
        tests = [_test(item, depth + 1) for item in value[:_MOST_CLAUSES]] if isinstance(value, list) else []
        known = [test for test in tests if test is not None]
        if not known or len(known) < len(tests):
            return None
        together = any if kind == "or" else all
        return lambda text: together(test(text) for test in known)
    return _simple_test(str(kind), value) if isinstance(value, str) and 0 < len(value) <= 200 else None


def _simple_test(kind: str, value: str) -> _Test | None:
    wanted = value.lower()
    if kind == "equals":
        return lambda text: text == wanted
    if kind == "starts_with":
        return lambda text: text.startswith(wanted)
    if kind == "ends_with":
        return lambda text: text.endswith(wanted)
    if kind == "contains":
        return lambda text: wanted in text
    if kind != "regex" or not _HARMLESS.fullmatch(value):
        return None
    try:
        pattern = re.compile(value)
    except re.error:
        return None
    return lambda text: pattern.search(text) is not None


def _get(raw: object, key: str) -> object:
    return raw.get(key) if isinstance(raw, dict) else None
