"""One chat on its way: it tries endpoints until one answers, passes the answer on, and accounts for it."""

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from turnpike.domain.catalog import Catalog, Endpoint, Provider
from turnpike.domain.chat import ChatRequest, Completion, Delta, FinishReason, Usage
from turnpike.domain.compression import fit_request
from turnpike.domain.errors import InsufficientCredit, TurnpikeError, UpstreamError
from turnpike.domain.estimate import count_images, estimate_prompt_tokens
from turnpike.domain.generation import Attempt, Generation
from turnpike.domain.ids import GenerationId
from turnpike.domain.media_counts import count_prompt_media
from turnpike.domain.meter import Meter
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.domain.pricing import Cost, cache_discount, price
from turnpike.domain.routing import Route
from turnpike.ports import Upstream
from turnpike.services.admit import Admission
from turnpike.services.attempts import Attempts, Try, milliseconds
from turnpike.services.credit_line import CreditLine
from turnpike.services.hedge import Hedge
from turnpike.services.leases import Leases
from turnpike.services.opening import Opening
from turnpike.services.report_usage import ReportUsage

Emit = Callable[[Sequence[Delta]], Awaitable[None]]

_UNFINISHED = TurnpikeError("The answer was interrupted")
"""Stands for whatever ends a call from outside, such as a server that stops: nobody pays for half an answer."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of a request besides its body. `arrived_at` and `deadline` are `time.monotonic()` seconds."""

    arrived_at: float
    deadline: float
    http_referer: str | None = None
    app_title: str | None = None
    user_agent: str | None = None


