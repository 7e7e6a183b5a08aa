"""Calls a function's handler as Lambda would: one invocation at a time, with an event and a context."""

import importlib
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

REGION = "us-east-1"
ACCOUNT = "000000000000"
_TIMEOUT_S = 30.0
_BATCHES_TIMEOUT_S = 840.0
"""Within the time for which a message of theirs is hidden."""


@dataclass(frozen=True, slots=True)
class LocalContext:
    """What handlers use of Lambda's context."""

    function_name: str
    memory_limit_in_mb: int = 512
    function_version: str = "$LATEST"
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    timeout_s: float = _TIMEOUT_S
    began_at_s: float = field(default_factory=time.monotonic)

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self.began_at_s + self.timeout_s - time.monotonic()) * 1000))


_one_at_a_time = threading.Lock()
"""In the cloud an environment runs one invocation at a time, and the loggers and metrics count on it."""


def load_function(name: str, stage: str) -> Callable[[Mapping[str, Any]], Any]:
    """The function's handler, to be called with an event. Importing it reads the environment."""
    handler = importlib.import_module(f"functions.{name}.handler").handler
    metrics = importlib.import_module("turnpike.telemetry").metrics

    def invoke(event: Mapping[str, Any]) -> Any:
        with _one_at_a_time:
            try:
                return handler(event, LocalContext(f"turnpike-{stage}-{name}"))
            finally:
                # Switched off, they are kept all the same, and printed at every hundredth.
                metrics.clear_metrics()

    return invoke


def load_batches(stage: str) -> Callable[[Mapping[str, Any]], Any]:
    """The batches function, which counts nothing that others count, and so stops none of them while it waits.

    It is loaded with its first message: most local runs see none.
    """

    def invoke(event: Mapping[str, Any]) -> Any:
        handler = importlib.import_module("functions.batches.handler").handler
        return handler(event, LocalContext(f"turnpike-{stage}-batches", timeout_s=_BATCHES_TIMEOUT_S))

    return invoke
