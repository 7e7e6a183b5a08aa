"""Anthropic's errors: https://platform.claude.com/docs/en/api/errors."""

import re
from collections.abc import Mapping

from turnpike.domain.errors import UpstreamError
from turnpike.providers.failures import failure, parse_failure

_STATUS_OF: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""For an error inside a stream, whose own status was 200."""

# What comes with the status 400 and is no fault of the request. A retired credential or an unpaid bill is ours
# to mend, so another provider may be asked.
_MEANT: tuple[tuple[re.Pattern[str], int, str | None], ...] = (
    (re.compile(r"credit balance is too low|API usage limits", re.IGNORECASE), 402, None),
    (re.compile(r"organization has been disabled|data retention", re.IGNORECASE), 403, None),
    (re.compile(r"exceed context limit", re.IGNORECASE), 400, "context_length_exceeded"),
    (re.compile(r"content filtering policy", re.IGNORECASE), 400, "content_policy_violation"),
)


def parse_error(provider: str, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    error = parse_failure(provider, status, headers, body)
    return _as_meant(error, status) if status == 400 else error


def error_in_stream(provider: str, given: object) -> UpstreamError:
    """From the `error` member of an event."""
    error = given if isinstance(given, dict) else {}
    kind, message = error.get("type"), error.get("message")
    code = kind if isinstance(kind, str) else None
    status = _STATUS_OF.get(code or "", 200)
    text = message if isinstance(message, str) and message else "The provider broke off the answer"
    return _as_meant(failure(provider, status, text, code=code), status)


def _as_meant(error: UpstreamError, status: int) -> UpstreamError:
    for pattern, meant, code in _MEANT:
        if pattern.search(error.message):
            understood = failure(error.provider, meant, error.message, code=code, retry_after_s=error.retry_after_s)
            understood.upstream_status, understood.provider_code = status, error.provider_code
            return understood
    return error
