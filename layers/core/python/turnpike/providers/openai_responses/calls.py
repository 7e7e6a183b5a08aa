"""Function calls of one answer in the shape of chat's fragments, known by their item's place in the output."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import orjson

from turnpike.domain.custom_tools import CLOSING, OPENING, arguments_of, escaped
from turnpike.providers.openai_responses.parallel import is_wrapper, unwrapped
from turnpike.providers.openai_responses.wire import Json
from turnpike.providers.tool_calls import first_fragment, new_call_id, next_fragment

_CUSTOM = "custom_tool_call"
KINDS = ("function_call", _CUSTOM)
"""Of items that are calls."""

Fragments = list[dict[str, Any]]


@dataclass(slots=True)
class _Call:
    given: Json
    index: int = -1
    argued: bool = False
    """Whether any of its arguments were given out."""
    held: list[str] | None = None
    """Arguments of what may be a wrapper, until they are complete."""
    is_text: bool = False
    """Whether it takes a text, which is told as the one argument of a function."""


class Calls:
    __slots__ = ("_begun", "_declared", "count")

    def __init__(self) -> None:
        self.count = 0
        """Calls that were given out."""
        self._declared: Collection[str] = ()
        self._begun: dict[int, _Call] = {}

    def declare(self, tools: Collection[Json]) -> None:
        """The functions that the request named, as far as the answer repeats them."""
        self._declared = frozenset(tool.get("name") or "" for tool in tools)

    def begin(self, place: int, given: Json) -> Fragments:
        if place in self._begun:
            return []
        call = self._begun[place] = _Call(given, is_text=given["type"] == _CUSTOM)
        if call.is_text:
            call.index = self.count
            return [self._first(_id(given), given["name"], OPENING)]
        if is_wrapper(given["name"], self._declared):
            call.held = []
            return []
        arguments = _arguments(given)
        call.argued = bool(arguments)
        call.index = self.count
        return [self._first(_id(given), given["name"], arguments)]

    def go_on(self, place: int, text: str) -> Fragments:
        call = self._begun.get(place)
        if call is None or not text:
            return []
        if call.held is not None:
            call.held.append(text)
            return []
        call.argued = True
        return [next_fragment(call.index, escaped(text) if call.is_text else text)]

    def finish(self, place: int, given: Json) -> Fragments:
        """What is missing of a call that is told once more in full; without arguments it has the empty object."""
        call = self._begun.pop(place, None) or _Call(given, held=[])
        if call.is_text:
            rest = "" if call.argued else escaped(given.get("input") or "")
            return [next_fragment(call.index, rest + CLOSING)]
        arguments = _arguments(given)
        if call.held is None:
            return [] if call.argued else [next_fragment(call.index, arguments or "{}")]
        whole = (_id(given), given["name"], arguments or "".join(call.held) or "{}")
        calls = unwrapped(whole, self._declared) if is_wrapper(given["name"], self._declared) else [whole]
        return [self._first(*each) for each in calls]

    def finish_all(self) -> Fragments:
        """What is missing of calls whose end was not told."""
        return [fragment for place, call in list(self._begun.items()) for fragment in self.finish(place, call.given)]

    def _first(self, call_id: str, name: str, arguments: str) -> dict[str, Any]:
        self.count += 1
        return first_fragment(self.count - 1, call_id, name, arguments)


def _id(given: Json) -> str:
    return given.get("call_id") or given.get("id") or new_call_id()


def _arguments(given: Json) -> str:
    if given.get("type") == _CUSTOM:
        return arguments_of(given.get("input") or "")
    arguments = given.get("arguments") or ""
    return arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
