"""The attempts of one request: endpoint by endpoint until one answers, and what became of each."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from turnpike.domain.catalog import Catalog, Endpoint
from turnpike.domain.cost import price
from turnpike.domain.errors import (
    AttemptsFailed,
    InvalidRequest,
    RequestError,
    ServiceError,
    TurnpikeError,
    UpstreamError,
)
from turnpike.domain.generation import Attempt, Outcome
from turnpike.domain.health import endpoint_key
from turnpike.domain.meter import Meter
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.domain.waits import Waits
from turnpike.services.free_pass import FreePass

if TYPE_CHECKING:
    from turnpike.domain.byok import Byok

Answer = TypeVar("Answer")

_FEWEST_TOKENS, _SHORTEST_S = 16, 0.05
"""Of an answer whose speed is worth telling: a few tokens that came at once say nothing of it."""


@dataclass(slots=True, eq=False)
class Try:
    """An attempt while it lasts. Times are `time.monotonic()` seconds; each has a meter of its own."""

    endpoint: Endpoint
    began_at: float
    prompt_tokens: int
    """An estimate, of what is left of the prompt where it was shortened for this endpoint."""
    messages_left: int | None = None
    """Of a prompt that was."""
    meter: Meter = field(default_factory=Meter)
    first_content_at: float | None = None
    streams: bool = False
    """Whether the first content could be seen by itself."""
    ended_at: float | None = None


class AttemptObserver(Protocol):
    """Learns from attempts how endpoints are doing."""

    def begin_attempt(self, endpoint: Endpoint) -> None: ...
    def record_attempt(self, endpoint: Endpoint, attempt: Attempt) -> None:
        """Every attempt that began ends here, whatever became of it."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What this environment has learnt from earlier attempts, and who is told of the next ones."""

    waits: Waits
    observer: AttemptObserver
    on_refusal: Callable[[UpstreamError], None]
    """Told of every provider that refused our own credential or contract."""
    now: Callable[[], float] = time.time

    def ready(self, endpoints: Sequence[Endpoint]) -> list[Endpoint]:
        """Those that did not ask to be left alone for now."""
        if not self.waits:
            return list(endpoints)
        now = self.now()
        return [endpoint for endpoint in endpoints if self.waits.find(endpoint_key(endpoint), now) is None]

    def waiting(self, endpoints: Sequence[Endpoint]) -> list[UpstreamError]:
        """What the others are left out for; the one that can be asked soonest comes last."""
        now = self.now()
        waits = [self.waits.find(endpoint_key(endpoint), now) for endpoint in endpoints]
        errors = [wait.as_error(now) for wait in waits if wait is not None]
        return sorted(errors, key=lambda error: -(error.retry_after_s or 0))


