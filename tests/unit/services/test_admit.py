"""What is held for a request, where prices change with its length, the hour, and what is thought."""

from dataclasses import replace
from decimal import Decimal

from turnpike.domain.byok import Byok
from turnpike.domain.estimate import NO_MEDIA, Media, media_of
from turnpike.domain.money import NanoUsd
from turnpike.domain.pricing import parse_pricing
from turnpike.services.admit import affordable_tokens, dearest_output, worst_cost

from tests.fake_byok import own_key
from tests.scenario import endpoint, request

NOON = 1_795_521_600
PLAIN = endpoint()
STEPPED = endpoint(
    pricing=parse_pricing(
        {
            "prompt": "0.0000005",
            "completion": "0.000001",
            "overrides": [
                {"min_prompt_tokens": 1000, "prompt": "0.00001", "completion": "0.00002"},
                {"utc_start": 1300, "utc_end": 1400, "completion": "0.0005"},
            ],
        }
    )
)
THINKING = endpoint(
    pricing=parse_pricing({"prompt": "0.000001", "completion": "0.000002", "internal_reasoning": "0.000008"})
)


def test_the_dearest_endpoint_decides() -> None:
    assert worst_cost([PLAIN], 100, 10, NOON) == 100 * 1_000 + 10 * 2_000
    assert worst_cost([PLAIN, STEPPED], 100, 10, NOON) == worst_cost([PLAIN], 100, 10, NOON)


def test_a_long_prompt_is_held_at_its_price() -> None:
    assert worst_cost([STEPPED], 1000, 10, NOON) == 1000 * 500 + 10 * 1_000
    assert worst_cost([STEPPED], 1001, 10, NOON) == 1001 * 10_000 + 10 * 20_000
    assert dearest_output([STEPPED, PLAIN], 1001, NOON) == Decimal("0.00002")


def test_a_lower_price_for_long_prompts_is_not_counted_on() -> None:
    """The estimate errs on the high side: the prompt may turn out not to be that long."""
    pricing = parse_pricing(
        {"prompt": "0.000002", "completion": "0", "overrides": [{"min_prompt_tokens": 10, "prompt": "0.000001"}]}
    )
    assert worst_cost([endpoint(pricing=pricing)], 20, 0, NOON) == 20 * 2_000


def test_the_hour_counts() -> None:
    assert worst_cost([STEPPED], 1, 10, NOON + 3600) == 500 + 10 * 500_000


def test_all_of_the_output_may_be_reasoning() -> None:
    assert worst_cost([THINKING], 0, 10, NOON) == 10 * 8_000
    assert affordable_tokens([THINKING], 0, NanoUsd(80_000), NOON) == 10


def test_all_of_a_prompt_may_be_written_into_a_cache() -> None:
    cached = endpoint(
        pricing=parse_pricing({"prompt": "0.000003", "completion": "0", "input_cache_write": "0.00000375"})
    )
    assert worst_cost([cached], 100, 0, NOON) == 100 * 3_750


MEDIA = endpoint(
    pricing=parse_pricing(
        {
            "prompt": "0.0000003",
            "completion": "0.0000025",
            "audio": "0.000001",
            "image": "0.0001",
            "image_output": "0.00003",
        }
    )
)


def with_parts(*parts: str, modalities: tuple[str, ...] = ()) -> Media:
    content = [{"type": "text", "text": "Look"}, *({"type": part, part: {}} for part in parts)]
    parameters = {"modalities": list(modalities)} if modalities else {}
    return media_of(request(messages=[{"role": "user", "content": content}], parameters=parameters))


def test_sound_and_images_are_held_at_their_own_prices() -> None:
    assert media_of(request()) is with_parts() is NO_MEDIA
    text = ("text",)
    assert worst_cost([MEDIA], 100, 10, NOON, media=with_parts(modalities=text)) == 100 * 300 + 10 * 2_500
    heard = with_parts("input_audio", modalities=text)
    assert worst_cost([MEDIA], 100, 10, NOON, media=heard) == 100 * 1_000 + 10 * 2_500
    two = with_parts("image_url", "image_url", modalities=text)
    assert worst_cost([MEDIA], 100, 10, NOON, media=two) == 100 * 300 + 10 * 2_500 + 2 * 100_000
    # Models that draw do it unasked; a model that does not has no price for it.
    for media in (with_parts(), with_parts("file"), NO_MEDIA):
        assert worst_cost([MEDIA], 0, 10, NOON, media=media) == 10 * 30_000
    assert worst_cost([PLAIN], 0, 10, NOON, media=NO_MEDIA) == 10 * 2_000
    drawn = with_parts(modalities=("image", "text"))
    assert worst_cost([MEDIA], 100, 10, NOON, media=drawn) == 100 * 300 + 10 * 30_000
    assert affordable_tokens([MEDIA], 0, NanoUsd(300_000), NOON, media=drawn) == 10


def test_what_is_affordable_is_covered() -> None:
    for prompt_tokens in (10, 1001):
        for available in (0, 1, 999, 10_000_000, 10_250_000, 123_456_789):
            tokens = affordable_tokens([STEPPED, PLAIN], prompt_tokens, NanoUsd(available), NOON)
            if tokens:
                assert worst_cost([STEPPED, PLAIN], prompt_tokens, tokens, NOON) <= available
                assert worst_cost([STEPPED, PLAIN], prompt_tokens, tokens + 1, NOON) > available


def test_of_a_customers_own_key_the_fee_alone_is_held() -> None:
    own = replace(PLAIN, byok=Byok(own_key(), Decimal("0.1")))
    assert worst_cost([own], 100, 10, NOON) == (100 * 1_000 + 10 * 2_000) / 10
    assert affordable_tokens([own], 0, NanoUsd(2_000), NOON) == 10
    # Whichever of them answers.
    assert worst_cost([own, PLAIN], 100, 10, NOON) == worst_cost([PLAIN], 100, 10, NOON)
    free = replace(STEPPED, byok=Byok(own_key(), Decimal(0)))
    assert worst_cost([free], 5_000, 10, NOON) == 0
    long = replace(STEPPED, byok=Byok(own_key(), Decimal("0.5")))
    assert worst_cost([long], 1001, 10, NOON) == (1001 * 10_000 + 10 * 20_000) / 2
