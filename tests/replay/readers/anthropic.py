"""Anthropic's Messages API: https://platform.claude.com/docs/en/api/messages."""

import json
from typing import Any

from turnpike.domain.chat import Usage

from tests.replay.expected import Expected, ExpectedError
from tests.replay.recordings import Exchange

_REFUSED = "refused this deployment's credential or contract"

ERRORS = {
    "anthropic/chat_real_error_scenarios_anthropic_claude_haiku_4_5_handles_context_length_exceeded_errors[0]": (
        ExpectedError("context_length_exceeded", retryable=False, message="3333404 tokens > 200000 maximum")
    ),
    "anthropic/anthropic_errors[0]": ExpectedError("invalid_request", retryable=False, message="roles must alternate"),
    "anthropic/anthropic_errors[1]": ExpectedError("provider_unavailable", retryable=True, message=_REFUSED),
    "anthropic/anthropic_errors[2]": ExpectedError("provider_unavailable", retryable=True, message=_REFUSED),
    "anthropic/anthropic_errors[3]": ExpectedError("provider_unavailable", retryable=True, message=_REFUSED),
    "anthropic/anthropic_errors[4]": ExpectedError("not_found", retryable=True, message="model: claude-9"),
    "anthropic/anthropic_errors[5]": ExpectedError("payload_too_large", retryable=False, message="maximum size"),
    "anthropic/anthropic_errors[6]": ExpectedError("rate_limit_exceeded", retryable=True, message="rate limit"),
    "anthropic/anthropic_errors[7]": ExpectedError("provider_unavailable", retryable=True, message="Internal"),
    "anthropic/anthropic_errors[8]": ExpectedError("timeout", retryable=True, message="timed out"),
    "anthropic/anthropic_errors[9]": ExpectedError("provider_overloaded", retryable=True, message="Overloaded"),
    # No funds, told with the status of a faulty request.
    "anthropic/anthropic_contract[0]": ExpectedError("provider_unavailable", retryable=True, message=_REFUSED),
    "anthropic/anthropic_contract[1]": ExpectedError("provider_unavailable", retryable=True, message=_REFUSED),
    "anthropic/anthropic_contract[2]": ExpectedError("provider_unavailable", retryable=True, message=_REFUSED),
    "anthropic/anthropic_limits[0]": ExpectedError(
        "context_length_exceeded", retryable=False, message="188240 + 21333"
    ),
    "anthropic/anthropic_limits[1]": ExpectedError("content_policy_violation", retryable=False, message="blocked"),
}

_ERROR_TYPES = {
    "overloaded_error": "provider_overloaded",
    "rate_limit_error": "rate_limit_exceeded",
    "invalid_request_error": "invalid_request",
    "timeout_error": "timeout",
    "request_too_large": "payload_too_large",
    "not_found_error": "not_found",
}
"""Of an error in an answer; the others mean that the provider is not to be had."""

_FINISH = {
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}


def expected(exchange: Exchange) -> Expected:
    if not exchange.streamed:
        answer = json.loads(exchange.body)
        if answer["type"] == "error":
            return Expected(error=_ERROR_TYPES.get(answer["error"]["type"], "provider_unavailable"))
        return _reading(answer["content"], answer, [answer["usage"]], answer["id"])
    events = _events(exchange)
    starts = [event["message"] for event in events if event["type"] == "message_start"]
    ends = [event for event in events if event["type"] == "message_delta"]
    errors = [event["error"]["type"] for event in events if event["type"] == "error"]
    usages = [each["usage"] for each in [*starts, *ends] if each.get("usage")]
    end = ends[-1]["delta"] if ends else starts[0] if starts else {}
    reading = _reading(_blocks(events), end, usages, starts[0]["id"] if starts else None)
    if any(event["type"] == "message_stop" for event in events):
        return reading
    return Expected(
        text=reading.text,
        reasoning=reading.reasoning,
        calls=reading.calls,
        details=reading.details,
        natives=reading.natives,
        usage=reading.usage,
        upstream_id=reading.upstream_id,
        error=_ERROR_TYPES.get(errors[0], "provider_unavailable") if errors else "provider_unavailable",
    )


