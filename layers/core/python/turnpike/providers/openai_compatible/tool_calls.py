"""Streamed tool calls, put into OpenAI's shape: an index from 0, then id, type and name once, then arguments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from turnpike.providers.openai_compatible.wire import Json, arguments_of
from turnpike.providers.tool_calls import first_fragment, new_call_id, next_fragment


@dataclass(slots=True)
class _Call:
    index: int
    id: str
    key: object
    """The provider's own index; the call's place in its chunk where it sends none."""
    named: bool
    has_arguments: bool = False


class ToolCalls:
    """The calls of one choice, in the order in which they began. Providers count from anywhere, or not at all."""

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls: list[_Call] = []

    def __bool__(self) -> bool:
        return bool(self._calls)

    def read(self, given: Sequence[Any]) -> list[Json]:
        """The fragments of one chunk."""
        return [self._read(fragment, place) for place, fragment in enumerate(given) if isinstance(fragment, dict)]

    def complete(self) -> list[Json]:
        """What is missing at the end: a call without arguments has the empty object, which is JSON, unlike ""."""
        missing = [call for call in self._calls if not call.has_arguments]
        for call in missing:
            call.has_arguments = True
        return [next_fragment(call.index, "{}") for call in missing]

    def _read(self, given: Json, place: int) -> Json:
        function = given.get("function") or {}
        name = function.get("name") or ""
        arguments = arguments_of(function)
        call_id = call_id_of(given)
        index = given.get("index")
        key = place if index is None else index
        call = self._find(key, call_id, name, counted=index is not None)
        if call is None:
            call = _Call(len(self._calls), call_id or new_call_id(), key, bool(name))
            self._calls.append(call)
            call.has_arguments = bool(arguments)
            return first_fragment(call.index, call.id, name, arguments)
        call.has_arguments = call.has_arguments or bool(arguments)
        if name and not call.named:
            call.named = True
            return {"index": call.index, "function": {"name": name, "arguments": arguments}}
        return next_fragment(call.index, arguments)

    def _find(self, key: object, call_id: str, name: str, *, counted: bool) -> _Call | None:
        """The call that a fragment continues; None when it begins one. `counted`: whether it came with an index."""
        candidates = [call for call in self._calls if call.key == key]
        for call in candidates if counted else self._calls:
            if call_id == call.id:
                return call
        # Some give every call the same index, or none; then what comes with a name of its own is a new one.
        if name and (call_id or not counted):
            return None
        if not candidates and not counted:
            candidates = self._calls
        return candidates[-1] if candidates else None


def call_id_of(given: Json) -> str:
    """Empty where there is none."""
    call_id = given.get("id")
    return call_id if isinstance(call_id, str) else ""
