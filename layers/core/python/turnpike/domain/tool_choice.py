"""Which tools a model may call, and which it must.

`tool_choice` is `none`, `auto` or `required`, names one tool, or narrows the choice as OpenAI has it in chats: its type
is `allowed_tools`, and its member of that name has a `mode`, `auto` or `required`, and `tools` that each name one.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from turnpike.domain.chat import ChatRequest
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.searches import OPTIONS

ALLOWED = "allowed_tools"


def check_tool_choice(request: ChatRequest) -> None:
    """Raises InvalidRequest for a choice that cannot be made: providers refuse it, each in words of its own, or answer
    as if nothing had been said.
    """
    choice = request.parameters.get("tool_choice")
    if choice in (None, "none", "auto"):
        return
    names = {tool["function"]["name"] for tool in request.parameters.get("tools") or ()}
    names.update(tool.declared["name"] for tool in request.native_tools if tool.declared.get("name"))
    # OpenRouter's tool that searches: no parameter holds it.
    searches = request.plugins.web is not None and request.plugins.web.as_tool
    if choice == "required":
        if not (names or request.native_tools or searches or OPTIONS in request.parameters):
            raise InvalidRequest("there are no tools to choose from; send tools, or auto", field="tool_choice")
        return
    if searches and is_narrow(choice):
        raise InvalidRequest(
            "among some tools alone a search of the web has no place; leave it out", field="tool_choice"
        )
    for name in _named(choice):
        if name not in names:
            raise InvalidRequest(f"there is no tool {name[:64]} among the tools", field="tool_choice")


def narrowed(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The same choice for those who know no other way: of the functions those that may be called, in their order."""
    choice = parameters.get("tool_choice")
    if not is_narrow(choice):
        return dict(parameters)
    names = set(_named(choice))
    tools = [tool for tool in parameters.get("tools") or () if tool["function"]["name"] in names]
    kept = {name: value for name, value in parameters.items() if name != "tools"}
    return {**kept, "tool_choice": choice[ALLOWED]["mode"], **({"tools": tools} if tools else {})}


def is_narrow(choice: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(choice, Mapping) and choice.get("type") == ALLOWED


def _named(choice: Mapping[str, Any]) -> Iterator[str]:
    """The functions that a choice names."""
    for each in choice[ALLOWED]["tools"] if is_narrow(choice) else (choice,):
        if each.get("type") == "function":
            yield each["function"]["name"]
