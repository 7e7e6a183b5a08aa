"""What holds of every route, whatever is asked for and whatever is known of the endpoints."""

from decimal import Decimal
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from turnpike.domain.catalog import Catalog, Endpoint
from turnpike.domain.chat import ChatRequest, ProviderPreferences
from turnpike.domain.errors import NoEndpoints
from turnpike.domain.health import EndpointStats, Health, Percentiles, endpoint_key
from turnpike.domain.pricing import Pricing
from turnpike.domain.routing import Route, plan_route

from tests.scenario import catalog, endpoint, request

MODELS = ("acme/a", "acme/b")
PROVIDERS = [f"p{i}" for i in range(6)]
QUANTIZATIONS = ["unknown", "fp8", "mxfp8", "bf16"]
PARAMETERS = ["max_tokens", "tools", "response_format", "seed"]

names = st.lists(st.sampled_from([*PROVIDERS, "p0/fp8", "p1/bf16", "p2/priority", "nobody"]), max_size=4).map(tuple)
measures = st.floats(0.1, 100)
percentiles = st.builds(Percentiles, measures, measures, measures, measures)
statistics = st.builds(
    EndpointStats,
    st.none() | percentiles,
    st.none() | percentiles,
    st.none() | st.floats(0, 1),
    st.booleans(),
    st.none() | percentiles,
    st.none() | percentiles,
)
cutoffs = st.dictionaries(st.sampled_from(["p50", "p75", "p90", "p99"]), measures, max_size=2)
preferences = st.builds(
    ProviderPreferences,
    order=names,
    only=st.just(()) | names,
    ignore=names,
    allow_fallbacks=st.booleans(),
    require_parameters=st.booleans(),
    data_collection=st.sampled_from(["allow", "allow", "deny"]),
    zdr=st.sampled_from([False, False, True]),
    quantizations=st.just(()) | st.lists(st.sampled_from(QUANTIZATIONS), max_size=2).map(tuple),
    sort=st.none() | st.sampled_from(["price", "throughput", "latency", "exacto"]),
    partition=st.sampled_from(["model", "none"]),
    preferred_min_throughput=cutoffs,
    preferred_max_latency=cutoffs,
    max_price=st.just({}) | st.fixed_dictionaries({"prompt": st.integers(0, 1_000).map(str)}),
)


@st.composite
def served(draw: st.DrawFn) -> Endpoint:
    quantization = draw(st.sampled_from([*QUANTIZATIONS, "flex", "priority"]))
    return endpoint(
        draw(st.sampled_from(PROVIDERS)),
        draw(st.sampled_from(MODELS)),
        quantization=quantization,
        pricing=Pricing(Decimal(draw(st.integers(0, 1_000))) / 1_000_000, Decimal(0)),
        collects_data=draw(st.booleans()),
        zdr=draw(st.booleans()),
        context_length=draw(st.sampled_from([100, 10_000, 100_000])),
        supported_parameters=frozenset(draw(st.sets(st.sampled_from(PARAMETERS)))),
    )


endpoints = st.lists(served(), min_size=1, max_size=12, unique_by=lambda each: (each.model_id, each.tag))
asked = st.builds(
    request,
    models=st.sampled_from([MODELS[:1], MODELS, ("acme/b:nitro", "acme/a:floor")]),
    parameters=st.fixed_dictionaries(
        {},
        optional={
            "seed": st.just(1),
            "tools": st.just([{"type": "function", "function": {"name": "f"}}]),
            "service_tier": st.sampled_from(["default", "flex", "priority", "ultrafast"]),
        },
    ),
    max_tokens=st.none() | st.sampled_from([10, 20_000]),
    provider=preferences,
)


class World:
    def __init__(self, endpoints: list[Endpoint], stats: list[EndpointStats]) -> None:
        self.endpoints = endpoints
        # Every model is known, also where nobody serves it with these endpoints.
        spare = [endpoint("spare", model) for model in MODELS]
        self.catalog: Catalog = catalog(*endpoints, *spare)
        self.everything = [*endpoints, *spare]
        known = {(each.model_id, each.tag): stat for each, stat in zip(endpoints, stats, strict=False)}
        self.health: Health = lambda each: known.get((each.model_id, each.tag), EndpointStats())

    def plan(self, request: ChatRequest, seed: int, **options: Any) -> Route | None:
        try:
            return plan_route(
                request, self.catalog, prompt_tokens=10_000, random=Random(seed), health=self.health, **options
            )
        except NoEndpoints:
            return None


