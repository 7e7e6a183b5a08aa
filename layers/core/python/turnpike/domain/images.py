"""Images: drawn from a description, and from images to go by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Usage
from turnpike.domain.estimate import estimate_tokens
from turnpike.domain.image_capabilities import capabilities_of
from turnpike.domain.image_sizes import ratio_of, tier_of
from turnpike.domain.image_traits import Quality, Wanted, traits_of
from turnpike.domain.operation import Operation, OperationRequest

MOST_REFERENCES = 16
_PARTIAL_TOKENS = 100
"""Of each partial image: https://developers.openai.com/api/docs/guides/image-generation"""


@dataclass(frozen=True, slots=True)
class Image:
    data: str
    """In base64."""
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class PartialImage:
    """What there is of an image while it is drawn."""

    data: str
    index: int


@dataclass(frozen=True, slots=True)
class Images:
    """At least one."""

    images: Sequence[Image]
    usage: Usage | None
    upstream_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest(OperationRequest[Images]):
    """What is None was not asked for, and is the model's own choice."""

    operation: ClassVar[Operation] = "image"
    media_field: ClassVar[str] = "input_references"
    prompt: str
    count: int = 1
    aspect_ratio: str | None = None
    resolution: str | None = None
    """One of the tiers of `image_sizes`."""
    pixels: tuple[int, int] | None = None
    """Width and height; then `aspect_ratio` and `resolution` are None."""
    quality: Quality | None = None
    background: str | None = None
    output_format: str | None = None
    output_compression: int | None = None
    moderation: str | None = None
    seed: int | None = None
    references: Sequence[Mapping[str, Any]] = ()
    """Parts of the type `image_url`, to go by."""
    stream: bool = False
    partial_images: int = 0
    """How many are wanted of each image while it is drawn, in a stream."""

    @property
    def ratio(self) -> float | None:
        """Width by height."""
        if self.pixels is not None:
            return self.pixels[0] / self.pixels[1]
        return ratio_of(self.aspect_ratio) if self.aspect_ratio else None

    @property
    def tier(self) -> str | None:
        return tier_of(*self.pixels) if self.pixels is not None else self.resolution

    @property
    def input_kinds(self) -> frozenset[str]:
        return frozenset(("image",)) if self.references else frozenset()

    @property
    def longest_input_tokens(self) -> int:
        return estimate_tokens(self.prompt)

    @property
    def input_media(self) -> tuple[int, int]:
        return len(self.references), 0

    def unmet(self, endpoint: Endpoint) -> Sequence[str]:
        traits = traits_of(endpoint)
        unmet = []
        if self.background == "transparent" and "transparent" not in traits.backgrounds:
            # Any other background is no lesser form of it, as another size would be.
            unmet.append("background")
        if self.output_format == "svg" and "svg" not in traits.formats:
            unmet.append("output_format")
        if len(self.references) > traits.references:
            unmet.append("input_references")
        if self.provider.require_parameters:
            offered = capabilities_of(traits)
            unmet += [name for name, offers in self._asked() if not any(each in offered for each in offers)]
        return list(dict.fromkeys(unmet))

    def most_used(self, endpoint: Endpoint) -> Usage:
        return self.used(endpoint, self.count)

    def used(self, endpoint: Endpoint, count: int) -> Usage:
        """What so many images take at most."""
        if endpoint.pricing.output_image is not None:
            # Nobody counts the tokens of an image that has a price of its own.
            return self.counted(Usage(), endpoint, count)
        traits = traits_of(endpoint)
        requests = -(-count // traits.at_once)
        seen = len(self.references) * traits.reference_tokens
        pixels = self.pixels and self.pixels[0] * self.pixels[1]
        tier = traits.tier(self.tier) or self.tier
        drawn = traits.tokens(Wanted(self.ratio, tier, pixels, traits.quality(self.quality)))
        if self.stream and traits.streams:
            drawn += self.partial_images * _PARTIAL_TOKENS
        usage = Usage(
            prompt_tokens=requests * (estimate_tokens(self.prompt) + seen),
            prompt_image_tokens=requests * seen,
            completion_tokens=count * drawn + requests * traits.words,
            completion_image_tokens=count * drawn,
        )
        return self.counted(usage, endpoint, count)

    def counted(self, usage: Usage, endpoint: Endpoint, count: int) -> Usage:
        """With what we count ourselves: how many images there are, and which of their prices is theirs."""
        traits = traits_of(endpoint)
        variant = "/".join(filter(None, (traits.tier(self.tier), traits.quality(self.quality))))
        requests = -(-count // traits.at_once)
        return replace(
            usage,
            completion_images=count,
            image_variant=variant or None,
            prompt_images=requests * len(self.references),
        )

    def _asked(self) -> list[tuple[str, tuple[str, ...]]]:
        """What was asked for, and the capabilities of which any does it."""
        asked = {
            "aspect_ratio": self.aspect_ratio,
            "resolution": self.resolution,
            "quality": self.quality,
            "background": self.background,
            "output_format": self.output_format,
            "output_compression": self.output_compression,
            "seed": self.seed,
        }
        found = [(name, (name,)) for name, value in asked.items() if value is not None]
        sized: list[tuple[str, tuple[str, ...]]] = [("size", ("size", "aspect_ratio", "resolution"))]
        return [*found, *(sized if self.pixels is not None else ())]
