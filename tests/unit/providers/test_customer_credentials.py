"""Requests with customers' own keys: what a provider is sent, and that it is never a credential of ours."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import httpx2
import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from turnpike.domain.byok import Byok, Credential
from turnpike.domain.catalog import Endpoint, Provider
from turnpike.domain.chat import ChatRequest
from turnpike.domain.errors import UpstreamError
from turnpike.ports.upstream import Signing
from turnpike.providers.upstream import HttpUpstream

from tests.fake_byok import own_key
from tests.scenario import endpoint, request

pytestmark = pytest.mark.anyio
OURS, THEIRS = "our-own-key-0123456789", "their-own-key-0123456789"
PROVIDERS = [
    Provider("one", "One", "openai_compatible", ""),
    Provider("bedrock", "Bedrock", "bedrock", ""),
    Provider("vertex", "Vertex", "vertex_anthropic", ""),
]
PEM = (
    rsa.generate_private_key(public_exponent=65537, key_size=2048)
    .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    .decode()
)
ACCOUNT = json.dumps(
    {
        "type": "service_account",
        "project_id": "p",
        "private_key": PEM,
        "client_email": "they@p.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
)
ASKED = request(stream=False)


@dataclass
class Net(httpx2.AsyncBaseTransport):
    """Keeps what was sent, grants tokens, and refuses all the rest with what the provider was sent."""

    sent: list[httpx2.Request] = field(default_factory=list)
    tokens: int = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.host == "oauth2.googleapis.com":
            assert parse_qs(request.content.decode())["assertion"]
            self.tokens += 1
            return httpx2.Response(200, content=orjson.dumps({"access_token": "ya29.theirs", "expires_in": 3600}))
        self.sent.append(request)
        told = {"error": {"message": f"I was sent {dict(request.headers)}"}}
        return httpx2.Response(400, content=orjson.dumps(told))


class OurSigner:
    def sign(self, url: str, headers: Mapping[str, str], body: bytes, signing: Signing) -> Mapping[str, str]:
        raise AssertionError("our own role signed for a customer")


class OurTokens:
    async def token(self) -> str:
        raise AssertionError("our own token was asked for")


@dataclass
class Client:
    net: Net = field(default_factory=Net)

    def __post_init__(self) -> None:
        keys = {provider.slug: OURS for provider in PROVIDERS}
        del keys["bedrock"]
        self.upstream = HttpUpstream(
            PROVIDERS, keys, tokens={"vertex": OurTokens()}, signer=OurSigner(), transport=self.net
        )

    async def ask(self, where: Endpoint, asked: ChatRequest = ASKED) -> UpstreamError:
        with pytest.raises(UpstreamError) as caught:
            await self.upstream.complete(asked, where)
        return caught.value

    def header(self, name: str) -> str:
        value: str = self.net.sent[-1].headers[name]
        return value


def owned(provider: str, credential: Credential | None, **changes: Any) -> Endpoint:
    byok = Byok(own_key(provider), Decimal(0), credential)
    return replace(endpoint(provider, **changes), byok=byok)


async def test_an_api_key_is_sent_in_place_of_ours() -> None:
    client = Client()

    error = await client.ask(owned("one", Credential("api-key", THEIRS)))
    assert client.header("authorization") == f"Bearer {THEIRS}"
    assert THEIRS not in error.message
    await client.ask(endpoint("one"))
    assert client.header("authorization") == f"Bearer {OURS}"


async def test_access_keys_sign_for_their_region() -> None:
    client = Client()
    where = owned(
        "bedrock",
        Credential("aws-keys", THEIRS, "AKIDTHEIRS"),
        base_url="https://bedrock-runtime.eu-west-3.amazonaws.com",
    )

    error = await client.ask(where)

    signature = client.header("authorization")
    assert signature.startswith("AWS4-HMAC-SHA256 Credential=AKIDTHEIRS/")
    assert "/eu-west-3/bedrock/aws4_request" in signature
    assert signature not in error.message


async def test_a_service_accounts_token_is_got_once() -> None:
    client = Client()
    theirs = Credential("google-service-account", ACCOUNT)

    for _ in range(2):
        await client.ask(owned("vertex", theirs))
        assert client.header("authorization") == "Bearer ya29.theirs"
    assert client.net.tokens == 1
    # A key that was replaced is another credential.
    await client.ask(owned("vertex", Credential("google-service-account", ACCOUNT)))
    assert client.net.tokens == 2


@pytest.mark.parametrize(
    ("provider", "credential"),
    [
        ("one", None),
        ("one", Credential("api-key", "")),
        ("bedrock", None),
        ("bedrock", Credential("api-key", "")),
        ("bedrock", Credential("aws-keys", "", "AKIDTHEIRS")),
        ("vertex", None),
        ("vertex", Credential("google-service-account", "no-account")),
    ],
)
async def test_without_a_credential_of_theirs_nothing_is_sent(provider: str, credential: Credential | None) -> None:
    client = Client()

    error = await client.ask(owned(provider, credential))

    assert (error.upstream_status, error.is_refusal) == (401, True)
    assert client.net.sent == []


async def test_requests_of_several_customers_at_once_keep_their_keys() -> None:
    client = Client()
    keys = [f"key-of-customer-{number}" for number in range(50)]

    await asyncio.gather(*(client.ask(owned("one", Credential("api-key", key))) for key in keys))

    assert sorted(sent.headers["authorization"] for sent in client.net.sent) == sorted(f"Bearer {key}" for key in keys)
