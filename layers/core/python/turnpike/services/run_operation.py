"""Run an operation: plan a route over endpoints that offer it, reserve credit, and hand over to the call."""

from dataclasses import dataclass
from typing import Any, TypeVar

from turnpike.domain.api_keys import Principal
from turnpike.domain.catalog import Catalog, Endpoint
from turnpike.domain.ids import new_generation_id
from turnpike.domain.operation import OperationRequest, ResultT
from turnpike.domain.routing import OPERATION, PARAMETERS, Policy, Route, plan_route
from turnpike.services.admit_operation import AdmitOperation
from turnpike.services.complete_chat import CompleteChat
from turnpike.services.generation_call import Origin
from turnpike.services.operation_call import OperationCall, OperationGeneration

CallT = TypeVar("CallT", bound=OperationGeneration[Any])


@dataclass(frozen=True, slots=True)
class RunOperation:
    """The use case. Calling it admits a request; the returned call then answers and reports it.

    `parts` are those that chats are answered with: one catalog, one breaker, one ledger and one way to report.
    """

    parts: CompleteChat

    async def __call__(
        self, principal: Principal, request: OperationRequest[ResultT], origin: Origin
    ) -> OperationCall[ResultT]:
        """Raises RequestError or ServiceError, and then nothing is held."""
        return await self.begin(OperationCall, principal, request, origin)

    async def begin(
        self, call: type[CallT], principal: Principal, request: OperationRequest[Any], origin: Origin
    ) -> CallT:
        """A call of this kind, planned and paid for, of which nobody has been asked. Raises likewise."""
        parts = self.parts

        def plan(catalog: Catalog, policy: Policy | None) -> Route:
            return plan_route(
                request,
                catalog,
                # The context takes each input by itself.
                prompt_tokens=request.longest_input_tokens,
                random=parts.random,
                health=parts.health,
                policy=self._offering(request, policy),
            )

        catalog, route = await parts.open_route(principal, plan)
        prompt_tokens = request.most_used(route[0]).prompt_tokens
        attempts = await parts.open_attempts(principal, request, catalog, route, origin, prompt_tokens)
        now = parts.now()
        admission = await AdmitOperation(parts.admit)(
            principal, attempts.endpoints, request.most_used, generation_id=new_generation_id(now), now_s=int(now)
        )
        if len(admission.endpoints) < len(attempts.endpoints):
            attempts.keep(admission.endpoints)
        return call(
            request,
            route,
            attempts,
            admission,
            leases=parts.admit.leases,
            upstream=parts.upstream,
            report=parts.report,
            catalog=catalog,
            origin=origin,
        )

    def _offering(self, request: OperationRequest[ResultT], policy: Policy | None) -> Policy:
        """The account's own policy, behind what the endpoint's wire format can do at all."""

        def excluded(endpoint: Endpoint) -> str | None:
            if not self.parts.upstream.offers(request.operation, endpoint):
                return OPERATION
            if request.unmet(endpoint):
                return PARAMETERS
            return policy(endpoint) if policy else None

        return excluded
