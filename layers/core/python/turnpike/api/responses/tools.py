"""A request's tools as functions, and their calls as the client knows them.

This API groups tools in namespaces, brings more of them along in the conversation, and has tools that take a text or
find further tools. To models all of them are functions; a namespace is part of the name.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from turnpike.api.responses.native import is_idle, refusal_of, travels
from turnpike.domain.custom_tools import parameters_of_text
from turnpike.domain.searches import TOOL

Json = Mapping[str, Any]

_LONGEST_NAME = 64
"""Of a function, to most providers."""
_KINDS = ("function", "custom")
SEARCH = "tool_search"
_TOOLS = "tools"
_BRING_TOOLS = ("additional_tools", "tool_search_output")


@dataclass(frozen=True, slots=True)
class Declared:
    """One of the client's tools: a function, a custom one, or the search for tools."""

    tool: Json
    namespace: str | None = None

    @property
    def kind(self) -> str:
        return str(self.tool["type"])

    @property
    def address(self) -> dict[str, Any]:
        """The members with which its calls name it."""
        namespace = {"namespace": self.namespace} if self.namespace else {}
        return {"name": self.tool["name"], **namespace}


def function_name(name: str, namespace: str | None = None) -> str:
    """The name by which a model knows a tool."""
    if not namespace:
        return name
    full = f"{namespace}__{name}"
    # Cut short, it must still be unlike any other.
    return full if len(full) <= _LONGEST_NAME else f"{full[:47]}_{sha256(full.encode()).hexdigest()[:16]}"


def declared_tools(content: Json) -> dict[str, Declared]:
    """By the name that models know, without those that are no functions. From a validated body. Raises InvalidRequest
    for tools that are not to be had here.
    """
    found = dict(_declared(content.get("tools") or (), _TOOLS))
    given = content["input"]
    for place, item in enumerate(given if isinstance(given, list) else ()):
        if item.get("type") in _BRING_TOOLS:
            found.update(_declared(item["tools"], f"input.{place}.tools"))
    return found


def names_of(item: Json) -> list[str]:
    """What models know the tools by that an item brings along."""
    return [name for name, _ in _declared(item["tools"], "")]


def build_function(name: str, declared: Declared) -> dict[str, Any]:
    """The tool as chat completions have it."""
    tool = declared.tool
    function: dict[str, Any] = {"name": name}
    if declared.kind == "custom":
        described = filter(None, [tool.get("description"), _grammar(tool)])
        return {**function, "description": "\n\n".join(described), "parameters": parameters_of_text("All of the input")}
    members = ("description", "parameters", "strict")
    return {**function, **{member: tool[member] for member in members if tool.get(member) is not None}}


def _declared(tools: Sequence[Json], path: str) -> Iterator[tuple[str, Declared]]:
    for place, tool in enumerate(tools):
        if tool["type"] in _KINDS:
            yield tool["name"], Declared(tool)
        elif tool["type"] == "namespace":
            namespace = tool["name"]
            for each in tool["tools"]:
                yield function_name(each["name"], namespace), Declared(each, namespace)
        elif tool["type"] == SEARCH and tool.get("execution") == "client":
            yield SEARCH, Declared(tool)
        elif tool["type"] == TOOL and path == _TOOLS:
            continue
        elif not is_idle(tool) and not (path == _TOOLS and travels(tool)):
            raise refusal_of(tool, f"{path}.{place}.type")


def _grammar(tool: Json) -> str | None:
    """OpenAI's models are held to it; others have to be told."""
    form = tool.get("format") or {}
    if form.get("type") != "grammar":
        return None
    return f"The input must fit this {form['syntax']} grammar:\n{form['definition']}"
