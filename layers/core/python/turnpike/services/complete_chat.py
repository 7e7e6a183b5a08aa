"""Answer a chat: plan a route, reserve credit, try endpoints until one answers, and account for it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

from turnpike.domain.api_keys import Principal
from turnpike.domain.catalog import Catalog, Endpoint, Provider
from turnpike.domain.chat import ChatRequest, Completion, Delta, FinishReason, Usage
from turnpike.domain.errors import AttemptsFailed, InsufficientCredit, TurnpikeError, UpstreamError
from turnpike.domain.estimate import estimate_prompt_tokens
from turnpike.domain.generation import Attempt, Generation
from turnpike.domain.ids import GenerationId, new_generation_id
from turnpike.domain.meter import Meter
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.domain.pricing import Cost, price
from turnpike.domain.routing import plan_route
from turnpike.ports import Upstream
from turnpike.services.admit import Admission, Admit
from turnpike.services.credit_line import CreditLine
from turnpike.services.report_usage import ReportUsage

Emit = Callable[[Sequence[Delta]], Awaitable[None]]
Answer = TypeVar("Answer")

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


@dataclass(frozen=True, slots=True)
class CompleteChat:
    """The use case. Calling it admits a request; the returned call then answers and reports it."""

    catalog: Callable[[], Catalog]
    admit: Admit
    upstream: Upstream
    report: ReportUsage
    on_refusal: Callable[[UpstreamError], None]
    """Told of every provider that refused our own credential or contract."""
    random: Random
    now: Callable[[], float] = time.time

    async def __call__(self, principal: Principal, request: ChatRequest, origin: Origin) -> "ChatCall":
        """Raises RequestError or ServiceError, and then nothing is held."""
        catalog = self.catalog()
        prompt_tokens = estimate_prompt_tokens(request)
        route = plan_route(request, catalog, prompt_tokens=prompt_tokens, random=self.random)
        now = self.now()
        admission = await self.admit(
            principal,
            request,
            route,
            generation_id=new_generation_id(now),
            prompt_tokens=prompt_tokens,
            now_s=int(now),
        )
        return ChatCall(self, replace(request, max_tokens=admission.max_tokens), route, admission, origin, catalog)


class ChatCall:
    """One generation, from its hold to its report. Use `complete` or `stream` once, then `report` always."""

    def __init__(
        self,
        case: CompleteChat,
        request: ChatRequest,
        route: Sequence[Endpoint],
        admission: Admission,
        origin: Origin,
        catalog: Catalog,
    ) -> None:
        self.endpoint = route[0]
        """The endpoint that is being tried, and in the end the one that answered."""
        self._case = case
        self._request = request
        self._route = route
        self._origin = origin
        self._catalog = catalog
        self._meter = Meter()
        self._credit = CreditLine(
            case.admit.ledger,
            admission.hold,
            admission.prompt_tokens,
            case.admit.allowance_tokens,
            case.now,
            capped=request.max_tokens is not None,
        )
        self._attempts: list[Attempt] = []
        self._error: TurnpikeError | None = _UNFINISHED
        self._attempt_began = origin.arrived_at
        self._first_content_at: float | None = None

    @property
    def id(self) -> GenerationId:
        return self._credit.hold.hold_id

    @property
    def created_at_s(self) -> int:
        return self._credit.hold.created_at_s

    @property
    def provider(self) -> Provider:
        return self._catalog.get_provider(self.endpoint.provider)

    @property
    def usage(self) -> Usage:
        return self._meter.usage_or_estimate(self._credit.prompt_tokens)

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
    def upstream_cost(self) -> Cost:
        """What the provider charges for it, whoever pays."""
        return price(self.usage, self.endpoint.pricing) if self._meter.started else Cost()

    @property
    def cost(self) -> NanoUsd:
        """What the client is charged: nothing for an answer that an error cut short, or that is empty."""
        return ZERO if self._insured() else self.upstream_cost.total

    async def complete(self) -> Completion:
        """The whole answer. Raises AttemptsFailed when every endpoint failed."""

        async def attempt(endpoint: Endpoint) -> Completion:
            completion = await self._case.upstream.complete(self._request, endpoint)
            self._meter.record_completion(completion)
            self._first_content_at = time.monotonic()
            return completion

        return await self._attempt_each(attempt)

    async def stream(self, emit: Emit) -> None:
        """Emit the answer's deltas as they come; the last one has `error` if it breaks off.

        Raises AttemptsFailed when every endpoint failed before its first content; nothing was emitted then.
        """

        async def attempt(endpoint: Endpoint) -> None:
            self._credit.open(endpoint)
            async with aclosing(self._case.upstream.stream(self._request, endpoint)) as batches:
                await self._relay(batches, emit)

        try:
            await self._attempt_each(attempt)
        except UpstreamError as error:
            # Falling back now would splice two answers, so the stream ends where it is.
            await self._break_off(error, emit)

    async def report(self) -> None:
        """Tell what was used, after the response; an admitted request that nobody answered is voided."""
        await self._case.report(self._generation(), answered=self._meter.started)

    async def _attempt_each(self, attempt: Callable[[Endpoint], Awaitable[Answer]]) -> Answer:
        """Try the route. Raises UpstreamError for a failure after the first content, else AttemptsFailed."""
        left = list(self._route)
        while True:
            self.endpoint = left.pop(0)
            self._attempt_began = time.monotonic()
            try:
                async with asyncio.timeout(self._origin.deadline - self._attempt_began):
                    answer = await attempt(self.endpoint)
            except (UpstreamError, TimeoutError) as error:
                failure = error if isinstance(error, UpstreamError) else _out_of_time(self.endpoint)
            else:
                self._note_attempt(200, None)
                if self._error is _UNFINISHED:
                    self._error = None
                return answer
            self._note_attempt(failure.upstream_status, failure.error_type)
            if failure.upstream_status in (401, 402, 403):
                self._case.on_refusal(failure)
            if self._meter.started:
                raise failure
            left = self._fallbacks(failure, left)
            if not left or time.monotonic() >= self._origin.deadline:
                failed = [(attempt.provider, attempt.status) for attempt in self._attempts]
                self._error = AttemptsFailed(
                    failure, models=self._request.models, failed=failed, provider_name=self.provider.name
                )
                raise self._error

    def _fallbacks(self, failure: UpstreamError, left: list[Endpoint]) -> list[Endpoint]:
        """Another endpoint of the model where it may do better, another model after any error."""
        stay = failure.retryable and self._request.provider.allow_fallbacks
        return [endpoint for endpoint in left if stay or endpoint.model_id != self.endpoint.model_id]

    async def _relay(self, batches: AsyncIterator[Sequence[Delta]], emit: Emit) -> None:
        """Hold back what comes before the first content, so that an error can still be answered elsewhere."""
        meter, credit = self._meter, self._credit
        waiting: list[Delta] = []
        async for batch in batches:
            error = batch[-1].error if batch else None
            deltas = batch[:-1] if error else batch
            meter.record(deltas)
            if not meter.started:
                waiting.extend(deltas)
                meter.started = any(delta.has_content or delta.finish_reason for delta in deltas)
                if meter.started:
                    self._first_content_at = time.monotonic()
                    deltas = waiting
            if meter.started and deltas:
                await emit(deltas)
            if error:
                raise error
            if meter.finish_reason or meter.output_tokens <= credit.grow_at_tokens:
                continue  # Nothing more to hold for; a finished answer is not broken off for want of credit.
            if not await credit.grow(self.endpoint, meter.output_tokens):
                gone = InsufficientCredit("The account's credit ran out during this answer", available=ZERO)
                await self._break_off(gone, emit)
                return
        if not meter.started:
            raise _empty_answer(self.endpoint)

    async def _break_off(self, error: TurnpikeError, emit: Emit) -> None:
        self._error = error
        self._meter.finish_reason = "error"
        await emit([Delta(error=error, finish_reason="error")])

    def _insured(self) -> bool:
        # Credit that ran out is no failure of the service: what came is paid for.
        failed = self._error is not None and not isinstance(self._error, InsufficientCredit)
        return failed or (self.usage.completion_tokens == 0 and not self._meter.finish_reason)

    def _note_attempt(self, status: int | None, error_type: str | None) -> None:
        endpoint = self.endpoint
        latency_ms = _ms((self._first_content_at or time.monotonic()) - self._attempt_began)
        self._attempts.append(
            Attempt(endpoint.provider, endpoint.model_id, endpoint.upstream_model, status, latency_ms, error_type)
        )

    def _generation(self) -> Generation:
        origin, meter, hold, cost = self._origin, self._meter, self._credit.hold, self.upstream_cost
        first = self._first_content_at
        return Generation(
            id=hold.hold_id,
            account_id=hold.account_id,
            key_hash=hold.key_hash,
            created_at_s=hold.created_at_s,
            requested_model=self._request.models[0],
            model=self.endpoint.model_id,
            provider=self.provider.name if meter.started else None,
            streamed=self._request.stream,
            usage=self.usage if meter.started else Usage(),
            cost=self.cost,
            upstream_cost=cost.total,
            upstream_prompt_cost=cost.prompt,
            upstream_completion_cost=cost.completion,
            finish_reason=meter.finish_reason,
            native_finish_reason=meter.native_finish_reason,
            latency_ms=None if first is None else _ms(first - origin.arrived_at),
            generation_time_ms=_ms(time.monotonic() - self._attempt_began) if meter.started else None,
            upstream_id=meter.upstream_id,
            service_tier=meter.service_tier,
            attempts=tuple(self._attempts),
            user=self._request.user,
            session_id=self._request.session_id,
            http_referer=origin.http_referer,
            app_title=origin.app_title,
            user_agent=origin.user_agent,
        )


def _out_of_time(endpoint: Endpoint) -> UpstreamError:
    return UpstreamError(
        endpoint.provider,
        "The answer did not come within the time that this request may take",
        upstream_status=None,
        error_type="timeout",
        retryable=True,
    )


def _empty_answer(endpoint: Endpoint) -> UpstreamError:
    return UpstreamError(
        endpoint.provider,
        "The provider sent an empty answer",
        upstream_status=200,
        error_type="provider_unavailable",
        retryable=True,
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
