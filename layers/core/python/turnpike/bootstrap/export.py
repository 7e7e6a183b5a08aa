"""Composes the export of ledger entries, which upkeep does every day where there is a bucket for it."""

from collections.abc import Callable

from turnpike.bootstrap.daily import DailyJob
from turnpike.bootstrap.resources import Resources
from turnpike.domain.ids import AccountId
from turnpike.domain.jobs import JobClaim
from turnpike.domain.periods import day_of
from turnpike.services.export_entries import ExportEntries
from turnpike.services.export_ledger import ExportLedger, ExportRun, dump_run, load_run
from turnpike.services.export_manifests import ExportManifests
from turnpike.services.run_daily_job import AFTER_MIDNIGHT_S
from turnpike.storage.export_marks import DynamoExportMarks
from turnpike.storage.ledger_audit import LedgerAuditReads
from turnpike.telemetry import AUDIT_FINDINGS, EXPORTED_ENTRIES, MetricUnit, logger, metrics


def export_daily(parts: Resources, time_left: Callable[[], bool]) -> None:
    """Go on with the day's export, if it is due. Never raises."""

    def advance(run: ExportRun, claim: JobClaim, time_left: Callable[[], bool]) -> bool:
        # Days that were over a while before the run began.
        until_day = day_of(claim.begun_at_s - AFTER_MIDNIGHT_S)
        return _export_ledger(parts).advance(run, until_day, time_left)

    DailyJob("export", load_run, dump_run, advance).run(parts, time_left, _note)


def _note(before: ExportRun, after: ExportRun) -> None:
    metrics.add_metric(EXPORTED_ENTRIES, MetricUnit.Count, after.entries.entries - before.entries.entries)


def _export_ledger(parts: Resources) -> ExportLedger:
    reads = LedgerAuditReads(parts.home_dynamodb, parts.settings.ledger_table)
    marks = DynamoExportMarks(parts.home_dynamodb, parts.settings.ledger_table)
    entries = ExportEntries(reads, parts.export_store, marks, _note_difference)
    return ExportLedger(entries, ExportManifests(parts.export_store))


def _note_difference(account_id: AccountId, day: str) -> None:
    """As much cause for alarm as what an audit finds."""
    logger.error(
        "entries were exported that the ledger no longer has, or has otherwise",
        extra={"account": account_id, "day": day},
    )
    metrics.add_metric(AUDIT_FINDINGS, MetricUnit.Count, 1)
