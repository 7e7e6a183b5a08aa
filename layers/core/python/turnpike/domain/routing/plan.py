"""Planning a route: which models, which of their endpoints, in which order."""

from collections.abc import Sequence
from random import Random

from turnpike.domain.catalog import Catalog, Endpoint
from turnpike.domain.chat import SortBy
from turnpike.domain.health import Health, no_health
from turnpike.domain.routing.conditions import Filters, Policy
from turnpike.domain.routing.ordering import Ordering
from turnpike.domain.routing.refusals import no_endpoints
from turnpike.domain.routing.request import RoutedRequest
from turnpike.domain.routing.route import Exclusion, Route
from turnpike.domain.routing.targets import Finder
from turnpike.domain.routing.terms import terms_of


def plan_route(
    request: RoutedRequest,
    catalog: Catalog,
    *,
    prompt_tokens: int,
    random: Random,
    health: Health = no_health,
    sticky: str | None = None,
    policy: Policy | None = None,
) -> Route:
    """The endpoints to try, in order. `prompt_tokens` is an estimate, `sticky` the key of the endpoint that
    answered this conversation before, `policy` what the account's own rules say of an endpoint.

    Raises ModelNotFound where no slug is known, NoEndpoints where conditions leave nothing.
    """
    terms = terms_of(request, catalog, prompt_tokens)
    filters = Filters(terms, policy)
    found = Finder(catalog, terms, filters, random, sticky).find()
    ordering = Ordering(terms, health, random, sticky)
    preferences = request.provider
    groups: list[tuple[list[Endpoint], int]] = []
    excluded: list[Exclusion] = []
    for place, target in enumerate(found.targets):
        sifted = filters.sift(target)
        excluded += sifted.excluded
        if preferences.partition == "none" and groups:
            groups[0][0].extend(sifted.kept)
        else:
            groups.append((sifted.kept, place))
    endpoints: list[Endpoint] = []
    for kept, place in groups:
        ordered = _order(ordering, health, kept, found.targets[place].slug.sort)
        if not preferences.allow_fallbacks and not terms.order:
            # The first one is all there is; an order of the client's own has been filtered for.
            ordered = ordering.behind_misses(ordered)[:1]
        endpoints += ordered
    if not endpoints:
        raise no_endpoints(terms, found.targets, excluded)
    return Route(
        tuple(ordering.behind_misses(endpoints)),
        found.strategy,
        request.models[0],
        tuple(excluded),
        tuple(found.unknown),
        found.task,
        frozenset(target.model.id for target in found.targets if target.slug.online),
    )


def _order(ordering: Ordering, health: Health, endpoints: Sequence[Endpoint], sort: SortBy | None) -> list[Endpoint]:
    if all(endpoint.byok is None for endpoint in endpoints):
        return ordering.order(endpoints, sort)
    # Not before it is needed: few customers bring keys of their own.
    from turnpike.domain.routing.sections import in_sections

    return in_sections(ordering, health, endpoints, sort)
