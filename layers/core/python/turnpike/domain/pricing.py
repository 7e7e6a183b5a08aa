"""Prices per token, and what changes them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal, localcontext
from typing import Any

PARTS = (
    "prompt",
    "completion",
    "request",
    "image",
    "image_token",
    "image_output",
    "output_image",
    "audio",
    "audio_output",
    "input_audio_cache",
    "input_cache_read",
    "input_cache_write",
    "input_cache_write_1h",
    "internal_reasoning",
    "web_search",
    "character",
    "second",
)
"""Everything that may have a price, in the order in which prices are written, by OpenRouter's names."""

PER_CALL = frozenset({"request", "image", "output_image", "web_search"})
"""The parts whose price is for each of them, and not for a token."""

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

CONDITIONS = ("min_prompt_tokens", "utc_start", "utc_end", "utc_days")
"""What an override may depend on: whole numbers, and a list of days."""

MOST_PER_TOKEN = Decimal("0.01")
"""Ten thousand dollars a million tokens; the dearest model ever sold cost a sixteenth of it."""
MOST_PER_CALL = Decimal(10)

_NOTHING = Decimal(0)
_OTHERS = frozenset({"overrides", "output_images"})
"""What stands among the parts of a price and is none."""
_MINUTES_A_DAY = 1440
_SECONDS_A_DAY = 86_400
_FIRST_DAY = DAYS.index("thursday")
"""The day on which epoch seconds begin."""

EXACT = Context(prec=100)
"""A price has at most some 20 digits and a count 12; the 28 of the default context could round a sum of them."""


