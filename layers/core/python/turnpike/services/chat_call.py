"""One chat on its way: it tries endpoints until one answers, passes the answer on, and accounts for it."""

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from turnpike.domain.catalog import Catalog, Endpoint
from turnpike.domain.chat import ChatRequest, Completion, Delta, FinishReason, Usage
from turnpike.domain.compression import fit_request
from turnpike.domain.cost import cache_discount
from turnpike.domain.errors import AttemptsFailed, InsufficientCredit, TurnpikeError, UpstreamError
from turnpike.domain.estimate import count_images, estimate_prompt_tokens
from turnpike.domain.media_counts import count_prompt_media
from turnpike.domain.meter import Meter
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.domain.routing import Route
from turnpike.ports.upstream import Upstream
from turnpike.services.admit import Admission
from turnpike.services.attempts import Answer, Attempts, Try
from turnpike.services.credit_line import CreditLine
from turnpike.services.generation_call import UNFINISHED, GenerationCall, Origin
from turnpike.services.hedge import Hedge
from turnpike.services.leases import Leases
from turnpike.services.opening import Opening
from turnpike.services.report_usage import ReportUsage

if TYPE_CHECKING:
    # Loaded with the first request that needs it.
    from turnpike.services.plugins import PluginRun

Emit = Callable[[Sequence[Delta]], Awaitable[None]]


