"""Catalog files: what they may say, what of it is served, and how mistakes are reported."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from turnpike.domain.catalog import Catalog, Timeouts
from turnpike.storage.catalog_files import PACKAGED, CatalogFileError, load_catalog, provider_keys

PROVIDERS = """
[providers.one]
name = "Provider One"
wire = "openai_compatible"
base_url = "https://one.test/v1/"

[providers.second-cloud]
name = "Second Cloud"
wire = "openai_compatible"
base_url = "https://two.test/v1"
"""
MODEL = """
[[models]]
id = "acme/chat"
name = "Acme: Chat"
description = "A model"
created = 1767225600
context_length = 32768
input_modalities = ["text"]
output_modalities = ["text"]
supported_parameters = ["max_tokens", "tools"]
"""
ENDPOINT = """
  [[models.endpoints]]
  provider = "one"
  upstream_model = "chat-1"
  pricing = { prompt = "0.00000015", completion = "0.0000006" }
"""
SECOND = """
  [[models.endpoints]]
  provider = "second-cloud"
  upstream_model = "acme/chat-fp8"
  context_length = 16384
  max_completion_tokens = 4096
  supported_parameters = ["max_tokens"]
  quantization = "fp8"
  collects_data = false
  zdr = true
  timeouts = { connect_s = 1, gap_s = 20.5 }
  pricing = { prompt = "0.0000001", completion = "0.000001", input_cache_read = "0.00001", request = "0.1" }
