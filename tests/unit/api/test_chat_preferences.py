"""What a chat body and its headers say of routing, of plugins and of the response cache."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.datastructures import Headers

from turnpike.api.chat.parse import parse_chat_request
from turnpike.api.errors import present_error
from turnpike.domain.availability import Availability, ExcludedCandidate
from turnpike.domain.chat import AutoRouting, ChatRequest, ProviderPreferences, ResponseCaching
from turnpike.domain.errors import InvalidRequest, NoEndpoints

from tests.chat_client import HELLO


def parsed(headers: dict[str, str] | None = None, **members: Any) -> ChatRequest:
    return parse_chat_request({**HELLO, **members}, Headers(headers or {}))


def refusal(**members: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parsed(**members)
    return caught.value


def test_all_preferences_are_taken() -> None:
    assert parsed(
        provider={
            "order": ["OpenAI", "Azure", "openai"],
            "only": ["Google AI Studio", "deepinfra/Turbo"],
            "ignore": ["x"],
            "allow_fallbacks": False,
            "require_parameters": True,
            "data_collection": "deny",
            "zdr": True,
            "enforce_distillable_text": True,
            "quantizations": ["fp8", "mxfp4"],
            "sort": {"by": "latency", "partition": "none"},
            "preferred_min_throughput": 40,
            "preferred_max_latency": {"p50": 1, "p99": 4.5, "p90": None},
            "max_price": {"prompt": 1, "completion": "2.5", "image": 0.1},
            "options": {"OpenAI": {"verbosity": "low"}},
        }
    ).provider == ProviderPreferences(
        order=("openai", "azure"),
        only=("google ai studio", "deepinfra/turbo"),
        ignore=("x",),
        allow_fallbacks=False,
        require_parameters=True,
        data_collection="deny",
        zdr=True,
        enforce_distillable_text=True,
        quantizations=("fp8", "mxfp4"),
        sort="latency",
        partition="none",
        preferred_min_throughput={"p50": 40},
        preferred_max_latency={"p50": 1, "p99": 4.5},
        max_price={"prompt": "1.0", "completion": "2.5", "image": "0.1"},
        options={"openai": {"verbosity": "low"}},
    )


@pytest.mark.parametrize(
    "given_",
    [
        None,
        {},
        {"order": None, "only": None, "sort": None, "max_price": None, "zdr": None, "allow_fallbacks": None},
        {"enforce_distillable_text": None},
        {"enforce_distillable_text": False},
        {"sort": {"by": None, "partition": None}, "options": {}, "preferred_max_latency": {}},
    ],
)
def test_null_is_absent(given_: dict[str, Any] | None) -> None:
    assert parsed(provider=given_).provider == ProviderPreferences()


@pytest.mark.parametrize(
    ("given_", "field"),
    [
        ({"colour": "red"}, "provider.colour"),
        ({"sort": "colour"}, "provider.sort"),
        ({"sort": {"by": "price", "partition": "all"}}, "provider.sort.partition"),
        ({"sort": {"by": "price", "order": 1}}, "provider.sort.order"),
        ({"quantizations": ["int3"]}, "provider.quantizations.0"),
        ({"preferred_max_latency": {"p95": 1}}, "provider.preferred_max_latency.p95"),
        ({"preferred_max_latency": -1}, "provider.preferred_max_latency"),
        ({"preferred_min_throughput": "40"}, "provider.preferred_min_throughput"),
        ({"max_price": {"prompt": -1}}, "provider.max_price.prompt"),
        ({"max_price": {"tokens": 1}}, "provider.max_price.tokens"),
        ({"data_collection": "maybe"}, "provider.data_collection"),
        ({"only": "openai"}, "provider.only"),
        ({"order": [""]}, "provider.order.0"),
        ({"options": {"openai": 1}}, "provider.options.openai"),
        ({"enforce_distillable_text": "yes"}, "provider.enforce_distillable_text"),
    ],
)
def test_what_is_no_preference_is_refused_by_name(given_: dict[str, Any], field: str) -> None:
    assert refusal(provider=given_).message.startswith(f"{field}:")


def test_the_auto_routers_settings() -> None:
    plugin = {
        "id": "auto-router",
        "allowed_models": ["anthropic/*"],
        "excluded_models": ["anthropic/claude-1"],
        "cost_tier": "max",
        "cost_quality_tradeoff": 3,
        "pin_model": True,
    }
    expected = AutoRouting(("anthropic/*",), ("anthropic/claude-1",), "max", 3, True)
    assert parsed(plugins=[plugin]).auto_router == expected
    assert parsed(plugins=[{**plugin, "enabled": False}]).auto_router == AutoRouting()
    assert parsed(plugins=[{"id": "auto-router"}]).auto_router == AutoRouting()


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, None),
        ({"plugins": [{"id": "context-compression"}]}, True),
        ({"plugins": [{"id": "context-compression", "engine": "middle-out", "enabled": True}]}, True),
        ({"plugins": [{"id": "context-compression", "enabled": False}]}, False),
        ({"transforms": ["middle-out"]}, True),
        ({"transforms": []}, False),
        ({"transforms": None}, None),
        ({"transforms": [], "plugins": [{"id": "context-compression"}]}, True),
    ],
)
def test_context_compression_has_an_older_name(members: dict[str, Any], expected: bool | None) -> None:
    assert parsed(**members).context_compression is expected


@pytest.mark.parametrize(("enabled", "expected"), [({}, True), ({"enabled": True}, True), ({"enabled": False}, False)])
def test_response_healing(enabled: dict[str, bool], expected: bool) -> None:
    assert parsed(plugins=[{"id": "response-healing", **enabled}]).response_healing is expected
    assert parsed().response_healing is False


@pytest.mark.parametrize("id_", ["auto-beta-router", "pareto-router", "fusion", "web-fetch", "nonsense"])
def test_other_plugins_are_refused_unless_they_are_off(id_: str) -> None:
    error = refusal(plugins=[{"id": "response-healing"}, {"id": id_, "max_results": 3}])
    assert error.message.startswith("plugins.1.id: this deployment has the plugins auto-router")
    assert parsed(plugins=[{"id": id_, "enabled": False}]) == parsed()


@pytest.mark.parametrize(
    ("plugins", "field"),
    [
        ([{}], "plugins.0"),
        (["web"], "plugins.0"),
        ([{"id": 5}], "plugins.0.id"),
        ([{"id": "auto-router", "cost_tier": "free"}], "plugins.0.cost_tier"),
        ([{"id": "auto-router", "cost_quality_tradeoff": 11}], "plugins.0.cost_quality_tradeoff"),
        ([{"id": "auto-router", "allowed_models": ["a"] * 1_025}], "plugins.0.allowed_models"),
        ([{"id": "auto-router", "allowed_models": [""]}], "plugins.0.allowed_models.0"),
        ([{"id": "auto-router", "allowed_models": ["a" * 1_025]}], "plugins.0.allowed_models.0"),
        ([{"id": "auto-router", "excluded_models": ["a" * 1_000] * 66}], "plugins.0.excluded_models"),
        ([{"id": "context-compression", "engine": "zip"}], "plugins.0.engine"),
        ({"id": "web"}, "plugins"),
    ],
)
def test_bad_plugins_are_refused_by_the_name_of_the_field(plugins: Any, field: str) -> None:
    assert refusal(plugins=plugins).message.startswith(field)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"x-openrouter-cache-ttl": "60"}, None),
        ({"x-openrouter-cache": "yes"}, None),
        ({"x-openrouter-cache": "true"}, ResponseCaching(True, 300, False)),
        ({"X-OpenRouter-Cache": "TRUE"}, ResponseCaching(True, 300, False)),
        ({"x-openrouter-cache": "false"}, ResponseCaching(False, 300, False)),
        ({"x-openrouter-cache": "true", "x-openrouter-cache-clear": "true"}, ResponseCaching(True, 300, True)),
    ],
)
def test_the_response_cache_is_asked_for_by_headers(headers: dict[str, str], expected: ResponseCaching | None) -> None:
    assert parsed(headers).caching == expected


@pytest.mark.parametrize(
    ("ttl", "expected"),
    [
        ("60", 60),
        ("60abc", 60),
        ("1.5", 1),
        ("0", 1),
        ("86401", 86_400),
        ("9" * 5_000, 86_400),
        ("abc", 300),
        ("", 300),
        ("-5", 300),
        ("٣", 300),
        (" 7 ", 7),
    ],
)
def test_the_time_to_live_is_read_leniently(ttl: str, expected: int) -> None:
    caching = parse_chat_request(
        HELLO, Headers(raw=[(b"x-openrouter-cache", b"true"), (b"x-openrouter-cache-ttl", ttl.encode())])
    ).caching
    assert caching is not None
    assert caching.ttl_s == expected


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
keys = st.sampled_from([*ProviderPreferences.__dataclass_fields__, "by", "p50", "prompt", "id", "enabled"])


@settings(max_examples=60)
@given(
    provider=values | st.dictionaries(keys, values | st.dictionaries(keys, values)),
    plugins=values | st.lists(st.dictionaries(keys, values | st.just("auto-router"))),
)
def test_junk_is_refused_and_nothing_else_happens(provider: Any, plugins: Any) -> None:
    with suppress(InvalidRequest):
        parsed(provider=provider, plugins=plugins)


def test_an_error_tells_what_excluded_each_candidate() -> None:
    error = NoEndpoints(
        "No",
        Availability(
            "constraint_filtered",
            ["acme/chat"],
            excluded_by=["max_price"],
            affected_providers=["one"],
            constraint=("provider.max_price", "raise it"),
            fallback_models=["acme/other"],
            candidates=[ExcludedCandidate("acme/chat", "one/fp8", "max_price", "provider.max_price", "raise it")],
        ),
    )
    assert present_error(error)["availability"] == {
        "code": "constraint_filtered",
        "retryable": False,
        "requested_models": ["acme/chat"],
        "docs_url": "https://openrouter.ai/docs/guides/routing/provider-routing",
        "affected_providers": ["one"],
        "excluded_by": ["max_price"],
        "fallback_models": ["acme/other"],
        "constraint": {"field": "provider.max_price", "detail": "raise it"},
        "candidates": [
            {
                "model": "acme/chat",
                "endpoint": "one/fp8",
                "excluded_by": "max_price",
                "field": "provider.max_price",
                "detail": "raise it",
            }
        ],
    }