def _events(exchange: Exchange) -> list[Any]:
    """Lines may be ended in any way that server-sent events know; a last one may be cut."""
    lines = exchange.body.decode().replace("\r\n", "\n").split("\n")
    data = [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]
    return [json.loads(each) for each in data if each.startswith("{") and each.endswith("}")]


def _blocks(events: list[Any]) -> list[Any]:
    """The content as it would be in an answer that is not streamed."""
    told = [block for event in events if event["type"] == "message_start" for block in event["message"]["content"]]
    blocks: dict[int, Any] = {index: {"json": "", **block} for index, block in enumerate(told, -len(told))}
    for event in events:
        if event["type"] == "content_block_start":
            blocks[event["index"]] = {**event["content_block"], "json": "", "citations": []}
            blocks[event["index"]]["citations"] += event["content_block"].get("citations") or []
        elif event["type"] == "content_block_delta":
            block, delta = blocks[event["index"]], event["delta"]
            if delta["type"] == "text_delta":
                block["text"] += delta["text"]
            elif delta["type"] == "thinking_delta":
                block["thinking"] += delta["thinking"]
            elif delta["type"] == "signature_delta":
                block["signature"] = delta["signature"]
            elif delta["type"] == "input_json_delta":
                block["json"] += delta["partial_json"]
            elif delta["type"] == "citations_delta":
                block["citations"].append(delta["citation"])
            elif block["type"] not in ("text", "thinking", "tool_use"):
                block["content"] = (block.get("content") or "") + delta["content"]
    for block in blocks.values():
        if block["json"]:
            block["input"] = json.loads(block["json"])
    return [blocks[index] for index in sorted(blocks)]


def _reading(content: list[Any], end: Any, usages: list[Any], upstream_id: str | None) -> Expected:
    native = end.get("stop_reason")
    of_kind = {kind: [b for b in content if b["type"] == kind] for kind in ("text", "thinking", "tool_use")}
    details = [
        ("reasoning.text", block["thinking"], block.get("signature") or "")
        if block["type"] == "thinking"
        else ("reasoning.encrypted", block["data"], "")
        for block in content
        if block["type"] in ("thinking", "redacted_thinking")
    ]
    return Expected(
        text="".join(block["text"] for block in of_kind["text"]),
        reasoning="".join(block["thinking"] for block in of_kind["thinking"]),
        refusal=((end.get("stop_details") or {}).get("explanation") or "") if native == "refusal" else "",
        calls=[(block["id"], block["name"], block["input"]) for block in of_kind["tool_use"]],
        natives=[_bare(block) for block in content if block["type"] not in (*of_kind, "redacted_thinking")],
        details=details,
        annotations=sum(len(block.get("citations") or ()) for block in of_kind["text"]),
        finish=_FINISH.get(native, "stop") if native else None,
        native=native,
        usage=_usage(usages),
        upstream_id=upstream_id,
    )


def _bare(block: Any) -> Any:
    """Without what streams of other blocks are put together in."""
    return {name: value for name, value in block.items() if name not in ("json", "citations")}


def _usage(usages: list[Any]) -> Usage | None:
    if not usages:
        return None
    known: dict[str, Any] = {}
    for usage in usages:
        known |= {name: value for name, value in usage.items() if value is not None}
    rounds = [known, *(each for each in known.get("iterations") or () if each["type"] == "compaction")]

    def total(name: str) -> int:
        return sum(int(each.get(name) or 0) for each in rounds)

    read, written = total("cache_read_input_tokens"), total("cache_creation_input_tokens")
    return Usage(
        prompt_tokens=total("input_tokens") + read + written,
        completion_tokens=total("output_tokens"),
        cached_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=(known.get("output_tokens_details") or {}).get("thinking_tokens", 0),
        cache_write_1h_tokens=sum(
            (each.get("cache_creation") or {}).get("ephemeral_1h_input_tokens", 0) for each in rounds
        ),
        web_search_requests=(known.get("server_tool_use") or {}).get("web_search_requests", 0),
    )
