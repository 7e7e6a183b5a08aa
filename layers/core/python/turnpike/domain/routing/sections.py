"""Where a customer's own keys stand in a route: prioritized keys, our own capacity, fallback keys.

https://openrouter.ai/docs/guides/overview/auth/byok
"""

from collections.abc import Sequence
from dataclasses import replace

from turnpike.domain.byok import Byok
from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import SortBy
from turnpike.domain.health import Health, endpoint_key
from turnpike.domain.routing.ordering import Ordering


def in_sections(
    ordering: Ordering, health: Health, endpoints: Sequence[Endpoint], sort: SortBy | None
) -> list[Endpoint]:
    """Each section in the order that the client's preferences and the sort give; the customer's, key by key.

    A key's endpoints are ordered as if they were ours: it is the same provider, whoever pays.
    """
    own = [(endpoint, endpoint.byok) for endpoint in endpoints if endpoint.byok is not None]
    plain = {_plain_key(endpoint): replace(endpoint, byok=None) for endpoint, _ in own}
    ordered = ordering.order(list(plain.values()), sort)
    ranks = {endpoint_key(endpoint): rank for rank, endpoint in enumerate(ordered)}
    providers = list(dict.fromkeys(endpoint.provider for endpoint in ordered))

    def place(pair: tuple[Endpoint, Byok]) -> tuple[bool, int, int, int, str, int]:
        endpoint, byok = pair
        key = byok.key
        return (
            # Only what this key itself has met: what others meet at the provider need not be this account's.
            health(endpoint).outage,
            providers.index(endpoint.provider),
            key.sort_order,
            key.created_at_s,
            key.id,
            ranks[_plain_key(endpoint)],
        )

    placed = sorted(own, key=place)
    return [
        *(endpoint for endpoint, byok in placed if not byok.key.is_fallback),
        *ordering.order([endpoint for endpoint in endpoints if endpoint.byok is None], sort),
        *(endpoint for endpoint, byok in placed if byok.key.is_fallback),
    ]


def _plain_key(endpoint: Endpoint) -> str:
    return endpoint_key(replace(endpoint, byok=None))
