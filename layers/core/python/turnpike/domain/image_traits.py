"""What the families of image models can be asked for, and how many tokens an image of theirs takes at most.

By the provider's name for a model, whoever serves it. What is not offered is not asked for, or the nearest that is.
A family that is not known offers what its endpoint's `supported_parameters` name, of which none at all mean all.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, NamedTuple

from turnpike.domain.catalog import Endpoint
from turnpike.domain.image_sizes import ASPECT_RATIOS, TIERS, PixelLimits, fitted, nearest_tier

Quality = Literal["low", "medium", "high", "xhigh", "max"]
QUALITIES: tuple[Quality, ...] = ("low", "medium", "high", "xhigh", "max")


class Wanted(NamedTuple):
    """Of one image; None is the model's own choice. `ratio` is width by height, `pixels` how many in all."""

    ratio: float | None
    tier: str | None
    pixels: int | None
    quality: Quality | None


Tokens = Callable[[Wanted], int]
"""The most that one image takes."""


def _no_tokens(_: Wanted) -> int:
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTraits:
    """Empty, where a model has no such choice."""

    ratios: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    """In pixels, where it draws these alone."""
    limits: PixelLimits | None = None
    """Where it draws nearly any."""
    qualities: tuple[Quality, ...] = ()
    backgrounds: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    compresses: bool = False
    moderates: bool = False
    """Whether it can be told how strict to be about what it draws."""
    seeds: bool = False
    streams: bool = False
    at_once: int = 1
    """Images for one request to the provider."""
    references: int = 0
    """The most images that it takes to go by."""
    tokens: Tokens = _no_tokens
    reference_tokens: int = 0
    words: int = 0
    """Tokens of text that it may write beside an image, thoughts among them."""

    def tier(self, wanted: str | None) -> str | None:
        return nearest_tier(wanted, self.tiers) if wanted and self.tiers else None

    def quality(self, wanted: Quality | None) -> Quality | None:
        """The best of those that are no better than was wanted, or else the plainest."""
        if wanted is None or not self.qualities:
            return None
        place = QUALITIES.index(wanted)
        within = [each for each in self.qualities if QUALITIES.index(each) <= place]
        return within[-1] if within else self.qualities[0]


# https://developers.openai.com/api/docs/guides/image-generation: by quality, of the dearest of the three sizes, and a
# little more, since the price lists of the later of these models give figures that are not quite multiples of them.
_GPT_IMAGE_1: Mapping[Quality, int] = {"low": 700, "medium": 2_000, "high": 6_600}

# How the calculator of the same guide counts, as https://community.openai.com/t/1382699 has it: the quality sets how
# many patches the longer edge has. It knows the first three; the others are assumed to go on by the same steps.
_PATCHES: Mapping[Quality, int] = {"low": 16, "medium": 48, "high": 96, "xhigh": 144, "max": 192}
_GPT_IMAGE_2_LIMITS = PixelLimits(step=16, longest=3_840, fewest=655_360, most=8_294_400, widest=3.0)

# https://ai.google.dev/gemini-api/docs/pricing, and the models' own pages: by tier.
_GEMINI_25 = {"1K": 1_290}
_GEMINI_3_PRO = {"1K": 1_120, "2K": 1_120, "4K": 2_000}
_GEMINI_31_FLASH = {"512": 747, "1K": 1_120, "2K": 1_680, "4K": 2_520}


def _gpt_image_1(wanted: Wanted) -> int:
    return _GPT_IMAGE_1[wanted.quality or "high"]


