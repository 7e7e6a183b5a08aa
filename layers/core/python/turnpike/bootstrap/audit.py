"""Composes the audit of the ledger: as upkeep does it every day, and as an operator does it now."""

import time
from collections.abc import Callable, Mapping

from turnpike.bootstrap.resources import Resources
from turnpike.domain.audit import Finding
from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.jobs import JobClaim
from turnpike.services.audit_account import AuditAccount
from turnpike.services.audit_ledger import AuditLedger, LedgerAudit
from turnpike.services.audit_state import dump_audit, load_audit
from turnpike.services.run_daily_job import RunDailyJob
from turnpike.storage.ledger_audit import LedgerAuditReads
from turnpike.telemetry import (
    AUDIT_FAILED,
    AUDIT_FINDINGS,
    AUDITED_ACCOUNTS,
    MetricUnit,
    log_failure,
    logger,
    metrics,
)

_JOB = "audit"
_WAITS_S = (1.0, 2.0, 4.0, 8.0, 16.0)


def audit_now(environ: Mapping[str, str], on_account: Callable[[LedgerAudit], None]) -> LedgerAudit:
    """The whole ledger at once, beside whatever upkeep does. Raises TemporarilyBusy when storage stays so."""
    audit, audit_ledger = LedgerAudit(), _audit_ledger(Resources(environ), on_account)
    for wait_s in _WAITS_S:
        try:
            audit_ledger.advance(audit)
        except TemporarilyBusy:
            time.sleep(wait_s)
        else:
            return audit
    audit_ledger.advance(audit)
    return audit


def audit_daily(parts: Resources, time_left: Callable[[], bool]) -> None:
    """Go on with the day's audit, if it is due. Never raises: the rest of upkeep goes on without."""
    before, after = LedgerAudit(), LedgerAudit()

    def step(claim: JobClaim, time_left: Callable[[], bool]) -> tuple[bytes, bool]:
        nonlocal before, after
        before, after = load_audit(claim.state), load_audit(claim.state)
        try:
            is_done = _audit_ledger(parts).advance(after, time_left)
        except TemporarilyBusy as error:
            # What was done so far is good, and the next invocation goes on from there.
            log_failure("the audit was interrupted", error)
            is_done = False
        return dump_audit(after), is_done

    try:
        if RunDailyJob(parts.jobs)(_JOB, step, time_left=time_left):
            _note(before, after)
    except Exception as error:
        log_failure("the audit could not go on", error)
        metrics.add_metric(AUDIT_FAILED, MetricUnit.Count, 1)


def _audit_ledger(parts: Resources, on_account: Callable[[LedgerAudit], None] = lambda _: None) -> AuditLedger:
    reads = LedgerAuditReads(parts.dynamodb, parts.settings.ledger_table)
    # Records of that age are being deleted.
    kept_s = parts.settings.generation_retention_days * 86_400 or None
    return AuditLedger(reads, AuditAccount(reads, kept_s=kept_s), on_account)


def _note(before: LedgerAudit, after: LedgerAudit) -> None:
    """What this slice found. That it found nothing is told as well, so that an alarm can tell it from no audit."""
    metrics.add_metric(AUDITED_ACCOUNTS, MetricUnit.Count, after.accounts - before.accounts)
    metrics.add_metric(AUDIT_FINDINGS, MetricUnit.Count, after.found - before.found)
    for finding in after.findings[len(before.findings) :]:
        logger.error("the audit found something wrong", extra=_facts(finding))


def _facts(finding: Finding) -> Mapping[str, object]:
    return {
        "code": finding.code,
        "account": finding.account_id,
        "subject": finding.subject,
        "says_nanousd": finding.says,
        "should_nanousd": finding.should,
    }
