"""The tools that this API defines, and the items that come of them. Those that can be charged for right travel as they
are, to endpoints that speak it: https://developers.openai.com/api/docs/guides/tools
"""

from collections.abc import Mapping, Sequence
from typing import Any

from turnpike.domain.chat import Message
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.native import PART, NativeTool, family_of
from turnpike.domain.searches import MOST

Json = Mapping[str, Any]

SEARCH_CALL = "web_search_call"
"""Who does not know such items loses nothing by their being left out: what was found is in what was said."""
CALLS = frozenset(
    {"local_shell_call", "shell_call", "apply_patch_call", "computer_call"}
    | {"mcp_list_tools", "mcp_call", "mcp_approval_request"}
)
"""Of an answer's items, those that nobody else can make anything of."""
RESULTS = frozenset(
    {"local_shell_call_output", "shell_call_output", "apply_patch_call_output", "computer_call_output"}
    | {"mcp_approval_response"}
)
"""What the client hands in on them."""

_SEARCHES = frozenset({"web_search", "web_search_2025_08_26"})
_PREVIEW = "web_search_preview"
_OTHERS = frozenset({"mcp", "local_shell", "apply_patch", "computer", "computer_use_preview"})
"""A server of tools that the provider calls, for which it charges tokens alone; and what the client runs."""

_REFUSED: Mapping[str, str] = {
    "file_search": "it reads vector stores of the provider's account, which is not yours; put the texts into the "
    "input, or search them with a function of your own",
    "code_interpreter": "its containers have a fee that no answer tells; run code yourself, with a function or the "
    "tool shell in a local environment",
    "image_generation": "it draws with another model, at that one's price; ask a model that draws, or POST /images",
    "x_search": "what it reads has a price that no answer tells; leave it out, or search with web_search",
    "shell": 'its containers have a fee that no answer tells; run it yourself, with the environment {"type": "local"}',
}


def is_idle(tool: Json) -> bool:
    """A search that may not leave the provider's own cache, which Codex offers to every model unasked."""
    return tool["type"] in _SEARCHES and tool.get("external_web_access") is False


def travels(tool: Json) -> bool:
    """Whether it goes to the provider as it is."""
    kind = tool["type"]
    if kind == "shell":
        environment = tool.get("environment")
        return environment is None or (isinstance(environment, Mapping) and environment.get("type") == "local")
    return kind in _OTHERS or _searches(kind)


def refusal_of(tool: Json, field: str) -> InvalidRequest:
    kind = str(tool["type"])[:64]
    if travels(tool):
        return InvalidRequest(f"{kind} can only stand among the tools of the request", field=field)
    why = _REFUSED.get(kind, "send tools of type function, custom or namespace, and run them yourself")
    return InvalidRequest(f"this deployment does not have the tool {kind}: {why}", field=field)


def native_tools(content: Json) -> tuple[NativeTool, ...]:
    """From a validated body."""
    most = content.get("max_tool_calls") or MOST
    return tuple(
        NativeTool("responses", _declared(tool), most if _searches(tool["type"]) else 0)
        for tool in content.get("tools") or ()
        if travels(tool) and not is_idle(tool)
    )


def native_choice(choice: Json, tools: Sequence[NativeTool]) -> dict[str, Any]:
    """A choice that names one of them. Raises InvalidRequest."""
    if not any(family_of(tool.declared["type"]) == family_of(choice["type"]) for tool in tools):
        raise InvalidRequest(f"there is no tool {str(choice['type'])[:64]} to choose in tools", field="tool_choice")
    return dict(choice)


def native_parameters(content: Json) -> dict[str, Any]:
    """What is said of them beside their declarations."""
    shown = [each for each in content.get("include") or () if each.startswith(f"{SEARCH_CALL}.")]
    members = {"include": shown, "max_tool_calls": content.get("max_tool_calls")}
    return {name: value for name, value in members.items() if value}


def needs_dialect(given: object) -> bool:
    """Whether items of the input can be read by this API alone."""
    return isinstance(given, list) and any(item.get("type") in CALLS | RESULTS for item in given)


def is_hollow(message: Message) -> bool:
    """Whether an answer is nothing to those who do not speak this API."""
    content = message.get("content")
    if message["role"] != "assistant" or not isinstance(content, list):
        return False
    said = message.get("tool_calls") or message.get("images")
    return not said and all(part["type"] == PART for part in content)


def _searches(kind: str) -> bool:
    return kind in _SEARCHES or kind.startswith(_PREVIEW)


def _declared(tool: Json) -> Json:
    # Said or not: a container of the provider's has a fee.
    return (
        {**tool, "environment": {"type": "local"}} if tool["type"] == "shell" and not tool.get("environment") else tool
    )
