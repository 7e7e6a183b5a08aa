"""From small sources to an artefact, what an operator's file changes of it, and which artefact is refused."""

import contextlib
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.services.compile_catalog import (
    CatalogFileError,
    CompiledCatalog,
    Settings,
    compare,
    compile_catalog,
    parse_settings,
    parse_toml,
)
from turnpike.services.compile_catalog.comparing import Limits
from turnpike.services.compile_catalog.models_dev import SourceModel
from turnpike.services.compile_catalog.parameters import supported_parameters
from turnpike.services.compile_catalog.settings import Policy, ProviderSource

TODAY = date(2026, 11, 24)
PROVIDERS = """
[providers.openai]
name = "OpenAI"
wire = "openai_compatible"
base_url = "https://api.openai.com/v1"

[providers.deepinfra]
name = "DeepInfra"
wire = "openai_compatible"
base_url = "https://api.deepinfra.com/v1/openai"

[providers.openrouter]
name = "OpenRouter"
wire = "openai_compatible"
base_url = "https://openrouter.ai/api/v1"
"""
SOURCES = """
[sources.openai]
models_dev = ["openai"]
genai_prices = "openai"
author = "openai"
wires = [["gpt-.*-pro", "openai_responses"]]
policy = { training = false, retention_days = 30, source = "https://example.com/policy" }

[sources.deepinfra]
models_dev = ["deepinfra"]
genai_prices = "deepinfra"
ids = "path"
parameters = ["top_k"]
variants = [["-turbo", "fp8"], ["-fast", "unknown"]]
policy = { training = false, retention_days = 0, source = "https://example.com/policy" }
policy_except = ["google/.*"]

[sources.openrouter]
models_dev = ["openrouter"]
genai_prices = "openrouter"
ids = "path"
"""
NAMES = """
[authors]
metallama = "meta-llama"

[titles]
openai = "OpenAI"
meta-llama = "Meta"

[routers]
slugs = ["openrouter/auto"]

[tokenizers]
patterns = [["^openai/", "GPT"], ["llama-3", "Llama3"]]
"""


def settings(providers: str = PROVIDERS, sources: str = SOURCES, names: str = NAMES) -> Settings:
    return parse_settings(
        parse_toml("providers.toml", providers), parse_toml("sources.toml", sources), parse_toml("names.toml", names)
    )


def model(name: str = "A Model", **rest: Any) -> dict[str, Any]:
    return {
        "name": name,
        "limit": {"context": 128_000, "output": 16_000},
        "modalities": {"input": ["text"], "output": ["text"]},
        "cost": {"input": 1, "output": 2},
        "release_date": "2026-01-15",
        "tool_call": True,
        **rest,
    }


def models_dev() -> dict[str, Any]:
    return {
        "openrouter": {
            "models": {
                "openai/gpt-9": model("GPT-9", family="gpt", knowledge="2025-06"),
                "openai/gpt-9-pro": model("GPT-9 Pro", family="gpt-pro", cost={"input": 10, "output": 20}),
                "openai/gpt-9:free": model("GPT-9", cost={"input": 0, "output": 0}),
                "meta-llama/llama-3.9-70b-instruct": model("Llama 3.9 70B", open_weights=True),
                "openrouter/auto": model("Auto Router"),
                "openrouter/gift": model("A Gift", cost={"input": 0, "output": 0}),
                "~openai/gpt-latest": model("GPT Latest", family="gpt", release_date="2026-02-01"),
                "~openai/o-latest": model("O Latest", family="o"),
            }
        },
        "openai": {
            "models": {
                "gpt-9": model(cost={"input": 1, "output": 2, "cache_read": Decimal("0.1")}, reasoning=True),
                "gpt-9-2026-01-15": model(),
                "gpt-9-pro": model(cost={"input": 10, "output": 20}),
                "gpt-9-image": model(modalities={"input": ["text"], "output": ["image"]}),
                "gpt-8": model(),
            }
        },
        "deepinfra": {
            "models": {
                "meta-llama/Llama-3.9-70B-Instruct": model(limit={"context": 64_000}, structured_output=True),
                "meta-llama/Llama-3.9-70B-Instruct-Turbo": model(cost={"input": Decimal("0.5"), "output": 1}),
                "meta-llama/Llama-3.9-70B-Instruct-fast": model(cost={"input": 3, "output": 3}),
            }
        },
    }


