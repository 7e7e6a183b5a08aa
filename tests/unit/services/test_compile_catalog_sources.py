"""What is read from models.dev and genai-prices, and what is left out of it."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.services.compile_catalog import parse_json
from turnpike.services.compile_catalog.genai_prices import PricedModel, parse_genai_prices
from turnpike.services.compile_catalog.models_dev import MOST_MODELS, SourceModel, parse_models_dev
from turnpike.services.compile_catalog.prices import Prices, per_token, present_price, present_prices, present_tiers

TODAY = date(2026, 11, 24)
MODEL: dict[str, Any] = {
    "name": "Claude Haiku 4.5",
    "limit": {"context": 200_000, "output": 64_000},
    "modalities": {"input": ["text", "pdf", "image"], "output": ["text"]},
    "cost": {"input": 1, "output": 5, "cache_read": Decimal("0.1")},
    "release_date": "2025-10-15",
    "reasoning": True,
    "tool_call": True,
}

junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "models",
                    "id",
                    "name",
                    "limit",
                    "context",
                    "cost",
                    "input",
                    "output",
                    "tiers",
                    "match",
                    "or",
                    "regex",
                    "prices",
                    "constraint",
                    "start_date",
                    "start_time",
                    "input_mtok",
                    "base",
                    "start",
                    "price_variants",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


def read(**changes: object) -> SourceModel:
    found = parse_models_dev({"p": {"models": {"m": {**MODEL, **changes}}}}, frozenset({"p"}))
    assert not found.rejected
    return found.providers["p"]["m"]


def rejection(id_: str = "m", **changes: object) -> str:
    found = parse_models_dev({"p": {"models": {id_: {**MODEL, **changes}}}}, frozenset({"p"}))
    assert not found.providers["p"]
    return found.rejected[0].reason


def price(tables: object, *, on: date = TODAY, **changes: object) -> Prices:
    model = {"id": "m", "match": {"equals": "m"}, "prices": tables, **changes}
    found = parse_genai_prices([{"id": "p", "models": [model]}], on).find("p", ["m"])
    assert found is not None
    assert found.prices is not None
    return found.prices


def find(match: object, *ids: str) -> PricedModel | None:
    model = {"id": "m", "match": match, "prices": {"input_mtok": 1, "output_mtok": 2}}
    return parse_genai_prices([{"id": "p", "models": [model]}], TODAY).find("p", ids)


class TestModelsDev:
    def test_reads_a_model(self) -> None:
        model = read()
        assert (model.context, model.output, model.released) == (200_000, 64_000, "2025-10-15")
        assert model.inputs == ("text", "image", "file")
        assert model.prices is not None
        assert present_prices(model.prices) == {
            "prompt": "0.000001",
            "completion": "0.000005",
            "input_cache_read": "0.0000001",
        }

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"name": None}, "its id or its name is not a short text"),
            ({"name": "x" * 201}, "its id or its name is not a short text"),
            ({"limit": {}}, "its context length is missing or absurd"),
            ({"limit": {"context": 0}}, "its context length is missing or absurd"),
            ({"limit": {"context": 99_999_999}}, "its context length is missing or absurd"),
            ({"limit": {"context": True}}, "its context length is missing or absurd"),
            ({"modalities": {"input": ["text"], "output": ["image"]}}, "it does not turn text into text"),
            ({"modalities": {"input": ["audio"], "output": ["text"]}}, "it does not turn text into text"),
            ({"cost": {"input": -1, "output": 1}}, "one of its prices is no price"),
            ({"cost": {"input": 1, "output": Decimal("NaN")}}, "one of its prices is no price"),
            ({"cost": {"input": 1, "output": 10_001}}, "one of its prices is no price"),
            ({"cost": {"input": "1", "output": 1}}, "one of its prices is no price"),
            ({"cost": {"input": 0.1, "output": 1}}, "one of its prices is no price"),
        ],
    )
    def test_leaves_out_what_makes_no_sense(self, changes: dict[str, object], reason: str) -> None:
        assert rejection(**changes) == reason

    @pytest.mark.parametrize("id_", ["", "a b", "../x", "a//b", "a?b=c", "x" * 161, "a#b", "ä"])
    def test_leaves_out_ids_that_would_lead_elsewhere(self, id_: str) -> None:
        assert rejection(id_) == "its id or its name is not a short text"

    def test_takes_a_model_without_prices_for_one_whose_prices_are_unknown(self) -> None:
        assert read(cost=None).prices is None
        assert read(cost={"input": 1}).prices is None

    def test_limits_the_output_to_the_context(self) -> None:
        assert read(limit={"context": 1000, "output": 2000}).output == 1000

    @pytest.mark.parametrize(
        "cost",
        [
            {"cache_read": 0, "cache_write": 0},  # As Cerebras has it, where nothing is cheaper for being cached.
            {"cache_read": 2},
            {"reasoning": 0},
        ],
    )
    def test_takes_what_nobody_can_mean_for_no_price(self, cost: dict[str, int]) -> None:
        prices = read(cost={"input": 1, "output": 5, **cost}).prices
        assert prices is not None
        assert set(prices.parts) == {"prompt", "completion"}

    def test_believes_that_all_of_a_free_model_is_free(self) -> None:
        prices = read(cost={"input": 0, "output": 0, "cache_read": 0}).prices
        assert prices is not None
        assert prices.parts["input_cache_read"] == 0

    def test_reads_tiers_and_their_own_size(self) -> None:
        tier = {"input": 5, "output": Decimal("22.5"), "tier": {"size": 272_000, "type": "context"}}
        prices = read(cost={"input": 2, "output": 15, "tiers": [tier], "context_over_200k": {"input": 9}}).prices
        assert prices is not None
        assert present_prices(prices)["overrides"] == [
            {"min_prompt_tokens": 272_000, "prompt": "0.000005", "completion": "0.0000225"}
        ]

    def test_reads_the_older_form_of_a_tier(self) -> None:
        prices = read(cost={"input": 2, "output": 15, "context_over_200k": {"input": 4, "output": 18}}).prices
        assert prices is not None
        assert [override.conditions for override in prices.overrides] == [{"min_prompt_tokens": 200_000}]

    def test_tells_of_a_provider_that_is_not_there(self) -> None:
        found = parse_models_dev({}, frozenset({"p"}))
        assert [(item.provider, item.reason) for item in found.rejected] == [("p", "the provider is missing")]

    def test_takes_no_more_models_than_anybody_has(self) -> None:
        found = parse_models_dev({"p": {"models": {f"m{n}": MODEL for n in range(MOST_MODELS + 2)}}}, frozenset({"p"}))
        assert len(found.providers["p"]) == MOST_MODELS
        assert len(found.rejected) == 2

    @given(junk)
    def test_never_raises(self, raw: object) -> None:
        parse_models_dev({"p": raw}, frozenset({"p"}))
        parse_models_dev({"p": {"models": {"m": raw}}}, frozenset({"p"}))
        parse_models_dev({"p": {"models": {"m": {**MODEL, "cost": raw, "provider": raw}}}}, frozenset({"p"}))


class TestGenaiPrices:
    def test_reads_every_part_that_openrouter_names(self) -> None:
        table = {
            "input_mtok": 3,
            "output_mtok": 15,
            "cache_read_mtok": Decimal("0.3"),
            "cache_write_mtok": Decimal("3.75"),
            "cache_write_1h_mtok": 6,
            "output_reasoning_mtok": 3,
            "input_audio_mtok": 1,
            "output_audio_mtok": 12,
            "cache_audio_read_mtok": Decimal("0.1"),
            "input_image_mtok": 8,
            "output_image_mtok": 32,
            "requests_kcount": 12,
            "web_searches_kcount": 10,
            "storage_searches_kcount": Decimal("2.5"),
        }
        assert present_prices(price(table)) == {
            "prompt": "0.000003",
            "completion": "0.000015",
            "request": "0.012",
            "image_token": "0.000008",
            "image_output": "0.000032",
            "audio": "0.000001",
            "audio_output": "0.000012",
            "input_audio_cache": "0.0000001",
            "input_cache_read": "0.0000003",
            "input_cache_write": "0.00000375",
            "input_cache_write_1h": "0.000006",
            "internal_reasoning": "0.000003",
            "web_search": "0.01",
        }

    def test_steps_by_context_length(self) -> None:
        tiers = [{"start": 200_000, "price": 6}, {"start": 400_000, "price": 9}]
        table = {
            "input_mtok": {"base": 3, "tiers": tiers},
            "output_mtok": {"base": 15, "tiers": [{"start": 200_000, "price": 20}]},
        }
        assert present_prices(price(table))["overrides"] == [
            {"min_prompt_tokens": 200_000, "prompt": "0.000006", "completion": "0.00002"},
            {"min_prompt_tokens": 400_000, "prompt": "0.000009"},
        ]

    @pytest.mark.parametrize(
        ("on", "prompt"), [(date(2026, 7, 29), "0.000001"), (date(2026, 7, 30), "0.0000002"), (TODAY, "0.0000002")]
    )
    def test_takes_the_prices_of_the_day(self, on: date, prompt: str) -> None:
        tables = [
            {"prices": {"input_mtok": 1, "output_mtok": 6}},
            {
                "constraint": {"start_date": "2026-07-30"},
                "prices": {"input_mtok": Decimal("0.2"), "output_mtok": Decimal("1.2")},
            },
            {"constraint": {"start_date": "2027-01-01"}, "prices": {"input_mtok": 7, "output_mtok": 7}},
        ]
        assert present_prices(price(tables, on=on))["prompt"] == prompt

    def test_lets_hours_of_the_day_override_the_base(self) -> None:
        hours = {"start_time": "16:30:00Z", "end_time": "00:30:00Z"}
        tables = [
            {"prices": {"input_mtok": 2, "output_mtok": 4, "cache_read_mtok": 1}},
            {"constraint": hours, "prices": {"input_mtok": 1, "output_mtok": 2}},
        ]
        presented = present_prices(price(tables))
        assert presented["prompt"] == "0.000002"
        assert presented["overrides"] == [
            # Cached tokens have no price of their own at those hours, and so cost what all others do.
            {
                "utc_start": 1630,
                "utc_end": 30,
                "prompt": "0.000001",
                "completion": "0.000002",
                "input_cache_read": "0.000001",
            }
        ]

    def test_forgets_hours_that_a_later_price_has_ended(self) -> None:
        tables = [
            {"prices": {"input_mtok": 2, "output_mtok": 4}},
            {
                "constraint": {"start_time": "01:00:00Z", "end_time": "04:00:00Z"},
                "prices": {"input_mtok": 1, "output_mtok": 2},
            },
            {"constraint": {"start_date": "2026-01-01"}, "prices": {"input_mtok": 3, "output_mtok": 5}},
        ]
        assert present_prices(price(tables)) == {"prompt": "0.000003", "completion": "0.000005"}

    def test_reads_service_tiers_and_no_other_variants(self) -> None:
        variants = [
            {"when": {"processing": "batch"}, "prices": {"input_mtok": 1, "output_mtok": 1}},
            {"when": {"service_tier": "fast"}, "prices": {"input_mtok": 4, "output_mtok": 8}},
            {"when": {"service_tier": "flex"}, "prices": {"input_mtok": 1, "output_mtok": 2}},
            {"when": {"service_tier": "flex", "route": "eu"}, "prices": {"input_mtok": 9, "output_mtok": 9}},
        ]
        prices = price({"input_mtok": 2, "output_mtok": 4}, price_variants=variants)
        assert {name: present_price(tier.parts["prompt"]) for name, tier in prices.tiers.items()} == {
            "flex": "0.000001",
            "priority": "0.000004",
        }

    def test_reads_what_long_prompts_cost_in_a_service_tier(self) -> None:
        def stepped(base: int, over: int) -> dict[str, Any]:
            return {"base": base, "tiers": [{"start": 1000, "price": over}]}

        ordinary = {"input_mtok": stepped(20, 40), "output_mtok": 40, "cache_read_mtok": stepped(2, 6)}
        flex = {"input_mtok": stepped(10, 18), "output_mtok": 20}
        variants = [
            {"when": {"service_tier": "flex"}, "prices": flex},
            {"when": {"service_tier": "priority"}, "prices": {"input_mtok": 50, "output_mtok": 90}},
        ]
        assert present_tiers(price(ordinary, price_variants=variants)) == {
            "flex": {
                "prompt": "0.00001",
                "completion": "0.00002",
                "overrides": [
                    {"min_prompt_tokens": 1000, "input_cache_read": "0.000006"},
                    {"min_prompt_tokens": 1000, "prompt": "0.000018"},
                ],
            },
            # The price is the same for prompts of all lengths, but for what is cached of them.
            "priority": {
                "prompt": "0.00005",
                "completion": "0.00009",
                "overrides": [{"min_prompt_tokens": 1000, "input_cache_read": "0.000006"}],
            },
        }

    @pytest.mark.parametrize(
        ("match", "hit", "miss"),
        [
            ({"equals": "GPT-4o"}, "gpt-4o", "gpt-4o-mini"),
            ({"starts_with": "gpt-4"}, "gpt-4o", "x-gpt-4"),
            ({"ends_with": "-instruct"}, "llama-instruct", "llama-instruct-fp8"),
            ({"contains": "nova-lite"}, "us.amazon.nova-lite-v1:0", "nova-pro"),
            ({"or": [{"equals": "a"}, {"equals": "b"}]}, "b", "c"),
            ({"and": [{"starts_with": "a"}, {"ends_with": "z"}]}, "a-z", "a-b"),
            ({"regex": r"^gpt-5\.6-sol-\d{4}-\d{2}-\d{2}$"}, "gpt-5.6-sol-2026-07-09", "gpt-5.6-sol"),
            ({"regex": "^(?!.*-tts(?:$|-))"}, "gemini", "gemini-tts"),
        ],
    )
    def test_matches_as_its_own_package_does(self, match: object, hit: str, miss: str) -> None:
        assert find(match, hit)
        assert find(match, hit.upper())
        assert not find(match, miss)

    @pytest.mark.parametrize(
        "match",
        [
            None,
            {},
            {"equals": 1},
            {"sounds_like": "x"},
            {"or": []},
            {"or": [{"equals": "m"}, {}]},
            {"regex": "("},
            {"regex": "(a+)+$"},
            {"regex": "(a*)*"},
            {"regex": "x" * 201},
        ],
    )
    def test_leaves_out_what_it_cannot_match(self, match: object) -> None:
        assert find(match, "m", "a", "x") is None

    def test_asks_the_surest_id_first_and_models_in_their_order(self) -> None:
        models = [
            {"id": "wide", "match": {"contains": "m"}, "prices": {"input_mtok": 1, "output_mtok": 1}},
            {"id": "narrow", "match": {"equals": "m1"}, "prices": {"input_mtok": 2, "output_mtok": 2}},
        ]
        genai = parse_genai_prices([{"id": "p", "models": models}], TODAY)
        found = genai.find("p", ["nothing", "m1"])
        assert found is not None
        assert found.id == "wide"

    def test_knows_a_model_that_has_no_prices(self) -> None:
        model = {"id": "m", "match": {"equals": "m"}, "prices": {}}
        found = parse_genai_prices([{"id": "p", "models": [model]}], TODAY).find("p", ["m"])
        assert found is not None
        assert found.prices is None

    def test_looks_elsewhere_only_when_asked(self) -> None:
        model = {"id": "m", "match": {"equals": "m"}, "prices": {"input_mtok": 1, "output_mtok": 2}}
        raw = [
            {"id": "azure", "models": [], "fallback_model_providers": ["openai"]},
            {"id": "openai", "models": [model]},
        ]
        genai = parse_genai_prices({"units": {}, "providers": raw}, TODAY)
        assert genai.find("azure", ["m"]) is None
        assert genai.find_elsewhere("azure", ["m"]) is not None
        assert genai.find_elsewhere("openai", ["m"]) is None

    @given(junk)
    def test_never_raises(self, raw: object) -> None:
        parse_genai_prices(raw, TODAY)
        parse_genai_prices([{"id": "p", "models": raw}], TODAY)
        parse_genai_prices([{"id": "p", "models": [raw]}], TODAY)
        model = {"id": "m", "match": raw, "prices": raw, "price_variants": raw}
        parse_genai_prices([{"id": "p", "models": [model, {**model, "match": {"equals": "m"}}]}], TODAY)


class TestPrices:
    def test_reads_json_without_floats(self) -> None:
        assert parse_json(b'{"input": 0.1, "output": 3}') == {"input": Decimal("0.1"), "output": 3}

    @pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity"])
    def test_refuses_what_is_no_number(self, constant: bytes) -> None:
        with pytest.raises(ValueError, match="no number of JSON"):
            parse_json(b'{"input": ' + constant + b"}")

    @given(st.decimals(min_value=0, max_value=10_000, places=6))
    def test_is_exact(self, per_million: Decimal) -> None:
        one = per_token(per_million)
        assert one is not None
        assert Decimal(present_price(one)) * 1_000_000 == per_million
        assert "e" not in present_price(one).lower()

    def test_drops_what_floats_left_behind(self) -> None:
        assert per_token(Decimal("0.049999999999999996")) == Decimal("0.00000005")
