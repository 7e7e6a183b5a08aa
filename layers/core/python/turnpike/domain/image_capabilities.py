"""Which parameters of `POST /images` have an effect, as `GET /images/models` lists them (reference 7.11)."""

from collections.abc import Iterable, Mapping
from typing import Any

from turnpike.domain.image_sizes import ASPECT_RATIOS, TIERS, PixelLimits, ratio_of
from turnpike.domain.image_traits import ImageTraits

MOST_IMAGES = 10

Capability = Mapping[str, Any]
"""`{type: enum, values}`, `{type: range, min, max}` or `{type: boolean}`."""


def capabilities_of(traits: ImageTraits) -> dict[str, Capability]:
    choices = {
        "aspect_ratio": traits.ratios or _ratios_of(traits),
        "resolution": traits.tiers or _tiers_within(traits.limits),
        "size": traits.sizes,
        "quality": traits.qualities,
        "background": traits.backgrounds,
        "output_format": traits.formats,
    }
    found: dict[str, Capability] = {
        name: {"type": "enum", "values": list(values)} for name, values in choices.items() if values
    }
    found["n"] = _range(1, MOST_IMAGES)
    if traits.compresses:
        found["output_compression"] = _range(0, 100)
    if traits.references:
        found["input_references"] = _range(0, traits.references)
    if traits.seeds:
        found["seed"] = {"type": "boolean"}
    return found


def united(several: Iterable[Mapping[str, Capability]]) -> dict[str, Capability]:
    """What any of them can, parameter by parameter."""
    union: dict[str, Capability] = {}
    for each in several:
        for name, capability in each.items():
            union[name] = _wider(union[name], capability) if name in union else capability
    return union


def _wider(one: Capability, other: Capability) -> Capability:
    if one["type"] == "enum":
        return {"type": "enum", "values": list(dict.fromkeys([*one["values"], *other["values"]]))}
    if one["type"] == "range":
        return _range(min(one["min"], other["min"]), max(one["max"], other["max"]))
    return one


def _range(least: int, most: int) -> Capability:
    return {"type": "range", "min": least, "max": most}


def _ratios_of(traits: ImageTraits) -> tuple[str, ...]:
    if traits.sizes:
        shapes = {int(width) / int(height) for width, _, height in (size.partition("x") for size in traits.sizes)}
        return tuple(each for each in ASPECT_RATIOS if ratio_of(each) in shapes)
    if traits.limits is None:
        return ()
    widest = traits.limits.widest
    return tuple(each for each in ASPECT_RATIOS if 1 / widest <= ratio_of(each) <= widest)


def _tiers_within(limits: PixelLimits | None) -> tuple[str, ...]:
    """A little beyond the longest edge counts: 3840x2160 is what everybody calls 4K."""
    if limits is None:
        return ()
    return tuple(tier for tier, edge in TIERS.items() if limits.fewest <= edge * edge and edge <= limits.longest * 1.1)
