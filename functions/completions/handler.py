"""The data plane. `app` is for stream_runtime, which streams; `handler` answers whole, for hosts that cannot."""

import gc

# Collecting garbage while importing finds none, and takes a fifth of a cold start.
gc.disable()

from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.logging import correlation_paths

from turnpike.bootstrap import completions
from turnpike.telemetry import log_invocation, logger

if TYPE_CHECKING:
    from mangum import Mangum
    from mangum.types import LambdaContext

Message = MutableMapping[str, Any]

edge = completions.app()

# What is there now stays as long as the process; no collection needs to look at it again.
gc.freeze()
gc.enable()


async def app(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    log_invocation(scope["aws.event"], scope["aws.context"])
    await edge(scope, receive, send)


@cache
def _whole() -> "Mangum":
    # Loaded with the first request: whoever streams has no use for it.
    from mangum import Mangum

    return Mangum(edge, lifespan="off")


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST, clear_state=True)
def handler(event: dict[str, Any], context: "LambdaContext") -> dict[str, Any]:
    return _whole()(event, context)
