"""Context compression: a prompt that does not fit its endpoint loses its middle, of which models make least.

As much is kept of the conversation's beginning as of its end, instructions first of all. What lies between is
left out, and the messages at the two edges are shortened in their own middle. An assistant's tool calls keep
their results, and wherever it is possible the two sides still take turns.

Source: https://openrouter.ai/docs/guides/features/message-transforms
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest, Message
from turnpike.domain.estimate import estimate_message, estimate_prompt_tokens, estimate_tokens
from turnpike.domain.native import PART
from turnpike.domain.routing.conditions import shortens_prompts

MOST_MESSAGES: Mapping[str, int] = {"anthropic": 1000}
"""What a model takes however short they are, by its author; the figure is in the plugin's documentation."""

_LIKELY = 0.75
"""Of the estimate, which errs on the high side: what likely fits is left whole, unless the client asked for
shortening, and would rather lose some of it than be refused. What is cut is cut by the estimate itself.
"""
_ANSWER_TOKENS = 4096
"""Kept free at most for an answer whose length the client leaves open; an eighth of small contexts."""
_INSTRUCTIONS_AT_MOST = 0.75
"""Of the room. Longer ones are shortened too, to half of it: something must be left to answer."""
_FEWEST_TOKENS = 20
"""Of a text that are worth keeping, and to which the last message is shortened at most."""
_GAP = "\n...\n"
_CHARACTERS_PER_TOKEN = 3
"""As `estimate_tokens` counts ASCII; of other text it counts every character."""


def fit_request(
    request: ChatRequest, endpoint: Endpoint, *, prompt_tokens: int, output_modalities: Sequence[str] = ("text",)
) -> ChatRequest:
    """The request itself when it fits, or when it is not to be shortened. `prompt_tokens` is its estimate."""
    if not _is_shortened(request, endpoint, prompt_tokens, output_modalities):
        return request
    limit = endpoint.context_length - _answer_tokens(request, endpoint)
    limit -= estimate_prompt_tokens(replace(request, messages=()))
    messages = compress(request.messages, limit_tokens=limit, most_messages=_most_messages(endpoint))
    return replace(request, messages=messages)


def most_sent(
    request: ChatRequest, endpoint: Endpoint, *, prompt_tokens: int, output_modalities: Sequence[str] = ("text",)
) -> int:
    """The most estimated tokens of the prompt that `fit_request` leaves, without the work of shortening it."""
    if not _is_shortened(request, endpoint, prompt_tokens, output_modalities):
        return prompt_tokens
    return min(prompt_tokens, endpoint.context_length - (request.max_tokens or 0))


