"""Customers' provider keys in every form that they may be sent in, and in those that are refused."""

import base64
import json
from typing import Any

import pytest

from turnpike.domain.byok import Place
from turnpike.domain.catalog import Provider
from turnpike.domain.errors import InvalidRequest
from turnpike.providers.customer_keys import CustomerKey, parse_customer_key

OPENAI = Provider("openai", "OpenAI", "openai_compatible", "https://api.openai.com/v1")
BEDROCK = Provider("amazon-bedrock", "Amazon Bedrock", "bedrock", "https://x.{region}.aws", credential="aws-role")
VERTEX = Provider("google-vertex", "Google", "google", "https://{host}", credential="google-service-account")
AZURE = Provider("azure", "Azure", "azure", "")
SECRET = "sk-proj-0123456789abcdef"
ACCOUNT = {
    "type": "service_account",
    "project_id": "our-project",
    "private_key_id": "key-1",
    "private_key": f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n",
    "client_email": "router@our-project.iam.gserviceaccount.com",
    "token_uri": "https://oauth2.googleapis.com/token",
}
AWS = {"accessKeyId": "AKIDEXAMPLE012345678", "secretAccessKey": SECRET, "region": "eu-central-1"}
RESOURCE = {"api_key": SECRET, "resource_name": "Our-Resource", "resource_type": "ai_foundry"}
DEPLOYMENT = {
    "api_key": SECRET,
    "endpoint_url": "https://our.openai.azure.com/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21",
    "model_slug": "openai/gpt-5",
    "model_id": "my-gpt",
}


def parse(provider: Provider, key: Any) -> CustomerKey:
    return parse_customer_key(provider, key if isinstance(key, str) else json.dumps(key))


@pytest.mark.parametrize("provider", [OPENAI, BEDROCK])
def test_a_string_is_an_api_key(provider: Provider) -> None:
    parsed = parse(provider, f"  {SECRET}\n")

    assert (parsed.credential.form, parsed.credential.secret) == ("api-key", SECRET)
    assert parsed.place == Place()
    assert parsed.label == "sk-...cdef"


def test_aws_credentials_name_their_region() -> None:
    parsed = parse(BEDROCK, AWS)

    credential = parsed.credential
    assert (credential.form, credential.secret, credential.public) == ("aws-keys", SECRET, AWS["accessKeyId"])
    assert parsed.place == Place((("region", "eu-central-1"),))
    assert parsed.label == "AKI...5678"


@pytest.mark.parametrize(
    ("region", "place"),
    [
        (None, Place((("project", "our-project"),))),
        ("global", Place((("project", "our-project"), ("location", "global")))),
        ("us-east5", Place((("project", "our-project"), ("location", "us-east5")))),
    ],
)
def test_a_service_account_names_its_project_and_perhaps_a_region(region: str | None, place: Place) -> None:
    parsed = parse(VERTEX, ACCOUNT | ({"region": region} if region else {}) | {"bucket": "b"})

    assert parsed.credential.form == "google-service-account"
    assert json.loads(parsed.credential.secret)["private_key"] == ACCOUNT["private_key"]
    assert parsed.place == place
    assert parsed.label == "rou....com"


def test_a_service_account_may_be_packed() -> None:
    packed = base64.b64encode(json.dumps(ACCOUNT).encode()).decode()

    assert parse(VERTEX, packed).place == Place((("project", "our-project"),))


@pytest.mark.parametrize("key", [RESOURCE, [RESOURCE]])
def test_a_resource_of_azures(key: Any) -> None:
    parsed = parse(AZURE, key)

    assert (parsed.credential.form, parsed.credential.secret) == ("api-key", SECRET)
    assert parsed.place == Place((("base_url", "https://our-resource.services.ai.azure.com/openai/v1"),))
    assert parsed.label == "sk-...cdef"


def test_a_resource_of_azure_openai() -> None:
    for key in (RESOURCE | {"resource_type": "openai"}, {"api_key": SECRET, "resource_name": "our-resource"}):
        assert parse(AZURE, key).place.variables == (("base_url", "https://our-resource.openai.azure.com/openai/v1"),)


