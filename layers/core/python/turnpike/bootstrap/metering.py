"""Composes the metering function: settles usage events from the queue, and counts what their attempts met."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress

import orjson

from turnpike.bootstrap.resources import Resources, resources
from turnpike.domain.generation import Generation
from turnpike.domain.ids import GenerationId
from turnpike.domain.ledger import Resolution
from turnpike.domain.money import NanoUsd, present_usd
from turnpike.ports.ledger import Ledger
from turnpike.services.record_health import RecordHealth
from turnpike.services.roll_up_health import RollUpHealth
from turnpike.services.settle_usage import SettleUsage, parse_usage_event
from turnpike.telemetry import (
    ABSORBED_USD,
    ATTEMPTS,
    CHARGED_USD,
    FAILED_ATTEMPTS,
    HEALTH_FAILURES,
    RATE_LIMITED_ATTEMPTS,
    SETTLED_GENERATIONS,
    MetricUnit,
    log_failure,
    logger,
    metrics,
)


class Metering:
    """One batch of messages at a time: `begin`, then call it with each message's body, and `finish` once."""

    def __init__(self, ledger: Ledger, record: RecordHealth | None, roll_up: RollUpHealth | None) -> None:
        """`record` and `roll_up` are None where there is no table for statistics."""
        self._settle = SettleUsage(ledger)
        self._record = record
        self._roll_up = roll_up
        self._settled: dict[GenerationId, Resolution] = {}

    def begin(self, bodies: Iterable[str]) -> None:
        """Settle together what can be. Never raises: each message is settled by itself if need be, and fails alone."""
        try:
            self._settled = dict(self._settle.together(_readable(bodies), int(time.time())))
        except Exception as error:
            self._settled = {}
            log_failure("messages not settled together", error)

    def __call__(self, body: str) -> None:
        """Raises for what cannot be settled, so that it is redelivered, then parked."""
        generation, answered = parse_usage_event(orjson.loads(body))
        now_s = time.time()
        resolution = self._settled.pop(generation.id, None) or self._settle(generation, answered, int(now_s))
        if resolution is None:
            logger.info("settled before", extra={"generation": generation.id})
            return
        _note(generation, resolution)
        if self._record:
            # Only now, so that a message that is delivered again counts nothing again.
            self._record.note(generation, now_s)

    def finish(self) -> None:
        """Write what the batch told of endpoints. Never raises: what was settled must not be delivered again."""
        if self._record is None or self._roll_up is None:
            return
        try:
            if self._record.write():
                self._roll_up(time.time())
        except Exception as error:  # Whatever it is, a missing grant included: routing goes on without.
            log_failure("endpoint health not written", error)
            metrics.add_metric(HEALTH_FAILURES, MetricUnit.Count, 1)


def _readable(bodies: Iterable[str]) -> Iterator[tuple[Generation, bool]]:
    for body in bodies:
        # What cannot be read is told of when its turn comes.
        with suppress(ValueError, KeyError, TypeError):
            yield parse_usage_event(orjson.loads(body))


def settle_message() -> Metering:
    return build_metering(resources())


def build_metering(parts: Resources) -> Metering:
    if not parts.settings.health_table:
        return Metering(parts.ledger, None, None)
    record = RecordHealth(parts.health_counts)
    return Metering(parts.ledger, record, RollUpHealth(parts.health_counts, parts.health_snapshots))


def _note(generation: Generation, resolution: Resolution) -> None:
    """The one log line of a request: everything an operator asks about it, and nothing that was said in it."""
    # What the customer's own provider account was charged is no cost of ours.
    ours = generation.search_cost + generation.file_cost + (0 if generation.is_byok else generation.upstream_cost)
    absorbed = max(0, ours - resolution.charged)
    absorbed += sum(attempt.absorbed_cost for attempt in generation.attempts)
    _count(generation, resolution, absorbed)
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
            "is_byok": generation.is_byok,
            "latency_ms": generation.latency_ms,
            "generation_time_ms": generation.generation_time_ms,
        },
    )


def _count(generation: Generation, resolution: Resolution, absorbed: int) -> None:
    metrics.add_metric(SETTLED_GENERATIONS, MetricUnit.Count, 1)
    metrics.add_metric(CHARGED_USD, MetricUnit.NoUnit, present_usd(resolution.charged))
    if absorbed:
        metrics.add_metric(ABSORBED_USD, MetricUnit.NoUnit, present_usd(NanoUsd(absorbed)))
    # Nor is it an operator's concern what became of attempts with a customer's own key.
    outcomes = Counter(attempt.outcome for attempt in generation.attempts if not attempt.is_byok)
    counted = {
        ATTEMPTS: outcomes.total(),
        FAILED_ATTEMPTS: outcomes["failed"],
        RATE_LIMITED_ATTEMPTS: outcomes["rate_limited"],
    }
    for name, number in counted.items():
        if number:
            metrics.add_metric(name, MetricUnit.Count, number)
