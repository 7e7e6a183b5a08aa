"""Which endpoints may serve a request, and in which order they are tried. Pure, and seeded."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from random import Random

from turnpike.domain.catalog import Catalog, Endpoint
from turnpike.domain.chat import ChatRequest, ProviderPreferences
from turnpike.domain.errors import Availability, NoEndpoints

_PER_MILLION = Decimal(1_000_000)
_HINTS = frozenset({"cache_control", "prompt_cache_key", "prompt_cache_options", "service_tier"})
"""They change the price or the speed of an answer and nothing of what it says; catalogs do not list them."""
_SMALLEST_PRICE = Decimal("0.000000001")
"""Free endpoints are weighed as if they cost this, since nothing can be divided by a price of zero."""


def plan_route(request: ChatRequest, catalog: Catalog, *, prompt_tokens: int, random: Random) -> list[Endpoint]:
    """The endpoints to try, in order, model by model. `prompt_tokens` is an estimate.

    Raises ModelNotFound for an unknown slug, NoEndpoints when the request's own conditions leave nothing.
    """
    route: list[Endpoint] = []
    excluded_by: set[str] = set()
    for slug in request.models:
        endpoints = catalog.get_model(slug).endpoints
        kept = _filter(endpoints, request, prompt_tokens, excluded_by)
        route += _order(kept, request.provider, random)
    if not route:
        raise _no_endpoints(request, catalog, sorted(excluded_by))
    return route


def _filter(
    endpoints: Iterable[Endpoint], request: ChatRequest, prompt_tokens: int, excluded_by: set[str]
) -> list[Endpoint]:
    kept = list(endpoints)
    for reason, keeps in _conditions(request, prompt_tokens):
        passing = [endpoint for endpoint in kept if keeps(endpoint)]
        if len(passing) < len(kept):
            excluded_by.add(reason)
        kept = passing
    # Tools and formats are preferred even when they are not required: an endpoint that would drop
    # them is used only when none of the model's endpoints takes them.
    for name in ("tools", "response_format"):
        if name in request.parameters:
            kept = [endpoint for endpoint in kept if name in endpoint.supported_parameters] or kept
    return kept


def _conditions(request: ChatRequest, prompt_tokens: int) -> list[tuple[str, Callable[[Endpoint], bool]]]:
    """(what `excluded_by` calls it, whether an endpoint passes); only those that the request makes."""
    preferences = request.provider
    conditions: list[tuple[str, Callable[[Endpoint], bool]]] = []
    if preferences.only:
        conditions.append(("allowed_providers", lambda e: _named(e, preferences.only)))
    if preferences.ignore:
        conditions.append(("allowed_providers", lambda e: not _named(e, preferences.ignore)))
    if not preferences.allow_fallbacks and preferences.order:
        conditions.append(("allowed_providers", lambda e: _named(e, preferences.order)))
    if preferences.require_parameters:
        asked = set(request.parameters) - _HINTS
        conditions.append(("require_parameters", lambda e: asked <= e.supported_parameters))
    if preferences.data_collection == "deny":
        conditions.append(("data_policy:training", lambda e: not e.collects_data))
    if preferences.zdr:
        conditions.append(("data_policy:zdr", lambda e: e.zdr))
    if preferences.quantizations:
        conditions.append(("quantization", lambda e: e.quantization in preferences.quantizations))
    if preferences.max_price:
        conditions.append(("max_price", lambda e: _affordable(e, preferences)))
    wanted = prompt_tokens // 2  # The estimate errs on the high side; only a clear excess excludes.
    conditions.append(("context_length", lambda e: wanted <= e.context_length))
    if request.max_tokens is not None:
        most = request.max_tokens
        conditions.append(("context_length", lambda e: most <= (e.max_completion_tokens or e.context_length)))
    return conditions


def _named(endpoint: Endpoint, names: Sequence[str]) -> bool:
    return endpoint.provider in names or endpoint.tag in names


def _affordable(endpoint: Endpoint, preferences: ProviderPreferences) -> bool:
    limits = preferences.max_price
    pricing = endpoint.pricing
    return all(
        price <= Decimal(limits[part])
        for part, price in (
            ("prompt", pricing.prompt * _PER_MILLION),
            ("completion", pricing.completion * _PER_MILLION),
            ("request", pricing.request),
        )
        if part in limits
    )


def _order(endpoints: list[Endpoint], preferences: ProviderPreferences, random: Random) -> list[Endpoint]:
    if preferences.sort == "price":
        ordered = sorted(endpoints, key=lambda endpoint: endpoint.pricing.combined)
    else:
        ordered = _weighted(endpoints, random)
    if preferences.order:
        ranks = {name: rank for rank, name in reversed(list(enumerate(preferences.order)))}
        last = len(ranks)
        ordered.sort(key=lambda e: min(ranks.get(e.provider, last), ranks.get(e.tag, last)))
    return ordered if preferences.allow_fallbacks or preferences.order else ordered[:1]


def _weighted(endpoints: list[Endpoint], random: Random) -> list[Endpoint]:
    """Draw without replacement, weighted by 1/price²."""
    if len(endpoints) < 2:
        return endpoints
    left = [(endpoint, float(max(endpoint.pricing.combined, _SMALLEST_PRICE)) ** -2) for endpoint in endpoints]
    ordered = []
    while left:
        # A running total instead of random.choices(), whose index can be used to take the drawn one out.
        mark = random.random() * sum(weight for _, weight in left)
        drawn = len(left) - 1
        for position, (_, weight) in enumerate(left):
            mark -= weight
            if mark < 0:
                drawn = position
                break
        ordered.append(left.pop(drawn)[0])
    return ordered


def _no_endpoints(request: ChatRequest, catalog: Catalog, excluded_by: Sequence[str]) -> NoEndpoints:
    models = ", ".join(request.models)
    field, advice = "provider", "ask for another model"
    if excluded_by == ["context_length"]:
        field, advice = _what_is_too_long(request, catalog)
    elif excluded_by:
        advice = f"loosen what the request demands ({', '.join(excluded_by)})"
    availability = Availability(
        "constraint_filtered" if excluded_by else "no_endpoints",
        request.models,
        excluded_by=excluded_by,
        constraint=(field, advice),
    )
    return NoEndpoints(f"No endpoints found for {models} that satisfy this request: {advice}", availability)


def _what_is_too_long(request: ChatRequest, catalog: Catalog) -> tuple[str, str]:
    """(field, advice) with the limit of the roomiest endpoint."""
    endpoints = [each for slug in request.models for each in catalog.get_model(slug).endpoints]
    longest = max(each.max_completion_tokens or each.context_length for each in endpoints)
    if request.max_tokens is not None and request.max_tokens > longest:
        return "max_tokens", f"ask for at most {longest} tokens, not {request.max_tokens}"
    context = max(each.context_length for each in endpoints)
    return "messages", f"shorten the prompt; the context takes {context} tokens"
