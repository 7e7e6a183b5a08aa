"""A conversation as Converse takes it: turns that alternate, made of blocks, and the system's apart.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

import base64
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from turnpike.domain.chat import Message
from turnpike.providers.bedrock.families import CLAUDE, PLAIN, Family
from turnpike.providers.bedrock.media import MediaBlocks
from turnpike.providers.caching import cache_ttl
from turnpike.providers.media import parse_media
from turnpike.providers.reasoning import details_of
from turnpike.providers.tool_calls import parse_arguments

Block = dict[str, Any]

_CALL_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_SHORT_CALL_ID = re.compile(r"[a-zA-Z0-9]{9}")

_FILLER = "."
"""Stands where a turn may not be missing and blank text is refused."""


def build_conversation(messages: Sequence[Message], family: Family) -> tuple[list[Block], list[Block]]:
    """(system, messages). Raises InvalidRequest for media that have no form."""
    return _Conversation(family).build(messages)


def cache_point(ttl: str, family: Family) -> Block:
    """Five minutes are what is meant without a time, which older models do not know."""
    point = {"type": "default"}
    return {"cachePoint": point | {"ttl": ttl} if ttl != "5m" and family.hour_caching else point}


def has_calls(messages: Sequence[Message]) -> bool:
    return any(message["role"] == "tool" or message.get("tool_calls") for message in messages)


class _Conversation:
    def __init__(self, family: Family) -> None:
        self._family = family
        self._media = MediaBlocks()
        self._turns: list[Block] = []

    def build(self, messages: Sequence[Message]) -> tuple[list[Block], list[Block]]:
        system: list[Block] = []
        for message in messages:
            role = message["role"]
            if role in ("system", "developer"):
                system += self._blocks(message.get("content"), place="system")
            elif role == "assistant":
                self._add("assistant", self._answer(message))
            elif role == "tool":
                self._add("user", [self._result(message), *self._mark_of_result(message)])
            else:
                self._add("user", self._question(message))
        self._mend()
        return system, self._turns

    def _add(self, role: str, blocks: list[Block]) -> None:
        if self._turns and self._turns[-1]["role"] == role:
            self._turns[-1]["content"] += blocks
        elif blocks:
            self._turns.append({"role": role, "content": blocks})

    def _mend(self) -> None:
        """What Converse demands of a conversation beside turns that alternate."""
        if not self._turns or self._turns[0]["role"] != "user":
            self._turns.insert(0, {"role": "user", "content": [{"text": _FILLER}]})
        for turn in self._turns:
            content = turn["content"]
            if any("document" in block for block in content) and not any("text" in block for block in content):
                content.append({"text": _FILLER})
        last = self._turns[-1]["content"][-1]
        if self._turns[-1]["role"] == "assistant" and "text" in last:
            # A prefill may not end in white space.
            last["text"] = last["text"].rstrip()

    def _question(self, message: Message) -> list[Block]:
        content = message.get("content")
        name = message.get("name")
        if name:
            named = f"{name}: {content}" if isinstance(content, str) else None
            content = named or [{"type": "text", "text": f"{name}:"}, *(content or ())]
        return self._blocks(content) or [{"text": _FILLER}]

    def _answer(self, message: Message) -> list[Block]:
        """Images of earlier answers are left out: only users may send any."""
        content = message.get("content")
        if isinstance(content, list):
            content = [part for part in content if part["type"] == "text"]
        content = content or message.get("refusal")
        # One place is the text's even where it is blank and left out.
        groups = [self._blocks(content)] if content else []
        groups += [[self._call(call)] for call in message.get("tool_calls") or ()]
        blocks: list[Block] = []
        place = 0
        for index, block in self._reasoning(message):
            while groups and place < index:
                blocks += groups.pop(0)
                place += 1
            blocks.append(block)
            place += 1
        blocks += [block for group in groups for block in group]
        while self._family.is_claude and blocks and "reasoningContent" in blocks[-1]:
            # Of an answer that was cut while it thought: Claude's may not end in a thought.
            blocks.pop()
        return blocks

    def _reasoning(self, message: Message) -> list[tuple[int, Block]]:
        """(place in its answer, block) of what the model gave and takes back. What is plain need not keep its place."""
        form = self._family.reasoning_format
        if form is None:
            return []
        # A stream does not say whose reasoning it is before the signature comes.
        details = details_of(message, *((CLAUDE, PLAIN) if form == CLAUDE else (PLAIN,)))
        found: list[tuple[int, Block]] = []
        for detail in details:
            content = _reasoning_block(detail, signed=form == CLAUDE)
            if content is not None:
                index = detail.get("index")
                kept = form == CLAUDE or "redactedContent" in content
                place = index if kept and isinstance(index, int) else 0
                found.append((place, {"reasoningContent": content}))
        return found

    def _call(self, call: Mapping[str, Any]) -> Block:
        arguments = parse_arguments(call)
        return {
            "toolUse": {
                "toolUseId": self._call_id(call["id"]),
                "name": call["function"]["name"],
                "input": arguments if isinstance(arguments, dict) else {"arguments": arguments},
            }
        }

    def _result(self, message: Message) -> Block:
        content = self._blocks(message.get("content"), place="result")
        return {
            "toolResult": {
                "toolUseId": self._call_id(message["tool_call_id"]),
                "content": content or [{"text": "(empty)"}],
                # Only Claude and Nova know it, and only Anthropic's clients say it:
                # https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolResultBlock.html
                **({"status": "error"} if message.get("is_error") and self._family.is_claude else {}),
            }
        }

    def _mark_of_result(self, message: Message) -> list[Block]:
        """A cache point stands behind a result, not in it."""
        content = message.get("content")
        marks = [cache_ttl(part) for part in content] if isinstance(content, list) else []
        ttl = next(filter(None, reversed(marks)), None)
        return [cache_point(ttl, self._family)] if ttl and "messages" in self._family.caching else []

    def _call_id(self, given: str) -> str:
        """Both ends of a call are shortened alike, so that they still match."""
        if self._family.short_call_ids:
            return given if _SHORT_CALL_ID.fullmatch(given) else sha256(given.encode()).hexdigest()[:9]
        return given if _CALL_ID.fullmatch(given) else sha256(given.encode()).hexdigest()[:40]

    def _blocks(self, content: Any, *, place: str = "messages") -> list[Block]:
        """Without blank texts, which are refused."""
        parts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
        blocks: list[Block] = []
        for part in parts:
            if part["type"] != "text":
                media = parse_media(part)
                if media is not None:
                    blocks.append(self._media.build(media))
            elif part["text"].strip():
                blocks.append({"text": part["text"]})
            ttl = cache_ttl(part)
            if ttl and blocks and "cachePoint" not in blocks[-1] and place in self._family.caching:
                blocks.append(cache_point(ttl, self._family))
        return blocks


def _reasoning_block(detail: Mapping[str, Any], *, signed: bool) -> Block | None:
    """None for what the model would refuse: a thought of Claude's without the proof that it is one."""
    kind, data, text, signature = (detail.get(member) for member in ("type", "data", "text", "signature"))
    if kind == "reasoning.encrypted" and isinstance(data, str):
        if detail["format"] == CLAUDE:
            return {"redactedContent": base64.b64encode(data.encode()).decode()}
        return None if signed else {"redactedContent": data}
    if kind != "reasoning.text" or (signed and not signature) or not (text or signature):
        return None
    reasoning = {"text": text or ""}
    return {"reasoningText": reasoning | {"signature": signature} if signature else reasoning}
