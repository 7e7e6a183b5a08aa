"""Whether a new artefact may take the place of the last good one.

Data that others publish can be cut short, emptied or spoilt, and a catalog that believes it would stop serving models
or sell them for nothing. Each reason is one sentence for the alarm.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Limits:
    """What a refresh may change at most."""

    least_models: int = 300
    least_providers: int = 15
    kept_share: Decimal = Decimal("0.8")
    """Of models, endpoints and providers."""
    price_factor: int = 10
    most_jumps: Decimal = Decimal("0.02")
    """The share of endpoints whose price may change by more than the factor, or fall to nothing."""


_LIMITS = Limits()

_Endpoints = Mapping[tuple[str, ...], Decimal]


def compare(previous: object, following: object, limits: Limits = _LIMITS) -> tuple[str, ...]:
    """Why `following` is refused; empty if it may be used. `previous` is None where there is none."""
    return tuple(_reasons(previous, following, limits))


def _reasons(previous: object, following: object, limits: Limits) -> Iterator[str]:
    counts, earlier = _counts(following), _counts(previous)
    for name, least in (("models", limits.least_models), ("providers", limits.least_providers)):
        if counts[name] < least:
            yield f"It has {counts[name]} {name}, and at least {least} are expected."
    if previous is None:
        return
    for name, count in counts.items():
        if count < earlier[name] * limits.kept_share:
            yield f"It has {count} {name}, and the last good one has {earlier[name]}."
    yield from _price_reasons(_prices(previous), _prices(following), limits)
    gone = sorted(set(_table(previous, "models")) - set(_table(following, "models")))
    if len(gone) > earlier["models"] * (1 - limits.kept_share):
        yield f"{len(gone)} models are gone from it, {', '.join(gone[:5])} among them."


def _price_reasons(before: _Endpoints, after: _Endpoints, limits: Limits) -> Iterator[str]:
    both = sorted(before.keys() & after.keys())
    allowed = max(3, int(len(both) * limits.most_jumps))
    jumps = [mark for mark in both if _jumps(before[mark], after[mark], limits.price_factor)]
    gifts = [mark for mark in both if before[mark] and not after[mark]]
    if len(jumps) > allowed:
        yield (
            f"{len(jumps)} of {len(both)} endpoints cost more than {limits.price_factor} times as much or as little "
            f"as before, {_shown(jumps)} among them."
        )
    if len(gifts) > allowed:
        yield f"{len(gifts)} of {len(both)} endpoints would cost nothing any more, {_shown(gifts)} among them."


def _jumps(before: Decimal, after: Decimal, factor: int) -> bool:
    return bool(before and after) and not before / factor <= after <= before * factor


def _shown(marks: list[tuple[str, ...]]) -> str:
    return ", ".join(f"{mark[0]} at {mark[1]}" for mark in marks[:3])


def _counts(artefact: object) -> dict[str, int]:
    models = _table(artefact, "models")
    return {
        "models": len(models),
        "endpoints": sum(len(_endpoints(model)) for model in models.values()),
        "providers": len(_table(artefact, "providers")),
    }


def _prices(artefact: object) -> _Endpoints:
    """Prompt and completion together, by what an endpoint is known by."""
    found: dict[tuple[str, ...], Decimal] = {}
    for slug, model in _table(artefact, "models").items():
        for endpoint in _endpoints(model):
            pricing = _table(endpoint, "pricing")
            mark = (slug, *(str(endpoint.get(key, "")) for key in ("provider", "quantization", "variant")))
            found[mark] = Decimal(str(pricing.get("prompt", 0))) + Decimal(str(pricing.get("completion", 0)))
    return found


def _table(value: object, key: str) -> Mapping[str, object]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _endpoints(model: object) -> list[dict[str, object]]:
    found = model.get("endpoints") if isinstance(model, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
