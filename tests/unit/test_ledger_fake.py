"""The in-memory ledger keeps the contract that the real one is held to."""

import pytest

from tests.contracts.leases import LeaseContract
from tests.contracts.ledger import LedgerContract
from tests.fakes import InMemoryGenerations, InMemoryLedger


class InMemory:
    @pytest.fixture
    def ledger(self) -> InMemoryLedger:
        return InMemoryLedger()

    @pytest.fixture
    def generations(self, ledger: InMemoryLedger) -> InMemoryGenerations:
        return ledger.generations


class TestInMemoryLedger(InMemory, LedgerContract):
    pass


class TestInMemoryLeases(InMemory, LeaseContract):
    pass