@pytest.mark.parametrize(
    ("url", "base_url"),
    [
        (
            DEPLOYMENT["endpoint_url"],
            "https://our.openai.azure.com/openai/deployments/my-gpt?api-version=2024-10-21",
        ),
        ("https://OUR.cognitiveservices.azure.com/openai/v1/chat/completions", None),
        ("https://our.cognitiveservices.azure.com/openai/v1", None),
        ("https://our.cognitiveservices.azure.com/openai/v1/responses", None),
    ],
)
def test_a_deployment_of_azures_is_good_for_its_model(url: str, base_url: str | None) -> None:
    parsed = parse(AZURE, DEPLOYMENT | {"endpoint_url": url})

    expected = base_url or "https://our.cognitiveservices.azure.com/openai/v1"
    assert parsed.place == Place((("base_url", expected),), "openai/gpt-5", "my-gpt")


REFUSED = [
    (OPENAI, ""),
    (OPENAI, "   "),
    (OPENAI, SECRET + "\nx-evil: 1"),
    (OPENAI, SECRET + " " + SECRET),
    (OPENAI, SECRET + "é"),
    (OPENAI, "x" * 20_000),
    (OPENAI, {"api_key": SECRET, "region": "eu"}),
    (OPENAI, [SECRET]),
    (BEDROCK, "{" + SECRET),
    (BEDROCK, "{" * 10_000 + SECRET),
    (BEDROCK, [AWS]),
    (BEDROCK, {"accessKeyId": "A", "secretAccessKey": SECRET}),
    (BEDROCK, {"accessKeyId": "A", "region": "us-east-1"}),
    (BEDROCK, AWS | {"region": "evil.example/"}),
    (BEDROCK, AWS | {"region": 1}),
    (BEDROCK, AWS | {"sessionToken": SECRET}),
    (VERTEX, SECRET),
    (VERTEX, "AIza" + SECRET),
    (VERTEX, {"type": "authorized_user", "refresh_token": SECRET}),
    (VERTEX, {**ACCOUNT, "project_id": ""}),
    (VERTEX, {**ACCOUNT, "project_id": "a/../b"}),
    (VERTEX, {**ACCOUNT, "private_key": ""}),
    (VERTEX, {**ACCOUNT, "token_uri": "https://evil.example/token"}),
    (VERTEX, {**ACCOUNT, "region": "x/y"}),
    (AZURE, SECRET),
    (AZURE, []),
    (AZURE, [SECRET]),
    (AZURE, [RESOURCE, RESOURCE]),
    (AZURE, RESOURCE | {"resource_type": "evil"}),
    (AZURE, RESOURCE | {"resource_name": "evil.example/"}),
    (AZURE, RESOURCE | {"resource_name": "evil.example#"}),
    (AZURE, RESOURCE | {"api_key": SECRET + "\n"}),
    (AZURE, {**DEPLOYMENT, "model_slug": None}),
    (AZURE, {**DEPLOYMENT, "endpoint_url": SECRET}),
    (AZURE, {**DEPLOYMENT, "endpoint_url": f"https://[{SECRET}"}),
    *(
        (AZURE, {**DEPLOYMENT, "endpoint_url": url})
        for url in (
            "http://our.openai.azure.com/openai/v1",
            "https://169.254.169.254/openai/v1",
            "https://evil.example/openai/v1",
            "https://evil.example/our.openai.azure.com/openai/v1",
            "https://our.openai.azure.com.evil.example/openai/v1",
            "https://evil.example#.openai.azure.com/openai/v1",
            "https://evil@our.openai.azure.com/openai/v1",
            "https://our.openai.azure.com@evil.example/openai/v1",
            "https://our.openai.azure.com:8443/openai/v1",
            "https://our.openai.azure.com/openai/v1/../../admin",
            "https://our.openai.azure.com/openai/deployments/a/b/chat/completions",
            "https://our.openai.azure.com/openai/v1?code=1",
            "https://our.services.ai.azure.com/models/chat/completions",
            "https://our.services.ai.azure.com/deployments/my-gpt/chat/completions",
        )
    ),
]


@pytest.mark.parametrize(("provider", "key"), REFUSED)
def test_what_cannot_be_used_is_refused_and_not_quoted(provider: Provider, key: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(provider, key)
    assert caught.value.field == "key"
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "evil" not in str(caught.value)
