"""Which catalog is served: the packaged one, a stored one that follows it, and what the operator says of both."""

from typing import Any

import orjson
import pytest

from turnpike.domain.catalog import Catalog
from turnpike.domain.catalog_tables import CatalogFileError
from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.stored_catalog import StoredArtefact, StoredOverrides
from turnpike.services.load_catalog import CatalogParts, LoadCatalog
from turnpike.storage.catalog_artefact import ArtefactCatalog, pack_artefact, parse_artefact

from tests.fake_catalog_store import InMemoryCatalogStore

ENVIRON = {"ONE_API_KEY": "k", "MINE_API_KEY": "k"}


def artefact(version: str, *slugs: str) -> dict[str, Any]:
    model = {
        "name": "A model",
        "description": "",
        "created": 1,
        "context_length": 1000,
        "input_modalities": ["text"],
        "output_modalities": ["text"],
        "tokenizer": "Other",
        "parameters": 0,
        "endpoints": [{"provider": "one", "upstream_model": "x", "pricing": {"prompt": "1", "completion": "2"}}],
    }
    return {
        "format": 1,
        "version": version,
        "parameters": [["max_tokens"]],
        "providers": {"one": {"name": "One", "wire": "openai_compatible", "base_url": "https://one.test"}},
        "models": {slug: {**model, "name": f"{slug} of {version}"} for slug in slugs},
        "aliases": {},
    }


PACKAGED = artefact("packaged", "a/one")
ADDS = """
[[models]]
id = "a/mine"
name = "Mine"
description = "Mine."
created = 1
context_length = 10
input_modalities = ["text"]
output_modalities = ["text"]
supported_parameters = []
  [[models.endpoints]]
  provider = "one"
  upstream_model = "mine"
  pricing = { prompt = "0", completion = "0" }
"""


class Deployed:
    def __init__(self, *files: tuple[str, str]) -> None:
        self.store = InMemoryCatalogStore()
        self.troubles: list[str] = []
        self.parts = CatalogParts(
            PACKAGED,
            files,
            {"openai_compatible"},
            lambda raw, rows: ArtefactCatalog(raw, ENVIRON, rows=rows),
        )
        self.load = LoadCatalog(self.parts, self.store, parse_artefact, self.troubles.append)

    def refresh(self, raw: dict[str, Any] | bytes, version: str, base: str = "packaged") -> None:
        data = raw if isinstance(raw, bytes) else pack_artefact(raw)
        self.store.put_artefact(StoredArtefact(version, base, data, 1), was=self.store.versions().artefact)

    def override(self, text: str) -> None:
        self.store.put_overrides(StoredOverrides(text, 1), was=self.store.versions().overrides)


def names(catalog: Catalog | None) -> list[str]:
    assert catalog is not None
    return [model.name for model in catalog.models]


def test_nothing_stored_is_nothing_new() -> None:
    deployed = Deployed()
    catalog, skipped = deployed.parts.assemble(PACKAGED, is_strict=True)
    assert (names(catalog), skipped) == (["a/one of packaged"], ())
    assert deployed.load() is None


def test_a_refreshed_catalog_takes_its_place_once() -> None:
    deployed = Deployed()
    deployed.refresh(artefact("v1", "a/one", "a/two"), "v1")
    assert names(deployed.load()) == ["a/one of v1", "a/two of v1"]
    assert deployed.load() is None
    deployed.refresh(artefact("v2", "a/two"), "v2")
    assert names(deployed.load()) == ["a/two of v2"]


def test_one_that_follows_another_deployment_is_left_alone() -> None:
    deployed = Deployed()
    deployed.refresh(artefact("v1", "a/two"), "v1", base="another")
    assert deployed.load() is None
    deployed.refresh(artefact("v2", "a/two"), "v2")
    assert names(deployed.load()) == ["a/two of v2"]
    # The next deployment has refreshed it for itself, and this one goes back to what it came with.
    deployed.refresh(artefact("v3", "a/three"), "v3", base="another")
    assert names(deployed.load()) == ["a/one of packaged"]


@pytest.mark.parametrize("data", [b"", b"junk", orjson.dumps({"format": 9})])
def test_one_that_cannot_be_read_is_told_once(data: bytes) -> None:
    deployed = Deployed()
    deployed.refresh(data, "v1")
    assert deployed.load() is None
    assert len(deployed.troubles) == 1
    assert deployed.load() is None
    assert len(deployed.troubles) == 1


def test_an_operators_text_is_applied_last() -> None:
    deployed = Deployed(("files.toml", ADDS + '[[models]]\nid = "a/one"\nname = "By file"\n'))
    catalog, _ = deployed.parts.assemble(PACKAGED, is_strict=True)
    assert names(catalog) == ["By file", "Mine"]
    deployed.override('[[models]]\nid = "a/one"\nname = "By word"')
    assert names(deployed.load()) == ["By word", "Mine"]
    deployed.refresh(artefact("v1", "a/one", "a/two"), "v1")
    assert names(deployed.load()) == ["By word", "a/two of v1", "Mine"]
    deployed.override("")
    assert names(deployed.load()) == ["By file", "a/two of v1", "Mine"]


def test_a_text_may_bring_a_provider() -> None:
    deployed = Deployed()
    deployed.override(
        ADDS.replace('"one"', '"mine"')
        + '[providers.mine]\nname = "M"\nwire = "openai_compatible"\nbase_url = "https://mine.test"'
    )
    catalog = deployed.load()
    assert catalog is not None
    assert catalog.get_provider("mine").base_url == "https://mine.test"
    assert catalog.get_model("a/mine").endpoints[0].provider == "mine"


def test_a_text_that_is_wrong_leaves_what_was_there() -> None:
    deployed = Deployed()
    deployed.override(ADDS)
    assert names(deployed.load()) == ["a/one of packaged", "Mine"]
    deployed.override(ADDS + "nonsense = 1")
    assert deployed.load() is None
    assert deployed.troubles == ["the stored catalog file, line 15: nonsense is not a key of this table"]
    # The good one is still applied to what comes next.
    deployed.refresh(artefact("v1", "a/two"), "v1")
    assert names(deployed.load()) == ["a/two of v1", "Mine"]
    assert len(deployed.troubles) == 1


def test_a_wrong_text_and_a_new_catalog_at_once() -> None:
    deployed = Deployed()
    deployed.override("nonsense = 1")
    deployed.refresh(artefact("v1", "a/two"), "v1")
    assert names(deployed.load()) == ["a/two of v1"]
    assert len(deployed.troubles) == 1


def test_what_speaks_of_something_gone_is_told_and_left_out() -> None:
    deployed = Deployed(("files.toml", '[[models]]\nid = "a/one"\nhidden = true'))
    deployed.refresh(artefact("v1", "a/two"), "v1")
    assert names(deployed.load()) == ["a/two of v1"]
    assert deployed.troubles == ["files.toml, line 3: hidden hides a/one, which is no model"]


def test_at_the_start_it_is_an_error() -> None:
    deployed = Deployed(("files.toml", '[[models]]\nid = "a/gone"\nhidden = true'))
    with pytest.raises(CatalogFileError, match=r"files\.toml, line 3"):
        deployed.parts.assemble(PACKAGED, is_strict=True)


def test_the_stores_own_errors_are_not_hidden_and_forget_nothing() -> None:
    deployed = Deployed()
    deployed.refresh(artefact("v1", "a/two"), "v1")
    deployed.store.fails = TemporarilyBusy("busy")
    with pytest.raises(TemporarilyBusy):
        deployed.load()
    deployed.store.fails = None
    assert names(deployed.load()) == ["a/two of v1"]
