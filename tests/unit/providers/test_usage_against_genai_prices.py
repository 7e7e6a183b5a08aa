"""What providers say that was used, read by us and by genai-prices: both must come to the same cost.

Providers count differently: what was cached within the prompt or beside it, thoughts within the answer or not, sound
within what was cached or apart from it. A mistake in that is one in the price.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib.util import find_spec
from random import Random
from typing import Any

import pytest

from turnpike.domain.chat import Usage
from turnpike.domain.cost import exact_cost
from turnpike.domain.pricing import Pricing, parse_pricing
from turnpike.providers.anthropic.wire import parse_usage as anthropic
from turnpike.providers.bedrock.answer import parse_usage as bedrock
from turnpike.providers.cohere.wire import parse_usage as cohere
from turnpike.providers.google.wire import parse_usage as google
from turnpike.providers.openai_compatible.wire import parse_usage as openai
from turnpike.providers.openai_responses.wire import parse_usage as responses

pytestmark = pytest.mark.skipif(find_spec("genai_prices") is None, reason="not installed: genai_prices")

PRICES = {
    "input_mtok": ("prompt", "2"),
    "output_mtok": ("completion", "8"),
    "cache_read_mtok": ("input_cache_read", "0.2"),
    "cache_write_mtok": ("input_cache_write", "2.5"),
    "cache_write_1h_mtok": ("input_cache_write_1h", "4"),
    "output_reasoning_mtok": ("internal_reasoning", "11"),
    "input_audio_mtok": ("audio", "17"),
    "output_audio_mtok": ("audio_output", "64"),
    "cache_audio_read_mtok": ("input_audio_cache", "0.7"),
    "output_image_mtok": ("image_output", "30"),
    "web_searches_kcount": ("web_search", "10"),
}
"""By genai-prices' names, for a million tokens or a thousand searches: ours, and a price that no other part has."""

Draw = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Dialect:
    provider: str
    flavor: str
    parse: Callable[[Any], Usage | None]
    say: Callable[[Draw], dict[str, Any]]
    """A usage as this provider sends it."""
    parts: str
    """What is priced in it besides the prompt and the answer, by genai-prices' names without their units."""


def chat(draw: Draw) -> dict[str, Any]:
    cached, written, reasoning = draw(), draw(), draw()
    prompt, completion = cached + written + draw(), reasoning + draw()
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def spoken_chat(draw: Draw) -> dict[str, Any]:
    heard, said = draw(), draw()
    prompt, completion = heard + draw(), said + draw()
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"audio_tokens": heard},
        "completion_tokens_details": {"audio_tokens": said},
    }


def chat_with_reasoning_beside(draw: Draw) -> dict[str, Any]:
    cached, reasoning = draw(), draw()
    prompt, completion = cached + draw(), draw()
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion + reasoning,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def deep_research(draw: Draw) -> dict[str, Any]:
    prompt, completion = draw(), draw()
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "reasoning_tokens": draw(),
        "num_search_queries": 1 + draw() % 40,
    }


def response(draw: Draw) -> dict[str, Any]:
    cached, written, reasoning = draw(), draw(), draw()
    return {
        "input_tokens": cached + written + draw(),
        "output_tokens": reasoning + draw(),
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        "output_tokens_details": {"reasoning_tokens": reasoning},
    }


def message(draw: Draw) -> dict[str, Any]:
    short, long, thoughts = draw(), draw(), draw()
    return {
        "input_tokens": draw(),
        "cache_read_input_tokens": draw(),
        "cache_creation_input_tokens": short + long,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "output_tokens": thoughts + draw(),
        "output_tokens_details": {"thinking_tokens": thoughts},
        "server_tool_use": {"web_search_requests": draw() % 5},
    }


def converse(draw: Draw) -> dict[str, Any]:
    short, long = draw(), draw()
    return {
        "inputTokens": draw(),
        "outputTokens": draw(),
        "cacheReadInputTokens": draw(),
        "cacheWriteInputTokens": short + long,
        "cacheDetails": [{"ttl": "5m", "inputTokens": short}, {"ttl": "1h", "inputTokens": long}],
    }


def gemini(draw: Draw) -> dict[str, Any]:
    cached_sound, sound, cached_text, image = draw(), draw(), draw(), draw()
    text = cached_text + draw()
    tool_text, tool_sound = draw(), draw()
    return {
        "promptTokenCount": text + cached_sound + sound,
        "promptTokensDetails": modalities(TEXT=text, AUDIO=cached_sound + sound),
        "cachedContentTokenCount": cached_text + cached_sound,
        "cacheTokensDetails": modalities(TEXT=cached_text, AUDIO=cached_sound),
        "toolUsePromptTokenCount": tool_text + tool_sound,
        "toolUsePromptTokensDetails": modalities(TEXT=tool_text, AUDIO=tool_sound),
        "candidatesTokenCount": image + draw(),
        "candidatesTokensDetails": modalities(IMAGE=image),
        "thoughtsTokenCount": draw(),
    }


