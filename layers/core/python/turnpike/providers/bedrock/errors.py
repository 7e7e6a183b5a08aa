"""What Bedrock means by its exceptions, which say more than the HTTP status they come with."""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from turnpike.domain.errors import UpstreamError
from turnpike.providers.failures import failure, parse_failure, parse_retry_after

_STATUSES: Mapping[str, int] = {
    "accessdenied": 403,
    "expiredtoken": 403,
    "ftuformnotfilled": 403,
    "incompletesignature": 403,
    "internalfailure": 500,
    "internalserver": 500,
    "invalidclienttokenid": 403,
    "invalidsignature": 403,
    "missingauthenticationtoken": 403,
    "modelerror": 500,
    "modelnotready": 503,
    "modelstreamerror": 500,
    "modeltimeout": 408,
    "notauthorized": 403,
    "optinrequired": 403,
    "requestexpired": 403,
    "resourcenotfound": 404,
    "servicequotaexceeded": 429,
    "serviceunavailable": 503,
    "signaturedoesnotmatch": 403,
    "throttling": 429,
    "toomanyrequests": 429,
    "unrecognizedclient": 403,
    "validation": 400,
    "validationerror": 400,
}
"""The status that each stands for, whichever it came with: some are told with 400, or within a stream.

https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html
"""

_CONTEXT = re.compile(
    r"input tokens exceed|input is too long|prompt is too long|too many input tokens|exceed context limit"
    r"|context (length|window)|reduce the length",
    re.IGNORECASE,
)
_POLICY = re.compile(r"content filter", re.IGNORECASE)
# A model id of our catalog that this region or account does not have; another endpoint may.
_NO_MODEL = re.compile(
    r"model identifier is invalid|on-demand throughput isn.t supported|end of its life"
    r"|could not resolve the foundation model|model .{0,80}(is not|isn.t) (available|supported) in",
    re.IGNORECASE,
)


def parse_error_answer(provider: str, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """From a whole HTTP response; header names in lower case."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        content = None
    told = content if isinstance(content, dict) else {}
    name = headers.get("x-amzn-errortype") or _type_of(told)
    if not told and not name:
        return parse_failure(provider, status, headers, body)
    error = failure_of(provider, name, told, status=status, retry_after_s=parse_retry_after(headers))
    error.upstream_status = status
    return error


def failure_of(
    provider: str, name: str, told: Mapping[str, Any], *, status: int = 200, retry_after_s: int | None = None
) -> UpstreamError:
    """From an exception's name, as `ThrottlingException:http://…` or `throttlingException`, and its content.

    `status` counts where the name says nothing.
    """
    # Some names have a namespace before, some an address behind.
    kind = name.partition(":")[0].rpartition("#")[2]
    short = kind.lower().removesuffix("exception")
    message = _message_of(told)
    # 424 is the model's own failure, whatever else HTTP means by it.
    meant, code = _STATUSES.get(short, 500 if status == 424 else status), kind or None
    if meant == 400 and _NO_MODEL.search(message):
        meant = 404
    elif meant == 400 and _CONTEXT.search(message):
        code = "context_length_exceeded"
    elif meant == 400 and _POLICY.search(message):
        code = "content_policy_violation"
    error = failure(provider, meant, message, code=code, retry_after_s=retry_after_s)
    error.provider_code = kind or None
    return error


def _message_of(told: Mapping[str, Any]) -> str:
    for member in ("message", "Message", "originalMessage"):
        text = told.get(member)
        if isinstance(text, str) and text:
            return text
    return ""


def _type_of(told: Mapping[str, Any]) -> str:
    """AWS's gateways name the type in the body: `{"Output": {"__type": …}, "Version": "1.0"}` or flat."""
    output = told.get("Output")
    for place in (told, output if isinstance(output, dict) else {}):
        for member in ("__type", "code"):
            name = place.get(member)
            if isinstance(name, str):
                return name
    return ""
