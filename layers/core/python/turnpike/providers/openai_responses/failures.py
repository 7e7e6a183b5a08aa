"""What the Responses API says when it fails, before an answer begins and inside it, where there is no status."""

from collections.abc import Mapping

from turnpike.domain.errors import UpstreamError
from turnpike.providers.failures import failure, failure_in_answer, parse_failure

_STATUSES: Mapping[str, int] = {
    # https://developers.openai.com/api/docs/guides/error-codes
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "server_is_overloaded": 503,
    "slow_down": 503,
    "vector_store_timeout": 504,
    "context_length_exceeded": 400,
}
"""The status with which a code comes where it is told before the answer begins."""

_POLICY = frozenset({"bio_policy", "misalignment_policy_violation", "image_content_policy_violation"})

_UNVERIFIED = "organization must be verified"
"""The deployment's account lacks a permission, told with status 400."""


def failure_of(provider: str, error: object) -> UpstreamError:
    """From an `error` event, or from the `error` of a response that failed."""
    if not isinstance(error, dict):
        return failure_in_answer(provider, error)
    status = _status(str(error.get("code") or error.get("type") or ""))
    return _classified(failure_in_answer(provider, error if status is None else {**error, "status": status}))


def parse_error(provider: str, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    error = parse_failure(provider, status, headers, body)
    if _UNVERIFIED in error.message:
        error = parse_failure(provider, 403, headers, body)
        error.upstream_status = status
    return _classified(error)


def _status(code: str) -> int | None:
    """The other codes are the server's fault, or of invalid prompts and of images that could not be read:
    https://developers.openai.com/api/reference/resources/responses.
    """
    if code in _STATUSES:
        return _STATUSES[code]
    return 400 if code in _POLICY or code.startswith("invalid_") or "image" in code else None


def _classified(error: UpstreamError) -> UpstreamError:
    if error.provider_code not in _POLICY:
        return error
    refused = failure(error.provider, error.upstream_status or 400, error.message, code="content_policy_violation")
    refused.provider_code = error.provider_code
    return refused
