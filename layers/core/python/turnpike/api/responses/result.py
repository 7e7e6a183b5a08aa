"""The object `response`: how an answer ended, what it used, and what it was asked for (reference 8.5)."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from turnpike.api.inference.cost import present_cost, present_tool_use
from turnpike.api.inference.skin import Asked, Call
from turnpike.domain.errors import TurnpikeError

LOGPROBS = "message.output_text.logprobs"
"""What is to be included, by OpenAI's word for it."""
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_CODES = {
    "rate_limit_exceeded": "rate_limit_exceeded",
    "context_length_exceeded": "invalid_prompt",
    "invalid_request": "invalid_prompt",
    "content_policy_violation": "image_content_policy_violation",
}
"""Reference 1.4; everything else is `server_error`."""
_CUT_SHORT = frozenset({"context_length_exceeded"})
"""Told as answers for which there was no room (reference 1.4)."""

_COSTS = {
    "upstream_inference_prompt_cost": "upstream_inference_input_cost",
    "upstream_inference_completions_cost": "upstream_inference_output_cost",
}
"""In this API prompts are input, and so they are here (reference 8.5)."""

_REPEATED: Mapping[str, Any] = {
    "instructions": None,
    "metadata": None,
    "temperature": None,
    "top_p": None,
    "presence_penalty": None,
    "frequency_penalty": None,
    "max_output_tokens": None,
    "top_logprobs": 0,
    "tools": [],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "text": {"format": {"type": "text"}},
    "reasoning": None,
    "truncation": "disabled",
    "prompt_cache_key": None,
    "safety_identifier": None,
    "user": None,
}
"""What of a request its answer repeats, and what stands there where nothing was said."""


def present_response(
    call: Call, asked: Asked, output: Sequence[Mapping[str, Any]], status: str | None
) -> dict[str, Any]:
    """`status` is by how the answer ended where it is None."""
    content, reason = asked.content, _INCOMPLETE.get(call.finish_reason or "")
    status = status or status_of(call)
    repeated = {name: fallback if content.get(name) is None else content[name] for name, fallback in _REPEATED.items()}
    return {
        "id": call.id,
        "object": "response",
        "created_at": call.created_at_s,
        "completed_at": max(call.created_at_s, int(time.time())) if status == "completed" else None,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": reason} if status == "incomplete" else None,
        "model": call.endpoint.model_id,
        "provider": call.provider.name,
        "output": list(output),
        "usage": present_responses_usage(call),
        "service_tier": call.service_tier,
        "store": False,
        "background": False,
        "previous_response_id": None,
        **repeated,
    }


def status_of(call: Call) -> str:
    """Of an answer that came to its end."""
    return "incomplete" if call.finish_reason in _INCOMPLETE else "completed"


def present_unfinished(error: TurnpikeError) -> dict[str, Any]:
    """The members of a response that could not be finished."""
    if error.error_type in _CUT_SHORT:
        return {
            "status": "incomplete",
            "error_type": error.error_type,
            "incomplete_details": {"reason": "max_output_tokens"},
        }
    code = _CODES.get(error.error_type, "server_error")
    metadata = {"error_type": error.error_type, **error.metadata}
    return {
        "status": "failed",
        "error": {"code": code, "message": error.message, "metadata": metadata},
        "error_type": error.error_type,
        "incomplete_details": None,
    }


def present_cut(call: Call, asked: Asked, error: TurnpikeError) -> dict[str, Any] | None:
    """The answer that a prompt gets which is too long for the provider; None for other errors."""
    if error.error_type not in _CUT_SHORT:
        return None
    return {**present_response(call, asked, [], "incomplete"), **present_unfinished(error)}


def present_responses_usage(call: Call) -> dict[str, Any]:
    usage, cost = call.usage, present_cost(call)
    details = {_COSTS.get(name, name): amount for name, amount in cost["cost_details"].items()}
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        **cost,
        "cost_details": details,
        **present_tool_use(call),
    }
