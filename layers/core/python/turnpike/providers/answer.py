"""A streamed answer of any wire format, turned into deltas: framing, junk and broken ends are the same for all.

What differs is the framing (server-sent events, or AWS's event stream) and what an event means, which is
one `Answer` for each wire format.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import orjson

from turnpike.domain.chat import Delta, Usage
from turnpike.domain.errors import UpstreamError
from turnpike.providers.failures import failure_in_answer, unreachable, unreadable
from turnpike.providers.sse import Event, EventTooLarge, SseDecoder

Json = Mapping[str, Any]

_MAX_WHOLE_BYTES = 64 * 1024 * 1024
_NO_ANSWER = "The provider sent something that is no answer"


class Answer(Protocol):
    """The state of one answer. `read` may raise UpstreamError for an error that the provider tells in it;
    what goes wrong with a member of an unexpected type (AttributeError, LookupError, TypeError, ValueError)
    counts as an unreadable answer.
    """

    @property
    def usage(self) -> Usage | None:
        """What the provider has reported so far, for an answer that ends in an error."""

    def read(self, name: str, event: Json, deltas: list[Delta]) -> bool:
        """Append what one event says. True when it ended the answer, with everything appended by then.

        `name` is the event's type where the framing has one, "message" otherwise.
        """

    def end(self, deltas: list[Delta], *, told: bool) -> bool:
        """The stream is over: append what is still missing, usage last. False when the answer was cut.

        `told`: whether the provider said so with `[DONE]`, or the connection just closed.
        """


class Framing(Protocol):
    """Cuts bytes into events. Both methods may raise EventTooLarge, and ValueError for what is no event."""

    def feed(self, data: bytes) -> Iterable[Event]: ...

    def finish(self) -> Iterable[Event]: ...


class AnswerDecoder:
    """Implements the port `StreamDecoder` over one `Answer`."""

    __slots__ = ("_answer", "_framing", "_provider", "_whole", "done")

    def __init__(self, provider: str, answer: Answer, framing: Framing | None = None) -> None:
        self.done = False
        self._provider = provider
        self._answer = answer
        self._framing = SseDecoder() if framing is None else framing
        # JSON where a stream should be: an error, or an array of events; None once it is known that there is none.
        self._whole: bytearray | None = bytearray()

    def feed(self, data: bytes) -> list[Delta]:
        deltas: list[Delta] = []
        if self.done or (self._whole is not None and self._is_whole(self._whole, data, deltas)):
            return deltas
        try:
            for event in self._framing.feed(data):
                self._read(event, deltas)
        except EventTooLarge:
            self._fail(unreadable(self._provider, "The provider sent an event that is too large"), deltas)
        except ValueError:
            self._fail(unreadable(self._provider, _NO_ANSWER), deltas)
        return deltas

    def finish(self) -> list[Delta]:
        deltas: list[Delta] = []
        if self.done:
            return deltas
        if self._whole:
            self._read_whole(bytes(self._whole), deltas)
        else:
            for event in self._rest():
                self._read(event, deltas)
        if not self.done:
            self._end(deltas, told=False)
        return deltas

    def _rest(self) -> list[Event]:
        try:
            # What the connection's end cut in half is no junk, only incomplete.
            return [event for event in self._framing.finish() if event.data.endswith((b"}", b"[DONE]"))]
        except ValueError:
            return []

    def _is_whole(self, whole: bytearray, data: bytes, deltas: list[Delta]) -> bool:
        """Whether this is JSON instead of a stream, as an error with status 200 may be."""
        if not whole:
            data = data.lstrip()
            if data and not data.startswith((b"{", b"[")):
                self._whole = None
                return False
        whole += data
        if len(whole) > _MAX_WHOLE_BYTES:
            self._fail(unreadable(self._provider, "The provider sent an answer that is too large"), deltas)
        return True

    def _read_whole(self, body: bytes, deltas: list[Delta]) -> None:
        """Gemini streams an array of its events when it is not asked for server-sent ones."""
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError:
            return
        for event in content if isinstance(content, list) else [content]:
            name = "message" if isinstance(content, list) else "error"
            self._read(Event(name, orjson.dumps(event)), deltas)

    def _read(self, event: Event, deltas: list[Delta]) -> None:
        if self.done:
            return
        name, data = event
        if data == b"[DONE]":
            self._end(deltas, told=True)
            return
        if not data:
            return
        content = _parse(data)
        if content is None:
            self._fail(unreadable(self._provider, _NO_ANSWER), deltas)
            return
        try:
            self.done = self._answer.read(name, content, deltas)
        except UpstreamError as error:
            self._fail(error, deltas)
        except (AttributeError, LookupError, TypeError, ValueError):
            # A member has a type that nothing could be made of.
            self._fail(unreadable(self._provider, _NO_ANSWER), deltas)

    def _end(self, deltas: list[Delta], *, told: bool) -> None:
        try:
            whole = self._answer.end(deltas, told=told)
        except UpstreamError as error:
            self._fail(error, deltas)
            return
        self.done = True
        if not whole:
            self._fail(unreachable(self._provider, "The provider's answer broke off"), deltas)

    def _fail(self, error: UpstreamError, deltas: list[Delta]) -> None:
        self.done = True
        usage = self._answer.usage
        if usage is not None:
            # What the provider charges for, though the client does not pay for it.
            deltas.append(Delta(usage=usage))
        deltas.append(Delta(error=error))


def raise_error(provider: str, name: str, event: Json) -> None:
    """Raises UpstreamError for an event that is one: named so, or with an `error` member."""
    error = event.get("error")
    if error or name == "error":
        raise failure_in_answer(provider, error or event)


def _parse(data: bytes) -> Json | None:
    try:
        content = orjson.loads(data)
    except orjson.JSONDecodeError:
        content = _mended(data)
    return content if isinstance(content, dict) else None


def _mended(data: bytes) -> object:
    """None where nothing helps. A broken character or a lost last brace is no reason to lose all the rest."""
    for attempt in (data.decode("utf-8", "replace"), data + b"}"):
        try:
            return orjson.loads(attempt)
        except orjson.JSONDecodeError:
            continue
    return None
