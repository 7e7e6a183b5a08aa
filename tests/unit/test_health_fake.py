"""The fakes of endpoint health keep the contract."""

import pytest

from tests.contracts.health import HealthCountsContract, HealthSnapshotsContract
from tests.fake_health import InMemoryHealthCounts, InMemoryHealthSnapshots


class TestInMemoryHealthCounts(HealthCountsContract):
    @pytest.fixture
    def counts(self) -> InMemoryHealthCounts:
        return InMemoryHealthCounts()


class TestInMemoryHealthSnapshots(HealthSnapshotsContract):
    @pytest.fixture
    def snapshots(self) -> InMemoryHealthSnapshots:
        return InMemoryHealthSnapshots()
