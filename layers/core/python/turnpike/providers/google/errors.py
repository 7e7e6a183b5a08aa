"""Google's errors: https://ai.google.dev/gemini-api/docs/troubleshooting and https://google.aip.dev/193."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from turnpike.domain.errors import UpstreamError
from turnpike.providers.answer import Json
from turnpike.providers.failures import failure, failure_in_answer, parse_failure, parse_retry_after

_STATUSES: Mapping[str, int] = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INTERNAL": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto"""

# The status that says what is meant, where the one that Google answers with does not.
_MEANT = (
    (400, 401, re.compile(r"api key (not valid|expired|not found)", re.IGNORECASE)),
    # "User location is not supported for the API use", "… is not available in your country. Please enable billing".
    (400, 403, re.compile(r"location is not supported|not available in your country|enable billing", re.IGNORECASE)),
    (400, 413, re.compile(r"payload size exceeds", re.IGNORECASE)),
    (429, 402, re.compile(r"credits are depleted|spend(ing)? (cap|limit)", re.IGNORECASE)),
    (499, 408, re.compile("")),
)
_KEY_REASONS = frozenset({"API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "ACCESS_TOKEN_EXPIRED"})

_POLICY = re.compile(r"responsible ai|prohibited use|violat\w* .{0,60}polic", re.IGNORECASE)
_SIGNATURE = re.compile(r"thought.?signature", re.IGNORECASE)

_INPUT_TOKENS = "input_token_count"
_CONTEXT = 1_048_576
"""Tokens that Gemini's models read at once."""


def parse_error(provider: str, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """Header names are in lower case. The body is an error, or a list of one where a stream was asked for."""
    try:
        content = orjson.loads(body)
        error = (content[0] if isinstance(content, list) else content)["error"]
        if isinstance(error, dict):
            return build_error(provider, status, error, retry_after_s=parse_retry_after(headers))
    except (AttributeError, LookupError, TypeError, ValueError):
        pass
    return parse_failure(provider, status, headers, body)


def error_in_answer(provider: str, error: object) -> UpstreamError:
    """Of an answer with status 200, which may have begun well."""
    if not isinstance(error, dict):
        return failure_in_answer(provider, error)
    code = error.get("code")
    known = code if isinstance(code, int) and 400 <= code < 600 else _STATUSES.get(str(error.get("status")), 200)
    return build_error(provider, known, error)


def blocked(provider: str, feedback: Json) -> UpstreamError | None:
    """The prompt was refused, which is an answer with status 200 and no candidate:
    https://ai.google.dev/api/generate-content#PromptFeedback.
    """
    reason = feedback.get("blockReason")
    if not reason or reason in ("BLOCK_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED"):
        return None
    return UpstreamError(
        provider,
        feedback.get("blockReasonMessage") or f"The provider refused the prompt: {reason}",
        upstream_status=200,
        error_type="content_policy_violation",
        retryable=False,
        provider_code=reason,
    )


def build_error(provider: str, status: int, error: Json, *, retry_after_s: int | None = None) -> UpstreamError:
    message, code = str(error.get("message") or ""), error.get("status")
    details = [each for each in error.get("details") or () if isinstance(each, dict)]
    wait = retry_after_s if retry_after_s is not None else _retry_delay(details)
    meant = _meant(status, message, details)
    built = failure(provider, meant, message, code=code if isinstance(code, str) else None, retry_after_s=wait)
    built.upstream_status = status
    if meant == 400 and _POLICY.search(message):
        built.error_type, built.retryable = "content_policy_violation", False
    elif meant == 400 and _SIGNATURE.search(message):
        # A signature is good where it was made only: Vertex AI refuses AI Studio's, and the other way round.
        built.retryable = True
    elif status == 429 and _is_one_prompt(details):
        built.error_type, built.status = "context_length_exceeded", 400
    return built


def _meant(status: int, message: str, details: Iterable[Json]) -> int:
    if status < 500 and any(each.get("reason") in _KEY_REASONS for each in details):
        return 401
    return next((meant for told, meant, words in _MEANT if told == status and words.search(message)), status)


def _is_one_prompt(details: Iterable[Json]) -> bool:
    """Whether the prompt alone may exceed what can be read in a minute: all that is exceeded is the input's
    tokens, and fewer of them are allowed than the model reads at once. With a larger allowance, a prompt that
    is too long gets an honest 400. Another endpoint may still take it, so that it stays retryable.
    """
    violations = [each for detail in details for each in detail.get("violations") or ()]
    return bool(violations) and all(
        str(each.get("quotaMetric")).endswith(_INPUT_TOKENS) and 0 < _number(each.get("quotaValue")) <= _CONTEXT
        for each in violations
    )


def _retry_delay(details: Iterable[Json]) -> int | None:
    """Whole seconds, rounded up, from RetryInfo's `34.4s`."""
    for each in details:
        delay: Any = each.get("retryDelay")
        if isinstance(delay, str) and delay.endswith("s"):
            seconds = _number(delay[:-1])
            return math.ceil(min(seconds, 86_400)) if seconds >= 0 else None
    return None


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return -1
    return number if math.isfinite(number) else -1
