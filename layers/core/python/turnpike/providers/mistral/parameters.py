"""A request's parameters as Mistral takes them: https://docs.mistral.ai/api/endpoint/chat."""

from collections.abc import Mapping
from typing import Any

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest
from turnpike.providers.mistral.families import family_of
from turnpike.providers.parameters import clamped, listed_parameters, tool_functions
from turnpike.providers.reasoning import effort_of

_TAKEN = frozenset(
    {
        "frequency_penalty",
        "parallel_tool_calls",
        "presence_penalty",
        "prompt_cache_key",
        "stop",
        # "none", "auto", "required" or a function; "any" is an older word for "required".
        "tool_choice",
        "top_p",
    }
)
"""As they are. Others are a 422, "Extra inputs are not permitted"."""

_HOTTEST = 1.5
"""The end of its range: https://docs.mistral.ai/api/endpoint/chat"""

_NO_ARGUMENTS: Mapping[str, Any] = {"type": "object", "properties": {}}


def build_parameters(request: ChatRequest, endpoint: Endpoint) -> dict[str, Any]:
    taken = listed_parameters(request, endpoint, unlisted=frozenset({"prompt_cache_key"}))
    built = {name: value for name, value in taken.items() if name in _TAKEN and value is not None}
    built.update(_sampling(taken))
    functions = tool_functions(taken)
    if functions:
        built["tools"] = [_tool(function) for function in functions]
    if (taken.get("response_format") or {}).get("type") in ("text", "json_object", "json_schema"):
        built["response_format"] = taken["response_format"]
    prediction = _prediction(taken.get("prediction") or {})
    if prediction:
        built["prediction"] = {"type": "content", "content": prediction}
    if request.max_tokens is not None:
        built["max_tokens"] = request.max_tokens
    effort = effort_of(taken.get("reasoning") or {}, request.max_tokens)
    if effort is not None:
        family = family_of(endpoint.upstream_model)
        built[family.parameter] = family.values[effort]
    return built


def _sampling(taken: Mapping[str, Any]) -> dict[str, Any]:
    built: dict[str, Any] = {}
    temperature = taken.get("temperature")
    if temperature is not None:
        built["temperature"] = clamped(temperature, 0, _HOTTEST)
    if temperature == 0:
        # "top_p must be 1 when using greedy sampling", and its default is less where the model reasons.
        built["top_p"] = 1
    if taken.get("seed") is not None:
        built["random_seed"] = abs(taken["seed"])
    return built


def _tool(function: Mapping[str, Any]) -> dict[str, Any]:
    # Parameters are required, unlike at OpenAI.
    described = {"name": function["name"], "parameters": function.get("parameters") or _NO_ARGUMENTS}
    described.update({name: function[name] for name in ("description", "strict") if function.get(name) is not None})
    return {"type": "function", "function": described}


def _prediction(given: Mapping[str, Any]) -> str:
    """OpenAI's may come in parts."""
    content = given.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text") or "" for part in content)