def genai_prices() -> list[dict[str, Any]]:
    return [
        {
            "id": "openai",
            "models": [
                {
                    "id": "gpt-9",
                    "match": {"equals": "gpt-9"},
                    "prices": {"input_mtok": Decimal("1.5"), "output_mtok": 2, "web_searches_kcount": 10},
                }
            ],
        }
    ]


def compiled(overrides: str = "", **changes: Any) -> CompiledCatalog:
    files = [parse_toml("my.toml", overrides)] if overrides else []
    given = {"models_dev": models_dev(), "genai_prices": genai_prices(), "settings": settings(), **changes}
    return compile_catalog(on=TODAY, overrides=files, **given)


def artefact(overrides: str = "") -> dict[str, Any]:
    return compiled(overrides).artefact


def endpoint(found: dict[str, Any], slug: str, place: int = 0) -> dict[str, Any]:
    row: dict[str, Any] = found["models"][slug]["endpoints"][place]
    return row


def parameters(found: dict[str, Any], row: dict[str, Any]) -> list[str]:
    names: list[str] = found["parameters"][row["parameters"]]
    return names


class TestModels:
    def test_stand_under_openrouters_names(self) -> None:
        assert list(artefact()["models"]) == [
            "meta-llama/llama-3.9-70b-instruct",
            "openai/gpt-9",
            "openai/gpt-9-pro",
            "openai/gpt-9:free",
        ]

    def test_hold_what_lists_of_models_show(self) -> None:
        found = dict(artefact()["models"]["openai/gpt-9"])
        found.pop("endpoints")
        found.pop("parameters")
        assert found == {
            "name": "OpenAI: GPT-9",
            "description": "A model by OpenAI. "
            "It reads text, writes text, calls tools, and has a context of 128,000 tokens.",
            "created": 1768435200,
            "context_length": 128_000,
            "input_modalities": ["text"],
            "output_modalities": ["text"],
            "tokenizer": "GPT",
            "knowledge_cutoff": "2025-06-01",
        }

    def test_say_which_variant_they_are(self) -> None:
        assert artefact()["models"]["openai/gpt-9:free"]["name"] == "OpenAI: GPT-9 (free)"

    def test_have_the_parameters_of_all_their_endpoints(self) -> None:
        found = artefact()
        names = set(parameters(found, found["models"]["openai/gpt-9"]))
        assert names >= {"reasoning", "tools", "temperature"}

    def test_come_with_the_names_that_move(self) -> None:
        found = compiled()
        assert found.artefact["aliases"] == {"~openai/gpt-latest": "openai/gpt-9"}
        assert ("openrouter", "~openai/o-latest") in [(item.provider, item.id) for item in found.unmatched]

    def test_a_model_that_nobody_serves_is_none(self) -> None:
        data = models_dev()
        data["openrouter"]["models"]["openai/gpt-9"]["cost"] = None
        data["openai"]["models"] = {}
        assert "openai/gpt-9" not in compiled(models_dev=data).artefact["models"]


