"""Runs on a schedule: returns holds that nobody settled."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from turnpike.bootstrap.upkeep import run_upkeep
from turnpike.telemetry import logger, metrics

job = run_upkeep()

_RESERVED_MS = 5_000
"""Kept to finish the step that is under way."""


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    job(lambda: context.get_remaining_time_in_millis() > _RESERVED_MS)
