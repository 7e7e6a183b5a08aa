"""The endpoints of one provider: its models joined to canonical ones, priced and described."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from turnpike.services.compile_catalog.genai_prices import GenaiPrices
from turnpike.services.compile_catalog.joining import Joined, Joiner, Unmatched, preference
from turnpike.services.compile_catalog.models import CanonicalModel
from turnpike.services.compile_catalog.models_dev import SourceModel
from turnpike.services.compile_catalog.parameters import supported_parameters
from turnpike.services.compile_catalog.prices import Prices
from turnpike.services.compile_catalog.pricing import Disagreement, Priced, price_endpoint
from turnpike.services.compile_catalog.settings import Policy, ProviderSource

_UNSERVED_STATUS = frozenset({"deprecated"})
_MOST_DAYS_APART = 60
"""A name without its date, `-latest` or `-preview` is the same model only if it came out at about the same time."""


@dataclass(frozen=True, slots=True)
class CompiledEndpoint:
    slug: str
    provider: str
    upstream_model: str
    wire: str | None
    prices: Prices
    context: int
    output: int | None
    parameters: frozenset[str]
    policy: Policy
    quantization: str = "unknown"
    variant: str | None = None
    region: str | None = None
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One of a provider's ids that leads to no endpoint, and why."""

    provider: str
    id: str
    reason: str


@dataclass(slots=True)
class Compiled:
    """What came of one provider."""

    endpoints: list[CompiledEndpoint] = field(default_factory=list)
    unmatched: list[LeftOut] = field(default_factory=list)
    folded: list[LeftOut] = field(default_factory=list)
    """Other names of an endpoint that is there."""
    disagreements: list[Disagreement] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class EndpointSources:
    """All that endpoints are compiled from, whoever's they are."""

    models: Mapping[str, CanonicalModel]
    joiner: Joiner
    genai: GenaiPrices


def compile_endpoints(source: ProviderSource, listed: Mapping[str, SourceModel], given: EndpointSources) -> Compiled:
    compiled = Compiled()
    for model, joined in _joined(source, listed, given, compiled):
        wire = source.wire_of(model.id)
        if model.wire and not wire:
            compiled.unmatched.append(LeftOut(source.slug, model.id, "it is spoken to in another way, or elsewhere"))
            continue
        priced = price_endpoint(model, source, given.genai, _price_names(model.id, joined))
        compiled.disagreements += priced.disagreements
        if priced.prices is None:
            compiled.unmatched.append(LeftOut(source.slug, model.id, "nobody says what it costs"))
        elif priced.prices.is_free and not priced.is_confirmed and not joined.slug.endswith(":free"):
            compiled.unmatched.append(LeftOut(source.slug, model.id, "only one source says that it costs nothing"))
        else:
            compiled.endpoints.append(_endpoint(source, model, joined, wire, priced))
    return compiled


def _joined(
    source: ProviderSource, listed: Mapping[str, SourceModel], given: EndpointSources, compiled: Compiled
) -> Iterator[tuple[SourceModel, Joined]]:
    """One id for each endpoint; what else the provider lists is told to `compiled`."""
    places: dict[tuple[str, str, str | None], list[tuple[SourceModel, Joined]]] = {}
    for id_ in sorted(listed):
        model = listed[id_]
        joined = _join(source, model, given)
        if model.status in _UNSERVED_STATUS:
            compiled.unmatched.append(LeftOut(source.slug, id_, f"it is {model.status}"))
        elif isinstance(joined, Unmatched):
            compiled.unmatched.append(LeftOut(source.slug, id_, joined.reason))
        else:
            places.setdefault((joined.slug, joined.quantization, joined.variant), []).append((model, joined))
    for names in places.values():
        names.sort(key=lambda name: preference(name[0].id, name[1], name[0].released))
        for model, _ in names[1:]:
            compiled.folded.append(LeftOut(source.slug, model.id, f"is another name of {names[0][0].id}"))
        yield names[0]


def _join(source: ProviderSource, listed: SourceModel, given: EndpointSources) -> Joined | Unmatched:
    id_ = listed.id
    if "openrouter" in source.models_dev:
        # The canonical names are its own.
        return Joined(id_, 0) if id_ in given.models else Unmatched("it is an alias or a router")
    joined = given.joiner.join(id_, source)
    if isinstance(joined, Joined) and joined.is_loose:
        apart = _days_apart(listed.released, given.models[joined.slug].source.released)
        if apart is not None and apart > _MOST_DAYS_APART:
            return Unmatched(f"would be {joined.slug}, but was released {apart} days from it")
    return joined


def _days_apart(first: str | None, second: str | None) -> int | None:
    """Between two dates of release, where both are known to the day."""
    try:
        return abs((date.fromisoformat(first or "") - date.fromisoformat(second or "")).days)
    except ValueError:
        return None


def _price_names(id_: str, joined: Joined) -> list[str]:
    """Of the endpoint in genai-prices: the provider's id, or its last part, or without what comes behind an @."""
    names = [id_, id_.partition("@")[0], id_.rpartition("/")[2]]
    return list(dict.fromkeys(name for name in names if name))


def _endpoint(
    source: ProviderSource, model: SourceModel, joined: Joined, wire: str | None, priced: Priced
) -> CompiledEndpoint:
    assert priced.prices is not None  # noqa: S101  # Decided by who calls.
    return CompiledEndpoint(
        slug=joined.slug,
        provider=source.slug,
        upstream_model=model.id.removesuffix("@default"),
        wire=wire if wire != source.wire else None,
        prices=priced.prices,
        context=model.context,
        output=model.output,
        parameters=supported_parameters(model, source, wire or source.wire),
        policy=source.policy_of(model.id),
        quantization=joined.quantization,
        variant=joined.variant,
        region=joined.region,
        inputs=model.inputs,
    )
