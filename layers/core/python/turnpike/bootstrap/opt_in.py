"""Use cases that few requests need: what they are made of is loaded with the first request that does."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import TYPE_CHECKING, Any

from turnpike.bootstrap.resources import Resources
from turnpike.domain.api_keys import Principal
from turnpike.domain.chat import ChatRequest
from turnpike.domain.generation import Generation
from turnpike.domain.ids import AccountId
from turnpike.domain.money import NANO_PER_USD
from turnpike.domain.pricing import MOST_PER_CALL
from turnpike.services.complete_chat import Origin
from turnpike.services.free_pass import CountFree
from turnpike.services.own_keys import RouteOwn
from turnpike.telemetry import logger

if TYPE_CHECKING:
    from starlette.datastructures import Headers

    from turnpike.api.inference.endpoint import Expand, Expansion
    from turnpike.api.presets.expand import ExpandPreset
    from turnpike.bootstrap.plugins import Plugins
    from turnpike.services.free_quota import CountFreeRequest
    from turnpike.services.plugins import PluginRun
    from turnpike.services.response_cache import AnswerFromCache, FindAnswer, Lookup


def count_free_requests(parts: Resources) -> CountFree:
    @cache
    def case() -> "CountFreeRequest":
        from turnpike.services.free_quota import CountFreeRequest

        return CountFreeRequest(parts.free_quota, parts.ledger)

    async def count(account_id: AccountId) -> None:
        await case()(account_id)

    return count


def find_answers(parts: Resources, table: str) -> "FindAnswer":
    """In the table of this name."""

    @cache
    def case() -> "AnswerFromCache":
        from turnpike.services.response_cache import AnswerFromCache
        from turnpike.storage.response_cache import DynamoCachedAnswers

        return AnswerFromCache(DynamoCachedAnswers(parts.dynamodb, table), parts.ledger, _log_unrecorded)

    async def find(
        principal: Principal, request: ChatRequest, content: Mapping[str, Any], origin: Origin, endpoint: str
    ) -> "Lookup":
        return await case()(principal, request, content, origin, endpoint)

    return find


def expand_presets(parts: Resources) -> "Expand | None":
    """None where the deployment keeps no presets."""
    if not parts.settings.presets_table:
        return None

    @cache
    def case() -> "ExpandPreset":
        from turnpike.bootstrap.presets import build_expand

        return build_expand(parts)

    async def expand(principal: Principal, content: Mapping[str, Any], headers: "Headers") -> "Expansion":
        return await case()(principal, content, headers)

    return expand


def find_own_routes(parts: Resources) -> RouteOwn | None:
    """None where the deployment takes no provider keys of its customers, and then nothing of it is loaded."""
    if not (parts.settings.byok_table and parts.settings.byok_kms_key):
        return None
    # Now, as it is asked for every request.
    from turnpike.bootstrap.byok import build_route_own

    return build_route_own(parts)


class OptInPlugins:
    """Plugins that work on prompts. Of what they need, nothing is loaded before a request asks for one."""

    def __init__(self, parts: Resources) -> None:
        """Raises ValueError for settings that are no engine or no prices."""
        settings = parts.settings
        self._parts = parts
        self._prices = parse_search_prices(settings.web_search_prices)
        if settings.web_search_engine not in ("", *self._prices):
            raise ValueError(
                f"TURNPIKE_WEB_SEARCH_ENGINE is {settings.web_search_engine}; "
                f"it may be {', '.join(self._prices)} or empty"
            )
        self._ocr_page_usd = parse_ocr_price(settings.ocr_page_usd)
        self._plugins: Plugins | None = None

    def __call__(self, request: ChatRequest) -> "PluginRun":
        if self._plugins is None:
            from turnpike.bootstrap.plugins import Plugins

            self._plugins = Plugins(self._parts, self._prices, self._ocr_page_usd)
        return self._plugins(request)

    async def aclose(self) -> None:
        if self._plugins is not None:
            await self._plugins.aclose()


def parse_search_prices(text: str) -> Mapping[str, Decimal]:
    """USD by engine; `text` changes some of the usual ones, as in `exa=0.005 brave=0.003`. Raises ValueError."""
    prices = dict(_USUAL_SEARCH_PRICES)
    for word in text.split():
        engine, _, price = word.partition("=")
        usd = _parse_price(price)
        if engine not in prices or usd is None:
            raise ValueError(
                f"TURNPIKE_WEB_SEARCH_PRICES has {word}; "
                f"it takes USD for a search, as in exa=0.007, of {', '.join(prices)}"
            )
        prices[engine] = usd
    return prices


def parse_ocr_price(text: str) -> Decimal:
    """Raises ValueError."""
    usd = _parse_price(text)
    if usd is None:
        raise ValueError(f"TURNPIKE_OCR_PAGE_USD is {text}; it is USD for a page, as in 0.002")
    return usd


def _parse_price(text: str) -> Decimal | None:
    """None for what is no price of a single thing, or finer than can be charged."""
    try:
        usd = Decimal(text)
    except InvalidOperation:
        return None
    if not usd.is_finite() or not 0 <= usd <= MOST_PER_CALL or usd * NANO_PER_USD % 1:
        return None
    return usd


_USUAL_SEARCH_PRICES = {"exa": Decimal("0.007"), "tavily": Decimal("0.008"), "brave": Decimal("0.005")}
"""Their own price lists: https://exa.ai/pricing, https://docs.tavily.com/documentation/api-credits (one credit),
https://api-dashboard.search.brave.com/documentation/pricing
"""


def _log_unrecorded(generation: Generation) -> None:
    # Nothing is owed for a hit; all that is missing is its line in the account's history.
    logger.error("unrecorded cache hit", extra={"generation_id": generation.id})
