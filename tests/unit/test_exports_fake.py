"""The stand-ins for exports' storage keep the contracts."""

import pytest

from tests.contracts.exports import ExportMarksContract, ExportStoreContract
from tests.fake_exports import InMemoryExportMarks, InMemoryExportStore


class TestInMemoryExportStore(ExportStoreContract):
    @pytest.fixture
    def store(self) -> InMemoryExportStore:
        return InMemoryExportStore()


class TestInMemoryExportMarks(ExportMarksContract):
    @pytest.fixture
    def marks(self) -> InMemoryExportMarks:
        return InMemoryExportMarks()
