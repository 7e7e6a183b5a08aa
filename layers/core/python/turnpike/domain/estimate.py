"""How many tokens a prompt may have, before any tokenizer has seen it.

Providers count with tokenizers that we do not have. English runs at about four characters a token, code
and other languages at fewer; three for ASCII and one beyond it errs on the high side, so that a hold
rarely falls short. What it misses is taken as overage when the provider's own count is known.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from turnpike.domain.chat import ChatRequest
from turnpike.domain.media_counts import count_answer_images
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.domain.native import PART

_ASCII_CHARACTERS_PER_TOKEN = 3
_DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+;base64,[A-Za-z0-9+/=]*")
_TOKENS_PER_MESSAGE = 8
_TOKENS_PER_MEDIA_PART = 2_000
"""An image or a page or two: OpenAI's largest images cost 1,105 to 2,833 tokens, Claude's up to 1,600."""


@dataclass(frozen=True, slots=True)
class Media:
    """What of a request costs otherwise than text: parts of a price that its tokens may have, and what has a price of
    its own.
    """

    prompt_parts: frozenset[str] = frozenset()
    output_parts: frozenset[str] = frozenset()
    images: int = 0
    beside: NanoUsd = ZERO
    """What is charged besides the model: a search on the web by an engine of ours."""
    searches: int = 0
    """How many the provider itself is expected to make; it may make more."""


NO_MEDIA = Media(output_parts=frozenset({"image_output"}))
"""Text, and no word of what to answer with: models that draw may do so unasked."""
_PROMPT_PARTS = {"image_url": "image_token", "video_url": "image_token", "file": "image_token", "input_audio": "audio"}
_OUTPUT_PARTS = {"image": "image_output", "audio": "audio_output"}


def media_of(request: ChatRequest) -> Media:
    kinds = [
        part.get("type")
        for message in request.messages
        if isinstance(message.get("content"), list)
        for part in message["content"]
        if part.get("type") in _PROMPT_PARTS
    ]
    modalities = request.parameters.get("modalities")
    if not kinds and not modalities:
        return NO_MEDIA
    wanted = _OUTPUT_PARTS.keys() & set(modalities or ("image",))
    return Media(
        frozenset(_PROMPT_PARTS[kind] for kind in kinds),
        frozenset(_OUTPUT_PARTS[kind] for kind in wanted),
        kinds.count("image_url"),
    )


def estimate_tokens(text: str) -> int:
    return len(text) // _ASCII_CHARACTERS_PER_TOKEN + 1 if text.isascii() else len(text) + 1


def estimate_prompt_tokens(request: ChatRequest) -> int:
    tokens = sum(map(estimate_message, request.messages))
    for name in ("tools", "response_format", "suffix"):
        if name in request.parameters:
            tokens += estimate_tokens(str(request.parameters[name]))
    return tokens + sum(estimate_tokens(str(tool.declared)) for tool in request.native_tools)


def estimate_message(message: Mapping[str, Any]) -> int:
    content = message.get("content")
    tokens = _TOKENS_PER_MESSAGE
    if isinstance(content, str):
        tokens += estimate_tokens(content)
    elif isinstance(content, list):
        tokens += sum(_estimate_part(part) for part in content)
    for name in ("tool_calls", "reasoning", "reasoning_details"):
        if message.get(name):
            tokens += estimate_tokens(str(message[name]))
    # What an earlier answer drew goes back with it.
    return tokens + _TOKENS_PER_MEDIA_PART * count_answer_images(message)


def _estimate_part(part: Mapping[str, Any]) -> int:
    kind = part.get("type")
    if kind == "text":
        return estimate_tokens(part["text"])
    if kind != PART:
        return _TOKENS_PER_MEDIA_PART
    # A picture in it, such as of a screen, is no text.
    told, pictures = _DATA_URL.subn("", str(part["item"]))
    return estimate_tokens(told) + pictures * _TOKENS_PER_MEDIA_PART


def count_images(request: ChatRequest) -> int:
    """The images of the prompt, which no provider counts."""
    contents = (message.get("content") for message in request.messages)
    parts = (part for content in contents if isinstance(content, list) for part in content)
    return sum(part.get("type") == "image_url" for part in parts)
