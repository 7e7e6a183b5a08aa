"""Several texts as one answer: each is a generation of its own, with its own hold, its own cost and its own id.

All of them are admitted before anybody is asked, so that what cannot be paid for or routed is refused as a whole and
holds nothing. From then on each stands for itself: what fails is a choice with an error, which nobody pays for, and
only where nothing at all was answered is the answer an error (docs/decisions/0026).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from starlette.types import Receive, Scope, Send

from turnpike.api.chat.present import DONE, present_usage
from turnpike.api.completions.choice import TextChoice
from turnpike.api.completions.present import KEEPALIVE, Chunks, present_envelope, present_event
from turnpike.api.edge import error_response, json_response
from turnpike.api.errors import present_error, present_error_body
from turnpike.api.inference.endpoint import Asking, Inference
from turnpike.api.inference.skin import Asked
from turnpike.api.sse import EventStream
from turnpike.domain.chat import Completion, Delta, Usage, add_usages
from turnpike.domain.cost import Cost
from turnpike.domain.errors import TurnpikeError
from turnpike.domain.money import NanoUsd
from turnpike.services.complete_chat import ChatCall

Json = dict[str, Any]

_AT_ONCE = 8
"""Generations of one request that providers are asked for at the same time."""


@dataclass(frozen=True, slots=True)
class Sum:
    """Implements `Billed` for several calls together."""

    calls: Sequence[ChatCall]

    @property
    def usage(self) -> Usage:
        return add_usages([call.usage for call in self.calls])

    @property
    def cost(self) -> NanoUsd:
        return NanoUsd(sum(call.cost for call in self.calls))

    @property
    def upstream_cost(self) -> Cost:
        costs = [call.upstream_cost for call in self.calls]
        return Cost(*(NanoUsd(sum(getattr(each, field.name) for each in costs)) for field in fields(Cost)))

    @property
    def is_byok(self) -> bool:
        return any(call.is_byok for call in self.calls)

    @property
    def search_cost(self) -> NanoUsd:
        return NanoUsd(sum(call.search_cost for call in self.calls))

    @property
    def file_cost(self) -> NanoUsd:
        return NanoUsd(sum(call.file_cost for call in self.calls))

    @property
    def web_searches(self) -> int:
        return sum(call.web_searches for call in self.calls)


class _Text:
    """A generation, and how it is told as a choice."""

    def __init__(self, call: ChatCall, asked: Asked, index: int) -> None:
        self.call = call
        self.choice = TextChoice(call, asked, index)
        self.completion: Completion | None = None

    def present(self, piece: Json) -> Json:
        return {**piece, "id": self.call.id}

    def whole(self) -> Json:
        completion = self.completion
        return self.present(self.choice.ending() if completion is None else self.choice.whole(completion))


async def answer_together(
    inference: Inference, asking: Asking, wanted: Sequence[Asked], scope: Scope, receive: Receive, send: Send
) -> None:
    """`wanted`: at least one. Raises RequestError or ServiceError, and then nothing is held."""
    calls: list[ChatCall] = []
    try:
        for each in wanted:
            # One after the other: they hold credit of the same account, where they would be in each other's way.
            calls.append(await inference.complete_chat(asking.principal, each.request, asking.origin))
        texts = [_Text(call, each, index) for index, (call, each) in enumerate(zip(calls, wanted, strict=True))]
        try:
            if wanted[0].request.stream:
                await _stream(texts, inference, send)
            else:
                await json_response(await _complete(texts), headers=_headers(texts))(scope, receive, send)
        except TurnpikeError as error:
            await error_response(error, present_error_body(error), _headers(texts))(scope, receive, send)
    finally:
        # What nobody was asked for is voided.
        told = await asyncio.gather(*(call.report() for call in calls), return_exceptions=True)
        for bug in filter(None, told):
            raise bug


async def _complete(texts: Sequence[_Text]) -> Json:
    """Raises the first one's error where nobody answered."""

    async def complete(text: _Text) -> None:
        text.completion = await text.call.complete()

    await _each(texts, complete)
    first = _first_answered(texts)
    return {
        **_envelope(texts, first),
        "system_fingerprint": first.completion.system_fingerprint if first.completion else None,
        "choices": [text.whole() for text in texts],
        "usage": _usage(texts),
    }


async def _stream(texts: Sequence[_Text], inference: Inference, send: Send) -> None:
    """Raises the first one's error where nobody answered, as long as its status can still be sent."""
    events = EventStream(send, _headers(texts), keepalive=KEEPALIVE, keepalive_s=inference.keepalive_s)
    writing = asyncio.Lock()

    async def stream(text: _Text) -> None:
        chunks: Chunks | None = None

        async def emit(deltas: Sequence[Delta]) -> None:
            nonlocal chunks
            pieces = text.choice.pieces(deltas)
            if text.choice.error is not None:
                pieces.append(text.choice.ending())
            if not pieces:
                return
            # Made at the first content, when it is known who answers.
            chunks = chunks or Chunks(_envelope(texts, text))
            async with writing:
                await events.write(chunks.present(map(text.present, pieces)))

        await text.call.stream(emit)

    try:
        await _each(texts, stream)
        first = _first_answered(texts) if not events.started else texts[0]
    finally:
        await events.quiet()
    ends = [text.present(text.choice.ending()) for text in texts]
    end = {**_envelope(texts, first), **_broken(texts), "choices": ends, "usage": _usage(texts)}
    await events.write(present_event(end) + DONE, more=False)


async def _each(texts: Sequence[_Text], answer: Callable[[_Text], Awaitable[None]]) -> None:
    """Have all of them answered, some at a time; what becomes of one is noted with it."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def attempt(text: _Text) -> None:
        async with places:
            try:
                await answer(text)
            except TurnpikeError as error:
                text.choice.error = error

    try:
        async with asyncio.TaskGroup() as group:
            for text in texts:
                group.create_task(attempt(text))
    except ExceptionGroup as bugs:
        # The others were cancelled, and one is enough to look at.
        raise bugs.exceptions[0] from None


def _first_answered(texts: Sequence[_Text]) -> _Text:
    """Raises the first one's error where nobody answered."""
    answered = next((text for text in texts if text.choice.error is None), None)
    if answered is None and texts[0].choice.error is not None:
        raise texts[0].choice.error
    return answered or texts[0]


def _broken(texts: Sequence[_Text]) -> Json:
    """SDKs raise on a stream's top-level `error`: only where there is nothing but errors."""
    errors = [text.choice.error for text in texts]
    first = errors[0]
    return {"error": present_error(first)} if first is not None and all(errors) else {}


def _envelope(texts: Sequence[_Text], served: _Text) -> Json:
    """One id for the whole answer, as OpenAI has it; choices have their own."""
    return {**present_envelope(served.call), "id": texts[0].call.id}


def _usage(texts: Sequence[_Text]) -> Json:
    return present_usage(Sum([text.call for text in texts if text.call.answered]))


def _headers(texts: Sequence[_Text]) -> dict[str, str]:
    return {"x-generation-id": texts[0].call.id}
