"""The body of `POST /images` (reference 7.11), with what OpenAI's clients send besides."""

from typing import Annotated, Literal

from pydantic import Field

from turnpike.api.inference.operation import OperationBody
from turnpike.api.inference.routing_schema import Checked
from turnpike.domain.image_capabilities import MOST_IMAGES
from turnpike.domain.images import MOST_REFERENCES

LONGEST_PROMPT = 32_000
"""Characters: https://developers.openai.com/api/docs/api-reference/images/create"""


class ImageAddress(Checked):
    url: Annotated[str, Field(min_length=1)]


class ImagePart(Checked):
    type: Literal["image_url"]
    image_url: ImageAddress


class ImagesBody(OperationBody):
    prompt: Annotated[str, Field(min_length=1, max_length=LONGEST_PROMPT)]
    n: Annotated[int, Field(ge=1, le=MOST_IMAGES)] | None = None
    size: Annotated[str, Field(min_length=1, max_length=16)] | None = None
    aspect_ratio: Annotated[str, Field(min_length=1, max_length=16)] | None = None
    resolution: Literal["512", "768", "1K", "1.5K", "2K", "4K"] | None = None
    quality: Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"] | None = None
    background: Literal["auto", "transparent", "opaque"] | None = None
    output_format: Literal["png", "jpeg", "webp", "svg"] | None = None
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = None
    moderation: Literal["auto", "low"] | None = None
    seed: int | None = None
    input_references: Annotated[list[ImagePart], Field(max_length=MOST_REFERENCES)] | None = None
    stream: bool | None = None
    partial_images: Annotated[int, Field(ge=0, le=3)] | None = None
    response_format: Literal["b64_json", "url"] | None = None
