"""A request's parameters, as far as an endpoint takes them."""

from collections.abc import Mapping
from typing import Any

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import TEXT_ALONE, ChatRequest
from turnpike.domain.tool_choice import is_narrow, narrowed

_NEED_TOOLS = ("tool_choice", "parallel_tool_calls")
"""Refused everywhere where there are no tools."""


def listed_parameters(
    request: ChatRequest,
    endpoint: Endpoint,
    *,
    unlisted: frozenset[str] = frozenset(),
    narrows_tools: bool = True,
) -> dict[str, Any]:
    """The parameters that the endpoint lists, in a dict of the caller's own; one that lists nothing takes all.

    The others are dropped without a word, as OpenRouter does. `unlisted` are taken by every model of the
    provider though no catalog lists them. `narrows_tools`: whether only those tools are sent that may be called, since
    the provider cannot be told which of them may. `stop` is always a list.
    """
    listed = endpoint.supported_parameters
    taken = {
        name: value for name, value in request.parameters.items() if not listed or name in listed or name in unlisted
    }
    if tuple(taken.get("modalities") or ()) == TEXT_ALONE and "modalities" not in listed | unlisted:
        # Whoever does not say that it knows the word answers so anyway, and may refuse the word.
        del taken["modalities"]
    choice = request.parameters.get("tool_choice")
    if narrows_tools and is_narrow(choice):
        # Also where no choice is taken.
        narrow = narrowed({**taken, "tool_choice": choice})
        taken = {name: narrow[name] for name in taken if name in narrow}
    if "tools" not in taken:
        for name in _NEED_TOOLS:
            taken.pop(name, None)
    stop = taken.get("stop")
    if isinstance(stop, str):
        taken["stop"] = [stop]
    return taken


def clamped(value: float, least: float, most: float) -> float:
    """A sampling parameter within the provider's range, which is narrower than OpenAI's for some."""
    return min(max(value, least), most)


def tool_functions(parameters: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The `function` object of every function tool."""
    return [tool["function"] for tool in parameters.get("tools") or () if tool.get("type") == "function"]


def forced_function(tool_choice: Any) -> str | None:
    """The one function's name, where `tool_choice` names one."""
    if isinstance(tool_choice, dict) and tool_choice.get("type") == "function":
        name = tool_choice["function"]["name"]
        return name if isinstance(name, str) else None
    return None
