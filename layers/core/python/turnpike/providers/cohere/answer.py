"""An answer of Cohere's, whole or event by event: https://docs.cohere.com/docs/streaming."""

from collections.abc import Hashable, Mapping
from typing import Any

from turnpike.domain.chat import Delta, Usage
from turnpike.providers.answer import Json, raise_error
from turnpike.providers.cohere.wire import (
    FINISH_REASONS,
    PLAN_ID,
    REASONING_FORMAT,
    annotations_of,
    arguments_of,
    logprobs_of,
    parse_usage,
)
from turnpike.providers.failures import failure_in_answer, unreadable
from turnpike.providers.reasoning import text_detail
from turnpike.providers.tool_calls import first_fragment, new_call_id, next_fragment

_PARTS = frozenset(
    {"content-start", "content-delta", "tool-plan-delta", "tool-call-start", "tool-call-delta", "citation-start"}
)
"""Events that add to the message."""


class ChatAnswer:
    """The state of one answer. `message-end` ends it, well or with the error that it tells."""

    __slots__ = ("_calls", "_length", "_provider", "_reasoned", "_starts", "_with_arguments", "usage")

    def __init__(self, provider: str) -> None:
        self.usage: Usage | None = None
        self._provider = provider
        # Where each block of text begins in the answer: citations count from there.
        self._starts: dict[int, int] = {}
        self._length = 0
        # The number of each block of reasoning, the plan included, in the order in which they began.
        self._reasoned: dict[Hashable, int] = {}
        # The number of the call that each index stands for, and by number whether it has arguments yet.
        self._calls: dict[Any, int] = {}
        self._with_arguments: list[bool] = []

    def read(self, name: str, event: Json, deltas: list[Delta]) -> bool:
        kind = event.get("type") or name
        if kind in _PARTS:
            self._read_part(kind, event, event["delta"]["message"], deltas)
        elif kind == "message-start":
            self._begin(event, deltas)
        elif kind == "message-end":
            self._end(event.get("delta") or {}, deltas)
            return True
        else:
            raise_error(self._provider, name, event)
            if "type" not in event and event.get("message"):
                raise failure_in_answer(self._provider, event)
            # The others, like `debug` and `citation-end`, say nothing that chat completions have a place for.
        return False

    def end(self, deltas: list[Delta], *, told: bool) -> bool:
        return False

    def read_whole(self, answer: Json, deltas: list[Delta]) -> None:
        """The same from an answer that was not streamed; raises what its members of a wrong type raise."""
        message = answer.get("message")
        if answer.get("error") or isinstance(message, str):
            raise failure_in_answer(self._provider, answer.get("error") or answer)
        if not isinstance(message, dict):
            raise unreadable(self._provider, "The provider sent an empty answer")
        self._begin(answer, deltas)
        content = message.get("content") or ()
        blocks = [{"text": content}] if isinstance(content, str) else content
        for index, block in enumerate(blocks):
            self._read_block({"index": index}, block, deltas)
        self._read_plan(message.get("tool_plan"), deltas)
        for index, call in enumerate(message.get("tool_calls") or ()):
            self._begin_call(index, call, deltas)
        for citation in message.get("citations") or ():
            self._cite(citation, deltas)
        self._end(answer, deltas)

    def _read_part(self, kind: str, event: Json, message: Mapping[str, Any], deltas: list[Delta]) -> None:
        if kind in ("content-delta", "content-start"):
            self._read_block(event, message["content"], deltas)
        elif kind == "tool-call-delta":
            self._continue_call(event.get("index"), _one(message["tool_calls"]), deltas)
        elif kind == "tool-call-start":
            self._begin_call(event.get("index"), _one(message["tool_calls"]), deltas)
        elif kind == "tool-plan-delta":
            self._read_plan(message["tool_plan"], deltas)
        else:
            self._cite(_one(message["citations"]), deltas)

    def _begin(self, event: Json, deltas: list[Delta]) -> None:
        if event.get("id"):
            deltas.append(Delta(upstream_id=str(event["id"])))

    def _read_block(self, event: Json, block: Mapping[str, Any], deltas: list[Delta]) -> None:
        text, thought = block.get("text"), block.get("thinking")
        if thought:
            self._reason(event.get("index"), thought, deltas)
        if text:
            index = event.get("index") or 0
            if index not in self._starts:
                self._starts[index] = self._length
            self._length += len(text)
            logprobs = event.get("logprobs")
            deltas.append(Delta(content=text, logprobs=logprobs_of(logprobs) if logprobs else None))

    def _read_plan(self, plan: str | None, deltas: list[Delta]) -> None:
        """What the model means to do with its tools, before it calls them: reasoning by another name."""
        if plan:
            self._reason(PLAN_ID, plan, deltas)

    def _reason(self, block: Hashable, text: str, deltas: list[Delta]) -> None:
        index = self._reasoned.setdefault(block, len(self._reasoned))
        detail = text_detail(text, REASONING_FORMAT, index)
        if block == PLAN_ID:
            detail["id"] = PLAN_ID
        deltas.append(Delta(reasoning=text, reasoning_details=[detail]))

    def _begin_call(self, key: Any, call: Mapping[str, Any], deltas: list[Delta]) -> None:
        function = call["function"]
        arguments = arguments_of(function)
        index = self._calls[key] = len(self._with_arguments)
        self._with_arguments.append(bool(arguments))
        call_id = call.get("id") or new_call_id()
        deltas.append(Delta(tool_calls=[first_fragment(index, call_id, function["name"], arguments)]))

    def _continue_call(self, key: Any, call: Mapping[str, Any], deltas: list[Delta]) -> None:
        arguments = arguments_of(call["function"])
        if arguments:
            index = self._calls[key]
            self._with_arguments[index] = True
            deltas.append(Delta(tool_calls=[next_fragment(index, arguments)]))

    def _cite(self, citation: Mapping[str, Any], deltas: list[Delta]) -> None:
        annotations = annotations_of(citation, self._starts)
        if annotations:
            deltas.append(Delta(extra={"annotations": annotations}))

    def _end(self, told: Mapping[str, Any], deltas: list[Delta]) -> None:
        """`told`: the finish reason, the usage, and the error where one happened."""
        self.usage = parse_usage(told.get("usage") or {})
        native = told.get("finish_reason")
        reason = FINISH_REASONS.get(native or "", "stop")
        error = told.get("error")
        if error or reason == "error":
            late = {"status": 504} if native == "TIMEOUT" else {}
            raise failure_in_answer(self._provider, error if isinstance(error, dict) else {"message": error, **late})
        # Without arguments a call has the empty object, which is JSON, unlike "".
        missing = [next_fragment(index, "{}") for index, given in enumerate(self._with_arguments) if not given]
        delta = Delta(tool_calls=missing or None, native_finish_reason=native)
        delta.finish_reason = "tool_calls" if self._with_arguments and reason == "stop" else reason
        if told.get("logprobs"):
            delta.logprobs = logprobs_of(told["logprobs"])
        deltas.append(delta)
        if self.usage is not None:
            deltas.append(Delta(usage=self.usage))


def _one(value: Any) -> Any:
    """Streams hold one call or citation where whole answers hold a list of them."""
    return value[0] if isinstance(value, list) else value
