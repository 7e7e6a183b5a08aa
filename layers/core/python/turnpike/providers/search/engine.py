"""Calls search engines, bounded in time and size, and tells of their failures without what was looked for."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import orjson

from turnpike.domain.web_search import Query, SearchFailed, SearchResult
from turnpike.providers.search.brave import Brave
from turnpike.providers.search.exa import Exa
from turnpike.providers.search.requests import EngineApi
from turnpike.providers.search.tavily import Tavily
from turnpike.providers.transport import BROKEN, LATE, PooledTransport, send_json

ENGINES: Mapping[str, EngineApi] = {"exa": Exa(), "tavily": Tavily(), "brave": Brave()}
"""By the name that clients use, in the order in which one is chosen for those that name none."""

_WITHIN_S = 15.0
_MOST_BYTES = 4 * 1024 * 1024


class HttpSearchEngine:
    """Implements the port `SearchEngine`."""

    def __init__(
        self,
        name: str,
        transport: PooledTransport,
        *,
        api_key: str,
        base_url: str = "",
        on_failure: Callable[[SearchFailed], None],
        within_s: float = _WITHIN_S,
    ) -> None:
        """`name` is one of ENGINES. `on_failure` is told of each failure, none of which has the query in it."""
        self._name, self._api = name, ENGINES[name]
        self._transport = transport
        self._api_key, self._base_url = api_key, (base_url or self._api.base_url).rstrip("/")
        self._on_failure = on_failure
        self._within_s = within_s

    async def __call__(self, query: Query) -> Sequence[SearchResult]:
        found = await self._search(query)
        if isinstance(found, SearchFailed):
            self._on_failure(found)
            raise found
        return found

    async def _search(self, query: Query) -> Sequence[SearchResult] | SearchFailed:
        """Failures are returned, so that what failed inside, which may hold the query, is not their context."""
        request = self._api.build_request(query, base_url=self._base_url, api_key=self._api_key)
        method, content = ("GET", None) if request.body is None else ("POST", orjson.dumps(request.body))
        try:
            async with asyncio.timeout(self._within_s):
                status, body = await send_json(
                    self._transport, method, request.url, request.headers, content, most_bytes=_MOST_BYTES
                )
        except LATE:
            return self._failed("did not answer in time")
        except BROKEN:
            return self._failed("cannot be reached")
        if status in (401, 402, 403):
            variable = f"{self._name.upper()}_API_KEY"
            return self._failed(
                f"refused this deployment's key (HTTP {status}); its operator has to look after {variable}", status
            )
        if status != 200:
            return self._failed(f"failed (HTTP {status})", status)
        if len(body) > _MOST_BYTES:
            return self._failed("sent an answer that is too large", status)
        try:
            return self._api.parse_results(orjson.loads(body))
        except (KeyError, TypeError, AttributeError, ValueError):
            return self._failed("sent what is no answer", status)

    def _failed(self, what: str, status: int | None = None) -> SearchFailed:
        message = f"The search engine {self._name} {what}. Nothing was charged; try again, or without a search"
        return SearchFailed(self._name, message, engine_status=status)
