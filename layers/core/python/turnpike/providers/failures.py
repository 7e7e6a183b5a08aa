"""From what a provider says when it fails to an UpstreamError: which kind, and whether another may do better."""

import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from turnpike.domain.errors import ErrorType, UpstreamError

_LONGEST_MESSAGE = 2_000
_LONGEST_WAIT_S = 86_400

_REFUSED = "The provider refused this deployment's credential or contract"
"""Instead of the provider's own words, which name accounts and parts of keys."""

_RETRYABLE: Mapping[int, ErrorType] = {
    401: "provider_unavailable",
    402: "provider_unavailable",
    403: "provider_unavailable",
    404: "not_found",
    405: "not_found",
    408: "timeout",
    409: "provider_unavailable",
    410: "not_found",
    425: "provider_unavailable",
    429: "rate_limit_exceeded",
    # "Flex tier capacity exceeded": https://console.groq.com/docs/errors
    498: "provider_overloaded",
    503: "provider_overloaded",
    504: "timeout",
    524: "timeout",
    529: "provider_overloaded",
}
"""Statuses below 500 that another endpoint may not answer with, and those whose kind is more precise."""

_FINAL: Mapping[int, ErrorType] = {413: "payload_too_large", 422: "unprocessable"}

# No funds, told as 429 by OpenAI, Moonshot and Z.AI and as 400 by Alibaba:
# https://platform.openai.com/docs/guides/error-codes, https://platform.kimi.ai/docs/api/errors,
# https://docs.z.ai/api-reference/api-code, https://www.alibabacloud.com/help/en/model-studio/error-code
_NO_FUNDS = frozenset({"insufficient_quota", "exceeded_current_quota_error", "1113", "Arrearage"})

# Codes that say more than the status they come with.
_CODES: Mapping[str, ErrorType] = {
    "context_length_exceeded": "context_length_exceeded",
    "string_above_max_length": "context_length_exceeded",
    "content_policy_violation": "content_policy_violation",
    "content_filter": "content_policy_violation",
    "moderation_blocked": "content_policy_violation",
    # Groq answers 413 with it when one request exceeds the tokens of a minute: another provider may take it.
    "rate_limit_exceeded": "rate_limit_exceeded",
    **dict.fromkeys(_NO_FUNDS, "provider_unavailable"),
    # The model's own output was invalid, told with status 400: https://console.groq.com/docs/tool-use
    "tool_use_failed": "provider_unavailable",
    "json_validate_failed": "provider_unavailable",
}
_CONTEXT = re.compile(
    r"context.{0,10}(length|window)|prompt is too long|too many (input )?tokens|reduce the length"
    r"|maximum (number of )?(input )?tokens|input (is )?too (long|large)"
    # Z.AI's and Alibaba's.
    r"|prompt exceeds max length|range of input length should be",
    re.IGNORECASE,
)
_POLICY = re.compile(
    # "Content Exists Risk" is DeepSeek's.
    r"content (management )?policy|usage (policies|guidelines)|safety (system|guidelines)|content exists risk"
    r"|flagged|moderation",
    re.IGNORECASE,
)
# xAI answers 400 to a wrong key: https://docs.x.ai/docs/key-information/debugging
_WRONG_KEY = re.compile(r"(incorrect|invalid) api.?key|api.?key not valid", re.IGNORECASE)
_SECRET = re.compile(r"\b((sk|gsk|xai|fw|tgp|pplx|bearer)[-_ ][\w*.-]{12,}|AIza[\w-]{16,})", re.IGNORECASE)


def failure(
    provider: str,
    status: int,
    message: str = "",
    *,
    code: str | None = None,
    retry_after_s: int | None = None,
) -> UpstreamError:
    """What a status with a message and a code means. `status` is 200 for an error inside an answer."""
    error_type, retryable = _classify(status, code or "", message)
    refused = error_type == "provider_unavailable" and (status in (401, 402, 403) or _is_refusal(code, message))
    if refused:
        message = _REFUSED
    return UpstreamError(
        provider,
        present_message(message) or f"The provider answered with HTTP status {status}",
        upstream_status=status,
        error_type=error_type,
        retryable=retryable,
        provider_code=code,
        retry_after_s=retry_after_s,
        is_refusal=refused,
    )


def unreadable(provider: str, what: str) -> UpstreamError:
    """An answer with status 200 that is none; `what` says so to the client."""
    return UpstreamError(provider, what, upstream_status=200, error_type="provider_unavailable", retryable=True)


def unreachable(provider: str, what: str, *, error_type: ErrorType = "provider_unavailable") -> UpstreamError:
    """Nothing was answered, or it broke off."""
    return UpstreamError(provider, what, upstream_status=None, error_type=error_type, retryable=True)


