"""Composes the audit of the ledger: as upkeep does it every day, and as an operator does it now."""

import time
from collections.abc import Callable, Mapping

from turnpike.bootstrap.daily import DailyJob
from turnpike.bootstrap.resources import Resources
from turnpike.domain.audit import Finding
from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.jobs import JobClaim
from turnpike.services.audit_account import AuditAccount
from turnpike.services.audit_ledger import AuditLedger, LedgerAudit
from turnpike.services.audit_state import dump_audit, load_audit
from turnpike.storage.ledger_audit import LedgerAuditReads
from turnpike.telemetry import AUDIT_FINDINGS, AUDITED_ACCOUNTS, MetricUnit, logger, metrics

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
    """Go on with the day's audit, if it is due. Never raises."""

    def advance(audit: LedgerAudit, claim: JobClaim, time_left: Callable[[], bool]) -> bool:
        return _audit_ledger(parts).advance(audit, time_left)

    DailyJob("audit", load_audit, dump_audit, advance).run(parts, time_left, _note)


def _audit_ledger(parts: Resources, on_account: Callable[[LedgerAudit], None] = lambda _: None) -> AuditLedger:
    reads = LedgerAuditReads(parts.home_dynamodb, parts.settings.ledger_table)
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
