"""What an operator's files make of a compiled catalog when it is served, and how mistakes in them are said."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from turnpike.domain.catalog import Timeouts
from turnpike.domain.catalog_tables import CatalogFileError
from turnpike.domain.errors import ModelNotFound
from turnpike.services.catalog_overrides import overlay
from turnpike.storage.catalog_artefact import ArtefactCatalog

EMPTY: dict[str, Any] = {
    "format": 1,
    "version": "v1",
    "parameters": [["max_tokens"], ["max_tokens", "tools"]],
    "providers": {},
    "models": {},
    "aliases": {},
}
COMPILED: dict[str, Any] = {
    **EMPTY,
    "providers": {"big": {"name": "Big", "wire": "openai_compatible", "base_url": "https://big.test"}},
    "models": {
        "author/known": {
            "name": "Known",
            "description": "Compiled.",
            "created": 1,
            "context_length": 1000,
            "input_modalities": ["text"],
            "output_modalities": ["text"],
            "tokenizer": "Other",
            "parameters": 1,
            "endpoints": [
                {"provider": "big", "upstream_model": "known", "pricing": {"prompt": "1", "completion": "2"}},
                {
                    "provider": "big",
                    "upstream_model": "known-fp8",
                    "quantization": "fp8",
                    "parameters": 0,
                    "pricing": {"prompt": "0.5", "completion": "1"},
                },
            ],
        }
    },
    "aliases": {"~author/known-latest": "author/known"},
}
PROVIDERS = """
[providers.one]
name = "Provider One"
wire = "openai_compatible"
base_url = "https://one.test/v1/"

[providers.second-cloud]
name = "Second Cloud"
wire = "openai_compatible"
base_url = "https://two.test/v1"
"""
MODEL = """
[[models]]
id = "acme/chat"
name = "Acme: Chat"
description = "A model"
created = 1767225600
context_length = 32768
input_modalities = ["text"]
output_modalities = ["text"]
supported_parameters = ["max_tokens", "tools"]
"""
ENDPOINT = """
  [[models.endpoints]]
  provider = "one"
  upstream_model = "chat-1"
  pricing = { prompt = "0.00000015", completion = "0.0000006" }
"""
SECOND = """
  [[models.endpoints]]
  provider = "second-cloud"
  upstream_model = "acme/chat-fp8"
  context_length = 16384
  max_completion_tokens = 4096
  supported_parameters = ["max_tokens"]
  quantization = "fp8"
  collects_data = false
  zdr = true
  timeouts = { connect_s = 1, gap_s = 20.5 }
  pricing = { prompt = "0.0000001", completion = "0.000001", input_cache_read = "0.00001", request = "0.1" }
  tiers = { flex = { prompt = "0.00000005" } }
