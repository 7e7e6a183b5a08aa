"""A conversation as Mistral takes it: https://docs.mistral.ai/api/endpoint/chat. Everything unknown is refused."""

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from turnpike.domain.chat import Message
from turnpike.domain.errors import InvalidRequest
from turnpike.providers.media import Media, parse_media
from turnpike.providers.mistral.answer import REASONING_FORMAT
from turnpike.providers.reasoning import details_of, reasoning_text_of

_SHORT_ID = re.compile(r"[a-zA-Z0-9]{9}")

_BRIDGE = {"role": "assistant", "content": "OK."}
"""What stands between a tool's result and the user's next words, where the client has no answer there:
"Unexpected role 'user' after role 'tool'", says the API. https://github.com/NousResearch/hermes-agent/issues/20154"""


def build_messages(messages: Sequence[Message], *, reasons: bool) -> list[dict[str, Any]]:
    """`reasons`: whether the model does, and so takes its earlier thoughts back: without them it answers worse.

    https://docs.mistral.ai/studio/conversations/reasoning. Raises InvalidRequest for video.
    """
    names = {call["id"]: call["function"]["name"] for message in messages for call in message.get("tool_calls") or ()}
    built: list[dict[str, Any]] = []
    for message in messages:
        role = message["role"]
        if role == "user" and built and built[-1]["role"] == "tool":
            built.append(dict(_BRIDGE))
        if role == "assistant":
            answer = _answer(message, reasons=reasons)
            if answer["content"] or "tool_calls" in answer:
                # "Assistant message must have either content or tool_calls, but not none."
                built.append(answer)
        elif role == "tool":
            built.append(_result(message, names.get(message["tool_call_id"])))
        else:
            built.append(_words(message))
    if built and built[-1]["role"] == "assistant" and not built[-1].get("tool_calls"):
        # "Expected last role User or Tool (or Assistant with prefix True)":
        # https://docs.mistral.ai/capabilities/completion/prefix
        built[-1]["prefix"] = True
    return built


def _words(message: Message) -> dict[str, Any]:
    """A user's message, or the system's, which has no `name` here."""
    content = _content(message.get("content"))
    name = message.get("name")
    if message["role"] != "user":
        return {"role": "system", "content": content}
    if name:
        content = f"{name}: {content}" if isinstance(content, str) else [_text(f"{name}:"), *content]
    return {"role": "user", "content": content}


def _result(message: Message, name: str | None) -> dict[str, Any]:
    built = {
        "role": "tool",
        "tool_call_id": _call_id(message["tool_call_id"]),
        "content": _content(message.get("content")),
    }
    return {**built, "name": name} if name else built


def _answer(message: Message, *, reasons: bool) -> dict[str, Any]:
    content = message.get("content") or message.get("refusal")
    if isinstance(content, list):
        # What else is in it, like images, was shown to the user.
        content = [_text(part["text"]) for part in content if part["type"] == "text"]
    thoughts = _thoughts(message) if reasons else []
    if thoughts:
        words = [_text(content)] if isinstance(content, str) else content or []
        content = [*thoughts, *words]
    built: dict[str, Any] = {"role": "assistant", "content": content}
    calls = message.get("tool_calls")
    if calls:
        built["tool_calls"] = [_call(call) for call in calls]
    return built


def _thoughts(message: Message) -> list[dict[str, Any]]:
    """Each block of reasoning as a chunk; what another provider reasoned is one more."""
    details = details_of(message, REASONING_FORMAT) or [{"text": reasoning_text_of(message)}]
    return [_thought(each) for each in details if each.get("text") or each.get("signature")]


def _thought(detail: Any) -> dict[str, Any]:
    chunk = {"type": "thinking", "thinking": [_text(detail.get("text") or "")], "closed": True}
    if detail.get("signature"):
        chunk["signature"] = detail["signature"]
    return chunk


def _call(call: Any) -> dict[str, Any]:
    function = call["function"]
    described = {"name": function["name"], "arguments": function["arguments"]}
    return {"id": _call_id(call["id"]), "type": "function", "function": described}


def _call_id(given: str) -> str:
    """Both ends of a call are shortened alike, so that they still match.

    "Tool call id was … but must be a-z, A-Z, 0-9, with a length of 9", when another model's call is in the
    history: https://github.com/anomalyco/opencode/issues/1680
    """
    return given if _SHORT_ID.fullmatch(given) else sha256(given.encode()).hexdigest()[:9]


def _content(content: Any) -> Any:
    return [_part(part) for part in content] if isinstance(content, list) else content


def _part(part: Any) -> dict[str, Any]:
    if part["type"] == "text":
        return _text(part["text"])
    media = parse_media(part)
    if media is None or media.kind == "video_url":
        raise InvalidRequest(f"this provider takes no part of type {part['type']}", field="messages")
    if media.kind == "input_audio":
        return {"type": "input_audio", "input_audio": media.data}
    if media.kind == "file":
        return _file(media)
    return _image(part["image_url"]["url"], media.detail)


def _image(url: str, detail: str | None) -> dict[str, Any]:
    # "original" is OpenRouter's own word for the most there is.
    described = {"detail": "high" if detail == "original" else detail} if detail else {}
    return {"type": "image_url", "image_url": {"url": url, **described}}


def _file(media: Media) -> dict[str, Any]:
    """By its id, as an image, as text where it is some, or else as a document, which may be data too.

    https://docs.mistral.ai/studio/document-processing/document_qna
    """
    if media.file_id is not None:
        return {"type": "file", "file_id": media.file_id}
    kind = media.media_type or "application/pdf"
    url = media.url or f"data:{kind};base64,{media.data}"
    if kind.startswith("image/"):
        return _image(url, None)
    if media.data is not None and (kind.startswith("text/") or kind == "application/json"):
        text = media.content.decode("utf-8", "replace")
        return _text(f"{media.filename}\n\n{text}" if media.filename else text)
    document = {"type": "document_url", "document_url": url}
    return {**document, "document_name": media.filename} if media.filename else document


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
