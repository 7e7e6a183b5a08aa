"""A conversation in content blocks as canonical messages, which are those of chat completions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from turnpike.api.messages.thoughts import detail_of_redacted, detail_of_thinking, text_of
from turnpike.domain.chat import Message
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.native import PART, native_part

Block = Mapping[str, Any]
Part = dict[str, Any]

_DROPPED = frozenset({"openrouter_bash_tool_result", "openrouter_shell_tool_result", "openrouter_tool_search_result"})
"""OpenRouter takes them back and drops them, since no provider has anything like them (reference 8.1)."""


def build_messages(system: str | Sequence[Block] | None, turns: Sequence[Mapping[str, Any]]) -> list[Message]:
    """From a validated body. Raises InvalidRequest for blocks that nobody could read."""
    messages: list[Message] = []
    if system:
        messages.append({"role": "system", "content": _content(system, "system")})
    for place, turn in enumerate(turns):
        content, path = turn["content"], f"messages.{place}.content"
        if isinstance(content, str):
            messages.append({"role": turn["role"], "content": content})
        elif turn["role"] == "assistant":
            messages.append(_answer(content, path))
        else:
            messages += _told(turn["role"], content, path)
    return messages


def _told(role: str, blocks: Sequence[Block], path: str) -> Iterator[Message]:
    """Results of tools come first: that is where other providers want them, and Anthropic too."""
    rest: list[Block] = []
    for block in blocks:
        if block["type"] == "tool_result":
            yield _result(block, path)
        else:
            rest.append(block)
    parts = [part for block in rest for part in _parts(block, path)]
    if parts:
        yield {"role": role, "content": parts}


def _result(block: Block, path: str) -> Message:
    """`is_error` has no place in chat completions; a wire format that has one takes it from here."""
    content = _content(block.get("content") or "", path)
    mark = block.get("cache_control")
    if mark is not None:
        content = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if content:
            content[-1]["cache_control"] = mark
    message = {"role": "tool", "tool_call_id": block["tool_use_id"], "content": content}
    return {**message, "is_error": True} if block.get("is_error") else message


def _answer(blocks: Sequence[Block], path: str) -> Message:
    """An earlier answer. Its thoughts know their places, so that they can be put back there."""
    said: list[Part] = []
    calls: list[dict[str, Any]] = []
    details: list[dict[str, Any]] = []
    place, after_text = 0, False
    for block in blocks:
        kind = block["type"]
        if kind in _DROPPED:
            continue
        if kind == "text":
            said += _parts(block, path)
            place += not after_text
            after_text = True
            continue
        if kind == "tool_use":
            calls.append(_call(block))
        elif kind == "thinking":
            details.append(detail_of_thinking(block["thinking"], block.get("signature") or "", place))
        elif kind == "redacted_thinking":
            details.append(detail_of_redacted(block["data"], place))
        elif _is_native(kind):
            said.append(native_part("messages", block))
        else:
            raise _refusal(block, path)
        place += 1
        after_text = False
    message: dict[str, Any] = {"role": "assistant", "content": _joined(said)}
    if calls:
        message["tool_calls"] = calls
    if details:
        message["reasoning_details"] = details
        reasoning = "".join(map(text_of, details))
        if reasoning:
            message["reasoning"] = reasoning
    return message


def _call(block: Block) -> dict[str, Any]:
    arguments = orjson.dumps(block["input"]).decode()
    call: dict[str, Any] = {
        "id": block["id"],
        "type": "function",
        "function": {"name": block["name"], "arguments": arguments},
    }
    return _marked(call, block)


def _is_native(kind: str) -> bool:
    """Whether it came of a tool that Anthropic runs. What an MCP server said came of none that is to be had here."""
    return kind == "server_tool_use" or (kind.endswith("_tool_result") and not kind.startswith("mcp_"))


def _joined(parts: Sequence[Part]) -> str | list[Part] | None:
    """One text, unless a mark or a native block stands between its parts: an answer is cut where it cites, and not
    where it pauses.
    """
    if any("cache_control" in part for part in parts):
        return list(parts)
    joined: list[Part] = []
    for part in parts:
        if joined and joined[-1]["type"] == part["type"] == "text":
            joined[-1] = {"type": "text", "text": joined[-1]["text"] + part["text"]}
        else:
            joined.append(part)
    if any(part["type"] == PART for part in joined):
        return joined
    return joined[0]["text"] if joined else None


def _content(content: str | Iterable[Block], path: str) -> Any:
    if isinstance(content, str):
        return content
    return [part for block in content for part in _parts(block, path)]


def _parts(block: Block, path: str) -> list[Part]:
    match block["type"]:
        case "text":
            return [_marked({"type": "text", "text": block["text"]}, block)]
        case "image":
            return [_marked({"type": "image_url", "image_url": {"url": _address(block["source"], path)}}, block)]
        case "document":
            return _document(block, path)
        case "search_result":
            texts = [f"{block['title']}\n{block['source']}", *(each["text"] for each in block["content"])]
            return [_marked({"type": "text", "text": "\n\n".join(texts)}, block)]
        case kind if kind in _DROPPED:
            return []
    raise _refusal(block, path)


def _document(block: Block, path: str) -> list[Part]:
    """Plain text is told as text, which every model reads; few take it as a file."""
    source, title, context = block["source"], block.get("title"), block.get("context")
    parts: list[Part] = [{"type": "text", "text": context}] if context else []
    if source["type"] in ("text", "content"):
        told = source["data"] if source["type"] == "text" else source["content"]
        named = [{"type": "text", "text": title}] if title else []
        parts = [*named, *parts, *([{"type": "text", "text": told}] if isinstance(told, str) else _content(told, path))]
    else:
        file = {"filename": title or "document.pdf", "file_data": _address(source, path)}
        parts.append({"type": "file", "file": file})
    if parts:
        parts[-1] = _marked(parts[-1], block)
    return parts


def _address(source: Mapping[str, Any], path: str) -> str:
    if source["type"] == "base64":
        return f"data:{source['media_type']};base64,{source['data']}"
    if source["type"] == "url":
        return str(source["url"])
    # It would name a file of this deployment's account, which is not the client's.
    raise InvalidRequest("send the file itself, as base64 or by its url; no files are kept here", field=path)


def _marked(part: dict[str, Any], block: Block) -> dict[str, Any]:
    mark = block.get("cache_control")
    return part if mark is None else {**part, "cache_control": mark}


def _refusal(block: Block, path: str) -> InvalidRequest:
    return InvalidRequest(
        f"a block of type {str(block['type'])[:64]} cannot stand here; it is of no tool that this deployment has, so "
        "leave it out",
        field=path,
    )
