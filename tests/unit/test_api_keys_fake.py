"""The fake of the API keys keeps the contract."""

import pytest

from tests.contracts.api_keys import ApiKeysContract
from tests.fakes import InMemoryApiKeys


class TestInMemoryApiKeys(ApiKeysContract):
    @pytest.fixture
    def api_keys(self) -> InMemoryApiKeys:
        return InMemoryApiKeys()
