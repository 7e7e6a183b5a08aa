"""Where clients come from: the environment, and botocore for what it does not hold."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import Credentials as BotocoreCredentials
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError, NoRegionError

from turnpike.storage.aws import Aws
from turnpike.storage.aws_json.credentials import find_credentials
from turnpike.storage.aws_json.signing import Credentials

ROLE = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "hush", "AWS_SESSION_TOKEN": "token"}


def found(environ: Mapping[str, str], resolved: Any = None) -> Credentials:
    return find_credentials(environ, lambda: resolved)()


def test_a_role_on_lambda_is_in_the_environment() -> None:
    assert found(ROLE) == Credentials("AKID", "hush", "token")
    assert found({**ROLE, "AWS_SESSION_TOKEN": ""}) == Credentials("AKID", "hush", "")


@pytest.mark.parametrize(
    "environ",
    [{}, {**ROLE, "AWS_SECRET_ACCESS_KEY": ""}, {**ROLE, "AWS_CREDENTIAL_EXPIRATION": "2026-11-28T20:00:00Z"}],
)
def test_others_are_left_to_botocore(environ: Mapping[str, str]) -> None:
    assert found(environ, BotocoreCredentials("A", "b")) == Credentials("A", "b", "")
    with pytest.raises(NoCredentialsError):
        found(environ)


def test_credentials_that_renew_themselves_are_asked_for_with_every_call() -> None:
    class Renewing:
        def __init__(self) -> None:
            self.number = 0

        def get_frozen_credentials(self) -> ReadOnlyCredentials:
            self.number += 1
            return ReadOnlyCredentials(f"key-{self.number}", "s", f"token-{self.number}")

    renewing: Any = Renewing()
    get = find_credentials({}, lambda: renewing)
    assert [get().token, get().token] == ["token-1", "token-2"]


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Nothing of the user's own AWS account."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return monkeypatch


def test_the_region_is_the_one_asked_for_or_the_environments_or_the_profiles(
    bare: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(NoRegionError):
        Aws().dynamodb()
    (tmp_path / "config").write_text("[default]\nregion = ap-south-1\n")
    assert region_of(Aws().dynamodb()) == "ap-south-1"
    bare.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    aws = Aws()
    assert region_of(aws.dynamodb()) == region_of(aws.sqs()) == "eu-west-1"
    assert region_of(aws.dynamodb("us-west-2")) == region_of(aws.kms("us-west-2")) == "us-west-2"


def region_of(client: Any) -> str:
    found: str = client.region
    return found


@pytest.mark.parametrize(
    ("variables", "host"),
    [
        ({}, "dynamodb.us-west-2.amazonaws.com"),
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, "dynamodb-fips.us-west-2.amazonaws.com"),
        ({"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "dynamodb.us-west-2.api.aws"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "127.0.0.1:9"),
        ({"AWS_DEFAULT_REGION": "us-iso-east-1"}, "dynamodb.us-iso-east-1.c2s.ic.gov"),
    ],
)
def test_special_addresses_are_those_of_botocore(
    bare: pytest.MonkeyPatch, variables: Mapping[str, str], host: str
) -> None:
    for name, value in {"AWS_DEFAULT_REGION": "us-west-2", **ROLE, **variables}.items():
        bare.setenv(name, value)
    client: Any = Aws().dynamodb()
    assert client._connections.host == host


@pytest.mark.parametrize(
    ("container", "loaded"), [({}, "False"), ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "x"}, "True")]
)
def test_what_finds_credentials_is_loaded_early_where_it_will_be_needed(container: dict[str, str], loaded: str) -> None:
    program = "import sys; from turnpike.storage.aws import Aws; Aws(); print('botocore.credentials' in sys.modules)"
    environ = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"], **container}
    printed = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, check=True, text=True)
    assert printed.stdout.strip() == loaded
