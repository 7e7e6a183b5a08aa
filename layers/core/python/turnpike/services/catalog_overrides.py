"""The operator's word on the compiled catalog: adds, changes and hides providers, models, endpoints and names.

In the form of any catalog file, of which only what differs has to stand there:

    [providers.acme]                      # a new one, or what changes of one; `hidden = true` takes it away
    [[models]]
    id = "author/slug"                    # a new one needs all that a model has; `hidden = true` takes it away
      [[models.endpoints]]
      provider = "acme"                   # with `quantization` and `variant`, what an endpoint is known by
      hidden = true
    [aliases]
    "~author/family-latest" = "author/slug"
    [renamed]
    "author/old-name" = "author/slug"

Applied last and file by file; errors name the file and the line.
"""

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

from turnpike.domain.catalog_tables import MissingError, Row, parse_toml
from turnpike.services.catalog_fields import MODEL_KEYS, endpoint_changes, model_changes

_SLUG = re.compile(r"~?[a-z0-9][\w.-]*/[\w.-]+(:[\w.-]+)*", re.IGNORECASE)
_Table = dict[str, object]


@dataclass(frozen=True, slots=True)
class Overlaid:
    """A compiled catalog with an operator's texts applied, in which sets of parameters may stand as they are."""

    artefact: Mapping[str, object]
    providers: Mapping[str, Row]
    """Those that the texts speak of, whole, so that what is wrong with them is found in the texts."""
    skipped: tuple[str, ...]
    """What speaks of something that is not there."""


def overlay(
    artefact: Mapping[str, object],
    texts: Sequence[tuple[str, str]],
    *,
    wires: Collection[str] = (),
    is_strict: bool = True,
) -> Overlaid:
    """Applies texts, each with its name, to a compiled catalog, which stays as it is.

    `wires` are the wire formats that are spoken, if they are known. Raises and skips as `apply_overrides`.
    """
    body = {**artefact, **{key: dict(_table(artefact, key)) for key in ("providers", "models", "aliases")}}
    skipped: list[str] = []
    providers: dict[str, Row] = {}
    for name, text in texts:
        file = parse_toml(name, text)
        for row in file.rows("models"):
            _spell_out(_table(body, "models"), row.get("id"), artefact.get("parameters"))
        providers |= apply_overrides(body, file, wires=wires, skipped=None if is_strict else skipped)
    version = hashlib.sha256("\0".join([str(artefact.get("version")), *(text for _, text in texts)]).encode())
    return Overlaid({**body, "version": version.hexdigest()[:16]}, providers, tuple(skipped))


def apply_overrides(
    body: _Table, file: Row, *, wires: Collection[str] = (), skipped: list[str] | None = None
) -> Mapping[str, Row]:
    """Changes `body`, the artefact before its sets of parameters are numbered; the providers that were changed.

    Raises CatalogFileError. What speaks of something that is not there raises as well (MissingError), or is left out
    and told to `skipped`: a file that was right when it was written must not hold up a refresh for ever.
    """
    providers, models, aliases = (_table(body, key) for key in ("providers", "models", "aliases"))
    changed: dict[str, Row] = {}
    for slug, row in file.table("providers").tables():
        _check_wire(row, wires)
        with _skipping(skipped):
            _apply_provider(providers, models, slug, row)
        if slug in providers:
            changed[slug] = row.without("hidden").over(_table(providers, slug))
    for row in file.rows("models"):
        for endpoint in row.rows("endpoints"):
            _check_wire(endpoint, wires)
        with _skipping(skipped):
            _apply_model(models, providers, row)
    for key in ("aliases", "renamed"):
        for name in file.table(key).values:
            with _skipping(skipped):
                _apply_name(aliases, models, name, file.table(key))
    file.refuse_unknown()
    _drop_dangling(aliases, models)
    return changed


def _spell_out(models: _Table, slug: object, sets: object) -> None:
    """Names in place of the numbers of sets, in one model."""
    if not isinstance(slug, str) or slug not in models or not isinstance(sets, list):
        return

    def spelled(row: _Table) -> _Table:
        place = row.get("parameters")
        return {**row, "parameters": sets[place]} if isinstance(place, int) else row

    models[slug] = {
        **spelled(_table(models, slug)),
        "endpoints": [spelled(endpoint) for endpoint in _endpoints(models, slug)],
    }


def _check_wire(row: Row, wires: Collection[str]) -> None:
    for key in ("wire", "tool_wire"):
        wire = row.text_or_none(key)
        if wires and wire and wire not in wires:
            raise row.error(key, f"is none of {', '.join(sorted(wires))}")


@contextmanager
def _skipping(skipped: list[str] | None) -> Iterator[None]:
    try:
        yield
    except MissingError as error:
        if skipped is None:
            raise
        skipped.append(str(error))


