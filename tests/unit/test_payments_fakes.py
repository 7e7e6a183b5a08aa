"""The fakes of what payments store keep the contracts."""

import pytest

from tests.contracts.auto_top_ups import AutoTopUpsContract, EntryNotesContract
from tests.fake_payments import InMemoryAutoTopUps, InMemoryEntryNotes


class TestInMemoryAutoTopUps(AutoTopUpsContract):
    @pytest.fixture
    def store(self) -> InMemoryAutoTopUps:
        return InMemoryAutoTopUps()


class TestInMemoryEntryNotes(EntryNotesContract):
    @pytest.fixture
    def notes(self) -> InMemoryEntryNotes:
        return InMemoryEntryNotes()
