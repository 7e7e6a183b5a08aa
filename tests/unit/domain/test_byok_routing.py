"""Routes of customers with provider keys of their own: which endpoints they have, and in which order."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.byok import ByokKey, Place
from turnpike.domain.byok_catalog import ByokCatalog
from turnpike.domain.catalog import Catalog, Endpoint, FixedCatalog
from turnpike.domain.chat import ProviderPreferences
from turnpike.domain.errors import ModelNotFound, NoEndpoints
from turnpike.domain.health import UNKNOWN, EndpointStats, Health, Percentiles, endpoint_key
from turnpike.domain.pricing import Pricing
from turnpike.domain.routing import Route, plan_route

from tests.fake_byok import own_key
from tests.scenario import catalog, endpoint, principal, request

FEE = Decimal("0.05")
ORDER = ProviderPreferences(order=("one", "two", "three"))


def plan(
    endpoints: Sequence[Endpoint],
    keys: Sequence[ByokKey],
    *,
    health: Health = lambda endpoint: UNKNOWN,
    served: Catalog | None = None,
    seed: int = 1,
    sticky: str | None = None,
    **changes: Any,
) -> Route:
    own = ByokCatalog(served or catalog(*endpoints), keys, principal(), FEE)
    return plan_route(
        request(**({"provider": ORDER} | changes)),
        own,
        prompt_tokens=10,
        random=Random(seed),
        health=health,
        sticky=sticky,
        policy=own.policy,
    )


def told(route: Sequence[Endpoint]) -> list[str]:
    """`one` for our own endpoint at that provider, `one+own` for the same with the key `own`."""
    return [endpoint.provider + (f"+{endpoint.byok.key.id}" if endpoint.byok else "") for endpoint in route]


ONE, TWO, THREE = endpoint("one"), endpoint("two"), endpoint("three")


def test_the_documented_example() -> None:
    keys = [own_key("three", "c"), own_key("two", "b"), own_key("one", "a")]
    expected = ["one+a", "two+b", "three+c", "one", "two", "three"]

    assert told(plan([ONE, TWO, THREE], keys)) == expected


def test_prioritized_keys_go_first_wherever_their_provider_stands() -> None:
    assert told(plan([ONE, TWO, THREE], [own_key("two", "b")])) == ["two+b", "one", "two", "three"]


def test_fallback_keys_go_last() -> None:
    keys = [own_key("one", "a", is_fallback=True), own_key("two", "b")]

    assert told(plan([ONE, TWO, THREE], keys)) == ["two+b", "one", "two", "three", "one+a"]


def test_a_providers_keys_are_tried_in_their_order() -> None:
    fast = replace(ONE, variant="fast")
    keys = [own_key("one", "second", sort_order=7), own_key("one", "first", sort_order=2), own_key("two", "b")]

    planned = plan([ONE, fast, TWO], keys)

    # The first key everywhere, before the second one anywhere.
    assert told(planned)[:5] == ["one+first", "one+first", "one+second", "one+second", "two+b"]


def test_the_sort_orders_keys_as_it_orders_our_own_endpoints() -> None:
    cheap = replace(TWO, pricing=Pricing(Decimal("0.0000001"), Decimal(0)))
    keys = [own_key("one", "a"), own_key("two", "b")]

    planned = plan([ONE, cheap], keys, provider=ProviderPreferences(sort="price"))

    assert told(planned) == ["two+b", "one+a", "two", "one"]


def test_statistics_of_our_own_endpoints_order_keys_too() -> None:
    slow = {"one": EndpointStats(throughput=Percentiles(1, 1, 1, 1)), "two": EndpointStats()}
    fast = {**slow, "two": EndpointStats(throughput=Percentiles(9, 9, 9, 9))}
    keys = [own_key("one", "a"), own_key("two", "b")]

    planned = plan(
        [ONE, TWO],
        keys,
        health=lambda endpoint: UNKNOWN if endpoint.byok else fast[endpoint.provider],
        provider=ProviderPreferences(sort="throughput"),
    )

    assert told(planned) == ["two+b", "one+a", "two", "one"]


def test_a_key_that_keeps_failing_goes_behind_the_others_and_before_our_own() -> None:
    keys = [own_key("one", "a"), own_key("two", "b")]

    def health(endpoint: Endpoint) -> EndpointStats:
        return EndpointStats(outage=endpoint.byok is not None and endpoint.byok.key.id == "a")

    assert told(plan([ONE, TWO], keys, health=health)) == ["two+b", "one+a", "one", "two"]


def test_what_is_preferred_moves_our_own_endpoints_alone() -> None:
    wanted = ProviderPreferences(order=(), preferred_min_throughput={"p50": 50})
    slow = EndpointStats(throughput=Percentiles(1, 1, 1, 1))
    keys = [own_key("one", "a"), own_key("two", "b", is_fallback=True)]

    planned = plan([ONE, TWO], keys, health=lambda endpoint: slow, provider=wanted)

    assert told(planned)[0] == "one+a"
    assert told(planned)[-1] == "two+b"


def test_models_stay_in_the_clients_order() -> None:
    other = endpoint("one", "acme/other")

    planned = plan([ONE, other], [own_key("one", "a")], models=("acme/chat", "acme/other"))

    assert [(each.model_id, each.byok is not None) for each in planned] == [
        ("acme/chat", True),
        ("acme/chat", False),
        ("acme/other", True),
        ("acme/other", False),
    ]


def test_without_fallbacks_the_first_key_is_all_there_is() -> None:
    alone = ProviderPreferences(allow_fallbacks=False)

    assert told(plan([ONE, TWO], [own_key("two", "b")], provider=alone)) == ["two+b"]


def test_conversations_stay_where_they_were() -> None:
    keys = [own_key("one", "a"), own_key("two", "b")]
    for seed in range(20):
        planned = plan([ONE, TWO], keys, seed=seed, sticky=endpoint_key(TWO), provider=ProviderPreferences())
        assert told(planned) == ["two+b", "one+a", "two", "one"]


class TestWhatMayServe:
    def test_a_required_key_serves_its_models_alone(self) -> None:
        other = endpoint("one", "acme/other")
        keys = [own_key("one", "a", is_required=True, allowed_models=("acme/chat",))]

        assert told(plan([ONE, TWO, other], keys)) == ["one+a", "two"]
        assert told(plan([ONE, TWO, other], keys, models=("acme/other",))) == ["one"]

    def test_a_key_for_all_models_is_required_for_all_of_them(self) -> None:
        other = endpoint("one", "acme/other")

        assert told(plan([other], [own_key("one", "a", is_required=True)], models=("acme/other",))) == ["one+a"]

    def test_an_only_key_shuts_our_own_out_for_every_model(self) -> None:
        other, elsewhere = endpoint("one", "acme/other"), endpoint("two", "acme/other")
        keys = [own_key("one", "a", is_byok_only=True, allowed_models=("acme/chat",))]

        assert told(plan([ONE, other, elsewhere], keys)) == ["one+a"]
        assert told(plan([ONE, other, elsewhere], keys, models=("acme/other",))) == ["two"]

    @pytest.mark.parametrize("claim", ["is_required", "is_byok_only"])
    @pytest.mark.parametrize("restriction", ["allowed_api_key_hashes", "allowed_user_ids"])
    def test_what_may_not_use_a_key_does_not_use_ours_instead(self, claim: str, restriction: str) -> None:
        keys = [own_key("one", "a", **{claim: True, restriction: ("f" * 64,)})]

        with pytest.raises(NoEndpoints) as caught:
            plan([ONE], keys)
        assert caught.value.availability is not None
        assert caught.value.availability.excluded_by == ["byok_required"]
        assert "GET /byok" in str(caught.value)
        assert told(plan([ONE, TWO], keys)) == ["two"]

    def test_a_disabled_key_is_none(self) -> None:
        keys = [own_key("one", "a", disabled=True, is_byok_only=True, is_required=True)]

        assert told(plan([ONE, TWO], keys)) == ["one", "two"]

    def test_a_key_opens_what_our_own_credentials_do_not(self) -> None:
        closed = endpoint("two", is_shared=False)

        assert told(plan([ONE, closed], [own_key("two", "b")])) == ["two+b", "one"]
        assert told(plan([ONE, closed], [own_key("one", "a")])) == ["one+a", "one"]
        with pytest.raises(ModelNotFound):
            plan([closed], [own_key("one", "a")])

    def test_routers_ask_for_what_keys_open(self) -> None:
        closed = endpoint("two", "acme/free:free", is_shared=False, pricing=Pricing())
        route = plan([ONE, closed], [own_key("two", "b")], models=("openrouter/free",))

        assert told(route) == ["two+b"]
        with pytest.raises(NoEndpoints):
            plan([ONE, closed], [own_key("one", "a")], models=("openrouter/free",))

    def test_models_are_allowed_by_any_of_their_names(self) -> None:
        plain = catalog(ONE, endpoint("one", "acme/other"))
        named = FixedCatalog(plain.models, plain.providers, {"acme/old": "acme/chat"})
        keys = [own_key("one", "a", allowed_models=("acme/old",))]

        assert told(plan([], keys, served=named)) == ["one+a", "one"]
        assert told(plan([], keys, served=named, models=("acme/old",))) == ["one+a", "one"]
        assert told(plan([], keys, served=named, models=("acme/other",))) == ["one"]

    def test_the_clients_filters_hold_for_keys(self) -> None:
        keys = [own_key("one", "a"), own_key("two", "b")]

        assert told(plan([ONE, TWO], keys, provider=ProviderPreferences(only=("two",)))) == ["two+b", "two"]
        assert told(plan([ONE, TWO], keys, provider=ProviderPreferences(ignore=("two",)))) == ["one+a", "one"]
        strict = ProviderPreferences(order=("one",), allow_fallbacks=False)
        assert told(plan([ONE, TWO], keys, provider=strict)) == ["one+a", "one"]

    @pytest.mark.parametrize(
        ("declared", "shared", "expected"),
        [(True, False, ["one+a"]), (None, True, ["one+a", "one"]), (False, True, ["one"])],
    )
    def test_data_policies_go_by_what_the_customer_declares(
        self, declared: bool | None, shared: bool, expected: list[str]
    ) -> None:
        wanted = ProviderPreferences(zdr=True)

        planned = plan([endpoint("one", zdr=shared)], [own_key("one", "a", declared_zdr=declared)], provider=wanted)

        assert told(planned) == expected

    def test_data_policies_go_before_keys(self) -> None:
        keys = [own_key("one", "a", is_required=True)]

        for wanted in (ProviderPreferences(zdr=True), ProviderPreferences(data_collection="deny")):
            with pytest.raises(NoEndpoints):
                plan([ONE], keys, provider=wanted)


class TestWhereItIsCalled:
    def test_a_key_brings_its_address_and_its_deployment(self) -> None:
        place = Place((("base_url", "https://mine.example/v1"),), "acme/chat", "my-deployment")
        other = endpoint("one", "acme/other")
        keys = [own_key("one", "a", place=place)]

        own, shared = plan([ONE, other], keys)

        assert (own.base_url, own.upstream_model) == ("https://mine.example/v1", "my-deployment")
        assert (shared.base_url, shared.upstream_model) == (ONE.base_url, ONE.upstream_model)
        assert told(plan([ONE, other], keys, models=("acme/other",))) == ["one"]

    def test_without_an_address_there_is_no_endpoint(self) -> None:
        class Nowhere(FixedCatalog):
            def address_of(self, provider: str, variables: Any) -> None:
                return None

        plain = catalog(ONE, endpoint("two", is_shared=False))
        nowhere = Nowhere(plain.models, plain.providers)
        placed = own_key("one", "a", is_required=True, place=Place((("region", "x"),)))

        # And what it is required for is not served by ours.
        with pytest.raises(NoEndpoints):
            plan([], [placed, own_key("two", "b")], served=nowhere)


def test_statistics_are_kept_apart() -> None:
    own, shared = plan([ONE], [own_key("one", "a")])

    assert endpoint_key(own) != endpoint_key(shared)
    assert endpoint_key(shared) == endpoint_key(ONE)


def test_the_fee_is_a_share_of_every_price() -> None:
    pricing = Pricing(Decimal(1), Decimal(2), Decimal(3), input_cache_read=Decimal("0.5"))
    own, shared = plan([replace(ONE, pricing=pricing)], [own_key("one", "a")])

    charged = own.charged(own.pricing)
    assert (charged.prompt, charged.completion, charged.request) == (FEE, 2 * FEE, 3 * FEE)
    assert charged.input_cache_read == FEE / 2
    assert charged.input_cache_write is None
    assert shared.charged(shared.pricing) is pricing
    assert own.pricing is pricing


PROVIDERS = ["one", "two", "three"]
MODELS = ["acme/a", "acme/b"]


@st.composite
def served(draw: st.DrawFn) -> Endpoint:
    return endpoint(
        draw(st.sampled_from(PROVIDERS)),
        draw(st.sampled_from(MODELS)),
        variant=draw(st.sampled_from([None, "turbo"])),
        is_shared=draw(st.booleans()),
        zdr=draw(st.booleans()),
        collects_data=draw(st.booleans()),
    )


@st.composite
def kept(draw: st.DrawFn) -> ByokKey:
    is_fallback = draw(st.booleans())
    return own_key(
        draw(st.sampled_from(PROVIDERS)),
        draw(st.uuids()).hex,
        sort_order=draw(st.integers(0, 3)),
        is_fallback=is_fallback,
        is_required=draw(st.booleans()),
        is_byok_only=not is_fallback and draw(st.booleans()),
        disabled=draw(st.booleans()),
        allowed_models=draw(st.none() | st.sets(st.sampled_from(MODELS), min_size=1).map(tuple)),
        allowed_api_key_hashes=draw(st.none() | st.just(("f" * 64,)) | st.just((principal().key.hash,))),
        declared_zdr=draw(st.none() | st.booleans()),
    )


preferences = st.builds(
    ProviderPreferences,
    order=st.lists(st.sampled_from(PROVIDERS), unique=True).map(tuple),
    ignore=st.lists(st.sampled_from(PROVIDERS), max_size=1).map(tuple),
    allow_fallbacks=st.booleans(),
    zdr=st.booleans(),
    data_collection=st.sampled_from(["allow", "deny"]),
    sort=st.none() | st.sampled_from(["price", "throughput", "latency", "exacto"]),
    partition=st.sampled_from(["model", "none"]),
    preferred_min_throughput=st.sampled_from([{}, {"p50": 10}]),
)


@given(
    st.lists(served(), min_size=1, max_size=8, unique_by=lambda each: (each.model_id, each.tag)),
    st.lists(kept(), max_size=6),
    preferences,
    st.integers(0, 9),
)
def test_whatever_is_asked(
    endpoints: list[Endpoint], keys: list[ByokKey], wanted: ProviderPreferences, seed: int
) -> None:
    try:
        route = plan(endpoints, keys, provider=wanted, models=tuple(MODELS), seed=seed)
    except (NoEndpoints, ModelNotFound):
        return
    enabled = [key for key in keys if not key.disabled]
    for each in route:
        if each.byok is None:
            assert each.is_shared
            for key in enabled:
                if key.provider == each.provider:
                    assert not key.is_byok_only
                    assert not (key.is_required and (key.allowed_models is None or each.model_id in key.allowed_models))
        else:
            key = each.byok.key
            assert key in enabled
            assert key.provider == each.provider
            assert key.admits(principal())
            assert key.allowed_models is None or each.model_id in key.allowed_models
        if wanted.zdr:
            assert each.zdr
        if wanted.data_collection == "deny":
            assert not each.collects_data
    for model in [None] if wanted.partition == "none" else MODELS:
        _check_sections([each for each in route if model in (None, each.model_id)])


def _check_sections(route: Sequence[Endpoint]) -> None:
    sections = [_section(each) for each in route]
    assert sections == sorted(sections)
    for provider in PROVIDERS:
        for section in (0, 2):
            orders = [
                each.byok.key.sort_order
                for each in route
                if each.byok is not None and each.provider == provider and _section(each) == section
            ]
            assert orders == sorted(orders)


def _section(endpoint: Endpoint) -> int:
    if endpoint.byok is None:
        return 1
    return 2 if endpoint.byok.key.is_fallback else 0
