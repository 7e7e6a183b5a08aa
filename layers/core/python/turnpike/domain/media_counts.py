"""What there is in a prompt or an answer besides text, for the record of a generation."""

from collections.abc import Mapping, Sequence
from typing import Any

_SEEN = frozenset({"image_url", "file", "video_url"})


def count_prompt_media(messages: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Images, files and videos; and recordings of sound."""
    seen = heard = 0
    for message in messages:
        content = message.get("content")
        if isinstance(content, list):
            kinds = [part.get("type") for part in content]
            seen += sum(kind in _SEEN for kind in kinds)
            heard += kinds.count("input_audio")
    return seen, heard


def count_answer_images(message: Mapping[str, Any]) -> int:
    """Of an answer's message or a part of one; some of its members are as the provider sent them."""
    images = message.get("images")
    return len(images) if isinstance(images, list) else 0