"""
WHOLE = PROVIDERS + MODEL + ENDPOINT + SECOND
KEYS = {"ONE_API_KEY": "key-1", "SECOND_CLOUD_API_KEY": "key-2", "BIG_API_KEY": "key-3"}


def load(*texts: str, onto: Mapping[str, Any] = EMPTY, environ: Mapping[str, str] = KEYS) -> ArtefactCatalog:
    named = [(f"{number}.toml", text) for number, text in enumerate(texts)]
    laid = overlay(onto, named, wires={"openai_compatible", "other"})
    return ArtefactCatalog(laid.artefact, environ, rows=laid.providers)


def test_every_field_is_read() -> None:
    first, second, flex = load(WHOLE).get_model("acme/chat").endpoints
    assert (first.tag, first.base_url, first.upstream_model) == ("one", "https://one.test/v1", "chat-1")
    assert (first.context_length, first.max_completion_tokens) == (32768, None)
    assert first.supported_parameters == {"max_tokens", "tools"}
    assert (first.collects_data, first.zdr) == (True, False)
    assert first.timeouts == Timeouts()
    assert first.pricing.prompt == Decimal("0.00000015")
    assert (second.tag, second.context_length, second.max_completion_tokens) == ("second-cloud/fp8", 16384, 4096)
    assert second.supported_parameters == {"max_tokens"}
    assert (second.collects_data, second.zdr) == (False, True)
    assert second.timeouts == Timeouts(connect_s=1.0, gap_s=20.5)
    assert (second.pricing.input_cache_read, second.pricing.request) == (Decimal("1E-5"), Decimal("0.1"))
    assert (flex.tag, flex.pricing.prompt) == ("second-cloud/fp8/flex", Decimal("5E-8"))


def test_prices_may_depend_on_length_hours_and_days_and_so_may_a_tiers() -> None:
    steps = 'overrides = [{ min_prompt_tokens = 9, utc_days = ["sunday"], prompt = "0.000002" }] }'
    text = WHOLE.replace('request = "0.1" }', f'request = "0.1", {steps}')
    _, plain, flex = load(text).get_model("acme/chat").endpoints
    (step,) = plain.pricing.overrides
    assert (step.min_prompt_tokens, step.utc_days, step.parts) == (9, ("sunday",), (("prompt", Decimal("2E-6")),))
    # In proportion: the tier is half as dear.
    assert flex.pricing.overrides[0].parts == (("prompt", Decimal("1E-6")),)
    own = text.replace(
        '"0.00000005" }', '"0.00000005", overrides = [{ utc_start = 100, utc_end = 200, prompt = "0" }] }'
    )
    flex = load(own).get_model("acme/chat").endpoints[2]
    assert [(each.utc_start, each.utc_days, each.parts) for each in flex.pricing.overrides] == [
        (100, None, (("prompt", Decimal(0)),))
    ]
    for days in ('"someday"', ""):
        with pytest.raises(CatalogFileError, match="line 37: utc_days is not a list of some of monday"):
            load(text.replace('"sunday"', days))


def test_only_providers_with_a_credential_are_served() -> None:
    catalog = load(WHOLE, environ={"SECOND_CLOUD_API_KEY": "key-2", "ONE_API_KEY": ""})
    assert {endpoint.provider for endpoint in catalog.get_model("acme/chat").endpoints} == {"second-cloud"}
    assert [provider.slug for provider in catalog.providers] == ["second-cloud"]
    assert not list(load(PROVIDERS + MODEL + ENDPOINT, environ={"SECOND_CLOUD_API_KEY": "key-2"}).models)


def test_the_environment_moves_a_provider() -> None:
    catalog = load(WHOLE, environ={**KEYS, "SECOND_CLOUD_BASE_URL": "http://127.0.0.1:9/v1/"})
    assert catalog.get_model("acme/chat").endpoints[1].base_url == "http://127.0.0.1:9/v1"
    assert catalog.get_provider("second-cloud").base_url == "http://127.0.0.1:9/v1"


def test_a_later_text_amends_an_earlier_one() -> None:
    later = """
    [providers.mine]
    name = "Mine"
    wire = "other"
    base_url = "https://mine.test/v1"
    [providers.one]
    base_url = "https://moved.test/v1"
    [[models]]
    id = "acme/chat"
    name = "Renamed"
      [[models.endpoints]]
      provider = "mine"
      upstream_model = "chat"
      pricing = { prompt = "0", completion = "0" }
      [[models.endpoints]]
      provider = "one"
      upstream_model = "chat-2"
    """
    model = load(WHOLE, later, environ={**KEYS, "MINE_API_KEY": "key"}).get_model("acme/chat")
    assert (model.name, model.description) == ("Renamed", "A model")
    served = {endpoint.tag: endpoint for endpoint in model.endpoints}
    assert set(served) == {"one", "second-cloud/fp8", "second-cloud/fp8/flex", "mine"}
    assert (served["one"].upstream_model, served["one"].base_url) == ("chat-2", "https://moved.test/v1")
    assert served["one"].pricing.prompt == Decimal("0.00000015")


class TestOntoTheCompiledCatalog:
    def test_what_is_not_spoken_of_stays(self) -> None:
        catalog = load(PROVIDERS + MODEL + ENDPOINT, onto=COMPILED)
        assert [model.id for model in catalog.models] == ["author/known", "acme/chat"]
        assert catalog.get_model("~author/known-latest").id == "author/known"

    def test_what_is_changed_keeps_the_rest(self) -> None:
        text = """
        [[models]]
        id = "author/known"
        name = "Better known"
        distillable = true
          [[models.endpoints]]
          provider = "big"
          supported_parameters = ["seed"]
        [renamed]
        "author/old" = "author/known"
        """
        catalog = load(text, onto=COMPILED)
        fp8, plain = catalog.get_model("author/old").endpoints
        known = catalog.get_model("author/known")
        assert (known.name, known.distillable) == ("Better known", True)
        assert (fp8.supported_parameters, plain.supported_parameters) == ({"max_tokens"}, {"seed"})
        assert plain.pricing.completion == Decimal(2)

    @pytest.mark.parametrize(
        "text",
        [
            '[[models]]\nid = "author/known"\nhidden = true',
            "[providers.big]\nhidden = true",
        ],
    )
    def test_what_is_hidden_is_gone(self, text: str) -> None:
        with pytest.raises(ModelNotFound):
            load(text, onto=COMPILED).get_model("~author/known-latest")

    def test_it_stays_as_it_is_itself(self) -> None:
        before = repr(COMPILED)
        load('[[models]]\nid = "author/known"\nname = "X"\n[providers.big]\nname = "Y"', onto=COMPILED)
        load("[providers.big]\nhidden = true", onto=COMPILED)
        assert repr(COMPILED) == before

    def test_its_version_is_of_both(self) -> None:
        text = PROVIDERS + MODEL + ENDPOINT
        bases = ({**COMPILED, "version": version} for version in ("v1", "v2"))
        versions = [load(each, onto=base).version for base in bases for each in (text, text + "\n")]
        assert len(set(versions)) == 4
        assert load(text, onto=COMPILED).version == versions[0]


def test_a_provider_that_comes_and_goes_is_gone() -> None:
    catalog = load(WHOLE, "[providers.one]\nhidden = true\n[providers.second-cloud]\nname = 'Still there'")
    assert [provider.name for provider in catalog.providers] == ["Still there"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PROVIDERS + "[[models]\n", r"line 11"),
        (WHOLE.replace('name = "Provider One"', ""), r"line 2: name is missing"),
        (WHOLE.replace("https://one.test/v1/", "one.test"), r"line 5: base_url is not an http"),
        (
            WHOLE + PROVIDERS.replace("providers.one", "providers.One").partition("[providers.second")[0],
            r"line 40: slug has other characters",
        ),
        (WHOLE.replace('"openai_compatible"', '"morse"', 1), r"line 4: wire is none of openai_compatible, other"),
        (WHOLE.replace("acme/chat", "chat", 1), r"line 13: id is not of the form author/slug"),
        (WHOLE.replace("created = 1767225600", 'created = "x"'), r"line 16: created is not a whole"),
        (WHOLE.replace("context_length = 32768", "context_length = 0"), r"line 17: context_length is not a whole"),
        (WHOLE.replace('["text"]', '"text"', 1), r"line 18: input_modalities is not a list of texts"),
        (WHOLE.replace('"max_tokens", "tools"', "1"), r"line 20: supported_parameters is not a list of texts"),
        (WHOLE.replace('provider = "one"', 'provider = "none"'), r"line 23: provider is none, which is no provider"),
        (WHOLE.replace('upstream_model = "chat-1"', 'wire = "morse"'), r"line 24: wire is none of"),
        (WHOLE.replace('"openai_compatible"', '"other"\ntool_wire = "morse"', 1), r"line 5: tool_wire is none of"),
        (WHOLE.replace("zdr = true", "zdr = 1"), r"line 35: zdr is neither"),
        (PROVIDERS + MODEL + 'distillable = "yes"' + ENDPOINT, r"distillable is neither"),
        (WHOLE.replace("connect_s = 1", "connect_s = 0"), r"line 36: connect_s is not a number of seconds"),
        (WHOLE.replace("connect_s", "conect_s"), r"line 36: conect_s is not a key"),
        (WHOLE.replace(', completion = "0.0000006"', ""), r"line 25: completion is missing"),
        (WHOLE.replace('"0.0000006"', '"-1"'), r"line 25: completion is not between"),
        (WHOLE.replace('"0.0000006"', '"cheap"'), r"line 25: completion is 'cheap', which is no decimal"),
        (WHOLE.replace('"0.0000006"', "0.0000006"), r"line 25: completion is not a text"),
        (WHOLE.replace("request =", "sunday ="), r"line 37: sunday is not a key"),
        (WHOLE.replace("quantization", "quantisation"), r"line 33: quantisation is not a key of this table"),
        (WHOLE + "[settings]\n", r"line 39: settings is not a key"),
        (WHOLE + ENDPOINT, r"line 41: provider is there twice"),
        ("models = 1", "line 1: models is not an array of tables"),
        ("providers = [1]", "line 1: providers is not a table"),
    ],
)
def test_mistakes_name_the_file_and_the_line(text: str, message: str) -> None:
    with pytest.raises(CatalogFileError, match=message) as caught:
        load("", text)
    assert str(caught.value).startswith("1.toml")


def test_mistakes_show_whether_their_provider_is_served_or_not() -> None:
    with pytest.raises(CatalogFileError):
        load(WHOLE.replace('"0.0000006"', '"cheap"'), environ={})


def test_what_speaks_of_nothing_is_left_out_of_a_catalog_that_moves_on() -> None:
    text = '[[models]]\nid = "author/gone"\nhidden = true\n[providers.gone]\nbase_url = "https://x"\n' + PROVIDERS
    laid = overlay(EMPTY, [("my.toml", text + MODEL + ENDPOINT)], is_strict=False)
    assert laid.skipped == (
        "my.toml, line 4: name is missing, and the provider is new",
        "my.toml, line 3: hidden hides author/gone, which is no model",
    )
    catalog = ArtefactCatalog(laid.artefact, KEYS, rows=laid.providers)
    assert [model.id for model in catalog.models] == ["acme/chat"]
    with pytest.raises(CatalogFileError, match="line 3"):
        overlay(EMPTY, [("my.toml", '\n\nhidden = "x"')], is_strict=False)
