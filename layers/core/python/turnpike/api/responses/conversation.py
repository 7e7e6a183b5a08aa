"""A conversation in items as canonical messages, which are those of chat completions."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from turnpike.api.responses.native import CALLS, RESULTS, SEARCH_CALL, is_hollow, needs_dialect
from turnpike.api.responses.thoughts import details_of, text_of
from turnpike.api.responses.tools import SEARCH, function_name, names_of
from turnpike.domain.chat import Message
from turnpike.domain.custom_tools import arguments_of
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.native import native_part

Item = Mapping[str, Any]

_DROPPED = frozenset({"additional_tools"})
"""Tools, which are known by now."""
_CALLS = frozenset({"function_call", "custom_tool_call", "tool_search_call"})
_NATIVE = CALLS | {SEARCH_CALL}
_ANSWERS = _CALLS | _NATIVE | {"reasoning", "image_generation_call"}
_IMAGES = {"/9j/": "image/jpeg", "UklGR": "image/webp", "R0lGOD": "image/gif"}
"""By how their base64 begins; all others are taken for PNG, which is what these models draw."""
_RESULTS = frozenset({"function_call_output", "custom_tool_call_output"})


def build_messages(instructions: str | None, given: str | Sequence[Item]) -> list[Message]:
    """From a validated body. Raises InvalidRequest for items that only the provider's own tools could read."""
    messages: list[Message] = [{"role": "system", "content": instructions}] if instructions else []
    if isinstance(given, str):
        return [*messages, {"role": "user", "content": given}]
    answer: _Answer | None = None
    for place, item in enumerate(given):
        kind, path = item.get("type", "message"), f"input.{place}"
        if kind in _DROPPED:
            continue
        if kind in _ANSWERS or item.get("role") == "assistant":
            # All of an answer's items are one message.
            if answer is None:
                answer = _Answer()
                messages.append(answer.message)
            answer.add(kind, item, path)
            continue
        answer = None
        if kind in _RESULTS:
            told = _content(item["output"], path)
            messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": told})
        elif kind == "tool_search_output":
            told = f"Found: {', '.join(names_of(item)) or 'nothing'}"
            messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": told})
        elif kind == "message":
            messages.append({"role": item["role"], "content": _content(item["content"], path)})
        elif kind in RESULTS:
            messages.append({"role": "user", "content": [native_part("responses", item)]})
        else:
            raise InvalidRequest(
                f"an item of type {str(kind)[:64]} cannot stand here; it is of a tool that is not to be had here, or "
                "refers to what is not stored, so leave it out",
                field=f"{path}.type",
            )
    return messages if needs_dialect(given) else [each for each in messages if not is_hollow(each)]


class _Answer:
    def __init__(self) -> None:
        self.message: dict[str, Any] = {"role": "assistant", "content": None}
        self._place = 0

    def add(self, kind: str, item: Item, path: str) -> None:
        message = self.message
        if kind == "reasoning":
            details = details_of(item, self._place)
            message["reasoning_details"] = [*message.get("reasoning_details", ()), *details]
            said = "".join(map(text_of, details))
            if said:
                message["reasoning"] = message.get("reasoning", "") + said
        elif kind == "image_generation_call":
            if item.get("result"):
                # No API takes an answer that says nothing at all.
                message["content"] = message["content"] or ""
                message["images"] = [*message.get("images", ()), _image(item["result"])]
        elif kind in _CALLS:
            call = {"id": item["call_id"], "type": "function", "function": _function(kind, item)}
            message["tool_calls"] = [*message.get("tool_calls", ()), call]
        elif kind in _NATIVE:
            self._show(native_part("responses", item))
        else:
            text, refusal = _words(item["content"])
            if text:
                self._say(text)
            if refusal:
                message["refusal"] = message.get("refusal", "") + refusal
        self._place += 1

    def _say(self, text: str) -> None:
        said = self.message["content"]
        if not isinstance(said, list):
            self.message["content"] = (said or "") + text
        elif said[-1]["type"] == "text":
            said[-1]["text"] += text
        else:
            said.append({"type": "text", "text": text})

    def _show(self, part: dict[str, Any]) -> None:
        said = self.message["content"]
        if not isinstance(said, list):
            said = self.message["content"] = [{"type": "text", "text": said}] if said else []
        said.append(part)


def _function(kind: str, item: Item) -> dict[str, Any]:
    if kind == "tool_search_call":
        return {"name": SEARCH, "arguments": orjson.dumps(item.get("arguments") or {}).decode()}
    arguments = item["arguments"] if kind == "function_call" else arguments_of(item["input"])
    return {"name": function_name(item["name"], item.get("namespace")), "arguments": arguments}


def _image(data: str) -> dict[str, Any]:
    """Its type is known by how it begins, as these items say nothing of it."""
    media_type = next((kind for begins, kind in _IMAGES.items() if data.startswith(begins)), "image/png")
    return {"type": "image_url", "image_url": {"url": f"data:{media_type};base64,{data}"}}


def _words(content: str | Sequence[Item]) -> tuple[str, str]:
    """(text, refusal) of an earlier answer; what else it had cannot go back."""
    if isinstance(content, str):
        return content, ""
    texts = (part["text"] for part in content if "text" in part)
    return "".join(texts), "".join(part["refusal"] for part in content if part["type"] == "refusal")


def _content(content: str | Sequence[Item], path: str) -> Any:
    return content if isinstance(content, str) else [_part(part, path) for part in content]


def _part(part: Item, path: str) -> dict[str, Any]:
    match part["type"]:
        case "input_image" if part.get("image_url"):
            detail = {"detail": part["detail"]} if part.get("detail") else {}
            return {"type": "image_url", "image_url": {"url": part["image_url"], **detail}}
        case "input_file" if part.get("file_data") or part.get("file_url"):
            named = {"filename": part["filename"]} if part.get("filename") else {}
            return {"type": "file", "file": {**named, "file_data": part.get("file_data") or part["file_url"]}}
        case "input_image" | "input_file":
            raise InvalidRequest("send the file itself, as data or by its url; no files are kept here", field=path)
        case "input_audio":
            return {"type": "input_audio", "input_audio": part["input_audio"]}
        case "refusal":
            return {"type": "text", "text": part["refusal"]}
    mark = {"cache_control": part["cache_control"]} if part.get("cache_control") else {}
    return {"type": "text", "text": part["text"], **mark}
