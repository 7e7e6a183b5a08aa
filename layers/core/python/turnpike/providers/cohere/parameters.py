"""A request's parameters as Cohere takes them: https://docs.cohere.com/reference/chat."""

from collections.abc import Mapping
from typing import Any

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest
from turnpike.providers.parameters import clamped, forced_function, listed_parameters, tool_functions
from turnpike.providers.reasoning import budget_of, effort_of

_RENAMED = {"temperature": "temperature", "stop": "stop_sequences", "logprobs": "logprobs"}
"""What is taken as it is. `priority` is no service tier: it has no price, and the highest is the default."""

_LEAST_ANSWER = 1000
"""Tokens to leave for the answer after its thoughts: https://docs.cohere.com/docs/reasoning"""

_NO_ARGUMENTS: Mapping[str, Any] = {"type": "object", "properties": {}}


def build_parameters(request: ChatRequest, endpoint: Endpoint) -> dict[str, Any]:
    """Everything that Cohere does not name is left out."""
    taken = listed_parameters(request, endpoint)
    built = {name: taken[given] for given, name in _RENAMED.items() if given in taken}
    built.update(_sampling(taken))
    built.update(_tools(taken))
    if request.max_tokens is not None:
        built["max_tokens"] = request.max_tokens
    form = _response_format(taken.get("response_format") or {})
    if form:
        built["response_format"] = form
    thinking = _thinking(taken.get("reasoning") or {}, request.max_tokens or endpoint.max_completion_tokens)
    if thinking:
        built["thinking"] = thinking
    return built


def _sampling(taken: Mapping[str, Any]) -> dict[str, Any]:
    built: dict[str, Any] = {}
    if taken.get("top_p") is not None:
        built["p"] = clamped(taken["top_p"], 0.01, 0.99)
    if taken.get("top_k") is not None:
        built["k"] = int(clamped(taken["top_k"], 0, 500))
    if taken.get("seed") is not None:
        built["seed"] = abs(taken["seed"])
    for name in ("frequency_penalty", "presence_penalty"):
        penalty = clamped(taken.get(name) or 0, 0, 1)
        # "Cannot specify both frequency_penalty and presence_penalty": https://docs.cohere.com/reference/errors
        if penalty and "frequency_penalty" not in built:
            built[name] = penalty
    return built


def _tools(taken: Mapping[str, Any]) -> dict[str, Any]:
    """Cohere can force a call, but not which: then the tool to call is the only one."""
    functions = tool_functions(taken)
    choice = taken.get("tool_choice")
    forced = forced_function(choice)
    if forced is not None:
        functions = [function for function in functions if function["name"] == forced] or functions
    if not functions:
        return {}
    built: dict[str, Any] = {"tools": [_tool(function) for function in functions]}
    if forced is not None or choice == "required":
        built["tool_choice"] = "REQUIRED"
    elif choice == "none":
        built["tool_choice"] = "NONE"
    if all(_is_strict(function) for function in functions):
        built["strict_tools"] = True
    return built


def _tool(function: Mapping[str, Any]) -> dict[str, Any]:
    # Required, unlike at OpenAI.
    described = {"name": function["name"], "parameters": function.get("parameters") or _NO_ARGUMENTS}
    if function.get("description"):
        described["description"] = function["description"]
    return {"type": "function", "function": described}


def _is_strict(function: Mapping[str, Any]) -> bool:
    """Strictness is for all tools or none, and each must then have a required parameter.

    https://docs.cohere.com/docs/structured-outputs
    """
    return bool(function.get("strict") and (function.get("parameters") or {}).get("required"))


def _response_format(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """A schema stands bare in `json_schema`, without a name; plain text is the default."""
    schema = (given.get("json_schema") or {}).get("schema")
    if given.get("type") == "json_schema" and schema:
        return {"type": "json_object", "json_schema": schema}
    return {"type": "json_object"} if given.get("type") in ("json_object", "json_schema") else None


def _thinking(reasoning: Mapping[str, Any], limit: int | None) -> dict[str, Any] | None:
    """`limit`: the most tokens of the whole answer. Models that reason do so unless they are told not to."""
    effort = effort_of(reasoning, None)
    if effort is None:
        return None
    if effort == "none":
        return {"type": "disabled"}
    budget = reasoning.get("max_tokens")
    if budget is None and reasoning.get("effort") is not None and limit is not None:
        budget = budget_of(reasoning, limit)
    if budget is None:
        return {"type": "enabled"}
    if limit is not None:
        budget = min(budget, max(limit - _LEAST_ANSWER, limit // 2))
    return {"type": "enabled", "token_budget": max(budget, 1)}
