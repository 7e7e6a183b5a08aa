"""The ledger in DynamoDB keeps the contract."""

from typing import TYPE_CHECKING

import pytest

from turnpike.storage.generations import DynamoGenerations
from turnpike.storage.ledger import DynamoLedger

from tests.contracts.leases import LeaseContract
from tests.contracts.ledger import LedgerContract

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Dynamo:
    @pytest.fixture
    def ledger(self, dynamodb: "DynamoDBClient", ledger_table: str) -> DynamoLedger:
        return DynamoLedger(dynamodb, ledger_table)

    @pytest.fixture
    def generations(self, dynamodb: "DynamoDBClient", ledger_table: str) -> DynamoGenerations:
        return DynamoGenerations(dynamodb, ledger_table)


class TestDynamoLedger(Dynamo, LedgerContract):
    pass


class TestDynamoLeases(Dynamo, LeaseContract):
    pass
