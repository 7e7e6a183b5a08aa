"""A request's parameters as one provider takes them."""

from collections.abc import Mapping
from typing import Any

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest
from turnpike.providers.caching import takes_breakpoints
from turnpike.providers.openai_compatible.quirks import Quirks
from turnpike.providers.parameters import listed_parameters
from turnpike.providers.reasoning import effort_of


def build_parameters(request: ChatRequest, endpoint: Endpoint, quirks: Quirks) -> dict[str, Any]:
    """`stop` is a list: everyone takes one, and Together nothing else."""
    taken = listed_parameters(request, endpoint, unlisted=quirks.unlisted)
    built = {name: value for name, value in taken.items() if name not in quirks.refused}
    if quirks.breakpoints and takes_breakpoints(endpoint.upstream_model):
        built.update({name: value for name, value in request.parameters.items() if name == "prompt_cache_options"})
    if quirks.reasoning != "object":
        # OpenRouter's own; for others it is said by the response format.
        built.pop("structured_outputs", None)
        reasoning = built.pop("reasoning", None)
        if reasoning:
            built.update(_reasoning(reasoning, request.max_tokens, quirks))
        if quirks.reasoning_flag and "reasoning" in endpoint.supported_parameters:
            built["include_reasoning"] = not (reasoning or {}).get("exclude", False)
    if request.max_tokens is not None:
        built[quirks.max_tokens] = request.max_tokens
    if request.user and quirks.end_user:
        built["user"] = request.user
    return built


def _reasoning(given: Mapping[str, Any], max_tokens: int | None, quirks: Quirks) -> dict[str, Any]:
    effort = effort_of(given, max_tokens)
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
