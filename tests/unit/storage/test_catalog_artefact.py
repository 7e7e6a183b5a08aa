"""Reading the compiled catalog: what is served of it, at which prices, and what cannot be read."""

import gzip
import zlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from turnpike.domain.catalog_tables import CatalogFileError, parse_toml
from turnpike.domain.errors import ModelNotFound
from turnpike.storage.catalog_artefact import (
    MOST_BYTES,
    ArtefactCatalog,
    CatalogArtefactError,
    parse_artefact,
    read_artefact,
)

KEYS = {"ONE_API_KEY": "k", "TWO_API_KEY": "k"}


def endpoint(provider: str = "one", **rest: Any) -> dict[str, Any]:
    return {
        "provider": provider,
        "upstream_model": f"{provider}-chat",
        "pricing": {"prompt": "0.000001", "completion": "0.000002"},
        **rest,
    }


def artefact(*endpoints: dict[str, Any], **changes: Any) -> dict[str, Any]:
    model = {
        "name": "Acme: Chat",
        "description": "A model.",
        "created": 1767225600,
        "context_length": 200_000,
        "input_modalities": ["text", "image"],
        "output_modalities": ["text"],
        "tokenizer": "Other",
        "parameters": 0,
        "endpoints": list(endpoints) or [endpoint()],
    }
    return {
        "version": "abc",
        "format": 1,
        "parameters": [["max_tokens", "tools"], ["max_tokens"]],
        "providers": {
            slug: {
                "name": slug.title(),
                "wire": "openai_compatible",
                "base_url": f"https://{slug}.test/v1",
                "policy": {"training": False, "source": "https://example.com"},
            }
            for slug in ("one", "two")
        },
        "models": {"acme/chat": model},
        "aliases": {"~acme/chat-latest": "acme/chat", "acme/old": "acme/gone"},
        **changes,
    }


def catalog(*endpoints: dict[str, Any], environ: dict[str, str] = KEYS, **changes: Any) -> ArtefactCatalog:
    return ArtefactCatalog(parse_artefact(orjson.dumps(artefact(*endpoints, **changes))), environ)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zlib.compress])
def test_is_read_however_it_is_packed(pack: Any) -> None:
    assert parse_artefact(pack(orjson.dumps(artefact())))["version"] == "abc"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cut short"),
        (b"junk", "cannot be read"),
        (b"{", "cannot be read"),
        (b"[]", "cannot be read"),
        (gzip.compress(b"[]"), "not of format 1"),
        (gzip.compress(orjson.dumps(artefact()))[:-12], "cut short, or far too long"),
        (gzip.compress(b" " * (MOST_BYTES + 1)), "cut short, or far too long"),
        (orjson.dumps(artefact(format=2)), "not of format 1"),
        (orjson.dumps(artefact(models=[])), "has no models"),
        (orjson.dumps(artefact(version=None)), "has no version"),
    ],
)
def test_refuses_what_is_no_artefact(data: bytes, message: str) -> None:
    with pytest.raises(CatalogArtefactError, match=message):
        parse_artefact(data)


class TestServing:
    def test_serves_endpoints_whose_provider_has_a_credential(self) -> None:
        rows = (endpoint("one"), endpoint("two"))
        assert [each.provider for each in catalog(*rows).get_model("acme/chat").endpoints] == ["one", "two"]
        some = catalog(*rows, environ={"TWO_API_KEY": "k", "TWO_BASE_URL": "http://127.0.0.1:1/v1"})
        assert [(each.provider, each.base_url) for each in some.get_model("acme/chat").endpoints] == [
            ("two", "http://127.0.0.1:1/v1")
        ]
        assert [provider.slug for provider in some.providers] == ["two"]
        assert some.get_provider("two").name == "Two"

    def test_a_model_that_nobody_serves_is_not_found(self) -> None:
        nobody = catalog(environ={})
        assert not list(nobody.models)
        with pytest.raises(ModelNotFound):
            nobody.get_model("acme/chat")

    def test_completes_addresses_and_tells_what_misses_for_one(self) -> None:
        provider = {"name": "Cloud", "wire": "w", "base_url": "https://{region}.cloud.test/v1"}
        told: list[str] = []
        raw = artefact(endpoint("cloud"), providers={"cloud": provider})
        ArtefactCatalog(raw, {"CLOUD_API_KEY": "k"}, on_unserved=told.append)
        assert told
        assert "CLOUD_REGION" in told[0]
        served = ArtefactCatalog(raw, {"CLOUD_API_KEY": "k", "CLOUD_REGION": "eu"})
        assert served.get_model("acme/chat").endpoints[0].base_url == "https://eu.cloud.test/v1"

    def test_refuses_an_environment_that_is_wrong(self) -> None:
        with pytest.raises(CatalogFileError, match="ONE_BASE_URL"):
            catalog(environ={"ONE_API_KEY": "k", "ONE_BASE_URL": "ftp://x"})

    def test_finds_models_by_other_names(self) -> None:
        found = catalog()
        assert found.get_model("~acme/chat-latest").id == "acme/chat"
        for slug in ("acme/old", "acme/nothing"):
            with pytest.raises(ModelNotFound) as raised:
                found.get_model(slug)
            assert slug in str(raised.value)

    def test_builds_a_model_once(self) -> None:
        found = catalog()
        assert found.get_model("acme/chat") is found.get_model("~acme/chat-latest")
        assert list(found.models) == [found.get_model("acme/chat")]
        assert found.version == "abc"


