"""Providers as catalog files declare them: which are served, where, and how mistakes are reported."""

import json

import pytest

from turnpike.domain.catalog_tables import CatalogFileError, parse_toml
from turnpike.storage.catalog_providers import ProviderKeys, parse_providers

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
ACCOUNT = json.dumps(
    {
        "type": "service_account",
        "client_email": "a@their-project.iam.gserviceaccount.com",
        "private_key": "secret",
        "project_id": "their-project",
    }
)


def clouds(files: str = CLOUDS, **environ: str) -> tuple[dict[str, str], list[str]]:
    """The address of each provider that is served, and what was said of the others."""
    said: list[str] = []
    tables = dict(parse_toml("clouds.toml", files).table("providers").tables())
    declared, served = parse_providers(tables, environ, said.append)
    assert set(declared) == set(tables)
    return {slug: provider.base_url for slug, provider in served.items()}, said


def test_no_cloud_is_served_without_a_sign_of_its_operator() -> None:
    # AWS sets the region of every function; it says nothing about models.
    assert clouds(AWS_REGION="eu-west-1", AWS_ACCESS_KEY_ID="x", GOOGLE_VERTEX_PROJECT="p") == ({}, [])


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
def test_aws_lets_in_by_key_or_by_role(environ: dict[str, str], address: str | None) -> None:
    found, said = clouds(**{f"AMAZON_BEDROCK_{name}": value for name, value in environ.items()})
    assert (found, said) == ({} if address is None else {"amazon-bedrock": address}, [])


def test_a_role_is_no_credential_elsewhere() -> None:
    found, said = clouds(AZURE_BASE_URL="https://mine.test", GOOGLE_VERTEX_LOCATION="eu")
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
def test_placeholders_are_filled(environ: dict[str, str], address: str) -> None:
    environ = {"API_KEY": "AIza-key", **environ}
    found, said = clouds(**{f"GOOGLE_VERTEX_{name}": value for name, value in environ.items()})
    assert (found, said) == ({"google-vertex": address}, [])


def test_what_is_missing_leaves_one_provider_out_and_is_said() -> None:
    found, said = clouds(GOOGLE_VERTEX_API_KEY="AIza-key", AZURE_API_KEY="key", AMAZON_BEDROCK_API_KEY="key")
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
            r"line 13: credential cannot be used: GOOGLE_VERTEX_API_KEY is a .* JSON without client_email",
        ),
        ({"AMAZON_BEDROCK_REGION": "evil.test/"}, r"line 5: base_url .* AMAZON_BEDROCK_REGION"),
        ({"AMAZON_BEDROCK_REGION": "a@evil.test"}, "AMAZON_BEDROCK_REGION"),
        ({"AMAZON_BEDROCK_REGION": "{region}"}, "AMAZON_BEDROCK_REGION"),
        ({"AZURE_API_KEY": "key", "AZURE_BASE_URL": "mine.test"}, r"base_url is not an http\(s\) .*AZURE_BASE_URL"),
    ],
)
def test_what_is_wrong_in_the_environment_is_named(environ: dict[str, str], message: str) -> None:
    with pytest.raises(CatalogFileError, match=message) as caught:
        clouds(**environ)
    assert "secret" not in str(caught.value)
    assert "evil" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CLOUDS.replace('"aws-role"', '"role"'), r"credential is none of api-key, aws-role, google-service-account"),
        (CLOUDS.replace("{region}", "{Region}"), r"base_url has a placeholder \{Region\}"),
        (CLOUDS.replace("{region}", "{}"), r"base_url has a placeholder \{\}"),
        (CLOUDS.replace('"us-east-1"', "1"), "line 7: region is not a text"),
        (CLOUDS.replace('by = "location"', ""), "line 16: by is missing"),
        (CLOUDS.replace("other =", "others ="), "line 16: other is missing"),
        (CLOUDS.replace('eu = "', 'eu = 1 # "'), "line 19: eu is not a text"),
        (CLOUDS.replace('variables = { region = "us-east-1" }', "variables = 1"), r"variables is not a table"),
        (CLOUDS.replace('= "us-east-1"', '= "{region}"'), r"variables leads from region back to region"),
    ],
)
def test_mistakes_in_a_providers_address_are_named(text: str, message: str) -> None:
    with pytest.raises(CatalogFileError, match=message):
        clouds(text, AMAZON_BEDROCK_API_KEY="key")


def test_keys_come_without_the_line_end_of_the_file_that_they_were_in() -> None:
    keys = ProviderKeys({"ONE_API_KEY": " key \n", "TWO_API_KEY": " ", "GOOGLE_AI_STUDIO_API_KEY": "k", "PATH": "/"})
    assert dict(keys) == {"one": "key", "google-ai-studio": "k"}
    assert len(keys) == 2
    assert (keys.get("one"), keys.get("two"), keys.get("three", "")) == ("key", None, "")
