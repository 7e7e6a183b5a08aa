"""Log lines in the JSON format of Lambda's own Python runtime, each with the request that it belongs to."""

import json
import logging
import os
import sys
import time
from asyncio import AbstractEventLoop
from contextvars import ContextVar
from io import TextIOWrapper
from typing import Any

from stream_runtime.failure import Failure, places_of

logger = logging.getLogger("stream_runtime")
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

_LEVELS = {"TRACE": "DEBUG", "WARN": "WARNING", "FATAL": "CRITICAL"}
"""Lambda's names for what Python calls differently."""


class JsonFormatter(logging.Formatter):
    """Of an exception, the type and the place; its text may quote what customers send."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            "requestId": request_id.get(),
        }
        failure: Failure | None = getattr(record, "failure", None)
        if failure is not None:
            line |= json.loads(failure.to_json())
        elif record.exc_info and record.exc_info[1]:
            line |= {"errorType": type(record.exc_info[1]).__name__, "stackTrace": places_of(record.exc_info[1])}
        return json.dumps({name: value for name, value in line.items() if value is not None}, ensure_ascii=False)


def install() -> None:
    """Before the function is loaded: its own loggers look for what is there already."""
    for stream in (sys.stdout, sys.stderr):
        # What waits in a buffer while the environment is frozen comes late, or never.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.root.addHandler(handler)
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    if level:
        logging.root.setLevel(_LEVELS.get(level, level))


def log_failure(message: str, failure: Failure) -> None:
    logger.error(message, extra={"failure": failure})


def on_stray_error(loop: AbstractEventLoop, context: dict[str, Any]) -> None:
    """In place of asyncio's own report, which prints the text of the error."""
    error: BaseException | None = context.get("exception")
    logger.error("a task failed that nobody waited for", exc_info=error)
