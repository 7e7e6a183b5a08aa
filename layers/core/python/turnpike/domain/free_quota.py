"""How often an account may ask free models: so many times a minute, and so many in a UTC day.

The figures and the words are OpenRouter's (https://openrouter.ai/docs/api/reference/limits), since clients
look for them: they tell the two windows apart by `limit_source`, and wait for `X-RateLimit-Reset`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

from turnpike.domain.errors import RequestError
from turnpike.domain.ledger import Balance
from turnpike.domain.money import NANO_PER_USD, NanoUsd
from turnpike.domain.periods import next_reset_s

FREE_VARIANT = ":free"
_MINUTE_S = 60

_TEN_USD = NanoUsd(10 * NANO_PER_USD)

Window = Literal["minute", "day"]


@dataclass(frozen=True, slots=True)
class FreeLimits:
    """`per_day` grows to `per_day_of_buyers` for an account that ever bought `buyer_from` of credit."""

    per_minute: int = 20
    per_day: int = 50
    per_day_of_buyers: int = 1000
    buyer_from: NanoUsd = _TEN_USD

    def daily(self, balance: Balance) -> int:
        return self.per_day_of_buyers if balance.credits_total >= self.buyer_from else self.per_day


OPENROUTERS_LIMITS = FreeLimits()


@dataclass(frozen=True, slots=True)
class FullWindow:
    """No further request fits into the current minute or day, which takes `limit` of them."""

    window: Window
    limit: int


class FreeModelsExhausted(RequestError):
    """The account has used up what it may ask of free models, for the minute or for the day."""

    status = 429
    error_type = "rate_limit_exceeded"

    def __init__(self, full: FullWindow, limits: FreeLimits, now_s: float) -> None:
        super().__init__(_MESSAGES[full.window](full, limits))
        self.full = full
        reset_s = window_end_s(full.window, now_s)
        self.retry_after_s = max(1, ceil(reset_s - now_s))
        self.headers = {
            "X-RateLimit-Limit": str(full.limit),
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": str(reset_s * 1000),
        }
        """The time is in epoch milliseconds."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        return {
            "headers": dict(self.headers),
            "provider_name": None,
            "limit_source": _SOURCES[self.full.window],
            "remedy_hint": _REMEDIES[self.full.window],
        }


def is_free(model_id: str) -> bool:
    """Whether requests to this model are counted; `model_id` carries no variant but those that the catalog has."""
    return model_id.endswith(FREE_VARIANT)


def window_end_s(window: Window, now_s: float) -> int:
    """When the current window ends, in epoch seconds."""
    if window == "day":
        return next_reset_s("daily", now_s)
    return (int(now_s) // _MINUTE_S + 1) * _MINUTE_S


def _daily_message(full: FullWindow, limits: FreeLimits) -> str:
    if full.limit >= limits.per_day_of_buyers:
        return "Rate limit exceeded: free-models-per-day-high-balance."
    usd = limits.buyer_from // NANO_PER_USD
    return (
        f"Rate limit exceeded: free-models-per-day. Add {usd} credits to unlock "
        f"{limits.per_day_of_buyers} free model requests per day"
    )


_MESSAGES = {"minute": lambda full, limits: "Rate limit exceeded: free-models-per-min.", "day": _daily_message}
_SOURCES: Mapping[Window, str] = {
    "minute": "openrouter_free_tier_per_minute",
    "day": "openrouter_free_tier_daily",
}
_REMEDIES: Mapping[Window, str] = {
    "minute": "Slow down requests to free models, or retry after the per-minute window resets.",
    "day": "Wait for the daily reset (see X-RateLimit-Reset), or buy credit to raise the daily limit.",
}
