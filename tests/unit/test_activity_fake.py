"""What the in-memory ledger counts keeps the contract that the real one is held to."""

import time
from collections.abc import Callable

import pytest

from turnpike.domain.retention import KEPT_FOR_GOOD, Retention

from tests.contracts.activity import ActivityContract, Build, Stores
from tests.fakes import InMemoryLedger


class TestInMemoryActivities(ActivityContract):
    @pytest.fixture
    def build(self) -> Build:
        def build(retention: Retention = KEPT_FOR_GOOD, *, now: Callable[[], float] = time.time) -> Stores:
            ledger = InMemoryLedger(retention, now=now)
            return ledger, ledger.generations, ledger.activities

        return build
