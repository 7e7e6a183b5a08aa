"""Composes the metering function: settles usage events from the queue."""

import time
from collections.abc import Callable

import orjson

from turnpike.bootstrap.resources import resources
from turnpike.domain.generation import Generation
from turnpike.domain.ledger import Resolution
from turnpike.domain.money import NanoUsd, present_usd
from turnpike.services.settle_usage import SettleUsage, parse_usage_event
from turnpike.telemetry import ABSORBED_USD, CHARGED_USD, SETTLED_GENERATIONS, MetricUnit, logger, metrics


def settle_message() -> Callable[[str], None]:
    """Settles one message's body. Raises for what cannot be settled, so that it is redelivered, then parked."""
    settle = SettleUsage(resources().ledger)

    def on_message(body: str) -> None:
        generation, answered = parse_usage_event(orjson.loads(body))
        resolution = settle(generation, answered, int(time.time()))
        if resolution is None:
            logger.info("settled before", extra={"generation": generation.id})
        else:
            _note(generation, resolution)

    return on_message


def _note(generation: Generation, resolution: Resolution) -> None:
    """The one log line of a request: everything an operator asks about it, and nothing that was said in it."""
    absorbed = max(0, generation.upstream_cost - resolution.charged)
    metrics.add_metric(SETTLED_GENERATIONS, MetricUnit.Count, 1)
    metrics.add_metric(CHARGED_USD, MetricUnit.NoUnit, present_usd(resolution.charged))
    if absorbed:
        metrics.add_metric(ABSORBED_USD, MetricUnit.NoUnit, present_usd(NanoUsd(absorbed)))
    usage = generation.usage
    logger.info(
        "settled",
        extra={
            "generation": generation.id,
            "account": generation.account_id,
            "model": generation.model,
            "provider": generation.provider,
            "attempts": [f"{a.provider}:{a.status or a.error_type}" for a in generation.attempts],
            "state": resolution.state,
            "finish_reason": generation.finish_reason,
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "charged_nanousd": resolution.charged,
            "absorbed_nanousd": absorbed,
            "latency_ms": generation.latency_ms,
            "generation_time_ms": generation.generation_time_ms,
        },
    )
