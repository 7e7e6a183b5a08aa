"""Operations on their way: each tries endpoints until one answers, and accounts for it."""

import time
from dataclasses import replace
from typing import Any, Generic, TypeVar

from turnpike.domain.catalog import Catalog
from turnpike.domain.operation import API_TYPES, OperationRequest, ResultT
from turnpike.domain.routing import Route
from turnpike.ports.upstream import OnPart, Upstream
from turnpike.services.admit import Admission
from turnpike.services.attempts import Attempts, Try
from turnpike.services.generation_call import GenerationCall, Origin
from turnpike.services.leases import Leases
from turnpike.services.report_usage import ReportUsage

RequestT = TypeVar("RequestT", bound=OperationRequest[Any])


class OperationGeneration(GenerationCall, Generic[RequestT]):
    """What is one for every operation, however its answer comes."""

    _streamed = False

    def __init__(
        self,
        request: RequestT,
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

    def _told(self) -> dict[str, Any]:
        request = self._request
        prompt_media, prompt_audio = request.input_media
        return {
            "requested_model": request.models[0],
            "streamed": self._streamed,
            "user": request.user,
            "session_id": request.session_id,
            "preset_id": request.preset_id,
            "prompt_media": prompt_media,
            "prompt_audio": prompt_audio,
            "completion_media": self._meter.media,
            "api_type": API_TYPES[request.operation],
        }


class OperationCall(OperationGeneration[OperationRequest[ResultT]]):
    """One generation, from its hold to its report. Use `perform` once, then `report` always."""

    async def perform(self, on_part: OnPart | None = None) -> ResultT:
        """Raises AttemptsFailed when every endpoint failed.

        `on_part` is given what there is of the result before it is whole. Once it was, no other endpoint is tried:
        a failure then comes as UpstreamError.
        """

        async def attempt(tried: Try) -> ResultT:
            async def show(part: Any) -> None:
                if not tried.meter.started:
                    tried.meter.started = tried.streams = self._streamed = True
                    tried.first_content_at = time.monotonic()
                await on_part(part)  # type: ignore[misc]

            result = await self._upstream.perform(self._request, tried.endpoint, show if on_part else None)
            usage = result.usage or replace(self._request.most_used(tried.endpoint), estimated=True)
            tried.meter.record_result(usage, result.upstream_id)
            tried.first_content_at = tried.first_content_at or time.monotonic()
            return result

        result = await self._attempts.until_answered(attempt)
        self._error = None
        return result
