"""Bedrock's Converse: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html."""

import base64
import json
import struct
from collections.abc import Iterator
from typing import Any

from turnpike.domain.chat import Usage

from tests.replay.expected import Expected, ExpectedError
from tests.replay.recordings import Exchange

_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
_EXCEPTIONS = {
    "throttlingException": "rate_limit_exceeded",
    "serviceUnavailableException": "provider_overloaded",
    "modelTimeoutException": "timeout",
    "validationException": "invalid_request",
}
"""The others are the provider's own failure."""

_OVERFLOW = "context_length_exceeded"

ERRORS = {
    "bedrock/chat_real_error_scenarios_bedrock_amazon_nova_2_lite_v1_0_handles_context_length_exceeded_errors[0]": (
        ExpectedError(_OVERFLOW, retryable=False, message="Input Tokens Exceeded")
    ),
    "bedrock/test_bedrock_error[0]": ExpectedError("not_found", retryable=True, message="model identifier is invalid"),
    "bedrock/test_converse_stream_with_invalid_model[0]": ExpectedError(
        "not_found", retryable=True, message="model identifier is invalid"
    ),
    **{
        f"bedrock/bedrock_errors[{index}]": meant
        for index, meant in enumerate(
            (
                ExpectedError("rate_limit_exceeded", retryable=True, message="Too many tokens", retry_after_s=7),
                ExpectedError("provider_overloaded", retryable=True, message="unable to process"),
                ExpectedError(_OVERFLOW, retryable=False, message="Input is too long"),
                ExpectedError(_OVERFLOW, retryable=False, message="prompt is too long"),
                ExpectedError("content_policy_violation", retryable=False, message="content filtering policy"),
                ExpectedError("not_found", retryable=True, message="on-demand throughput"),
                ExpectedError("invalid_request", retryable=False, message="must start with a user message"),
                ExpectedError("provider_unavailable", retryable=True, message="refused this deployment's credential"),
                ExpectedError("not_found", retryable=True, message="Could not resolve"),
                ExpectedError("timeout", retryable=True, message="timed out"),
                ExpectedError("provider_unavailable", retryable=True, message="unexpected error"),
                ExpectedError("provider_unavailable", retryable=True, message="unexpected error"),
            )
        )
    },
}


def expected(exchange: Exchange) -> Expected:
    return _streamed(exchange.body) if exchange.framed else _whole(json.loads(exchange.body))


def _whole(answer: Any) -> Expected:
    content = answer["output"]["message"]["content"]
    reason = answer["stopReason"]
    calls = [block["toolUse"] for block in content if "toolUse" in block]
    cited = [block["citationsContent"] for block in content if "citationsContent" in block]
    details = [_detail(block["reasoningContent"]) for block in content if "reasoningContent" in block]
    failed = reason.startswith("malformed")
    return Expected(
        text="".join(_text_of(block) for block in content),
        reasoning="".join(text for kind, text, _ in details if kind == "reasoning.text"),
        calls=[(call["toolUseId"], call["name"], call["input"]) for call in calls],
        details=details,
        annotations=sum(len(each["citations"]) for each in cited),
        images=sum("image" in block for block in content),
        finish=None if failed else _FINISH[reason],
        native=None if failed else reason,
        usage=_usage(answer["usage"]),
        error="provider_unavailable" if failed else None,
    )


def _text_of(block: Any) -> str:
    cited = block.get("citationsContent", {}).get("content", [])
    return "".join(part["text"] for part in ([block] if "text" in block else cited))


def _detail(content: Any) -> tuple[str, str, str]:
    if "redactedContent" in content:
        # Claude's is shown as its own API writes it, and that of OpenAI's models as it came.
        data = content["redactedContent"]
        text = base64.b64decode(data).decode()
        return ("reasoning.encrypted", data if text.startswith("rsn_") else text, "")
    reasoning = content.get("reasoningText", content)
    return ("reasoning.text", reasoning.get("text", ""), reasoning.get("signature", ""))


def _streamed(body: bytes) -> Expected:
    blocks: dict[int, Any] = {}
    reason = usage = error = None
    for name, event in _frames(body):
        if name in ("contentBlockStart", "contentBlockDelta"):
            block = blocks.setdefault(event["contentBlockIndex"], {"start": {}, "deltas": []})
            block["start"] |= event.get("start", {})
            block["deltas"] += [event["delta"]] if "delta" in event else []
        elif name == "messageStop":
            reason = event["stopReason"]
        elif name == "metadata":
            usage = event["usage"]
        elif name.endswith(("xception", "Error")):
            error = _EXCEPTIONS.get(name, "provider_unavailable")
            break
    if reason is None:
        error = error or "provider_unavailable"
    elif reason.startswith("malformed"):
        error = "provider_unavailable"
    read = [_block(block) for _, block in sorted(blocks.items())]
    return Expected(
        text="".join(each.text for each in read),
        reasoning="".join(each.reasoning for each in read),
        calls=[call for each in read for call in each.calls],
        details=[detail for each in read for detail in each.details or ()],
        annotations=sum(each.annotations for each in read),
        images=sum(each.images for each in read),
        finish=None if error else _FINISH[reason or ""],
        native=None if error else reason,
        usage=None if usage is None else _usage(usage),
        error=error,
    )


def _block(block: Any) -> Expected:
    deltas = block["deltas"]
    thoughts = [each["reasoningContent"] for each in deltas if "reasoningContent" in each]
    thought = "".join(each.get("text", "") for each in thoughts)
    signature = "".join(each.get("signature", "") for each in thoughts)
    details = [_detail(each) for each in thoughts if "redactedContent" in each]
    if thought or signature:
        details.append(("reasoning.text", thought, signature))
    call = block["start"].get("toolUse")
    arguments = "".join(each["toolUse"]["input"] for each in deltas if "toolUse" in each)
    return Expected(
        text="".join(each.get("text", "") for each in deltas),
        reasoning=thought,
        calls=[(call["toolUseId"], call["name"], json.loads(arguments or "{}"))] if call else [],
        details=details,
        annotations=sum("citation" in each for each in deltas),
        images=int("image" in block["start"]),
    )


def _frames(body: bytes) -> Iterator[tuple[str, Any]]:
    """(type, content) of each frame; checksums are the adapter's concern."""
    while len(body) >= 12:
        total, head = struct.unpack(">II", body[:8])
        headers = dict(_headers(body[12 : 12 + head]))
        payload = body[12 + head : total - 4]
        body = body[total:] if total <= len(body) else b""
        if headers:
            name = next(headers[each] for each in (":exception-type", ":error-code", ":event-type") if each in headers)
            yield name, json.loads(payload or b"{}")


def _headers(head: bytes) -> Iterator[tuple[str, str]]:
    while head:
        name_end = 1 + head[0]
        (length,) = struct.unpack(">H", head[name_end + 1 : name_end + 3])
        end = name_end + 3 + length
        yield head[1:name_end].decode(), head[name_end + 3 : end].decode()
        head = head[end:]


def _usage(usage: Any) -> Usage:
    cached = usage.get("cacheReadInputTokens", 0)
    written = usage.get("cacheWriteInputTokens", 0)
    assert usage["totalTokens"] == usage["inputTokens"] + cached + written + usage["outputTokens"]
    return Usage(
        prompt_tokens=usage["totalTokens"] - usage["outputTokens"],
        completion_tokens=usage["outputTokens"],
        cached_tokens=cached,
        cache_write_tokens=written,
        cache_write_1h_tokens=sum(each["inputTokens"] for each in usage.get("cacheDetails", ()) if each["ttl"] == "1h"),
    )
