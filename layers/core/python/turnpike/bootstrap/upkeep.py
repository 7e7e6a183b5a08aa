"""Composes the upkeep function: what must be done on a schedule."""

import time
from collections.abc import Callable

from turnpike.bootstrap.refresh import refresh_catalog
from turnpike.bootstrap.resources import resources
from turnpike.services.expire_holds import ExpireHolds
from turnpike.telemetry import EXPIRED_HOLDS, MetricUnit, logger, metrics


def run_upkeep() -> Callable[[Callable[[], bool]], None]:
    """The returned job is given a function that says whether there is time left for one more step."""
    parts = resources()
    expire_holds = ExpireHolds(parts.ledger)
    refreshes = bool(parts.settings.catalog_table) and parts.settings.catalog_refresh_s > 0

    def job(time_left: Callable[[], bool]) -> None:
        expired = expire_holds(int(time.time()), time_left=time_left)
        if expired:
            metrics.add_metric(EXPIRED_HOLDS, MetricUnit.Count, expired)
            logger.warning("expired holds that nobody settled", extra={"holds": expired})
        if refreshes and time_left():
            refresh_catalog(parts)

    return job
