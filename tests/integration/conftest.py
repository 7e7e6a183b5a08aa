"""The emulator that integration tests share, and tables of their own for each module."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import botocore.session
import pytest
from botocore.config import Config

from infra.local.emulator import Emulator, emulator
from infra.local.provision import create_table
from turnpike.storage.schema import KEYS, LEDGER, Table

from tests.aws_clients import client_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Shared by all: name what you create so that nobody else meets it, and do not reset it."""
    with emulator(tmp_path_factory.mktemp("emulator") / "emulator.log") as running:
        yield running


@pytest.fixture(scope="session")
def dynamodb(aws: Emulator) -> "DynamoDBClient":
    return cast("DynamoDBClient", client_of(aws, "dynamodb"))


@pytest.fixture(scope="session")
def sqs(aws: Emulator) -> "SQSClient":
    return cast("SQSClient", client_of(aws, "sqs"))


@pytest.fixture(scope="session")
def secretsmanager(aws: Emulator) -> "SecretsManagerClient":
    return cast("SecretsManagerClient", client_of(aws, "secretsmanager"))


@pytest.fixture(scope="session")
def kms(aws: Emulator) -> "KMSClient":
    return cast("KMSClient", client_of(aws, "kms"))


@pytest.fixture(scope="session")
def lost_kms(aws: Emulator) -> "KMSClient":
    """One that finds nobody: the discard port, where nobody listens."""
    return cast("KMSClient", client_of(replace(aws, port=9), "kms"))


@pytest.fixture(scope="session")
def s3(aws: Emulator) -> "S3Client":
    client = botocore.session.get_session().create_client(
        "s3",
        endpoint_url=aws.endpoint_url,
        region_name=aws.region,
        aws_access_key_id=aws.access_key_id,
        aws_secret_access_key=aws.secret_access_key,
        config=Config(retries={"mode": "standard", "total_max_attempts": 3}),
    )
    return cast("S3Client", client)


@pytest.fixture(scope="module")
def new_table(dynamodb: "DynamoDBClient") -> Callable[[Table], str]:
    """Creates a table of the schema under a name that nobody else uses, and returns the name."""
    return lambda table: create_table(dynamodb, table, f"turnpike-test-{secrets.token_hex(4)}-{table.name}")


@pytest.fixture(scope="module")
def ledger_table(new_table: Callable[[Table], str]) -> str:
    return new_table(LEDGER)


@pytest.fixture(scope="module")
def keys_table(new_table: Callable[[Table], str]) -> str:
    return new_table(KEYS)
