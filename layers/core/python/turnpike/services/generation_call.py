"""One generation on its way, whatever was asked for: what it cost, and what is reported of it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from turnpike.domain.catalog import Catalog, Endpoint, Provider
from turnpike.domain.chat import Usage
from turnpike.domain.cost import Cost, price
from turnpike.domain.errors import TurnpikeError
from turnpike.domain.generation import Attempt, Generation
from turnpike.domain.ids import GenerationId
from turnpike.domain.meter import Meter
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.domain.pricing import Pricing
from turnpike.domain.routing import Route
from turnpike.services.admit import Admission
from turnpike.services.attempts import Attempts, milliseconds
from turnpike.services.leases import Leases
from turnpike.services.report_usage import ReportUsage

UNFINISHED = TurnpikeError("The answer was interrupted")
"""Stands for whatever ends a call from outside, such as a server that stops: nobody pays for half an answer."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of a request besides its body. `arrived_at` and `deadline` are `time.monotonic()` seconds."""

    arrived_at: float
    deadline: float
    http_referer: str | None = None
    app_title: str | None = None
    user_agent: str | None = None


class GenerationCall:
    """From its hold to its report. What asks for it and passes its answer on is for each kind of request to add."""

    def __init__(
        self,
        route: Route,
        attempts: Attempts,
        admission: Admission,
        *,
        leases: Leases | None,
        report: ReportUsage,
        catalog: Catalog,
        origin: Origin,
    ) -> None:
        self.route = route
        self._attempts = attempts
        self._admission = admission
        self._leases = leases
        self._report = report
        self._catalog = catalog
        self._origin = origin
        self._error: TurnpikeError | None = UNFINISHED
        self._priced: tuple[Usage, Pricing, Cost] | None = None

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
    def answered(self) -> bool:
        """Whether anything came that a client could see."""
        return self._meter.started

    @property
    def usage(self) -> Usage:
        """What the provider reported, or else an estimate."""
        return self._meter.usage_or_estimate(self._attempts.current.prompt_tokens)

    @property
    def service_tier(self) -> str | None:
        return self._meter.service_tier

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
        usage, pricing = self.usage, self.endpoint.pricing_in(self.service_tier)
        # It is asked for by whoever presents, reports and settles, and what was used seldom changes in between.
        known = self._priced
        if known is None or known[1] is not pricing or (known[0] is not usage and known[0] != usage):
            self._priced = known = (usage, pricing, price(usage, pricing, self.created_at_s))
        return known[2]

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
    def search_cost(self) -> NanoUsd:
        """What of `cost` is for a search of the web by an engine of ours."""
        return ZERO

    @property
    def file_cost(self) -> NanoUsd:
        """What of `cost` is for recognising the text of files."""
        return ZERO

    @property
    def web_searches(self) -> int:
        """Made for this answer, by whomever."""
        return self.usage.web_search_requests

    @property
    def is_byok(self) -> bool:
        """Whether the customer's own provider account is charged `upstream_cost`."""
        return self.answered and self.endpoint.byok is not None

    def provider_of(self, slug: str) -> Provider:
        return self._catalog.get_provider(slug)

    async def report(self) -> None:
        """Tell what was used, after the response; an admitted request that nobody answered is voided."""
        reserve = self._admission.reserve
        cost = self.cost if self.answered else ZERO
        reserve.end(cost)
        await self._report(self._generation(), answered=self.answered)
        if self._leases is not None:
            await self._leases.tend(self._admission.principal, reserve.amount, cost)

    @property
    def _meter(self) -> Meter:
        return self._attempts.current.meter

    def _insured(self) -> bool:
        """Whether it ended in a way that nobody pays for."""
        return self._error is not None

    def _told(self) -> dict[str, Any]:
        """What a generation's record says of the request itself: `requested_model` and `streamed` at least."""
        raise NotImplementedError

    def _generation(self) -> Generation:
        origin, meter, admission, cost = self._origin, self._meter, self._admission, self.upstream_cost
        first = self._attempts.current.first_content_at
        return Generation(
            id=admission.generation_id,
            account_id=admission.principal.account_id,
            key_hash=admission.principal.key.hash,
            created_at_s=admission.created_at_s,
            model=self.endpoint.model_id,
            provider=self.provider.name if meter.started else None,
            usage=self.usage if meter.started else Usage(),
            cost=self.cost,
            upstream_cost=cost.total,
            upstream_prompt_cost=cost.prompt,
            upstream_completion_cost=cost.completion,
            finish_reason=meter.finish_reason,
            native_finish_reason=meter.native_finish_reason,
            latency_ms=None if first is None else milliseconds(first - origin.arrived_at),
            generation_time_ms=self.generation_time_ms,
            upstream_id=meter.upstream_id,
            service_tier=meter.service_tier,
            attempts=tuple(self._attempts.made),
            http_referer=origin.http_referer,
            app_title=origin.app_title,
            user_agent=origin.user_agent,
            lease_id=admission.reserve.lease_id,
            is_byok=self.is_byok,
            **self._told(),
        )
