"""From parsed sources to the artefact, with a report of what was left out on the way."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NoReturn

from turnpike.domain.catalog_tables import Row
from turnpike.services.catalog_overrides import apply_overrides
from turnpike.services.compile_catalog.endpoints import (
    CompiledEndpoint,
    EndpointSources,
    LeftOut,
    compile_endpoints,
)
from turnpike.services.compile_catalog.genai_prices import parse_genai_prices
from turnpike.services.compile_catalog.joining import Joiner
from turnpike.services.compile_catalog.models import CanonicalModel, canonical_models, is_alias, newest_of_family
from turnpike.services.compile_catalog.models_dev import Rejected, SourceModel, parse_models_dev
from turnpike.services.compile_catalog.prices import present_prices, present_tiers
from turnpike.services.compile_catalog.pricing import Disagreement
from turnpike.services.compile_catalog.settings import Settings

FORMAT = 1
CANONICAL = "openrouter"
"""The provider of models.dev whose ids are the canonical names."""

Artefact = dict[str, object]


@dataclass(frozen=True, slots=True)
class CompiledCatalog:
    artefact: Artefact
    unmatched: tuple[LeftOut, ...]
    """Ids of served providers that lead to no endpoint."""
    folded: tuple[LeftOut, ...]
    rejected: tuple[Rejected, ...]
    """Entries of the sources that make no sense."""
    disagreements: tuple[Disagreement, ...]
    skipped: tuple[str, ...] = ()
    """Overrides that speak of what is not there."""


def parse_json(data: bytes) -> object:
    """JSON without floats: numbers that are not whole become decimals. Raises ValueError."""
    return json.loads(data, parse_float=Decimal, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def compile_catalog(
    models_dev: object,
    genai_prices: object,
    settings: Settings,
    *,
    on: date,
    overrides: Sequence[Row] = (),
    is_strict: bool = True,
) -> CompiledCatalog:
    """The catalog with the prices of a day. Raises CatalogFileError for overrides that cannot be applied.

    Without `is_strict`, as a refresh wants it, those that speak of what the data lacks are left out and listed.
    """
    wanted = frozenset({CANONICAL, *(id_ for source in settings.sources for id_ in source.models_dev)})
    listed = parse_models_dev(models_dev, wanted)
    genai = parse_genai_prices(genai_prices, on)
    canonical = listed.providers.get(CANONICAL, {})
    models = canonical_models(canonical, settings.names)
    given = EndpointSources(models, Joiner(models, settings.names), genai)
    compiled = [
        compile_endpoints(source, _merged(listed.providers, source.models_dev), given) for source in settings.sources
    ]
    aliases, unresolved = _aliases(canonical, models)
    endpoints = [endpoint for each in compiled for endpoint in each.endpoints]
    body = {
        "format": FORMAT,
        "providers": _present_providers(settings),
        "models": _present_models(models, endpoints),
        "aliases": aliases,
    }
    skipped: list[str] = []
    for file in overrides:
        apply_overrides(body, file, skipped=None if is_strict else skipped)
    _drop_unserving(body)
    return CompiledCatalog(
        artefact=_sealed(body),
        unmatched=(*(item for each in compiled for item in each.unmatched), *unresolved),
        folded=tuple(item for each in compiled for item in each.folded),
        rejected=(*listed.rejected, *genai.rejected),
        disagreements=tuple(item for each in compiled for item in each.disagreements),
        skipped=tuple(skipped),
    )


def _drop_unserving(body: dict[str, object]) -> None:
    """Providers without an endpoint, which nobody could ask anything."""
    serving = {endpoint["provider"] for endpoint in _endpoints_of(body)}
    body["providers"] = {slug: row for slug, row in _table(body["providers"]).items() if slug in serving}


def _merged(providers: Mapping[str, Mapping[str, SourceModel]], ids: Iterable[str]) -> dict[str, SourceModel]:
    merged: dict[str, SourceModel] = {}
    for id_ in ids:
        merged = {**providers.get(id_, {}), **merged}
    return merged


def _aliases(
    canonical: Mapping[str, SourceModel], models: Mapping[str, CanonicalModel]
) -> tuple[dict[str, str], list[LeftOut]]:
    aliases: dict[str, str] = {}
    unresolved: list[LeftOut] = []
    for slug in sorted(filter(is_alias, canonical)):
        target = newest_of_family(canonical[slug], models)
        if target:
            aliases[slug] = target
        else:
            unresolved.append(LeftOut(CANONICAL, slug, "what it stands for does not follow from family and price"))
    return aliases, unresolved


def _present_providers(settings: Settings) -> dict[str, object]:
    presented: dict[str, object] = {}
    for source in settings.sources:
        policy = source.policy
        row: dict[str, object] = dict(settings.providers[source.slug].values)
        if policy.source:
            known = {"training": policy.training, "retention_days": policy.retention_days, "source": policy.source}
            row["policy"] = {name: value for name, value in known.items() if value is not None}
        presented[source.slug] = row
    return dict(sorted(presented.items()))


def _present_models(models: Mapping[str, CanonicalModel], endpoints: Iterable[CompiledEndpoint]) -> dict[str, object]:
    """Those that somebody serves."""
    by_slug: dict[str, list[CompiledEndpoint]] = {}
    for endpoint in endpoints:
        by_slug.setdefault(endpoint.slug, []).append(endpoint)
    presented: dict[str, object] = {}
    for slug, model in models.items():
        served = sorted(by_slug.get(slug, ()), key=_by_price)
        if served:
            # What some of its endpoints take, the model takes.
            taken = sorted({name for endpoint in served for name in endpoint.parameters})
            presented[slug] = {
                **model.present(),
                "parameters": taken,
                "endpoints": [_present_endpoint(endpoint, model, taken) for endpoint in served],
            }
    return presented


def _by_price(endpoint: CompiledEndpoint) -> tuple[Decimal, str, str, str]:
    parts = endpoint.prices.parts
    cost = parts.get("prompt", Decimal(0)) + parts.get("completion", Decimal(0))
    return cost, endpoint.provider, endpoint.quantization, endpoint.variant or ""


def _present_endpoint(endpoint: CompiledEndpoint, model: CanonicalModel, taken: Sequence[str]) -> dict[str, object]:
    parameters = sorted(endpoint.parameters)
    tiers = present_tiers(endpoint.prices)
    given: dict[str, tuple[object, object]] = {
        # What stands in each place, and what it would be taken for if it were left out.
        "wire": (endpoint.wire, None),
        "tiers": (tiers, {}),
        "context_length": (endpoint.context, model.source.context),
        "max_completion_tokens": (endpoint.output, None),
        "parameters": (parameters, list(taken)),
        "quantization": (endpoint.quantization, "unknown"),
        "variant": (endpoint.variant, None),
        "region": (endpoint.region, None),
        "input_modalities": (list(endpoint.inputs), list(model.source.inputs)),
        "collects_data": (endpoint.policy.collects_data, True),
        "zdr": (endpoint.policy.zdr, False),
    }
    return {
        "provider": endpoint.provider,
        "upstream_model": endpoint.upstream_model,
        "pricing": present_prices(endpoint.prices),
        **{name: value for name, (value, default) in given.items() if value != default},
    }


def _sealed(body: Mapping[str, object]) -> Artefact:
    """Sets of parameters once each, everything in order, and the version of it all."""
    sets: dict[tuple[str, ...], int] = {}
    models: dict[str, object] = {}
    for slug, model in sorted(_table(body["models"]).items()):
        row = dict(_table(model))
        row["parameters"] = _place(row["parameters"], sets)
        row["endpoints"] = [
            {**endpoint, "parameters": _place(endpoint["parameters"], sets)} if "parameters" in endpoint else endpoint
            for endpoint in _rows(row["endpoints"])
        ]
        models[slug] = row
    sealed: Artefact = {
        "format": body["format"],
        "parameters": [list(names) for names in sets],
        "providers": dict(sorted(_table(body["providers"]).items())),
        "models": models,
        "aliases": dict(sorted(_table(body["aliases"]).items())),
    }
    text = json.dumps(sealed, sort_keys=True, separators=(",", ":"))
    return {"version": hashlib.sha256(text.encode()).hexdigest()[:16], **sealed}


def _place(names: object, sets: dict[tuple[str, ...], int]) -> int:
    key = tuple(sorted(names)) if isinstance(names, list) else ()
    return sets.setdefault(key, len(sets))


def _endpoints_of(body: Mapping[str, object]) -> list[dict[str, object]]:
    return [endpoint for model in _table(body["models"]).values() for endpoint in _rows(_table(model)["endpoints"])]


def _table(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _rows(value: object) -> list[dict[str, object]]:
    return value if isinstance(value, list) else []
