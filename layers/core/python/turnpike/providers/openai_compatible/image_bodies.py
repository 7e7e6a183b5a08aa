"""Requests for images as OpenAI's API has them, and as those differ who copied it.

https://developers.openai.com/api/docs/api-reference/images/create
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from turnpike.domain.catalog import Endpoint
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.image_sizes import TIERS, fitted, nearest_ratio, nearest_size
from turnpike.domain.image_traits import ImageTraits, traits_of
from turnpike.domain.images import ImageRequest
from turnpike.providers.media import parse_media
from turnpike.providers.request import FormFile


@dataclass(frozen=True, slots=True)
class Dialect:
    asks_for_base64: bool = True
    """Whether images come as addresses unless `response_format` says otherwise. OpenAI's own models refuse it."""
    shape: Literal["size", "aspect_ratio"] = "size"
    """How an image's size and shape are asked for."""
    edits: Literal["form", "json"] = "form"
    """How images to go by are sent."""


DIALECTS: Mapping[str, Dialect] = {
    "openai": Dialect(asks_for_base64=False),
    "azure": Dialect(asks_for_base64=False),
    # https://docs.x.ai/docs/guides/image-generation: `size` and `quality` are refused, edits are no forms.
    "xai": Dialect(shape="aspect_ratio", edits="json"),
}
_DEFAULT = Dialect()


def dialect_of(provider: str) -> Dialect:
    return DIALECTS.get(provider, _DEFAULT)


def build_body(
    request: ImageRequest, endpoint: Endpoint, dialect: Dialect, *, count: int, streams: bool
) -> dict[str, Any]:
    """All but the images to go by."""
    traits = traits_of(endpoint)
    body: dict[str, Any] = {"model": endpoint.upstream_model, "prompt": request.prompt}
    if count > 1:
        body["n"] = count
    if dialect.asks_for_base64:
        body["response_format"] = "b64_json"
    body.update(_shape(request, traits, dialect))
    chosen = {
        "quality": traits.quality(request.quality),
        "background": request.background if request.background in traits.backgrounds else None,
        "output_format": request.output_format if request.output_format in traits.formats else None,
        "output_compression": request.output_compression if traits.compresses and _is_lossy(request) else None,
        "moderation": request.moderation if traits.moderates else None,
        "seed": request.seed if traits.seeds else None,
        "user": request.user if "user" in endpoint.supported_parameters else None,
    }
    body.update({name: value for name, value in chosen.items() if value is not None})
    if streams:
        body.update({"stream": True, "partial_images": request.partial_images})
    return body


def references_as_json(references: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """xAI's: one image by itself, several in a list."""
    images = [{"type": "image_url", "url": each["image_url"]["url"]} for each in references]
    return {"image": images[0]} if len(images) == 1 else {"images": images}


def files_of(references: Sequence[Mapping[str, Any]]) -> tuple[FormFile, ...]:
    """For the form in which OpenAI takes them. Raises InvalidRequest for what is no image."""
    files = []
    for place, part in enumerate(references):
        media = parse_media(part)
        kind = (media.media_type or "").removeprefix("image/") if media is not None else ""
        if media is None or media.data is None or media.media_type != f"image/{kind}":
            field = f"input_references.{place}"
            raise InvalidRequest("give an image, as a data URL or at an https:// address", field=field)
        files.append(FormFile("image[]", f"{place}.{kind}", media.media_type, media.content))
    return tuple(files)


def _shape(request: ImageRequest, traits: ImageTraits, dialect: Dialect) -> dict[str, Any]:
    ratio, tier = request.ratio, request.tier
    if dialect.shape == "aspect_ratio":
        found: dict[str, Any] = {}
        if ratio is not None and traits.ratios:
            found["aspect_ratio"] = nearest_ratio(ratio, traits.ratios)
        chosen = traits.tier(tier)
        if chosen is not None:
            found["resolution"] = chosen.lower()
        return found
    if ratio is None and tier is None:
        return {}
    if traits.sizes:
        return {"size": nearest_size(ratio or 1.0, traits.sizes)}
    if traits.limits is None:
        return {}
    edge = TIERS[tier or "1K"]
    pixels = edge * edge if request.pixels is None else request.pixels[0] * request.pixels[1]
    width, height = fitted(ratio or 1.0, pixels, traits.limits)
    return {"size": f"{width}x{height}"}


def _is_lossy(request: ImageRequest) -> bool:
    return request.output_format in ("jpeg", "webp")
