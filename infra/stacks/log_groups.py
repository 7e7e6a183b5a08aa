"""Log groups, which all are kept for as long as the stage says, and no longer."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.config import LOG_RETENTION_DAYS, StageConfig
from infra.stacks.names import Names

# Both count upwards; CDK's goes on to infinity.
_RETENTION = dict(zip(LOG_RETENTION_DAYS, logs.RetentionDays, strict=False))


class LogGroup(logs.LogGroup):
    def __init__(self, scope: Construct, construct_id: str, *, what: str, names: Names, config: StageConfig) -> None:
        super().__init__(
            scope,
            construct_id,
            log_group_name=names.log_group(what),
            retention=_RETENTION[config.log_retention_days],
            removal_policy=RemovalPolicy.DESTROY,
        )
