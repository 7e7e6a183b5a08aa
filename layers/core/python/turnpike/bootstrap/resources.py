"""What several functions are made of: AWS clients, repositories and shared use cases, each built once."""

import os
from collections.abc import Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

import botocore.session
from botocore.config import Config

from turnpike.api.auth import Guard
from turnpike.domain.catalog import Catalog
from turnpike.services.authenticate import Authenticate
from turnpike.settings import Settings
from turnpike.storage.api_keys import DynamoApiKeys
from turnpike.storage.catalog_files import PACKAGED, load_catalog, provider_keys
from turnpike.storage.generations import DynamoGenerations
from turnpike.storage.ledger import DynamoLedger
from turnpike.telemetry import logger

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

_AWS_CONFIG = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=64,
    # Every request is built by storage/, from values that its types have checked; saves a tenth of each call.
    parameter_validation=False,
    # Given one, botocore does not put together its own of 28 parts, twice for every call: a tenth of the call.
    user_agent="turnpike",
)


class Resources:
    """Lazy: a function pays at start-up for what its own composition touches, and for nothing else."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.settings = Settings.from_environ(environ)
        # botocore alone: boto3 adds 50 ms of start-up for a resource layer that nothing here uses.
        self._session = botocore.session.get_session()

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        return cast("DynamoDBClient", self._session.create_client("dynamodb", config=_AWS_CONFIG))

    @cached_property
    def sqs(self) -> "SQSClient":
        return cast("SQSClient", self._session.create_client("sqs", config=_AWS_CONFIG))

    @cached_property
    def ledger(self) -> DynamoLedger:
        return DynamoLedger(self.dynamodb, self.settings.ledger_table)

    @cached_property
    def generations(self) -> DynamoGenerations:
        return DynamoGenerations(self.dynamodb, self.settings.ledger_table)

    @cached_property
    def api_keys(self) -> DynamoApiKeys:
        return DynamoApiKeys(self.dynamodb, self.settings.keys_table)

    @cached_property
    def catalog(self) -> Catalog:
        overrides = [Path(path) for path in self.settings.catalog_overrides.split(os.pathsep) if path]
        paths = [PACKAGED, *overrides]
        return load_catalog(paths, self.environ, on_unserved=logger.warning)

    @cached_property
    def provider_keys(self) -> Mapping[str, str]:
        return provider_keys(self.environ, self.catalog.providers)

    def aws_credentials(self) -> "Credentials | None":
        """The function's role on Lambda, the environment's or the profile's elsewhere; they renew themselves."""
        return self._session.get_credentials()

    @cached_property
    def guard(self) -> Guard:
        return Guard(Authenticate(self.api_keys, ttl_s=self.settings.principal_ttl_s))


@lru_cache(maxsize=1)
def resources() -> Resources:
    """The process's own, from its environment; functions that share a process share them."""
    return Resources(os.environ)
