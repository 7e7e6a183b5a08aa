"""Reads catalog files (TOML) into a catalog of what can be called with the credentials at hand."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from turnpike.domain.catalog import Catalog, Endpoint, Model, Provider, Timeouts
from turnpike.domain.pricing import Pricing, parse_pricing
from turnpike.storage.catalog_providers import parse_providers, provider_keys
from turnpike.storage.catalog_tables import CatalogFileError, Table

PACKAGED = Path(__file__).parent.parent / "catalog" / "models.toml"

__all__ = ["PACKAGED", "CatalogFileError", "load_catalog", "provider_keys"]


def _ignore(message: str) -> None:
    pass


def load_catalog(
    paths: Sequence[Path], environ: Mapping[str, str], *, on_unserved: Callable[[str], None] = _ignore
) -> Catalog:
    """What the files declare and `environ` holds a provider's credential for; later files amend earlier ones.

    A provider or a model that an earlier file declared keeps what a later one does not mention;
    of its endpoints, those of the same provider and quantization are replaced, and others are added.
    `on_unserved` is told of providers that miss only a part of their address. Raises CatalogFileError.
    """
    provider_tables: dict[str, Table] = {}
    model_tables: dict[str, Table] = {}
    for path in paths:
        file = _read(path)
        for slug, table in file.tables("providers").items():
            provider_tables[slug] = table.over(provider_tables.get(slug))
        for table in file.array("models"):
            model_id = table.text("id")
            model_tables[model_id] = _amend(model_tables.get(model_id), table)
        file.refuse_unknown()
    declared, served = parse_providers(provider_tables, environ, on_unserved)
    known = {**declared, **served}
    models = [_model(table, known, served) for table in model_tables.values()]
    return Catalog([model for model in models if model.endpoints], served.values())


def _read(path: Path) -> Table:
    try:
        with path.open("rb") as file:
            return Table(str(path), "", tomllib.load(file))
    except OSError as error:
        raise CatalogFileError(f"{path}: cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        # Its message ends with the line and column.
        raise CatalogFileError(f"{path}: {error}") from error


def _amend(earlier: Table | None, later: Table) -> Table:
    if earlier is None:
        return later
    replaced = {_tag(table) for table in later.array("endpoints")}
    kept = [table.values for table in earlier.array("endpoints") if _tag(table) not in replaced]
    added = [table.values for table in later.array("endpoints")]
    return later.over(earlier).with_value("endpoints", kept + added)


def _tag(endpoint: Table) -> tuple[str, str]:
    return endpoint.text("provider"), endpoint.text("quantization", "unknown")


def _model(table: Table, declared: Mapping[str, Provider], served: Mapping[str, Provider]) -> Model:
    """Endpoints are checked whether they are served or not: a mistake shows at once, on every machine."""
    model_id = table.text("id")
    if model_id.count("/") != 1 or model_id.startswith("/") or model_id.endswith("/"):
        raise table.error("id", "is not of the form author/slug")
    model = Model(
        id=model_id,
        name=table.text("name"),
        created=table.whole("created"),
        description=table.text("description"),
        context_length=table.positive("context_length"),
        input_modalities=table.texts("input_modalities"),
        output_modalities=table.texts("output_modalities"),
        tokenizer=table.text("tokenizer", "Other"),
        supported_parameters=table.texts("supported_parameters"),
        endpoints=(),
    )
    endpoints = [_endpoint(endpoint, model, declared) for endpoint in table.array("endpoints")]
    table.refuse_unknown()
    if len({endpoint.tag for endpoint in endpoints}) < len(endpoints):
        raise table.error("endpoints", "has two of the same provider and quantization")
    return replace(model, endpoints=tuple(endpoint for endpoint in endpoints if endpoint.provider in served))


def _endpoint(table: Table, model: Model, declared: Mapping[str, Provider]) -> Endpoint:
    slug = table.text("provider")
    if slug not in declared:
        raise table.error("provider", "names no table of [providers]")
    endpoint = Endpoint(
        model_id=model.id,
        provider=slug,
        upstream_model=table.text("upstream_model"),
        base_url=declared[slug].base_url,
        wire=table.text_or_none("wire"),
        pricing=_pricing(table),
        context_length=table.positive("context_length", model.context_length),
        max_completion_tokens=table.positive_or_none("max_completion_tokens"),
        supported_parameters=frozenset(table.texts("supported_parameters", model.supported_parameters)),
        quantization=table.text("quantization", "unknown"),
        collects_data=table.flag("collects_data", True),
        zdr=table.flag("zdr", False),
        timeouts=_timeouts(table),
    )
    table.refuse_unknown()
    return endpoint


def _pricing(table: Table) -> Pricing:
    prices = table.table("pricing")
    for part in ("prompt", "completion"):
        # Left out, a price would be zero, and the mistake would give the model away.
        prices.text(part)
    try:
        return parse_pricing({part: prices.text(part) for part in prices.values})
    except (ValueError, TypeError, ArithmeticError) as error:
        raise table.error("pricing", f"is not understood: {error}") from error


def _timeouts(table: Table) -> Timeouts:
    limits = table.table("timeouts", optional=True)
    default = Timeouts()
    timeouts = Timeouts(
        connect_s=limits.seconds("connect_s", default.connect_s),
        first_token_s=limits.seconds("first_token_s", default.first_token_s),
        gap_s=limits.seconds("gap_s", default.gap_s),
    )
    limits.refuse_unknown()
    return timeouts