class TestEndpoints:
    def test_are_the_cheapest_first(self) -> None:
        rows = artefact()["models"]["meta-llama/llama-3.9-70b-instruct"]["endpoints"]
        assert [(row["provider"], row.get("quantization"), row.get("variant")) for row in rows] == [
            ("deepinfra", "fp8", None),
            ("deepinfra", None, None),
            ("openrouter", None, None),
            ("deepinfra", None, "fast"),
        ]

    def test_leave_out_what_is_as_in_the_model(self) -> None:
        found = artefact()
        assert endpoint(found, "meta-llama/llama-3.9-70b-instruct", 2).keys() == {
            "provider",
            "upstream_model",
            "pricing",
            "max_completion_tokens",
            "parameters",
        }
        assert endpoint(found, "meta-llama/llama-3.9-70b-instruct", 1)["context_length"] == 64_000

    def test_speak_another_wire_format_where_their_model_does(self) -> None:
        found = artefact()
        assert endpoint(found, "openai/gpt-9-pro")["wire"] == "openai_responses"
        assert "wire" not in endpoint(found, "openai/gpt-9")

    def test_carry_what_is_known_of_prompts(self) -> None:
        found = artefact()
        assert endpoint(found, "openai/gpt-9-pro")["collects_data"] is False
        assert "zdr" not in endpoint(found, "openai/gpt-9-pro")
        assert endpoint(found, "meta-llama/llama-3.9-70b-instruct")["zdr"] is True
        assert found["providers"]["openai"]["policy"] == {
            "training": False,
            "retention_days": 30,
            "source": "https://example.com/policy",
        }

    def test_have_one_id_and_tell_the_others(self) -> None:
        found = compiled()
        assert endpoint(found.artefact, "openai/gpt-9", 1)["upstream_model"] == "gpt-9"
        assert [(item.id, item.reason) for item in found.folded] == [("gpt-9-2026-01-15", "is another name of gpt-9")]

    def test_tell_what_leads_to_none(self) -> None:
        found = compiled()
        assert ("openai", "gpt-8", "no canonical model has this name") in [
            (item.provider, item.id, item.reason) for item in found.unmatched
        ]
        assert [(item.provider, item.id) for item in found.rejected] == [("openai", "gpt-9-image")]

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"status": "deprecated"}, "it is deprecated"),
            ({"provider": {"npm": "@ai-sdk/anthropic"}}, "it is spoken to in another way, or elsewhere"),
            ({"cost": None}, "nobody says what it costs"),
            ({"cost": {"input": 0, "output": 0}}, "only one source says that it costs nothing"),
        ],
    )
    def test_are_left_out_where_they_could_not_be_served(self, changes: dict[str, Any], reason: str) -> None:
        data = models_dev()
        data["deepinfra"]["models"] = {"meta-llama/Llama-3.9-70B-Instruct": model(**changes)}
        found = compiled(models_dev=data)
        assert [item.reason for item in found.unmatched if item.provider == "deepinfra"] == [reason]

    def test_without_their_date_have_to_be_of_the_same_time(self) -> None:
        data = models_dev()
        data["openai"]["models"] = {"gpt-9-2026-01-15": model(release_date="2026-06-15")}
        found = compiled(models_dev=data)
        assert "would be openai/gpt-9, but was released 151 days from it" in [item.reason for item in found.unmatched]


