"""Errors as Anthropic's clients read them (reference 1.4)."""

from collections.abc import Mapping
from typing import Any

from turnpike.api.errors import present_availability
from turnpike.domain.errors import ContextExceeded, InvalidRequest, TurnpikeError

_TYPES = {
    "authentication": "authentication_error",
    "permission_denied": "permission_error",
    "payment_required": "billing_error",
    "not_found": "not_found_error",
    "rate_limit_exceeded": "rate_limit_error",
    "provider_overloaded": "overloaded_error",
    "timeout": "timeout_error",
}


_TOO_LONG = "prompt is too long"


class ThreadRefused(InvalidRequest):
    """Conversations are not kept here. Anthropic's SDK, whose tool runner asks for it unasked, sends all of the
    conversation itself once it is told so in these words.
    """

    details: Mapping[str, Any] = {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}

    def __init__(self) -> None:
        super().__init__("nothing is stored here; send the whole conversation as messages", field="thread")


def present_message_error(error: TurnpikeError) -> dict[str, Any]:
    """The `error` of a body or an event."""
    fallback = "invalid_request_error" if error.status < 500 else "api_error"
    presented: dict[str, Any] = {
        "type": _TYPES.get(error.error_type, fallback),
        "message": _message_of(error),
        "error_type": error.error_type,
    }
    if isinstance(error, ThreadRefused):
        presented["details"] = dict(error.details)
    if error.availability is not None:
        presented["availability"] = present_availability(error.availability)
    return presented


def _message_of(error: TurnpikeError) -> str:
    """Claude Code shortens a conversation and goes on when it reads Anthropic's words for one that is too long."""
    if error.error_type != "context_length_exceeded" or _TOO_LONG in error.message.lower():
        return error.message
    if isinstance(error, ContextExceeded):
        return f"{_TOO_LONG}: {error.tokens} tokens > {error.context} maximum. {error.message}"
    return f"{_TOO_LONG}. {error.message}"


def present_message_error_body(
    error: TurnpikeError, call_id: str | None = None, beside: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    metadata = {"metadata": dict(error.metadata)} if error.metadata else {}
    return {
        "type": "error",
        "error": present_message_error(error),
        "request_id": call_id,
        **metadata,
        **(beside or {}),
    }
