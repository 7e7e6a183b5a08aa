"""The stand-in for the store of the catalog keeps the contract that it stands in for."""

import pytest

from tests.contracts.catalog_store import CatalogStoreContract
from tests.fake_catalog_store import InMemoryCatalogStore


class TestInMemoryCatalogStore(CatalogStoreContract):
    @pytest.fixture
    def store(self) -> InMemoryCatalogStore:
        return InMemoryCatalogStore()