class TestPrices:
    def test_of_the_newer_source_win_and_the_older_are_told(self) -> None:
        found = compiled()
        pricing = endpoint(found.artefact, "openai/gpt-9", 1)["pricing"]
        # Where the base differs, what only the older source knows is of another time.
        assert pricing == {"prompt": "0.0000015", "completion": "0.000002", "web_search": "0.01"}
        assert [
            (each.upstream_model, each.part, each.models_dev, each.genai_prices) for each in found.disagreements
        ] == [("gpt-9", "prompt", "0.000001", "0.0000015")]

    def test_are_completed_where_both_sources_agree(self) -> None:
        prices = genai_prices()
        prices[0]["models"][0]["prices"]["input_mtok"] = 1
        found = compiled(genai_prices=prices)
        pricing = endpoint(found.artefact, "openai/gpt-9")["pricing"]
        assert (pricing["input_cache_read"], pricing["web_search"]) == ("0.0000001", "0.01")
        assert not found.disagreements

    def test_do_not_fall_to_nothing_because_one_source_says_so(self) -> None:
        prices = genai_prices()
        prices[0]["models"][0]["prices"] = {"input_mtok": 0, "output_mtok": 0}
        found = compiled(genai_prices=prices)
        assert endpoint(found.artefact, "openai/gpt-9", 1)["pricing"]["prompt"] == "0.000001"
        assert found.disagreements

    def test_are_nothing_where_both_say_so(self) -> None:
        data, prices = models_dev(), genai_prices()
        data["openai"]["models"]["gpt-9"]["cost"] = {"input": 0, "output": 0}
        prices[0]["models"][0]["prices"] = {"input_mtok": 0, "output_mtok": 0}
        found = compiled(models_dev=data, genai_prices=prices)
        assert endpoint(found.artefact, "openai/gpt-9")["pricing"] == {"prompt": "0", "completion": "0"}

    def test_of_another_seller_are_used_where_there_are_no_others(self) -> None:
        data = models_dev()
        data["openai"]["models"]["gpt-9"]["cost"] = None
        prices = [{"id": "openai", "models": [], "fallback_model_providers": ["x"]}, {**genai_prices()[0], "id": "x"}]
        found = compiled(models_dev=data, genai_prices=prices)
        assert endpoint(found.artefact, "openai/gpt-9", 1)["pricing"]["prompt"] == "0.0000015"

    def test_that_repeat_others_change_with_them(self) -> None:
        """models.dev prices thoughts as the answer; genai-prices alone knows that long prompts make answers dearer."""
        data, prices = models_dev(), genai_prices()
        data["openai"]["models"]["gpt-9"]["cost"] = {"input": 1, "output": 2, "reasoning": 2, "cache_read": 1}
        longer = {"base": 2, "tiers": [{"start": 1000, "price": 3}]}
        prices[0]["models"][0]["prices"] = {"input_mtok": 1, "output_mtok": longer}
        found = endpoint(compiled(models_dev=data, genai_prices=prices).artefact, "openai/gpt-9")["pricing"]
        assert found == {
            "prompt": "0.000001",
            "completion": "0.000002",
            "overrides": [{"min_prompt_tokens": 1000, "completion": "0.000003"}],
        }

    def test_of_certain_hours_hold_on_the_days_that_the_settings_say(self) -> None:
        prices = genai_prices()
        prices[0]["models"][0]["prices"] = [
            {"prices": {"input_mtok": 1, "output_mtok": {"base": 2, "tiers": [{"start": 1000, "price": 3}]}}},
            {
                "constraint": {"start_time": "01:00:00Z", "end_time": "04:00:00Z"},
                "prices": {"input_mtok": 2, "output_mtok": 4},
            },
        ]
        sources = SOURCES.replace('author = "openai"', 'author = "openai"\nhours_on = ["monday", "friday"]')
        found = compiled(genai_prices=prices, settings=settings(sources=sources)).artefact
        assert endpoint(found, "openai/gpt-9")["pricing"]["overrides"] == [
            {"min_prompt_tokens": 1000, "completion": "0.000003"},
            {
                "utc_start": 100,
                "utc_end": 400,
                "utc_days": ["monday", "friday"],
                "prompt": "0.000002",
                "completion": "0.000004",
            },
        ]
        with pytest.raises(CatalogFileError, match="hours_on holds 'someday'"):
            settings(sources=sources.replace("monday", "someday"))

    def test_of_a_search_are_the_settings_where_no_list_has_one(self) -> None:
        rows = 'takes = [["gpt-9.*", "web_search_options"]]\nsearches = [[".*", "0.005"]]'
        sources = SOURCES.replace('author = "openai"', f'author = "openai"\n{rows}')
        found = compiled(settings=settings(sources=sources)).artefact
        priced = [endpoint(found, *at) for at in (("openai/gpt-9", 1), ("openai/gpt-9-pro", 0))]
        assert [row["provider"] for row in priced] == ["openai", "openai"]
        assert [row["pricing"]["web_search"] for row in priced] == ["0.01", "0.005"]
        none = settings(sources=sources.replace('["gpt-9.*"', '["gpt-9"'))
        assert "web_search" not in endpoint(compiled(settings=none).artefact, "openai/gpt-9-pro")["pricing"]
        assert "web_search" not in endpoint(artefact(), "openai/gpt-9-pro")["pricing"]
        for price in ("0", "-1", "nothing", "NaN", "100000"):
            with pytest.raises(CatalogFileError, match=r"searches holds .* which is no price of a search"):
                settings(sources=sources.replace("0.005", price))

    def test_with_other_steps_disagree(self) -> None:
        data, prices = models_dev(), genai_prices()
        data["openai"]["models"]["gpt-9"]["cost"]["context_over_200k"] = {"input": 2, "output": 4}
        prices[0]["models"][0]["prices"] = {"input_mtok": 1, "output_mtok": 2}
        found = compiled(models_dev=data, genai_prices=prices)
        assert [(each.part, each.models_dev, each.genai_prices) for each in found.disagreements] == [
            ("overrides", "over 200,000: 0.000002", "none")
        ]


