"""Any history of a ledger in DynamoDB goes as in memory, step by step, and keeps the same laws."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from turnpike.ports.ledger import Activities, Generations, Ledger
from turnpike.storage.activity import DynamoActivities
from turnpike.storage.generations import DynamoGenerations
from turnpike.storage.ledger import DynamoLedger

from tests.contracts.ledger_machine import LedgerMachine
from tests.fakes import InMemoryLedger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def test_histories_go_as_in_memory(dynamodb: "DynamoDBClient", ledger_table: str) -> None:
    class BothHistories(LedgerMachine):
        checks_every_step = False

        def new_ledgers(self) -> Sequence[tuple[Ledger, Generations]]:
            memory = InMemoryLedger()
            stored = DynamoLedger(dynamodb, ledger_table), DynamoGenerations(dynamodb, ledger_table)
            return [(memory, memory.generations), stored]

        def activities_of(self, ledger: Ledger) -> Activities:
            return ledger.activities if isinstance(ledger, InMemoryLedger) else DynamoActivities(dynamodb, ledger_table)

    run_state_machine_as_test(
        BothHistories,
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            # A history that fails is shown as it was found: shrinking it would take minutes on the emulator.
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
            suppress_health_check=list(HealthCheck),
        ),
    )
