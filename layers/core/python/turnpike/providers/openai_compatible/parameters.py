"""A request's parameters as one provider takes them."""

import re
from collections.abc import Mapping
from typing import Any

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest
from turnpike.providers.caching import takes_breakpoints
from turnpike.providers.openai_compatible.quirks import Pattern, Quirks
from turnpike.providers.parameters import clamped, listed_parameters
from turnpike.providers.reasoning import effort_of


def build_parameters(request: ChatRequest, endpoint: Endpoint, quirks: Quirks) -> dict[str, Any]:
    """`stop` is a list: everyone takes one, and Together nothing else."""
    built = _taken(request, endpoint, quirks)
    if quirks.breakpoints and takes_breakpoints(endpoint.upstream_model):
        built.update({name: value for name, value in request.parameters.items() if name == "prompt_cache_options"})
    if quirks.reasoning != "object":
        # OpenRouter's own; for others it is said by the response format.
        built.pop("structured_outputs", None)
        reasoning = built.pop("reasoning", None)
        if not request.stream and _matches(quirks.reasons_in_streams, endpoint):
            built["enable_thinking"] = False
        elif reasoning:
            built.update(_reasoning(reasoning, request.max_tokens, quirks))
        if quirks.reasoning_flag and "reasoning" in endpoint.supported_parameters:
            built["include_reasoning"] = not (reasoning or {}).get("exclude", False)
    if request.max_tokens is not None:
        built[quirks.max_tokens] = request.max_tokens
    if request.user and quirks.end_user:
        built["user"] = request.user
    if request.stream and "tools" in built and _matches(quirks.streams_calls, endpoint):
        built["tool_stream"] = True
    return built


def _taken(request: ChatRequest, endpoint: Endpoint, quirks: Quirks) -> dict[str, Any]:
    """What the endpoint lists and does not refuse, within its range."""
    taken = listed_parameters(request, endpoint, unlisted=quirks.unlisted)
    refused = quirks.refused
    if quirks.refused_by is not None and _matches(quirks.refused_by[0], endpoint):
        refused = refused | quirks.refused_by[1]
    taken = {name: value for name, value in taken.items() if name not in refused}
    if quirks.hottest is not None and "temperature" in taken:
        taken["temperature"] = clamped(taken["temperature"], 0, quirks.hottest)
    if "tools" in taken and not quirks.verbatim:
        # Without marks for caching, which are Anthropic's, and a 400 to OpenAI.
        taken["tools"] = [{name: tool[name] for name in ("type", "function")} for tool in taken["tools"]]
    if not quirks.forced_tools and taken.pop("tool_choice", "auto") == "none":
        taken.pop("tools", None)
    return taken


def _matches(models: Pattern | None, endpoint: Endpoint) -> bool:
    return models is not None and re.match(models, endpoint.upstream_model) is not None


def _reasoning(given: Mapping[str, Any], max_tokens: int | None, quirks: Quirks) -> dict[str, Any]:
    effort = effort_of(given, max_tokens)
    if effort is None:
        return {}
    native = quirks.efforts.get(effort, effort)
    if quirks.reasoning == "effort":
        return {"reasoning_effort": native}
    on = effort != "none"
    if quirks.reasoning == "flag":
        budget = given.get("max_tokens")
        return {"enable_thinking": on, "thinking_budget": budget} if on and budget else {"enable_thinking": on}
    switch: dict[str, Any] = (
        {"reasoning": {"enabled": on}}
        if quirks.reasoning == "toggle"
        else {"thinking": {"type": "enabled" if on else "disabled"}}
    )
    return {**switch, "reasoning_effort": native} if on and quirks.reasoning != "switch" else switch
