"""The parts of Gemini's answers that say how they ended and what they cost."""

from collections.abc import Mapping
from typing import Any

from turnpike.domain.chat import FinishReason, Usage
from turnpike.providers.answer import Json

FINISH_REASONS: Mapping[str, FinishReason] = {
    "STOP": "stop",
    "FINISH_REASON_UNSPECIFIED": "stop",
    "MAX_TOKENS": "length",
    # "Token generation was stopped because the response reached the per-request token limit."
    "CONTINUATION": "length",
    **dict.fromkeys(
        (
            "SAFETY",
            "RECITATION",
            "LANGUAGE",
            "BLOCKLIST",
            "PROHIBITED_CONTENT",
            "SPII",
            "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT",
            "IMAGE_RECITATION",
            "MODEL_ARMOR",
            "ESCALATION",
        ),
        "content_filter",
    ),
}
"""https://ai.google.dev/api/generate-content#FinishReason and
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/GenerateContentResponse#FinishReason"""

FAILURES: Mapping[str, str] = {
    "MALFORMED_FUNCTION_CALL": "The model called a function in a way that cannot be read",
    "UNEXPECTED_TOOL_CALL": "The model called a function that it was not given",
    "TOO_MANY_TOOL_CALLS": "The model called too many functions",
    "MALFORMED_RESPONSE": "The model's answer was malformed",
    "MISSING_THOUGHT_SIGNATURE": "The conversation misses a thought signature",
    "NO_IMAGE": "The model made no image",
    "PUP_LIMITED_DISABLED": "The provider refused this deployment's credential or contract",
}
"""Ends that are no answer, whatever was said before; asked again, another endpoint or the same may do better."""

_COUNTS = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")

_TIERS: Mapping[str, str] = {
    "standard": "default",
    "flex": "flex",
    "priority": "priority",
    "ON_DEMAND_FLEX": "flex",
    "ON_DEMAND_PRIORITY": "priority",
}


def has_counts(usage: Json) -> bool:
    """Vertex AI sends usage without any number until the end."""
    return any(name in usage for name in _COUNTS)


def parse_usage(usage: Json, searches: int = 0) -> Usage:
    """https://ai.google.dev/api/generate-content#UsageMetadata: thoughts are not among the candidates' tokens, and
    searches are not among the counts.
    """
    thoughts = _count(usage, "thoughtsTokenCount")
    return Usage(
        prompt_tokens=_count(usage, "promptTokenCount") + _count(usage, "toolUsePromptTokenCount"),
        completion_tokens=_count(usage, "candidatesTokenCount") + thoughts,
        cached_tokens=_count(usage, "cachedContentTokenCount"),
        reasoning_tokens=thoughts,
        prompt_audio_tokens=sum(
            _of_modality("AUDIO", usage, name) for name in ("promptTokensDetails", "toolUsePromptTokensDetails")
        ),
        completion_audio_tokens=_of_modality("AUDIO", usage, "candidatesTokensDetails"),
        completion_image_tokens=_of_modality("IMAGE", usage, "candidatesTokensDetails"),
        cached_audio_tokens=_of_modality("AUDIO", usage, "cacheTokensDetails"),
        web_search_requests=searches,
        # Pages of a document are images: https://ai.google.dev/gemini-api/docs/document-processing
        prompt_image_tokens=sum(
            _of_modality(modality, usage, name)
            for modality in ("IMAGE", "DOCUMENT")
            for name in ("promptTokensDetails", "toolUsePromptTokensDetails")
        ),
    )


def queries_in(metadata: Json) -> set[str]:
    """What was searched for, as `groundingMetadata` has it; empty ones among them are not charged."""
    queries = metadata.get("webSearchQueries")
    return {query for query in queries if query and isinstance(query, str)} if isinstance(queries, list) else set()


def parse_service_tier(usage: Json) -> str | None:
    return _TIERS.get(str(usage.get("serviceTier") or usage.get("trafficType")).removeprefix("SERVICE_TIER_"))


def parse_logprobs(result: Json) -> dict[str, Any] | None:
    """As OpenAI has them: https://ai.google.dev/api/generate-content#LogprobsResult."""
    chosen = result.get("chosenCandidates")
    if not chosen:
        return None
    others = result.get("topCandidates") or [{}] * len(chosen)
    return {
        "content": [
            {**_token(token), "top_logprobs": [_token(each) for each in other.get("candidates") or ()]}
            for token, other in zip(chosen, others, strict=False)
        ]
    }


def _token(given: Json) -> dict[str, Any]:
    token = given.get("token") or ""
    return {"token": token, "logprob": given.get("logProbability") or 0.0, "bytes": list(token.encode())}


# Both read whatever is there: usage is looked at last, when an answer cannot become unreadable any more.
def _of_modality(modality: str, usage: Json, name: str) -> int:
    details = usage.get(name)
    return sum(
        _count(each, "tokenCount")
        for each in (details if isinstance(details, list) else ())
        if isinstance(each, dict) and each.get("modality") == modality
    )


def _count(usage: Json, name: str) -> int:
    count = usage.get(name)
    return count if isinstance(count, int) else 0
