"""Catalog files: what they may say, what of it is served, and how mistakes are reported."""

import json
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from turnpike.domain.catalog import Catalog, Provider, Timeouts
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


CLOUDS = """
[providers.amazon-bedrock]
name = "Amazon Bedrock"
wire = "bedrock"
base_url = "https://bedrock-runtime.{region}.amazonaws.com"
credential = "aws-role"
variables = { region = "us-east-1" }

[providers.google-vertex]
name = "Google Vertex"
wire = "gemini"
base_url = "https://{host}/v1/projects/{project}/locations/{location}"
credential = "google-service-account"
[providers.google-vertex.variables]
location = "global"
[providers.google-vertex.variables.host]
by = "location"
global = "aiplatform.googleapis.com"
eu = "aiplatform.eu.rep.googleapis.com"
other = "{location}-aiplatform.googleapis.com"

[providers.azure]
name = "Azure"
wire = "azure"
"""
CLOUD_MODEL = MODEL + "".join(
    f"""
  [[models.endpoints]]
  provider = "{slug}"
  upstream_model = "chat-1"
  wire = "other_{index}"
  pricing = {{ prompt = "0.00000015", completion = "0.0000006" }}
"""
    for index, slug in enumerate(("amazon-bedrock", "google-vertex", "azure"))
)
ACCOUNT = json.dumps(
    {
        "type": "service_account",
        "client_email": "a@their-project.iam.gserviceaccount.com",
        "private_key": "secret",
        "project_id": "their-project",
    }
)


def clouds(tmp_path: Path, files: str = CLOUDS + CLOUD_MODEL, **environ: str) -> tuple[dict[str, str], list[str]]:
    """The address of each provider that is served, and what was said of the others."""
    path, said = tmp_path / "clouds.toml", list[str]()
    path.write_text(files)
    catalog = load_catalog([path], environ, on_unserved=said.append)
    addresses = {provider.slug: provider.base_url for provider in catalog.providers}
    for model in catalog.models:
        assert {endpoint.provider: endpoint.base_url for endpoint in model.endpoints} == addresses
    return addresses, said


def test_an_endpoint_may_speak_another_wire_format(tmp_path: Path) -> None:
    (tmp_path / "0.toml").write_text(CLOUDS + CLOUD_MODEL)
    environ = {"AMAZON_BEDROCK_API_KEY": "key"}
    catalog = load_catalog([tmp_path / "0.toml"], environ)
    assert [endpoint.wire for endpoint in catalog.get_model("acme/chat").endpoints] == ["other_0"]
    assert load(tmp_path, WHOLE).get_model("acme/chat").endpoints[0].wire is None


def test_no_cloud_is_served_without_a_sign_of_its_operator(tmp_path: Path) -> None:
    # AWS sets the region of every function; it says nothing about models.
    assert clouds(tmp_path, AWS_REGION="eu-west-1", AWS_ACCESS_KEY_ID="x", GOOGLE_VERTEX_PROJECT="p") == ({}, [])


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({"API_KEY": "key"}, "https://bedrock-runtime.us-east-1.amazonaws.com"),
        ({"API_KEY": "key", "REGION": "eu-west-1"}, "https://bedrock-runtime.eu-west-1.amazonaws.com"),
        ({"REGION": "eu-west-1"}, "https://bedrock-runtime.eu-west-1.amazonaws.com"),
        ({"REGION": " eu-west-1\n"}, "https://bedrock-runtime.eu-west-1.amazonaws.com"),
        ({"BASE_URL": "https://vpce.test/"}, "https://vpce.test"),
        ({"REGION": ""}, None),
    ],
)
def test_aws_lets_in_by_key_or_by_role(tmp_path: Path, environ: dict[str, str], address: str | None) -> None:
    found, said = clouds(tmp_path, **{f"AMAZON_BEDROCK_{name}": value for name, value in environ.items()})
    assert (found, said) == ({} if address is None else {"amazon-bedrock": address}, [])


def test_a_role_is_no_credential_elsewhere(tmp_path: Path) -> None:
    found, said = clouds(tmp_path, AZURE_BASE_URL="https://mine.test", GOOGLE_VERTEX_LOCATION="eu")
    assert (found, said) == ({}, [])


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({"PROJECT": "p"}, "https://aiplatform.googleapis.com/v1/projects/p/locations/global"),
        ({"API_KEY": ACCOUNT}, "https://aiplatform.googleapis.com/v1/projects/their-project/locations/global"),
        (
            {"API_KEY": ACCOUNT, "PROJECT": "example.com:p"},
            "https://aiplatform.googleapis.com/v1/projects/example.com:p/locations/global",
        ),
        (
            {"PROJECT": "p", "LOCATION": "europe-west4"},
            "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4",
        ),
        ({"PROJECT": "p", "LOCATION": "eu"}, "https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu"),
        ({"PROJECT": "p", "HOST": "proxy.test"}, "https://proxy.test/v1/projects/p/locations/global"),
        ({"BASE_URL": "https://aiplatform.googleapis.com/v1"}, "https://aiplatform.googleapis.com/v1"),
    ],
)
def test_placeholders_are_filled(tmp_path: Path, environ: dict[str, str], address: str) -> None:
    environ = {"API_KEY": "AIza-key", **environ}
    found, said = clouds(tmp_path, **{f"GOOGLE_VERTEX_{name}": value for name, value in environ.items()})
    assert (found, said) == ({"google-vertex": address}, [])


