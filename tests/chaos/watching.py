"""Looks at all balances over and over while a chaos run is on: each is right at every moment, not only in the end."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.chaos.world import World

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_EVERY_S = 1.0
_AT_MOST = 100
"""Items of one read, as DynamoDB has it."""


class Watch:
    def __init__(self, dynamodb: "DynamoDBClient", table: str, world: World) -> None:
        self._dynamodb, self._table = dynamodb, table
        self._accounts = {account.account_id: account for account in world.accounts}
        self._next = 0.0
        self.findings: list[str] = []
        self.looks = 0

    def look(self) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _EVERY_S
        self.looks += 1
        keys = [{"pk": {"S": f"ACCOUNT#{each}"}, "sk": {"S": "BALANCE"}} for each in self._accounts]
        for first in range(0, len(keys), _AT_MOST):
            wanted: Any = {self._table: {"Keys": keys[first : first + _AT_MOST], "ConsistentRead": True}}
            for item in self._dynamodb.batch_get_item(RequestItems=wanted)["Responses"][self._table]:
                self._check(item["pk"]["S"].removeprefix("ACCOUNT#"), item)

    def _check(self, account_id: str, item: Mapping[str, Any]) -> None:
        available, held, credit, usage = (
            int(item.get(name, {"N": "0"})["N"]) for name in ("available", "held", "credits_total", "usage_total")
        )
        if available < 0 and not self._accounts[account_id].may_owe:
            self.findings.append(f"{account_id} had {available} available")
        if held < 0:
            self.findings.append(f"{account_id} held {held}")
        if available + held != credit - usage:
            self.findings.append(f"{account_id} had {available} + {held} of {credit} - {usage}")
