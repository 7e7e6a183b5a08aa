"""`openrouter_metadata`: how a request was routed, for clients that ask for it (reference 4.16)."""

from typing import Any

from starlette.datastructures import Headers

from turnpike.domain.generation import Attempt
from turnpike.domain.money import present_usd
from turnpike.services.complete_chat import ChatCall

_HEADERS = ("x-openrouter-metadata", "x-openrouter-experimental-metadata")
"""The second is the first one's older name."""


def wants_metadata(headers: Headers) -> bool:
    """https://openrouter.ai/docs/guides/features/router-metadata"""
    return any(headers.get(name, "").lower() == "enabled" for name in _HEADERS)


def present_metadata(call: ChatCall) -> dict[str, Any]:
    """Of a call that is over, whether it was answered or not. `available` are those that could be tried, in order."""
    route, selected = call.route, call.endpoint if call.answered else None
    provider = call.provider.name if selected else "none"
    metadata: dict[str, Any] = {
        "requested": route.requested,
        "strategy": route.strategy,
        "region": None,
        "summary": f"available={len(route)}, selected={provider}",
        "attempt": len(call.attempts),
        "is_byok": call.is_byok,
        "endpoints": {
            "total": len(route.considered),
            "available": [
                {
                    "provider": call.provider_of(endpoint.provider).name,
                    "model": endpoint.model_id,
                    "selected": endpoint is selected,
                }
                for endpoint in route
            ],
        },
        "attempts": [
            {
                "provider": call.provider_of(attempt.provider).name,
                "model": attempt.model,
                "status": _status_of(attempt),
            }
            for attempt in call.attempts
        ],
    }
    if pipeline := _pipeline(call):
        metadata["pipeline"] = pipeline
    if call.generation_time_ms is not None:
        metadata["generation_time"] = call.generation_time_ms
    return metadata


def _pipeline(call: ChatCall) -> list[dict[str, Any]]:
    """What was changed of the prompt for the endpoint that was asked last, and of its answer."""
    stages: list[dict[str, Any]] = []
    if call.searched is not None:
        engine, results = call.searched
        stages.append(
            {
                "type": "plugin",
                "name": "web",
                "summary": f"{engine}, results={results}",
                "data": {"engine": engine, "results": results},
                "cost_usd": present_usd(call.search_cost),
            }
        )
    if call.files_read is not None:
        engine, files = call.files_read
        stages.append(
            {
                "type": "plugin",
                "name": "file-parser",
                "summary": f"{engine}, files={files}",
                "data": {"engine": engine, "files": files},
                "cost_usd": present_usd(call.file_cost),
            }
        )
    if call.shortened is not None:
        before, after = call.shortened
        stages.append(
            {
                "type": "context_compression",
                "name": "context-compression",
                "summary": f"middle-out, {after} of {before} messages left",
                "data": {"engine": "middle-out", "original_count": before, "compressed_count": after},
            }
        )
    if call.choices_healed:
        stages.append(
            {
                "type": "response_healing",
                "name": "response-healing",
                "summary": f"choices healed={call.choices_healed}",
                "data": {"healed_choices": call.choices_healed},
            }
        )
    return stages


def _status_of(attempt: Attempt) -> int:
    """An HTTP status for what had none, or one that says nothing of the failure."""
    if attempt.outcome == "ok":
        return 200
    if attempt.outcome == "cancelled":
        # "Client Closed Request" is the nearest that there is: we hung up, and the provider is not to blame.
        return 499
    if attempt.status is not None and attempt.status >= 400:
        return attempt.status
    if attempt.outcome == "client":
        return 400
    return 504 if attempt.error_type == "timeout" else 502