class ChatCall(GenerationCall):
    """One generation, from its hold to its report. Use `complete` or `stream` once, then `report` always."""

    def __init__(
        self,
        request: ChatRequest,
        route: Route,
        attempts: Attempts,
        admission: Admission,
        credit: CreditLine,
        *,
        leases: Leases | None,
        upstream: Upstream,
        hedge: Hedge | None,
        report: ReportUsage,
        catalog: Catalog,
        origin: Origin,
        on_success: Callable[[Endpoint, Usage], None],
        plugins: "PluginRun | None" = None,
    ) -> None:
        super().__init__(route, attempts, admission, leases=leases, report=report, catalog=catalog, origin=origin)
        self._request = request
        self._credit = credit
        self._upstream = upstream
        # The order that a client gave is an order to wait in, and so is one of whose account pays. What plugins
        # prepare is prepared for one endpoint at a time.
        ordered = request.provider.order or plugins or any(endpoint.byok for endpoint in attempts.endpoints)
        self._hedge = None if ordered else hedge
        self._plugins = plugins
        self._on_success = on_success
        self.choices_healed = 0
        """Choices of the answer whose JSON was mended."""

    @property
    def shortened(self) -> tuple[int, int] | None:
        """Of a prompt that was shortened for the endpoint: how many messages there were, and how many are left.

        Those that are left may be shorter than they were.
        """
        left = self._attempts.current.messages_left
        return None if left is None else (len(self._request.messages), left)

    @property
    def usage(self) -> Usage:
        usage = super().usage
        if self.endpoint.pricing.image is None:
            return usage
        # Few endpoints charge for each image, and none tells how many there were.
        return replace(usage, prompt_images=count_images(self._request))

    @property
    def finish_reason(self) -> FinishReason | None:
        return self._meter.finish_reason

    @property
    def native_finish_reason(self) -> str | None:
        return self._meter.native_finish_reason

    @property
    def cost(self) -> NanoUsd:
        """With what plugins took."""
        return NanoUsd(super().cost + self.search_cost + self.file_cost)

    @property
    def search_cost(self) -> NanoUsd:
        """Nothing where the endpoint that answered needed none, or is not paid for."""
        if self._plugins is None or self._results is None or not self.answered or self._insured():
            return ZERO
        return self._plugins.search_cost

    @property
    def file_cost(self) -> NanoUsd:
        return ZERO if self._plugins is None or not self.answered or self._insured() else self._plugins.file_cost

    @property
    def web_searches(self) -> int:
        return super().web_searches + (self._results is not None)

    @property
    def searched(self) -> tuple[str, int] | None:
        """The engine of ours that searched for this answer, and how many results there were."""
        return None if self._results is None or self._plugins is None else (self._plugins.engine, self._results)

    @property
    def files_read(self) -> tuple[str, int] | None:
        """By which engine files were made text for this answer, and how many."""
        read = self._plugins.files_read_for(self.endpoint) if self._plugins else 0
        return (self._plugins.file_engine, read) if self._plugins and read else None

    @property
    def cache_discount(self) -> NanoUsd:
        """What the provider's prompt cache took off the cost, or writing to it added, where the client is charged."""
        usage = self.usage
        if not self.answered or self._insured() or not (usage.cached_tokens or usage.cache_write_tokens):
            return ZERO
        charged = self.endpoint.charged(self.endpoint.pricing_in(self.service_tier))
        return cache_discount(usage, charged, self.created_at_s)

    async def complete(self) -> Completion:
        """The whole answer. Raises AttemptsFailed when every endpoint failed."""

        async def attempt(tried: Try) -> Completion:
            await self._prepare(tried)
            completion = await self._upstream.complete(self._request_for(tried), tried.endpoint)
            tried.meter.record_completion(completion)
            tried.first_content_at = time.monotonic()
            return completion

        completion = await self._until_answered(attempt)
        self._error = None
        if self._plugins is not None:
            completion = self._plugins.annotated(completion, self.endpoint)
        return self._healed(completion)

    async def stream(self, emit: Emit) -> None:
        """Emit the answer's deltas as they come; the last one has `error` if it breaks off.

        Raises AttemptsFailed when every endpoint failed before its first content; nothing was emitted then.
        """

        async def attempt(tried: Try) -> None:
            await self._prepare(tried)
            if self._hedge is None:
                opening = self._begin(tried)
                await opening.wait()
            else:
                opening = await self._hedge.open(self._attempts, self._begin)
            async with aclosing(opening.batches):
                await self._relay(opening, emit)

        try:
            await self._until_answered(attempt)
        except UpstreamError as error:
            # Falling back now would splice two answers, so the stream ends where it is.
            await self._break_off(error, emit)
        else:
            if self._error is UNFINISHED:
                self._error = None

    async def report(self) -> None:
        if self._error is None:
            self._on_success(self.endpoint, self.usage)
        await super().report()

    @property
    def _results(self) -> int | None:
        """How many results of a search the endpoint was told of; None where there was none."""
        return self._plugins.searched_for(self.endpoint) if self._plugins else None

    async def _until_answered(self, attempt: Callable[[Try], Awaitable[Answer]]) -> Answer:
        try:
            return await self._attempts.until_answered(attempt)
        except AttemptsFailed as error:
            # What was paid for is told with an answer that is.
            if self._plugins is not None and not self._plugins.file_cost:
                error.file_annotations = self._plugins.file_annotations(self.endpoint)
            raise

    async def _prepare(self, tried: Try) -> None:
        if self._plugins is not None:
            await self._plugins.ready(tried.endpoint)
            # What a search took says nothing of the endpoint.
            tried.began_at = time.monotonic()

    def _request_for(self, tried: Try) -> ChatRequest:
        endpoint = tried.endpoint
        request = self.route.request_for(self._request, endpoint)
        if self._plugins is not None:
            request = self._plugins.request_for(request, endpoint)
            tried.prompt_tokens = estimate_prompt_tokens(request)
        modalities = self._catalog.get_model(endpoint.model_id).output_modalities
        fitted = fit_request(request, endpoint, prompt_tokens=tried.prompt_tokens, output_modalities=modalities)
        if fitted.messages is not request.messages:
            tried.prompt_tokens, tried.messages_left = estimate_prompt_tokens(fitted), len(fitted.messages)
        return fitted

    def _healed(self, completion: Completion) -> Completion:
        if not self._request.response_healing:
            return completion
        # Not before it is needed: most requests ask for no healing.
        from turnpike.domain.healing import heal_completion, heals

        parameters = self._request.parameters
        if not heals(parameters):
            return completion
        healed, self.choices_healed = heal_completion(completion, parameters)
        return healed

    def _begin(self, tried: Try) -> Opening:
        return Opening(tried, self._upstream.stream(self._request_for(tried), tried.endpoint))

    async def _relay(self, opening: Opening, emit: Emit) -> None:
        """Pass the answer on, as long as the credit lasts. Raises UpstreamError when it breaks off."""
        meter, credit, plugins = opening.tried.meter, self._credit, self._plugins
        if plugins is not None:
            emit = self._annotating(plugins, emit)
        credit.open(opening.tried.endpoint)
        await emit(opening.deltas)
        if opening.error:
            raise opening.error
        if meter.output_tokens > credit.grow_at_tokens and not await self._covered(meter, emit):
            return
        async for batch in opening.batches:
            error = batch[-1].error if batch else None
            deltas = batch[:-1] if error else batch
            meter.record(deltas)
            if deltas:
                await emit(deltas)
            if error:
                raise error
            if meter.output_tokens > credit.grow_at_tokens and not await self._covered(meter, emit):
                return

    def _annotating(self, plugins: "PluginRun", emit: Emit) -> Emit:
        async def annotated(deltas: Sequence[Delta]) -> None:
            plugins.annotate(deltas, self.endpoint)
            await emit(deltas)

        return annotated

    async def _covered(self, meter: Meter, emit: Emit) -> bool:
        """Hold for what is still to come; False when the answer ended here for want of credit."""
        if meter.finish_reason or await self._credit.grow(self.endpoint, meter.output_tokens):
            return True  # What is finished needs no more, and is not broken off for want of credit.
        gone = InsufficientCredit("The account's credit ran out during this answer", available=ZERO)
        await self._break_off(gone, emit)
        return False

    async def _break_off(self, error: TurnpikeError, emit: Emit) -> None:
        self._error = error
        self._meter.finish_reason = "error"
        await emit([Delta(error=error, finish_reason="error")])

    def _insured(self) -> bool:
        # Credit that ran out is no failure of the service: what came is paid for.
        failed = self._error is not None and not isinstance(self._error, InsufficientCredit)
        return failed or (self.usage.completion_tokens == 0 and not self._meter.finish_reason)

    def _told(self) -> dict[str, Any]:
        request = self._request
        prompt_media, prompt_audio = count_prompt_media(request.messages)
        return {
            "requested_model": request.models[0],
            "streamed": request.stream,
            "user": request.user,
            "session_id": request.session_id,
            "cache_discount": self.cache_discount,
            "prompt_media": prompt_media,
            "prompt_audio": prompt_audio,
            "completion_media": self._meter.media,
            "preset_id": request.preset_id,
            "search_engine": self._plugins.searched_by if self._plugins else None,
            "search_results": self._results or 0,
            "search_cost": self._plugins.search_cost if self._plugins else ZERO,
            "file_cost": self._plugins.file_cost if self._plugins else ZERO,
        }
