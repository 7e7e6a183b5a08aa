"""A conversation as one provider takes it: OpenRouter's own members are translated or left out."""

from collections.abc import Mapping, Sequence
from typing import Any

from turnpike.domain.chat import Message
from turnpike.providers.caching import EXPLICIT, cache_ttl, takes_breakpoints
from turnpike.providers.openai_compatible.quirks import Quirks
from turnpike.providers.reasoning import reasoning_text_of

_SAID = ("content", "tool_calls", "refusal", "audio", "reasoning_content")
"""What an answer may consist of. One without any is left out, since it is refused: it was cut off while the model still
thought, or was an image alone.
"""
_PARTS = frozenset({"image_url", "input_audio", "video_url", "file"})
"""Parts that are sent on with the one member that has their name."""


def build_messages(messages: Sequence[Message], quirks: Quirks, upstream_model: str) -> Sequence[Message]:
    if quirks.verbatim:
        return messages
    marked = quirks.breakpoints and takes_breakpoints(upstream_model)
    has_tools = any(message.get("tool_calls") for message in messages)
    built: list[Message] = []
    beside: list[dict[str, Any]] = []
    for message in messages:
        if beside and message["role"] != "tool":
            built.append({"role": "user", "content": beside})
            beside = []
        each = _build(message, quirks, has_tools=has_tools, marked=marked)
        if message["role"] == "tool":
            beside += _move_media(each)
        if message["role"] != "assistant" or any(each.get(member) for member in _SAID):
            built.append(each)
    return [*built, {"role": "user", "content": beside}] if beside else built


def _build(message: Message, quirks: Quirks, *, has_tools: bool, marked: bool) -> dict[str, Any]:
    role = message["role"]
    built: dict[str, Any] = {"role": role, "content": _content(message.get("content"), quirks, marked=marked)}
    # Some clients name the tool that a result is of, which is no participant.
    name = message.get("name") if role != "tool" else None
    if name and quirks.participant_names:
        built["name"] = name
    elif name and role == "user":
        built["content"] = _with_name(name, built["content"])
    if role == "developer" and not quirks.developer_role:
        built["role"] = "system"
    elif role == "tool":
        built["tool_call_id"] = message["tool_call_id"]
    elif role == "assistant":
        _add_answer(built, message, quirks, has_tools=has_tools)
    return built


def _move_media(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Tools may answer in text alone here; what else they did comes right after, as if the user had sent it.

    https://platform.openai.com/docs/api-reference/chat/create; texts without marks are joined, since few besides
    OpenAI take parts in this place.
    """
    parts = result["content"]
    if not isinstance(parts, list):
        return []
    texts = [part for part in parts if part["type"] == "text"]
    media = [part for part in parts if part["type"] != "text"]
    marked = any("prompt_cache_breakpoint" in part for part in texts)
    result["content"] = texts if marked else "\n".join(part["text"] for part in texts)
    if not media:
        return []
    return [{"type": "text", "text": f"What the tool call {result['tool_call_id']} returned:"}, *media]


def _add_answer(built: dict[str, Any], message: Message, quirks: Quirks, *, has_tools: bool) -> None:
    """What only assistant messages have."""
    calls = message.get("tool_calls")
    if calls:
        built["tool_calls"] = [_call(call) for call in calls]
    refusal = message.get("refusal")
    if quirks.refusals:
        built.update({member: message[member] for member in ("refusal", "audio") if message.get(member)})
    elif refusal and not built["content"]:
        built["content"] = refusal
    if quirks.reasoning_history == "keep" or (quirks.reasoning_history == "require" and has_tools):
        reasoning = reasoning_text_of(message)
        if reasoning or quirks.reasoning_history == "require":
            built["reasoning_content"] = reasoning


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call["function"]
    return {
        "id": call["id"],
        "type": "function",
        "function": {"name": function["name"], "arguments": function["arguments"]},
    }


def _content(content: Any, quirks: Quirks, *, marked: bool) -> Any:
    if not isinstance(content, list):
        return content
    parts = [_part(part) for part in content]
    if marked:
        for part, given in zip(parts, content, strict=True):
            if cache_ttl(given) is not None:
                part["prompt_cache_breakpoint"] = EXPLICIT
    if not quirks.text_parts and all(part["type"] == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return parts


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    """Only what OpenAI's API knows: cache marks of other providers would be refused."""
    kind = part["type"]
    if kind == "text":
        return {"type": "text", "text": part["text"]}
    if kind == "input_video":
        kind = "video_url"
    if kind not in _PARTS:
        return dict(part)
    value = part[kind]
    if kind == "image_url" and value.get("detail") == "original":
        # OpenRouter's own word for the most there is.
        value = {**value, "detail": "high"}
    return {"type": kind, kind: value}


def _with_name(name: str, content: Any) -> Any:
    if isinstance(content, str):
        return f"{name}: {content}"
    return [{"type": "text", "text": f"{name}:"}, *content]
