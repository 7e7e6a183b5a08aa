"""A request's parameters as one provider takes them."""

from collections.abc import Mapping
from typing import Any

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest
from turnpike.providers.openai_compatible.quirks import Quirks

_EFFORT_RATIOS = {"minimal": 0.1, "low": 0.2, "medium": 0.5, "high": 0.8, "xhigh": 0.95}
"""How much of an answer each effort may spend on reasoning, as OpenRouter divides it."""

_NEED_TOOLS = ("tool_choice", "parallel_tool_calls")
"""Refused where there are no tools."""


def build_parameters(request: ChatRequest, endpoint: Endpoint, quirks: Quirks) -> dict[str, Any]:
    """What an endpoint does not list is dropped, as OpenRouter does; one that lists nothing takes all."""
    listed = endpoint.supported_parameters
    built = {
        quirks.renamed.get(name, name): value
        for name, value in request.parameters.items()
        if (not listed or name in listed or name in quirks.unlisted) and name not in quirks.refused
    }
    if "tools" not in built:
        for name in _NEED_TOOLS:
            built.pop(name, None)
    stop = built.get("stop")
    if isinstance(stop, str):
        # Everyone takes a list; Together takes nothing else.
        built["stop"] = [stop]
    if quirks.reasoning != "object":
        # OpenRouter's own; for others it is said by the response format.
        built.pop("structured_outputs", None)
        reasoning = built.pop("reasoning", None)
        if reasoning:
            built.update(_reasoning(reasoning, request.max_tokens, quirks))
        if quirks.reasoning_flag and "reasoning" in listed:
            built["include_reasoning"] = not (reasoning or {}).get("exclude", False)
    if request.max_tokens is not None:
        built[quirks.max_tokens] = request.max_tokens
    if request.user and quirks.end_user:
        built["user"] = request.user
    return built


def _reasoning(given: Mapping[str, Any], max_tokens: int | None, quirks: Quirks) -> dict[str, Any]:
    effort = _effort(given, max_tokens)
    if effort is None:
        return {}
    native = quirks.efforts.get(effort, effort)
    if quirks.reasoning == "effort":
        return {"reasoning_effort": native}
    on = effort != "none"
    switch: dict[str, Any] = (
        {"reasoning": {"enabled": on}}
        if quirks.reasoning == "toggle"
        else {"thinking": {"type": "enabled" if on else "disabled"}}
    )
    return {**switch, "reasoning_effort": native} if on else switch


def _effort(given: Mapping[str, Any], max_tokens: int | None) -> str | None:
    """OpenRouter's one word for how much to reason; None to leave it to the model."""
    effort = given.get("effort")
    if effort is not None:
        return str(effort)
    budget = given.get("max_tokens")
    if budget is not None and max_tokens is not None:
        return min(_EFFORT_RATIOS, key=lambda each: abs(_EFFORT_RATIOS[each] * max_tokens - budget))
    enabled = given.get("enabled")
    if budget is not None or enabled:
        return "medium"
    return "none" if enabled is False else None
