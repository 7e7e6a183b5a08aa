"""Another credential is another catalog: put together anew, as soon as it can be."""

import pytest

from turnpike.domain.catalog import Catalog
from turnpike.domain.errors import TemporarilyBusy
from turnpike.services.reload_catalog import Load, ReloadCatalog

from tests.scenario import catalog, endpoint

PACKAGED = catalog(endpoint())
STORED = catalog(endpoint("two", "acme/new"))
LATER = catalog(endpoint("three", "acme/later"))


class Store:
    """Loaders as `ReloadCatalog` begins them: each has seen nothing yet, and finds what is there now once."""

    def __init__(self, there: Catalog | None) -> None:
        self.there = there
        self.is_away = False
        self.has_changed = False

    def begin(self) -> Load:
        seen: Catalog | None = None

        def load() -> Catalog | None:
            nonlocal seen
            if self.is_away:
                raise TemporarilyBusy("away")
            found, seen = (None if seen is self.there else self.there), self.there
            return found

        return load

    def credentials_changed(self) -> bool:
        """Says so once, as a secret does."""
        said, self.has_changed = self.has_changed, False
        return said


def reload_of(store: Store) -> ReloadCatalog:
    return ReloadCatalog(store.credentials_changed, store.begin, lambda: PACKAGED)


def test_without_another_credential_it_is_what_the_store_has() -> None:
    store = Store(STORED)
    reload = reload_of(store)
    assert reload() is STORED
    assert reload() is None
    store.there = LATER
    assert reload() is LATER


def test_with_another_credential_what_is_stored_is_put_together_again() -> None:
    store = Store(STORED)
    reload = reload_of(store)
    assert reload() is STORED
    store.has_changed = True
    assert reload() is STORED
    assert reload() is None


def test_where_nothing_is_stored_it_is_the_packaged_one() -> None:
    store = Store(None)
    reload = reload_of(store)
    assert reload() is None
    store.has_changed = True
    assert reload() is PACKAGED
    assert reload() is None


def test_a_change_is_not_forgotten_while_the_store_is_away() -> None:
    store = Store(None)
    reload = reload_of(store)
    store.has_changed, store.is_away = True, True
    with pytest.raises(TemporarilyBusy):
        reload()
    store.is_away = False
    assert reload() is PACKAGED
