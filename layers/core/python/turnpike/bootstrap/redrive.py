"""Composes what an operator does with usage events that could not be settled."""

from collections.abc import Callable, Mapping

from turnpike.bootstrap.resources import Resources
from turnpike.domain.dead_letters import DeadLetter, Diagnosis
from turnpike.services.redrive_usage import Redriven, RedriveUsage
from turnpike.storage.dead_letters import SqsDeadLetters, find_usage_queue


def redrive_usage(
    environ: Mapping[str, str],
    *,
    moves: bool,
    on_count: Callable[[int], None],
    on_letter: Callable[[DeadLetter, Diagnosis], None],
) -> Redriven:
    """Raises TemporarilyBusy."""
    parts = Resources(environ)
    url = parts.settings.usage_queue_url or find_usage_queue(parts.sqs, parts.settings.stage)
    letters = SqsDeadLetters(parts.sqs, url)
    on_count(letters.count())
    return RedriveUsage(letters, parts.ledger, parts.generations, on_letter)(moves=moves)
