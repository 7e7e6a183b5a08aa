"""Cohere's Chat API, version 2: https://docs.cohere.com/reference/chat."""

import json
from typing import Any

from turnpike.domain.chat import Usage

from tests.replay.expected import Expected, ExpectedError
from tests.replay.recordings import Exchange

_REFUSED = "refused this deployment's credential or contract"

ERRORS = {
    f"cohere/cohere_errors[{index}]": meant
    for index, meant in enumerate(
        [
            ExpectedError("context_length_exceeded", retryable=False, message="size limit exceeded"),
            ExpectedError("invalid_request", retryable=False, message="must have a message"),
            ExpectedError("provider_unavailable", retryable=True, message=_REFUSED),
            ExpectedError("provider_unavailable", retryable=True, message=_REFUSED),
            ExpectedError("not_found", retryable=True, message="'command-x' not found"),
            ExpectedError("unprocessable", retryable=False, message="parameter tools"),
            ExpectedError("rate_limit_exceeded", retryable=True, message="20 API calls / minute", retry_after_s=12),
            ExpectedError("content_policy_violation", retryable=False, message="blocked term"),
            ExpectedError("provider_unavailable", retryable=True, message="request cancelled"),
            ExpectedError("provider_unavailable", retryable=True, message="internal server error"),
            ExpectedError("provider_overloaded", retryable=True, message="service unavailable"),
            ExpectedError("timeout", retryable=True, message="gateway timeout"),
        ]
    )
}

_FINISHES = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR": "provider_unavailable",
    "TIMEOUT": "timeout",
}


def expected(exchange: Exchange) -> Expected:
    if not exchange.streamed:
        return _read(json.loads(exchange.body))
    lines = exchange.body.decode().splitlines()
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: {")]
    return _read(_assembled([json.loads(each) for each in data if each.endswith("}")]))


def _assembled(events: list[Any]) -> Any:
    """The answer that would have come in one piece."""
    content: dict[int, dict[str, str]] = {}
    calls: dict[int, Any] = {}
    message: Any = {"tool_plan": "", "citations": []}
    answer: Any = {"message": message}
    for event in events:
        part: Any = (event.get("delta") or {}).get("message")
        kind = event.get("type")
        if kind is None:
            return event
        if kind == "message-start":
            answer["id"] = event["id"]
        elif kind in ("content-start", "content-delta"):
            block = content.setdefault(event.get("index", 0), {})
            for member in ("text", "thinking"):
                block[member] = block.get(member, "") + part["content"].get(member, "")
        elif kind == "tool-plan-delta":
            message["tool_plan"] += part["tool_plan"]
        elif kind == "tool-call-start":
            calls[event["index"]] = part["tool_calls"]
        elif kind == "tool-call-delta":
            calls[event["index"]]["function"]["arguments"] += part["tool_calls"]["function"]["arguments"]
        elif kind == "citation-start":
            message["citations"].append(part["citations"])
        elif kind == "message-end":
            answer.update(event["delta"])
    message["content"] = [content[index] for index in sorted(content)]
    message["tool_calls"] = [calls[index] for index in sorted(calls)]
    return answer


def _read(answer: Any) -> Expected:
    message = answer["message"]
    if isinstance(message, str):
        return Expected(error="provider_unavailable")
    blocks = message.get("content") or []
    thoughts = [block["thinking"] for block in blocks if block.get("thinking")]
    plan = message.get("tool_plan")
    thoughts += [plan] if plan else []
    native = answer.get("finish_reason")
    calls = [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"] or "{}"))
        for call in message.get("tool_calls") or ()
    ]
    finish = _FINISHES.get(native or "", "provider_unavailable")
    failed = native in (None, "ERROR", "TIMEOUT")
    return Expected(
        text="".join(block.get("text", "") for block in blocks),
        reasoning="".join(thoughts),
        calls=calls,
        details=[("reasoning.text", thought, "") for thought in thoughts],
        annotations=sum(len(citation.get("sources") or ()) for citation in message.get("citations") or ()),
        finish=None if failed else "tool_calls" if calls and finish == "stop" else finish,
        native=None if failed else native,
        usage=_usage(answer.get("usage")),
        upstream_id=answer["id"],
        error=finish if failed else None,
    )


def _usage(given: Any) -> Usage | None:
    if given is None:
        return None
    billed = given.get("billed_units") or given["tokens"]
    prompt = int(billed["input_tokens"])
    # Cohere's preamble comes first and is not billed; it is the first to be cached.
    preamble = given["tokens"]["input_tokens"] - prompt
    cached = int(given.get("cached_tokens", 0) - preamble)
    return Usage(prompt_tokens=prompt, completion_tokens=int(billed["output_tokens"]), cached_tokens=max(cached, 0))
