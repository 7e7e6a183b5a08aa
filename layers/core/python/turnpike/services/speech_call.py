"""One text on its way to be spoken: it tries endpoints until one begins, passes the sound on, and accounts for it."""

import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

from turnpike.domain.catalog import Catalog
from turnpike.domain.errors import UpstreamError
from turnpike.domain.operation import API_TYPES
from turnpike.domain.routing import Route
from turnpike.domain.speech import Heard, SpeechPiece, SpeechRequest
from turnpike.ports.upstream import Upstream
from turnpike.services.admit import Admission
from turnpike.services.attempts import Attempts, Try
from turnpike.services.generation_call import GenerationCall, Origin
from turnpike.services.leases import Leases
from turnpike.services.report_usage import ReportUsage

Emit = Callable[[bytes], Awaitable[None]]


class SpeechCall(GenerationCall):
    """One generation, from its hold to its report. Use `stream` once, then `report` always."""

    def __init__(
        self,
        request: SpeechRequest,
        route: Route,
        attempts: Attempts,
        admission: Admission,
        *,
        leases: Leases | None,
        upstream: Upstream,
        report: ReportUsage,
        catalog: Catalog,
        origin: Origin,
    ) -> None:
        super().__init__(route, attempts, admission, leases=leases, report=report, catalog=catalog, origin=origin)
        self._request = request
        self._upstream = upstream

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

    def _told(self) -> dict[str, Any]:
        request = self._request
        return {
            "requested_model": request.models[0],
            "streamed": True,
            "user": request.user,
            "session_id": request.session_id,
            "api_type": API_TYPES[request.operation],
        }


def _silent(tried: Try) -> UpstreamError:
    return UpstreamError(
        tried.endpoint.provider,
        "The provider sent no sound",
        upstream_status=200,
        error_type="provider_unavailable",
        retryable=True,
    )
