"""Mistral's chat completions: https://docs.mistral.ai/api/endpoint/chat."""

import json
from collections.abc import Iterable
from typing import Any

from turnpike.domain.chat import Usage

from tests.replay.expected import Expected, ExpectedError
from tests.replay.recordings import Exchange

_REFUSED = ExpectedError(
    "provider_unavailable", retryable=True, message="refused this deployment's credential or contract"
)

ERRORS = {
    "mistral/mistral_validation_error[0]": ExpectedError(
        "unprocessable", retryable=False, message="body.stream_options: Extra inputs are not permitted"
    ),
    "mistral/mistral_validation_error[1]": ExpectedError(
        "unprocessable", retryable=False, message="body.messages: Field required"
    ),
    "mistral/mistral_validation_error[2]": _REFUSED,
    **{
        f"mistral/mistral_errors[{index}]": meant
        for index, meant in enumerate(
            [
                ExpectedError("context_length_exceeded", retryable=False, message="131072 maximum context"),
                ExpectedError("not_found", retryable=True, message="Invalid model: mistral-huge"),
                ExpectedError("invalid_request", retryable=False, message="Unexpected role 'user'"),
                ExpectedError("rate_limit_exceeded", retryable=True, message="Rate limit", retry_after_s=3),
                ExpectedError("rate_limit_exceeded", retryable=True, message="Service tier capacity exceeded"),
                ExpectedError("provider_overloaded", retryable=True, message="Service tier capacity exceeded"),
                ExpectedError("not_found", retryable=True, message="no Route matched"),
                _REFUSED,
            ]
        )
    },
}

_ERRORS_BY_STATUS = {429: "rate_limit_exceeded", 503: "provider_overloaded"}


def expected(exchange: Exchange) -> Expected:
    if exchange.streamed:
        lines = exchange.body.decode().splitlines()
        events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
    else:
        events = [json.loads(exchange.body)]
    told = [event for event in events if event["object"] != "error"]
    choices = [choice for event in told for choice in event["choices"]]
    messages = [choice.get("delta") or choice.get("message") for choice in choices]
    chunks = [chunk for message in messages for chunk in _chunks(message)]
    native = next((choice["finish_reason"] for choice in choices if choice["finish_reason"]), None)
    error = None if native not in (None, "error") else "provider_unavailable"
    if len(told) < len(events):
        error = _ERRORS_BY_STATUS[events[-1]["raw_status_code"]]
    return Expected(
        text="".join(chunk["text"] for chunk in chunks if chunk["type"] == "text"),
        reasoning="".join(_thought(chunk) for chunk in chunks if chunk["type"] == "thinking"),
        calls=_calls(messages),
        details=_details(chunks),
        annotations=sum(
            len(chunk.get("reference_ids", ["one"])) for chunk in chunks if chunk["type"].endswith("reference")
        ),
        finish=None if error else {"model_length": "length"}.get(str(native), native),
        native=None if error else native,
        usage=_usage([event["usage"] for event in told if event.get("usage")]),
        upstream_id=told[0]["id"] if told else None,
        error=error,
    )


def _chunks(message: Any) -> list[Any]:
    content = message.get("content") or ""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _thought(chunk: Any) -> str:
    thinking = chunk["thinking"]
    return thinking if isinstance(thinking, str) else "".join(piece["text"] for piece in thinking)


def _details(chunks: list[Any]) -> list[tuple[str, str, str]]:
    """Thoughts without text between them are one."""
    blocks: list[list[Any]] = [[]]
    for chunk in chunks:
        if chunk["type"] == "thinking":
            blocks[-1].append(chunk)
        elif chunk.get("text") and blocks[-1]:
            blocks.append([])
    return [
        (
            "reasoning.text",
            "".join(_thought(chunk) for chunk in block),
            "".join(chunk.get("signature", "") for chunk in block),
        )
        for block in blocks
        if block
    ]


def _usage(given: list[Any]) -> Usage | None:
    if not given:
        return None
    usage = given[-1]
    details = usage.get("prompt_tokens_details") or usage.get("prompt_token_details") or {}
    return Usage(
        prompt_tokens=usage["prompt_tokens"],
        completion_tokens=usage["total_tokens"] - usage["prompt_tokens"],
        cached_tokens=details.get("cached_tokens", usage.get("num_cached_tokens", 0)),
        reasoning_tokens=usage.get("completion_tokens_details", {}).get("reasoning_tokens", 0),
        prompt_audio_tokens=details.get("audio_tokens", 0),
    )


def _calls(messages: Iterable[Any]) -> list[tuple[str | None, str, Any]]:
    """Put together by index, or by id where there is none."""
    calls: dict[Any, list[Any]] = {}
    for message in messages:
        for fragment in message.get("tool_calls") or ():
            call = calls.setdefault(fragment.get("index", fragment.get("id")), [None, "", ""])
            call[0] = call[0] or fragment.get("id")
            call[1] += fragment["function"].get("name") or ""
            arguments = fragment["function"]["arguments"]
            call[2] += arguments if isinstance(arguments, str) else json.dumps(arguments)
    return [(call_id, name, json.loads(arguments or "{}")) for call_id, name, arguments in calls.values()]
