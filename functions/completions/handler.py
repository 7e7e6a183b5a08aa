"""The data plane, answered whole. The streaming host takes the same app and replaces this handler."""

import gc

# Collecting garbage while importing finds none, and takes a fifth of a cold start.
gc.disable()

from typing import Any

from aws_lambda_powertools.logging import correlation_paths
from mangum import Mangum
from mangum.types import LambdaContext

from turnpike.bootstrap.completions import app
from turnpike.telemetry import logger

asgi = Mangum(app(), lifespan="off")

# What is there now stays as long as the process; no collection needs to look at it again.
gc.freeze()
gc.enable()


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST, clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return asgi(event, context)
