"""Answers an operation: reads its body, has it performed, and reports it after the response."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Generic, Protocol, TypeVar

from pydantic import Field
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from turnpike.api.auth import Guard
from turnpike.api.edge import error_response, read_json
from turnpike.api.errors import present_error_body
from turnpike.api.inference.endpoint import Expand, find_expansion, origin_from
from turnpike.api.inference.preferences import parse_models, parse_preferences, parse_session_id
from turnpike.api.inference.routing_schema import LONGEST_SESSION_ID, Checked, OtherPlugin, Provider
from turnpike.domain.api_keys import Principal
from turnpike.domain.errors import InvalidRequest, TurnpikeError
from turnpike.domain.operation import OperationRequest, ResultT
from turnpike.services.operation_call import OperationCall
from turnpike.services.run_operation import RunOperation

Slug = Annotated[str, Field(min_length=1, max_length=256)]


class OperationBody(Checked):
    """What the body of every operation has."""

    model: Slug | None = None
    models: Annotated[list[Slug], Field(max_length=16)] | None = None
    provider: Provider | None = None
    user: Annotated[str, Field(max_length=256)] | None = None
    session_id: Annotated[str, Field(max_length=LONGEST_SESSION_ID)] | None = None
    plugins: Annotated[list[OtherPlugin], Field(max_length=32)] | None = None


def common_members(body: OperationBody, headers: Headers) -> dict[str, Any]:
    """Of an `OperationRequest`. Raises InvalidRequest, also for plugins: they work on chats, and whoever counts on a
    moderation, say, must not be left to believe that there is one.
    """
    for place, plugin in enumerate(body.plugins or ()):
        if plugin.enabled is not False:
            raise InvalidRequest(
                f"the plugin {plugin.id} works on chats alone, and does nothing here; leave it out",
                field=f"plugins.{place}.id",
            )
    return {
        "models": parse_models(body.model, body.models),
        "provider": parse_preferences(body.provider),
        "user": body.user,
        "session_id": parse_session_id(body.session_id, headers),
    }


RequestT = TypeVar("RequestT", bound=OperationRequest[Any])


async def parse_operation(
    parse_request: Callable[[Mapping[str, Any], Headers], RequestT],
    content: Mapping[str, Any],
    headers: Headers,
    principal: Principal,
    expand: Expand | None,
) -> RequestT:
    """With the models and the preferences of the preset that it may name. What else a preset says is said to chats, and
    passed over. Raises InvalidRequest naming the field, and NotFound for a preset that is not there.
    """
    expansion = await find_expansion(expand, principal, content, headers)
    if expansion is None:
        return parse_request(content, headers)
    expanded = {**expansion.content, "plugins": content.get("plugins")}
    return replace(parse_request(expanded, headers), preset_id=expansion.preset_id)


class PartStream(Protocol):
    """Shows a client what there is of a result while the rest is still made; one response, from its first part on."""

    answers_whole: bool
    """Whether a result of which nothing could be shown before goes this way too."""

    @property
    def started(self) -> bool:
        """Whether anything was shown, and so the status is sent."""

    async def show(self, part: Any) -> None: ...
    async def end(self, call: Any, request: Any, result: Any) -> None:
        """What is still to come, and the end of the response."""

    async def break_off(self, error: TurnpikeError) -> None:
        """The end of a response that cannot be finished, though HTTP 200 was sent."""


@dataclass(frozen=True, slots=True)
class OperationSkin(Generic[RequestT, ResultT]):
    """How the clients of one operation ask, and how they are answered."""

    parse_request: Callable[[Mapping[str, Any], Headers], RequestT]
    """Raises InvalidRequest naming the field."""

    present: Callable[[OperationCall[ResultT], RequestT, ResultT], Response]
    read: Callable[[Request], Awaitable[Mapping[str, Any]]] = read_json
    """The body, for an operation that takes more than JSON."""

    stream: Callable[[Send, Mapping[str, str], RequestT], PartStream] | None = None
    """How parts of a result are shown, given the headers of the response; None where there never are any."""
    is_streamed: Callable[[RequestT], bool] = lambda _: False
    """Whether this client wants to see them."""


@dataclass(frozen=True, slots=True)
class OperationEndpoint(Generic[RequestT, ResultT]):
    """An ASGI endpoint, for the same reasons as `InferenceEndpoint`."""

    skin: OperationSkin[RequestT, ResultT]
    guard: Guard
    run: RunOperation
    expand: Expand | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        arrived_at = time.monotonic()
        headers = Headers(scope=scope)
        principal = await self.guard.inference(headers)
        content = await self.skin.read(Request(scope, receive))
        request = await parse_operation(self.skin.parse_request, content, headers, principal, self.expand)
        call = await self.run(principal, request, origin_from(scope, headers, arrived_at))
        told = {"x-generation-id": call.id}
        wanted = self.skin.is_streamed(request)
        stream = self.skin.stream(send, told, request) if self.skin.stream is not None and wanted else None
        try:
            result = await call.perform(None if stream is None else stream.show)
            if stream is not None and (stream.started or stream.answers_whole):
                await stream.end(call, request, result)
                return
            response = self.skin.present(call, request, result)
            response.headers.update(told)
            await response(scope, receive, send)
        except TurnpikeError as error:
            if stream is not None and stream.started:
                await stream.break_off(error)
            else:
                await error_response(error, present_error_body(error, call.id), told)(scope, receive, send)
        finally:
            await call.report()