class TestEndpoints:
    def test_are_as_their_model_where_nothing_else_is_said(self) -> None:
        model = catalog().get_model("acme/chat")
        each = model.endpoints[0]
        assert (each.context_length, each.max_completion_tokens) == (200_000, None)
        assert each.supported_parameters == {"max_tokens", "tools"}
        assert (each.quantization, each.collects_data, each.zdr, each.wire) == ("unknown", True, False, None)
        assert model.supported_parameters == ("max_tokens", "tools")

    def test_hold_what_is_said_of_them(self) -> None:
        each = (
            catalog(
                endpoint(
                    wire="openai_responses",
                    context_length=1000,
                    max_completion_tokens=5000,
                    parameters=1,
                    quantization="fp8",
                    collects_data=False,
                    zdr=True,
                    timeouts={"first_token_s": 90},
                )
            )
            .get_model("acme/chat")
            .endpoints[0]
        )
        assert (each.wire, each.context_length, each.max_completion_tokens) == ("openai_responses", 1000, 1000)
        assert each.supported_parameters == {"max_tokens"}
        assert (each.tag, each.collects_data, each.zdr) == ("one/fp8", False, True)
        assert (each.timeouts.first_token_s, each.timeouts.gap_s) == (90, 60.0)

    def test_say_in_which_wire_format_tools_are_asked_for(self) -> None:
        def tool_wire(own: str | None, **provider: str) -> str | None:
            spoken = {"name": "One", "wire": "openai_compatible", "base_url": "https://one.test/v1", **provider}
            return catalog(endpoint(wire=own), providers={"one": spoken}).get_model("acme/chat").endpoints[0].tool_wire

        assert tool_wire(None) is None
        assert tool_wire(None, tool_wire="openai_responses") == "openai_responses"
        assert tool_wire("openai_responses") == "openai_responses"
        assert tool_wire("anthropic", tool_wire="openai_responses") == "anthropic"
        assert tool_wire(None, wire="anthropic") == "anthropic"

    def test_are_told_apart_by_their_tags(self) -> None:
        rows = (
            endpoint(upstream_model="tee", variant="tee"),
            endpoint(upstream_model="plain"),
            endpoint(upstream_model="fp8", quantization="fp8"),
            endpoint("two", upstream_model="fast", variant="fast", quantization="fp4"),
        )
        found = catalog(*rows).get_model("acme/chat").endpoints
        assert [each.tag for each in found] == ["one/tee", "one", "one/fp8", "two/fast/fp4"]

    def test_say_where_and_of_what(self) -> None:
        each = catalog(endpoint(region="eu", input_modalities=["text"])).get_model("acme/chat").endpoints[0]
        assert (each.region, each.input_modalities) == ("eu", ("text",))
        plain = catalog().get_model("acme/chat").endpoints[0]
        assert (plain.region, plain.input_modalities) == (None, None)

    def test_are_there_once_more_for_each_service_tier(self) -> None:
        steps = [{"min_prompt_tokens": 100, "prompt": "0.000003"}]
        pricing = {"prompt": "0.000001", "completion": "0.000002", "overrides": steps}
        tiers = {"flex": {"prompt": "0.0000005"}, "priority": {"prompt": "0.000002", "completion": "0.000004"}}
        model = catalog(endpoint(pricing=pricing, tiers=tiers)).get_model("acme/chat")
        plain, flex, priority = model.endpoints
        assert [each.tag for each in model.endpoints] == ["one", "one/flex", "one/priority"]
        assert [each.service_tier for each in model.endpoints] == [None, "flex", "priority"]
        assert (flex.pricing.prompt, flex.pricing.completion) == (Decimal("0.0000005"), Decimal("0.000002"))
        # A longer prompt costs three times as much, whatever the tier.
        assert priority.pricing.at(101, None).prompt == Decimal("0.000006")
        assert priority.pricing.at(101, None).completion == Decimal("0.000004")
        # A provider may do less than it was asked to, and then charges for that.
        assert priority.pricing_in("default") == plain.pricing
        assert plain.pricing_in("priority") == priority.pricing
        assert plain.pricing_in(None) == plain.pricing_in("standard") == plain.pricing
        assert flex.supported_parameters - plain.supported_parameters == {"service_tier"}
        assert "service_tier" not in model.supported_parameters


