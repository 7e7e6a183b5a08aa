"""The data of models.dev, read into what we know of it: https://models.dev/api.json.

`{provider: {"models": {id: {"name", "release_date", "limit": {"context", "output"}, "modalities", "cost", ...}}}}`,
with `cost` in USD per million tokens. What makes no sense is left out with its reason, and never raises.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from turnpike.services.compile_catalog.prices import Override, Prices, per_token, whole_price

MOST_MODELS = 3_000
"""Of one provider; the largest lists 525."""
MOST_CONTEXT = 20_000_000
"""In tokens; some lists use 99,999,999 for a length they do not know."""

# Ids become parts of addresses, so nothing may stand in one that leads elsewhere.
_ID = re.compile(r"(?!.*(\.\.|//))[\w~@][\w.:@/~+-]{0,159}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}(-\d{2})?")
_MODALITIES = {"text": "text", "image": "image", "pdf": "file", "audio": "audio", "video": "video"}
_COST = {
    "input": "prompt",
    "output": "completion",
    "cache_read": "input_cache_read",
    "cache_write": "input_cache_write",
    "reasoning": "internal_reasoning",
    "input_audio": "audio",
    "output_audio": "audio_output",
}


@dataclass(frozen=True, slots=True)
class SourceModel:
    """A model as one provider lists it. `released` and `knowledge` are `YYYY-MM-DD` or `YYYY-MM`; None is unknown."""

    id: str
    name: str
    context: int
    output: int | None
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    released: str | None = None
    knowledge: str | None = None
    family: str | None = None
    reasoning: bool = False
    tools: bool = False
    structured: bool | None = None
    temperature: bool | None = None
    open_weights: bool = False
    status: str | None = None
    wire: str | None = None
    """The SDK that it wants, where it is another than its provider's."""
    prices: Prices | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """An entry that was left out, with the reason in plain words."""

    provider: str
    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ModelsDev:
    providers: Mapping[str, Mapping[str, SourceModel]]
    rejected: tuple[Rejected, ...]


def parse_models_dev(raw: object, wanted: frozenset[str]) -> ModelsDev:
    """The models of the `wanted` providers. JSON must have been read without floats (see `parse_json`)."""
    providers: dict[str, dict[str, SourceModel]] = {}
    rejected: list[Rejected] = []
    for provider in sorted(wanted):
        listed = _get(_get(raw, provider), "models")
        if not isinstance(listed, dict):
            rejected.append(Rejected(provider, "*", "the provider is missing"))
            continue
        models = providers.setdefault(provider, {})
        for id_ in sorted(key for key in listed if isinstance(key, str)):
            read = _model(id_, listed[id_]) if len(models) < MOST_MODELS else "the provider lists too many models"
            if isinstance(read, str):
                rejected.append(Rejected(provider, id_[:160], read))
            else:
                models[id_] = read
    return ModelsDev(providers, tuple(rejected))


def _model(id_: str, raw: object) -> SourceModel | str:
    """The model, or what is wrong with it."""
    name, limit = _get(raw, "name"), _get(raw, "limit")
    if not _ID.fullmatch(id_) or not isinstance(name, str) or not 0 < len(name) <= 200:
        return "its id or its name is not a short text"
    context, output = _length(_get(limit, "context")), _length(_get(limit, "output"))
    if context is None:
        return "its context length is missing or absurd"
    inputs, outputs = _modalities(raw, "input"), _modalities(raw, "output")
    if "text" not in inputs or "text" not in outputs:
        return "it does not turn text into text"
    family, status = _get(raw, "family"), _get(raw, "status")
    prices = _prices(_get(raw, "cost"))
    if isinstance(prices, str):
        return prices
    return SourceModel(
        id=id_,
        name=" ".join(name.split()),
        context=context,
        output=min(output, context) if output else None,
        inputs=inputs,
        outputs=outputs,
        released=_date(_get(raw, "release_date")),
        knowledge=_date(_get(raw, "knowledge")),
        family=family if isinstance(family, str) else None,
        reasoning=_get(raw, "reasoning") is True,
        tools=_get(raw, "tool_call") is True,
        structured=_flag(_get(raw, "structured_output")),
        temperature=_flag(_get(raw, "temperature")),
        open_weights=_get(raw, "open_weights") is True,
        status=status if isinstance(status, str) else None,
        wire=_wire(_get(raw, "provider")),
        prices=prices,
    )


def _prices(cost: object) -> Prices | str | None:
    if not isinstance(cost, dict):
        return None
    parts = _parts(cost)
    if parts is None:
        return "one of its prices is no price"
    if "prompt" not in parts or "completion" not in parts:
        return None
    return Prices(parts, tuple(_overrides(cost)))


def _parts(cost: Mapping[str, object]) -> dict[str, Decimal] | None:
    """None where one of them makes no sense: then the others are not to be trusted either."""
    parts = {}
    for name, part in _COST.items():
        if cost.get(name) is not None:
            price = per_token(cost[name])
            if price is None:
                return None
            parts[part] = price
    return {part: price for part, price in parts.items() if _is_likely(part, price, parts)}


def _is_likely(part: str, price: Decimal, parts: Mapping[str, Decimal]) -> bool:
    """Whether a part may be believed to have this price of its own.

    Zero stands for what nobody knows here, such as Cerebras' cache, which saves time and no money, or for what is
    free beside the price, such as the room in Z.ai's cache; whoever believes it gives cached prompts away. And a cache
    dearer than the prompt is some other model's.
    https://inference-docs.cerebras.ai/capabilities/prompt-caching, https://docs.z.ai/guides/overview/pricing
    """
    whole = whole_price(part, parts)
    if whole is None:
        return True
    return (price > 0 or whole == 0) and not (part == "input_cache_read" and price > whole)


def _overrides(cost: Mapping[str, object]) -> Iterator[Override]:
    """`tiers` where there are any; `context_over_200k` says the same of one of them, with a wrong number."""
    tiers = cost.get("tiers")
    if isinstance(tiers, list) and tiers:
        steps = [(_length(_get(_get(tier, "tier"), "size")), tier) for tier in tiers if isinstance(tier, dict)]
    else:
        over = cost.get("context_over_200k")
        steps = [(200_000, over)] if isinstance(over, dict) else []
    known = [(size, tier) for size, tier in steps if size is not None]
    for size, tier in sorted(known, key=lambda step: step[0]):
        parts = _parts(tier)
        if parts:
            yield Override({"min_prompt_tokens": size}, parts)


def _get(raw: object, key: str) -> object:
    return raw.get(key) if isinstance(raw, dict) else None


def _length(value: object) -> int | None:
    is_length = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST_CONTEXT
    return value if isinstance(value, int) and is_length else None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _date(value: object) -> str | None:
    return value if isinstance(value, str) and _DATE.fullmatch(value) else None


def _modalities(raw: object, side: str) -> tuple[str, ...]:
    listed = _get(_get(raw, "modalities"), side)
    found = {_MODALITIES.get(item) for item in listed if isinstance(item, str)} if isinstance(listed, list) else set()
    return tuple(name for name in _MODALITIES.values() if name in found)


def _wire(provider: object) -> str | None:
    for key in ("npm", "api"):
        value = _get(provider, key)
        if isinstance(value, str):
            return value
    return None
