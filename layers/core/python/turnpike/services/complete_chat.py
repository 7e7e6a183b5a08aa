"""Answer a chat: plan a route, reserve credit, and hand over to the call that tries endpoints until one answers."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from turnpike.domain.api_keys import Principal
from turnpike.domain.catalog import Catalog, Endpoint
from turnpike.domain.chat import ChatRequest, Usage
from turnpike.domain.compression import most_sent
from turnpike.domain.estimate import estimate_prompt_tokens
from turnpike.domain.health import Health, no_health
from turnpike.domain.ids import new_generation_id
from turnpike.domain.money import ZERO
from turnpike.domain.routing import Policy, Route, RoutedRequest, plan_route
from turnpike.domain.searches import OPTIONS, TOKENS_PER_SEARCH, expected_searches, limit_of
from turnpike.domain.slugs import parse_slug
from turnpike.domain.stickiness import Stickiness, conversation_of
from turnpike.domain.tool_choice import check_tool_choice
from turnpike.ports.upstream import Upstream
from turnpike.services.admit import Admit
from turnpike.services.attempts import Attempts, Watch
from turnpike.services.chat_call import ChatCall, Emit
from turnpike.services.credit_line import CreditLine
from turnpike.services.free_pass import CountFree, FreePass
from turnpike.services.generation_call import Origin
from turnpike.services.hedge import Hedge
from turnpike.services.own_keys import RouteOwn
from turnpike.services.report_usage import ReportUsage

if TYPE_CHECKING:
    # Loaded with the first request that needs it.
    from turnpike.services.plugins import PluginRun

    BeginPlugins = Callable[[ChatRequest], PluginRun]

__all__ = ["ChatCall", "CompleteChat", "Emit", "Origin"]

Plan = Callable[[Catalog, Policy | None], Route]
"""Raises ModelNotFound or NoEndpoints."""


@dataclass(frozen=True, slots=True)
class CompleteChat:
    """The use case. Calling it admits a request; the returned call then answers and reports it."""

    catalog: Callable[[], Catalog]
    admit: Admit
    upstream: Upstream
    report: ReportUsage
    watch: Watch
    random: Random
    now: Callable[[], float] = time.time
    health: Health = no_health
    hedge: Hedge | None = None
    count_free: CountFree | None = None
    """Counts a request to free models; None where they may be asked as often as anybody likes."""
    stickiness: Stickiness | None = None
    begin_plugins: "BeginPlugins | None" = None
    """What is done with prompts before a model is asked; None where there is nothing for it."""
    route_own: RouteOwn | None = None
    """Finds how an account's own provider keys change its routes; None where the deployment takes none."""

    async def __call__(self, principal: Principal, request: ChatRequest, origin: Origin) -> ChatCall:
        """Raises RequestError or ServiceError, and then nothing is held."""
        if "tool_choice" in request.parameters:
            check_tool_choice(request)
        plugins = None
        if self.begin_plugins is not None and _needs_plugins(request):
            plugins = self.begin_plugins(request)
            request = plugins.request
        prompt_tokens = estimate_prompt_tokens(request)
        catalog, route = await self.open_route(principal, partial(self._plan, principal, request, prompt_tokens))
        if plugins is not None:
            tokens = await plugins.prepare(route, catalog)
            if tokens > prompt_tokens:
                # What fits a file, or an answer without a search, need not fit what comes of them.
                catalog, route = await self.open_route(principal, partial(self._plan, principal, request, tokens))
                prompt_tokens = max(tokens, await plugins.prepare(route, catalog))
        attempts = await self.open_attempts(principal, request, catalog, route, origin, prompt_tokens)
        sent_tokens = _most_sent(request, attempts.endpoints, catalog, prompt_tokens)
        searches = _native_searches(request, route)
        found = searches + sum(tool.fetches for tool in request.native_tools)
        if found and any(endpoint.dialect for endpoint in route):
            # What is found is read like a prompt, and paid for like one.
            sent_tokens += min(found * TOKENS_PER_SEARCH, max(endpoint.context_length for endpoint in route))
        now = self.now()
        admission = await self.admit(
            principal,
            request,
            attempts.endpoints,
            generation_id=new_generation_id(now),
            prompt_tokens=sent_tokens,
            now_s=int(now),
            beside=plugins.most_cost(route) if plugins else ZERO,
            searches=searches,
        )
        if len(admission.endpoints) < len(attempts.endpoints):
            attempts.keep(admission.endpoints)
        request = replace(request, max_tokens=admission.max_tokens)
        return ChatCall(
            request,
            route,
            attempts,
            admission,
            CreditLine(
                admission.reserve,
                admission.created_at_s,
                sent_tokens,
                self.admit.allowance_tokens,
                self.now,
                capped=request.max_tokens is not None,
                media=admission.media,
            ),
            leases=self.admit.leases,
            upstream=self.upstream,
            hedge=self.hedge,
            report=self.report,
            catalog=catalog,
            origin=origin,
            on_success=partial(self._stick, principal, request),
            plugins=plugins,
        )

    async def check_models(self, principal: Principal, request: ChatRequest) -> None:
        """Raises ModelNotFound or NoEndpoints where the account knows none of them, and TemporarilyBusy."""
        # Not before it is needed: few requests are not to be answered.
        from turnpike.domain.routing.known import check_models

        catalog = self.catalog()
        own = await self.route_own(principal, catalog) if self.route_own else None
        check_models(request, catalog if own is None else own.catalog)

    async def open_route(self, principal: Principal, plan: Plan) -> tuple[Catalog, Route]:
        """The route as it was planned, over the account's own provider keys where it brings any; and the catalog that
        it was planned with. Raises RequestError or TemporarilyBusy.
        """
        catalog = self.catalog()
        own = await self.route_own(principal, catalog) if self.route_own else None
        if own is None:
            return catalog, plan(catalog, None)
        return own.catalog, await own.open(plan(own.catalog, own.policy))

    async def open_attempts(
        self,
        principal: Principal,
        request: RoutedRequest,
        catalog: Catalog,
        route: Route,
        origin: Origin,
        prompt_tokens: int,
    ) -> Attempts:
        """Raises FreeModelsExhausted, TemporarilyBusy, and AttemptsFailed where all asked to be left alone."""
        free_pass = FreePass(self.count_free, principal.account_id)
        return Attempts(
            self.watch,
            await free_pass.admit(route),
            catalog,
            free_pass=free_pass,
            models=request.models,
            deadline=origin.deadline,
            prompt_tokens=prompt_tokens,
        )

    def _plan(
        self,
        principal: Principal,
        request: ChatRequest,
        prompt_tokens: int,
        catalog: Catalog,
        policy: Policy | None,
    ) -> Route:
        random, sticky = self.random, None
        conversation = conversation_of(principal.account_id, request) if self.stickiness else None
        if self.stickiness and conversation:
            sticky = self.stickiness.find(conversation)
            if conversation.named:
                random = Random(conversation.seed)  # noqa: S311  # Spreads load, as the other does.
        return plan_route(
            request,
            catalog,
            prompt_tokens=prompt_tokens,
            random=random,
            health=self.health,
            sticky=sticky,
            policy=policy,
        )

    def _stick(self, principal: Principal, request: ChatRequest, endpoint: Endpoint, usage: Usage) -> None:
        conversation = conversation_of(principal.account_id, request) if self.stickiness else None
        if self.stickiness and conversation:
            # Whoever's key it is: the prompt is cached where it was read.
            self.stickiness.note(conversation, replace(endpoint, byok=None) if endpoint.byok else endpoint, usage)


