"""The logger, the metrics, and the names of both; nothing here knows what a prompt is."""

import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit

NAMESPACE = "Turnpike"

UNSETTLED_USAGE = "UnsettledUsage"
"""Count: a generation that could neither be queued nor settled; the log line holds it whole."""
SETTLED_GENERATIONS = "SettledGenerations"
CHARGED_USD = "ChargedUsd"
ABSORBED_USD = "AbsorbedUsd"
"""What generations cost us at providers and nobody paid: insurance, and costs above all credit."""
EXPIRED_HOLDS = "ExpiredHolds"
"""Count, leases not among them: each is a request that was admitted and never reported."""
ATTEMPTS = "Attempts"
FAILED_ATTEMPTS = "FailedAttempts"
RATE_LIMITED_ATTEMPTS = "RateLimitedAttempts"
"""Count, all three, of settled generations: fallbacks hide from clients what these show."""
HEALTH_FAILURES = "HealthFailures"
"""Count: statistics of endpoints could not be written or read; routing goes on without the newest."""
PROVIDER_REFUSED_US = "ProviderRefusedUs"
"""Count: a provider refused our credential or contract, whatever status that came with."""
BYOK_FAILURES = "ByokFailures"
"""Count: customers' own provider keys could not be read, opened or sealed; nothing is charged to us in their place."""
AUDITED_ACCOUNTS = "AuditedAccounts"
AUDIT_FINDINGS = "AuditFindings"
"""Count: what is wrong with the ledger, told by each step of the daily audit, zero included. Any is cause for alarm."""
AUDIT_FAILED = "AuditFailed"
"""Count: the daily audit, or the export of entries, could not go on; it is tried again a minute later."""
EXPORTED_ENTRIES = "ExportedEntries"
CATALOG_REFRESH_FAILED = "CatalogRefreshFailed"
"""Count: a newer catalog could not be had, or not be used; the last good one is served."""

TOPPED_UP_USD = "ToppedUpUsd"
TAKEN_BACK_USD = "TakenBackUsd"
"""Credit that payments bought, and credit that went with payments that were refunded or disputed."""
PAYMENT_TROUBLE = "PaymentTrouble"
"""Count: something about a payment needs the operator's eye; the log line says what."""


def _log_stream() -> TextIO:
    # The local run keeps its terminal for people; in the cloud standard output is CloudWatch.
    path = os.environ.get("TURNPIKE_LOG_FILE")
    return Path(path).open("a", buffering=1, encoding="utf-8") if path else sys.stdout


logger = Logger(
    service=os.environ.get("POWERTOOLS_SERVICE_NAME", "turnpike"),
    stream=_log_stream(),
    log_uncaught_exceptions=False,
    utc=True,
)
metrics = Metrics(namespace=NAMESPACE, service=os.environ.get("POWERTOOLS_SERVICE_NAME", "turnpike"))
# An invocation that had nothing to count is the rule in most functions, and no cause for a line in the log.
warnings.filterwarnings("ignore", "No application metrics to publish")

__all__ = ["MetricUnit", "count", "log_failure", "log_invocation", "logger", "metrics"]


def log_invocation(event: Mapping[str, Any], context: Any) -> None:
    """Let every line of the task's own, and of what it starts, bear the ids of its invocation.

    For hosts that call an app; `Logger.inject_lambda_context` does it for those that call a handler.
    """
    logger.thread_safe_append_keys(
        function_request_id=context.aws_request_id,
        correlation_id=event["requestContext"].get("requestId"),
    )


def log_failure(message: str, error: BaseException, **facts: object) -> None:
    """Log an unexpected error by its type and place.

    Neither its text nor its traceback is logged: both can quote a prompt, a header or a secret.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"
    logger.error(message, extra={"error": type(error).__qualname__, "place": place, **facts})


def count(name: str, value: float, unit: MetricUnit) -> None:
    """Emit one metric by itself, where no handler collects and flushes them."""
    with single_metric(name=name, unit=unit, value=value, namespace=NAMESPACE):
        pass