class ChatCall:
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
    ) -> None:
        self.route = route
        self._request = request
        self._attempts = attempts
        self._admission = admission
        self._credit = credit
        self._leases = leases
        self._upstream = upstream
        # The order that a client gave is an order to wait in, and so is one of whose account pays.
        owned = any(endpoint.byok for endpoint in attempts.endpoints)
        self._hedge = None if request.provider.order or owned else hedge
        self._report = report
        self._catalog = catalog
        self._origin = origin
        self._on_success = on_success
        self._error: TurnpikeError | None = _UNFINISHED
        self.choices_healed = 0
        """Choices of the answer whose JSON was mended."""

    @property
    def id(self) -> GenerationId:
        return self._admission.generation_id

    @property
    def created_at_s(self) -> int:
        return self._admission.created_at_s

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint that is being tried, and in the end the one that answered."""
        return self._attempts.current.endpoint

    @property
    def provider(self) -> Provider:
        return self.provider_of(self.endpoint.provider)

    @property
    def attempts(self) -> Sequence[Attempt]:
        """Those that ended, in the order in which they did: the one that answered is the last."""
        return self._attempts.made

    @property
    def shortened(self) -> tuple[int, int] | None:
        """Of a prompt that was shortened for the endpoint: how many messages there were, and how many are left.

        Those that are left may be shorter than they were.
        """
        left = self._attempts.current.messages_left
        return None if left is None else (len(self._request.messages), left)

    @property
    def answered(self) -> bool:
        """Whether anything came that a client could see."""
        return self._meter.started

    @property
    def usage(self) -> Usage:
        usage = self._meter.usage_or_estimate(self._attempts.current.prompt_tokens)
        if self.endpoint.pricing.image is None:
            return usage
        # Few endpoints charge for each image, and none tells how many there were.
        return replace(usage, prompt_images=count_images(self._request))

    @property
    def service_tier(self) -> str | None:
        return self._meter.service_tier

    @property
    def finish_reason(self) -> FinishReason | None:
        return self._meter.finish_reason

    @property
    def native_finish_reason(self) -> str | None:
        return self._meter.native_finish_reason

    @property
    def generation_time_ms(self) -> int | None:
        """From sending the request to the provider that answered to the end of its answer."""
        tried = self._attempts.current
        return milliseconds((tried.ended_at or time.monotonic()) - tried.began_at) if self.answered else None

    @property
    def upstream_cost(self) -> Cost:
        """What the provider charges for it, whoever pays."""
        if not self.answered:
            return Cost()
        return price(self.usage, self.endpoint.pricing_in(self.service_tier), self.created_at_s)

    @property
    def cost(self) -> NanoUsd:
        """What the client is charged: nothing for an answer that an error cut short, or that is empty."""
        if self._insured():
            return ZERO
        if not self.is_byok:
            return self.upstream_cost.total
        fees = self.endpoint.charged(self.endpoint.pricing_in(self.service_tier))
        return price(self.usage, fees, self.created_at_s).total

    @property
    def is_byok(self) -> bool:
        """Whether the customer's own provider account is charged `upstream_cost`."""
        return self.answered and self.endpoint.byok is not None

    @property
    def cache_discount(self) -> NanoUsd:
        """What the provider's prompt cache took off the cost, or writing to it added, where the client is charged."""
        usage = self.usage
        if not self.answered or self._insured() or not (usage.cached_tokens or usage.cache_write_tokens):
            return ZERO
        charged = self.endpoint.charged(self.endpoint.pricing_in(self.service_tier))
        return cache_discount(usage, charged, self.created_at_s)

    def provider_of(self, slug: str) -> Provider:
        return self._catalog.get_provider(slug)

    async def complete(self) -> Completion:
        """The whole answer. Raises AttemptsFailed when every endpoint failed."""

        async def attempt(tried: Try) -> Completion:
            completion = await self._upstream.complete(self._request_for(tried), tried.endpoint)
            tried.meter.record_completion(completion)
            tried.first_content_at = time.monotonic()
            return completion

        completion = await self._attempts.until_answered(attempt)
        self._error = None
        return self._healed(completion)

    async def stream(self, emit: Emit) -> None:
        """Emit the answer's deltas as they come; the last one has `error` if it breaks off.

        Raises AttemptsFailed when every endpoint failed before its first content; nothing was emitted then.
        """

        async def attempt(tried: Try) -> None:
            if self._hedge is None:
                opening = self._begin(tried)
                await opening.wait()
            else:
                opening = await self._hedge.open(self._attempts, self._begin)
            async with aclosing(opening.batches):
                await self._relay(opening, emit)

        try:
            await self._attempts.until_answered(attempt)
        except UpstreamError as error:
            # Falling back now would splice two answers, so the stream ends where it is.
            await self._break_off(error, emit)
        else:
            if self._error is _UNFINISHED:
                self._error = None

    async def report(self) -> None:
        """Tell what was used, after the response; an admitted request that nobody answered is voided."""
        if self._error is None:
            self._on_success(self.endpoint, self.usage)
        reserve = self._admission.reserve
        cost = self.cost if self.answered else ZERO
        reserve.end(cost)
        await self._report(self._generation(), answered=self.answered)
        if self._leases is not None:
            await self._leases.tend(self._admission.principal, reserve.amount, cost)

    @property
    def _meter(self) -> Meter:
        return self._attempts.current.meter

    def _request_for(self, tried: Try) -> ChatRequest:
        endpoint = tried.endpoint
        request = self.route.request_for(self._request, endpoint)
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
        meter, credit = opening.tried.meter, self._credit
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

    def _generation(self) -> Generation:
        origin, meter, admission, cost = self._origin, self._meter, self._admission, self.upstream_cost
        prompt_media, prompt_audio = count_prompt_media(self._request.messages)
        first = self._attempts.current.first_content_at
        return Generation(
            id=admission.generation_id,
            account_id=admission.principal.account_id,
            key_hash=admission.principal.key.hash,
            created_at_s=admission.created_at_s,
            requested_model=self._request.models[0],
            model=self.endpoint.model_id,
            provider=self.provider.name if meter.started else None,
            streamed=self._request.stream,
            usage=self.usage if meter.started else Usage(),
            cost=self.cost,
            upstream_cost=cost.total,
            upstream_prompt_cost=cost.prompt,
            upstream_completion_cost=cost.completion,
            cache_discount=self.cache_discount,
            finish_reason=meter.finish_reason,
            native_finish_reason=meter.native_finish_reason,
            latency_ms=None if first is None else milliseconds(first - origin.arrived_at),
            generation_time_ms=self.generation_time_ms,
            upstream_id=meter.upstream_id,
            service_tier=meter.service_tier,
            attempts=tuple(self._attempts.made),
            user=self._request.user,
            session_id=self._request.session_id,
            http_referer=origin.http_referer,
            app_title=origin.app_title,
            user_agent=origin.user_agent,
            lease_id=admission.reserve.lease_id,
            prompt_media=prompt_media,
            prompt_audio=prompt_audio,
            completion_media=meter.media,
            is_byok=self.is_byok,
        )
