"""How large an image is to be, and of which shape: tiers, aspect ratios and pixels, and the nearest that there is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

TIERS = {"512": 512, "768": 768, "1K": 1024, "1.5K": 1536, "2K": 2048, "4K": 4096}
"""The edge of a square of that tier, in pixels; any other shape has as many pixels in all, or about as many."""

ASPECT_RATIOS = (
    *("1:1", "1:2", "1:4", "1:8", "2:1", "2:3", "2.35:1", "3:2", "3:4", "4:1", "4:3", "4:5", "5:2", "5:4", "5:7"),
    *("7:5", "8:1", "9:16", "16:9", "9:19.5", "19.5:9", "9:20", "20:9", "9:21", "21:9"),
)
"""Reference 7.11."""

_WIDTH_OF_4K = 3_840
"""Its own name for everybody, though it has only half of the square's pixels."""
_LESS = 0.999
_SAME_RATIO = 1.02
"""1536x864 and 1820x1024 are both 16:9, as far as whole pixels can be."""


@dataclass(frozen=True, slots=True)
class PixelLimits:
    """What sizes in pixels a model can draw."""

    step: int
    """Both edges are multiples of it."""
    longest: int
    fewest: int = 1
    most: int = 2**40
    """Pixels in all."""
    widest: float = 1e9
    """The longer edge by the shorter one, at most."""


def ratio_of(aspect_ratio: str) -> float:
    """Width by height."""
    width, _, height = aspect_ratio.partition(":")
    return float(width) / float(height)


def tier_of(width: int, height: int) -> str:
    """The nearest one by all of its pixels, and of two that are as near the smaller."""
    if max(width, height) >= _WIDTH_OF_4K:
        return "4K"
    return min(TIERS, key=lambda tier: _distance(TIERS[tier], math.sqrt(width * height) * _LESS))


def nearest_ratio(wanted: float, offered: Sequence[str]) -> str:
    return min(offered, key=lambda each: _distance(ratio_of(each), wanted))


def nearest_tier(wanted: str, offered: Sequence[str]) -> str:
    return min(offered, key=lambda each: _distance(TIERS[each], TIERS[wanted]))


def nearest_size(wanted: float, offered: Sequence[str]) -> str:
    """Of sizes such as `1536x1024`, the one of the nearest shape."""
    return min(offered, key=lambda each: _distance(_shape_of(each), wanted))


def is_of_ratio(width: int, height: int, aspect_ratio: str) -> bool:
    return _distance(width / height, ratio_of(aspect_ratio)) <= math.log(_SAME_RATIO)


def fitted(ratio: float, pixels: int, limits: PixelLimits) -> tuple[int, int]:
    """Width and height of about this shape with about so many pixels, as far as the limits let them."""
    ratio = min(max(ratio, 1 / limits.widest), limits.widest)
    pixels = min(max(pixels, limits.fewest), limits.most)
    width, height = math.sqrt(pixels * ratio), math.sqrt(pixels / ratio)
    shrunk = min(1.0, limits.longest / max(width, height))
    return _whole(width * shrunk, height * shrunk, limits)


def _whole(width: float, height: float, limits: PixelLimits) -> tuple[int, int]:
    """On the grid; where rounding led beyond a limit, a step back for the edge that has to give way."""
    step = limits.step
    wide, high = (max(step, round(edge / step) * step) for edge in (width, height))
    while wide * high > limits.most or max(wide, high) > max(step, limits.longest):
        wide, high = (wide - step, high) if wide >= high else (wide, high - step)
    while wide * high < limits.fewest or max(wide, high) > min(wide, high) * limits.widest:
        wide, high = (wide + step, high) if wide < high else (wide, high + step)
    return wide, high


def _shape_of(size: str) -> float:
    width, _, height = size.partition("x")
    return int(width) / int(height)


def _distance(one: float, other: float) -> float:
    return abs(math.log(one / other))