class TestParameters:
    BASE = SourceModel("m", "M", 1000, None, ("text",), ("text",), tools=True, temperature=True)
    SOURCE = ProviderSource("p", "openai_compatible", ("p",))

    def test_follow_the_flags(self) -> None:
        taken = supported_parameters(self.BASE, self.SOURCE, "openai_compatible")
        assert taken >= {"max_tokens", "temperature", "stop", "tools", "tool_choice", "response_format"}
        assert not taken & {"reasoning", "structured_outputs", "parallel_tool_calls", "top_k"}

    def test_of_a_model_that_reasons(self) -> None:
        thinking = SourceModel("m", "M", 1000, None, ("text",), ("text",), reasoning=True, temperature=False)
        taken = supported_parameters(thinking, self.SOURCE, "openai_compatible")
        assert taken >= {"reasoning", "include_reasoning", "max_tokens", "seed"}
        assert not taken & {"temperature", "top_p", "tools", "stop"}

    def test_of_the_wire_format(self) -> None:
        taken = supported_parameters(self.BASE, self.SOURCE, "anthropic")
        assert taken >= {"top_k", "parallel_tool_calls"}
        assert not taken & {"seed", "frequency_penalty", "response_format"}

    def test_of_the_provider(self) -> None:
        source = ProviderSource(
            "p",
            "openai_compatible",
            ("p",),
            parameters=frozenset({"top_k", "verbosity", "parallel_tool_calls"}),
            refuses=frozenset({"seed"}),
        )
        taken = supported_parameters(self.BASE, source, "openai_compatible")
        assert taken >= {"top_k", "parallel_tool_calls"}
        assert not taken & {"seed", "verbosity"}


class TestPolicy:
    @pytest.mark.parametrize(
        ("policy", "collects", "zdr"),
        [
            (Policy(), True, False),
            (Policy(training=True, retention_days=0), True, False),
            (Policy(training=False), True, False),
            (Policy(training=False, retention_days=90), True, False),
            (Policy(training=False, retention_days=30), False, False),
            (Policy(training=False, retention_days=0), False, True),
            (Policy(retention_days=0), True, False),
        ],
    )
    def test_takes_what_is_unknown_for_the_worst(self, policy: Policy, *, collects: bool, zdr: bool) -> None:
        assert (policy.collects_data, policy.zdr) == (collects, zdr)

    def test_has_exceptions(self) -> None:
        source = settings().sources[1]
        assert source.policy_of("meta-llama/x").zdr
        assert not source.policy_of("google/x").zdr


class TestArtefact:
    @given(st.randoms())
    def test_is_the_same_whatever_the_order(self, random: Any) -> None:
        def shuffled(value: Any) -> Any:
            if isinstance(value, dict):
                items = list(value.items())
                random.shuffle(items)
                return {key: shuffled(item) for key, item in items}
            return value

        again = compiled(models_dev=shuffled(models_dev())).artefact
        assert again == artefact()
        assert list(again["models"]) == list(artefact()["models"])

    def test_has_another_version_when_anything_differs(self) -> None:
        other = compiled(models_dev={**models_dev(), "deepinfra": {"models": {}}}).artefact
        assert other["version"] != artefact()["version"]
        assert "deepinfra" not in other["providers"]

    def test_leaves_its_input_alone(self) -> None:
        data, prices, known = models_dev(), genai_prices(), settings()
        compiled(
            '[[models]]\nid = "openai/gpt-9"\nname = "Other"\n[providers.openai]\nname = "O"\n',
            models_dev=data,
            genai_prices=prices,
            settings=known,
        )
        assert (data, prices) == (models_dev(), genai_prices())
        assert known.providers["openai"].values["name"] == "OpenAI"

    def test_comes_of_junk_too(self) -> None:
        assert compiled(models_dev=[], genai_prices=None).artefact["models"] == {}


ENDPOINT = """
  [[models.endpoints]]
  provider = "openai"
  upstream_model = "gpt-10"
  pricing = { prompt = "0.000003", completion = "0.000009" }
"""
NEW = f"""
[[models]]
id = "openai/gpt-10"
name = "OpenAI: GPT-10"
description = "New."
created = 1790000000
context_length = 1000
input_modalities = ["text"]
output_modalities = ["text"]
supported_parameters = ["tools", "max_tokens"]
{ENDPOINT}"""


