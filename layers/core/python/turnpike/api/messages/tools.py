"""The tools of a request: functions, and of Anthropic's own those that can be had here.

https://platform.claude.com/docs/en/agents-and-tools/tool-use/tool-reference
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from turnpike.api.messages.schema import MessagesBody, OtherTool
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.native import NativeTool
from turnpike.domain.searches import MOST, TOOL

_SEARCH = re.compile(r"web_search_\d{8}")
_FETCH = re.compile(r"web_fetch_\d{8}")
"""It costs nothing but the tokens of what is fetched: https://platform.claude.com/docs/en/about-claude/pricing."""
_RUN_BY_CLIENTS = re.compile(r"(?:bash|text_editor|computer|memory)_\d{8}")
"""Their calls are those of functions."""
_NO_FILTER = {"web_search_20250305", "web_fetch_20250910"}

_RUN_YOURSELF = "send a tool with an input_schema and run it yourself"
_REFUSED = {
    "code_execution_": "it is charged by the hour of a container, of which no answer tells; " + _RUN_YOURSELF,
    "advisor_": "it is answered by another model, at another price; ask that model yourself",
    "tool_search_tool_": "it has no tools to look through here; send those that are needed",
    "mcp_toolset": "connect to the server yourself and send its tools with their input_schema",
    "computer_toolset_": "send computer_20251124 to a model that takes it, or " + _RUN_YOURSELF,
    "browser_toolset_": _RUN_YOURSELF,
}
"""By the beginning of a type: what to do without it."""


def function_tools(given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """From a validated body's tools."""
    return [_function(tool) for tool in given if tool.get("type") in (None, "custom")]


def native_tools(body: MessagesBody, given: Sequence[Mapping[str, Any]]) -> tuple[NativeTool, ...]:
    """Raises InvalidRequest for those that cannot be passed on, and says what to do without them."""
    if body.mcp_servers:
        raise InvalidRequest(f"no server is connected to here; {_REFUSED['mcp_toolset']}", field="mcp_servers")
    found = []
    for place, tool in enumerate(body.tools or ()):
        if isinstance(tool, OtherTool) and tool.type != TOOL:
            found.append(_native(tool.type, given[place], f"tools.{place}"))
    return tuple(found)


def _native(kind: str, given: Mapping[str, Any], path: str) -> NativeTool:
    searches = _SEARCH.fullmatch(kind)
    if not searches and not _FETCH.fullmatch(kind):
        if not _RUN_BY_CLIENTS.fullmatch(kind):
            raise _refusal(kind, path)
        return NativeTool("messages", _uncalled_by_code(given, path))
    declared = _uncalled_by_code(given, path)
    if kind not in _NO_FILTER:
        # The later versions filter what they find with code unless they are told not to. It is free of charge, but a
        # turn that waits for the client can only go on by the name of its container, and that is not the client's.
        declared = {**declared, "allowed_callers": ["direct"]}
    most = _most_uses(declared, path)
    return NativeTool("messages", {**declared, "max_uses": most}, **{"searches" if searches else "fetches": most})


def _uncalled_by_code(given: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    if given.get("allowed_callers") not in (None, ["direct"]):
        raise InvalidRequest(
            'code that calls tools would run in a container, and none are kept here; leave it out, or send ["direct"]',
            field=f"{path}.allowed_callers",
        )
    return given


def _most_uses(declared: Mapping[str, Any], path: str) -> int:
    most = declared.get("max_uses")
    if most is None:
        return MOST
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise InvalidRequest("Input should be a whole number above 0, or left out", field=f"{path}.max_uses")
    return most


def _refusal(kind: str, path: str) -> InvalidRequest:
    advice = next((advice for start, advice in _REFUSED.items() if kind.startswith(start)), _RUN_YOURSELF)
    return InvalidRequest(f"{kind[:64]} is a tool that this deployment does not have; {advice}", field=f"{path}.type")


def _function(given: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": given["name"], "parameters": given["input_schema"]}
    function.update({name: given[name] for name in ("description", "strict") if given.get(name) is not None})
    tool: dict[str, Any] = {"type": "function", "function": function}
    return tool if given.get("cache_control") is None else {**tool, "cache_control": given["cache_control"]}
