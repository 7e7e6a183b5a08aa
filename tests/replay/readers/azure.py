"""Azure's chat completions, which are OpenAI's with the content filter's members.

https://learn.microsoft.com/azure/foundry/openai/concepts/content-filter-severity-levels
"""

import json
from typing import Any

from turnpike.domain.chat import Usage

from tests.replay.expected import Expected, ExpectedError
from tests.replay.recordings import Exchange

_REFUSED = "refused this deployment's credential or contract"

ERRORS = {
    "azure/azure_errors[0]": ExpectedError("content_policy_violation", retryable=False, message="was filtered"),
    "azure/azure_errors[1]": ExpectedError("not_found", retryable=True, message="deployment"),
    "azure/azure_errors[2]": ExpectedError("rate_limit_exceeded", retryable=True, message="rate limit"),
    "azure/azure_errors[3]": ExpectedError("rate_limit_exceeded", retryable=True, message="quota", retry_after_s=26),
    "azure/azure_errors[4]": ExpectedError("provider_unavailable", retryable=True, message=_REFUSED),
    "azure/azure_errors[5]": ExpectedError("not_found", retryable=True, message="does not work with"),
    "azure/azure_errors[6]": ExpectedError("context_length_exceeded", retryable=False, message="8192 tokens"),
    "azure/azure_errors[7]": ExpectedError("provider_unavailable", retryable=True, message=_REFUSED),
    "azure/azure_errors[8]": ExpectedError("not_found", retryable=True, message="not found"),
}


def expected(exchange: Exchange) -> Expected:
    if not exchange.streamed:
        answer = json.loads(exchange.body)
        (choice,) = answer["choices"]
        return _read([choice["message"]], choice["finish_reason"], answer["usage"], answer["id"], None)
    lines = [line.removeprefix("data: ") for line in exchange.body.decode().splitlines()]
    chunks = [json.loads(line) for line in lines if line.startswith("{")]
    choices = [choice for chunk in chunks for choice in chunk.get("choices") or ()]
    finishes = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
    error = None
    if "error" in chunks[-1]:
        error = {"content_filter": "content_policy_violation"}[chunks[-1]["error"]["code"]]
    elif not finishes:
        error = "provider_unavailable"
    return _read(
        [choice.get("delta") or {} for choice in choices],
        finishes[0] if finishes else None,
        next((chunk["usage"] for chunk in chunks if chunk.get("usage")), None),
        # The first chunks, about the prompt alone, have an empty one.
        next(chunk["id"] for chunk in chunks if chunk.get("id")),
        error,
    )


def _read(messages: list[Any], finish: str | None, usage: Any, answer_id: str, error: str | None) -> Expected:
    calls: dict[int, list[Any]] = {}
    for message in messages:
        for fragment in message.get("tool_calls") or ():
            call = calls.setdefault(fragment["index"], [fragment.get("id"), fragment["function"].get("name"), ""])
            call[2] += fragment["function"]["arguments"]
    return Expected(
        text="".join(message.get("content") or "" for message in messages),
        calls=[(call_id, name, json.loads(arguments)) for call_id, name, arguments in calls.values()],
        finish=finish,
        native=finish,
        usage=usage
        and Usage(
            prompt_tokens=usage["prompt_tokens"],
            completion_tokens=usage["completion_tokens"],
            cached_tokens=usage["prompt_tokens_details"]["cached_tokens"],
            reasoning_tokens=usage["completion_tokens_details"]["reasoning_tokens"],
        ),
        upstream_id=answer_id,
        error=error,
    )
