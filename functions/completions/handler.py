"""The data plane, answered whole. The streaming host takes the same app and replaces this handler."""

from typing import Any

from aws_lambda_powertools.logging import correlation_paths
from mangum import Mangum
from mangum.types import LambdaContext

from turnpike.bootstrap.completions import app
from turnpike.telemetry import logger

asgi = Mangum(app(), lifespan="off")


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST, clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return asgi(event, context)
