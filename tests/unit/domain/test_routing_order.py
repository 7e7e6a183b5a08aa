"""In which order endpoints are tried: explicit order, sorts, statistics, sticky endpoints, service tiers."""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ProviderPreferences
from turnpike.domain.health import UNKNOWN, EndpointStats, Health, Percentiles, endpoint_key
from turnpike.domain.pricing import Pricing
from turnpike.domain.routing import plan_route

from tests.scenario import catalog, endpoint, request

TOOLS = {"tools": [{"type": "function", "function": {"name": "f"}}]}


def priced(provider: str, usd_per_million: float, **changes: Any) -> Endpoint:
    price = Decimal(str(usd_per_million)) / 1_000_000
    return endpoint(provider, pricing=Pricing(price, Decimal(0)), **changes)


def seen(
    *, latency: float | None = None, throughput: float | None = None, uptime: float | None = None, outage: bool = False
) -> EndpointStats:
    return EndpointStats(
        None if latency is None else Percentiles(latency, latency * 2, latency * 3, latency * 4),
        None if throughput is None else Percentiles(throughput, throughput / 2, throughput / 3, throughput / 4),
        uptime,
        outage,
    )


def whole(*, seconds: float | None = None, throughput: float | None = None) -> EndpointStats:
    """Of an endpoint that has answered in one piece only."""
    told = seen(latency=seconds, throughput=throughput)
    return EndpointStats(whole_s=told.latency_s, whole_throughput=told.throughput)


def health(stats: Mapping[str, EndpointStats]) -> Health:
    return lambda endpoint: stats.get(endpoint.tag, UNKNOWN)


def route(
    *endpoints: Endpoint,
    stats: Mapping[str, EndpointStats] | None = None,
    seed: int = 1,
    sticky: str | None = None,
    **changes: Any,
) -> list[str]:
    planned = plan_route(
        request(**changes),
        catalog(*endpoints),
        prompt_tokens=10,
        random=Random(seed),
        health=health(stats or {}),
        sticky=sticky,
    )
    return [each.tag for each in planned]


def test_the_documented_example() -> None:
    # A costs $1, B $2 and has had outages, C $3: A is nine times likelier than C to be first, and B is always last.
    endpoints = [priced("a", 1), priced("b", 2), priced("c", 3)]
    routes = Counter(tuple(route(*endpoints, seed=seed, stats={"b": seen(outage=True)})) for seed in range(5_000))
    assert set(routes) == {("a", "c", "b"), ("c", "a", "b")}
    assert 8 < routes["a", "c", "b"] / routes["c", "a", "b"] < 10


def test_what_is_drawn_next_is_weighted_too() -> None:
    endpoints = [priced("a", 1), priced("b", 2), priced("c", 4)]
    seconds = Counter(second for first, second, _ in (route(*endpoints, seed=i) for i in range(4_000)) if first == "a")
    assert 3.4 < seconds["b"] / seconds["c"] < 4.6


def test_a_price_per_request_counts() -> None:
    cheap_looking = endpoint("a", pricing=Pricing(Decimal(0), Decimal(0), Decimal("0.01")))
    assert route(cheap_looking, priced("b", 1), provider=ProviderPreferences(sort="price")) == ["b", "a"]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("price", ["a", "b", "c", "d"]),
        ("throughput", ["c", "b", "a", "d"]),
        ("latency", ["b", "a", "c", "d"]),
    ],
)
def test_sorts(sort: Any, expected: list[str]) -> None:
    endpoints = [priced("c", 3), priced("d", 4), priced("a", 1), priced("b", 2)]
    stats = {
        "a": seen(latency=2, throughput=10),
        "b": seen(latency=1, throughput=20),
        "c": seen(latency=3, throughput=30),
    }
    for seed in range(5):
        assert route(*endpoints, stats=stats, seed=seed, provider=ProviderPreferences(sort=sort)) == expected


@pytest.mark.parametrize(
    ("sort", "expected"), [("throughput", ["c", "b", "a", "d"]), ("latency", ["c", "b", "a", "d"])]
)
def test_answers_in_one_piece_are_compared_with_each_other_alone(sort: Any, expected: list[str]) -> None:
    endpoints = [priced("d", 0.1), priced("a", 1), priced("b", 2), priced("c", 3)]
    # In figures a and b would win, which are of another kind.
    stats = {
        "a": whole(seconds=2, throughput=50),
        "b": whole(seconds=1, throughput=60),
        "c": seen(latency=3, throughput=30),
    }
    assert route(*endpoints, stats=stats, provider=ProviderPreferences(sort=sort)) == expected


def test_without_statistics_sorts_fall_back_on_the_price() -> None:
    endpoints = [priced("b", 2), priced("a", 1)]
    assert route(*endpoints, provider=ProviderPreferences(sort="throughput")) == ["a", "b"]


