"""A deployment whose customers bring keys for the demo provider, under several of its names."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import httpx2
from openrouter import OpenRouter

from tests.e2e.asking import http_client
from tests.e2e.deployment import PROVIDER_KEY, Deployment
from tests.e2e.run import MARK

SEEN_AFTER_S = 1.0
"""How long keys are remembered here, in place of half a minute."""
FEE = "0.05"
PROMPT_NANO_USD, COMPLETION_NANO_USD = 1_000, 2_000

_PROVIDER = """
[providers.{slug}]
name = "{name}"
wire = "openai_compatible"
base_url = "http://127.0.0.1/v1" # The environment has the port.
"""
_MODEL = """
[[models]]
id = "own/{name}"
name = "own/{name}"
description = "Served by the demo provider."
created = 1767225600
context_length = 32768
input_modalities = ["text"]
output_modalities = ["text"]
supported_parameters = ["max_tokens", "temperature"]
"""
_ENDPOINT = """
  [[models.endpoints]]
  provider = "{provider}"
  upstream_model = "{upstream_model}"
  max_completion_tokens = 4096
  pricing = {{ prompt = "0.000001", completion = "0.000002" }}
"""


def catalog() -> str:
    """`own/shared` is served by two providers for everybody, `own/only` by one that only customers have keys for."""
    parts = [_PROVIDER.format(slug=f"own-{name}", name=f"Own {name}") for name in ("first", "second", "closed")]
    served = {
        "shared": [("own-first", "chat"), ("own-second", "chat")],
        "single": [("own-first", "chat")],
        "only": [("own-closed", "chat")],
        "flaky": [("own-first", "chat?flaky=2")],
    }
    for model, endpoints in served.items():
        parts.append(_MODEL.format(name=model))
        parts += [_ENDPOINT.format(provider=slug, upstream_model=upstream) for slug, upstream in endpoints]
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class Owner:
    """An account, with the clients of one that has credit and keys."""

    account_id: str
    http: httpx2.Client
    management: httpx2.Client
    manager: OpenRouter

    def create(self, secret: str, provider: str = "own-first", **terms: Any) -> str:
        """The id of a new key."""
        response = self.management.post("/byok", json={"provider": provider, "key": secret, **terms})
        assert response.status_code == 201, response.text
        key_id: str = response.json()["data"]["id"]
        return key_id

    def usage(self) -> int:
        """What its credit was charged so far, in nano-USD."""
        return round(self.management.get("/credits").json()["data"]["total_usage"] * 1_000_000_000)


@dataclass(frozen=True, slots=True)
class Owning:
    parts: Deployment
    url: str
    provider_url: str
    settings: Mapping[str, str]
    stack: ExitStack

    def owner(self, name: str, credit_usd: str = "1", *, key: dict[str, Any] | None = None) -> Owner:
        """A new account; `key` is for its API key, such as a limit."""
        account_id = f"acct-{name}"
        seeded = self.parts.call("seed", account_id, credit_usd)
        base_url = f"{self.url}/api/v1"
        management = self.stack.enter_context(http_client(base_url, seeded["management_key"]))
        api_key = seeded["api_key"]
        if key is not None:
            api_key = management.post("/keys", json={"name": "Limited", **key}).json()["key"]
        http = self.stack.enter_context(http_client(base_url, api_key))
        manager = self.stack.enter_context(OpenRouter(server_url=base_url, api_key=seeded["management_key"]))
        return Owner(account_id, http, management, manager)

    @contextmanager
    def without_fee(self) -> Iterator["Owning"]:
        """The same deployment, which takes nothing for customers' own keys."""
        with self.parts.serving("serve_api", **{**self.settings, "TURNPIKE_BYOK_FEE": "0"}) as (_, url):
            yield replace(self, url=url)

    def seen(self) -> dict[str, int]:
        """How often the provider was sent each of the customers' keys."""
        stats = httpx2.get(f"{self.provider_url}/stats", trust_env=False).json()
        customers: dict[str, int] = stats["customers"]
        return customers

    def forget_master_key(self, disabled: bool) -> None:
        """Disable the key under which all secrets are sealed, or enable it again."""
        aws = self.parts.aws
        client = boto3.client(
            "kms",
            endpoint_url=aws.endpoint_url,
            region_name=aws.region,
            aws_access_key_id=aws.access_key_id,
            aws_secret_access_key=aws.secret_access_key,
        )
        change = client.disable_key if disabled else client.enable_key
        change(KeyId=self.parts.variables["TURNPIKE_BYOK_KMS_KEY"])
        client.close()


def secret(name: str) -> str:
    """A customer's key that the demo provider takes."""
    return f"demo-byok-{MARK}-{name}"


@contextmanager
def owning(parts: Deployment, folder: Path) -> Iterator[Owning]:
    overrides = folder / "catalog.toml"
    overrides.write_text(catalog())
    provider_url = parts.variables["DEMO_BASE_URL"]
    settings = {
        "TURNPIKE_CATALOG_OVERRIDES": str(overrides),
        "TURNPIKE_PRINCIPAL_TTL_S": str(SEEN_AFTER_S),
        "TURNPIKE_BYOK_FEE": FEE,
        "TURNPIKE_LEASE_S": "0",
        "OWN_FIRST_API_KEY": PROVIDER_KEY,
        "OWN_SECOND_API_KEY": PROVIDER_KEY,
        **{f"OWN_{name}_BASE_URL": provider_url for name in ("FIRST", "SECOND", "CLOSED")},
    }
    with parts.serving("serve_api", **settings) as (_, url), ExitStack() as stack:
        yield Owning(parts, url, provider_url.removesuffix("/v1"), settings, stack)
