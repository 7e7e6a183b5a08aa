"""Any history of an in-memory ledger keeps the ledger's laws."""

from collections.abc import Sequence

import pytest
from hypothesis import settings

from turnpike.ports.ledger import Activities, Generations, Ledger

from tests.contracts.ledger_machine import LedgerMachine
from tests.fakes import InMemoryLedger


class InMemoryHistory(LedgerMachine):
    def new_ledgers(self) -> Sequence[tuple[Ledger, Generations]]:
        ledger = InMemoryLedger()
        return [(ledger, ledger.generations)]

    def activities_of(self, ledger: Ledger) -> Activities:
        assert isinstance(ledger, InMemoryLedger)
        return ledger.activities


TestInMemoryHistory = InMemoryHistory.TestCase
TestInMemoryHistory.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
# Ten seconds on an idle machine; a busy one takes as long as it takes.
TestInMemoryHistory.pytestmark = pytest.mark.timeout(600)