def _native_searches(request: ChatRequest, route: Route) -> int:
    """How many searches their providers are expected to make."""
    web, asked = request.plugins.web, OPTIONS in request.parameters
    declared = sum(tool.searches for tool in request.native_tools)
    if not route.online and web is None and not asked:
        return declared  # As of most requests.
    limit = limit_of(request)
    itself = [each for each in route if asked or route.search_of(request, each) == "native"]
    return max([declared, *(expected_searches(limit, endpoint) for endpoint in itself)])


def _needs_plugins(request: ChatRequest) -> bool:
    """Most requests do not, and load nothing of them."""
    if request.plugins.web or request.plugins.moderation or any(parse_slug(slug).online for slug in request.models):
        return True
    contents = (message.get("content") for message in request.messages)
    return any(part.get("type") == "file" for content in contents if type(content) is list for part in content)


def _most_sent(request: ChatRequest, endpoints: Sequence[Endpoint], catalog: Catalog, prompt_tokens: int) -> int:
    """What is sent is held for: a prompt that is too long for every endpoint is shortened for each of them."""
    longest = 0
    for endpoint in endpoints:
        modalities = catalog.get_model(endpoint.model_id).output_modalities
        sent = most_sent(request, endpoint, prompt_tokens=prompt_tokens, output_modalities=modalities)
        if sent == prompt_tokens:
            return sent  # As most prompts are, by the first endpoint.
        longest = max(longest, sent)
    return longest
