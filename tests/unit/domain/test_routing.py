"""Routing is a pure function of request, catalog and seed."""

from collections import Counter
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ProviderPreferences
from turnpike.domain.errors import ModelNotFound, NoEndpoints
from turnpike.domain.pricing import Pricing
from turnpike.domain.routing import plan_route

from tests.scenario import catalog, endpoint, request

PROVIDERS = ["alpha", "beta", "gamma", "delta"]


def route(*endpoints: Endpoint, seed: int = 1, prompt_tokens: int = 10, **changes: Any) -> list[str]:
    planned = plan_route(request(**changes), catalog(*endpoints), prompt_tokens=prompt_tokens, random=Random(seed))
    return [each.provider for each in planned]


def priced(provider: str, price: str, **changes: Any) -> Endpoint:
    return endpoint(provider, pricing=Pricing(Decimal(price), Decimal(0)), **changes)


def test_the_default_weighs_endpoints_by_inverse_square_of_price() -> None:
    # The reference's example: at $1 against $3 the cheaper one is nine times likelier to be first.
    random = Random(7)
    cheap, dear = priced("alpha", "0.000001"), priced("beta", "0.000003")
    firsts = Counter(
        plan_route(request(), catalog(cheap, dear), prompt_tokens=1, random=random)[0].provider for _ in range(6_000)
    )
    assert 8.3 < firsts["alpha"] / firsts["beta"] < 9.7


def test_free_endpoints_come_before_paid_ones_and_divide_nothing_by_zero() -> None:
    assert route(priced("alpha", "0"), priced("beta", "0.000001")) == ["alpha", "beta"]


def test_order_goes_first_and_the_others_follow() -> None:
    endpoints = [endpoint(provider) for provider in PROVIDERS]
    planned = route(*endpoints, provider=ProviderPreferences(order=("gamma", "beta")))
    assert planned[:2] == ["gamma", "beta"]
    assert set(planned) == set(PROVIDERS)


def test_order_without_fallbacks_admits_nothing_else() -> None:
    endpoints = [endpoint(provider) for provider in PROVIDERS]
    preferences = ProviderPreferences(order=("gamma", "beta"), allow_fallbacks=False)
    assert route(*endpoints, provider=preferences) == ["gamma", "beta"]


def test_without_fallbacks_one_endpoint_is_tried() -> None:
    endpoints = [endpoint(provider) for provider in PROVIDERS]
    assert len(route(*endpoints, provider=ProviderPreferences(allow_fallbacks=False))) == 1


@pytest.mark.parametrize(
    ("preferences", "reason"),
    [
        (ProviderPreferences(only=("nobody",)), "allowed_providers"),
        (ProviderPreferences(ignore=("alpha",)), "allowed_providers"),
        (ProviderPreferences(order=("nobody",), allow_fallbacks=False), "allowed_providers"),
        (ProviderPreferences(data_collection="deny"), "data_policy:training"),
        (ProviderPreferences(zdr=True), "data_policy:zdr"),
        (ProviderPreferences(quantizations=("fp8",)), "quantization"),
        (ProviderPreferences(max_price={"prompt": "0.5"}), "max_price"),
    ],
)
def test_a_condition_that_nothing_meets_is_named(preferences: ProviderPreferences, reason: str) -> None:
    with pytest.raises(NoEndpoints) as caught:
        route(endpoint("alpha"), provider=preferences)
    found = caught.value.availability
    assert found is not None
    assert found.excluded_by == [reason]
    assert found.code == ("privacy_restricted" if reason.startswith("data_policy") else "constraint_filtered")
    assert found.affected_providers == ["alpha"]
    (candidate,) = found.candidates
    assert (candidate.model, candidate.endpoint, candidate.excluded_by) == ("acme/chat", "alpha", reason)
    assert found.constraint == (candidate.field, candidate.detail)
    assert candidate.field.startswith("provider.")


def test_conditions_that_an_endpoint_meets_keep_it() -> None:
    met = endpoint("alpha", collects_data=False, zdr=True, quantization="fp8")
    preferences = ProviderPreferences(
        only=("alpha/fp8",),
        data_collection="deny",
        zdr=True,
        quantizations=("fp8",),
        max_price={"prompt": "1", "completion": "2"},
    )
    assert route(met, endpoint("beta"), provider=preferences) == ["alpha"]


def test_an_endpoint_too_short_for_the_request_is_left_out() -> None:
    short, long = endpoint("alpha", max_completion_tokens=100), endpoint("beta")
    assert route(short, long, max_tokens=1_000) == ["beta"]
    assert route(endpoint("alpha", context_length=500), long, prompt_tokens=10_000) == ["beta"]


def test_tools_prefer_endpoints_that_take_them_but_never_leave_a_model_without_any() -> None:
    able, unable = endpoint("alpha"), endpoint("beta", supported_parameters=frozenset({"max_tokens"}))
    tools = {"tools": [{"type": "function", "function": {"name": "f"}}]}
    assert route(able, unable, parameters=tools) == ["alpha"]
    assert route(unable, parameters=tools) == ["beta"]


def test_require_parameters_leaves_out_endpoints_that_would_drop_one() -> None:
    preferences = ProviderPreferences(require_parameters=True)
    endpoints = [endpoint("alpha"), endpoint("beta", supported_parameters=frozenset({"seed"}))]
    assert route(*endpoints, parameters={"seed": 1}, provider=preferences) == ["beta"]


def test_models_are_tried_in_their_order() -> None:
    endpoints = [endpoint("alpha", "acme/b"), endpoint("beta", "acme/a")]
    assert route(*endpoints, models=("acme/b", "acme/a")) == ["alpha", "beta"]


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(ModelNotFound, match=r"acme/none is not a valid model ID"):
        route(endpoint(), models=("acme/none",))


@given(
    seed=st.integers(),
    prices=st.lists(st.integers(0, 1_000), min_size=1, max_size=8),
    ignored=st.sets(st.integers(0, 7)),
    ordered=st.lists(st.integers(0, 7), unique=True),
)
def test_routes_respect_filters_and_order_whatever_the_seed(
    seed: int, prices: list[int], ignored: set[int], ordered: list[int]
) -> None:
    endpoints = [priced(f"p{i}", f"{price}e-9") for i, price in enumerate(prices)]
    order = tuple(f"p{i}" for i in ordered)
    preferences = ProviderPreferences(order=order, ignore=tuple(f"p{i}" for i in ignored))
    left = {f"p{i}" for i in range(len(prices))} - set(preferences.ignore)
    if not left:
        with pytest.raises(NoEndpoints):
            route(*endpoints, seed=seed, provider=preferences)
        return
    planned = route(*endpoints, seed=seed, provider=preferences)
    assert set(planned) == left
    assert len(planned) == len(left)
    assert planned == route(*endpoints, seed=seed, provider=preferences)
    wanted = [name for name in order if name in left]
    assert planned[: len(wanted)] == wanted
