"""What analytics can be asked for: metrics, dimensions, operators and granularities, by OpenRouter's names.

Source of the names: https://openrouter.ai/docs/api/api-reference/analytics and the meta endpoint as described in
https://github.com/OpenRouterTeam/skills (openrouter-analytics-schema). `error_count` and `error_rate` are ours.
Percentiles are not among them: no sum over a day's requests tells them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from turnpike.domain.activity import Cell, Counts
from turnpike.domain.periods import Period

Format = Literal["number", "currency", "percent", "latency", "throughput"]
Operator = Literal["eq", "neq", "in", "not_in", "gt", "gte", "lt", "lte"]

OPERATORS: Mapping[Operator, Literal["scalar", "array"]] = {
    "eq": "scalar",
    "neq": "scalar",
    "in": "array",
    "not_in": "array",
    "gt": "scalar",
    "gte": "scalar",
    "lt": "scalar",
    "lte": "scalar",
}
GRANULARITIES: Mapping[Period, str] = {"day": "Day", "week": "Week", "month": "Month"}
"""With their labels. Weeks begin on Monday."""


@dataclass(frozen=True, slots=True)
class Metric:
    """`value` of a sum is a whole number, in nano-USD for `currency`; of a rate, None where it divides by nothing."""

    label: str
    value: Callable[[Counts], float | None]
    format: Format = "number"
    is_rate: bool = False


@dataclass(frozen=True, slots=True)
class Dimension:
    label: str
    value: Callable[[Cell], str | None]
    """None where a request has none."""
    may_be_unset: bool = False


def _rate(above: float, below: int, scale: int = 1) -> float | None:
    return above * scale / below if below else None


def _tokens(counts: Counts) -> int:
    return counts.prompt_tokens + counts.completion_tokens


def _total(counts: Counts) -> int:
    return counts.usage + counts.byok_usage


METRICS: Mapping[str, Metric] = {
    "request_count": Metric("Request Count", lambda c: c.requests),
    "byok_request_count": Metric("BYOK Request Count", lambda c: c.byok_requests),
    "error_count": Metric("Error Count", lambda c: c.errors),
    "error_rate": Metric("Error Rate", lambda c: _rate(c.errors, c.requests), "percent", is_rate=True),
    "response_cached_count": Metric("Cached Responses", lambda c: c.cached_responses),
    "response_cached_rate": Metric(
        "Cached Response Rate", lambda c: _rate(c.cached_responses, c.requests), "percent", is_rate=True
    ),
    "tokens_total": Metric("Total Tokens", _tokens),
    "tokens_prompt": Metric("Prompt Tokens", lambda c: c.prompt_tokens),
    "tokens_completion": Metric("Completion Tokens", lambda c: c.completion_tokens),
    "reasoning_tokens": Metric("Reasoning Tokens", lambda c: c.reasoning_tokens),
    "cached_tokens": Metric("Cached Tokens", lambda c: c.cached_tokens),
    "cache_hit_rate": Metric(
        "Cache Hit Rate", lambda c: _rate(c.cached_tokens, c.prompt_tokens), "percent", is_rate=True
    ),
    "total_usage": Metric("Total Usage", _total, "currency"),
    "credits_usage": Metric("Credits Usage", lambda c: c.usage, "currency"),
    "openrouter_usage": Metric("Usage Without BYOK", lambda c: c.usage - c.byok_fees, "currency"),
    "byok_usage": Metric("BYOK Usage", lambda c: c.byok_usage, "currency"),
    "byok_fees": Metric("BYOK Fees", lambda c: c.byok_fees, "currency"),
    "usage_upstream": Metric("Upstream Usage", lambda c: c.upstream_cost, "currency"),
    "blended_cost_per_million_tokens": Metric(
        "Cost per Million Tokens", lambda c: _rate(_total(c), _tokens(c), 10**6), "currency", is_rate=True
    ),
    "avg_latency": Metric(
        "Average Latency", lambda c: _rate(c.latency_ms, c.latency_requests), "latency", is_rate=True
    ),
    "avg_throughput": Metric(
        "Average Throughput", lambda c: _rate(c.generation_tokens, c.generation_ms, 1000), "throughput", is_rate=True
    ),
}

KEY_DIMENSION = "api_key_id"
USER_DIMENSION = "external_user"

DIMENSIONS: Mapping[str, Dimension] = {
    "model": Dimension("Model", lambda cell: cell.model),
    "variant": Dimension("Variant", lambda cell: cell.model.partition(":")[2] or "standard"),
    "provider": Dimension("Provider", lambda cell: cell.provider or None, may_be_unset=True),
    KEY_DIMENSION: Dimension("API Key", lambda cell: cell.key_hash),
    "app": Dimension("App", lambda cell: cell.app, may_be_unset=True),
    USER_DIMENSION: Dimension("External User", lambda cell: cell.user, may_be_unset=True),
}
