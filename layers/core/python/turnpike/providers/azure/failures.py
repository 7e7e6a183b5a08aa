"""Azure's errors: https://learn.microsoft.com/azure/foundry/openai/how-to/troubleshoot-errors."""

import re

from turnpike.domain.errors import UpstreamError
from turnpike.providers.failures import failure

_WAIT = re.compile(r"(?:retry|try again) (?:after|in) (\d{1,6}) (second|minute|hour)", re.IGNORECASE)
_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
_LONGEST_WAIT_S = 86_400

_BLOCKED = "resource has been temporarily blocked"
"""The deployment's account, and no fault of this prompt, though the message goes on about policies."""

_MISPLACED = frozenset({"OperationNotSupported", "DeploymentNotFound", "unavailable_model", "unsupported_api_version"})
"""The deployment is not what the catalog says; another endpoint of the model may be, whatever the status."""


def completed(error: UpstreamError) -> UpstreamError:
    """The error with what only Azure's texts and codes say."""
    if _BLOCKED in error.message:
        return failure(error.provider, 403, code=error.provider_code)
    if error.provider_code in _MISPLACED:
        misplaced = failure(error.provider, 404, error.message, code=error.provider_code)
        misplaced.upstream_status = error.upstream_status
        return misplaced
    if error.retry_after_s is None and error.error_type == "rate_limit_exceeded":
        error.retry_after_s = parse_wait(error.message)
    return error


def parse_wait(message: str) -> int | None:
    """Seconds, from "Please retry after 6 seconds." in the message of a 429 without the header."""
    match = _WAIT.search(message)
    return min(int(match[1]) * _SECONDS[match[2].lower()], _LONGEST_WAIT_S) if match else None
