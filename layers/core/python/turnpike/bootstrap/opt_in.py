"""Use cases that few requests need: what they are made of is loaded with the first request that does."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from turnpike.bootstrap.resources import Resources
from turnpike.domain.api_keys import Principal
from turnpike.domain.chat import ChatRequest
from turnpike.domain.generation import Generation
from turnpike.domain.ids import AccountId
from turnpike.services.complete_chat import Origin
from turnpike.services.free_pass import CountFree
from turnpike.services.own_keys import RouteOwn
from turnpike.telemetry import logger

if TYPE_CHECKING:
    from starlette.datastructures import Headers

    from turnpike.api.inference.endpoint import Expand, Expansion
    from turnpike.api.presets.expand import ExpandPreset
    from turnpike.services.free_quota import CountFreeRequest
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


def _log_unrecorded(generation: Generation) -> None:
    # Nothing is owed for a hit; all that is missing is its line in the account's history.
    logger.error("unrecorded cache hit", extra={"generation_id": generation.id})
