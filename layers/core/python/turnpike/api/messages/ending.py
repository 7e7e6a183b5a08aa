"""How an answer ended and what it used, in Anthropic's terms (reference 8.2)."""

from collections.abc import Sequence
from typing import Any

from turnpike.api.inference.cost import present_cost
from turnpike.api.inference.skin import Call

_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
_NATIVE = frozenset({"stop_sequence", "pause_turn", "model_context_window_exceeded", "compaction"})
"""Words that say more than ours, where the provider speaks them."""


def present_stop(call: Call, *, stops: Sequence[str], refusal: str) -> dict[str, Any]:
    """`stops` are the sequences that were to end the answer, `refusal` is why the model would not answer."""
    native, finish = call.native_finish_reason, call.finish_reason
    reason = _STOP_REASONS.get(finish or "", "end_turn")
    if native in _NATIVE and finish in ("stop", "length"):
        reason = str(native)
    return {
        "stop_reason": reason,
        # Which of several it was, no canonical answer says.
        "stop_sequence": stops[0] if reason == "stop_sequence" and len(stops) == 1 else None,
        "stop_details": {"type": "refusal", "explanation": refusal} if reason == "refusal" and refusal else None,
        "container": None,
    }


def present_message_usage(call: Call, *, fetches: int) -> dict[str, Any]:
    """Here what the cache read and wrote is not counted among the rest of the prompt. `fetches` are of pages, which
    cost nothing of their own and are counted where they are told.
    """
    usage = call.usage
    written, hourly = usage.cache_write_tokens, usage.cache_write_1h_tokens
    used = {"web_search_requests": call.web_searches, "web_fetch_requests": fetches}
    return {
        "input_tokens": max(usage.prompt_tokens - usage.cached_tokens - written, 0),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": usage.cached_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": max(written - hourly, 0),
            "ephemeral_1h_input_tokens": hourly,
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
        "server_tool_use": used if any(used.values()) else None,
        "service_tier": "standard" if call.service_tier == "default" else call.service_tier,
        "inference_geo": None,
        **present_cost(call),
    }