@dataclass(frozen=True, slots=True)
class PriceOverride:
    """Other prices while its conditions hold, as OpenRouter lists them.

    https://openrouter.ai/docs/api-reference/list-available-models
    """

    parts: tuple[tuple[str, Decimal], ...]
    min_prompt_tokens: int | None = None
    """For prompts of more tokens than this, and then for all of their tokens."""
    utc_start: int | None = None
    """HHMM as a number. With `utc_end` before it, the hours in between go over midnight."""
    utc_end: int | None = None
    utc_days: tuple[str, ...] | None = None
    """On these days alone, by the day that it is in UTC; without hours, all day."""

    def holds(self, prompt_tokens: int, at_s: float | None) -> bool:
        """Without a time, hours and days never come."""
        if self.min_prompt_tokens is not None and prompt_tokens <= self.min_prompt_tokens:
            return False
        if self.utc_start is None and self.utc_end is None and self.utc_days is None:
            return True
        if at_s is None:
            return False
        if self.utc_days is not None and DAYS[(int(at_s) // _SECONDS_A_DAY + _FIRST_DAY) % 7] not in self.utc_days:
            return False
        start, end, now = _minutes(self.utc_start or 0), _minutes(self.utc_end or 0), int(at_s) // 60 % _MINUTES_A_DAY
        return start <= now < end if start < end else now >= start or now < end


@dataclass(frozen=True, slots=True)
class Pricing:
    """USD per token (`request`, `image`, `output_image`, `web_search`, `character`, `second`: each). None means that
    the part has no price of its own.

    `image_token` and `image_output` are per token of the images in the prompt and in the answer; `image` is for each
    image of the prompt, besides its tokens, and `output_image` for each one that was asked for and came; `request` is
    for each search unit of a rerank; `character` is for each of a text to be spoken, and `second` for each of a
    recording to be transcribed, by the millisecond.
    """

    prompt: Decimal = _NOTHING
    completion: Decimal = _NOTHING
    request: Decimal = _NOTHING
    input_cache_read: Decimal | None = None
    input_cache_write: Decimal | None = None
    internal_reasoning: Decimal | None = None
    input_cache_write_1h: Decimal | None = None
    audio: Decimal | None = None
    audio_output: Decimal | None = None
    input_audio_cache: Decimal | None = None
    image: Decimal | None = None
    image_token: Decimal | None = None
    image_output: Decimal | None = None
    output_image: Decimal | None = None
    web_search: Decimal | None = None
    character: Decimal | None = None
    second: Decimal | None = None
    overrides: tuple[PriceOverride, ...] = ()
    """Of two that change the same part, the later one wins."""
    output_images: tuple[tuple[str, Decimal], ...] = ()
    """What an image costs of a certain variant (`Usage.image_variant`) in the place of `output_image`. The longest name
    that is the variant, or a part of it, goes."""

    @property
    def is_free(self) -> bool:
        """Whether nothing that may be used costs anything, at any length or time."""
        return (
            not any(getattr(self, part) for part in PARTS)
            and not any(price for override in self.overrides for _, price in override.parts)
            and not any(price for _, price in self.output_images)
        )

    @property
    def combined(self) -> Decimal:
        """One figure to compare endpoints by: the prices that make up nearly every bill. Those of characters and
        seconds are of models whose tokens cost nothing.
        """
        return self.prompt + self.completion + (self.character or _NOTHING) + (self.second or _NOTHING)

    @property
    def input(self) -> Decimal:
        """What a token of a prompt's text may cost at most: a provider may write any of it into its cache."""
        return max(self.prompt, self.input_cache_write or _NOTHING)

    def dearest(self, parts: Iterable[str], at_least: Decimal) -> Decimal:
        """The highest of the prices that these parts have, and `at_least`."""
        return max([at_least, *(getattr(self, part) or _NOTHING for part in parts)])

    def image_of(self, variant: str | None) -> Decimal:
        """What one image of the answer costs."""
        named = [(name, price) for name, price in self.output_images if variant and _is_part(name, variant)]
        if named:
            return max(named, key=lambda pair: len(pair[0]))[1]
        return self.output_image or _NOTHING

    @property
    def output(self) -> Decimal:
        """What a token of text may cost at most, of the answer or of the reasoning before it."""
        return max(self.completion, self.internal_reasoning or _NOTHING)

    def at(self, prompt_tokens: int, at_s: float | None) -> "Pricing":
        """The prices for a prompt of this length at this time, with nothing left that could change them."""
        if not self.overrides:
            return self
        changes: dict[str, Any] = {}
        for override in self.overrides:
            if override.holds(prompt_tokens, at_s):
                changes.update(override.parts)
        return replace(self, **changes, overrides=())

    def reachable(self, prompt_tokens: int, at_s: float | None) -> "Iterator[Pricing]":
        """The prices that a prompt of up to this length may meet: estimates err on the high side."""
        yield self.at(0, at_s)
        steps = {override.min_prompt_tokens for override in self.overrides}
        for step in sorted(step for step in steps if step is not None and step < prompt_tokens):
            yield self.at(step + 1, at_s)


def parse_pricing(prices: Mapping[str, Any]) -> Pricing:
    """`{"prompt": "0.00000015", …, "overrides": [{"min_prompt_tokens": 200000, "prompt": "0.0000003"}]}` as OpenRouter
    prints it. Raises ValueError, TypeError or ArithmeticError.
    """
    parts = {part: _parse_price(part, price) for part, price in prices.items() if part not in _OTHERS}
    return Pricing(
        **parts,
        overrides=_parse_overrides(prices.get("overrides", ())),
        output_images=tuple(
            (name, _parse_price("output_image", price)) for name, price in prices.get("output_images", {}).items()
        ),
    )


def in_tier(pricing: Pricing, tier: Mapping[str, Any]) -> Pricing:
    """The prices with some parts replaced, as a service tier does. What then changes them by length or time is the
    tier's own where it says so, even if that is nothing; else it changes the tier's prices in proportion.
    """
    prices = {part: _parse_price(part, price) for part, price in tier.items() if part != "overrides"}
    if "overrides" in tier:
        overrides = _parse_overrides(tier["overrides"])
    else:
        overrides = tuple(
            replace(step, parts=tuple((part, _in_proportion(pricing, part, cost, prices)) for part, cost in step.parts))
            for step in pricing.overrides
        )
    changed: dict[str, Any] = {**prices, "overrides": overrides}
    return replace(pricing, **changed)


def multiplied(pricing: Pricing, by: Decimal) -> Pricing:
    """Every price times `by`."""
    if not by:
        return _FREE
    with localcontext(EXACT):
        changed: dict[str, Any] = {part: price * by for part in PARTS if (price := getattr(pricing, part)) is not None}
        overrides = tuple(
            replace(override, parts=tuple((part, price * by) for part, price in override.parts))
            for override in pricing.overrides
        )
        images = tuple((name, price * by) for name, price in pricing.output_images)
    return replace(pricing, **changed, overrides=overrides, output_images=images)


def present_price(price: Decimal) -> str:
    """`0.00000015`, never `1.5E-7`."""
    text = f"{price:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


_FREE = Pricing()


def _is_part(name: str, variant: str) -> bool:
    return name == variant or name in variant.split("/")


def _parse_price(part: str, text: Any) -> Decimal:
    if part not in PARTS:
        raise ValueError(f"{part} is no part of a price")
    found = Decimal(text)
    if not found.is_finite() or found < 0:
        raise ValueError(f"the price {part} = {text!r} is not a number of USD per token")
    return found


def _parse_overrides(rows: Sequence[Mapping[str, Any]]) -> tuple[PriceOverride, ...]:
    return tuple(
        PriceOverride(
            parts=tuple((part, _parse_price(part, text)) for part, text in row.items() if part not in CONDITIONS),
            **{name: _parse_condition(name, row[name]) for name in CONDITIONS if name in row},
        )
        for row in rows
    )


def _parse_condition(name: str, value: Any) -> Any:
    if name != "utc_days":
        return int(value)
    if unknown := [day for day in value if day not in DAYS]:
        raise ValueError(f"{unknown[0]!r} is no day of the week")
    return tuple(value)


def _in_proportion(pricing: Pricing, part: str, step: Decimal, prices: Mapping[str, Decimal]) -> Decimal:
    before: Decimal | None = getattr(pricing, part)
    return step * prices[part] / before if part in prices and before else step


def _minutes(hhmm: int) -> int:
    return hhmm // 100 * 60 + hhmm % 100
