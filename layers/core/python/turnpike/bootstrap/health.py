"""Composes the readers of endpoint health, which never fail their callers."""

from collections.abc import Callable

from turnpike.bootstrap.resources import Resources
from turnpike.domain.breaker import Breaker
from turnpike.domain.health import HealthReport, HealthSnapshot
from turnpike.services.read_health import HealthReader, ReportReader
from turnpike.telemetry import HEALTH_FAILURES, MetricUnit, count, log_failure


def build_health(parts: Resources) -> HealthReader:
    """For completions: a `Health`, to be told of every attempt."""

    find: Callable[[], HealthSnapshot | None] = _find_nothing
    if parts.settings.health_table:
        # Built now, so that no request has to wait for what it loads.
        find = parts.health_snapshots.find_snapshot
    return HealthReader(find, Breaker(), on_failure=_note_failure)


def build_reports(parts: Resources) -> ReportReader:
    """For the catalog."""

    find: Callable[[], HealthReport | None] = _find_nothing
    if parts.settings.health_table:
        find = parts.health_snapshots.find_report
    return ReportReader(find, on_failure=_note_failure)


def _find_nothing() -> None:
    return None


def _note_failure(error: Exception) -> None:
    log_failure("endpoint health not read", error)
    count(HEALTH_FAILURES, 1, MetricUnit.Count)
