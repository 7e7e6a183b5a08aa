"""What several functions are made of: AWS clients, repositories and shared use cases, each built once."""

import os
import time
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from turnpike.api.auth import Guard
from turnpike.domain.catalog import Catalog
from turnpike.domain.catalog_tables import CatalogFileError
from turnpike.domain.retention import Retention
from turnpike.providers.registry import WIRES
from turnpike.services.authenticate import Authenticate
from turnpike.services.live_catalog import LiveCatalog
from turnpike.services.load_catalog import CatalogParts, LoadCatalog
from turnpike.settings import Settings
from turnpike.storage.api_keys import DynamoApiKeys
from turnpike.storage.aws import Aws
from turnpike.storage.catalog_artefact import PACKAGED, ArtefactCatalog, parse_artefact, read_artefact
from turnpike.storage.catalog_providers import ProviderKeys
from turnpike.storage.generations import DynamoGenerations
from turnpike.storage.ledger import DynamoLedger
from turnpike.telemetry import CATALOG_REFRESH_FAILED, MetricUnit, count, log_failure, logger

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

    from turnpike.storage.activity import DynamoActivities
    from turnpike.storage.catalog_store import DynamoCatalogStore
    from turnpike.storage.exports import S3ExportStore
    from turnpike.storage.free_quota import DynamoFreeQuota
    from turnpike.storage.health import DynamoHealthCounts
    from turnpike.storage.health_snapshots import DynamoHealthSnapshots
    from turnpike.storage.jobs import DynamoJobs


