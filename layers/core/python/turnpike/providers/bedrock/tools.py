"""Tools as Converse and its models take them.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolConfiguration.html
"""

from collections.abc import Mapping, Sequence
from typing import Any

from turnpike.domain.chat import Message
from turnpike.providers.bedrock.families import Family
from turnpike.providers.bedrock.messages import Block, cache_point, has_calls
from turnpike.providers.bedrock.schemas import closed_schema, object_schema, plain_schema
from turnpike.providers.caching import cache_ttl
from turnpike.providers.parameters import forced_function


def build_tools(
    parameters: Mapping[str, Any], messages: Sequence[Message], family: Family, *, strict: bool
) -> tuple[Block | None, Mapping[str, Any]]:
    """(toolConfig, fields of the model's own). `strict`: whether schemas may be enforced.

    A conversation with calls needs tools to be defined, so they stay where none is to be called (only Claude can
    be told so), and stand in for themselves where the client defines them no more.
    """
    tools = [_tool(tool, family, strict=strict) for tool in parameters.get("tools") or () if tool.get("function")]
    specs = [block for blocks in tools for block in blocks]
    choice = parameters.get("tool_choice")
    if has_calls(messages):
        specs = specs or [{"toolSpec": _stand_in(name)} for name in _called(messages)]
    elif choice == "none":
        specs = []
    if not specs:
        return None, {}
    config: Block = {"tools": specs}
    demanded = _choice(choice, specs, family)
    single = parameters.get("parallel_tool_calls") is False
    if family.is_claude and (single or choice == "none"):
        # Anthropic's own form, which says more: https://docs.anthropic.com/en/docs/build-with-claude/tool-use
        return config, {"tool_choice": _anthropic_choice(choice, demanded)}
    if demanded:
        config["toolChoice"] = demanded
    return config, {}


def forces_tool(parameters: Mapping[str, Any], family: Family) -> bool:
    choice = parameters.get("tool_choice")
    return family.tool_choice != "auto" and (choice == "required" or forced_function(choice) is not None)


def _tool(tool: Mapping[str, Any], family: Family, *, strict: bool) -> list[Block]:
    function = tool["function"]
    spec: Block = {"name": function["name"]}
    if (function.get("description") or "").strip():
        spec["description"] = function["description"]
    schema_of = plain_schema if family.plain_schemas else object_schema
    spec["inputSchema"] = {"json": schema_of(function.get("parameters") or {})}
    if strict and function.get("strict"):
        spec["inputSchema"] = {"json": closed_schema(spec["inputSchema"]["json"])}
        spec["strict"] = True
    ttl = cache_ttl(tool) or cache_ttl(function)
    marked = ttl and "tools" in family.caching
    return [{"toolSpec": spec}, cache_point(ttl, family)] if ttl and marked else [{"toolSpec": spec}]


def _stand_in(name: str) -> Block:
    return {"name": name, "inputSchema": {"json": object_schema({})}}


def _called(messages: Sequence[Message]) -> list[str]:
    """The names of the tools that were called, each once, or of one that nobody remembers."""
    calls = [call for message in messages for call in message.get("tool_calls") or ()]
    return list(dict.fromkeys(call["function"]["name"] for call in calls)) or ["tool"]


def _choice(choice: Any, specs: list[Block], family: Family) -> Block | None:
    """None leaves it to the model. Where no single tool can be demanded, it becomes the only one."""
    name = forced_function(choice)
    if family.tool_choice == "auto" or (name is None and choice != "required"):
        return None
    if name is None or family.tool_choice == "tool":
        return {"any": {}} if name is None else {"tool": {"name": name}}
    specs[:] = [spec for spec in specs if spec.get("toolSpec", {}).get("name") == name] or specs
    return {"any": {}}


def _anthropic_choice(choice: Any, demanded: Block | None) -> Block:
    if choice == "none":
        return {"type": "none"}
    kind, value = next(iter((demanded or {"auto": {}}).items()))
    return {"type": kind, **value, "disable_parallel_tool_use": True}
