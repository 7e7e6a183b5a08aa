"""A conversation as a list of items: messages, function calls with their outputs, and reasoning in its places.

https://developers.openai.com/api/docs/guides/conversation-state
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from turnpike.domain.chat import Message
from turnpike.domain.custom_tools import text_of
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.native import PART
from turnpike.providers.caching import EXPLICIT, cache_ttl
from turnpike.providers.media import Media, parse_media
from turnpike.providers.reasoning import details_of

Item = dict[str, Any]

_LONGEST_CALL_ID = 64
"""Longer ones, which other providers' models may have left in the history, are a 400."""


def build_items(
    messages: Sequence[Message], form: str, *, marked: bool, phases: bool, custom: Collection[str] = ()
) -> list[Item]:
    """`form` is the format of the reasoning details that are the provider's own.

    `marked`: whether marks for caching are set; `phases`: whether answers say which kind they are; `custom`: the tools
    that take a text.
    """
    items: list[Item] = []
    texts: set[str] = set()
    for message in messages:
        role = message["role"]
        if role == "assistant":
            answer = _answer(message, form, phases=phases, custom=custom)
            texts.update(item["call_id"] for item in answer if item["type"] == "custom_tool_call")
            items += answer
        elif role == "tool":
            call_id = _call_id(message["tool_call_id"])
            kind = "custom_tool_call_output" if call_id in texts else "function_call_output"
            items.append({"type": kind, "call_id": call_id, "output": _content(message["content"], marked=marked)})
        else:
            for given in _runs(message["content"]):
                if isinstance(given, dict):
                    items.append(given)
                else:
                    content = _named(message.get("name"), role, _content(given, marked=marked))
                    items.append({"type": "message", "role": role, "content": content})
    return items


def _answer(message: Message, form: str, *, phases: bool, custom: Collection[str]) -> list[Item]:
    calls: Sequence[Mapping[str, Any]] = message.get("tool_calls") or ()
    items: list[Item] = []
    for given in _runs(message.get("content")):
        if isinstance(given, dict):
            items.append(given)
        elif parts := _output_parts(given):
            items.append({"type": "message", "role": "assistant", "content": parts})
    if message.get("refusal"):
        refusal: Item = {"type": "refusal", "refusal": message["refusal"]}
        if items and items[-1]["type"] == "message":
            items[-1]["content"].append(refusal)
        else:
            items.append({"type": "message", "role": "assistant", "content": [refusal]})
    items += [_call(call, custom) for call in calls]
    if phases:
        # Chat has no word for it, but what stands before something else is never the last word.
        for item in items:
            if item["type"] == "message":
                item["phase"] = "final_answer" if item is items[-1] else "commentary"
    return _interleaved(_thoughts(message, form), items)


def _runs(content: Any) -> Iterator[Any]:
    """The content, or where it has items of this API: each of them, and lists of the parts in between."""
    if not isinstance(content, list) or not any(part["type"] == PART for part in content):
        yield content
        return
    run: list[Any] = []
    for part in content:
        if part["type"] != PART:
            run.append(part)
            continue
        if run:
            yield run
        run = []
        yield dict(part["item"])
    if run:
        yield run


def _call(call: Mapping[str, Any], custom: Collection[str]) -> Item:
    function = call["function"]
    name, arguments = function["name"], function["arguments"]
    if name in custom:
        return {
            "type": "custom_tool_call",
            "call_id": _call_id(call["id"]),
            "name": name,
            "input": text_of(arguments),
        }
    return {
        "type": "function_call",
        "call_id": _call_id(call["id"]),
        "name": name,
        "arguments": arguments or "{}",
    }


def _thoughts(message: Message, form: str) -> list[tuple[int, Item]]:
    """(place among the answer's items, item) of everything that was encrypted.

    What was not is left out: its id alone would be looked up among the stored items, where it is not.
    """
    thoughts: list[tuple[int, Item]] = []
    for detail in details_of(message, form):
        place = detail.get("index")
        place = place if isinstance(place, int) else 0
        if not thoughts or thoughts[-1][0] != place or "encrypted_content" in thoughts[-1][1]:
            thoughts.append((place, {"type": "reasoning", "summary": []}))
        item = thoughts[-1][1]
        if detail.get("summary"):
            item["summary"].append({"type": "summary_text", "text": detail["summary"]})
        elif detail.get("text"):
            item.setdefault("content", []).append({"type": "reasoning_text", "text": detail["text"]})
        elif detail.get("data"):
            item["encrypted_content"] = detail["data"]
            if detail.get("id"):
                item["id"] = detail["id"]
    return [(place, item) for place, item in thoughts if "encrypted_content" in item]


def _interleaved(thoughts: Sequence[tuple[int, Item]], items: Sequence[Item]) -> list[Item]:
    """Reasoning must be followed by what it led to, or the request is refused; so none comes last."""
    if not items:
        return []
    rest = list(items)
    built: list[Item] = []
    at = 0
    for place, thought in thoughts:
        while at < place and len(rest) > 1:
            built.append(rest.pop(0))
            at += 1
        if at < place:
            # A search or the like stood here that clients of chat do not get: what led to it goes with it.
            while built and built[-1]["type"] == "reasoning":
                built.pop()
        built.append(thought)
        at = max(at, place) + 1
    return [*built, *rest]


def _output_parts(content: Any) -> list[Item]:
    if isinstance(content, str):
        texts = [content]
    else:
        texts = [part["text"] for part in content or () if part["type"] == "text"]
    return [{"type": "output_text", "text": text} for text in texts if text]


def _content(content: Any, *, marked: bool) -> Any:
    if not isinstance(content, list):
        return content or ""
    return [_part(part, marked=marked) for part in content]


def _part(part: Mapping[str, Any], *, marked: bool) -> Item:
    media = parse_media(part)
    built = {"type": "input_text", "text": part["text"]} if media is None else _media(media)
    if marked and cache_ttl(part) is not None:
        built["prompt_cache_breakpoint"] = EXPLICIT
    return built


def _media(media: Media) -> Item:
    if media.kind == "image_url":
        address = media.url or f"data:{media.media_type or 'image/png'};base64,{media.data}"
        return {"type": "input_image", "image_url": address, "detail": media.detail or "auto"}
    if media.kind == "file":
        if media.file_id:
            return {"type": "input_file", "file_id": media.file_id}
        if media.url:
            return {"type": "input_file", "file_url": media.url}
        kind = media.media_type or "application/pdf"
        name = media.filename or ("document.pdf" if kind == "application/pdf" else "document")
        return {"type": "input_file", "filename": name, "file_data": f"data:{kind};base64,{media.data}"}
    # https://developers.openai.com/api/docs/guides/migrate-to-responses: audio is still to come.
    raise InvalidRequest(f"this model takes no parts of type {media.kind}", field="messages")


def _named(name: str | None, role: str, content: Any) -> Any:
    """Participants have no names in this API."""
    if not name or role != "user":
        return content
    if isinstance(content, str):
        return f"{name}: {content}"
    return [{"type": "input_text", "text": f"{name}:"}, *content]


def _call_id(given: str) -> str:
    """Both ends of a call are shortened alike, so that they still match."""
    return given if len(given) <= _LONGEST_CALL_ID else f"call_{sha256(given.encode()).hexdigest()[:40]}"
