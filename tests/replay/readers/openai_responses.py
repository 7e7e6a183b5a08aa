"""OpenAI's Responses API: https://developers.openai.com/api/reference/resources/responses.

What an answer says stands in its finished items, which come once more at the end of a stream; the deltas that the
adapter reads are not looked at, except where a stream broke off.
"""

import json
from typing import Any

from turnpike.domain.chat import Usage

from tests.replay.expected import Expected, ExpectedError
from tests.replay.recordings import Exchange

_REFUSED = "refused this deployment's credential or contract"
_CASE = "openai-responses/openai_responses_errors"

ERRORS = {
    f"{_CASE}[0]": ExpectedError("rate_limit_exceeded", retryable=True, message="Limit 30000", retry_after_s=2),
    f"{_CASE}[1]": ExpectedError("provider_unavailable", retryable=True, message=_REFUSED),
    f"{_CASE}[2]": ExpectedError("provider_unavailable", retryable=True, message=_REFUSED),
    f"{_CASE}[3]": ExpectedError("context_length_exceeded", retryable=False, message="context window"),
    f"{_CASE}[4]": ExpectedError("content_policy_violation", retryable=False, message="flagged"),
    f"{_CASE}[5]": ExpectedError("invalid_request", retryable=False, message="valid image"),
    f"{_CASE}[6]": ExpectedError("not_found", retryable=True, message="does not exist"),
    f"{_CASE}[7]": ExpectedError("provider_unavailable", retryable=True, message=_REFUSED),
    f"{_CASE}[8]": ExpectedError("provider_overloaded", retryable=True, message="overloaded"),
    f"{_CASE}[9]": ExpectedError("invalid_request", retryable=False, message="could not be verified"),
    f"{_CASE}[10]": ExpectedError("provider_unavailable", retryable=True, message="had an error"),
    f"{_CASE}[11]": ExpectedError("content_policy_violation", retryable=False, message="blocked"),
    "azure/azure_responses[2]": ExpectedError("content_policy_violation", retryable=False, message="filtered"),
}

_BROKEN = {
    "server_error": "provider_unavailable",
    "insufficient_quota": "provider_unavailable",
    "rate_limit_exceeded": "rate_limit_exceeded",
    "server_is_overloaded": "provider_overloaded",
    "invalid_prompt": "content_policy_violation",
}
"""The error type of each code with which a recorded answer breaks off."""

_FINISHES = {"max_output_tokens": "length", "content_filter": "content_filter"}


def expected(exchange: Exchange) -> Expected:
    if not exchange.streamed:
        return _whole(json.loads(exchange.body))
    events = _events(exchange)
    last = events[-1]
    told = next((event for event in events if event["type"] == "error"), None)
    if told is not None:
        return _partial(events, _code(told.get("error") or told))
    if last["type"] == "response.failed":
        return _partial(events, last["response"]["error"]["code"])
    if last["type"] not in ("response.completed", "response.incomplete"):
        return _partial(events, "server_error")
    # One recording's last event has an empty output, for items that came before it.
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    finished = _whole({**last["response"], "output": last["response"]["output"] or done})
    return Expected(
        **{
            **{name: getattr(finished, name) for name in finished.__slots__},
            # Some gateways make ids up anew in every event.
            "upstream_id": events[0]["response"]["id"],
        }
    )


def _events(exchange: Exchange) -> list[Any]:
    """One recording's first and last events lack a brace each."""
    lines = [line.removeprefix("data:") for line in exchange.body.decode().splitlines() if line.startswith("data:")]
    return [_event(line) for line in lines if line.strip() != "[DONE]"]


def _event(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return json.loads(line + "}")


def _code(error: Any) -> str:
    code = error.get("code") or error.get("type")
    assert isinstance(code, str)
    return code


def _partial(events: list[Any], code: str) -> Expected:
    """What was said until it broke off, of which only texts are recorded."""
    text = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    usage = (events[-1].get("response") or {}).get("usage")
    return Expected(
        text=text,
        usage=_usage(usage) if usage else None,
        upstream_id=events[0]["response"]["id"] if text else None,
        error=_BROKEN[code],
    )


def _whole(response: Any) -> Expected:
    if response["status"] == "failed":
        return Expected(error=_BROKEN[response["error"]["code"]])
    output = response["output"]
    parts = [part for item in output if item["type"] == "message" for part in item["content"]]
    thoughts = [item for item in output if item["type"] == "reasoning"]
    calls = [call for item in output if item["type"] in _CALLS for call in _calls(item, response)]
    reason = (response.get("incomplete_details") or {}).get("reason")
    return Expected(
        text="".join(part["text"] for part in parts if part["type"] == "output_text"),
        reasoning="".join(_thought(item) for item in thoughts),
        refusal="".join(part["refusal"] for part in parts if part["type"] == "refusal"),
        calls=calls,
        details=[detail for item in thoughts for detail in _details(item)],
        annotations=sum(len(part.get("annotations") or ()) for part in parts),
        images=sum(item["type"] == "image_generation_call" for item in output),
        finish=_FINISHES[reason] if reason else "tool_calls" if calls or _waits(output) else "stop",
        native=reason or "completed",
        usage=_usage(response["usage"], _searches(output)),
        upstream_id=response["id"],
    )


def _thought(item: Any) -> str:
    return "".join(part["text"] for part in [*item["summary"], *(item.get("content") or ())])


def _details(item: Any) -> list[tuple[str, str, str]]:
    summary = "".join(part["text"] for part in item["summary"])
    text = "".join(part["text"] for part in item.get("content") or ())
    found = [
        ("reasoning.summary", summary, ""),
        ("reasoning.text", text, ""),
        ("reasoning.encrypted", item.get("encrypted_content") or "", ""),
    ]
    return [detail for detail in found if detail[1]]


_CALLS = ("function_call", "custom_tool_call")


def _calls(item: Any, response: Any) -> list[tuple[str | None, str, Any]]:
    if item["type"] == "custom_tool_call":
        return [(item["call_id"], item["name"], {"input": item["input"]})]
    arguments = json.loads(item["arguments"] or "{}")
    declared = [tool["name"] for tool in response.get("tools") or ()]
    if item["name"] != "parallel" or "parallel" in declared:
        return [(item["call_id"], item["name"], arguments)]
    return [
        (None, use["recipient_name"].removeprefix("functions."), use["parameters"]) for use in arguments["tool_uses"]
    ]


def _waits(output: list[Any]) -> bool:
    calls = ("local_shell_call", "shell_call", "apply_patch_call", "computer_call")
    return any(item["type"] in calls for item in output)


def _searches(output: list[Any]) -> int:
    """Pages that were opened cost nothing, and neither does what failed."""
    calls = [item for item in output if item["type"] == "web_search_call" and item["status"] == "completed"]
    return sum(item["action"]["type"] == "search" for item in calls)


def _usage(given: Any, searches: int = 0) -> Usage:
    counted = given.get("server_side_tool_usage_details") or {}
    return Usage(
        web_search_requests=counted.get("web_search_calls", searches),
        prompt_tokens=given["input_tokens"],
        completion_tokens=given["output_tokens"],
        cached_tokens=given["input_tokens_details"]["cached_tokens"],
        cache_write_tokens=given["input_tokens_details"].get("cache_write_tokens", 0),
        reasoning_tokens=given["output_tokens_details"]["reasoning_tokens"],
    )