def test_an_outage_goes_behind_in_every_sort_but_not_in_the_clients_own_order() -> None:
    endpoints, stats = [priced("a", 1), priced("b", 2)], {"a": seen(outage=True)}
    assert route(*endpoints, stats=stats, provider=ProviderPreferences(sort="price")) == ["b", "a"]
    assert route(*endpoints, stats=stats, provider=ProviderPreferences(order=("a",))) == ["a", "b"]


def test_what_follows_the_clients_order_is_weighted_with_outages_last() -> None:
    endpoints = [priced("a", 1), priced("b", 2), priced("c", 3)]
    for seed in range(20):
        assert route(
            *endpoints, seed=seed, stats={"a": seen(outage=True)}, provider=ProviderPreferences(order=("c",))
        ) == ["c", "b", "a"]


def test_exacto_puts_reliable_endpoints_first_and_the_fast_ones_among_them() -> None:
    endpoints = [priced("a", 1), priced("b", 2), priced("c", 3)]
    stats = {
        "a": seen(throughput=90, uptime=0.8),
        "b": seen(throughput=10, uptime=0.99),
        "c": seen(throughput=20, uptime=0.96),
    }
    assert route(*endpoints, stats=stats, models=("acme/chat:exacto",)) == ["c", "b", "a"]


def test_calls_of_tools_avoid_unreliable_endpoints_unless_the_price_is_what_counts() -> None:
    endpoints = [priced("a", 0.1), priced("b", 2)]
    stats = {"a": seen(uptime=0.8), "b": seen(uptime=0.99)}
    assert route(*endpoints, stats=stats, parameters=TOOLS) == ["b", "a"]
    assert route(*endpoints, stats=stats, parameters=TOOLS, models=("acme/chat:floor",)) == ["a", "b"]
    assert route(*endpoints, stats=stats) == ["a", "b"]


@pytest.mark.parametrize(
    ("preferences", "expected"),
    [
        # By price: a, b, c. Throughput of a is known to be low, that of b to be high, and of c nothing is known.
        ({"preferred_min_throughput": {"p50": 50}}, ["b", "c", "a"]),
        ({"preferred_min_throughput": {"p50": 50, "p99": 50}}, ["c", "a", "b"]),
        ({"preferred_min_throughput": {"p50": 5}}, ["a", "b", "c"]),
        ({"preferred_max_latency": {"p50": 1}}, ["a", "c", "b"]),
        ({"preferred_max_latency": {"p50": 1}, "preferred_min_throughput": {"p50": 50}}, ["c", "a", "b"]),
    ],
)
def test_what_misses_a_preferred_measure_goes_to_the_end(preferences: dict[str, Any], expected: list[str]) -> None:
    endpoints = [priced("a", 1), priced("b", 2), priced("c", 3)]
    stats = {"a": seen(latency=1, throughput=10), "b": seen(latency=2, throughput=100)}
    assert route(*endpoints, stats=stats, provider=ProviderPreferences(sort="price", **preferences)) == expected


@pytest.mark.parametrize(
    ("preferences", "expected"),
    [
        # An answer that was whole by then had begun by then; one that was not may have.
        ({"preferred_max_latency": {"p50": 2}}, ["b", "c", "a", "d"]),
        ({"preferred_min_throughput": {"p50": 50}}, ["b", "c", "a", "d"]),
    ],
)
def test_an_answer_in_one_piece_may_be_fast_enough_but_never_too_slow(
    preferences: dict[str, Any], expected: list[str]
) -> None:
    endpoints = [priced("d", 0.5), priced("c", 0.8), priced("a", 1), priced("b", 2)]
    stats = {
        "a": whole(seconds=9, throughput=10),
        "b": whole(seconds=1, throughput=60),
        "d": seen(latency=9, throughput=10),
    }
    assert route(*endpoints, stats=stats, provider=ProviderPreferences(sort="price", **preferences)) == expected


def test_a_fallback_model_that_is_fast_enough_goes_before_a_first_one_that_is_not() -> None:
    endpoints = [priced("slow", 1, model="acme/a"), priced("fast", 1, model="acme/b")]
    stats = {"slow": seen(latency=9), "fast": seen(latency=1)}
    preferences = ProviderPreferences(preferred_max_latency={"p90": 5})
    assert route(*endpoints, stats=stats, models=("acme/a", "acme/b"), provider=preferences) == ["fast", "slow"]


def test_without_fallbacks_the_one_endpoint_is_one_that_is_fast_enough() -> None:
    endpoints, stats = [priced("a", 1), priced("b", 2)], {"a": seen(latency=9), "b": seen(latency=1)}
    preferences = ProviderPreferences(sort="price", allow_fallbacks=False, preferred_max_latency={"p50": 5})
    assert route(*endpoints, stats=stats, provider=preferences) == ["b"]


