"""What the ledger in DynamoDB counts keeps the contract."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from turnpike.domain.retention import KEPT_FOR_GOOD, Retention
from turnpike.storage.activity import DynamoActivities
from turnpike.storage.generations import DynamoGenerations
from turnpike.storage.ledger import DynamoLedger

from tests.contracts.activity import ActivityContract, Build, Stores

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class TestDynamoActivities(ActivityContract):
    @pytest.fixture
    def build(self, dynamodb: "DynamoDBClient", ledger_table: str) -> Build:
        def build(retention: Retention = KEPT_FOR_GOOD, *, now: Callable[[], float] = time.time) -> Stores:
            return (
                DynamoLedger(dynamodb, ledger_table, retention),
                DynamoGenerations(dynamodb, ledger_table, now=now),
                DynamoActivities(dynamodb, ledger_table, now=now),
            )

        return build