class TestPrices:
    def test_are_exact(self) -> None:
        pricing = {"prompt": "0.00000015", "completion": "0.0000006", "input_cache_read": "0.000000015", "request": "1"}
        found = catalog(endpoint(pricing=pricing)).get_model("acme/chat").endpoints[0].pricing
        assert (found.prompt, found.input_cache_read, found.request) == (
            Decimal("0.00000015"),
            Decimal("0.000000015"),
            Decimal(1),
        )
        assert found.input_cache_write is None

    def test_change_with_length_and_hour(self) -> None:
        steps = [
            {"min_prompt_tokens": 128_000, "prompt": "0.000002"},
            {"utc_start": 100, "utc_end": 400, "completion": "0.000003"},
        ]
        pricing = {"prompt": "0.000001", "completion": "0.000002", "overrides": steps}
        model = catalog(endpoint(pricing=pricing)).get_model("acme/chat")
        assert model.endpoints[0].context_length == model.context_length == 200_000
        found = model.endpoints[0].pricing
        assert [found.at(length, None).prompt for length in (128_000, 128_001)] == [Decimal("1E-6"), Decimal("2E-6")]
        assert [found.at(1, hour * 3600).completion for hour in (0, 1)] == [Decimal("2E-6"), Decimal("3E-6")]


class TestProviders:
    def test_say_what_they_do_with_prompts(self) -> None:
        policy = catalog().get_provider("one").policy
        assert (policy.training, policy.retention_days, policy.source) == (False, None, "https://example.com")

    def test_of_an_operators_file_are_found_there(self) -> None:
        row = parse_toml("my.toml", "[providers.one]\n\nbase_url = 'ftp://x'").table("providers").table("one")
        raw = artefact()
        whole = row.over(raw["providers"]["one"])
        with pytest.raises(CatalogFileError, match=r"my\.toml, line 3: base_url is not an http"):
            ArtefactCatalog(raw, KEYS, rows={"one": whole})


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogArtefactError, match=r"none\.gz: .*make catalog"):
        read_artefact(tmp_path / "none.gz")


class TestForCustomersWithKeysOfTheirOwn:
    ENDPOINTS = (endpoint("one"), endpoint("two", tiers={"flex": {"prompt": "0.0000005"}}))

    def test_what_no_credential_of_ours_opens_is_there_and_marked(self) -> None:
        served = catalog(*self.ENDPOINTS, environ={"ONE_API_KEY": "k"})
        whole = served.with_unserved()

        assert [each.provider for each in served.get_model("acme/chat").endpoints] == ["one"]
        found = [(each.tag, each.is_shared) for each in whole.get_model("acme/chat").endpoints]
        assert found == [("one", True), ("two", False), ("two/flex", False)]
        assert whole.get_provider("two").name == "Two"
        with pytest.raises(KeyError):
            served.get_provider("two")

    def test_it_is_made_once_and_is_the_same_catalog(self) -> None:
        served = catalog(*self.ENDPOINTS)
        whole = served.with_unserved()

        assert served.with_unserved() is whole
        assert whole.with_unserved() is whole
        assert whole.version == served.version
        assert whole.resolve("acme/old") == served.resolve("acme/old")

    def test_a_model_that_nobody_serves_is_there(self) -> None:
        served = catalog(endpoint("two"), environ={})

        with pytest.raises(ModelNotFound):
            served.get_model("acme/chat")
        assert served.with_unserved().get_model("acme/chat").endpoints[0].is_shared is False

    def test_addresses_are_completed_by_what_a_key_brings(self) -> None:
        providers = {
            "plain": {"name": "P", "wire": "openai_compatible", "base_url": "https://plain.test/v1"},
            "regional": {
                "name": "R",
                "wire": "openai_compatible",
                "base_url": "https://{region}.test/{project}",
                "variables": {"region": "us"},
            },
            "anywhere": {"name": "A", "wire": "openai_compatible"},
        }
        environ = {"PLAIN_BASE_URL": "https://proxy.test/v1", "REGIONAL_BASE_URL": "https://ours.test"}
        served = catalog(environ=environ, providers=providers)

        assert served.address_of("plain", {}) == "https://proxy.test/v1"
        # Ours is another customer's resource.
        own = {"region": "eu", "project": "p"}
        assert served.address_of("regional", own) == "https://eu.test/p"
        assert served.address_of("regional", {"project": "p"}) == "https://us.test/p"
        assert served.address_of("regional", {"region": "eu"}) is None
        assert served.address_of("regional", {**own, "region": "evil.example/"}) is None
        assert served.address_of("regional", {}) == "https://ours.test"
        assert served.address_of("anywhere", {}) is None
        assert served.address_of("anywhere", {"base_url": "https://mine.test/v1"}) == "https://mine.test/v1"
