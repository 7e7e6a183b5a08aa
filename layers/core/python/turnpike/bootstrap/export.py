"""Composes the export of ledger entries, which upkeep does every day where there is a bucket for it."""

from collections.abc import Callable

from turnpike.bootstrap.resources import Resources
from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.ids import AccountId
from turnpike.domain.jobs import JobClaim
from turnpike.domain.periods import day_of
from turnpike.services.export_entries import ExportEntries
from turnpike.services.export_ledger import ExportLedger, ExportRun, dump_run, load_run
from turnpike.services.export_manifests import ExportManifests
from turnpike.services.run_daily_job import AFTER_MIDNIGHT_S, RunDailyJob
from turnpike.storage.export_marks import DynamoExportMarks
from turnpike.storage.ledger_audit import LedgerAuditReads
from turnpike.telemetry import (
    AUDIT_FAILED,
    AUDIT_FINDINGS,
    EXPORTED_ENTRIES,
    MetricUnit,
    log_failure,
    logger,
    metrics,
)

_JOB = "export"


def export_daily(parts: Resources, time_left: Callable[[], bool]) -> None:
    """Go on with the day's export, if it is due. Never raises: the rest of upkeep goes on without."""
    before, after = ExportRun(), ExportRun()

    def step(claim: JobClaim, time_left: Callable[[], bool]) -> tuple[bytes, bool]:
        nonlocal before, after
        before, after = load_run(claim.state), load_run(claim.state)
        # Days that were over a while before the run began.
        until_day = day_of(claim.begun_at_s - AFTER_MIDNIGHT_S)
        try:
            is_done = _export_ledger(parts).advance(after, until_day, time_left)
        except TemporarilyBusy as error:
            # What was done so far is good, and the next invocation goes on from there.
            log_failure("the export was interrupted", error)
            is_done = False
        return dump_run(after), is_done

    try:
        if RunDailyJob(parts.jobs)(_JOB, step, time_left=time_left):
            metrics.add_metric(EXPORTED_ENTRIES, MetricUnit.Count, after.entries.entries - before.entries.entries)
    except Exception as error:
        log_failure("the export could not go on", error)
        metrics.add_metric(AUDIT_FAILED, MetricUnit.Count, 1)


def _export_ledger(parts: Resources) -> ExportLedger:
    reads = LedgerAuditReads(parts.dynamodb, parts.settings.ledger_table)
    marks = DynamoExportMarks(parts.dynamodb, parts.settings.ledger_table)
    entries = ExportEntries(reads, parts.export_store, marks, _note_difference)
    return ExportLedger(entries, ExportManifests(parts.export_store))


def _note_difference(account_id: AccountId, day: str) -> None:
    """As much cause for alarm as what an audit finds."""
    logger.error(
        "entries were exported that the ledger no longer has, or has otherwise",
        extra={"account": account_id, "day": day},
    )
    metrics.add_metric(AUDIT_FINDINGS, MetricUnit.Count, 1)
