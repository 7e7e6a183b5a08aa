"""What every wire format's rerank is made of."""

from collections.abc import Callable
from typing import Any

import orjson

from turnpike.domain.chat import Usage
from turnpike.domain.rerank import Ranked, Ranking, RerankRequest
from turnpike.providers.failures import unreadable


def read_ranking(
    provider: str, body: bytes, request: RerankRequest, *, score: str, usage: Callable[[Any], Usage | None]
) -> Ranking:
    """`score` is the member that has it. Raises UpstreamError for what is no answer."""
    try:
        answer = orjson.loads(body)
        results = [Ranked(int(each["index"]), float(each[score])) for each in answer["results"]]
        known = all(0 <= each.index < len(request.documents) for each in results)
        used, upstream_id = usage(answer), answer.get("id")
    except (AttributeError, LookupError, TypeError, ValueError):
        # Not JSON, or a member of a type that nothing could be made of.
        raise unreadable(provider, "The provider sent something that is no answer") from None
    if not results or not known:
        raise unreadable(provider, "The provider ranked other documents than it was sent")
    best_first = sorted(results, key=lambda each: -each.score)
    return Ranking(best_first[: request.wanted], used, upstream_id if isinstance(upstream_id, str) else None)
