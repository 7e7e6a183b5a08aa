"""The fakes of what keeps and seals customers' provider keys, held to the real ones' contracts."""

import pytest

from tests.contracts.byok_keys import ByokKeysContract
from tests.contracts.vault import VaultContract
from tests.fake_byok import InMemoryByokKeys, LocalVault


class TestInMemoryByokKeys(ByokKeysContract):
    @pytest.fixture
    def byok_keys(self) -> InMemoryByokKeys:
        return InMemoryByokKeys()


class TestLocalVault(VaultContract):
    @pytest.fixture
    def vault(self) -> LocalVault:
        return LocalVault()
