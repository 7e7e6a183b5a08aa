"""The planned route: which endpoints to try and in which order, and why not the others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, overload

from turnpike.domain.auto_router import Task
from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest, WebSearch
from turnpike.domain.routing.terms import search_fits, searches_itself, tier_of
from turnpike.domain.searches import OPTIONS

Strategy = Literal["direct", "auto", "free", "latest", "alias", "fallback"]
"""How the models were found, in the words of `openrouter_metadata.strategy`."""


class Exclusion(NamedTuple):
    """An endpoint that may not serve the request, and what keeps it from that."""

    endpoint: Endpoint
    reason: str


@dataclass(frozen=True, slots=True)
class Route(Sequence[Endpoint]):
    """The endpoints to try, in order; nothing else may be tried."""

    endpoints: tuple[Endpoint, ...]
    strategy: Strategy
    requested: str
    """The slug that the client asked for first."""
    excluded: tuple[Exclusion, ...] = ()
    """Endpoints of the requested models that are left out, with the first reason for each."""
    unknown: tuple[str, ...] = ()
    """Requested slugs that no model has."""
    task: Task | None = None
    """What `openrouter/auto` took the request for."""
    online: frozenset[str] = frozenset()
    """Ids of the models that are to search the web."""

    @overload
    def __getitem__(self, index: int) -> Endpoint: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Endpoint]: ...
    def __getitem__(self, index: int | slice) -> Endpoint | Sequence[Endpoint]:
        return self.endpoints[index]

    def __len__(self) -> int:
        return len(self.endpoints)

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(self.endpoints)

    @property
    def considered(self) -> tuple[Endpoint, ...]:
        """All endpoints of the requested models: those to try, in order, then those that are excluded."""
        return (*self.endpoints, *(exclusion.endpoint for exclusion in self.excluded))

    def search_of(self, request: ChatRequest, endpoint: Endpoint) -> Literal["native", "engine"] | None:
        """Who searches the web for this endpoint, if anybody: its provider, or an engine before it is asked."""
        web = request.plugins.web
        if web is None:
            return "native" if endpoint.model_id in self.online else None
        if web.by_slug and endpoint.model_id not in self.online:
            return None
        if web.engine in (None, "native"):
            return "native"
        itself = web.native_first and searches_itself(endpoint) and search_fits(request, endpoint)
        return "native" if itself else "engine"

    def request_for(self, request: ChatRequest, endpoint: Endpoint) -> ChatRequest:
        """The request as this endpoint is to be sent it: with the service tier and the search that routing decided."""
        request = _within_limit(request, endpoint)
        changes: dict[str, object] = {}
        tier = tier_of(endpoint)
        if tier is not None:
            changes["service_tier"] = tier
        if self.search_of(request, endpoint) == "native" and OPTIONS not in request.parameters:
            changes[OPTIONS] = _search_options(request.plugins.web or WebSearch())
        # A tier that an endpoint of its own stands for is not asked of the plain one, which has another price.
        dropped = tier is None and "service_tier" in request.parameters and any(map(tier_of, self.endpoints))
        if not changes and not dropped:
            return request
        parameters = {**request.parameters, **changes}
        if dropped:
            del parameters["service_tier"]
        return replace(request, parameters=parameters)


def _search_options(web: WebSearch) -> dict[str, object]:
    """As chat completions have them; the last three are of the plugin, for wire formats that know of such."""
    options: dict[str, object] = {}
    if web.user_location:
        options["user_location"] = {"type": "approximate", "approximate": dict(web.user_location)}
    if web.include_domains:
        options["allowed_domains"] = list(web.include_domains)
    if web.exclude_domains:
        options["excluded_domains"] = list(web.exclude_domains)
    if web.max_uses is not None:
        options["max_uses"] = web.max_uses
    return options


def _within_limit(request: ChatRequest, endpoint: Endpoint) -> ChatRequest:
    """With what is only a ceiling no higher than the endpoint's own."""
    most = endpoint.max_completion_tokens
    if not request.takes_less or most is None or (request.max_tokens or 0) <= most:
        return request
    return replace(request, max_tokens=most)
