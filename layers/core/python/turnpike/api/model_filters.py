"""Which models a list shows, and in which order, by the query parameters of GET /models."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from starlette.datastructures import QueryParams

from turnpike.api import queries
from turnpike.api.present_catalog import top_endpoint
from turnpike.domain.catalog import Catalog, Model
from turnpike.domain.errors import InvalidRequest

_Test = Callable[[Model], bool]

_PER_MILLION = 1_000_000


def select_models(catalog: Catalog, query: QueryParams, *, only: Sequence[str] | None = None) -> Sequence[Model]:
    """`only` names the parameters that count; by default all that are known. Raises InvalidRequest."""
    names = [name for name in _FILTERS if only is None or name in only]
    tests = [_FILTERS[name](query, name, catalog) for name in names if query.get(name)]
    if not query.get("output_modalities"):
        tests.append(lambda model: "text" in model.output_modalities)
    found = [model for model in catalog.models if all(test(model) for test in tests)]
    return _sort(found, query.get("sort")) if only is None else found


def _sort(models: Sequence[Model], order: str | None) -> Sequence[Model]:
    if not order:
        return models
    if order not in _ORDERS:
        raise InvalidRequest(f"must be one of {', '.join(_ORDERS)}", field="sort")
    return sorted(models, key=_ORDERS[order])


_ORDERS: dict[str, Callable[[Model], Decimal | int]] = {
    "newest": lambda model: -model.created,
    "context-high-to-low": lambda model: -model.context_length,
    "pricing-low-to-high": lambda model: top_endpoint(model).pricing.combined,
    "pricing-high-to-low": lambda model: -top_endpoint(model).pricing.combined,
}


def _search(query: QueryParams, name: str, catalog: Catalog) -> _Test:
    words = query[name].casefold().split()
    return lambda model: all(word in f"{model.id} {model.name}".casefold() for word in words)


def _supported_parameters(query: QueryParams, name: str, catalog: Catalog) -> _Test:
    wanted = set(queries.names(query, name))
    return lambda model: wanted <= set(model.supported_parameters)


def _input_modalities(query: QueryParams, name: str, catalog: Catalog) -> _Test:
    wanted = set(queries.names(query, name))
    return lambda model: wanted <= set(model.input_modalities)


def _output_modalities(query: QueryParams, name: str, catalog: Catalog) -> _Test:
    wanted = set(queries.names(query, name))
    return lambda model: "all" in wanted or not wanted.isdisjoint(model.output_modalities)


def _context(query: QueryParams, name: str, catalog: Catalog) -> _Test:
    least = queries.whole(query, name, 0)
    return lambda model: model.context_length >= least


def _authors(query: QueryParams, name: str, catalog: Catalog) -> _Test:
    wanted = set(queries.names(query, name))
    return lambda model: model.id.partition("/")[0] in wanted


def _providers(query: QueryParams, name: str, catalog: Catalog) -> _Test:
    wanted = {provider.casefold() for provider in queries.names(query, name)}
    slugs = {
        provider.slug for provider in catalog.providers if provider.slug in wanted or provider.name.casefold() in wanted
    }
    return lambda model: any(endpoint.provider in slugs for endpoint in model.endpoints)


def _min_price(query: QueryParams, name: str, catalog: Catalog) -> _Test:
    least = queries.decimal(query, name) / _PER_MILLION
    return lambda model: top_endpoint(model).pricing.prompt >= least


def _max_price(query: QueryParams, name: str, catalog: Catalog) -> _Test:
    most = queries.decimal(query, name) / _PER_MILLION
    return lambda model: top_endpoint(model).pricing.prompt <= most


def _zdr(query: QueryParams, name: str, catalog: Catalog) -> _Test:
    wanted = queries.flag(query, name)
    return lambda model: not wanted or any(endpoint.zdr for endpoint in model.endpoints)


_FILTERS: dict[str, Callable[[QueryParams, str, Catalog], _Test]] = {
    "context": _context,
    "input_modalities": _input_modalities,
    "max_price": _max_price,
    "min_price": _min_price,
    "model_authors": _authors,
    "output_modalities": _output_modalities,
    "providers": _providers,
    "q": _search,
    "supported_parameters": _supported_parameters,
    "zdr": _zdr,
}
