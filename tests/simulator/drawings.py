"""Images that a test can tell apart: the same words are always the same image."""

import base64
import struct
import zlib
from functools import cache

IMAGE_TOKENS, PARTIAL_TOKENS = 1000, 100


@cache
def png_of(words: str) -> str:
    """One pixel in base64, whose colour the words decide on."""
    colour = zlib.crc32(words.encode()).to_bytes(4, "big")[:3]
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" + colour)), (b"IEND", b""))
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*each) for each in chunks)).decode()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
