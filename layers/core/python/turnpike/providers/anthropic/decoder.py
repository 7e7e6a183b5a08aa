"""An answer in Anthropic's events, turned into deltas: https://platform.claude.com/docs/en/build-with-claude/streaming."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import orjson

from turnpike.domain.chat import Completion, Delta, Usage
from turnpike.domain.native import native_part
from turnpike.providers.anthropic.errors import error_in_stream
from turnpike.providers.anthropic.wire import (
    FORM,
    Json,
    annotation_of,
    parse_finish_reason,
    parse_usage,
    service_tier_of,
    text_of,
)
from turnpike.providers.failures import unreadable
from turnpike.providers.folding import completion_of
from turnpike.providers.reasoning import encrypted_detail, text_detail
from turnpike.providers.tool_calls import first_fragment, new_call_id, next_fragment


class MessageAnswer:
    """Implements `Answer`. Blocks of Anthropic's own tools, and those that are not known, are told whole: only clients
    of the same API have a place for them, and others find their fruit cited in the text.
    """

    __slots__ = ("_blocks", "_calls", "_introduced", "_length", "_native", "_places", "_provider", "_refusal", "_usage")

    def __init__(self, provider: str) -> None:
        self._provider = provider
        # The blocks that are open, by their own index.
        self._blocks: dict[int, _Text | _Thought | _Call | _Native] = {}
        self._calls = 0
        # How many blocks a client gets to see, adjoining texts counted as one.
        self._places = _Places()
        # Characters of text so far, for the place of a citation.
        self._length = 0
        self._introduced = False
        self._native: str | None = None
        self._refusal: str | None = None
        self._usage: dict[str, Any] = {}

    @property
    def usage(self) -> Usage | None:
        return parse_usage(self._usage) if self._usage else None

    def read(self, name: str, event: Json, deltas: list[Delta]) -> bool:
        kind = event.get("type")
        if kind == "content_block_delta":
            self._read_delta(event, deltas)
        elif kind == "content_block_start":
            self._open(event["index"], event["content_block"], deltas)
        elif kind == "content_block_stop":
            self._close(event["index"], deltas)
        elif kind == "message_start":
            self._introduce(event["message"], deltas)
        elif kind == "message_delta":
            self._read_end(event.get("delta") or {})
            self._add_usage(event.get("usage") or {})
        elif kind == "message_stop":
            self._finish(deltas)
            return True
        elif kind == "error" or name == "error" or event.get("error"):
            raise error_in_stream(self._provider, event.get("error"))
        return False

    def end(self, deltas: list[Delta], *, told: bool) -> bool:
        if not told or self._native is None:
            return False
        self._finish(deltas)
        return True

    def _introduce(self, message: Json, deltas: list[Delta]) -> None:
        """Some servers begin twice. What was said before the stream began comes here: all of an answer that is not
        streamed, and of one that went on within Anthropic's own tools.
        """
        usage = message.get("usage") or {}
        self._add_usage(usage)
        if self._introduced:
            return
        self._introduced = True
        deltas.append(Delta(upstream_id=text_of(message.get("id")), service_tier=service_tier_of(usage)))
        for index, block in enumerate(message.get("content") or ()):
            self._open(index, block, deltas)
            self._close(index, deltas)
        self._read_end(message)

    def _read_delta(self, event: Json, deltas: list[Delta]) -> None:
        delta = event["delta"]
        kind = delta["type"]
        if kind == "text_delta":
            self._add_text(text_of(delta["text"]), deltas)
            return
        block = self._blocks.get(event["index"])
        if kind == "input_json_delta" and isinstance(block, _Call):
            piece = text_of(delta["partial_json"])
            if piece:
                block.begun = True
                deltas.append(Delta(tool_calls=[next_fragment(block.index, piece)]))
        elif kind == "thinking_delta" and isinstance(block, _Thought):
            _add_thought(text_of(delta["thinking"]), block, deltas)
        elif kind == "signature_delta" and isinstance(block, _Thought):
            block.signature = text_of(delta["signature"])
        elif kind == "citations_delta" and isinstance(block, _Text):
            block.cite(delta["citation"])
        elif isinstance(block, _Native):
            block.add(delta)

    def _open(self, index: int, given: Json, deltas: list[Delta]) -> None:
        """`given` is the whole block where the answer is not streamed."""
        kind = given.get("type")
        if kind == "text":
            text = self._blocks[index] = _Text(self._length)
            for citation in given.get("citations") or ():
                text.cite(citation)
            self._add_text(text_of(given.get("text")), deltas)
        elif kind == "tool_use":
            self._places.take()
            call = self._blocks[index] = _Call(self._calls, given.get("input"))
            self._calls += 1
            first = first_fragment(call.index, text_of(given.get("id")) or new_call_id(), given["name"])
            deltas.append(Delta(tool_calls=[first]))
        elif kind == "thinking":
            thought = self._blocks[index] = _Thought(self._places.take(), text_of(given.get("signature")))
            _add_thought(text_of(given.get("thinking")), thought, deltas)
        elif kind == "redacted_thinking":
            detail = encrypted_detail(given["data"], FORM, self._places.take())
            deltas.append(Delta(reasoning_details=[detail]))
        elif isinstance(kind, str):
            self._places.take()
            self._blocks[index] = _Native(given)

    def _close(self, index: int, deltas: list[Delta]) -> None:
        block = self._blocks.pop(index, None)
        if isinstance(block, _Call):
            if not block.begun:
                arguments = orjson.dumps(block.input or {}).decode()
                deltas.append(Delta(tool_calls=[next_fragment(block.index, arguments)]))
        elif isinstance(block, _Thought):
            if block.signature:
                detail = text_detail(None, FORM, block.place, signature=block.signature)
                deltas.append(Delta(reasoning_details=[detail]))
        elif isinstance(block, _Native):
            deltas.append(Delta(native=native_part("messages", block.whole())))
        elif block is not None and block.citations:
            cited = [annotation_of(citation, block.start, self._length) for citation in block.citations]
            deltas.append(Delta(extra={"annotations": cited}))

    def _add_text(self, text: str | None, deltas: list[Delta]) -> None:
        if text:
            self._places.take_text()
            self._length += len(text)
            deltas.append(Delta(content=text))

    def _read_end(self, given: Json) -> None:
        self._native = text_of(given.get("stop_reason")) or self._native
        self._refusal = text_of((given.get("stop_details") or {}).get("explanation")) or self._refusal

    def _add_usage(self, given: Json) -> None:
        """Counts are sums of all that came before; those which an event leaves out, or null, stay as they were."""
        self._usage.update((name, value) for name, value in given.items() if value or name not in self._usage)

    def _finish(self, deltas: list[Delta]) -> None:
        for index in list(self._blocks):
            self._close(index, deltas)
        reason = parse_finish_reason(self._native, has_tool_calls=self._calls > 0)
        refusal = self._refusal if reason == "content_filter" else None
        deltas.append(Delta(refusal=refusal, finish_reason=reason, native_finish_reason=self._native))
        if self._usage:
            deltas.append(Delta(usage=parse_usage(self._usage)))


class _Places:
    """Where blocks stand among those that we pass on, so that the next turn can put thoughts back there."""

    __slots__ = ("_after_text", "_count")

    def __init__(self) -> None:
        self._count = 0
        self._after_text = False

    def take(self) -> int:
        place = self._count
        self._count += 1
        self._after_text = False
        return place

    def take_text(self) -> None:
        if not self._after_text:
            self.take()
            self._after_text = True


class _Text:
    __slots__ = ("citations", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        self.citations: list[Json] = []

    def cite(self, citation: object) -> None:
        if isinstance(citation, dict):
            self.citations.append(citation)


class _Thought:
    __slots__ = ("place", "signature")

    def __init__(self, place: int, signature: str | None) -> None:
        self.place = place
        self.signature = signature


class _Call:
    __slots__ = ("begun", "index", "input")

    def __init__(self, index: int, given: Any) -> None:
        self.index = index
        self.input = given
        self.begun = False


class _Native:
    """A block that nobody here looks into."""

    __slots__ = ("_block", "_input")

    def __init__(self, given: Json) -> None:
        self._block = dict(given)
        self._input = ""

    def add(self, delta: Json) -> None:
        """An input comes as pieces of JSON; other members, as those of `compaction_delta`, go by their own names."""
        if delta.get("type") == "input_json_delta":
            self._input += text_of(delta["partial_json"]) or ""
            return
        for name, piece in delta.items():
            known = self._block.get(name)
            if name != "type" and isinstance(piece, str) and (known is None or isinstance(known, str)):
                self._block[name] = (known or "") + piece

    def whole(self) -> dict[str, Any]:
        """An input that was cut off stays out: half of one is none."""
        if self._input:
            with suppress(orjson.JSONDecodeError):
                self._block["input"] = orjson.loads(self._input)
        return self._block


def _add_thought(text: str | None, thought: _Thought, deltas: list[Delta]) -> None:
    if text:
        deltas.append(Delta(reasoning=text, reasoning_details=[text_detail(text, FORM, thought.place)]))


def completion_from(provider: str, body: bytes) -> Completion:
    """A whole answer, read as the events that would have streamed it.

    Raises UpstreamError for one that is an error, or no message.
    """
    answer = MessageAnswer(provider)
    deltas: list[Delta] = []
    try:
        for event in _events_of(orjson.loads(body)):
            answer.read("message", event, deltas)
        return completion_of(deltas)
    except (AttributeError, LookupError, TypeError, ValueError):
        # Not JSON, or a member of a type that nothing could be made of.
        raise unreadable(provider, "The provider sent something that is no answer") from None


def _events_of(message: Json) -> Iterator[Json]:
    """Raises LookupError or TypeError for what has no content."""
    if message.get("type") == "error" or message.get("error"):
        yield {"type": "error", "error": message.get("error")}
    if not isinstance(message["content"], list):
        raise TypeError("no content")
    yield {"type": "message_start", "message": message}
    yield {"type": "message_stop"}