"""
WHOLE = PROVIDERS + MODEL + ENDPOINT + SECOND
BOTH_KEYS = {"ONE_API_KEY": "key-1", "SECOND_CLOUD_API_KEY": "key-2"}


def load(tmp_path: Path, *texts: str, environ: Mapping[str, str] = BOTH_KEYS) -> Catalog:
    paths = [tmp_path / f"{number}.toml" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return load_catalog(paths, environ)


def test_every_field_is_read(tmp_path: Path) -> None:
    first, second = load(tmp_path, WHOLE).get_model("acme/chat").endpoints

    assert (first.tag, first.base_url, first.upstream_model) == ("one", "https://one.test/v1", "chat-1")
    assert (first.context_length, first.max_completion_tokens) == (32768, None)
    assert first.supported_parameters == {"max_tokens", "tools"}
    assert (first.collects_data, first.zdr) == (True, False)
    assert first.timeouts == Timeouts()
    assert first.pricing.prompt == Decimal("0.00000015")
    assert (second.tag, second.context_length, second.max_completion_tokens) == (
        "second-cloud/fp8",
        16384,
        4096,
    )
    assert second.supported_parameters == {"max_tokens"}
    assert (second.collects_data, second.zdr) == (False, True)
    assert second.timeouts == Timeouts(connect_s=1.0, first_token_s=30.0, gap_s=20.5)
    assert (second.pricing.input_cache_read, second.pricing.request) == (Decimal("1E-5"), Decimal("0.1"))


def test_only_providers_with_a_credential_are_served(tmp_path: Path) -> None:
    environ = {"SECOND_CLOUD_API_KEY": "key-2", "ONE_API_KEY": ""}

    catalog = load(tmp_path, WHOLE, environ=environ)

    assert [endpoint.provider for endpoint in catalog.get_model("acme/chat").endpoints] == ["second-cloud"]
    assert [provider.slug for provider in catalog.providers] == ["second-cloud"]
    assert provider_keys(environ, catalog.providers) == {"second-cloud": "key-2"}


def test_models_without_an_endpoint_are_left_out(tmp_path: Path) -> None:
    catalog = load(tmp_path, PROVIDERS + MODEL + ENDPOINT, environ={"SECOND_CLOUD_API_KEY": "key-2"})

    assert list(catalog.models) == []


def test_the_environment_moves_a_provider(tmp_path: Path) -> None:
    environ = {**BOTH_KEYS, "SECOND_CLOUD_BASE_URL": "http://127.0.0.1:9/v1/"}

    catalog = load(tmp_path, WHOLE, environ=environ)

    assert catalog.get_model("acme/chat").endpoints[1].base_url == "http://127.0.0.1:9/v1"
    assert catalog.get_provider("second-cloud").base_url == "http://127.0.0.1:9/v1"


def test_a_later_file_adds_a_provider_and_endpoints_to_known_models(tmp_path: Path) -> None:
    later = """
    [providers.mine]
    name = "Mine"
    wire = "openai_compatible"
    base_url = "https://mine.test/v1"
    [providers.one]
    base_url = "https://moved.test/v1"
    [[models]]
    id = "acme/chat"
    name = "Renamed"
      [[models.endpoints]]
      provider = "mine"
      upstream_model = "chat"
      pricing = { prompt = "0", completion = "0" }
      [[models.endpoints]]
      provider = "one"
      upstream_model = "chat-2"
      pricing = { prompt = "0.1", completion = "0.2" }
    """

    catalog = load(tmp_path, WHOLE, later, environ={**BOTH_KEYS, "MINE_API_KEY": "key-3"})

    model = catalog.get_model("acme/chat")
    assert (model.name, model.description) == ("Renamed", "A model")
    served = {endpoint.provider: endpoint for endpoint in model.endpoints}
    assert set(served) == {"one", "second-cloud", "mine"}
    assert (served["one"].upstream_model, served["one"].base_url) == ("chat-2", "https://moved.test/v1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PROVIDERS + "[[models]\n", r"0\.toml: .*line 11"),
        (WHOLE.replace('name = "Provider One"', ""), r"\[providers.one\] name is missing"),
        (WHOLE.replace("https://one.test/v1/", "one.test"), r"\[providers.one\] base_url is not an http"),
        (WHOLE.replace("providers.one", "providers.One"), r"\[providers.One\] slug has other characters"),
        (WHOLE.replace("acme/chat", "chat", 1), r"\[models chat\] id is not of the form author/slug"),
        (
            WHOLE.replace("created = 1767225600", 'created = "x"'),
            r"\[models acme/chat\] created is not a whole",
        ),
        (WHOLE.replace("context_length = 32768", "context_length = 0"), r"context_length is not above zero"),
        (WHOLE.replace('["text"]', '"text"', 1), r"input_modalities is not a list of texts"),
        (WHOLE.replace('"max_tokens", "tools"', "1"), r"supported_parameters is not a list of texts"),
        (
            WHOLE.replace('provider = "one"', 'provider = "none"'),
            r"\[models acme/chat.endpoints none\] provider",
        ),
        (
            WHOLE.replace('provider = "second-cloud"', 'provider = "one"').replace("fp8", "unknown"),
            "two of the same",
        ),
        (
            WHOLE.replace("zdr = true", "zdr = 1"),
            r"\[models acme/chat.endpoints second-cloud\] zdr is neither",
        ),
        (WHOLE.replace("connect_s = 1", "connect_s = 0"), r"timeouts\] connect_s is not a number of seconds"),
        (WHOLE.replace("connect_s", "conect_s"), r"timeouts\] conect_s is not a field"),
        (WHOLE.replace(', completion = "0.0000006"', ""), r"pricing\] completion is missing"),
        (WHOLE.replace('"0.0000006"', '"-1"'), r"pricing is not understood: the price completion"),
        (WHOLE.replace('"0.0000006"', '"cheap"'), r"pricing is not understood"),
        (WHOLE.replace('"0.0000006"', "0.0000006"), r"pricing\] completion is not a text"),
        (WHOLE.replace("request =", "image ="), r"pricing is not understood: .*image"),
        (WHOLE.replace("quantization", "quantisation"), r"quantisation is not a field of this table"),
        (WHOLE + "[settings]\n", r"settings is not a field"),
        ("models = 1", "models is not an array of tables"),
        ("providers = [1]", "providers is not a group of tables"),
    ],
)
def test_mistakes_name_file_table_and_field(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CatalogFileError, match=message) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "0.toml"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogFileError, match=r"none\.toml: cannot be read"):
        load_catalog([tmp_path / "none.toml"], {})


def test_mistakes_show_whether_their_provider_is_served_or_not(tmp_path: Path) -> None:
    with pytest.raises(CatalogFileError):
        load(tmp_path, WHOLE.replace('"0.0000006"', '"cheap"'), environ={})


@pytest.fixture(scope="module")
def packaged() -> Catalog:
    slugs = ("OPENAI", "GROQ", "DEEPSEEK", "MISTRAL", "XAI", "TOGETHER", "FIREWORKS", "OPENROUTER")
    return load_catalog([PACKAGED], {f"{slug}_API_KEY": "key" for slug in slugs})


def test_the_packaged_catalog_serves_every_provider(packaged: Catalog) -> None:
    used = {endpoint.provider for model in packaged.models for endpoint in model.endpoints}

    assert used == {provider.slug for provider in packaged.providers}
    assert len(used) == 8
    assert any(len(model.endpoints) > 1 for model in packaged.models)


def test_packaged_prices_are_free_only_where_the_name_says_so(packaged: Catalog) -> None:
    for model in packaged.models:
        for endpoint in model.endpoints:
            assert endpoint.pricing.is_free == model.id.endswith(":free"), model.id
            assert endpoint.pricing.completion >= endpoint.pricing.prompt, model.id


def test_packaged_endpoints_fit_their_model(packaged: Catalog) -> None:
    for model in packaged.models:
        assert model.context_length == max(endpoint.context_length for endpoint in model.endpoints)
        for endpoint in model.endpoints:
            assert endpoint.supported_parameters <= set(model.supported_parameters), endpoint
            assert (endpoint.max_completion_tokens or 0) <= endpoint.context_length, endpoint


def test_no_provider_key_means_an_empty_catalog() -> None:
    catalog = load_catalog([PACKAGED], {})

    assert (list(catalog.models), list(catalog.providers)) == ([], [])