few = settings(max_examples=50)
"""Each of them draws a whole world."""
worlds = st.builds(World, endpoints, st.lists(statistics, min_size=12, max_size=12))


def means(name: str, each: Endpoint) -> bool:
    return each.tag.startswith(f"{name}/") or name in (each.provider, each.tag)


def may_serve(request: ChatRequest, each: Endpoint) -> bool:
    """The hard filters, written down once more in the plainest way."""
    wanted = request.provider
    quantizations = {"fp8": {"fp8", "mxfp8"}}
    return (
        (not wanted.only or any(means(name, each) for name in wanted.only))
        and not any(means(name, each) for name in wanted.ignore)
        and (wanted.allow_fallbacks or not wanted.order or any(means(name, each) for name in wanted.order))
        and not (wanted.data_collection == "deny" and each.collects_data)
        and not (wanted.zdr and not each.zdr)
        and (
            not wanted.quantizations
            or any(each.quantization in quantizations.get(name, {name}) for name in wanted.quantizations)
        )
        and each.pricing.prompt * 1_000_000 <= Decimal(wanted.max_price.get("prompt", "Infinity"))
        and (request.max_tokens is None or request.max_tokens <= (each.max_completion_tokens or each.context_length))
    )


@few
@given(worlds, asked, st.integers())
def test_an_excluded_endpoint_is_never_tried(world: World, request: ChatRequest, seed: int) -> None:
    route = world.plan(request, seed)
    if route is None:
        # Refusing is right only where no ordinary endpoint of the models passes; parameters are checked elsewhere.
        return
    assert all(may_serve(request, each) for each in route)
    assert len({(each.model_id, each.tag) for each in route}) == len(route)
    assert not {id(each) for each in route} & {id(exclusion.endpoint) for exclusion in route.excluded}


@few
@given(worlds, asked, st.integers())
def test_no_request_is_refused_that_an_ordinary_endpoint_could_serve(
    world: World, request: ChatRequest, seed: int
) -> None:
    if world.plan(request, seed) is not None or request.provider.require_parameters:
        return
    first = {model.partition(":")[0] for model in request.models}
    ordinary = [each for each in world.everything if each.quantization not in ("flex", "priority")]
    assert not [each for each in ordinary if each.model_id in first and may_serve(request, each)]


@few
@given(worlds, asked, st.integers())
def test_the_same_seed_gives_the_same_route(world: World, request: ChatRequest, seed: int) -> None:
    first, second = world.plan(request, seed), world.plan(request, seed)
    assert first == second


@few
@given(worlds, asked, st.integers())
def test_the_clients_order_is_respected(world: World, request: ChatRequest, seed: int) -> None:
    route = world.plan(request, seed)
    order = request.provider.order
    if route is None or not order:
        return
    for model in MODELS:
        ranks = [
            next((rank for rank, name in enumerate(order) if means(name, each)), len(order))
            for each in route
            if each.model_id == model
        ]
        assert ranks == sorted(ranks)


@few
@given(worlds, asked, st.integers())
def test_misses_and_outages_are_moved_and_never_excluded(world: World, request: ChatRequest, seed: int) -> None:
    if not request.provider.allow_fallbacks:
        return
    calm = World(world.endpoints, [])
    route, known = calm.plan(request, seed), world.plan(request, seed)
    assert (route is None) == (known is None)
    if route is not None and known is not None:
        assert {(each.model_id, each.tag) for each in route} == {(each.model_id, each.tag) for each in known}


@few
@given(worlds, asked, st.integers())
def test_models_are_kept_apart_unless_the_client_mixes_them(world: World, request: ChatRequest, seed: int) -> None:
    route = world.plan(request, seed)
    wanted = request.provider
    if route is None or wanted.partition == "none" or wanted.preferred_max_latency or wanted.preferred_min_throughput:
        return
    models = [model.partition(":")[0] for model in request.models]
    places = [models.index(each.model_id) for each in route]
    assert places == sorted(places)


@few
@given(worlds, asked, st.integers(), st.integers(0, 11))
def test_a_sticky_endpoint_changes_the_order_alone(world: World, request: ChatRequest, seed: int, place: int) -> None:
    if not request.provider.allow_fallbacks:
        return
    sticky = endpoint_key(world.endpoints[place % len(world.endpoints)])
    plain, stuck = world.plan(request, seed), world.plan(request, seed, sticky=sticky)
    assert (plain is None) == (stuck is None)
    if plain is not None and stuck is not None:
        assert sorted(map(endpoint_key, plain)) == sorted(map(endpoint_key, stuck))
