"""Answers a request in whichever skin it came: reads it, has it answered, and reports it after the response."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from turnpike.api.auth import Guard
from turnpike.api.edge import ERROR_BODY, error_response, json_response, read_json
from turnpike.api.inference.metadata import present_metadata, wants_metadata
from turnpike.api.inference.preferences import PRESET
from turnpike.api.inference.skin import Asked, Call, Presenter, Skin
from turnpike.api.sse import EventStream
from turnpike.domain.api_keys import Principal
from turnpike.domain.chat import TEXT_ALONE, ChatRequest, Delta
from turnpike.domain.errors import NotFound, TurnpikeError
from turnpike.services.complete_chat import ChatCall, CompleteChat, Origin

if TYPE_CHECKING:
    # Loaded with the first request that asks for the cache.
    from turnpike.services.response_cache import FindAnswer, Lookup

_LONGEST_S = 900.0
"""What a request may take where the host sets no limit; the same as a Lambda invocation's most."""
_LONGEST_HEADER = 512
_RESERVED_S = 5.0
"""Kept at the end of an invocation, to end the stream properly and to report what was used."""
NO_PRESETS = "This deployment keeps no presets: its operator has to set TURNPIKE_PRESETS_TABLE"


class Expansion(Protocol):
    """A request's body with the preset in it that it names."""

    @property
    def content(self) -> Mapping[str, Any]: ...
    @property
    def preset_id(self) -> str: ...
    def complete(self, request: ChatRequest, *, takes_tools: bool) -> ChatRequest:
        """`request` is what a skin made of `content`; what the preset says besides comes to it."""


Expand = Callable[[Principal, Mapping[str, Any], Headers], Awaitable[Expansion]]
"""Of a body that names a preset. Raises InvalidRequest, NotFound and TemporarilyBusy."""


@dataclass(frozen=True, slots=True)
class Inference:
    """What every skin answers with."""

    guard: Guard
    complete_chat: CompleteChat
    keepalive_s: float
    find_answer: "FindAnswer | None" = None
    """Finds answers in the response cache; None where there is no cache."""
    expand: Expand | None = None
    """Puts presets into requests; None where none are kept."""


@dataclass(frozen=True, slots=True)
class Asking:
    """A request as far as it is read before its skin parses it: whose it is, and what it says, its preset included."""

    principal: Principal
    content: Mapping[str, Any]
    headers: Headers
    origin: Origin
    expansion: Expansion | None = None

    def complete(self, request: ChatRequest, skin: Skin) -> ChatRequest:
        """What the skin made of the content, with what else its preset says, and for text alone where the answer has
        a place for nothing else: models that draw do it unasked, and it is charged for.
        """
        if self.expansion is not None:
            request = self.expansion.complete(request, takes_tools=skin.takes_tools)
        if skin.shows_images:
            return request
        return replace(request, parameters={**request.parameters, "modalities": list(TEXT_ALONE)})


async def receive_asking(inference: Inference, skin: Skin, scope: Scope, receive: Receive) -> Asking:
    """Raises Unauthenticated, PermissionDenied, PayloadTooLarge, InvalidRequest, and NotFound for a preset that is not
    there; they are told in the skin's way.
    """
    arrived_at = time.monotonic()
    scope[ERROR_BODY] = skin.present_error
    headers = Headers(scope=scope)
    principal = await inference.guard.inference(headers)
    content = await read_json(Request(scope, receive))
    asking = Asking(principal, content, headers, origin_from(scope, headers, arrived_at))
    expansion = await find_expansion(inference.expand, principal, content, headers)
    return asking if expansion is None else replace(asking, content=expansion.content, expansion=expansion)


async def find_expansion(
    expand: Expand | None, principal: Principal, content: Mapping[str, Any], headers: Headers
) -> Expansion | None:
    """None of a body that names no preset. Raises InvalidRequest, NotFound and TemporarilyBusy."""
    if not names_preset(content):
        return None
    if expand is None:
        raise NotFound(NO_PRESETS)
    return await expand(principal, content, headers)


