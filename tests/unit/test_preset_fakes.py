"""The fake of what keeps presets, held to the real one's contract."""

import pytest

from tests.contracts.presets import PresetsContract
from tests.fake_presets import InMemoryPresets


class TestInMemoryPresets(PresetsContract):
    @pytest.fixture
    def presets(self) -> InMemoryPresets:
        return InMemoryPresets()
