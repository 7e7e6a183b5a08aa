"""A streamed answer of any dialect, turned into deltas."""

import orjson

from turnpike.domain.chat import Delta
from turnpike.domain.errors import UpstreamError
from turnpike.providers.failures import failure_in_answer, unreachable, unreadable
from turnpike.providers.openai_compatible.tool_calls import ToolCalls
from turnpike.providers.openai_compatible.wire import (
    Json,
    citations_of,
    extra_of,
    parse_finish_reason,
    parse_usage,
    reasoning_details_of,
    reasoning_of,
    service_tier_of,
    split_parts,
    usage_of,
)
from turnpike.providers.sse import Event, EventTooLarge, SseDecoder

_MAX_WHOLE_BYTES = 64 * 1024
_NO_ANSWER = "The provider sent something that is no answer"


class ChunkDecoder:
    """The state of one stream. Usage is given out once, at the end: some send it in every chunk, cumulated."""

    __slots__ = (
        "_choices",
        "_cited",
        "_failure",
        "_introduced",
        "_provider",
        "_service_tier",
        "_sse",
        "_usage",
        "_whole",
        "done",
    )

    def __init__(self, provider: str) -> None:
        self.done = False
        self._provider = provider
        self._sse = SseDecoder()
        self._choices: dict[int, _Choice] = {}
        self._usage: Json | None = None
        # The last chunk with sources: Perplexity repeats all of them in each.
        self._cited: Json | None = None
        # An end that the provider calls an error, kept until its usage is in.
        self._failure: UpstreamError | None = None
        self._introduced = False
        self._service_tier: str | None = None
        # A JSON object where a stream should be; None once it is known that there is none.
        self._whole: bytes | None = b""

    def feed(self, data: bytes) -> list[Delta]:
        deltas: list[Delta] = []
        if self.done or (self._whole is not None and self._is_whole(data)):
            return deltas
        try:
            for event in self._sse.feed(data):
                self._read(event, deltas)
        except EventTooLarge:
            self._fail(unreadable(self._provider, "The provider sent an event that is too large"), deltas)
        return deltas

    def finish(self) -> list[Delta]:
        deltas: list[Delta] = []
        for event in self._rest():
            self._read(event, deltas)
        if self.done:
            return deltas
        if self._choices and all(choice.finished for choice in self._choices.values()):
            self._end(deltas)
        else:
            self._fail(unreachable(self._provider, "The provider's answer broke off"), deltas)
        return deltas

    def _rest(self) -> list[Event]:
        if self.done:
            return []
        if self._whole:
            return [Event("error", self._whole)]
        # What the connection's end cut in half is no junk, only incomplete.
        return [event for event in self._sse.finish() if event.data.endswith((b"}", b"[DONE]"))]

    def _is_whole(self, data: bytes) -> bool:
        """Whether this is one JSON object instead of a stream, as an error with status 200 may be."""
        if not self._whole:
            data = data.lstrip()
        if data and not self._whole and not data.startswith(b"{"):
            self._whole = None
            return False
        self._whole = ((self._whole or b"") + data)[:_MAX_WHOLE_BYTES]
        return True

    def _read(self, event: Event, deltas: list[Delta]) -> None:
        if self.done:
            return
        name, data = event
        if data == b"[DONE]":
            self._end(deltas)
            return
        if not data:
            return
        chunk = _parse(data)
        if chunk is None:
            self._fail(unreadable(self._provider, _NO_ANSWER), deltas)
        elif name == "error" or chunk.get("error"):
            self._fail(failure_in_answer(self._provider, chunk.get("error") or chunk), deltas)
        else:
            try:
                self._read_chunk(chunk, deltas)
            except (AttributeError, LookupError, TypeError, ValueError):
                # A member has a type that nothing could be made of.
                self._fail(unreadable(self._provider, _NO_ANSWER), deltas)

    def _read_chunk(self, chunk: Json, deltas: list[Delta]) -> None:
        usage = usage_of(chunk)
        if usage is not None:
            self._usage = usage
        if "citations" in chunk:
            self._cited = chunk
        first = len(deltas)
        for choice in chunk.get("choices") or ():
            if choice.get("error"):
                self._fail(failure_in_answer(self._provider, choice["error"]), deltas)
                return
            self._read_choice(choice, deltas)
        if not self._introduced or usage is not None or chunk.get("service_tier") != self._service_tier:
            self._introduce(chunk, usage, deltas, first)

    def _read_choice(self, given: Json, deltas: list[Delta]) -> None:
        index = given.get("index") or 0
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
        message = given.get("delta") or {}
        content = message.get("content")
        reasoning = reasoning_of(message)
        signature = None
        if content and not isinstance(content, str):
            content, reasoning, signature = split_parts(content)
        calls = message.get("tool_calls")
        fragments = choice.tool_calls.read(calls) if calls else None
        native = given.get("finish_reason")
        finish = None
        if native and not choice.finished:
            finish = parse_finish_reason(native, has_tool_calls=bool(choice.tool_calls))
            choice.finished = True
            if finish == "error":
                self._failure = failure_in_answer(self._provider, {"code": native})
                finish = None
            else:
                fragments = [*(fragments or ()), *choice.tool_calls.complete()] or None
        delta = Delta(
            content=content or None,
            reasoning=reasoning,
            tool_calls=fragments,
            refusal=message.get("refusal") or None,
            finish_reason=finish,
            native_finish_reason=(given.get("native_finish_reason") or native) if finish else None,
            index=index,
            extra=extra_of(message) if len(message) > 1 or not content else None,
            logprobs=given.get("logprobs"),
        )
        if reasoning or "reasoning_details" in message:
            details = message.get("reasoning_details")
            delta.reasoning_details = details or (reasoning_details_of(reasoning, signature) if reasoning else None)
        if finish or delta.has_content:
            choice.started = True
            deltas.append(delta)

    def _introduce(self, chunk: Json, usage: Json | None, deltas: list[Delta], first: int) -> None:
        """Say once who answers, with the first delta there is; the service tier may come or change later."""
        tier = service_tier_of(chunk, usage)
        known = tier is None or tier == self._service_tier
        if self._introduced and known:
            return
        if len(deltas) == first:
            deltas.append(Delta())
        delta = deltas[first]
        delta.service_tier = self._service_tier = tier or self._service_tier
        if not self._introduced:
            self._introduced = True
            delta.upstream_id = _text(chunk.get("id"))
            delta.system_fingerprint = _text(chunk.get("system_fingerprint"))

    def _end(self, deltas: list[Delta]) -> None:
        """The provider said that the answer is whole."""
        if self._failure is not None:
            self._fail(self._failure, deltas)
            return
        self.done = True
        for index, choice in self._choices.items():
            if choice.started and not choice.finished:
                # It ended well and did not say how.
                calls = choice.tool_calls.complete()
                reason = parse_finish_reason("stop", has_tool_calls=bool(choice.tool_calls))
                deltas.append(Delta(tool_calls=calls or None, finish_reason=reason, index=index))
        annotations = citations_of(self._cited) if self._cited else None
        if annotations:
            deltas.append(Delta(extra={"annotations": annotations}))
        if self._usage is not None:
            deltas.append(Delta(usage=parse_usage(self._usage)))

    def _fail(self, error: UpstreamError, deltas: list[Delta]) -> None:
        self.done = True
        if self._usage is not None:
            # What the provider charges for, though the client does not pay for it.
            deltas.append(Delta(usage=parse_usage(self._usage)))
        deltas.append(Delta(error=error))


class _Choice:
    __slots__ = ("finished", "started", "tool_calls")

    def __init__(self) -> None:
        self.started = False
        self.finished = False
        self.tool_calls = ToolCalls()


def _parse(data: bytes) -> Json | None:
    try:
        chunk = orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            # A broken character in a text is no reason to lose the rest of it.
            chunk = orjson.loads(data.decode("utf-8", "replace"))
        except orjson.JSONDecodeError:
            return None
    return chunk if isinstance(chunk, dict) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
