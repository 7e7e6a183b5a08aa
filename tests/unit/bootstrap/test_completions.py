"""What the completions function is made of, as the environment says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.catalog import built_catalog
from turnpike.bootstrap.byok import parse_fee
from turnpike.bootstrap.completions import build_hedge, build_signer, build_tokens, build_upstream
from turnpike.bootstrap.opt_in import find_own_routes
from turnpike.bootstrap.resources import Resources
from turnpike.domain.health import no_health
from turnpike.providers.transport import PooledTransport

pytestmark = pytest.mark.anyio
CATALOG = """
[providers.cloud]
name = "Cloud"
wire = "openai_compatible"
base_url = "https://{region}.cloud.test"
credential = "aws-role"

[providers.vertical]
name = "Vertical"
wire = "openai_compatible"
base_url = "https://vertical.test/{project}"
credential = "google-service-account"
"""
ACCOUNT = json.dumps({"type": "service_account", "client_email": "a@p", "private_key": "x", "project_id": "p"})
TABLES = {
    "TURNPIKE_LEDGER_TABLE": "ledger",
    "TURNPIKE_KEYS_TABLE": "keys",
    "TURNPIKE_USAGE_QUEUE_URL": "http://127.0.0.1:9/queue",
    "TURNPIKE_CATALOG_ARTEFACT": str(built_catalog()),
}


def resources(tmp_path: Path, **environ: str) -> Resources:
    path = tmp_path / "catalog.toml"
    path.write_text(CATALOG)
    return Resources({**TABLES, "TURNPIKE_CATALOG_OVERRIDES": str(path), **environ})


async def test_a_service_account_is_exchanged_for_tokens_and_a_key_is_not(tmp_path: Path) -> None:
    transport = PooledTransport()
    assert set(build_tokens(resources(tmp_path, VERTICAL_API_KEY=ACCOUNT), transport)) == {"vertical"}
    by_key = resources(tmp_path, VERTICAL_API_KEY="AIza-key", VERTICAL_PROJECT="p", CLOUD_API_KEY=ACCOUNT)
    assert set(build_tokens(by_key, transport)) == set()
    await transport.aclose()


@pytest.mark.parametrize(
    ("environ", "signs"),
    [({}, False), ({"CLOUD_REGION": "r"}, True), ({"CLOUD_REGION": "r", "CLOUD_API_KEY": "key"}, False)],
)
def test_only_a_role_signs(tmp_path: Path, environ: dict[str, str], signs: bool) -> None:
    assert (build_signer(resources(tmp_path, **environ)) is not None) == signs


async def test_it_is_composed_with_everything(tmp_path: Path) -> None:
    await build_upstream(resources(tmp_path, VERTICAL_API_KEY=ACCOUNT, CLOUD_REGION="r")).aclose()


def test_what_no_provider_needs_is_not_loaded(tmp_path: Path) -> None:
    program = """
import sys, turnpike.bootstrap.completions as completions, turnpike.bootstrap.resources as resources
completions.build_app(resources.resources())
print(*(name in sys.modules for name in ("turnpike.providers.aws_signing", "turnpike.providers.google_tokens")))
"""
    environ = {**os.environ, **TABLES, "PYTHONPATH": os.pathsep.join(sys.path), "OPENAI_API_KEY": "key"}
    environ |= {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
    printed = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, check=True, text=True)
    assert printed.stdout.split() == ["False", "False"]


def test_hedging_is_off_until_a_percentile_is_named() -> None:
    assert build_hedge("", no_health) is None
    hedge = build_hedge("p90", no_health)
    assert hedge is not None
    assert hedge.percentile == "p90"
    with pytest.raises(ValueError, match="TURNPIKE_HEDGE_AFTER is p95; it may be p50, p75, p90, p99 or empty"):
        build_hedge("p95", no_health)


@pytest.mark.parametrize("fee", ["-0.1", "1.01", "5 %", "NaN", "Infinity", ""])
def test_a_fee_is_a_share(fee: str) -> None:
    assert [str(parse_fee(share)) for share in ("0", "0.05", "1")] == ["0", "0.05", "1"]
    with pytest.raises(ValueError, match="TURNPIKE_BYOK_FEE is"):
        parse_fee(fee)


@pytest.mark.parametrize("missing", ["TURNPIKE_BYOK_TABLE", "TURNPIKE_BYOK_KMS_KEY"])
def test_without_encryption_no_keys_of_customers_are_looked_for(tmp_path: Path, missing: str) -> None:
    own = {"TURNPIKE_BYOK_TABLE": "byok", "TURNPIKE_BYOK_KMS_KEY": "key", missing: ""}
    assert find_own_routes(resources(tmp_path, **own)) is None