class TestOverrides:
    def test_add_a_model(self) -> None:
        found = artefact(NEW)
        added = found["models"]["openai/gpt-10"]
        assert added["tokenizer"] == "Other"
        assert parameters(found, added) == ["max_tokens", "tools"]
        assert added["endpoints"] == [
            {
                "provider": "openai",
                "upstream_model": "gpt-10",
                "pricing": {"prompt": "0.000003", "completion": "0.000009"},
            }
        ]

    def test_add_a_provider(self) -> None:
        provider = '[providers.acme]\nname = "Acme"\nwire = "openai_compatible"\nbase_url = "https://acme.test"\n'
        found = artefact(provider + NEW.replace('provider = "openai"', 'provider = "acme"'))
        assert found["providers"]["acme"]["base_url"] == "https://acme.test"
        assert found["models"]["openai/gpt-10"]["endpoints"][0]["provider"] == "acme"

    def test_change_what_they_name_and_nothing_else(self) -> None:
        found = artefact('[[models]]\nid = "openai/gpt-9"\ncontext_length = 64000\n')
        before = artefact()["models"]["openai/gpt-9"]
        after = found["models"]["openai/gpt-9"]
        assert after["context_length"] == 64_000
        assert (after["name"], len(after["endpoints"])) == (before["name"], len(before["endpoints"]))

    def test_change_one_endpoint(self) -> None:
        row = """
[[models]]
id = "meta-llama/llama-3.9-70b-instruct"
  [[models.endpoints]]
  provider = "deepinfra"
  quantization = "fp8"
  timeouts = { first_token_s = 90 }
    [models.endpoints.pricing]
    prompt = "0.00001"
    completion = "0.00001"
    overrides = [{ min_prompt_tokens = 8000, prompt = "0.00002" }]
"""
        rows = artefact(row)["models"]["meta-llama/llama-3.9-70b-instruct"]["endpoints"]
        # It is the dearest now.
        assert rows[-1]["quantization"] == "fp8"
        assert rows[-1]["upstream_model"] == "meta-llama/Llama-3.9-70B-Instruct-Turbo"
        assert rows[-1]["pricing"]["overrides"] == [{"min_prompt_tokens": 8000, "prompt": "0.00002"}]
        assert rows[-1]["timeouts"] == {"first_token_s": 90}
        assert len(rows) == 4

    def test_hide_models_endpoints_and_providers(self) -> None:
        found = artefact(
            '[providers.deepinfra]\nhidden = true\n[[models]]\nid = "openai/gpt-9-pro"\nhidden = true\n'
            '[[models]]\nid = "openai/gpt-9"\n  [[models.endpoints]]\n  provider = "openrouter"\n  hidden = true\n'
        )
        assert "openai/gpt-9-pro" not in found["models"]
        assert "deepinfra" not in found["providers"]
        assert [row["provider"] for row in found["models"]["openai/gpt-9"]["endpoints"]] == ["openai"]
        rows = found["models"]["meta-llama/llama-3.9-70b-instruct"]["endpoints"]
        assert [row["provider"] for row in rows] == ["openrouter"]

    def test_give_names(self) -> None:
        found = artefact(
            '[aliases]\n"~openai/o-latest" = "openai/gpt-9-pro"\n[renamed]\n"openai/gpt-nine" = "openai/gpt-9"\n'
        )
        assert found["aliases"] == {
            "openai/gpt-nine": "openai/gpt-9",
            "~openai/gpt-latest": "openai/gpt-9",
            "~openai/o-latest": "openai/gpt-9-pro",
        }

    def test_take_the_names_of_hidden_models_with_them(self) -> None:
        assert artefact('[[models]]\nid = "openai/gpt-9"\nhidden = true\n')["aliases"] == {}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('\n[[models]]\nid = "gpt-9"\n', "my.toml, line 3: id is not of the form author/slug"),
            ('[[models]]\nid = "openai/gpt-9"\nnmae = "x"\n', "my.toml, line 3: nmae is not a key of this table"),
            ('[[models]]\nid = "openai/gpt-9"\ncreated = "x"\n', "line 3: created is not a whole number"),
            ('[[models]]\nid = "openai/x"\nhidden = true\n', "line 3: hidden hides openai/x, which is no model"),
            ('[[models]]\nid = "openai/x"\nname = "X"\n', "line 1: description is missing, and the model is new"),
            (NEW.replace(ENDPOINT, ""), "line 2: endpoints is missing: nobody would serve the model"),
            (NEW.replace('"0.000003"', '"3"'), "line 15: prompt is not between 0 and 0.01 USD"),
            (NEW.replace('"0.000003"', '"x"'), "line 15: prompt is 'x', which is no decimal"),
            (NEW.replace('prompt = "0.000003", ', ""), "line 15: prompt is missing"),
            (NEW.replace('completion = "0', 'completoin = "0'), "line 15: completion is missing"),
            (NEW.replace('provider = "openai"', 'provider = "x"'), "line 13: provider is x, which is no provider"),
            (
                NEW.replace('upstream_model = "gpt-10"', ""),
                "line 12: upstream_model is missing, and the endpoint is new",
            ),
            ('[aliases]\n\n# A comment.\n"~a/b" = "no/model"\n', "line 4: ~a/b stands for no/model, which is no model"),
            ('[aliases]\n"openai/gpt-9" = "openai/gpt-9-pro"\n', "line 2: openai/gpt-9 is a model itself"),
            ('[renamed]\nnothing = "openai/gpt-9"\n', "line 2: nothing is not of the form author/slug"),
            ("[providers.x]\nhidden = true\n", "line 2: hidden hides x, which is no provider"),
            ('[providers.x]\nname = "X"\n', "line 1: wire is missing"),
            ("[extra]\n", "line 1: extra is not a key of this table"),
            ("[[models]\n", "line 1"),
        ],
    )
    def test_name_file_and_line_of_a_mistake(self, text: str, message: str) -> None:
        with pytest.raises(CatalogFileError) as raised:
            artefact(text)
        assert message in str(raised.value)
        assert "my.toml" in str(raised.value)

    def test_may_be_older_than_the_data_in_a_refresh(self) -> None:
        text = '[[models]]\nid = "openai/gone"\nhidden = true\n[aliases]\n"~a/b" = "no/model"\n' + NEW
        found = compiled_loosely(text)
        assert found.skipped == (
            "my.toml, line 3: hidden hides openai/gone, which is no model",
            "my.toml, line 5: ~a/b stands for no/model, which is no model",
        )
        models = found.artefact["models"]
        assert isinstance(models, dict)
        assert "openai/gpt-10" in models

    def test_are_never_right_with_a_mistake_of_their_own(self) -> None:
        with pytest.raises(CatalogFileError, match="line 3: created is not a whole number"):
            compiled_loosely('[[models]]\nid = "openai/gpt-9"\ncreated = "x"\n')


