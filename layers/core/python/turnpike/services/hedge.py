"""Hedging: a second endpoint is asked when the first one's first content is late, and the faster one answers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from turnpike.domain.errors import RequestError, TurnpikeError, UpstreamError
from turnpike.domain.health import Health
from turnpike.services.attempts import Attempts, Try
from turnpike.services.opening import Opening

Percentile = Literal["p50", "p75", "p90", "p99"]


@dataclass(frozen=True, slots=True)
class Hedge:
    """Costs what the slower one had done by then, which is absorbed. A model is only raced against itself."""

    health: Health
    percentile: Percentile
    """Of the endpoint's own time to the first content: what takes longer than it is late."""

    async def open(self, attempts: Attempts, begin: Callable[[Try], Opening]) -> Opening:
        """The opening of the first content, whose attempt is the current one from then on.

        Raises UpstreamError when none comes, with the attempt that failed last as the current one.
        """
        first = begin(attempts.current)
        latency_s = self.health(first.tried.endpoint).latency_s
        if latency_s is None:
            await first.wait()
            return first
        race = _Race(attempts, first)
        try:
            if not await race.answers_within(getattr(latency_s, self.percentile)):
                other = attempts.another(lambda endpoint: not self.health(endpoint).outage)
                if other is not None:
                    race.enter(begin(other))
            return await race.winner()
        finally:
            await race.end()


class _Race:
    """Openings that are waited for at the same time, each in a task."""

    def __init__(self, attempts: Attempts, first: Opening) -> None:
        self._attempts = attempts
        self._running: dict[asyncio.Task[None], Opening] = {}
        self.enter(first)

    def enter(self, opening: Opening) -> None:
        self._running[asyncio.create_task(opening.wait())] = opening

    async def answers_within(self, seconds: float) -> bool:
        done, _ = await asyncio.wait(self._running, timeout=seconds)
        return bool(done)

    async def winner(self) -> Opening:
        while True:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            # Of two that are done at once, the one that was asked first wins.
            task = next(task for task in self._running if task.done())
            opening = self._running.pop(task)
            failure = task.exception()
            if failure is None or not self._running or not isinstance(failure, TurnpikeError):
                self._attempts.current = opening.tried
                if failure is None:
                    return opening
                raise failure
            self._end(opening, failure)

    async def end(self) -> None:
        """Cancel the others, and note what became of them."""
        for task, opening in self._running.items():
            task.cancel()
            await asyncio.wait((task,))
            await opening.batches.aclose()
            failure = None if task.cancelled() else task.exception()
            if opening.tried is self._attempts.current:
                continue  # The whole request is over, and whoever ended it notes that.
            self._end(opening, failure)

    def _end(self, opening: Opening, failure: BaseException | None) -> None:
        if isinstance(failure, UpstreamError):
            self._attempts.end(opening.tried, failure)
        else:
            self._attempts.end(opening.tried, outcome="client" if isinstance(failure, RequestError) else "cancelled")
