"""Composes the upkeep function: what must be done on a schedule."""

import time
from collections.abc import Callable

from turnpike.bootstrap.audit import audit_daily
from turnpike.bootstrap.export import export_daily
from turnpike.bootstrap.payments import Payments, are_on
from turnpike.bootstrap.refresh import refresh_catalog
from turnpike.bootstrap.resources import Resources, resources
from turnpike.services.expire_holds import ExpireHolds
from turnpike.telemetry import EXPIRED_HOLDS, MetricUnit, log_failure, logger, metrics


def run_upkeep() -> Callable[[Callable[[], bool]], None]:
    """The returned job is given a function that says whether there is time left for one more step."""
    parts = resources()
    expire_holds = ExpireHolds(parts.ledger)
    top_up = _top_up(parts)
    refreshes = bool(parts.settings.catalog_table) and parts.settings.catalog_refresh_s > 0

    def job(time_left: Callable[[], bool]) -> None:
        expired = expire_holds(int(time.time()), time_left=time_left)
        if expired.holds:
            metrics.add_metric(EXPIRED_HOLDS, MetricUnit.Count, expired.holds)
            logger.warning("expired holds that nobody settled", extra={"holds": expired.holds})
        if expired.leases:
            logger.info("ended leases of environments that are gone", extra={"leases": expired.leases})
        if time_left():
            top_up(time_left)
        if parts.settings.batches_bucket and time_left():
            _end_due_batches(parts, time_left)
        if refreshes and time_left():
            refresh_catalog(parts)
        if time_left():
            audit_daily(parts, time_left)
        if parts.settings.exports_bucket and time_left():
            export_daily(parts, time_left)

    return job


def _end_due_batches(parts: Resources, time_left: Callable[[], bool]) -> None:
    from turnpike.bootstrap.batches import end_due_batches

    end_due_batches(parts, time_left)


def _top_up(parts: Resources) -> Callable[[Callable[[], bool]], None]:
    if not are_on(parts):
        return lambda time_left: None
    run = Payments(parts).run_auto_top_ups()

    def top_up(time_left: Callable[[], bool]) -> None:
        try:
            run(int(time.time()), time_left=time_left)
        except Exception as error:  # Whatever it is: the rest of upkeep goes on without.
            log_failure("automatic top-ups were not run", error)

    return top_up
