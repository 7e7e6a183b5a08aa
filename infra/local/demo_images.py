"""The demo provider's images, as OpenAI's: a pattern and colours that the prompt decides on, in a real PNG."""

import struct
import time
import zlib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

import orjson

_CELLS = 12
_SHADES = 64
"""Of each of four colours; a power of two."""
_TOKENS = {"low": 64, "medium": 256, "high": 1024}
_PARTIAL_TOKENS = 16
_MOST_IMAGES = 10
_LONGEST_EDGE = 4096


def present_images(body: Mapping[str, Any]) -> bytes:
    """Raises LookupError, TypeError or ValueError for what is no request for images."""
    images = [_draw(body, place) for place in range(_count_of(body))]
    data = [{"b64_json": each} for each in images]
    usage = _usage(body, len(images))
    return orjson.dumps({"created": int(time.time()), "data": data, "output_format": "png", "usage": usage})


def present_image_events(body: Mapping[str, Any]) -> Iterator[bytes]:
    """As many partial images as are asked for, and then the whole ones. Raises as `present_images`, at once."""
    count, partial = _count_of(body), int(body.get("partial_images") or 0)
    finished = [_draw(body, place) for place in range(count)]
    usage = _usage(body, count, partial)
    drafts = [_draw(body, 0, cells=2 << place) for place in range(partial)]

    def events() -> Iterator[bytes]:
        for place, draft in enumerate(drafts):
            yield _event({"type": "image_generation.partial_image", "partial_image_index": place, "b64_json": draft})
        for place, image in enumerate(finished):
            # All of them together are counted once.
            counted = usage if place == count - 1 else None
            told = {"created_at": int(time.time()), "output_format": "png", "usage": counted}
            yield _event({"type": "image_generation.completed", "b64_json": image, **told})

    return events()


def _event(content: Mapping[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (content["type"].encode(), orjson.dumps(content))


def _count_of(body: Mapping[str, Any]) -> int:
    count = int(body.get("n") or 1)
    if not 0 < count <= _MOST_IMAGES or not isinstance(body["prompt"], str) or not body["prompt"]:
        raise ValueError
    return count


def _usage(body: Mapping[str, Any], count: int, partial: int = 0) -> Mapping[str, Any]:
    words = max(-(-len(body["prompt"]) // 4), 1)
    drawn = count * (_TOKENS.get(str(body.get("quality")), _TOKENS["medium"]) + partial * _PARTIAL_TOKENS)
    return {
        "input_tokens": words,
        "input_tokens_details": {"text_tokens": words, "image_tokens": 0},
        "output_tokens": drawn,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": drawn},
        "total_tokens": words + drawn,
    }


def _draw(body: Mapping[str, Any], place: int, *, cells: int = _CELLS) -> str:
    width, height = _size_of(body)
    numbers = _numbers_of(f"{body['prompt']}#{body.get('seed') or ''}#{place}")
    colours_of = [next(numbers) % 256 for _ in range(4 * 3)]
    # High quality has grain, and the size of a file that goes with it.
    shades = _SHADES if body.get("quality") == "high" else 1
    palette = bytes(
        channel * (_SHADES + shade) // (2 * _SHADES) if shades > 1 else channel
        for colour in range(4)
        for shade in range(shades)
        for channel in colours_of[colour * 3 : colour * 3 + 3]
    )
    grain = Random(next(numbers))  # noqa: S311  # It is grain.
    rows = []
    for top in range(cells):
        half = [next(numbers) % 4 for _ in range(-(-cells // 2))]
        # Mirrored, which makes a pattern of what is none.
        colours = half + half[: cells // 2][::-1]
        row = b"".join(bytes([colour * shades]) * _span(at, cells, width) for at, colour in enumerate(colours))
        for _ in range(_span(top, cells, height)):
            rows.append(b"\0" + (row if shades == 1 else _grainy(row, grain)))
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(b"".join(rows), 1)), (b"IEND", b""))
    return b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*each) for each in chunks)).decode()


def _grainy(row: bytes, grain: Random) -> bytes:
    """Each pixel in one of the shades of its colour."""
    noise = int.from_bytes(grain.randbytes(len(row))) & int.from_bytes(bytes([_SHADES - 1]) * len(row))
    return (int.from_bytes(row) | noise).to_bytes(len(row))


def _size_of(body: Mapping[str, Any]) -> tuple[int, int]:
    width, _, height = str(body.get("size") or "512x512").partition("x")
    if not 0 < int(width) <= _LONGEST_EDGE or not 0 < int(height) <= _LONGEST_EDGE:
        raise ValueError
    return int(width), int(height)


def _span(place: int, cells: int, length: int) -> int:
    return (place + 1) * length // cells - place * length // cells


def _numbers_of(text: str) -> Iterator[int]:
    """The same for the same text, and without end."""
    seed = zlib.crc32(text.encode())
    while True:
        seed = zlib.crc32(seed.to_bytes(4, "little"), seed >> 8)
        yield seed >> 4


def _chunk(kind: bytes, content: bytes) -> bytes:
    """https://www.w3.org/TR/png-3/#5Chunk-layout"""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
