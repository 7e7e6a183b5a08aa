"""One Lambda function as all of ours are: its runtime, role, log and alias are decided here, once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.config import ALIAS, StageConfig
from infra.stacks.grants import Grants
from infra.stacks.log_groups import LogGroup
from infra.stacks.names import Names
from turnpike.settings import Settings

RUNTIME = lambda_.Runtime.PYTHON_3_13
ARCHITECTURE = lambda_.Architecture.ARM_64
"""The layers' wheels are chosen for both in infra/layers.py. The emulator looks at neither."""

FOLDERS = Path(__file__).resolve().parents[2] / "functions"

STREAM_WRAPPER = "/opt/bootstrap-stream"
"""Of the layer stream_runtime: replaces the managed runtime's loop by one that streams."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How a function runs. `timeout_s`: Lambda ends whatever takes longer."""

    timeout_s: int
    streams: bool = False


METERING_TIMEOUT_S = 30
BATCHES_TIMEOUT_S = 900
"""As long as a request may take that comes by itself."""
SHAPES: Mapping[str, Shape] = {
    # As long as API Gateway lets a stream be.
    "completions": Shape(timeout_s=900, streams=True),
    # API Gateway gives up on an answer that is not streamed after 29 seconds.
    "catalog": Shape(timeout_s=29),
    "keys": Shape(timeout_s=29),
    "billing": Shape(timeout_s=29),
    "metering": Shape(timeout_s=METERING_TIMEOUT_S),
    # The catalog's sources may take 15 seconds each.
    "upkeep": Shape(timeout_s=120),
    "batches": Shape(timeout_s=BATCHES_TIMEOUT_S),
}


class TurnpikeFunction(lambda_.Function):
    """The function of one folder in functions/."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        names: Names,
        config: StageConfig,
        settings: Settings,
        layers: Sequence[lambda_.ILayerVersion],
    ) -> None:
        shape = SHAPES[name]
        group = LogGroup(scope, f"{name.title()}Log", what=name, names=names, config=config)
        super().__init__(
            scope,
            name.title(),
            function_name=names.named(name),
            code=lambda_.Code.from_asset(str(FOLDERS / name), exclude=["**/__pycache__"]),
            handler="handler.handler",
            runtime=RUNTIME,
            architecture=ARCHITECTURE,
            layers=list(layers),
            memory_size=config.memory_mb[name],
            timeout=Duration.seconds(shape.timeout_s),
            reserved_concurrent_executions=config.reserved_concurrency.get(name),
            # Loading X-Ray's library would take longer than all the rest; the log has the trace's id.
            tracing=lambda_.Tracing.DISABLED,
            logging_format=lambda_.LoggingFormat.JSON,
            log_group=group,
            # Streams last up to 15 minutes, and the version that began one has to finish it.
            current_version_options=lambda_.VersionOptions(removal_policy=RemovalPolicy.RETAIN),
            role=_role(scope, name, Grants(names, config)),
            environment=settings.environ() | {"POWERTOOLS_SERVICE_NAME": names.named(name)} | _streaming(shape, config),
            **_start(name, config),
        )
        self.group = group
        self.live = lambda_.Alias(
            scope,
            f"{name.title()}Live",
            alias_name=ALIAS,
            version=self.current_version,
            provisioned_concurrent_executions=_provisioned(name, config),
        )


def _role(scope: Construct, name: str, grants: Grants) -> iam.Role:
    return iam.Role(
        scope,
        f"{name.title()}Role",
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        description=f"What {name} may do; infra/stacks/grants.py says why",
        inline_policies={"grants": iam.PolicyDocument(statements=[grant.statement() for grant in grants.of(name)])},
    )


def _streaming(shape: Shape, config: StageConfig) -> dict[str, str]:
    """The emulator runs no wrappers; there the function answers whole."""
    return {"AWS_LAMBDA_EXEC_WRAPPER": STREAM_WRAPPER} if shape.streams and not config.is_emulated else {}


def _start(name: str, config: StageConfig) -> Mapping[str, Any]:
    if name != "completions" or not config.snapstart:
        return {}
    return {"snap_start": lambda_.SnapStartConf.ON_PUBLISHED_VERSIONS}


def _provisioned(name: str, config: StageConfig) -> int | None:
    return config.provisioned_concurrency or None if name == "completions" else None