def test_partitions() -> None:
    endpoints = [
        priced("a", 4, model="acme/first"),
        priced("b", 1, model="acme/first"),
        priced("c", 2, model="acme/second"),
    ]
    asked: dict[str, Any] = {"models": ("acme/first", "acme/second")}
    assert route(*endpoints, **asked, provider=ProviderPreferences(sort="price")) == ["b", "a", "c"]
    everywhere = ProviderPreferences(sort="price", partition="none")
    assert route(*endpoints, **asked, provider=everywhere) == ["b", "c", "a"]
    one = ProviderPreferences(sort="price", partition="none", allow_fallbacks=False)
    assert route(*endpoints, **asked, provider=one) == ["b"]


@pytest.mark.parametrize(
    ("slug", "preferences", "expected"),
    [
        ("acme/chat:nitro", {}, ["b", "a"]),
        ("acme/chat:floor", {}, ["a", "b"]),
        ("acme/chat:nitro:floor", {}, ["a", "b"]),
        ("acme/chat:floor:NITRO", {}, ["b", "a"]),
        ("acme/chat:nitro", {"sort": "price"}, ["a", "b"]),
        ("acme/chat:nitro", {"order": ("a",)}, ["a", "b"]),
    ],
)
def test_variants_sort_and_the_last_of_them_counts(slug: str, preferences: dict[str, Any], expected: list[str]) -> None:
    endpoints, stats = [priced("a", 1), priced("b", 2)], {"a": seen(throughput=1), "b": seen(throughput=2)}
    assert route(*endpoints, stats=stats, models=(slug,), provider=ProviderPreferences(**preferences)) == expected


TIERED = [
    priced("openai", 2),
    priced("openai", 4, quantization="priority"),
    priced("openai", 1, quantization="flex"),
    priced("azure", 3),
]
SPEEDS = {
    "openai": seen(throughput=20),
    "openai/priority": seen(throughput=40),
    "openai/flex": seen(throughput=10),
    "azure": seen(throughput=50),
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"models": ("acme/chat:nitro",)}, ["azure", "openai/priority", "openai"]),
        ({"models": ("acme/chat:floor",)}, ["openai/flex", "openai", "azure"]),
        (
            {"models": ("acme/chat:floor",), "parameters": {"service_tier": "default"}},
            ["openai", "azure"],
        ),
        ({"parameters": {"service_tier": "priority"}}, ["openai/priority", "azure", "openai"]),
        ({"parameters": {"service_tier": "fast"}}, ["openai/priority", "azure", "openai"]),
        ({"parameters": {"service_tier": "ultrafast"}}, ["openai/priority", "azure", "openai"]),
        ({"parameters": {"service_tier": "flex"}}, ["openai/flex"]),
        (
            {"models": ("acme/chat:nitro",), "provider": ProviderPreferences(order=("openai",))},
            ["openai", "azure"],
        ),
        (
            {"provider": ProviderPreferences(order=("openai/fast", "azure"))},
            ["openai/priority", "azure", "openai"],
        ),
    ],
)
def test_service_tiers(changes: dict[str, Any], expected: list[str]) -> None:
    assert route(*TIERED, stats=SPEEDS, **changes) == expected


def test_an_endpoint_is_asked_for_the_tier_that_it_stands_for() -> None:
    asked = request(parameters={"service_tier": "fast", "seed": 1})
    planned = plan_route(asked, catalog(*TIERED), prompt_tokens=1, random=Random(1), health=health(SPEEDS))
    sent = {each.tag: planned.request_for(asked, each).parameters for each in planned}
    assert sent["openai/priority"] == {"service_tier": "priority", "seed": 1}
    assert sent["azure"] == sent["openai"] == {"seed": 1}


def test_a_tier_goes_on_to_providers_that_have_no_endpoints_of_their_own_for_it() -> None:
    asked = request(parameters={"service_tier": "flex"})
    planned = plan_route(asked, catalog(endpoint("a")), prompt_tokens=1, random=Random(1))
    assert planned.request_for(asked, planned[0]) is asked


def test_the_sticky_endpoint_goes_first_unless_it_is_in_trouble_or_the_client_has_an_order() -> None:
    cheap, dear = priced("a", 0.001), priced("b", 5)
    sticky = endpoint_key(dear)
    assert route(cheap, dear, sticky=sticky) == ["b", "a"]
    assert route(cheap, dear) == ["a", "b"]
    assert route(cheap, dear, sticky=sticky, stats={"b": seen(outage=True)}) == ["a", "b"]
    assert route(cheap, dear, sticky=sticky, provider=ProviderPreferences(order=("a",))) == ["a", "b"]
    assert route(cheap, dear, sticky=sticky, provider=ProviderPreferences(ignore=("b",))) == ["a"]
    assert route(cheap, dear, sticky="of an endpoint that is gone") == ["a", "b"]


def test_the_sticky_endpoint_of_a_fallback_model_does_not_overtake_the_first_model() -> None:
    endpoints = [priced("a", 1, model="acme/a"), priced("b", 1, model="acme/b")]
    assert route(*endpoints, models=("acme/a", "acme/b"), sticky=endpoint_key(endpoints[1])) == ["a", "b"]
