"""The beginning of a streamed attempt, which is held back until something in it is fit to be shown."""

import time
from collections.abc import AsyncGenerator, Sequence

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Delta
from turnpike.domain.errors import TurnpikeError, UpstreamError
from turnpike.services.attempts import Try

Batches = AsyncGenerator[Sequence[Delta], None]


class Opening:
    """Until its first content, an answer can still be given up for another one without anybody noticing."""

    __slots__ = ("batches", "deltas", "error", "tried")

    def __init__(self, tried: Try, batches: Batches) -> None:
        self.tried = tried
        self.batches = batches
        """What comes after the opening; they are over when `wait` fails, and else to be closed."""
        self.deltas: list[Delta] = []
        self.error: TurnpikeError | None = None
        """With which the answer broke off right behind its first content."""

    async def wait(self) -> None:
        """Until `deltas` end with the first content. Raises UpstreamError when none comes."""
        tried = self.tried
        tried.streams = True
        meter = tried.meter
        async for batch in self.batches:
            error = batch[-1].error if batch else None
            deltas = batch[:-1] if error else batch
            meter.record(deltas)
            self.deltas.extend(deltas)
            if any(delta.has_content or delta.finish_reason for delta in deltas):
                meter.started = True
                tried.first_content_at = time.monotonic()
                self.error = error
                return
            if error:
                await self.batches.aclose()
                raise error
        raise _empty_answer(tried.endpoint)


def _empty_answer(endpoint: Endpoint) -> UpstreamError:
    return UpstreamError(
        endpoint.provider,
        "The provider sent an empty answer",
        upstream_status=200,
        error_type="provider_unavailable",
        retryable=True,
    )
