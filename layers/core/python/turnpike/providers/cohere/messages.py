"""A conversation as Cohere takes it: https://docs.cohere.com/reference/chat."""

from collections.abc import Sequence
from typing import Any

from turnpike.domain.chat import Message
from turnpike.domain.errors import InvalidRequest
from turnpike.providers.cohere.wire import PLAN_ID, REASONING_FORMAT
from turnpike.providers.media import Media, parse_media
from turnpike.providers.reasoning import details_of, reasoning_text_of

_TEXT_TYPES = frozenset({"application/json", "application/xml", "application/yaml", "application/x-yaml"})


def build_messages(messages: Sequence[Message], *, thinks: bool) -> list[dict[str, Any]]:
    """`thinks`: whether earlier thoughts may be handed back, which takes a model that reasons, and reasoning on.

    Raises InvalidRequest for parts that Cohere has no place for.
    """
    return [_build(message, thinks=thinks) for message in messages]


def _build(message: Message, *, thinks: bool) -> dict[str, Any]:
    role = message["role"]
    content = message.get("content")
    if role == "assistant":
        return _answer(message, thinks=thinks)
    if role == "tool":
        return {"role": role, "tool_call_id": message["tool_call_id"], "content": _parts(content)}
    if role in ("system", "developer"):
        return {"role": "system", "content": _parts(content)}
    built = _parts(content)
    name = message.get("name")
    if name:
        built = f"{name}: {built}" if isinstance(built, str) else [_text(f"{name}:"), *built]
    return {"role": role, "content": built}


def _answer(message: Message, *, thinks: bool) -> dict[str, Any]:
    """An earlier answer. Beside tool calls there may be no text: "If you wish to pass a tool plan, either pass
    thinking content (with thinking enabled) or use 'tool_plan'", says the API."""
    calls = message.get("tool_calls")
    plan, thoughts = _reasoning(message)
    if not calls:
        content = _words(message)
        thoughts = [*thoughts, plan] if plan else thoughts
        if thoughts and thinks:
            words = [_text(content)] if content and isinstance(content, str) else content
            content = [*_thinking(thoughts), *words]
        return {"role": "assistant", "content": content}
    if not thinks:
        plan, thoughts = "\n".join([*thoughts, *([plan] if plan else [])]), []
    words = _words(message)
    text = words if isinstance(words, str) else "\n".join(part["text"] for part in words)
    if text and thoughts:
        thoughts = [*thoughts, text]
    elif text:
        plan = f"{plan}\n{text}" if plan else text
    built: dict[str, Any] = {"role": "assistant", "tool_calls": [_call(call) for call in calls]}
    if plan:
        built["tool_plan"] = plan
    if thoughts:
        built["content"] = _thinking(thoughts)
    return built


def _reasoning(message: Message) -> tuple[str, list[str]]:
    """(the tool plan, the thoughts); what another provider reasoned counts as a thought."""
    plan = ""
    thoughts: list[str] = []
    for detail in details_of(message, REASONING_FORMAT):
        text = detail.get("text") or ""
        if detail.get("id") == PLAN_ID:
            plan += text
        elif text:
            thoughts.append(text)
    if not plan and not thoughts and (text := reasoning_text_of(message)):
        thoughts = [text]
    return plan, thoughts


def _words(message: Message) -> Any:
    """An earlier answer's own words; what else is in it, like images, was shown to the user and is left out."""
    content = message.get("content")
    if isinstance(content, list):
        return [_text(part["text"]) for part in content if part["type"] == "text"]
    return content or message.get("refusal") or ""


def _thinking(thoughts: list[str]) -> list[dict[str, Any]]:
    return [{"type": "thinking", "thinking": thought} for thought in thoughts]


def _call(call: Any) -> dict[str, Any]:
    function = call["function"]
    described = {"name": function["name"], "arguments": function["arguments"] or "{}"}
    return {"id": call["id"], "type": "function", "function": described}


def _parts(content: Any) -> Any:
    return [_part(part) for part in content] if isinstance(content, list) else content


def _part(part: Any) -> dict[str, Any]:
    if part["type"] == "text":
        return _text(part["text"])
    media = parse_media(part)
    if media is not None and media.kind == "image_url":
        return _image(part["image_url"]["url"], media.detail)
    text = _file_text(media) if media is not None and media.kind == "file" else None
    if text is None:
        raise InvalidRequest(f"this provider takes no part of type {part['type']} like this one", field="messages")
    return _text(text)


def _image(url: str, detail: str | None) -> dict[str, Any]:
    # "original" is OpenRouter's own word for the most there is.
    described = {"detail": "high" if detail == "original" else detail} if detail else {}
    return {"type": "image_url", "image_url": {"url": url, **described}}


def _file_text(media: Media) -> str | None:
    """What is in a text file, under its name; None for others."""
    kind = media.media_type or "text/plain"
    if media.data is None or not (kind.startswith("text/") or kind in _TEXT_TYPES):
        return None
    try:
        text = media.content.decode()
    except UnicodeDecodeError:
        return None
    return f"{media.filename}\n\n{text}" if media.filename else text


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