def test_what_is_missing_leaves_one_provider_out_and_is_said(tmp_path: Path) -> None:
    found, said = clouds(tmp_path, GOOGLE_VERTEX_API_KEY="AIza-key", AZURE_API_KEY="key", AMAZON_BEDROCK_API_KEY="key")
    assert list(found) == ["amazon-bedrock"]
    assert said == [
        "Google Vertex is not served, although its credential is there: GOOGLE_VERTEX_PROJECT is not set",
        "Azure is not served, although its credential is there: AZURE_BASE_URL is not set, "
        "and every customer of Azure has another address",
    ]


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {"GOOGLE_VERTEX_API_KEY": '{"type": "service_account", "private_key": "secret"}'},
            r"google-vertex\] credential cannot be used: GOOGLE_VERTEX_API_KEY is a .* JSON without client_email",
        ),
        ({"AMAZON_BEDROCK_REGION": "evil.test/"}, r"amazon-bedrock\] base_url .* AMAZON_BEDROCK_REGION"),
        ({"AMAZON_BEDROCK_REGION": "a@evil.test"}, "AMAZON_BEDROCK_REGION"),
        ({"AMAZON_BEDROCK_REGION": "{region}"}, "AMAZON_BEDROCK_REGION"),
        ({"AZURE_API_KEY": "key", "AZURE_BASE_URL": "mine.test"}, r"base_url is not an http\(s\) .*AZURE_BASE_URL"),
    ],
)
def test_what_is_wrong_in_the_environment_is_named(tmp_path: Path, environ: dict[str, str], message: str) -> None:
    with pytest.raises(CatalogFileError, match=message) as caught:
        clouds(tmp_path, **environ)
    assert "secret" not in str(caught.value)
    assert "evil" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CLOUDS.replace('"aws-role"', '"role"'), r"credential is none of api-key, aws-role, google-service-account"),
        (CLOUDS.replace("{region}", "{Region}"), r"base_url has a placeholder \{Region\}"),
        (CLOUDS.replace("{region}", "{}"), r"base_url has a placeholder \{\}"),
        (CLOUDS.replace('"us-east-1"', "1"), r"amazon-bedrock.variables\] region is not a text"),
        (CLOUDS.replace('by = "location"', ""), r"variables.host\] by is missing"),
        (CLOUDS.replace("other =", "others ="), r"variables.host\] other is missing"),
        (CLOUDS.replace('eu = "', 'eu = 1 # "'), r"variables.host\] eu is not a text"),
        (CLOUDS.replace('variables = { region = "us-east-1" }', "variables = 1"), r"variables is not a table"),
        (CLOUDS.replace('= "us-east-1"', '= "{region}"'), r"variables leads from region back to region"),
    ],
)
def test_mistakes_in_a_providers_address_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CatalogFileError, match=message):
        clouds(tmp_path, text, AMAZON_BEDROCK_API_KEY="key")


def test_keys_come_without_the_line_end_of_the_file_that_they_were_in() -> None:
    providers = [Provider("one", "One", "x", ""), Provider("two", "Two", "x", "")]
    assert provider_keys({"ONE_API_KEY": " key \n", "TWO_API_KEY": " "}, providers) == {"one": "key"}


@pytest.fixture(scope="module")
def packaged() -> Catalog:
    environ: dict[str, str] = {}
    for slug, table in tomllib.loads(PACKAGED.read_text())["providers"].items():
        name = slug.upper().replace("-", "_")
        environ[f"{name}_API_KEY"] = "key"
        if "base_url" not in table:
            environ[f"{name}_BASE_URL"] = "https://own.test/v1"
        elif "{project}" in table["base_url"]:
            environ[f"{name}_PROJECT"] = "own"
    return load_catalog([PACKAGED], environ)


def test_the_packaged_catalog_serves_every_provider(packaged: Catalog) -> None:
    used = {endpoint.provider for model in packaged.models for endpoint in model.endpoints}

    assert used == set(tomllib.loads(PACKAGED.read_text())["providers"])
    assert used == {provider.slug for provider in packaged.providers}
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
