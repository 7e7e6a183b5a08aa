"""What lets us in where it is no API key, while credentials change."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from infra.catalog import built_catalog
from turnpike.bootstrap.completions import build_signer, build_tokens
from turnpike.bootstrap.own_credentials import sign_when_needed, tokens_as_they_come
from turnpike.bootstrap.resources import Resources
from turnpike.providers.transport import PooledTransport

CATALOG = """
[providers.vertical]
name = "Vertical"
wire = "openai_compatible"
base_url = "https://vertical.test/{project}"
credential = "google-service-account"
[providers.plain]
name = "Plain"
wire = "openai_compatible"
base_url = "https://plain.test"
"""


def account(email: str) -> str:
    return json.dumps({"type": "service_account", "client_email": email, "private_key": "x", "project_id": "p"})


def resources(tmp_path: Path, **environ: str) -> Resources:
    path = tmp_path / "catalog.toml"
    path.write_text(CATALOG)
    tables = {
        "TURNPIKE_LEDGER_TABLE": "ledger",
        "TURNPIKE_KEYS_TABLE": "keys",
        "TURNPIKE_USAGE_QUEUE_URL": "http://127.0.0.1:9/queue",
        "TURNPIKE_CATALOG_ARTEFACT": str(built_catalog()),
        "TURNPIKE_CATALOG_OVERRIDES": str(path),
    }
    return Resources({**tables, **environ})


async def post(url: str, form: Mapping[str, str]) -> tuple[int, bytes]:
    return 200, b"{}"


def test_another_service_account_has_other_tokens(tmp_path: Path) -> None:
    environ = {"VERTICAL_API_KEY": account("one@p"), "PLAIN_API_KEY": account("one@p")}
    parts = resources(tmp_path, **environ)
    tokens = tokens_as_they_come(parts, post)
    assert set(tokens) == {"vertical"}
    first = tokens["vertical"]
    assert tokens["vertical"] is first
    parts.environ["VERTICAL_API_KEY"] = account("two@p")  # type: ignore[index]  # A dict, as above.
    assert tokens["vertical"] is not first


@pytest.mark.parametrize("credential", ["AIza-key", "{", '{"type": "service_account"}', ""])
def test_what_is_no_service_account_has_none(tmp_path: Path, credential: str) -> None:
    parts = resources(tmp_path, VERTICAL_API_KEY=account("one@p"))
    tokens = tokens_as_they_come(parts, post)
    assert "vertical" in tokens
    parts.environ["VERTICAL_API_KEY"] = credential  # type: ignore[index]
    assert tokens.get("vertical") is None


def test_nobody_has_tokens_of_a_provider_that_is_not_there(tmp_path: Path) -> None:
    assert tokens_as_they_come(resources(tmp_path), post).get("nobody") is None


def test_a_deployment_expects_any_kind_of_credential_at_any_time(tmp_path: Path) -> None:
    parts = resources(tmp_path, TURNPIKE_PROVIDER_SECRET="secret")
    assert type(build_signer(parts)) is type(sign_when_needed(parts))
    assert type(build_tokens(parts, PooledTransport())) is type(tokens_as_they_come(parts, post))


class _Signing:
    service, region = "bedrock", "us-east-1"


def test_the_late_signer_signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA0")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    signed = sign_when_needed(resources(tmp_path)).sign("https://bedrock.test/x", {}, b"{}", _Signing())
    assert "AKIA0" in signed["authorization"]
