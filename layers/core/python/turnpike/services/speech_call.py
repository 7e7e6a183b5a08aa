"""One text on its way to be spoken: it tries endpoints until one begins, passes the sound on, and accounts for it."""

import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from turnpike.domain.errors import UpstreamError
from turnpike.domain.speech import Heard, SpeechPiece, SpeechRequest
from turnpike.services.attempts import Try
from turnpike.services.operation_call import OperationGeneration

Emit = Callable[[bytes], Awaitable[None]]


class SpeechCall(OperationGeneration[SpeechRequest]):
    """One generation, from its hold to its report. Use `stream` once, then `report` always."""

    _streamed = True

    async def stream(self, emit: Emit) -> None:
        """Emit the sound as it comes.

        Raises AttemptsFailed when every endpoint failed before its first byte, and UpstreamError when one breaks off
        after it: two voices would not make one recording.
        """

        async def attempt(tried: Try) -> None:
            tried.streams = True
            heard = Heard()
            try:
                async with aclosing(self._upstream.speak(self._request, tried.endpoint)) as pieces:
                    async for piece in pieces:
                        await self._relay(piece, tried, heard, emit)
            finally:
                if tried.meter.usage is None:
                    # Also of what broke off: the provider may charge for it.
                    tried.meter.usage = self._request.used(tried.endpoint, heard)
            if not heard.size:
                raise _silent(tried)

        try:
            await self._attempts.until_answered(attempt)
        except UpstreamError as error:
            self._error = error
            self._meter.finish_reason = "error"
            raise
        self._error = None

    async def _relay(self, piece: SpeechPiece, tried: Try, heard: Heard, emit: Emit) -> None:
        meter = tried.meter
        meter.usage = piece.usage or meter.usage
        meter.upstream_id = piece.upstream_id or meter.upstream_id
        if not piece.sound:
            return
        if not meter.started:
            meter.started = True
            tried.first_content_at = time.monotonic()
        heard.record(piece.sound)
        await emit(piece.sound)


def _silent(tried: Try) -> UpstreamError:
    return UpstreamError(
        tried.endpoint.provider,
        "The provider sent no sound",
        upstream_status=200,
        error_type="provider_unavailable",
        retryable=True,
    )
