"""OpenAI's chat completions: https://platform.openai.com/docs/api-reference/chat."""

import json
from collections.abc import Iterable
from typing import Any

from turnpike.domain.chat import Usage

from tests.replay.expected import Expected, ExpectedError
from tests.replay.recordings import Exchange

_MISMATCH = "context_length_exceeded"

_REFUSED = "refused this deployment's credential or contract"

ERRORS = {
    "alibaba/alibaba_thinking[1]": ExpectedError("invalid_request", retryable=False, message="enable_thinking must be"),
    "z-ai/z_ai_errors[0]": ExpectedError("rate_limit_exceeded", retryable=True, message="Rate limit reached"),
    "z-ai/z_ai_errors[1]": ExpectedError("provider_unavailable", retryable=True, message=_REFUSED),
    "deepseek/chat_real_error_scenarios_deepseek_deepseek_chat_handles_context_length_exceeded_errors[0]": (
        ExpectedError(_MISMATCH, retryable=False, message="maximum context length")
    ),
    "openai/chat_unknown_model[0]": ExpectedError("not_found", retryable=True, message="does not exist"),
    "openai/openai_rate_limit[0]": ExpectedError("rate_limit_exceeded", retryable=True, message="Rate limit"),
    "openai/openai_rate_limit[1]": ExpectedError("provider_unavailable", retryable=True, message=_REFUSED),
    **{
        f"openrouter/test_openrouter_errors_raised[{index}]": ExpectedError(
            "rate_limit_exceeded", retryable=True, message="is temporarily rate-limited upstream"
        )
        for index in range(3)
    },
}


def expected(exchange: Exchange) -> Expected:
    return _streamed(exchange) if exchange.streamed else _whole(json.loads(exchange.body))


def _whole(answer: Any) -> Expected:
    (choice,) = answer["choices"]
    message = choice["message"]
    return Expected(
        text=_text(message.get("content")),
        reasoning=_reasoning(message),
        refusal=message.get("refusal") or "",
        calls=_calls([message]),
        annotations=len(message.get("annotations") or ()),
        finish=choice["finish_reason"],
        native=choice.get("native_finish_reason", choice["finish_reason"]),
        usage=_usage([answer["usage"]]),
        upstream_id=answer["id"],
    )


def _streamed(exchange: Exchange) -> Expected:
    events = _events(exchange)
    choices = [choice for event in events if "error" not in event for choice in event["choices"]]
    messages = [choice.get("delta") or {} for choice in choices]
    finished = [choice for choice in choices if choice.get("finish_reason")]
    given = finished[0]["finish_reason"] if finished else None
    error = None
    if "error" in events[-1] and (given is None or given == "error"):
        limited = str(events[-1]["error"].get("code")) == "429"
        error, given = "rate_limit_exceeded" if limited else "provider_unavailable", None
    elif not finished or given == "insufficient_system_resource":
        error, given = "provider_unavailable", None
    # Perplexity repeats all of its sources in each chunk.
    sources = [event["citations"] for event in events if event.get("citations")]
    return Expected(
        text="".join(_text(message.get("content")) for message in messages),
        reasoning="".join(_reasoning(message) for message in messages),
        refusal="".join(message.get("refusal") or "" for message in messages),
        calls=_calls(messages),
        annotations=sum(len(m.get("annotations") or ()) for m in messages) + (len(sources[-1]) if sources else 0),
        finish={"eos": "stop"}.get(given, given) if given else None,
        native=(finished[0].get("native_finish_reason") or given) if given else None,
        usage=_usage(event.get("usage") or (event.get("x_groq") or {}).get("usage") for event in events),
        upstream_id=next(event["id"] for event in events if event["id"]),
        error=error,
    )


def _events(exchange: Exchange) -> list[Any]:
    lines = exchange.body.decode().splitlines()
    data = [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]
    return [json.loads(each) for each in data if each.startswith("{") and each.endswith("}")]


def _usage(usages: Iterable[Any]) -> Usage | None:
    given = [usage for usage in usages if usage]
    if not given:
        return None
    usage = given[-1]
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    return Usage(
        prompt_tokens=usage["prompt_tokens"],
        # xAI's completion_tokens leave the reasoning out; its total does not.
        completion_tokens=usage["total_tokens"] - usage["prompt_tokens"],
        cached_tokens=prompt.get("cached_tokens", usage.get("prompt_cache_hit_tokens", 0)),
        reasoning_tokens=completion.get("reasoning_tokens", 0),
        prompt_audio_tokens=prompt.get("audio_tokens", 0),
        completion_audio_tokens=completion.get("audio_tokens", 0),
    )


def _text(content: Any) -> str:
    parts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
    return "".join(part["text"] for part in parts if part["type"] == "text")


def _reasoning(message: Any) -> str:
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    thoughts = [thought["text"] for part in parts if part["type"] == "thinking" for thought in part["thinking"]]
    return message.get("reasoning_content") or message.get("reasoning") or "".join(thoughts)


def _calls(messages: Iterable[Any]) -> list[tuple[str | None, str, Any]]:
    """Put together by index, or by id where there is none."""
    calls: dict[Any, list[Any]] = {}
    for message in messages:
        for fragment in message.get("tool_calls") or ():
            key = fragment.get("index", fragment.get("id"))
            call = calls.setdefault(key, [fragment.get("id"), fragment["function"].get("name"), ""])
            arguments = fragment["function"].get("arguments")
            call[2] += arguments if isinstance(arguments, str) else json.dumps(arguments)
    return [(call_id, name, json.loads(arguments or "{}")) for call_id, name, arguments in calls.values()]