def modalities(**tokens: int) -> list[dict[str, Any]]:
    return [{"modality": name, "tokenCount": count} for name, count in tokens.items()]


def billed(draw: Draw) -> dict[str, Any]:
    asked, answered = draw(), draw()
    return {
        "billed_units": {"input_tokens": asked, "output_tokens": answered},
        "tokens": {"input_tokens": asked + draw(), "output_tokens": answered + draw()},
    }


CACHED = "cache_read cache_write"
DIALECTS = [
    Dialect("openai", "chat", openai, chat, f"{CACHED} output_reasoning"),
    Dialect("openai", "chat", openai, spoken_chat, "input_audio output_audio"),
    Dialect("openai", "responses", responses, response, f"{CACHED} output_reasoning"),
    Dialect("azure", "responses", responses, response, f"{CACHED} output_reasoning"),
    Dialect("openrouter", "chat", openai, chat, f"{CACHED} output_reasoning"),
    Dialect("mistral", "default", openai, chat, "cache_read output_reasoning"),
    Dialect("groq", "default", openai, chat, "cache_read output_reasoning"),
    Dialect("deepseek", "chat", openai, chat, "cache_read output_reasoning"),
    Dialect("x-ai", "chat", openai, chat_with_reasoning_beside, "cache_read output_reasoning"),
    Dialect("perplexity", "default", openai, deep_research, "output_reasoning web_searches"),
    Dialect("anthropic", "default", anthropic, message, f"{CACHED} cache_write_1h output_reasoning web_searches"),
    Dialect("google", "anthropic", anthropic, message, f"{CACHED} cache_write_1h"),
    Dialect("aws", "anthropic", anthropic, message, f"{CACHED} cache_write_1h"),
    Dialect("aws", "default", bedrock, converse, f"{CACHED} cache_write_1h"),
    Dialect("google", "default", google, gemini, "cache_read input_audio cache_audio_read output_reasoning"),
    Dialect("google", "default", google, gemini, "cache_read output_image"),
    Dialect("cohere", "default", cohere, billed, ""),
]


def ours(keys: set[str]) -> Pricing:
    scales = {"mtok": 6, "kcount": 3}
    prices = {PRICES[key][0]: Decimal(PRICES[key][1]).scaleb(-scales[key.rpartition("_")[2]]) for key in keys}
    return parse_pricing(prices)


def theirs(dialect: Dialect, usage: Mapping[str, Any], keys: set[str]) -> Decimal:
    from genai_prices.data_snapshot import get_snapshot
    from genai_prices.types import ModelPrice

    root = "usageMetadata" if dialect.parse is google else "usage"
    _, extracted = (
        get_snapshot()
        .find_provider(None, dialect.provider, None)
        .extract_usage({"model": "any", root: usage}, api_flavor=dialect.flavor)
    )
    return ModelPrice(**{key: Decimal(PRICES[key][1]) for key in keys}).calc_price(extracted)["total_price"]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda each: f"{each.provider}-{each.flavor}-{each.say.__name__}")
def test_both_readings_come_to_the_same_cost(dialect: Dialect) -> None:
    wanted = {"input", "output", *dialect.parts.split()}
    keys = {key for key in PRICES if key.rpartition("_")[0] in wanted}
    assert len(keys) == len(wanted)
    random = Random(3)
    for _ in range(60):
        # Each count is zero often enough for every pair of them.
        said = dialect.say(lambda: random.choice((0, random.randint(1, 9), random.randint(10, 100_000))))
        usage = dialect.parse(said)
        assert usage is not None
        assert exact_cost(usage, ours(keys))[0] == theirs(dialect, said, keys), said


def test_what_searches_found_costs_what_the_prompt_does() -> None:
    """genai-prices has a price for it that we have not; it is the prompt's: $2 a million for sonar-deep-research.

    https://docs.perplexity.ai/docs/getting-started/pricing
    """
    usage = openai({"prompt_tokens": 10, "completion_tokens": 0, "citation_tokens": 90, "num_search_queries": 2})
    assert exact_cost(usage, Pricing(prompt=Decimal("0.000002")))[0] == Decimal("0.0002")