def compiled_loosely(text: str) -> CompiledCatalog:
    return compile_catalog(
        models_dev(),
        genai_prices(),
        settings(),
        on=TODAY,
        overrides=[parse_toml("my.toml", text)],
        is_strict=False,
    )


class TestSettings:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"sources": "[sources.x]\n"}, "sources.toml, line 1: is the source of x, which is no provider"),
            ({"sources": '[sources.openai]\nids = "odd"\n'}, "sources.toml, line 2: ids is none of"),
            ({"sources": '[sources.openai]\nwires = [["(", "x"]]\n'}, "line 2: wires holds '(', which is no pattern"),
            ({"sources": "[sources.openai]\nwires = [[1]]\n"}, "line 2: wires holds something else than pairs"),
            ({"sources": "[sources.openai]\npolicy = { training = false }\n"}, "line 2: source is missing"),
            ({"sources": "[sources.openai]\nodd = 1\n"}, "line 2: odd is not a key of this table"),
            ({"names": "[authors]\nx = 1\n"}, "names.toml, line 2: x is not a text"),
            ({"names": "[odd]\n"}, "names.toml, line 1: odd is not a key"),
        ],
    )
    def test_name_file_and_line_of_a_mistake(self, changes: dict[str, str], message: str) -> None:
        with pytest.raises(CatalogFileError) as raised:
            settings(**changes)
        assert message in str(raised.value)


VALUES = [
    "1",
    "'#'  # k0 = [",
    '"a # \\" ["',
    "'a \" ['",
    '"""\n[not.a.table]\nk1 = 1\n"""',
    "'''\n]\nk2 = 2\n'''",
    '[\n  "]",  # ]\n  [1],\n]',
    "{ a = [1, 2], b = { c = 1 } }",
    '[ """\n]""", 1 ]',
]
"""TOML values, some of which look like something else."""