def parse_failure(provider: str, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """From a whole HTTP response that is not an answer; header names in lower case."""
    message, code, wait = _read(body)
    retry_after_s = parse_retry_after(headers)
    return failure(provider, status, message, code=code, retry_after_s=wait if retry_after_s is None else retry_after_s)


def failure_in_answer(provider: str, error: object) -> UpstreamError:
    """From an `error` member inside an answer with status 200."""
    message, code = _describe(error)
    status = _status_of(error)
    if status == 200 and code in _NO_FUNDS:
        status = 429
    return failure(provider, status, message or "The provider broke off the answer", code=code)


def present_message(message: str) -> str:
    """Fit for a client: without anything that looks like a credential, and not too long."""
    # Cut first, and with room to spare: the pattern should not search megabytes.
    cut = message[: 2 * _LONGEST_MESSAGE].strip()
    return _SECRET.sub("[credential]", cut)[:_LONGEST_MESSAGE]


def parse_retry_after(headers: Mapping[str, str]) -> int | None:
    """Seconds, rounded up, from `Retry-After` or the millisecond forms of OpenAI and Azure."""
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        milliseconds = _number(headers.get(name))
        if milliseconds is not None:
            return _wait(milliseconds / 1000)
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None:
        return _wait(seconds)
    # An HTTP date is read against the provider's own clock, which needs no other.
    until, now = _date(value), _date(headers.get("date"))
    return _wait(until - now) if until is not None and now is not None else None


def _classify(status: int, code: str, message: str) -> tuple[ErrorType, bool]:
    """(error type, whether another endpoint may do better)."""
    known = _CODES.get(code)
    if known is not None:
        return known, known in ("rate_limit_exceeded", "provider_unavailable")
    if status in (400, 403, 413, 422):
        if _POLICY.search(message):
            return "content_policy_violation", False
        if _CONTEXT.search(message):
            return "context_length_exceeded", False
        if _WRONG_KEY.search(message):
            return "provider_unavailable", True
    if status in _RETRYABLE:
        return _RETRYABLE[status], True
    if 400 <= status < 500:
        return _FINAL.get(status, "invalid_request"), False
    return "provider_unavailable", True


def _is_refusal(code: str | None, message: str) -> bool:
    return code in _NO_FUNDS or _WRONG_KEY.search(message) is not None


def _read(body: bytes) -> tuple[str, str | None, int | None]:
    """(message, code, seconds to wait) from whatever a provider puts into the body of an error."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        text = body[: 4 * _LONGEST_MESSAGE].decode("utf-8", "replace").strip()
        # A proxy's page says nothing that a client of an API could use.
        return ("" if text.startswith("<") else text), None, None
    if isinstance(content, list) and content:
        content = content[0]
    if not isinstance(content, dict):
        return _text(content), None, None
    error = content.get("error", content)
    message, code = _describe(error)
    if error is not content and code is None:
        code = _code(content)
    return message, code, _body_wait(error)


def _describe(error: object) -> tuple[str, str | None]:
    """(message, code) of an error object in any of its shapes."""
    if not isinstance(error, dict):
        return _text(error), None
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    # OpenRouter's own message is then always the same: https://openrouter.ai/docs/api-reference/errors
    message = raw if isinstance(raw, str) and raw else error.get("message") or error.get("detail")
    return _text(message if message is not None else error.get("errors")), _code(error)


def _code(error: Mapping[str, Any]) -> str | None:
    for name in ("code", "type"):
        value = error.get(name)
        if isinstance(value, str) and value:
            return value[:64]
        if isinstance(value, int) and not 400 <= value < 600:
            return str(value)
    return None


def _status_of(error: object) -> int:
    """The status that an error inside an answer stands for; 200 when it does not say."""
    if isinstance(error, dict):
        for name in ("status_code", "code", "status"):
            value = error.get(name)
            if isinstance(value, str) and value.isdecimal():
                value = int(value)
            if isinstance(value, int) and 400 <= value < 600:
                return value
    return 200


def _text(value: object) -> str:
    """The words in a message that may be a string, a list of validation errors, or nested once more."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        if "msg" in value:
            place = value.get("loc")
            path = ".".join(str(part) for part in place) + ": " if isinstance(place, list) else ""
            return f"{path}{value['msg']}"
        return _text(value.get("message") or value.get("detail") or "")
    if isinstance(value, list):
        return "; ".join(filter(None, (_text(each) for each in value[:8])))
    return ""


def _body_wait(error: object) -> int | None:
    if not isinstance(error, dict):
        return None
    availability = error.get("availability")
    seconds = availability.get("retry_after") if isinstance(availability, dict) else None
    return _wait(seconds) if isinstance(seconds, int | float) else None


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "nan")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _date(value: str | None) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp() if value else None
    except ValueError:
        return None


def _wait(seconds: float) -> int:
    return math.ceil(min(max(seconds, 0), _LONGEST_WAIT_S))
