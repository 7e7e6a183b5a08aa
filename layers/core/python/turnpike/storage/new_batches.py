"""What comes with a new batch in DynamoDB: that nobody makes it twice, and that an account has not too many.

A batch, the submission and the upload that it is made of, and its account's ids of those that are not over are written
in one transaction. So whatever is sent again, or at the same time, makes one batch; and the limit is a condition on the
set of ids, from which each is taken with the status that ends it, however often.
"""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from turnpike.domain.batches import (
    Batch,
    BatchId,
    IdempotencyKeyReused,
    Submission,
    TooManyBatches,
    UploadId,
)
from turnpike.domain.errors import Conflict
from turnpike.domain.ids import AccountId
from turnpike.storage import keys
from turnpike.storage.batch_items import batch_item
from turnpike.storage.items import TTL, Item, is_past, number
from turnpike.storage.transactions import Refused, Transactions, translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef, UpdateTypeDef


class NewBatches:
    def __init__(self, client: "DynamoDBClient", table: str, transactions: Transactions) -> None:
        self._client, self._table, self._transactions = client, table, transactions

    def create(
        self,
        batch: Batch,
        *,
        ends_s: int,
        submission: Submission | None,
        upload_id: UploadId | None,
        most_open: int,
    ) -> BatchId:
        """`ends_s`: until when it is kept. The rest is as the port says."""
        ttl = {TTL: number(ends_s)}
        actions: dict[str, TransactWriteItemTypeDef] = {
            # Only if there is none of this id.
            "batch": self._put(batch_item(batch, ttl_s=ends_s), "attribute_not_exists(pk)")
        }
        if submission is not None:
            key = keys.batch_submission(batch.account_id, submission.key)
            actions["submission"] = self._put(
                {**key, "made": {"S": batch.id}, "asked": {"S": submission.asked}, **ttl},
                # Only if none was made of it, or one that is not kept any more.
                "attribute_not_exists(pk) OR #ttl <= :now",
                {"#ttl": TTL},
                {":now": number(batch.created_at_s)},
            )
        if upload_id is not None:
            key = keys.batch_upload(batch.account_id, upload_id)
            # Only if none was made of it.
            actions["upload"] = self._put({**key, "made": {"S": batch.id}, **ttl}, "attribute_not_exists(pk)")
        if most_open:
            actions["open"] = {"Update": self._opened(batch, ends_s, most_open)}
        try:
            self._transactions.write(actions)
        except Refused as refused:
            return self._met(refused.found, submission, most_open)
        return batch.id

    def find_submitted(self, account_id: AccountId, submission: Submission) -> BatchId | None:
        with translated():
            key = keys.batch_submission(account_id, submission.key)
            found = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        item: Mapping[str, Any] = found.get("Item", {})
        return _made_of(item, submission) if item and not is_past(item, time.time()) else None

    def _met(self, found: Mapping[str, Mapping[str, Any]], submission: Submission | None, most_open: int) -> BatchId:
        if "submission" in found and submission is not None:
            return _made_of(found["submission"], submission)
        if "upload" in found:
            raise Conflict("another batch was made of this upload; each makes one")
        if "open" in found:
            raise TooManyBatches(most_open)
        raise Conflict("this batch exists already")

    def _opened(self, batch: Batch, ends_s: int, most_open: int) -> "UpdateTypeDef":
        return {
            "TableName": self._table,
            "Key": keys.open_batches(batch.account_id),
            "UpdateExpression": "ADD batches :this SET #ttl = :ttl",
            # Only if the account has fewer than it may have.
            "ConditionExpression": "attribute_not_exists(batches) OR size(batches) < :most",
            "ExpressionAttributeNames": {"#ttl": TTL},
            "ExpressionAttributeValues": {
                ":this": {"SS": [batch.id]},
                ":ttl": number(ends_s),
                ":most": number(most_open),
            },
        }

    def _put(
        self,
        item: Item,
        condition: str,
        names: Mapping[str, str] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> "TransactWriteItemTypeDef":
        return {
            "Put": {
                "TableName": self._table,
                "Item": item,
                "ConditionExpression": condition,
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                **({"ExpressionAttributeNames": names} if names else {}),  # type: ignore[typeddict-item]
                **({"ExpressionAttributeValues": values} if values else {}),  # type: ignore[typeddict-item]
            }
        }


def closed_in(table: str, batch: Batch) -> "UpdateTypeDef":
    """Takes it from its account's set."""
    return {
        "TableName": table,
        "Key": keys.open_batches(batch.account_id),
        # Whether it is in there or not: one that is over has no place in it.
        "UpdateExpression": "DELETE batches :this",
        "ExpressionAttributeValues": {":this": {"SS": [batch.id]}},
    }


def _made_of(item: Mapping[str, Any], submission: Submission) -> BatchId:
    if item["asked"]["S"] != submission.asked:
        raise IdempotencyKeyReused
    return BatchId(item["made"]["S"])
