"""A request's parameters in Anthropic's terms: https://platform.claude.com/docs/en/api/messages/create."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from turnpike.providers.anthropic.content import Block, cache_mark, text_block
from turnpike.providers.anthropic.messages import Turn
from turnpike.providers.anthropic.schemas import constrained, object_schema
from turnpike.providers.anthropic.traits import Traits
from turnpike.providers.caching import cache_ttl
from turnpike.providers.parameters import clamped, forced_function

UNLISTED = frozenset({"cache_control", "parallel_tool_calls", "service_tier", "verbosity"})
"""Taken by every model, or by those whose traits say so, though no catalog lists them."""

# "auto" takes the capacity that was bought in advance where there is any; there is nothing like `flex`:
# https://platform.claude.com/docs/en/api/service-tiers
_SERVICE_TIERS = {"auto": "auto", "priority": "auto", "default": "standard_only", "standard": "standard_only"}

_TOOL_CHOICES = {"auto": "auto", "none": "none", "required": "any"}

_LEAST_TOP_P_WHILE_THINKING = 0.95

_JSON = "Answer with one JSON object and nothing else: no words around it, and no code fence."


def build_sampling(taken: Mapping[str, Any], traits: Traits, *, thinking: bool) -> dict[str, Any]:
    """What would end in an error is left out, as OpenRouter does."""
    if traits.sampling == "none":
        return {}
    built: dict[str, Any] = {}
    temperature, top_p, top_k = (taken.get(name) for name in ("temperature", "top_p", "top_k"))
    if thinking:
        # "`temperature` may only be set to 1 when thinking is enabled", and top_k not at all.
        temperature = top_k = None
        top_p = top_p if top_p is not None and top_p >= _LEAST_TOP_P_WHILE_THINKING else None
    if traits.sampling == "either" and temperature is not None and top_p is not None:
        # Of the two, the one that changes something.
        temperature, top_p = (None, top_p) if temperature == 1 else (temperature, None)
    if temperature is not None:
        built["temperature"] = clamped(temperature, 0, 1)
    if top_p is not None:
        built["top_p"] = top_p
    if top_k:
        # OpenRouter's 0 means that there is no limit.
        built["top_k"] = top_k
    return built


def build_tools(
    taken: Mapping[str, Any], own: Sequence[Mapping[str, Any]], turns: Sequence[Turn], traits: Traits
) -> dict[str, Any]:
    """`tools` and `tool_choice`. A conversation with calls needs their tools, even where no more are to be made.

    `own` are Anthropic's, which are sent as they are.
    """
    tools = [_tool(tool, traits) for tool in taken.get("tools") or () if tool.get("type") == "function"]
    # Marks may be taken away from what is sent, and not from the request.
    tools += map(dict, own)
    if not tools:
        names = [block["name"] for turn in turns for block in turn["content"] if block["type"] == "tool_use"]
        known = [{"name": name, "input_schema": object_schema(None)} for name in dict.fromkeys(names)]
        return {"tools": known, "tool_choice": {"type": "none"}} if known else {}
    choice = _tool_choice(taken, traits)
    return {"tools": tools, "tool_choice": choice} if choice else {"tools": tools}


def is_forced(taken: Mapping[str, Any]) -> bool:
    choice = taken.get("tool_choice")
    return choice == "required" or forced_function(choice) is not None


def build_format(taken: Mapping[str, Any], traits: Traits) -> tuple[dict[str, Any] | None, Block | None]:
    """(`output_config.format`, what to say in the system prompt where the API has no such thing).

    There is no mode for JSON without a schema: https://platform.claude.com/docs/en/test-and-evaluate/
    strengthen-guardrails/increase-consistency asks for it in words.
    """
    asked = taken.get("response_format") or {}
    kind = asked.get("type")
    schema = (asked.get("json_schema") or {}).get("schema")
    if kind == "json_schema" and schema:
        if traits.structured:
            return {"type": "json_schema", "schema": constrained(schema)}, None
        return None, text_block(f"{_JSON} It has to fit this JSON schema:\n{orjson.dumps(schema).decode()}")
    return None, text_block(_JSON) if kind in ("json_schema", "json_object") else None


def build_others(taken: Mapping[str, Any], user: str | None) -> dict[str, Any]:
    built: dict[str, Any] = {}
    # "each stop sequence must contain non-whitespace"
    stops = [stop for stop in taken.get("stop") or () if stop.strip()]
    if stops:
        built["stop_sequences"] = stops
    if user:
        built["metadata"] = {"user_id": user}
    tier = _SERVICE_TIERS.get(str(taken.get("service_tier")))
    if tier:
        built["service_tier"] = tier
    return built


def _tool(tool: Mapping[str, Any], traits: Traits) -> dict[str, Any]:
    function = tool["function"]
    built: dict[str, Any] = {"name": function["name"]}
    if function.get("description"):
        built["description"] = function["description"]
    schema = object_schema(function.get("parameters"))
    strict = bool(function.get("strict")) and traits.structured
    built["input_schema"] = constrained(schema) if strict else schema
    if strict:
        built["strict"] = True
    ttl = cache_ttl(tool) or cache_ttl(function)
    if ttl is not None:
        built["cache_control"] = cache_mark(ttl)
    return built


def _tool_choice(taken: Mapping[str, Any], traits: Traits) -> dict[str, Any] | None:
    asked = taken.get("tool_choice")
    built: dict[str, Any] | None = None
    if is_forced(taken) and not traits.forced_tools:
        # As with any parameter that a model does not have; an error would end every answer.
        asked = "auto"
    name = forced_function(asked)
    if name is not None:
        built = {"type": "tool", "name": name}
    elif isinstance(asked, str) and asked in _TOOL_CHOICES:
        built = {"type": _TOOL_CHOICES[asked]}
    if taken.get("parallel_tool_calls") is False and (built is None or built["type"] != "none"):
        built = {**(built or {"type": "auto"}), "disable_parallel_tool_use": True}
    return built
