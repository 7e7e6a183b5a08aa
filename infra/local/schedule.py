"""Runs upkeep on its schedule, as EventBridge does."""

import logging
import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from infra.local.invoke import ACCOUNT, REGION

_EVERY_S = 30
_logger = logging.getLogger(__name__)


def run_upkeep(stage: str, invoke: Callable[[Mapping[str, Any]], Any], stop: threading.Event) -> None:
    """Invoke at once, and then every 30 s until `stop` is set."""
    while not stop.is_set():
        try:
            invoke(_event(stage))
        except Exception:
            _logger.exception("upkeep failed")
        stop.wait(_EVERY_S)


def _event(stage: str) -> Mapping[str, Any]:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [f"arn:aws:events:{REGION}:{ACCOUNT}:rule/turnpike-{stage}-upkeep"],
        "detail": {},
    }
