"""`POST /chat/completions`."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from turnpike.api.auth import Guard
from turnpike.api.chat.metadata import present_metadata, wants_metadata
from turnpike.api.chat.parse import parse_chat_request
from turnpike.api.chat.present import ChunkPresenter, Shown, present_completion
from turnpike.api.edge import error_response, json_response, read_json
from turnpike.api.sse import EventStream
from turnpike.domain.chat import ChatRequest, Delta
from turnpike.domain.errors import TurnpikeError
from turnpike.services.complete_chat import ChatCall, CompleteChat, Origin

if TYPE_CHECKING:
    # Loaded with the first request that asks for the cache.
    from turnpike.services.response_cache import CachedCall, FindAnswer, Lookup

_LONGEST_S = 900.0
"""What a request may take where the host sets no limit; the same as a Lambda invocation's most."""
_LONGEST_HEADER = 512
_RESERVED_S = 5.0
"""Kept at the end of an invocation, to end the stream properly and to report what was used."""


@dataclass(frozen=True, slots=True)
class ChatCompletions:
    """An ASGI endpoint rather than a Starlette one: the report must run after the response, on every host,
    and the response must not be abandoned when its client is.
    """

    guard: Guard
    complete_chat: CompleteChat
    keepalive_s: float
    find_answer: "FindAnswer | None" = None
    """Finds answers in the response cache; None where there is no cache."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        arrived_at = time.monotonic()
        headers = Headers(scope=scope)
        principal = await self.guard.inference(headers)
        content = await read_json(Request(scope, receive))
        request = parse_chat_request(content, headers)
        origin = _origin(scope, headers, arrived_at)
        lookup = None
        if self.find_answer is not None and request.caching is not None and request.caching.enabled:
            lookup = await self.find_answer(principal, request, content, origin, "chat")
        call = lookup.hit if lookup and lookup.hit else await self.complete_chat(principal, request, origin)
        shown = Shown(reasoning=_shows_reasoning(request), metadata=wants_metadata(headers))
        try:
            if request.stream:
                await self._stream(call, send, shown, lookup)
            else:
                completion = await call.complete()
                if lookup is not None:
                    lookup.record_completion(completion)
                content = present_completion(call, completion, shown)
                await json_response(content, headers=_headers(call, lookup))(scope, receive, send)
        except TurnpikeError as error:
            # What is our own fault says nothing of what went on inside.
            shows = shown.metadata and error.status != 500
            beside = {"openrouter_metadata": present_metadata(call)} if shows and isinstance(call, ChatCall) else {}
            await error_response(error, _headers(call), beside)(scope, receive, send)
        finally:
            await call.report()
            if lookup is not None:
                await lookup.keep(call.id, model_id=call.endpoint.model_id, provider_name=call.provider.name)

    async def _stream(self, call: "ChatCall | CachedCall", send: Send, shown: Shown, lookup: "Lookup | None") -> None:
        """Raises AttemptsFailed as long as its status can still be sent."""
        events = EventStream(send, _headers(call, lookup), keepalive_s=self.keepalive_s)
        presenter: ChunkPresenter | None = None

        async def emit(deltas: Sequence[Delta]) -> None:
            nonlocal presenter
            if lookup is not None:
                lookup.record(deltas)
            # Made at the first content, when it is known who answers.
            presenter = presenter or ChunkPresenter(call, shown)
            chunks = presenter.present(deltas)
            if chunks:
                await events.write(chunks)

        try:
            await call.stream(emit)
        except TurnpikeError as error:
            await events.quiet()
            if not events.started:
                raise
            await events.write(ChunkPresenter(call, shown).present_break(error), more=False)
            return
        finally:
            await events.quiet()
        await events.write((presenter or ChunkPresenter(call, shown)).present_end(), more=False)


def routes(
    guard: Guard, complete_chat: CompleteChat, *, keepalive_s: float, find_answer: "FindAnswer | None" = None
) -> list[BaseRoute]:
    endpoint = ChatCompletions(guard, complete_chat, keepalive_s, find_answer)
    return [Route("/chat/completions", endpoint, methods=["POST"])]


def _shows_reasoning(request: ChatRequest) -> bool:
    return not request.parameters.get("reasoning", {}).get("exclude", False)


def _headers(call: "ChatCall | CachedCall", lookup: "Lookup | None" = None) -> dict[str, str]:
    """`lookup` says what the response cache did for a response that succeeds."""
    return {"x-generation-id": call.id, **(lookup.headers if lookup is not None else {})}


def _origin(scope: Scope, headers: Headers, arrived_at: float) -> Origin:
    context = scope.get("aws.context")
    left_s = context.get_remaining_time_in_millis() / 1000 if context else _LONGEST_S
    return Origin(
        arrived_at,
        deadline=arrived_at + left_s - _RESERVED_S,
        http_referer=_header(headers, "http-referer", "referer"),
        app_title=_header(headers, "x-openrouter-title", "x-title"),
        user_agent=_header(headers, "user-agent"),
    )


def _header(headers: Headers, *names: str) -> str | None:
    """The first of them that is there, as much of it as is worth keeping: it is stored with the generation."""
    return next((headers[name][:_LONGEST_HEADER] for name in names if headers.get(name)), None)
