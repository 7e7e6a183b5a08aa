"""Whom a command talks to, and in plain words what is missing when it cannot."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)

from infra.config import StageConfig

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

_NO_CREDENTIALS = """There are no AWS credentials here. Sign in (aws configure, or aws sso login), and if the
profile is not the default one, name it: export AWS_PROFILE=…"""
_BOOTSTRAP_VERSION = "/cdk-bootstrap/hnb659fds/version"
"""The parameter that the CDK's own bootstrap leaves in each region."""


class Missing(Exception):
    """What is not there; the message says what to do."""


@dataclass(frozen=True)
class Reach:
    """A stage's AWS account, in one of its regions."""

    config: StageConfig
    region: str

    @cached_property
    def session(self) -> boto3.Session:
        try:
            return boto3.Session(region_name=self.region)
        except ProfileNotFound as error:
            raise Missing(f"AWS_PROFILE names a profile that is not there: {error}") from error

    @cached_property
    def account(self) -> str:
        """Its number. Raises Missing."""
        try:
            found: str = self.client("sts").get_caller_identity()["Account"]
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise Missing(_NO_CREDENTIALS) from error
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise Missing(f"AWS does not take the credentials that are here ({code}). Sign in again") from error
        except BotoCoreError as error:
            raise Missing(f"AWS cannot be reached, or not with what is configured here: {error}") from error
        return found

    def require_bootstrap(self) -> None:
        """Raises Missing."""
        # First of all, so that whoever is not signed in learns that.
        account = self.account
        try:
            self.client("ssm").get_parameter(Name=_BOOTSTRAP_VERSION)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ParameterNotFound":
                raise
            raise Missing(
                f"The account {account} has not been prepared for the CDK in {self.region}. It takes a minute, "
                f"once: make bootstrap STAGE={self.config.stage}"
            ) from error

    def stack(self, half: str) -> Mapping[str, Any] | None:
        """As CloudFormation describes it; None for one that is not deployed."""
        try:
            name = self.config.stack_name(half, self.region)
            (found,) = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError":
                return None
            raise
        described: Mapping[str, Any] = found
        return described

    def require_deployment(self) -> None:
        """Raises Missing."""
        stage = self.config.stage
        # In this order: whoever is not signed in learns that, and not that there is nothing.
        if self.account and self.stack("data") is None:
            raise Missing(
                f"There is no stage {stage} in {self.region} of the account {self.account}: make deploy STAGE={stage}"
            )

    @property
    def url(self) -> str | None:
        """The base URL for clients; None where there is no API yet."""
        stack = self.stack("api")
        outputs = {each["OutputKey"]: each["OutputValue"] for each in (stack or {}).get("Outputs", ())}
        return outputs.get("Url")

    def client(self, service: str) -> Any:
        return self.session.client(service)  # type: ignore[call-overload]  # Of services without stubs, too.

    @cached_property
    def secrets(self) -> "SecretsManagerClient":
        return self.session.client("secretsmanager")

    @cached_property
    def sqs(self) -> "SQSClient":
        return self.session.client("sqs")