def _apply_provider(providers: _Table, models: _Table, slug: str, row: Row) -> None:
    if row.flag_or_none("hidden"):
        if providers.pop(slug, None) is None:
            raise row.missing("hidden", f"hides {slug}, which is no provider")
        for model in list(models):
            endpoints = [each for each in _endpoints(models, model) if each["provider"] != slug]
            if len(endpoints) < len(_endpoints(models, model)):
                _keep(models, model, endpoints)
        return
    provider = row.without("hidden").over(_table(providers, slug)).values
    for key in ("name", "wire"):
        if key not in provider:
            raise row.missing(key, "is missing, and the provider is new")
    providers[slug] = provider


def _apply_model(models: _Table, providers: Mapping[str, object], row: Row) -> None:
    slug = row.text("id")
    if not _SLUG.fullmatch(slug) or slug.startswith("~"):
        raise row.error("id", "is not of the form author/slug")
    if row.flag_or_none("hidden"):
        if models.pop(slug, None) is None:
            raise row.missing("hidden", f"hides {slug}, which is no model")
        return
    model = {"tokenizer": "Other", **_table(models, slug), **model_changes(row)}
    for key, name in MODEL_KEYS.items():
        if slug not in models and name not in model:
            raise row.missing(key, "is missing, and the model is new")
    endpoints = list(_endpoints(models, slug))
    marks: set[object] = set()
    for each in row.rows("endpoints"):
        mark = _mark_of(each)
        if mark in marks:
            raise each.error("provider", "is there twice with the same quantization and variant")
        marks.add(mark)
        endpoints = _apply_endpoint(endpoints, providers, each)
    row.refuse_unknown()
    if not endpoints:
        raise row.missing("endpoints", "is missing: nobody would serve the model")
    models[slug] = model
    _keep(models, slug, endpoints)


def _apply_endpoint(endpoints: list[_Table], providers: Mapping[str, object], row: Row) -> list[_Table]:
    mark = _mark_of(row)
    others = [each for each in endpoints if _mark(each) != mark]
    if row.flag_or_none("hidden"):
        if len(others) == len(endpoints):
            raise row.missing("hidden", f"hides an endpoint of {mark[0]} that is not there")
        return others
    if mark[0] not in providers:
        raise row.missing("provider", f"is {mark[0]}, which is no provider")
    earlier = next((each for each in endpoints if _mark(each) == mark), {})
    changes = endpoint_changes(row)
    endpoint = {**earlier, **changes}
    if "pricing" in changes and "tiers" not in changes:
        # They were counted from a price that is gone.
        endpoint.pop("tiers", None)
    row.refuse_unknown()
    for key in ("upstream_model", "pricing"):
        if key not in endpoint:
            raise row.missing(key, "is missing, and the endpoint is new")
    return [*others, endpoint]


def _apply_name(aliases: _Table, models: Mapping[str, object], name: str, row: Row) -> None:
    target = row.text(name)
    if not _SLUG.fullmatch(name):
        raise row.error(name, "is not of the form author/slug")
    if name in models:
        raise row.error(name, "is a model itself")
    if target not in models:
        raise row.missing(name, f"stands for {target}, which is no model")
    aliases[name] = target


def _drop_dangling(aliases: _Table, models: Mapping[str, object]) -> None:
    """Names that the data gave to a model which has been hidden since."""
    for name in [name for name, target in aliases.items() if target not in models or name in models]:
        del aliases[name]


def _keep(models: _Table, slug: str, endpoints: list[_Table]) -> None:
    """A model that nobody serves is none. The cheapest endpoint comes first."""
    if endpoints:
        models[slug] = {**_table(models, slug), "endpoints": sorted(endpoints, key=_by_price)}
    else:
        models.pop(slug, None)


def _by_price(endpoint: _Table) -> tuple[Decimal, str, str, str]:
    pricing = _table(endpoint, "pricing")
    cost = Decimal(str(pricing.get("prompt", 0))) + Decimal(str(pricing.get("completion", 0)))
    provider, quantization, variant = _mark(endpoint)
    return cost, str(provider), str(quantization), str(variant or "")


def _mark_of(row: Row) -> tuple[str, str, str | None]:
    """What an endpoint is known by, among those of its model."""
    return row.text("provider"), row.text("quantization", "unknown"), row.text_or_none("variant")


def _mark(endpoint: Mapping[str, object]) -> tuple[object, object, object]:
    return endpoint["provider"], endpoint.get("quantization", "unknown"), endpoint.get("variant")


def _table(parent: Mapping[str, object], key: str) -> _Table:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}


def _endpoints(models: Mapping[str, object], slug: str) -> list[_Table]:
    value = _table(models, slug).get("endpoints")
    return value if isinstance(value, list) else []
