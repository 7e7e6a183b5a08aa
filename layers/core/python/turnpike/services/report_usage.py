"""Tell metering what a generation used; if it cannot be told, settle on the spot; never lose it silently."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from anyio import CancelScope
from anyio.to_thread import run_sync

from turnpike.domain.errors import TurnpikeError
from turnpike.domain.generation import Generation
from turnpike.domain.ids import GenerationId
from turnpike.ports.queues import UsageQueue
from turnpike.services.settle_usage import SettleUsage, build_usage_event


@dataclass(frozen=True, slots=True)
class ReportUsage:
    """`log_unsettled` gets the whole event when neither the queue nor the ledger could be reached;
    the hold then expires in the customer's favour.
    """

    queue: UsageQueue
    settle: SettleUsage
    log_unsettled: Callable[[dict[str, Any]], None]
    now: Callable[[], float]

    async def __call__(self, generation: Generation, *, answered: bool) -> None:
        # The answer is with the client already: whatever ends this task must not lose what it cost.
        with CancelScope(shield=True):
            await run_sync(self._report, generation, answered)

    def _report(self, generation: Generation, answered: bool) -> None:
        event = build_usage_event(generation, answered=answered)
        try:
            self.queue.send(event)
        except TurnpikeError:
            self._settle_here(generation, answered, event)

    def _settle_here(self, generation: Generation, answered: bool, event: dict[str, Any]) -> None:
        try:
            self.settle(generation, answered, int(self.now()))
        except Exception:  # Whatever it is, a missing grant included: the log is the last place that keeps it.
            self.log_unsettled(event)


@dataclass(frozen=True, slots=True)
class ReportKept(ReportUsage):
    """Of answers that nobody waits for: one counts as given when it is among `kept`, and is else not charged."""

    kept: set[GenerationId] = field(default_factory=set)

    async def __call__(self, generation: Generation, *, answered: bool) -> None:
        is_kept = generation.id in self.kept
        self.kept.discard(generation.id)
        # By name: a class with slots is not the one that `super` was told of.
        await ReportUsage.__call__(self, generation, answered=answered and is_kept)
