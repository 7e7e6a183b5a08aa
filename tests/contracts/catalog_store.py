"""The contract of `ports.CatalogStore`."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from turnpike.domain.errors import Conflict
from turnpike.domain.stored_catalog import CatalogVersions, StoredArtefact, StoredOverrides
from turnpike.ports.catalog import CatalogStore

FIRST = StoredArtefact("v1", "base-1", b"\x00\xffpacked" * 4_000, 1_795_521_600, {"https://a.test/x.json": 'W/"1"'})
SECOND = replace(FIRST, version="v2", base="base-2", data=b"", etags={})
TEXT = StoredOverrides('[[models]]\nid = "acme/ünïcode"\n' * 100, 1_795_521_600)


class CatalogStoreContract:
    """A subclass provides the fixture `store`, with nothing in it."""

    def test_there_is_nothing_at_first(self, store: CatalogStore) -> None:
        assert store.versions() == CatalogVersions()
        assert (store.find_artefact(), store.find_overrides()) == (None, None)

    def test_what_is_put_is_found(self, store: CatalogStore) -> None:
        store.put_artefact(FIRST, was=None)
        store.put_overrides(TEXT, was=None)
        assert store.versions() == CatalogVersions("v1", "base-1", TEXT.version)
        assert (store.find_artefact(), store.find_overrides()) == (FIRST, TEXT)

    def test_what_was_seen_is_replaced(self, store: CatalogStore) -> None:
        store.put_artefact(FIRST, was=None)
        store.put_artefact(replace(FIRST, fetched_at_s=1), was="v1")
        store.put_artefact(SECOND, was="v1")
        assert store.find_artefact() == SECOND
        store.put_overrides(TEXT, was=None)
        empty = StoredOverrides("", 2)
        store.put_overrides(empty, was=TEXT.version)
        assert store.find_overrides() == empty
        assert store.versions() == CatalogVersions("v2", "base-2", empty.version)

    @pytest.mark.parametrize("was", [None, "v0"])
    def test_what_was_not_seen_is_not(self, store: CatalogStore, was: str | None) -> None:
        store.put_artefact(FIRST, was=None)
        store.put_overrides(TEXT, was=None)
        with pytest.raises(Conflict):
            store.put_artefact(SECOND, was=was)
        with pytest.raises(Conflict):
            store.put_overrides(replace(TEXT, text="x"), was=was)
        assert (store.find_artefact(), store.find_overrides()) == (FIRST, TEXT)

    def test_what_is_gone_is_not_replaced(self, store: CatalogStore) -> None:
        with pytest.raises(Conflict):
            store.put_artefact(FIRST, was="v0")
        assert store.find_artefact() is None

    def test_a_refresh_is_claimed_once_until_it_is_due_again(self, store: CatalogStore) -> None:
        assert store.claim_refresh(1000, until_s=1300)
        assert not store.claim_refresh(1000, until_s=1300)
        assert not store.claim_refresh(1299, until_s=1600)
        assert store.claim_refresh(1300, until_s=1600)
        store.schedule_refresh(5000)
        assert not store.claim_refresh(4999, until_s=6000)
        assert store.claim_refresh(5000, until_s=6000)
        assert store.versions() == CatalogVersions()

    def test_of_many_one_claims_it(self, store: CatalogStore) -> None:
        start = Barrier(16)

        def claim(_: int) -> bool:
            start.wait()
            return store.claim_refresh(1000, until_s=1300)

        with ThreadPoolExecutor(16) as pool:
            assert sum(pool.map(claim, range(16))) == 1

    def test_of_many_one_puts(self, store: CatalogStore) -> None:
        start = Barrier(8)

        def put(number: int) -> bool:
            start.wait()
            try:
                store.put_artefact(replace(SECOND, version=f"new-{number}"), was=None)
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(put, range(8))) == 1
