"""A generation's record, as GET /generation answers it (reference 7.4).

Where OpenRouter tells more than there is here, or could be read in more than one way:

    tokens_*               what is billed. OpenRouter once counted these with a tokenizer of its own; no text is kept
                           here that could be counted, so they are the provider's, as in the usage of the response
    native_tokens_*        the provider's; null where it told none, and tokens_* are an estimate
    latency                from the request's arrival to the first content, or to the whole answer if it is not streamed
    generation_time        of the attempt that answered, from sending the request to the end of the answer
    upstream_inference_cost  what the provider charges, whoever pays; `usage` and `total_cost` are what we charge, with
                           what a search engine of ours takes, for which there is no member
    cancelled              whether we ended it: its time was up, or its server stopped
"""

from typing import Any

from turnpike.api.times import present_time
from turnpike.domain.activity import endpoint_id_of
from turnpike.domain.apps import origin_of
from turnpike.domain.generation import Attempt, Generation
from turnpike.domain.money import present_usd
from turnpike.domain.slugs import AUTO, FREE


def present_generation(generation: Generation) -> dict[str, Any]:
    attempts, usage = generation.attempts, generation.usage
    return {
        "id": generation.id,
        "request_id": generation.id,
        "created_at": present_time(generation.created_at_s),
        "api_type": generation.api_type,
        "model": generation.model,
        "router": _router(generation.requested_model),
        "provider_name": generation.provider,
        "provider_responses": [_present_attempt(generation, attempt) for attempt in attempts],
        "streamed": generation.streamed,
        "cancelled": bool(attempts) and attempts[-1].outcome == "cancelled",
        "finish_reason": generation.finish_reason,
        "native_finish_reason": generation.native_finish_reason,
        "latency": generation.latency_ms,
        "generation_time": generation.generation_time_ms,
        "total_cost": present_usd(generation.cost),
        "usage": present_usd(generation.cost),
        "upstream_inference_cost": present_usd(generation.upstream_cost),
        "cache_discount": present_usd(generation.cache_discount)
        if usage.cached_tokens or usage.cache_write_tokens
        else None,
        "is_byok": generation.is_byok,
        "tokens_prompt": usage.prompt_tokens,
        "tokens_completion": usage.completion_tokens,
        **_present_native_tokens(generation),
        "num_media_prompt": generation.prompt_media,
        "num_input_audio_prompt": generation.prompt_audio,
        "num_media_completion": generation.completion_media,
        "web_search_engine": generation.search_engine or ("native" if usage.web_search_requests else None),
        "num_search_results": generation.search_results if generation.search_engine else None,
        "upstream_id": generation.upstream_id,
        "service_tier": generation.service_tier,
        "external_user": generation.user,
        "session_id": generation.session_id,
        "http_referer": generation.http_referer,
        "origin": origin_of(generation.http_referer) or "",
        "user_agent": generation.user_agent,
        "data_region": "global",
        "workspace_id": generation.account_id,
        "response_cache_source_id": generation.response_cache_source_id,
        "preset_id": generation.preset_id,
        **_UNKNOWN,
    }


_UNKNOWN: dict[str, None] = dict.fromkeys(("app_id", "moderation_latency", "num_fetches"))
"""Required by the shape, null where there is nothing to tell."""


def _router(requested: str) -> str | None:
    """The name that chose the model, in the place of one: `openrouter/auto`."""
    name = requested.partition(":")[0]
    return name if name in (AUTO, FREE) else None


def _present_native_tokens(generation: Generation) -> dict[str, int | None]:
    usage = generation.usage
    counts = {
        "native_tokens_prompt": usage.prompt_tokens,
        "native_tokens_completion": usage.completion_tokens,
        "native_tokens_completion_images": usage.completion_image_tokens,
        "native_tokens_reasoning": usage.reasoning_tokens,
        "native_tokens_cached": usage.cached_tokens,
    }
    return {name: None if usage.estimated else count for name, count in counts.items()}


def _present_attempt(generation: Generation, attempt: Attempt) -> dict[str, Any]:
    answered = attempt is generation.attempts[-1] and generation.provider is not None
    name = generation.provider if answered else attempt.provider_name
    return {
        "status": attempt.status,
        "endpoint_id": endpoint_id_of(attempt),
        "provider_name": name or attempt.provider,
        "model_permaslug": attempt.model,
        "latency": attempt.latency_ms,
        "is_byok": attempt.is_byok,
        **({"id": generation.upstream_id} if answered and generation.upstream_id else {}),
    }
