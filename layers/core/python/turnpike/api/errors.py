"""Errors as OpenRouter's clients read them: `{"error": {code, message, metadata, availability?}}`."""

from collections.abc import Mapping
from typing import Any

from turnpike.domain.availability import Availability
from turnpike.domain.errors import TurnpikeError


def present_error_body(
    error: TurnpikeError, call_id: str | None = None, beside: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """`beside` are members of the body that stand next to the error. The id is in a header."""
    return {"error": present_error(error), **(beside or {})}


def present_error(error: TurnpikeError) -> dict[str, Any]:
    """The error object, to stand alone in a body or inside a stream's chunk."""
    body: dict[str, Any] = {
        "code": error.status,
        "message": error.message,
        "metadata": {"error_type": error.error_type, **error.metadata},
    }
    if error.availability is not None:
        body["availability"] = present_availability(error.availability)
    return body


def error_headers(error: TurnpikeError) -> dict[str, str]:
    retry = {} if error.retry_after_s is None else {"retry-after": str(error.retry_after_s)}
    return {**error.headers, **retry}


def present_availability(availability: Availability) -> dict[str, Any]:
    presented: dict[str, Any] = {
        "code": availability.code,
        "retryable": availability.retryable,
        "requested_models": list(availability.requested_models),
        "docs_url": "https://openrouter.ai/docs/guides/routing/provider-routing",
    }
    if availability.retry_after_s is not None:
        presented["retry_after"] = availability.retry_after_s
    if availability.affected_providers:
        presented["affected_providers"] = list(availability.affected_providers)
    if availability.excluded_by:
        presented["excluded_by"] = list(availability.excluded_by)
    if availability.fallback_models:
        presented["fallback_models"] = list(availability.fallback_models)
    if availability.constraint is not None:
        field, detail = availability.constraint
        presented["constraint"] = {"field": field, "detail": detail}
    if availability.candidates:
        presented["candidates"] = [candidate._asdict() for candidate in availability.candidates]
    return presented