def compress(messages: Sequence[Message], *, limit_tokens: int, most_messages: int | None = None) -> Sequence[Message]:
    """Messages of at most that many estimated tokens, or as few as there can be: the last one always stays.

    The sequence itself when it is short enough. Messages that stay whole are the same objects.
    """
    steps = _steps(messages)
    if sum(step.tokens for step in steps) <= limit_tokens and len(messages) <= (most_messages or len(messages)):
        return messages
    first = next((place for place, step in enumerate(steps) if not step.instructs), len(steps) - 1)
    instructions, conversation = steps[:first], steps[first:]
    if most_messages is not None:
        conversation = _fewer(conversation, most_messages - first)
    most = int(limit_tokens * _INSTRUCTIONS_AT_MOST)
    if _total(instructions) > most:
        instructions = _shorter(instructions, min(most, limit_tokens // 2))
    conversation = _shorter(conversation, limit_tokens - _total(instructions))
    return [message for step in (*instructions, *conversation) for message in step.messages]


def _is_shortened(
    request: ChatRequest, endpoint: Endpoint, prompt_tokens: int, output_modalities: Sequence[str]
) -> bool:
    most = _most_messages(endpoint)
    too_many = most is not None and len(request.messages) > most
    likely = (1.0 if request.context_compression else _LIKELY) * prompt_tokens + (request.max_tokens or 1)
    if not too_many and likely <= endpoint.context_length:
        return False
    return shortens_prompts(request, endpoint) and list(output_modalities) != ["image"]


def _most_messages(endpoint: Endpoint) -> int | None:
    return MOST_MESSAGES.get(endpoint.model_id.partition("/")[0])


def _answer_tokens(request: ChatRequest, endpoint: Endpoint) -> int:
    if request.max_tokens is not None:
        return request.max_tokens
    longest = endpoint.max_completion_tokens or _ANSWER_TOKENS
    return min(_ANSWER_TOKENS, longest, endpoint.context_length // 8)


@dataclass(frozen=True, slots=True)
class _Step:
    """What stays or goes together: a message, or an assistant's tool calls with their results, native ones too."""

    messages: tuple[Message, ...]
    tokens: int

    @property
    def instructs(self) -> bool:
        return self.messages[0]["role"] in ("system", "developer")


def _step(*messages: Message) -> _Step:
    return _Step(messages, sum(map(estimate_message, messages)))


def _steps(messages: Sequence[Message]) -> list[_Step]:
    steps: list[list[Message]] = []
    for message in messages:
        answers = message["role"] == "tool" and steps and steps[-1][0].get("tool_calls")
        if answers or (steps and message["role"] == "user" and _is_native(message)):
            steps[-1].append(message)
        else:
            steps.append([message])
    return [_step(*together) for together in steps]


def _is_native(message: Message) -> bool:
    """Whether it is nothing but results of tools that an API defines."""
    content = message.get("content")
    return isinstance(content, list) and bool(content) and all(part.get("type") == PART for part in content)


def _total(steps: Sequence[_Step]) -> int:
    return sum(step.tokens for step in steps)


def _fewer(steps: list[_Step], most: int) -> list[_Step]:
    """Half of the messages from each end."""
    ends = _Ends(steps, most, lambda step: len(step.messages))
    if ends.meet:
        return steps
    return _joined(steps[: ends.head], steps[min(ends.tail + 1, len(steps) - 1) :])


def _shorter(steps: list[_Step], room: int) -> list[_Step]:
    """Half of the tokens from each end; the steps at the edges get what is left of their half."""
    ends = _Ends(steps, room, lambda step: step.tokens)
    if ends.meet:
        return steps
    head, tail = steps[: ends.head], steps[ends.tail + 1 :]
    if ends.head == ends.tail:
        # One message is the whole middle.
        edge = _shortened(steps[ends.tail], ends.head_room + ends.tail_room, needed=not tail)
        return head + edge + tail if edge else _joined(head, tail)
    upper = _shortened(steps[ends.tail], ends.tail_room, needed=not tail)
    lower = _shortened(steps[ends.head], ends.head_room + ends.tail_room - _total(upper), needed=False)
    left, right = head + lower, upper + tail
    return left + right if ends.head + 1 == ends.tail and lower and upper else _joined(left, right)


class _Ends:
    """How many whole steps fit into half of the room from each end; `head` and `tail` are the first that do not."""

    def __init__(self, steps: Sequence[_Step], room: int, size: Callable[[_Step], int]) -> None:
        self.meet = sum(map(size, steps)) <= room
        self.head_room = max(room, 0) // 2
        self.tail_room = max(room, 0) - self.head_room
        self.head, self.tail = 0, len(steps) - 1
        while self.tail > 0 and size(steps[self.tail]) <= self.tail_room:
            self.tail_room -= size(steps[self.tail])
            self.tail -= 1
        while self.head < self.tail and size(steps[self.head]) <= self.head_room:
            self.head_room -= size(steps[self.head])
            self.head += 1


def _joined(left: list[_Step], right: list[_Step]) -> list[_Step]:
    """Both sides of a gap, without the few steps beside it that would answer nothing.

    Templates of many open models refuse a conversation whose sides do not take turns.
    """
    for from_left, from_right in ((0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (0, 2)):
        if from_left <= len(left) and from_right < len(right):
            before, after = left[: len(left) - from_left], right[from_right:]
            if _takes_turns(before[-1] if before else None, after[0]):
                return before + after
    return left + right


def _takes_turns(before: _Step | None, after: _Step) -> bool:
    role = after.messages[0]["role"]
    if before is None:
        return bool(role == "user")
    last = before.messages[-1]["role"]
    return last != role and (last, role) != ("tool", "user")


def _shortened(step: _Step, room: int, *, needed: bool) -> list[_Step]:
    """The step within that many tokens; empty when nothing worth having would be left, unless it is `needed`."""
    if step.tokens <= room:
        return [step]
    for keeps_media in (True, False):
        bare = [_with_texts(message, iter(()), media=keeps_media) for message in step.messages]
        sizes = [estimate_tokens(text) for message in step.messages for text in _texts(message)]
        text_room, least = room - sum(map(estimate_message, bare)), _FEWEST_TOKENS * len(sizes)
        if sizes and (text_room >= least or (needed and not keeps_media)):
            texts = _shortened_texts(step, _shares(sizes, max(text_room, least)))
            return [_step(*(_with_texts(message, texts, media=keeps_media) for message in step.messages))]
    return [step] if needed else []


def _shares(sizes: Sequence[int], room: int) -> list[int]:
    """The room divided so that what is short stays whole, and the rest gets as much as one another."""
    shares = list(sizes)
    left, waiting = room, len(sizes)
    for place in sorted(range(len(sizes)), key=sizes.__getitem__):
        shares[place] = min(sizes[place], max(left // waiting, 0))
        left -= shares[place]
        waiting -= 1
    return shares


def _shortened_texts(step: _Step, shares: Sequence[int]) -> Iterator[str]:
    texts = (text for message in step.messages for text in _texts(message))
    for text, share in zip(texts, shares, strict=True):
        yield text if estimate_tokens(text) <= share else _without_middle(text, share)


def _without_middle(text: str, tokens: int) -> str:
    kept = (tokens - 1) * (_CHARACTERS_PER_TOKEN if text.isascii() else 1) - len(_GAP)
    if kept <= 0:
        return ""
    return text[: kept - kept // 2] + _GAP + text[len(text) - kept // 2 :]


def _texts(message: Message) -> list[str]:
    content = message.get("content")
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content or () if part.get("type") == "text"]


def _with_texts(message: Message, texts: Iterator[str], *, media: bool) -> dict[str, Any]:
    """The message with its texts replaced one by one, empty where there are none left.

    An answer that is not whole loses the reasoning behind it; that of tool calls is needed to go on.
    """
    content = message.get("content")
    changed = dict(message)
    if isinstance(content, str):
        changed["content"] = next(texts, "")
    elif content:
        parts = [
            {**part, "text": next(texts, "")} if part.get("type") == "text" else part
            for part in content
            if media or part.get("type") in ("text", PART)
        ]
        changed["content"] = [part for part in parts if part.get("text") != ""] or ""
    if not message.get("tool_calls"):
        changed.pop("reasoning", None)
        changed.pop("reasoning_details", None)
    return changed
