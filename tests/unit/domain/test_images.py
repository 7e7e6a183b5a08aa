"""What is asked of an image, what models can do of it, and what it may cost at most."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ProviderPreferences, Usage, add_usages
from turnpike.domain.cost import exact_cost, price
from turnpike.domain.image_capabilities import capabilities_of, united
from turnpike.domain.image_sizes import ASPECT_RATIOS, TIERS, PixelLimits, fitted, nearest_ratio, ratio_of, tier_of
from turnpike.domain.image_traits import traits_of
from turnpike.domain.images import ImageRequest
from turnpike.domain.money import NanoUsd
from turnpike.domain.pricing import Pricing, multiplied, parse_pricing

GPT_2 = PixelLimits(step=16, longest=3_840, fewest=655_360, most=8_294_400, widest=3.0)
REFERENCE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def endpoint(model: str, *parameters: str, **pricing: Any) -> Endpoint:
    return Endpoint(
        "acme/draw", "openai", model, "https://api.test/v1", Pricing(**pricing), 8192,
        supported_parameters=frozenset(parameters),
    )  # fmt: skip


def asked(**changes: Any) -> ImageRequest:
    return ImageRequest(**({"models": ("acme/draw",), "prompt": "A red panda"} | changes))


@given(
    ratio=st.sampled_from([*map(ratio_of, ASPECT_RATIOS), 1.234, 7.0]),
    pixels=st.integers(1, 20_000_000),
    limits=st.sampled_from([GPT_2, PixelLimits(step=8, longest=4_096), PixelLimits(step=64, longest=1_024, widest=2)]),
)
def test_a_size_is_within_what_the_model_draws(ratio: float, pixels: int, limits: PixelLimits) -> None:
    width, height = fitted(ratio, pixels, limits)
    assert width % limits.step == height % limits.step == 0
    assert max(width, height) <= limits.longest
    assert limits.fewest <= width * height <= limits.most
    assert max(width, height) <= min(width, height) * limits.widest


@pytest.mark.parametrize(
    ("ratio", "tier", "size"),
    [
        ("1:1", "1K", (1024, 1024)),
        ("16:9", "1K", (1360, 768)),
        ("16:9", "4K", (3840, 2160)),
        ("9:16", "4K", (2160, 3840)),
        # Three to one is as wide as it gets.
        ("8:1", "1K", (1776, 592)),
        ("1:1", "512", (816, 816)),
    ],
)
def test_sizes_as_gpt_image_2_draws_them(ratio: str, tier: str, size: tuple[int, int]) -> None:
    assert fitted(ratio_of(ratio), TIERS[tier] ** 2, GPT_2) == size


def test_the_nearest_shape_is_as_far_up_as_down() -> None:
    assert nearest_ratio(1.0, ["1:2", "4:3"]) == "4:3"
    assert nearest_ratio(0.4, ["1:1", "9:16", "16:9"]) == "9:16"
    assert [tier_of(*size) for size in ((512, 512), (1536, 1024), (3840, 2160))] == ["512", "1K", "4K"]


@pytest.mark.parametrize(
    ("model", "wanted", "quality"),
    [
        ("gpt-image-1.5", "max", "high"),
        ("gpt-image-2.5-flare", "max", "max"),
        ("gpt-image-2.6-sunburst", "xhigh", "xhigh"),
        ("gpt-image-2-2026-04-21", "low", "low"),
        ("grok-imagine-image", "high", None),
        ("gemini-3-pro-image", "high", None),
    ],
)
def test_the_best_quality_that_is_no_better_than_wanted(model: str, wanted: Any, quality: str | None) -> None:
    assert traits_of(endpoint(model)).quality(wanted) == quality


def test_gateways_put_the_author_before_a_name() -> None:
    assert traits_of(endpoint("google/gemini-3-pro-image-preview")) == traits_of(endpoint("gemini-3-pro-image"))


def test_an_unknown_family_does_what_its_endpoint_says() -> None:
    plain = traits_of(endpoint("flux", "n"))
    assert (plain.at_once, plain.limits, plain.qualities, plain.seeds, plain.references) == (10, None, (), False, 0)
    able = traits_of(endpoint("flux", "size", "seed", "quality", "input_references", "stream"))
    assert able.limits is not None
    assert (able.at_once, able.seeds, able.streams, able.references) == (1, True, True, 16)
    # None at all mean all, as anywhere else; but nobody can be taken to stream.
    assert not traits_of(endpoint("flux")).streams
    assert traits_of(endpoint("flux")).seeds


@pytest.mark.parametrize(
    ("model", "changes", "tokens"),
    [
        # https://community.openai.com/t/1382699
        ("gpt-image-2", {"quality": "high", "pixels": (1024, 1024)}, 7024),
        ("gpt-image-2", {"quality": "low", "pixels": (1024, 1024)}, 196),
        ("gpt-image-1.5", {"quality": "high"}, 6600),
        ("gpt-image-1.5", {}, 6600),
        ("gemini-2.5-flash-image", {"resolution": "4K"}, 1290),
        ("gemini-3-pro-image", {"resolution": "4K"}, 2000),
        ("gemini-3.1-flash-image", {"resolution": "512"}, 747),
        ("gemini-3.1-flash-image", {}, 1120),
        ("flux", {}, 8192),
    ],
)
def test_what_an_image_takes_at_most(model: str, changes: dict[str, Any], tokens: int) -> None:
    used = asked(**changes).most_used(endpoint(model))
    assert tokens <= used.completion_image_tokens <= tokens * 1.02


@given(
    quality=st.sampled_from([None, "low", "medium", "high"]),
    width=st.integers(40, 240),
    height=st.integers(40, 240),
)
def test_no_size_takes_more_than_is_held(quality: Any, width: int, height: int) -> None:
    """By the calculator's own words, which give a size its tokens to the last one."""
    pixels = (16 * width, 16 * height)
    if not 655_360 <= pixels[0] * pixels[1] <= 8_294_400 or max(pixels) > 3 * min(pixels):
        return
    longer, shorter = max(pixels), min(pixels)
    axis = {"low": 16, "medium": 48, "high": 96}[quality or "high"]
    short = (2 * axis * shorter + longer) // (2 * longer)
    counted = -(-axis * short * (2_000_000 + pixels[0] * pixels[1]) // 4_000_000)
    held = asked(quality=quality, pixels=pixels).most_used(endpoint("gpt-image-2")).completion_image_tokens
    assert counted <= held <= counted * 1.3


def test_every_image_and_every_request_counts() -> None:
    one, four = (
        asked(count=count, references=[REFERENCE]).most_used(endpoint("gemini-3-pro-image")) for count in (1, 4)
    )
    assert four.completion_image_tokens == 4 * one.completion_image_tokens
    # Gemini draws one at a time, and reads the prompt for each.
    assert four.prompt_tokens == 4 * one.prompt_tokens
    assert (four.completion_images, four.prompt_images) == (4, 4)


def test_partial_images_are_held_for_where_they_come() -> None:
    streamed = asked(stream=True, partial_images=3)
    whole, parts = (each.most_used(endpoint("gpt-image-2")) for each in (asked(), streamed))
    assert parts.completion_image_tokens - whole.completion_image_tokens == 300
    assert streamed.most_used(endpoint("grok-2-image")) == asked().most_used(endpoint("grok-2-image"))


def test_an_image_with_a_price_costs_that_and_nothing_else() -> None:
    pricing = parse_pricing(
        {
            "prompt": "0",
            "completion": "0",
            "image": "0.002",
            "output_image": "0.05",
            "output_images": {"2K": "0.07", "high": "0.06", "2K/high": "0.09"},
        }
    )
    served = Endpoint("a/b", "xai", "grok-imagine-image", "https://x.test", pricing, 8000)
    assert not pricing.is_free
    used = asked(count=3, resolution="2K", references=[REFERENCE]).most_used(served)
    assert used == Usage(completion_images=3, image_variant="2K", prompt_images=1)
    assert exact_cost(used, pricing) == (Decimal("0.212"), Decimal("0.002"), Decimal("0.21"))
    images = [pricing.image_of(each) for each in (None, "1K", "2K/low", "1K/high", "2K/high")]
    assert images == [Decimal(each) for each in ("0.05", "0.05", "0.07", "0.06", "0.09")]
    assert multiplied(pricing, Decimal("0.05")).image_of("2K") == Decimal("0.0035")
    assert price(used, multiplied(pricing, Decimal(0))).total == NanoUsd(0)


def test_what_would_be_another_image_is_unmet() -> None:
    for changes, model, unmet in (
        ({"background": "transparent"}, "gemini-3-pro-image", ["background"]),
        ({"background": "transparent"}, "gpt-image-1.5", []),
        ({"background": "opaque"}, "gemini-3-pro-image", []),
        ({"output_format": "svg"}, "gpt-image-2", ["output_format"]),
        ({"output_format": "jpeg"}, "gemini-3-pro-image", []),
        ({"references": [REFERENCE] * 4}, "gemini-2.5-flash-image", ["input_references"]),
        ({"quality": "high", "pixels": (512, 512)}, "gemini-3-pro-image", []),
    ):
        request = asked(**changes)
        assert list(request.unmet(endpoint(model))) == unmet, (changes, model)


def test_whoever_requires_parameters_gets_all_of_them() -> None:
    strict = ProviderPreferences(require_parameters=True)
    request = asked(quality="high", aspect_ratio="16:9", seed=1, provider=strict)
    assert request.unmet(endpoint("gpt-image-2")) == ["seed"]
    assert request.unmet(endpoint("gemini-3-pro-image")) == ["quality"]
    assert asked(pixels=(512, 512), provider=strict).unmet(endpoint("grok-2-image")) == ["size"]
    assert asked(pixels=(512, 512), provider=strict).unmet(endpoint("grok-imagine-image")) == []


def test_capabilities_are_those_of_all_endpoints_together() -> None:
    one, other = (capabilities_of(traits_of(endpoint(model))) for model in ("gpt-image-1.5", "gemini-2.5-flash-image"))
    assert one["size"] == {"type": "enum", "values": ["1024x1024", "1536x1024", "1024x1536"]}
    assert one["aspect_ratio"]["values"] == ["1:1", "2:3", "3:2"]
    assert "8:1" not in capabilities_of(traits_of(endpoint("gpt-image-2")))["aspect_ratio"]["values"]
    assert capabilities_of(traits_of(endpoint("gpt-image-2")))["resolution"]["values"] == ["1K", "1.5K", "2K", "4K"]
    both = united([one, other])
    assert both["seed"] == {"type": "boolean"}
    assert both["input_references"] == {"type": "range", "min": 0, "max": 16}
    assert set(both["aspect_ratio"]["values"]) == set(other["aspect_ratio"]["values"])


def test_usages_add_up() -> None:
    one = Usage(prompt_tokens=1, completion_images=2, image_variant="2K")
    other = Usage(prompt_tokens=3, completion_tokens=5, completion_images=1, estimated=True)
    assert add_usages([one, other]) == Usage(
        prompt_tokens=4, completion_tokens=5, completion_images=3, estimated=True, image_variant="2K"
    )
    assert add_usages([]) == Usage()
