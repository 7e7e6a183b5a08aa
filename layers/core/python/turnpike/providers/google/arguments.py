"""A call's arguments that Vertex AI streams value by value, each with its place (`partialArgs`).

https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling#streaming-fc
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import orjson

from turnpike.providers.answer import Json

# The part of JSONPath (RFC 9535) that names one place: .name, [0], ['name'] and ["name"].
_STEP = re.compile(r"""\.([^.\[\]]+)|\[(\d+)\]|\[(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\]""")
_ESCAPED = re.compile(r"\\(.)")

_DEEPEST = 64
"""Steps to a value; JSON that is nested deeper could not be written."""

_OTHERS = ("numberValue", "boolValue", "nullValue")


class Arguments:
    """Collected until the call ends: values may come in an order in which JSON cannot be written."""

    __slots__ = ("_path", "_pieces", "_root", "_text")

    def __init__(self) -> None:
        self._root: dict[str, Any] = {}
        # The text that still grows: its path, where it goes, and what there is of it.
        self._path = ""
        self._text: tuple[Any, str | int] = (self._root, "")
        self._pieces: list[str] = []

    def add(self, partial: Json) -> None:
        """Raises ValueError, LookupError, TypeError or AttributeError for what cannot be put anywhere."""
        path, text = partial["jsonPath"], partial.get("stringValue")
        if text is None:
            for name in _OTHERS:
                if name in partial:
                    self._put(path, None if name == "nullValue" else partial[name])
            return
        if not isinstance(text, str):
            raise TypeError("a text that is none")
        if path != self._path:
            self._end_text()
            self._text, self._path = self._put(path, text), path
        self._pieces.append(text)

    def finish(self) -> str:
        """As JSON."""
        self._end_text()
        return orjson.dumps(self._root).decode()

    def _end_text(self) -> None:
        if self._pieces:
            place, step = self._text
            place[step] = "".join(self._pieces)
            self._path, self._pieces = "", []

    def _put(self, path: str, value: Any) -> tuple[Any, str | int]:
        """Where it went: the container, and the place in it."""
        steps = _parse_path(path)
        place: Any = self._root
        for step, following in pairwise(steps):
            place = _enter(place, step, [] if isinstance(following, int) else {})
        _enter(place, steps[-1], value)
        place[steps[-1]] = value
        return place, steps[-1]


def _enter(place: Any, step: str | int, missing: Any) -> Any:
    if isinstance(step, int):
        # A list grows by one only: its indices are the model's, and may be anything.
        if step == len(place):
            place.append(missing)
        return place[step]
    return place.setdefault(step, missing)


def _parse_path(path: str) -> Sequence[str | int]:
    steps: list[str | int] = []
    at = 1
    while at < len(path):
        match = _STEP.match(path, at)
        if match is None:
            break
        name, index, single, double = match.groups()
        quoted = single if single is not None else double
        steps.append(int(index) if index else name if name else _ESCAPED.sub(r"\1", quoted))
        at = match.end()
    if not 0 < len(steps) <= _DEEPEST or path[0] != "$" or at != len(path):
        raise ValueError(f"no path to a place in a call's arguments: {path[:64]}")
    return steps
