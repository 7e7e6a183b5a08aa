"""Composes the completions function: the data plane."""

import time
from random import Random
from typing import Any

import orjson

from turnpike.api.chat import handler as chat
from turnpike.api.edge import Edge
from turnpike.bootstrap.resources import Resources, resources
from turnpike.domain.errors import UpstreamError
from turnpike.providers.upstream import HttpUpstream
from turnpike.services.admit import Admit
from turnpike.services.complete_chat import CompleteChat
from turnpike.services.report_usage import ReportUsage
from turnpike.services.settle_usage import SettleUsage
from turnpike.storage.queue import SqsUsageQueue
from turnpike.telemetry import PROVIDER_REFUSED_US, UNSETTLED_USAGE, MetricUnit, count, logger


def app() -> Edge:
    return build_app(resources())


def build_app(parts: Resources) -> Edge:
    settings = parts.settings
    catalog = parts.catalog
    upstream = HttpUpstream(catalog.providers, parts.provider_keys)
    return Edge(
        chat.routes(
            parts.guard,
            CompleteChat(
                catalog=lambda: catalog,
                admit=Admit(parts.ledger, settings.hold_ttl_s, settings.allowance_tokens),
                upstream=upstream,
                report=_report_usage(parts),
                on_refusal=_log_refusal,
                random=Random(),  # noqa: S311  # Spreads load; nothing is lost if somebody guesses it.
                now=time.time,
            ),
            keepalive_s=settings.keepalive_s,
        ),
        aclose=upstream.aclose,
    )


def _report_usage(parts: Resources) -> ReportUsage:
    queue = SqsUsageQueue(parts.sqs, parts.settings.usage_queue_url)
    return ReportUsage(queue, SettleUsage(parts.ledger), _log_unsettled, time.time)


def _log_unsettled(event: dict[str, Any]) -> None:
    """The event holds counts and ids, and neither prompt nor completion: it can be settled from the log."""
    logger.critical("unsettled_usage", extra={"event": orjson.loads(orjson.dumps(event))})
    count(UNSETTLED_USAGE, 1, MetricUnit.Count)


def _log_refusal(error: UpstreamError) -> None:
    # Without the provider's text: some echo parts of the key in it.
    logger.error("provider refused our credential", extra={"provider": error.provider, "status": error.upstream_status})
    count(PROVIDER_REFUSED_US, 1, MetricUnit.Count)
