"""The order in which endpoints are tried. Seeded: the same random numbers give the same order."""

from collections.abc import Callable, Mapping, Sequence
from math import log
from random import Random

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import SortBy
from turnpike.domain.health import EndpointStats, Health, Percentiles, endpoint_key
from turnpike.domain.pricing import Pricing
from turnpike.domain.routing.terms import Terms, tier_of

_SMALLEST_PRICE = 1e-9
"""Free endpoints are weighed as if they cost this, since nothing can be divided by a price of zero."""
_TOKENS_PER_REQUEST = 1_000
"""Over how many tokens a price per request is spread, to compare it with prices per token."""
_MEETS, _LAST = 0, 3
"""As those that meet what is preferred, and behind all that miss it."""
_WORSE = 0.05
"""By how much an endpoint's success must fall short of the best one's, to be thought of as worse."""


class Ordering:
    """Orders endpoints of one model, or of several where the client wants them compared with one another."""

    def __init__(self, terms: Terms, health: Health, random: Random, sticky: str | None) -> None:
        self._terms = terms
        self._health = health
        self._random = random
        self._sticky = sticky

    def order(self, endpoints: Sequence[Endpoint], sort: SortBy | None) -> list[Endpoint]:
        """By the explicit order, else by a sort, else at random by price; `sort` is what the slug's variant says."""
        terms, preferences = self._terms, self._terms.request.provider
        by = preferences.sort or sort or _TIER_SORTS.get(terms.tiers[0] if terms.tiers else "")
        stats = {id(endpoint): self._health(endpoint) for endpoint in endpoints}
        ordered = self._sorted(endpoints, stats, None if terms.order else by)
        if terms.order:
            return sorted(ordered, key=terms.order.rank)
        if self._sticky is not None:
            ordered.sort(key=lambda e: endpoint_key(e) != self._sticky or stats[id(e)].outage)
        if terms.tiers:
            ordered.sort(key=lambda endpoint: _rank_of_tier(endpoint, terms.tiers))
        return ordered

    def behind_misses(self, endpoints: list[Endpoint]) -> list[Endpoint]:
        """Those that meet the preferred throughput and latency, then the unknown ones, then those that miss them.

        Across models: a fallback model that is fast enough goes before a first one that is not. What the client
        put in an order of its own stays there.
        """
        terms, preferences = self._terms, self._terms.request.provider
        least, most = preferences.preferred_min_throughput, preferences.preferred_max_latency
        if not least and not most:
            return endpoints

        def miss(endpoint: Endpoint) -> int:
            if endpoint.byok is not None:
                # A customer's own keys stay in front of all that is ours, or behind it.
                return _LAST if endpoint.byok.key.is_fallback else _MEETS
            if endpoint in terms.order:
                return _MEETS
            stats = self._health(endpoint)
            return max(
                _miss(least, stats.throughput, stats.whole_throughput, _is_slower),
                _miss(most, stats.latency_s, stats.whole_s, _is_later),
            )

        return sorted(endpoints, key=miss)

    def _sorted(
        self, endpoints: Sequence[Endpoint], stats: Mapping[int, EndpointStats], by: SortBy | None
    ) -> list[Endpoint]:
        """Endpoints with a recent outage go behind the others, in the same manner."""
        if by is None:
            worse = self._worse(endpoints, stats) if "tools" in self._terms.request.parameters else frozenset()
            keys = {id(endpoint): (id(endpoint) in worse, self._draw(endpoint)) for endpoint in endpoints}
            return sorted(endpoints, key=lambda e: (stats[id(e)].outage, *keys[id(e)]))
        measure = _MEASURES[by]
        worse = self._worse(endpoints, stats) if by == "exacto" else frozenset()
        return sorted(
            endpoints,
            key=lambda e: (stats[id(e)].outage, id(e) in worse, measure(stats[id(e)]), weighed_price(e.pricing)),
        )

    def _draw(self, endpoint: Endpoint) -> float:
        """Sorting by these draws without replacement, each endpoint as likely as its weight of 1/price² says.

        An exponential variate of that rate; see Efraimidis and Spirakis, Weighted random sampling with a reservoir.
        """
        return -log(1.0 - self._random.random()) * weighed_price(endpoint.pricing) ** 2

    def _worse(self, endpoints: Sequence[Endpoint], stats: Mapping[int, EndpointStats]) -> frozenset[int]:
        """Those that fail clearly more often than the best one, as far as that is known."""
        known = [(id(e), uptime) for e in endpoints if (uptime := stats[id(e)].uptime) is not None]
        best = max((uptime for _, uptime in known), default=0.0)
        return frozenset(each for each, uptime in known if uptime < best - _WORSE)


def weighed_price(pricing: Pricing) -> float:
    """USD for a token in and a token out; never zero. A float: it only compares, and is never charged."""
    price = float(pricing.prompt) + float(pricing.completion) + float(pricing.request) / _TOKENS_PER_REQUEST
    return max(price, _SMALLEST_PRICE)


_TIER_SORTS: Mapping[str, SortBy] = {"flex": "price", "priority": "throughput", "ultrafast": "throughput"}
_Measure = tuple[float, ...]


def _by_throughput(stats: EndpointStats) -> _Measure:
    return tuple(-seen.p50 if seen else 0.0 for seen in (stats.throughput, stats.whole_throughput))


def _by_latency(stats: EndpointStats) -> _Measure:
    return tuple(seen.p50 if seen else float("inf") for seen in (stats.latency_s, stats.whole_s))


_MEASURES: Mapping[SortBy, Callable[[EndpointStats], _Measure]] = {
    "price": lambda stats: (),
    "throughput": _by_throughput,
    "latency": _by_latency,
    "exacto": _by_throughput,
}
"""What is sorted by, the least first; the price decides between equals. What was never seen goes last.

Streams are compared with streams. Endpoints that have only answered in one piece follow, compared with each other:
their times hold the whole answer.
"""


def _rank_of_tier(endpoint: Endpoint, tiers: Sequence[str]) -> int:
    tier = tier_of(endpoint)
    return tiers.index(tier) if tier in tiers else len(tiers)


def _miss(
    cutoffs: Mapping[str, float],
    seen: Percentiles | None,
    whole: Percentiles | None,
    misses: Callable[[float, float], bool],
) -> int:
    """0 where all cutoffs hold, 2 where one does not, 1 where nothing is known.

    `whole`: of answers in one piece, which are slower than what is asked for. What holds for them holds for the other,
    what does not says nothing.
    """
    known = seen or whole
    if not cutoffs:
        return 0
    if known is None:
        return 1
    if not any(misses(getattr(known, percentile), cutoff) for percentile, cutoff in cutoffs.items()):
        return 0
    return 2 if seen else 1


def _is_slower(seen: float, cutoff: float) -> bool:
    return seen < cutoff


def _is_later(seen: float, cutoff: float) -> bool:
    return seen > cutoff
