"""A generation's record, as GET /generation answers it."""

from typing import Any

from turnpike.api.times import present_time
from turnpike.domain.generation import Attempt, Generation
from turnpike.domain.money import present_usd


def present_generation(generation: Generation) -> dict[str, Any]:
    usage = generation.usage
    return {
        "id": generation.id,
        "request_id": generation.id,
        "created_at": present_time(generation.created_at_s),
        "api_type": "completions",
        "model": generation.model,
        "provider_name": generation.provider,
        "provider_responses": [_present_attempt(generation, attempt) for attempt in generation.attempts],
        "streamed": generation.streamed,
        "cancelled": False,
        "finish_reason": generation.finish_reason,
        "native_finish_reason": generation.native_finish_reason,
        "latency": generation.latency_ms,
        "generation_time": generation.generation_time_ms,
        "moderation_latency": None,
        "total_cost": present_usd(generation.cost),
        "usage": present_usd(generation.cost),
        "upstream_inference_cost": present_usd(generation.upstream_cost),
        "cache_discount": None,
        "tokens_prompt": usage.prompt_tokens,
        "tokens_completion": usage.completion_tokens,
        "native_tokens_prompt": usage.prompt_tokens,
        "native_tokens_completion": usage.completion_tokens,
        "native_tokens_reasoning": usage.reasoning_tokens,
        "native_tokens_cached": usage.cached_tokens,
        "upstream_id": generation.upstream_id,
        "service_tier": generation.service_tier,
        "external_user": generation.user,
        "session_id": generation.session_id,
        "http_referer": generation.http_referer,
        "origin": generation.http_referer or "",
        "user_agent": generation.user_agent,
        "is_byok": False,
        "data_region": "global",
        "workspace_id": generation.account_id,
        "response_cache_source_id": generation.response_cache_source_id,
        **_NOT_COUNTED,
    }


_NOT_COUNTED: dict[str, None] = dict.fromkeys(
    (
        "app_id",
        "native_tokens_completion_images",
        "num_fetches",
        "num_input_audio_prompt",
        "num_media_completion",
        "num_media_prompt",
        "num_search_results",
        "preset_id",
        "router",
        "web_search_engine",
    )
)
"""Required by the shape, null where there is nothing to tell."""


def _present_attempt(generation: Generation, attempt: Attempt) -> dict[str, Any]:
    succeeded = attempt is generation.attempts[-1] and attempt.error_type is None
    return {
        "status": attempt.status,
        "provider_name": attempt.provider,
        "model_permaslug": attempt.model,
        "latency": attempt.latency_ms,
        "is_byok": False,
        **({"id": generation.upstream_id} if succeeded and generation.upstream_id else {}),
    }