def _gpt_image_2(wanted: Wanted) -> int:
    # Left to itself it chooses among the standard sizes.
    pixels = wanted.pixels or TIERS[wanted.tier or "1.5K"] ** 2
    width, height = fitted(wanted.ratio or 1.0, pixels, _GPT_IMAGE_2_LIMITS)
    patches = _PATCHES[wanted.quality or "high"]
    short = -(-patches * min(width, height) // max(width, height))
    return patches * short * (2_000_000 + width * height) // 4_000_000 + 1


def _by_tier(counts: Mapping[str, int]) -> Tokens:
    def tokens(wanted: Wanted) -> int:
        return counts[nearest_tier(wanted.tier or "1K", tuple(counts))]

    return tokens


_GEMINI_RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
_XAI_RATIOS = (*("1:1", "3:4", "4:3", "9:16", "16:9", "2:3", "3:2", "9:19.5", "19.5:9", "9:20", "20:9", "1:2", "2:1"),)
_GPT_IMAGE = ImageTraits(
    sizes=("1024x1024", "1536x1024", "1024x1536"),
    qualities=("low", "medium", "high"),
    backgrounds=("auto", "transparent", "opaque"),
    formats=("png", "jpeg", "webp"),
    compresses=True,
    moderates=True,
    streams=True,
    at_once=10,
    references=16,
    tokens=_gpt_image_1,
    # At high fidelity an image costs up to 6,240 and its tiles.
    reference_tokens=7_000,
    words=500,
)
_GPT_IMAGE_2 = replace(_GPT_IMAGE, sizes=(), limits=_GPT_IMAGE_2_LIMITS, tokens=_gpt_image_2)
# https://ai.google.dev/gemini-api/docs/image-generation
_GEMINI_IMAGE = ImageTraits(
    ratios=_GEMINI_RATIOS, seeds=True, references=3, tokens=_by_tier(_GEMINI_25), reference_tokens=1_300, words=500
)
_GEMINI_3 = replace(_GEMINI_IMAGE, references=14, words=2_500)

_FAMILIES: tuple[tuple[str, ImageTraits], ...] = (
    (r"gpt-image-1|chatgpt-image", _GPT_IMAGE),
    (r"gpt-image-2$|gpt-image-2-", _GPT_IMAGE_2),
    (r"gpt-image-", replace(_GPT_IMAGE_2, qualities=QUALITIES)),
    (r"gemini-2", _GEMINI_IMAGE),
    (r"gemini-.*-pro-image", replace(_GEMINI_3, tiers=("1K", "2K", "4K"), tokens=_by_tier(_GEMINI_3_PRO))),
    (r"gemini-.*-lite-image", replace(_GEMINI_3, tiers=("1K",), tokens=_by_tier(_GEMINI_3_PRO))),
    (
        r"gemini-",
        replace(
            _GEMINI_3,
            ratios=(*_GEMINI_RATIOS, "1:4", "4:1", "1:8", "8:1"),
            tiers=tuple(_GEMINI_31_FLASH),
            tokens=_by_tier(_GEMINI_31_FLASH),
        ),
    ),
    # OpenAI's chat models that draw, as OpenRouter serves them, do so with its image models.
    (
        r"gpt-5",
        ImageTraits(
            ratios=("1:1", "3:2", "2:3"), references=16, tokens=_gpt_image_1, reference_tokens=7_000, words=4_000
        ),
    ),
    # https://docs.x.ai/docs/guides/image-generation
    (r"grok-imagine", ImageTraits(ratios=_XAI_RATIOS, tiers=("1K", "2K"), at_once=10, references=3)),
    (r"grok-2-image", ImageTraits(at_once=10)),
)
_UNKNOWN_TOKENS = 8_192
_ANY_SIZE = PixelLimits(step=8, longest=4_096)


def traits_of(endpoint: Endpoint) -> ImageTraits:
    name = endpoint.upstream_model.rpartition("/")[2]
    return _family_of(name) or _stated(endpoint.supported_parameters, endpoint.max_completion_tokens or _UNKNOWN_TOKENS)


@cache
def _family_of(name: str) -> ImageTraits | None:
    return next((traits for pattern, traits in _FAMILIES if re.match(pattern, name)), None)


def _stated(parameters: frozenset[str], most_tokens: int) -> ImageTraits:
    def takes(*names: str) -> bool:
        return not parameters or any(name in parameters for name in names)

    def tokens(_: Wanted) -> int:
        return min(most_tokens, _UNKNOWN_TOKENS)

    return ImageTraits(
        ratios=ASPECT_RATIOS if "aspect_ratio" in parameters else (),
        tiers=tuple(TIERS) if "resolution" in parameters else (),
        limits=_ANY_SIZE if takes("size") else None,
        qualities=("low", "medium", "high") if takes("quality") else (),
        backgrounds=("auto", "transparent", "opaque") if takes("background") else (),
        formats=("png", "jpeg", "webp") if takes("output_format") else (),
        compresses=takes("output_compression"),
        seeds=takes("seed"),
        streams="stream" in parameters,
        at_once=10 if takes("n") else 1,
        references=16 if takes("input_references") else 0,
        tokens=tokens,
        reference_tokens=2_000,
        words=500,
    )
