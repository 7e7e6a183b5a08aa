"""Members that whole answers with images and their streams have in common."""

import binascii
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Usage, add_usages
from turnpike.domain.images import Image, ImageRequest, Images
from turnpike.providers.sniff import sniff_media_type

Json = Mapping[str, Any]

_MOST_TOKENS = 1e12
_SNIFFED = 64
"""Characters of base64 that tell what the bytes are."""


def result_of(
    images: Sequence[Image], usages: Sequence[Usage | None], request: ImageRequest, endpoint: Endpoint
) -> Images:
    """With what the provider counted; else what such images take at most, and the record says that it was estimated."""
    known = [usage for usage in usages if usage is not None]
    if len(known) < len(usages) or not known:
        is_estimated = endpoint.pricing.output_image is None
        return Images(images, replace(request.used(endpoint, len(images)), estimated=is_estimated))
    return Images(images, request.counted(add_usages(known), endpoint, len(images)))


def image_of(given: Json, answer: Json) -> Image:
    """Raises LookupError or TypeError where there is none, or only an address."""
    data = given["b64_json"]
    if not isinstance(data, str) or not data:
        raise TypeError
    named = given.get("mime_type") or given.get("output_format") or answer.get("output_format")
    return Image(data, media_type_of(data, named))


def media_type_of(data: str, named: object) -> str | None:
    """By its first bytes; by what the provider calls it where they do not tell."""
    try:
        found = sniff_media_type(b64decode(data[:_SNIFFED]))
    except binascii.Error:
        found = None
    if found is not None and found.startswith("image/"):
        return found
    if not isinstance(named, str) or not named:
        return None
    return named if "/" in named else {"svg": "image/svg+xml"}.get(named, f"image/{named}")


def parse_usage(given: Json | None) -> Usage | None:
    """None where nothing was counted, as by those who charge by the image."""
    if not isinstance(given, dict):
        return None
    prompt = _count(given, "input_tokens") or _count(given, "prompt_tokens")
    completion = _count(given, "output_tokens") or _count(given, "completion_tokens")
    if not completion:
        return None
    of_prompt, of_completion = (
        _details(given, "input_tokens_details"),
        _details(given, "output_tokens_details"),
    )
    # OpenAI's older models say nothing of the parts: all that they write is the image.
    words = _count(of_completion, "text_tokens")
    return Usage(
        prompt_tokens=prompt,
        prompt_image_tokens=min(_count(of_prompt, "image_tokens"), prompt),
        completion_tokens=completion,
        completion_image_tokens=max(0, completion - words),
    )


def _details(given: Json, name: str) -> Json:
    value = given.get(name)
    return value if isinstance(value, dict) else {}


def _count(given: Json, name: str) -> int:
    value = given.get(name)
    return int(value) if isinstance(value, int | float) and 0 < value < _MOST_TOKENS else 0
