"""An audit finds nothing in any history that a ledger allowed."""

from collections.abc import Sequence

from hypothesis import settings

from turnpike.ports.ledger import Generations, Ledger
from turnpike.ports.upkeep import AuditReads

from tests.contracts.audit_history import AuditedHistory
from tests.fake_audit import Books, BooksReads
from tests.fakes import InMemoryLedger


class InMemoryHistory(AuditedHistory):
    def new_ledgers(self) -> Sequence[tuple[Ledger, Generations]]:
        self.ledger = InMemoryLedger()
        return [(self.ledger, self.ledger.generations)]

    def reads(self) -> AuditReads:
        return BooksReads(*(Books.of(self.ledger, account_id) for account_id in self.accounts))


TestInMemoryHistory = InMemoryHistory.TestCase
TestInMemoryHistory.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