class Attempts:
    """Tries endpoints in turn until one answers, within one deadline (`time.monotonic()` seconds)."""

    def __init__(
        self,
        watch: Watch,
        route: Sequence[Endpoint],
        catalog: Catalog,
        *,
        models: Sequence[str],
        deadline: float,
        prompt_tokens: int,
        free_pass: FreePass | None = None,
    ) -> None:
        """`models` are the slugs that were asked for, `prompt_tokens` an estimate.

        Raises AttemptsFailed when every endpoint of the route asked to be left alone.
        """
        self.made: list[Attempt] = []
        self._errors: list[UpstreamError] = []
        self._watch = watch
        self._route = route
        self._catalog = catalog
        self._models = models
        self._deadline = deadline
        self._prompt_tokens = prompt_tokens
        self._free_pass = free_pass
        self.endpoints = watch.ready(route) or self._unless_waiting()
        """What may be tried, in order; `keep` leaves some of them out."""
        self._left = list(self.endpoints)
        self.current = Try(self._left[0], time.monotonic(), prompt_tokens)
        """The attempt that is being made, and in the end the one that answered."""

    def keep(self, endpoints: Sequence[Endpoint]) -> None:
        """Before the first attempt: try none but these, which are some of those that may be tried."""
        self.endpoints = endpoints
        self._left = list(endpoints)
        self.current = Try(self._left[0], time.monotonic(), self._prompt_tokens)

    async def until_answered(self, attempt: Callable[[Try], Awaitable[Answer]]) -> Answer:
        """Raises UpstreamError for a failure after the first content, else AttemptsFailed, or what nobody takes."""
        while True:
            self.current = self._begin(self._left.pop(0))
            try:
                async with asyncio.timeout(self._deadline - self.current.began_at):
                    answer = await attempt(self.current)
            except UpstreamError as error:
                failure = error
                self.end(self.current, failure)
            except TimeoutError:
                # It says nothing of the endpoint, whose own deadlines come as UpstreamErrors.
                failure = _out_of_time(self.current.endpoint)
                self.end(self.current, failure, "cancelled")
            except RequestError as error:
                self.end(self.current, outcome="client")
                if not isinstance(error, InvalidRequest) or not error.only_here:
                    raise
                if await self._leave_provider():
                    continue
                if not self._errors:
                    raise
                # Who failed before may take it another time.
                raise self._all_failed(self._errors[-1]) from None
            except BaseException:
                # The server stops, storage of our own failed, or there is a bug: nothing that the endpoint did.
                self.end(self.current, outcome="cancelled")
                raise
            else:
                self.end(self.current)
                return answer
            if self.current.meter.started:
                raise failure
            self._fall_back(failure)
            await self._admit_free()
            if not self._left or time.monotonic() >= self._deadline:
                raise self._all_failed(failure, self.current.endpoint.byok)

    def another(self, fit: Callable[[Endpoint], bool]) -> Try | None:
        """Begin an attempt at the same model beside the current one, where a fit endpoint is left for it.

        Whoever asks for it ends whichever of the two does not become the current one.
        """
        for endpoint in self._watch.ready(self._left):
            if endpoint.model_id == self.current.endpoint.model_id and fit(endpoint):
                self._left.remove(endpoint)
                return self._begin(endpoint)
        return None

    def end(self, tried: Try, failure: UpstreamError | None = None, outcome: Outcome | None = None) -> None:
        """Note what became of an attempt, here and where this environment learns from it."""
        tried.ended_at = now = time.monotonic()
        attempt = self._describe(tried, failure, outcome or _outcome_of(failure), now)
        self.made.append(attempt)
        self._watch.observer.record_attempt(tried.endpoint, attempt)
        if failure is None:
            return
        self._errors.append(failure)
        if failure.is_refusal and tried.endpoint.byok is None:
            self._watch.on_refusal(failure)
        if failure.retry_after_s is not None:
            self._watch.waits.note(endpoint_key(tried.endpoint), failure, self._watch.now())

    def _begin(self, endpoint: Endpoint) -> Try:
        self._watch.observer.begin_attempt(endpoint)
        return Try(endpoint, time.monotonic(), self._prompt_tokens)

    async def _admit_free(self) -> None:
        """Leave out free models that the account may not ask any more."""
        if self._free_pass is not None:
            try:
                self._left = list(await self._free_pass.admit(self._left))
            except (RequestError, ServiceError):
                self._left = []  # The failure of what was asked says more than this.

    def _describe(self, tried: Try, failure: UpstreamError | None, outcome: Outcome, now: float) -> Attempt:
        endpoint, first = tried.endpoint, tried.first_content_at
        return Attempt(
            endpoint.provider,
            endpoint.model_id,
            endpoint.upstream_model,
            status=failure.upstream_status if failure else 200 if outcome == "ok" else None,
            latency_ms=milliseconds((first or now) - tried.began_at),
            error_type=failure.error_type if failure else None,
            tag=endpoint.tag,
            first_content_ms=None if first is None or not tried.streams else milliseconds(first - tried.began_at),
            output_tokens_per_s=self._speed(tried, now) if outcome == "ok" else None,
            outcome=outcome,
            absorbed_cost=self._absorbed(tried) if outcome == "cancelled" else ZERO,
            ended_at_s=int(self._watch.now()),
            provider_name="" if outcome == "ok" else self._catalog.get_provider(endpoint.provider).name,
            streamed_ms=milliseconds(now - (first or now)),
            is_byok=endpoint.byok is not None,
        )

    def _speed(self, tried: Try, now: float) -> float | None:
        first = tried.first_content_at if tried.streams else tried.began_at
        if first is None or now - first < _SHORTEST_S:
            return None
        tokens = tried.meter.usage_or_estimate(tried.prompt_tokens).completion_tokens
        return round(tokens / (now - first), 1) if tokens >= _FEWEST_TOKENS else None

    def _absorbed(self, tried: Try) -> NanoUsd:
        """What an attempt costs us that nobody needed any more: the provider read its prompt all the same."""
        if tried is self.current:
            return ZERO  # It is the generation's own, as far as there is any.
        meter = tried.meter
        usage = meter.usage_or_estimate(tried.prompt_tokens)
        return price(usage, tried.endpoint.pricing_in(meter.service_tier), self._watch.now()).total

    def _fall_back(self, failure: UpstreamError) -> None:
        """Another endpoint of the model where it may do better, another model after any error."""
        model_id = self.current.endpoint.model_id
        ready = self._watch.ready(self._left)
        self._left = [endpoint for endpoint in ready if failure.retryable or endpoint.model_id != model_id]

    async def _leave_provider(self) -> bool:
        """Whether anybody else is left."""
        ready = self._watch.ready(self._left)
        self._left = [each for each in ready if each.provider != self.current.endpoint.provider]
        await self._admit_free()
        return bool(self._left) and time.monotonic() < self._deadline

    def _unless_waiting(self) -> Sequence[Endpoint]:
        """All of the route, should the last wait just have ended. Raises AttemptsFailed."""
        self._errors = self._watch.waiting(self._route)
        if self._errors:
            raise self._all_failed(self._errors[-1])
        return self._route

    def _all_failed(self, last: UpstreamError, byok: "Byok | None" = None) -> TurnpikeError:
        if last.is_refusal and byok is not None:
            return self._own_key_refused(last, byok)
        waits = [error.retry_after_s for error in (*self._errors, *self._watch.waiting(self._route))]
        return AttemptsFailed(
            last,
            models=self._models,
            failed=[(error.provider, error.upstream_status) for error in self._errors],
            provider_name=self._catalog.get_provider(last.provider).name,
            retry_after_s=min((wait for wait in waits if wait is not None), default=None),
        )

    def _own_key_refused(self, last: UpstreamError, byok: "Byok") -> TurnpikeError:
        """It is for the customer to mend, and nothing that our operator could."""
        from turnpike.domain.byok import OwnKeyRefused

        name = self._catalog.get_provider(last.provider).name
        return OwnKeyRefused(
            f"{name} refused your own key {byok.key.label} (HTTP status {last.upstream_status}). "
            f"Replace it with PATCH /byok/{byok.key.id}, or see whether its account is in order",
            provider_name=name,
            failed=[(error.provider, error.upstream_status) for error in self._errors],
        )


def _outcome_of(failure: UpstreamError | None) -> Outcome:
    if failure is None:
        return "ok"
    if failure.error_type == "rate_limit_exceeded":
        return "rate_limited"
    return "failed" if failure.retryable else "client"


def _out_of_time(endpoint: Endpoint) -> UpstreamError:
    return UpstreamError(
        endpoint.provider,
        "The answer did not come within the time that this request may take",
        upstream_status=None,
        error_type="timeout",
        retryable=True,
    )


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