class Resources:
    """Lazy: a function pays at start-up for what its own composition touches, and for nothing else."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.settings = Settings.from_environ(environ)
        self._aws = Aws()
        self._said: set[str] = set()

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        return self._aws.dynamodb()

    @cached_property
    def home_dynamodb(self) -> "DynamoDBClient":
        """For whatever counts money: it is written in one region, so that no two can spend the same credit."""
        home = self.settings.home_region
        return self._aws.dynamodb(home) if home else self.dynamodb

    @cached_property
    def sqs(self) -> "SQSClient":
        return self._aws.sqs()

    @cached_property
    def home_sqs(self) -> "SQSClient":
        home = self.settings.home_region
        return self._aws.sqs(home) if home else self.sqs

    @cached_property
    def home_s3(self) -> "S3Client":
        # A copy of a large file is answered when it is made; addresses for one size take a newer signature.
        return self._aws.s3(
            self.settings.home_region, read_timeout=20, max_pool_connections=64, signature_version="s3v4"
        )

    @cached_property
    def secrets(self) -> "SecretsManagerClient":
        return self._aws.secrets_manager()

    @cached_property
    def kms(self) -> "KMSClient":
        return self._aws.kms(self.settings.home_region)

    @cached_property
    def ledger(self) -> DynamoLedger:
        settings = self.settings
        retention = Retention(settings.generation_retention_days, settings.activity_retention_days)
        return DynamoLedger(self.home_dynamodb, settings.ledger_table, retention)

    @cached_property
    def generations(self) -> DynamoGenerations:
        return DynamoGenerations(self.home_dynamodb, self.settings.ledger_table)

    @cached_property
    def activities(self) -> "DynamoActivities":
        from turnpike.storage.activity import DynamoActivities

        return DynamoActivities(self.home_dynamodb, self.settings.ledger_table)

    @cached_property
    def free_quota(self) -> "DynamoFreeQuota":
        # Loaded by what uses it: most requests ask no free model.
        from turnpike.storage.free_quota import DynamoFreeQuota

        return DynamoFreeQuota(self.home_dynamodb, self.settings.ledger_table)

    @cached_property
    def jobs(self) -> "DynamoJobs":
        from turnpike.storage.jobs import DynamoJobs

        return DynamoJobs(self.home_dynamodb, self.settings.ledger_table)

    @cached_property
    def export_store(self) -> "S3ExportStore":
        from turnpike.storage.exports import S3ExportStore

        return S3ExportStore(self._aws.s3(), self.settings.exports_bucket)

    @cached_property
    def health_counts(self) -> "DynamoHealthCounts":
        from turnpike.storage.health import DynamoHealthCounts

        return DynamoHealthCounts(self.dynamodb, self.settings.health_table)

    @cached_property
    def health_snapshots(self) -> "DynamoHealthSnapshots":
        from turnpike.storage.health_snapshots import DynamoHealthSnapshots

        return DynamoHealthSnapshots(self.dynamodb, self.settings.health_table)

    @cached_property
    def api_keys(self) -> DynamoApiKeys:
        return DynamoApiKeys(self.dynamodb, self.settings.keys_table)

    @cached_property
    def catalog(self) -> Catalog:
        """What the deployment brought, and from the first call of `current` on what has been stored since.

        Raises CatalogFileError, also for a file of the deployment that speaks of something that is not there.
        """
        catalog, _ = self.catalog_parts.assemble(self.catalog_parts.packaged, is_strict=True)
        if not self.settings.catalog_table:
            return catalog
        return LiveCatalog(
            catalog, self._catalog_loader(), now=time.time, on_change=_note_change, on_failure=_note_failure
        )

    def _catalog_loader(self) -> Callable[[], Catalog | None]:
        parts, store, environ = self.catalog_parts, self.catalog_store, self.provider_environ

        def begin() -> LoadCatalog:
            return LoadCatalog(parts, store, parse_artefact, _note_trouble)

        if not self.settings.provider_secret:
            return begin()
        from turnpike.services.reload_catalog import ReloadCatalog
        from turnpike.storage.secret_environ import SecretEnviron

        assert isinstance(environ, SecretEnviron)  # noqa: S101  # So that its type is known.
        return ReloadCatalog(environ.refresh, begin, lambda: parts.assemble(parts.packaged, is_strict=False)[0])

    @cached_property
    def catalog_parts(self) -> CatalogParts:
        return CatalogParts(
            packaged=read_artefact(Path(self.settings.catalog_artefact or PACKAGED)),
            files=[(path, _read(path)) for path in self.settings.catalog_overrides.split(os.pathsep) if path],
            wires=WIRES,
            build=lambda artefact, rows: ArtefactCatalog(
                artefact, self.provider_environ, rows=rows, on_unserved=self._note_unserved
            ),
        )

    @cached_property
    def catalog_store(self) -> "DynamoCatalogStore":
        from turnpike.storage.catalog_store import DynamoCatalogStore

        return DynamoCatalogStore(self.dynamodb, self.settings.catalog_table)

    @cached_property
    def provider_keys(self) -> Mapping[str, str]:
        return ProviderKeys(self.provider_environ)

    @cached_property
    def provider_environ(self) -> Mapping[str, str]:
        """Where providers' credentials and addresses are. Raises UnreadableSecret, TemporarilyBusy."""
        if not self.settings.provider_secret:
            return self.environ
        # Of deployments alone; the local run has them in its environment.
        from turnpike.storage.secret_environ import SecretEnviron
        from turnpike.storage.secrets import SecretValues

        return SecretEnviron(
            self.environ, SecretValues(lambda: self.secrets, self.settings.provider_secret), _note_credentials
        )

    def _note_unserved(self, message: str) -> None:
        """Once, however often the catalog is put together."""
        if message not in self._said:
            self._said.add(message)
            logger.warning(message)

    def aws_credentials(self) -> "Credentials | None":
        """The function's role on Lambda, the environment's or the profile's elsewhere; they renew themselves."""
        return self._aws.credentials()

    @cached_property
    def guard(self) -> Guard:
        return Guard(Authenticate(self.api_keys, ttl_s=self.settings.principal_ttl_s))


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise CatalogFileError(f"{path}: cannot be read: {reason}") from error


def _note_change(catalog: Catalog) -> None:
    logger.info("the catalog has changed", extra={"version": catalog.version})


def _note_trouble(message: str) -> None:
    logger.error("a part of the stored catalog cannot be used", extra={"reason": message})
    count(CATALOG_REFRESH_FAILED, 1, MetricUnit.Count)


def _note_credentials(error: Exception) -> None:
    log_failure("the secret of providers could not be read again", error)


def _note_failure(error: Exception) -> None:
    log_failure("the stored catalog could not be looked at", error)
    count(CATALOG_REFRESH_FAILED, 1, MetricUnit.Count)


@lru_cache(maxsize=1)
def resources() -> Resources:
    """The process's own, from its environment; functions that share a process share them."""
    return Resources(os.environ)
