"""What can be read of the ledger in DynamoDB: balances, holds, entries and what keys have spent."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from turnpike.domain.api_keys import ApiKey, KeySpend
from turnpike.domain.ids import AccountId, GenerationId, HoldId, KeyHash
from turnpike.domain.ledger import Balance, Hold, LedgerEntry
from turnpike.domain.money import NanoUsd
from turnpike.domain.periods import window_of
from turnpike.storage import keys
from turnpike.storage.items import (
    Item,
    amount_of,
    number,
    parse_balance,
    parse_entry,
    parse_hold,
    parse_spending,
)
from turnpike.storage.schema import HOLDS_BY_EXPIRY
from turnpike.storage.transactions import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class LedgerReads:
    """Reads what was last written, but for the index of pending holds, which may be a moment late."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client, self._table = client, table

    def find_hold(self, account_id: AccountId, hold_id: HoldId) -> Hold | None:
        item = self._get(keys.hold(account_id, hold_id))
        return None if item is None else parse_hold(item)

    def get_balance(self, account_id: AccountId) -> Balance:
        return parse_balance(self._get(keys.balance(account_id)) or {})

    def get_room(self, account_id: AccountId, key: ApiKey, now_s: int) -> NanoUsd:
        available = self.get_balance(account_id).available
        if key.limit is None:
            return available
        return NanoUsd(min(available, key.limit - self._limit_used(account_id, key, now_s)))

    def list_entries(self, account_id: AccountId) -> Iterator[LedgerEntry]:
        for first in (keys.entry(account_id, ""), keys.hold(account_id, GenerationId(""))):
            yield from map(parse_entry, self._query_prefix(first))

    def list_expired_holds(self, now_s: int) -> Iterator[Hold]:
        for shard in keys.OPEN_SHARDS:
            found = self._query(
                IndexName=HOLDS_BY_EXPIRY.name,
                KeyConditionExpression="open_shard = :shard AND expires_at <= :now",
                ExpressionAttributeValues={":shard": {"S": shard}, ":now": number(now_s)},
            )
            for item in found:
                # The index has the keys alone, and may not have heard yet of what happened to the hold.
                hold = self._get({"pk": item["pk"], "sk": item["sk"]})
                if hold is not None and hold["state"]["S"] == "pending":
                    yield parse_hold(hold)

    def get_key_spend(self, account_id: AccountId, key: ApiKey, now_s: int) -> KeySpend:
        spend = self._spend(account_id, key, now_s)
        return spend if key.limit is None else replace(spend, limit_used=self._limit_used(account_id, key, now_s))

    def _spend(self, account_id: AccountId, key: ApiKey, now_s: int) -> KeySpend:
        """Without what is used of its limit."""
        first = keys.spend(account_id, key.hash, "")
        prefix = first["sk"]["S"]
        months = {item["sk"]["S"].removeprefix(prefix): item for item in self._query_prefix(first)}
        # The last month's was written last, and may be from before this was told.
        used_at_s = int(months[max(months)].get("used_at", {"N": "0"})["N"]) if months else 0
        credit, byok = parse_spending(months, now_s), parse_spending(months, now_s, byok=True)
        return KeySpend(credit, byok, last_used_at_s=used_at_s or None)

    def _limit_used(self, account_id: AccountId, key: ApiKey, now_s: int) -> NanoUsd:
        return self._used(account_id, key.hash, window_of(key.limit_reset, now_s))

    def _used(self, account_id: AccountId, key_hash: KeyHash, window: str) -> NanoUsd:
        return amount_of(self._get(keys.limit(account_id, key_hash, window)) or {}, "used")

    def _get(self, key: keys.Key) -> Item | None:
        with translated():
            return self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")

    def _query_prefix(self, first: keys.Key) -> Iterator[Item]:
        """Everything under the partition key whose sort key begins as that of `first`."""
        return self._query(
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            ExpressionAttributeValues={":pk": first["pk"], ":prefix": first["sk"]},
            ConsistentRead=True,
        )

    def _query(self, **query: Any) -> Iterator[Item]:
        while True:
            with translated():
                page = self._client.query(TableName=self._table, **query)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]
