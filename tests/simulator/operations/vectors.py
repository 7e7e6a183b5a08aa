"""Vectors that a test can compute by itself: the same text has the same vector, at any provider."""

import base64
import struct
import zlib
from collections.abc import Sequence


def vector_of(text: str, dimensions: int) -> list[float]:
    """Numbers that 32-bit floats hold exactly."""
    seed = zlib.crc32(text.encode())
    return [((seed >> (place % 24)) % 256 - 128) / 128 for place in range(dimensions)]


def base64_of(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def tokens_of(text: str) -> int:
    return max(1, len(text) // 4)
