"""Moderation by an endpoint of OpenAI's kind: https://platform.openai.com/docs/api-reference/moderations"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from turnpike.domain.moderation import ModerationFailed
from turnpike.providers.transport import BROKEN, LATE, PooledTransport, send_json

_WITHIN_S = 10.0
_MOST_BYTES = 4 * 1024 * 1024
_MOST_AT_ONCE = 32
"""Texts of one call."""


class HttpModerator:
    """Implements the port `Moderator`."""

    def __init__(
        self,
        transport: PooledTransport,
        *,
        base_url: str,
        api_key: str,
        model: str,
        on_failure: Callable[[ModerationFailed], None],
        within_s: float = _WITHIN_S,
    ) -> None:
        """`on_failure` is told of each failure, none of which has any text in it."""
        self._transport = transport
        self._url, self._headers = f"{base_url.rstrip('/')}/moderations", {"authorization": f"Bearer {api_key}"}
        self._model = model
        self._on_failure = on_failure
        self._within_s = within_s

    async def __call__(self, texts: Sequence[str]) -> Sequence[Sequence[str]]:
        groups = [texts[start : start + _MOST_AT_ONCE] for start in range(0, len(texts), _MOST_AT_ONCE)]
        try:
            async with asyncio.timeout(self._within_s):
                found = [await self._ask(group) for group in groups]
        except LATE:
            failed = ModerationFailed(_said("did not answer in time"))
        except BROKEN:
            failed = ModerationFailed(_said("cannot be reached"))
        except ModerationFailed as error:
            failed = error
        else:
            return [reasons for group in found for reasons in group]
        self._on_failure(failed)
        # Here, so that what failed inside, which may hold the texts, is not its context.
        raise failed

    async def _ask(self, texts: Sequence[str]) -> list[list[str]]:
        content = orjson.dumps({"model": self._model, "input": list(texts)})
        status, body = await send_json(
            self._transport, "POST", self._url, self._headers, content, most_bytes=_MOST_BYTES
        )
        if status in (401, 402, 403):
            advice = "its operator has to look after MODERATION_API_KEY or OPENAI_API_KEY"
            raise ModerationFailed(
                _said(f"refused this deployment's key (HTTP {status}); {advice}"), moderator_status=status
            )
        if status != 200:
            raise ModerationFailed(_said(f"failed (HTTP {status})"), moderator_status=status)
        try:
            results = orjson.loads(body)["results"]
            found = [_reasons(result) for result in results]
        except (KeyError, TypeError, AttributeError, ValueError):
            found = []
        if len(found) != len(texts):
            raise ModerationFailed(_said("sent what is no answer"), moderator_status=status)
        return found


def _reasons(result: Any) -> list[str]:
    """Empty where it is not flagged; `flagged` where it is, and nobody says for what."""
    if not result["flagged"]:
        return []
    named = [name for name, holds in (result.get("categories") or {}).items() if holds is True]
    return named or ["flagged"]


def _said(what: str) -> str:
    return f"The moderation endpoint {what}. The prompt was not sent to any model, and nothing was charged"
