"""Reads the compiled catalog: its form is told in `services/compile_catalog`.

Only the JSON is read at once; a provider's address is completed and its credential looked for, and a model is built
when somebody asks for it. So a start pays for what it serves, not for all that could be served.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import orjson

from turnpike.domain.catalog import DataPolicy, Endpoint, Model, Provider, Timeouts
from turnpike.domain.catalog_tables import Row
from turnpike.domain.errors import ModelNotFound
from turnpike.domain.native import dialect_of
from turnpike.domain.pricing import in_tier, parse_pricing
from turnpike.storage.catalog_providers import address_for_customers, parse_providers

PACKAGED = Path(__file__).parent.parent / "catalog" / "compiled.json.gz"
"""Where the deployment has it; it is compiled when the layer is built."""

FORMAT = 1
MOST_BYTES = 32_000_000
"""Unpacked; a catalog of all that is sold today takes a hundredth of it."""

_Raw = Mapping[str, Any]


class CatalogArtefactError(ValueError):
    """The compiled catalog cannot be used."""


def read_artefact(path: Path = PACKAGED) -> _Raw:
    """Raises CatalogArtefactError."""
    try:
        return parse_artefact(path.read_bytes())
    except OSError as error:
        raise CatalogArtefactError(
            f"{path}: the compiled catalog cannot be read: {error.strerror}. `make catalog` compiles it"
        ) from error


def parse_artefact(data: bytes) -> _Raw:
    """The artefact from JSON, plain, or packed by gzip or zlib. Raises CatalogArtefactError."""
    try:
        artefact = orjson.loads(_unpacked(data))
    except (orjson.JSONDecodeError, zlib.error) as error:
        raise CatalogArtefactError(f"the compiled catalog cannot be read: {error}") from error
    if not isinstance(artefact, dict) or artefact.get("format") != FORMAT:
        raise CatalogArtefactError(f"the compiled catalog is not of format {FORMAT}")
    kinds = {"version": str, "parameters": list, "providers": dict, "models": dict, "aliases": dict}
    for name, kind in kinds.items():
        if not isinstance(artefact.get(name), kind):
            raise CatalogArtefactError(f"the compiled catalog has no {name}")
    return artefact


def pack_artefact(artefact: _Raw) -> bytes:
    """As `parse_artefact` reads it."""
    return zlib.compress(orjson.dumps(artefact), 9)


def _unpacked(data: bytes) -> bytes:
    if data[:1] == b"{":
        return data
    # Either header, and never more than is ours.
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    unpacked = stream.decompress(data, MOST_BYTES)
    if not stream.eof:
        raise CatalogArtefactError("the compiled catalog is cut short, or far too long")
    return unpacked


def _ignore(message: str) -> None:
    pass


class ArtefactCatalog:
    """What can be called of a compiled catalog with the credentials that `environ` holds.

    `rows` are tables of providers that take the place of its own, and know which file they are from. `on_unserved` is
    told of providers that miss only a part of their address. With `has_unserved`, all that is declared is there, and
    the address of what is not served may have gaps. Raises CatalogFileError for a provider that is wrong, and
    for what `environ` says wrongly.
    """

    def __init__(
        self,
        artefact: _Raw,
        environ: Mapping[str, str],
        *,
        rows: Mapping[str, Row] | None = None,
        on_unserved: Callable[[str], None] = _ignore,
        has_unserved: bool = False,
    ) -> None:
        policies = {slug: row["policy"] for slug, row in artefact["providers"].items() if "policy" in row}
        tables = {
            slug: ((rows or {}).get(slug) or Row("the compiled catalog", ("providers", slug), row, {})).without(
                "policy"
            )
            for slug, row in artefact["providers"].items()
        }
        declared, served = parse_providers(tables, environ, on_unserved)
        self.version: str = artefact["version"]
        self._providers: Mapping[str, Provider] = {
            slug: replace(provider, policy=DataPolicy(**policies[slug])) if slug in policies else provider
            for slug, provider in ({**declared, **served} if has_unserved else served).items()
        }
        self._shared = served.keys()
        self._declared, self._tables, self._environ = declared, tables, environ
        self._artefact, self._rows = artefact, rows
        self._whole = self if has_unserved else None
        self._raw: _Raw = artefact["models"]
        self.aliases: Mapping[str, str] = artefact["aliases"]
        self._parameters: Sequence[Sequence[str]] = artefact["parameters"]
        self._parameter_sets: dict[int, frozenset[str]] = {}
        self._built: dict[str, Model | None] = {}

    @property
    def models(self) -> Iterable[Model]:
        """Each that is served, by slug; builds those that were not yet asked for."""
        return [model for model in map(self._find, self._raw) if model is not None]

    @property
    def providers(self) -> Iterable[Provider]:
        return self._providers.values()

    def get_model(self, slug: str) -> Model:
        model = self._find(self.resolve(slug))
        if model is None:
            raise ModelNotFound(slug)
        return model

    def get_provider(self, slug: str) -> Provider:
        return self._providers[slug]

    def resolve(self, slug: str) -> str:
        return self.aliases.get(slug, slug)

    def current(self) -> Self:
        return self

    def with_unserved(self) -> "ArtefactCatalog":
        """Made when the first customer with a key of their own comes, and then kept."""
        if self._whole is None:
            self._whole = ArtefactCatalog(self._artefact, self._environ, rows=self._rows, has_unserved=True)
        return self._whole

    def address_of(self, provider: str, variables: Mapping[str, str]) -> str | None:
        return address_for_customers(self._declared[provider], self._tables[provider], self._environ, variables)

    def _find(self, slug: str) -> Model | None:
        if slug not in self._built:
            if slug not in self._raw:
                # Not remembered: anybody could fill the memory with names.
                return None
            self._built[slug] = self._build(slug, self._raw[slug])
        return self._built[slug]

    def _build(self, slug: str, raw: _Raw) -> Model | None:
        """None where no endpoint's provider has a credential."""
        rows = [row for row in raw["endpoints"] if row["provider"] in self._providers]
        endpoints = [self._endpoint(slug, raw, row, self._providers[row["provider"]]) for row in rows]
        if not endpoints:
            return None
        return Model(
            id=slug,
            name=raw["name"],
            created=raw["created"],
            description=raw["description"],
            context_length=min(raw["context_length"], max(endpoint.context_length for endpoint in endpoints)),
            input_modalities=tuple(raw["input_modalities"]),
            output_modalities=tuple(raw["output_modalities"]),
            tokenizer=raw["tokenizer"],
            supported_parameters=tuple(sorted(frozenset().union(*(each.supported_parameters for each in endpoints)))),
            endpoints=tuple(
                each for endpoint, row in zip(endpoints, rows, strict=True) for each in _in_tiers(endpoint, row)
            ),
            knowledge_cutoff=raw.get("knowledge_cutoff"),
            distillable=raw.get("distillable"),
        )

    def _endpoint(self, slug: str, model: _Raw, raw: _Raw, provider: Provider) -> Endpoint:
        context = raw.get("context_length", model["context_length"])
        most = raw.get("max_completion_tokens")
        inputs = raw.get("input_modalities")
        return Endpoint(
            model_id=slug,
            provider=provider.slug,
            upstream_model=raw["upstream_model"],
            base_url=provider.base_url,
            pricing=parse_pricing(raw["pricing"]),
            context_length=context,
            max_completion_tokens=min(most, context) if most else None,
            supported_parameters=self._names_of(raw.get("parameters", model["parameters"])),
            quantization=raw.get("quantization", "unknown"),
            collects_data=raw.get("collects_data", True),
            zdr=raw.get("zdr", False),
            timeouts=Timeouts(**raw["timeouts"]) if "timeouts" in raw else _TIMEOUTS,
            wire=raw.get("wire"),
            tool_wire=_tool_wire(raw.get("wire"), provider),
            variant=raw.get("variant"),
            region=raw.get("region"),
            input_modalities=tuple(inputs) if inputs is not None else None,
            is_shared=provider.slug in self._shared,
        )

    def _names_of(self, parameters: int | Sequence[str]) -> frozenset[str]:
        """Endpoints share their sets: there are ten times as many of them as there are sets."""
        if not isinstance(parameters, int):
            return frozenset(parameters)
        if parameters not in self._parameter_sets:
            self._parameter_sets[parameters] = frozenset(self._parameters[parameters])
        return self._parameter_sets[parameters]


_TIMEOUTS = Timeouts()


def _tool_wire(wire: str | None, provider: Provider) -> str | None:
    """The endpoint's own where it has words for tools; otherwise the one that the provider keeps for them."""
    own = wire or provider.wire
    return own if dialect_of(own) else provider.tool_wire


def _in_tiers(endpoint: Endpoint, raw: _Raw) -> Iterator[Endpoint]:
    """The endpoint, and in each service tier that has a price of its own, once more."""
    if "tiers" not in raw:
        yield endpoint
        return
    special = {tier: in_tier(endpoint.pricing, prices) for tier, prices in raw["tiers"].items()}
    tiers = (("default", endpoint.pricing), *special.items())
    yield replace(endpoint, tiers=tiers)
    parameters = endpoint.supported_parameters | {"service_tier"}
    for tier, pricing in special.items():
        yield replace(endpoint, pricing=pricing, tiers=tiers, service_tier=tier, supported_parameters=parameters)
