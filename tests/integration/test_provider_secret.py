"""Credentials of providers in a secret: what functions serve with it, and what the operator's command makes of it."""

import json
import os
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from infra.catalog import built_catalog
from infra.local.emulator import Emulator
from turnpike.bootstrap.credentials import ProviderCredentials
from turnpike.bootstrap.override import put_overrides
from turnpike.bootstrap.resources import Resources
from turnpike.bootstrap.seed import AlreadySeeded, seed_operator
from turnpike.domain.catalog_tables import CatalogFileError
from turnpike.domain.ids import AccountId
from turnpike.storage.catalog_providers import variable
from turnpike.storage.schema import CATALOG, KEYS, LEDGER, Table
from turnpike.storage.secrets import UnreadableSecret

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

OWN = """
[providers.acme]
name = "Acme"
wire = "openai_compatible"
base_url = "https://{zone}.acme.test/v1"
"""


@pytest.fixture
def environ(
    aws: Emulator,
    new_table: Callable[[Table], str],
    secretsmanager: "SecretsManagerClient",
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, str]:
    """A deployment's variables; botocore reads the process's own for where AWS is."""
    for name, value in aws.environ().items():
        monkeypatch.setenv(name, value)
    secret = f"providers-{secrets.token_hex(4)}"
    secretsmanager.create_secret(Name=secret, SecretString="{}")
    return {
        **{name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_BASE_URL"))},
        "TURNPIKE_LEDGER_TABLE": new_table(LEDGER),
        "TURNPIKE_KEYS_TABLE": new_table(KEYS),
        "TURNPIKE_CATALOG_TABLE": new_table(CATALOG),
        "TURNPIKE_USAGE_QUEUE_URL": "",
        "TURNPIKE_CATALOG_ARTEFACT": str(built_catalog()),
        "TURNPIKE_PROVIDER_SECRET": secret,
    }


def put(client: "SecretsManagerClient", environ: dict[str, str], **values: str) -> None:
    client.put_secret_value(SecretId=environ["TURNPIKE_PROVIDER_SECRET"], SecretString=json.dumps(values))


def test_what_is_in_the_secret_is_served(environ: dict[str, str], secretsmanager: "SecretsManagerClient") -> None:
    assert list(Resources(environ).catalog.providers) == []
    put(secretsmanager, environ, OPENAI_API_KEY="sk-1", GROQ_BASE_URL="https://groq.test")
    parts = Resources(environ)
    assert [provider.slug for provider in parts.catalog.providers] == ["openai"]
    assert parts.provider_keys["openai"] == "sk-1"


def test_a_secret_that_is_not_there_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(UnreadableSecret, match="providers-nowhere"):
        _ = Resources({**environ, "TURNPIKE_PROVIDER_SECRET": "providers-nowhere"}).provider_environ


def test_the_operator_learns_which_variables_there_are(environ: dict[str, str]) -> None:
    plain = {**environ, "TURNPIKE_PROVIDER_SECRET": ""}
    assert {"OPENAI_API_KEY", "OPENAI_BASE_URL", "AMAZON_BEDROCK_REGION", "EXA_API_KEY"} <= set(
        ProviderCredentials(plain).variables()
    )
    put_overrides(plain, "own.toml", OWN)
    assert {variable("acme", part) for part in ("API_KEY", "BASE_URL", "ZONE")} <= set(
        ProviderCredentials(plain).variables()
    )


def test_the_operator_learns_what_would_be_served(environ: dict[str, str]) -> None:
    plain = {**environ, "TURNPIKE_PROVIDER_SECRET": ""}
    put_overrides(plain, "own.toml", OWN)
    served = ProviderCredentials(plain).check({"OPENAI_API_KEY": "sk", "ACME_API_KEY": "key"})
    assert list(served.providers) == ["OpenAI"]
    (note,) = served.notes
    assert "ACME_ZONE is not set" in note
    assert "Acme" in ProviderCredentials(plain).check({"ACME_API_KEY": "key", "ACME_ZONE": "eu"}).providers


def test_what_cannot_be_used_is_refused_before_it_is_written(environ: dict[str, str]) -> None:
    plain = {**environ, "TURNPIKE_PROVIDER_SECRET": ""}
    with pytest.raises(CatalogFileError, match="GOOGLE_VERTEX_API_KEY"):
        ProviderCredentials(plain).check({"GOOGLE_VERTEX_API_KEY": '{"type": "other"}'})


def test_the_first_account_gets_its_keys_and_its_credit_once(environ: dict[str, str]) -> None:
    plain = {**environ, "TURNPIKE_PROVIDER_SECRET": ""}
    first = seed_operator(plain, account_id="acct-first", credit_usd="5", again=False)
    with pytest.raises(AlreadySeeded, match=first.operator_key[-3:]):
        seed_operator(plain, account_id="acct-first", credit_usd="5", again=False)
    again = seed_operator(plain, account_id="acct-first", credit_usd="7", again=True)
    assert not {first.operator_key, first.management_key, first.api_key} & {again.operator_key, again.management_key}

    parts = Resources(plain)
    keys = parts.api_keys.list_for(AccountId("acct-first"))
    assert sorted(key.role for key in keys) == sorted(["inference", "management", "operator"] * 2)
    assert parts.ledger.get_balance(AccountId("acct-first")).available == 5_000_000_000
