"""What only one provider's API has words for: tools that it defines, and what came of them.

None of it has a place in a chat completion. It travels as the client wrote it, from the skin of an API to the wire
formats of the same API, and nobody in between looks into it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Dialect = Literal["messages", "responses"]
"""An API: Anthropic's Messages, or OpenAI's Responses."""

PART = "native"
"""The type of a content part that holds something of the sort."""

_SPOKEN: Mapping[str, Dialect] = {
    "anthropic": "messages",
    "vertex_anthropic": "messages",
    "openai_responses": "responses",
}

_MISSING: Mapping[str, re.Pattern[str]] = {
    # Only the first version of the search, and no fetching:
    # https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool#dynamic-filtering,
    # https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-fetch-tool
    "vertex_anthropic": re.compile(r"web_fetch_\d+|web_search_(?!20250305)\d+"),
}
"""By wire format, the types of tools that its API has elsewhere and not there."""


@dataclass(frozen=True, slots=True)
class NativeTool:
    """A tool as its API declares it. Its repr has nothing of it, so that it may end up in a traceback."""

    dialect: Dialect
    declared: Mapping[str, Any]
    searches: int = 0
    """How often it is expected to search the web, which costs extra; 0 where it cannot."""
    fetches: int = 0
    """How often it is expected to read a page, which costs the tokens of that alone."""

    def __repr__(self) -> str:
        return f"NativeTool({self.dialect}, {str(self.declared.get('type'))[:64]})"

    def is_known_to(self, wire: str | None) -> bool:
        """Whether it can be asked for in a wire format."""
        missing = _MISSING.get(wire or "")
        known = dialect_of(wire) == self.dialect
        return known and not (missing and missing.fullmatch(str(self.declared.get("type"))))


def native_part(dialect: Dialect, item: Mapping[str, Any]) -> dict[str, Any]:
    """A block or an item, for a message's content; wire formats of other APIs pass it over."""
    return {"type": PART, "dialect": dialect, "item": item}


def without_native(messages: Sequence[Mapping[str, Any]], *, but: Dialect | None) -> Sequence[Mapping[str, Any]]:
    """The messages with nothing native in them `but` what is of this API. What was said in between is joined."""
    if not any(_is_foreign(part, but) for message in messages for part in _parts(message)):
        return messages
    return [_without(message, but) for message in messages]


def _without(message: Mapping[str, Any], but: Dialect | None) -> Mapping[str, Any]:
    parts = [part for part in _parts(message) if not _is_foreign(part, but)]
    if len(parts) == len(_parts(message)):
        return message
    if all(part.get("type") == "text" for part in parts):
        return {**message, "content": "".join(part["text"] for part in parts) or None}
    return {**message, "content": parts}


def _parts(message: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    content = message.get("content")
    return content if isinstance(content, list) else ()


def _is_foreign(part: Mapping[str, Any], but: Dialect | None) -> bool:
    return part.get("type") == PART and part["dialect"] != but


def family_of(kind: str) -> str:
    """Of a tool's type in OpenAI's Responses, what its versions have in common."""
    return next((family for family in ("web_search", "computer") if kind.startswith(family)), kind)


def dialect_of(wire: str | None) -> Dialect | None:
    """The API that a wire format speaks, where tools of its own can be asked for."""
    return _SPOKEN.get(wire or "")