class TestLines:
    def test_are_found_behind_values_over_several_lines(self) -> None:
        text = """
a = 1
[t]
"x.y" = { d = [1] }
[[t.u]]
[[t.u]]
e = 1
"""
        table = parse_toml("f", text).table("t")
        assert str(table.error("x.y", "x")) == "f, line 4: x.y x"
        assert str(table.rows("u")[1].error("e", "x")) == "f, line 7: e x"
        assert str(table.rows("u")[0].error("e", "x")) == "f, line 5: e x"

    @given(st.lists(st.sampled_from(VALUES), max_size=8))
    def test_of_keys_behind_all_kinds_of_values(self, values: list[str]) -> None:
        text, lines = "", {}
        for number, value in enumerate(values):
            lines[f"k{number}"] = text.count("\n") + 1
            text += f"k{number} = {value}\n"
        row = parse_toml("f", text)
        assert {key: str(row.error(key, "x")) for key in row.values} == {
            key: f"f, line {line}: {key} x" for key, line in lines.items()
        }

    @given(st.text(alphabet="ab=[]{}\"'#\n .1", max_size=60))
    def test_never_raises_anything_else(self, text: str) -> None:
        with contextlib.suppress(CatalogFileError):
            row = parse_toml("f", text)
            assert all("line" in str(row.error(key, "x")) for key in row.values)


class TestCompare:
    LIMITS = Limits(least_models=2, least_providers=2)

    def found(self, following: object, previous: object = None) -> tuple[str, ...]:
        return compare(previous or big(), following, self.LIMITS)

    def test_takes_what_is_alike(self) -> None:
        assert self.found(big()) == ()
        assert compare(None, big(), self.LIMITS) == ()

    def test_refuses_too_little(self) -> None:
        assert compare(None, artefact(), Limits()) == (
            "It has 4 models, and at least 300 are expected.",
            "It has 3 providers, and at least 15 are expected.",
        )

    def test_refuses_what_is_no_artefact(self) -> None:
        assert compare(big(), None, self.LIMITS)
        assert compare(big(), {"models": [1], "providers": 3}, self.LIMITS)

    def test_refuses_a_shrunken_one(self) -> None:
        following = big()
        for number in range(30):
            del following["models"][f"a/m{number}"]
        assert self.found(following) == (
            "It has 70 models, and the last good one has 100.",
            "It has 140 endpoints, and the last good one has 200.",
            "30 models are gone from it, a/m0, a/m1, a/m10, a/m11, a/m12 among them.",
        )

    def test_refuses_one_whose_models_are_others(self) -> None:
        following = big()
        following["models"] = {f"b{slug}": model for slug, model in following["models"].items()}
        assert self.found(following) == ("100 models are gone from it, a/m0, a/m1, a/m10, a/m11, a/m12 among them.",)

    def test_refuses_prices_that_jump(self) -> None:
        assert self.found(priced(big(), 20, "0.001")) == (
            "20 of 200 endpoints cost more than 10 times as much or as little as before, "
            "a/m0 at x, a/m1 at x, a/m10 at x among them.",
        )
        assert self.found(priced(big(), 20, "0.000000001"))

    def test_refuses_gifts(self) -> None:
        assert self.found(priced(big(), 20, "0"))[0].startswith("20 of 200 endpoints would cost nothing any more")

    def test_takes_a_few_jumps(self) -> None:
        assert self.found(priced(big(), 3, "0.001")) == ()
        assert self.found(priced(big(), 100, "0.000009")) == ()


def big() -> dict[str, Any]:
    def rows() -> list[dict[str, Any]]:
        pricing = {"prompt": "0.000001", "completion": "0.000001"}
        return [{"provider": provider, "upstream_model": "m", "pricing": pricing} for provider in "xy"]

    return {"models": {f"a/m{number}": {"endpoints": rows()} for number in range(100)}, "providers": {"x": {}, "y": {}}}


def priced(found: dict[str, Any], count: int, price: str) -> dict[str, Any]:
    for number in range(count):
        found["models"][f"a/m{number}"]["endpoints"][0]["pricing"] = {"prompt": price, "completion": price}
    return found
