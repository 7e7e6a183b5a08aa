"""The loop: take an invocation, let the app answer it, and only when all of its work is done take the next."""

import asyncio
import json
import os

from stream_runtime.events import read_event
from stream_runtime.exchange import App, Exchange
from stream_runtime.failure import failure_of
from stream_runtime.logs import log_failure, logger, on_stray_error, request_id
from stream_runtime.runtime_api import Invocation, RuntimeApi, RuntimeApiError


async def serve(api: RuntimeApi, app: App, *, at_once: int = 1) -> None:
    """Returns never. Raises RuntimeApiError or OSError when there is no next invocation to be had.

    `at_once` invocations run on one event loop, each taken by a worker of its own, which Lambda allows where
    AWS_LAMBDA_MAX_CONCURRENCY says so.
    """
    asyncio.get_running_loop().set_exception_handler(on_stray_error)
    await asyncio.gather(*(_work(api, app, alone=at_once == 1) for _ in range(at_once)))


async def _work(api: RuntimeApi, app: App, *, alone: bool) -> None:
    while True:
        invocation = await api.next()
        context = invocation.context
        request_id.set(context.aws_request_id)
        if alone:
            _set_trace_id(context.trace_id)
        try:
            await _handle(api, app, invocation)
        except (OSError, RuntimeApiError) as error:
            # Too late, too large, or nobody there any more; then there will be no next one either.
            log_failure("an answer was not taken", failure_of(error, message=str(error)))
        request_id.set(None)


def _set_trace_id(trace_id: str | None) -> None:
    """Where AWS's SDKs look for it; several invocations at once can only be told apart by their contexts."""
    if trace_id is None:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    else:
        os.environ["_X_AMZN_TRACE_ID"] = trace_id


async def _handle(api: RuntimeApi, app: App, invocation: Invocation) -> None:
    try:
        request = read_event(json.loads(invocation.event), invocation.context)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        failure = failure_of(error, message="the event is neither a request nor anything else that is known")
        log_failure("an event could not be read", failure)
        await api.fail(invocation, failure)
        return
    if request is None:
        # A schedule that keeps us warm, a test in the console: nothing that has an answer.
        logger.info("an event that is no request was ignored")
        await api.respond(invocation, b"null")
        return
    scope, body = request
    await Exchange(api, invocation, body).run(app, scope)
