"""From the body of `POST /images` to the canonical request."""

import re
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers

from turnpike.api.images.schema import ImagesBody
from turnpike.api.inference.operation import common_members
from turnpike.api.validation import parse
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.image_sizes import ASPECT_RATIOS, TIERS, is_of_ratio, tier_of
from turnpike.domain.image_traits import Quality
from turnpike.domain.images import ImageRequest

_PIXELS = re.compile(r"(\d{2,5})x(\d{2,5})", re.ASCII)
_LONGEST_EDGE = 16_384
_PARTIAL_IMAGES = 1
"""Of an image that is streamed, where the client names no number: each costs tokens."""

_QUALITIES: Mapping[str, Quality | None] = {
    "auto": None,
    # The words of OpenAI's older models.
    "standard": "medium",
    "hd": "high",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}


def parse_image_request(content: Mapping[str, Any], headers: Headers) -> ImageRequest:
    """Raises InvalidRequest naming the field."""
    body = parse(ImagesBody, content)
    if body.response_format == "url":
        raise InvalidRequest(
            "images are answered as base64, and none is kept at an address; leave it out, or ask for b64_json",
            field="response_format",
        )
    if body.background == "transparent" and body.output_format == "jpeg":
        raise InvalidRequest("a transparent background needs png or webp", field="output_format")
    return ImageRequest(
        **common_members(body, headers),
        **_size_of(body),
        prompt=body.prompt,
        count=body.n or 1,
        quality=_QUALITIES[body.quality] if body.quality else None,
        background=None if body.background == "auto" else body.background,
        output_format=body.output_format,
        output_compression=body.output_compression,
        moderation=body.moderation,
        seed=body.seed,
        references=_references_of(content.get("input_references") or ()),
        stream=bool(body.stream),
        partial_images=_PARTIAL_IMAGES if body.partial_images is None else body.partial_images,
    )


def _size_of(body: ImagesBody) -> dict[str, Any]:
    ratio = None if body.aspect_ratio == "auto" else body.aspect_ratio
    if ratio is not None and ratio not in ASPECT_RATIOS:
        raise InvalidRequest(f"Input should be 'auto' or one of {', '.join(ASPECT_RATIOS)}", field="aspect_ratio")
    size = None if body.size is None or body.size.lower() == "auto" else body.size
    if size is None:
        return {"aspect_ratio": ratio, "resolution": body.resolution}
    tier = next((each for each in TIERS if each.lower() == size.lower()), None)
    if tier is not None:
        if body.resolution not in (None, tier):
            raise InvalidRequest(f"it names another tier than resolution, {body.resolution}", field="size")
        return {"aspect_ratio": ratio, "resolution": tier}
    return {"pixels": _pixels_of(size, ratio, body.resolution)}


def _pixels_of(size: str, ratio: str | None, resolution: str | None) -> tuple[int, int]:
    """A size in pixels says all, and what does not go with it is refused rather than passed over."""
    match = _PIXELS.fullmatch(size.lower())
    if match is None or max(int(match[1]), int(match[2])) > _LONGEST_EDGE:
        raise InvalidRequest(
            f"give pixels such as 1536x1024, or a tier: {', '.join(TIERS)}; auto leaves it to the model", field="size"
        )
    width, height = int(match[1]), int(match[2])
    if ratio is not None and not is_of_ratio(width, height, ratio):
        raise InvalidRequest(f"{width}x{height} is not of this shape; leave one of the two out", field="aspect_ratio")
    if resolution is not None and tier_of(width, height) != resolution:
        raise InvalidRequest(f"{width}x{height} is not of this tier; leave one of the two out", field="resolution")
    return width, height


def _references_of(parts: Any) -> list[Mapping[str, Any]]:
    """Of validated parts, what providers may see of them."""
    for place, part in enumerate(parts):
        url = part["image_url"]["url"]
        if not url.startswith(("data:image/", "https://")):
            field = f"input_references.{place}.image_url.url"
            raise InvalidRequest("give an https:// address or a data URL of an image", field=field)
    return [{"type": "image_url", "image_url": {"url": part["image_url"]["url"]}} for part in parts]
