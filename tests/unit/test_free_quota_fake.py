"""The fake of the free quota keeps the contract."""

import pytest

from tests.contracts.free_quota import FreeQuotaContract
from tests.fake_stores import InMemoryFreeQuota


class TestInMemoryFreeQuota(FreeQuotaContract):
    @pytest.fixture
    def quota(self) -> InMemoryFreeQuota:
        return InMemoryFreeQuota()
