"""A conversation as Anthropic's system prompt and turns: https://platform.claude.com/docs/en/api/messages."""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from turnpike.domain.chat import Message
from turnpike.domain.native import PART
from turnpike.providers.anthropic.content import Block, build_blocks, build_texts, cache_mark, text_block
from turnpike.providers.anthropic.wire import FORM
from turnpike.providers.caching import cache_ttl
from turnpike.providers.reasoning import Detail, details_of
from turnpike.providers.tool_calls import parse_arguments

Turn = dict[str, Any]

THOUGHTS = frozenset({"thinking", "redacted_thinking"})

_NO_ID = re.compile(r"[^a-zA-Z0-9_-]")
"""What an id of a call may not have; other providers' have dots and colons."""

_NOTHING = "."
"""Where the first turn is the model's own, since the API wants a user's before it."""


def build_turns(messages: Sequence[Message], *, system_turns: bool) -> tuple[list[Block], list[Turn]]:
    """The blocks of the system prompt, and turns of one role after another, each with at least one block.

    `system_turns`: whether instructions that come later may stay where they are; otherwise they are added to
    the system prompt.
    """
    conversation = _Conversation(system_turns=system_turns)
    for message in messages:
        conversation.add(message)
    return conversation.finish()


class _Conversation:
    def __init__(self, *, system_turns: bool) -> None:
        self._system_turns = system_turns
        self._system: list[Block] = []
        self._turns: list[Turn] = []
        # Instructions that came after the first turn: they may only stand behind a user's whole turn.
        self._waiting: list[Block] = []

    def add(self, message: Message) -> None:
        role = message["role"]
        if role == "user":
            self._append("user", _user_blocks(message))
        elif role == "tool":
            self._append("user", [_result_block(message)])
        elif role == "assistant":
            self._place_instructions()
            self._append("assistant", _answer_blocks(message))
        else:
            waiting = self._waiting if self._turns else self._system
            waiting += build_texts(message.get("content"))

    def finish(self) -> tuple[list[Block], list[Turn]]:
        self._place_instructions()
        turns = self._turns
        if not turns and self._system:
            # There is no turn but the user's that asks for an answer.
            turns.append({"role": "user", "content": [self._system.pop()]})
        if turns and turns[0]["role"] == "assistant":
            turns.insert(0, {"role": "user", "content": [text_block(_NOTHING)]})
        for turn in turns:
            if turn["role"] == "user":
                # The results of calls have to come before anything else that a turn says.
                turn["content"].sort(key=lambda block: block["type"] != "tool_result")
        if turns and turns[-1]["role"] == "assistant":
            _trim(turns)
        return self._system, turns

    def _append(self, role: str, blocks: list[Block]) -> None:
        if not blocks:
            return
        if self._turns and self._turns[-1]["role"] == role:
            self._turns[-1]["content"] += blocks
        else:
            self._turns.append({"role": role, "content": blocks})

    def _place_instructions(self) -> None:
        """https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages"""
        blocks, self._waiting = self._waiting, []
        if not blocks:
            return
        if self._turns[-1]["role"] != "user":
            # Between two answers there is no other place; and after the last one they ask for the next.
            self._append("user", blocks)
        elif self._system_turns:
            self._append("system", blocks)
        else:
            self._system += blocks


def _user_blocks(message: Message) -> list[Block]:
    content, name = message.get("content"), message.get("name")
    if not name:
        return build_blocks(content)
    if isinstance(content, str):
        return [text_block(f"{name}: {content}")]
    return [text_block(f"{name}:"), *build_blocks(content)]


def _result_block(message: Message) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": _NO_ID.sub("_", message["tool_call_id"])}
    if message.get("is_error"):
        # Of Anthropic's own clients; chat completions have no word for it.
        block["is_error"] = True
    content = message.get("content")
    if isinstance(content, str):
        return {**block, "content": content} if content.strip() else block
    blocks = build_blocks(content)
    # Marks belong on the block itself, and are refused within it.
    marks = [mark for each in blocks if (mark := each.pop("cache_control", None)) is not None]
    if blocks:
        block["content"] = blocks
    if marks:
        block["cache_control"] = marks[-1]
    return block


def _answer_blocks(message: Message) -> list[Block]:
    """An earlier answer with its thoughts where they stood; what cannot be sent back is left out."""
    groups = _said_groups(message.get("content") or message.get("refusal"))
    groups += [[_call_block(call)] for call in message.get("tool_calls") or ()]
    blocks: list[Block] = []
    place = 0
    for detail in details_of(message, FORM):
        thought = _thought_block(detail)
        if thought is None:
            continue
        index = detail.get("index")
        # Where less came back than stood before it, as of searches in chat completions, the last stays behind it.
        least = int(isinstance(index, int) and index > place + len(groups))
        while len(groups) > least and isinstance(index, int) and place < index:
            blocks += groups.pop(0)
            place += 1
        blocks.append(thought)
        place += 1
    for group in groups:
        blocks += group
    while blocks and blocks[-1]["type"] in THOUGHTS:
        # Of an answer that was cut while it thought: "The final block in an assistant message cannot be `thinking`".
        blocks.pop()
    return blocks


def _said_groups(content: str | Iterable[Mapping[str, Any]] | None) -> list[list[Block]]:
    """The blocks of each place: one is that of texts, even where they are blank and left out, until something stands
    between them that is native to this API.
    """
    if not content or isinstance(content, str):
        return [build_texts(content)] if content else []
    groups: list[list[Block]] = []
    for is_native, parts in groupby(content, lambda part: part.get("type") == PART):
        run = list(parts)
        groups += [build_blocks([part]) for part in run] if is_native else [build_texts(run)]
    return groups


def _thought_block(detail: Detail) -> Block | None:
    """None for thoughts without their signature, which are refused."""
    kind = detail.get("type")
    if kind == "reasoning.encrypted" and detail.get("data"):
        return {"type": "redacted_thinking", "data": detail["data"]}
    if kind == "reasoning.text" and detail.get("signature"):
        return {"type": "thinking", "thinking": detail.get("text") or "", "signature": detail["signature"]}
    return None


def _call_block(call: Mapping[str, Any]) -> Block:
    arguments = parse_arguments(call)
    block: Block = {
        "type": "tool_use",
        "id": _NO_ID.sub("_", call["id"]),
        "name": call["function"]["name"],
        "input": arguments if isinstance(arguments, dict) else {"arguments": arguments},
    }
    ttl = cache_ttl(call)
    return block if ttl is None else {**block, "cache_control": cache_mark(ttl)}


def _trim(turns: list[Turn]) -> None:
    """The last turn is to be continued: "final assistant content cannot end with trailing whitespace"."""
    last = turns[-1]["content"][-1]
    if last["type"] == "text":
        # No text is blank here, so something remains.
        last["text"] = last["text"].rstrip()
