"""`POST /chat/completions`."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        arrived_at = time.monotonic()
        headers = Headers(scope=scope)
        principal = await self.guard.inference(headers)
        content = await read_json(Request(scope, receive))
        request = parse_chat_request(content, headers)
        origin = _origin(scope, headers, arrived_at)
        call = await self.complete_chat(principal, request, origin)
        shown = Shown(reasoning=_shows_reasoning(request), metadata=wants_metadata(headers))
        try:
            if request.stream:
                await self._stream(call, send, shown)
            else:
                completion = await call.complete()
                content = present_completion(call, completion, shown)
                await json_response(content, headers=_headers(call))(scope, receive, send)
        except TurnpikeError as error:
            # What is our own fault says nothing of what went on inside.
            beside = {"openrouter_metadata": present_metadata(call)} if shown.metadata and error.status != 500 else {}
            await error_response(error, _headers(call), beside)(scope, receive, send)
        finally:
            await call.report()

    async def _stream(self, call: ChatCall, send: Send, shown: Shown) -> None:
        """Raises AttemptsFailed as long as its status can still be sent."""
        events = EventStream(send, _headers(call), keepalive_s=self.keepalive_s)
        presenter: ChunkPresenter | None = None

        async def emit(deltas: Sequence[Delta]) -> None:
            nonlocal presenter
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


def routes(guard: Guard, complete_chat: CompleteChat, *, keepalive_s: float) -> list[BaseRoute]:
    endpoint = ChatCompletions(guard, complete_chat, keepalive_s)
    return [Route("/chat/completions", endpoint, methods=["POST"])]


def _shows_reasoning(request: ChatRequest) -> bool:
    return not request.parameters.get("reasoning", {}).get("exclude", False)


def _headers(call: ChatCall) -> dict[str, str]:
    return {"x-generation-id": call.id}


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
