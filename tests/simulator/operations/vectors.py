"""Vectors that a test can compute by itself: the same text has the same vector, at any provider."""

import base64
import struct
import zlib
from collections.abc import Sequence
from typing import Any


def vector_of(text: str, dimensions: int) -> list[float]:
    """Numbers that 32-bit floats hold exactly."""
    seed = zlib.crc32(text.encode())
    return [((seed >> (place % 24)) % 256 - 128) / 128 for place in range(dimensions)]


def base64_of(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def tokens_of(text: str) -> int:
    return max(1, len(text) // 4)


def text_of_parts(parts: Sequence[dict[str, Any]]) -> str:
    """With the media types of what is no text."""
    texts = [part["text"] if "text" in part else part["image_url"]["url"].partition(";")[0] for part in parts]
    return " ".join(texts)


def scores_of(query: str, documents: Sequence[str]) -> list[tuple[float, int]]:
    """(score, place), the best first: the share of the query's words that a document has."""
    wanted = set(query.lower().split())
    found = [(len(wanted & set(text.lower().split())) / len(wanted), place) for place, text in enumerate(documents)]
    return sorted(found, key=lambda pair: (-pair[0], pair[1]))