def names_preset(content: Mapping[str, Any]) -> bool:
    model = content.get("model")
    return content.get("preset") is not None or (isinstance(model, str) and PRESET in model)


@dataclass(frozen=True, slots=True)
class InferenceEndpoint:
    """An ASGI endpoint rather than a Starlette one: the report must run after the response, on every host,
    and the response must not be abandoned when its client is.
    """

    skin: Skin
    inference: Inference

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.answer(await receive_asking(self.inference, self.skin, scope, receive), scope, receive, send)

    async def answer(self, asking: Asking, scope: Scope, receive: Receive, send: Send) -> None:
        skin, inference = self.skin, self.inference
        principal, content, headers, origin = asking.principal, asking.content, asking.headers, asking.origin
        request = asking.complete(skin.parse_request(content, headers), skin)
        asked = Asked(request, content, headers)
        lookup = None
        if inference.find_answer is not None and request.caching is not None and request.caching.enabled:
            lookup = await inference.find_answer(principal, request, content, origin, skin.name)
        call = lookup.hit if lookup and lookup.hit else await inference.complete_chat(principal, request, origin)
        try:
            if request.stream:
                await self._stream(call, asked, send, lookup)
            else:
                completion = await call.complete()
                if lookup is not None:
                    lookup.record_completion(completion)
                body = skin.new_presenter(call, asked).present_completion(completion)
                await json_response(body, headers=_headers(call, lookup))(scope, receive, send)
        except TurnpikeError as error:
            cut = self._cut(call, asked, error)
            if cut is not None:
                await json_response(cut, headers=_headers(call))(scope, receive, send)
                return
            body = skin.present_error(error, call.id, _beside(error, call, headers))
            await error_response(error, body, _headers(call))(scope, receive, send)
        finally:
            await call.report()
            if lookup is not None:
                await lookup.keep(call.id, model_id=call.endpoint.model_id, provider_name=call.provider.name)

    async def _stream(self, call: Call, asked: Asked, send: Send, lookup: "Lookup | None") -> None:
        """Raises AttemptsFailed as long as its status can still be sent."""
        skin = self.skin
        events = EventStream(
            send, _headers(call, lookup), keepalive=skin.keepalive, keepalive_s=self.inference.keepalive_s
        )
        presenter: Presenter | None = None

        async def emit(deltas: Sequence[Delta]) -> None:
            nonlocal presenter
            if lookup is not None:
                lookup.record(deltas)
            # Made at the first content, when it is known who answers.
            presenter = presenter or skin.new_presenter(call, asked)
            chunks = presenter.present(deltas)
            if chunks:
                await events.write(chunks)

        try:
            await call.stream(emit)
        except TurnpikeError as error:
            await events.quiet()
            if not events.started and self._cut(call, asked, error) is None:
                raise
            presenter = presenter or skin.new_presenter(call, asked)
            await events.write(presenter.present_break(error), more=False)
            return
        finally:
            await events.quiet()
        presenter = presenter or skin.new_presenter(call, asked)
        await events.write(presenter.present_end(), more=False)

    def _cut(self, call: Call, asked: Asked, error: TurnpikeError) -> dict[str, Any] | None:
        return self.skin.present_cut(call, asked, error) if self.skin.present_cut else None


def _headers(call: Call, lookup: "Lookup | None" = None) -> dict[str, str]:
    """`lookup` says what the response cache did for a response that succeeds."""
    return {"x-generation-id": call.id, **(lookup.headers if lookup is not None else {})}


def _beside(error: TurnpikeError, call: Call, headers: Headers) -> Mapping[str, Any]:
    """What is our own fault says nothing of what went on inside."""
    if error.status == 500 or not isinstance(call, ChatCall) or not wants_metadata(headers):
        return {}
    return {"openrouter_metadata": present_metadata(call)}


def origin_from(scope: Scope, headers: Headers, arrived_at: float) -> Origin:
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
