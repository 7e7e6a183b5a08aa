"""Batches in a table of their own: one item each among their account's, and one for each chunk under the batch.

    chunk:  (none) ──claim──> claimed until ──close──> closed
                    <──────── released or run out

A chunk is closed in one transaction with the counts of its batch, so that each is counted once.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from turnpike.domain.batches import (
    Batch,
    BatchId,
    BatchPage,
    BatchStatus,
    ChunkBusy,
    ChunkClaim,
    ChunkClosed,
    Submission,
    Tally,
    UploadId,
    check_deletable,
)
from turnpike.domain.ids import AccountId
from turnpike.storage import keys
from turnpike.storage.batch_items import OPEN, parse_batch, status_attributes
from turnpike.storage.conflicts import refused
from turnpike.storage.items import is_past, number
from turnpike.storage.new_batches import NewBatches, closed_in
from turnpike.storage.queries import pages_of
from turnpike.storage.schema import OPEN_BATCHES
from turnpike.storage.transactions import Refused, Transactions, translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import UpdateTypeDef

_REFUSED = "ConditionalCheckFailedException"
_Values = dict[str, Any]


class DynamoBatches:
    def __init__(self, client: "DynamoDBClient", table: str, *, retention_s: int) -> None:
        """`retention_s`: how long a batch is kept after its day."""
        self._client, self._table, self._retention_s = client, table, retention_s
        self._transactions = Transactions(client)
        self._new = NewBatches(client, table, self._transactions)

    def create(
        self,
        batch: Batch,
        *,
        submission: Submission | None = None,
        upload_id: UploadId | None = None,
        most_open: int = 0,
    ) -> BatchId:
        ends_s = self._ends_s(batch)
        return self._new.create(batch, ends_s=ends_s, submission=submission, upload_id=upload_id, most_open=most_open)

    def find_submitted(self, account_id: AccountId, submission: Submission) -> BatchId | None:
        return self._new.find_submitted(account_id, submission)

    def find(self, account_id: AccountId, batch_id: BatchId) -> Batch | None:
        with translated():
            key = keys.batch(account_id, batch_id)
            found = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        item: Mapping[str, Any] = found.get("Item", {})
        return parse_batch(item) if item and not is_past(item, time.time()) else None

    def list_page(
        self,
        account_id: AccountId,
        *,
        after: BatchId | None = None,
        limit: int,
        statuses: Sequence[BatchStatus] = (),
        created_after_s: int | None = None,
        created_before_s: int | None = None,
    ) -> BatchPage:
        found: list[Batch] = []
        for item in self._newest(account_id, after):
            batch = parse_batch(item)
            if created_after_s is not None and batch.created_at_s <= created_after_s:
                break  # As is everything behind it.
            if statuses and batch.status not in statuses:
                continue
            if created_before_s is not None and batch.created_at_s >= created_before_s:
                continue
            found.append(batch)
            if len(found) > limit:
                break
        return BatchPage(found[:limit], has_more=len(found) > limit)

    def put_status(self, batch: Batch, *, was: BatchStatus) -> bool:
        changed = status_attributes(batch)
        names = {f"#{name}": name for name in changed}
        assigned = ", ".join(f"#{name} = :{name}" for name in changed)
        key, update = keys.batch(batch.account_id, batch.id), f"SET {assigned}"
        # Only if nobody has changed its status since it was seen.
        condition = "#status = :was"
        values = {**{f":{name}": value for name, value in changed.items()}, ":was": {"S": was}}
        names |= {"#status": "status"}
        if not batch.is_over:
            return self._update(key, update, condition, values, names)
        over: UpdateTypeDef = {
            "TableName": self._table,
            "Key": key,
            "UpdateExpression": f"{update} REMOVE #{OPEN}",
            "ConditionExpression": condition,
            "ExpressionAttributeNames": {**names, f"#{OPEN}": OPEN},
            "ExpressionAttributeValues": values,
        }
        try:
            self._transactions.write({"batch": {"Update": over}, "open": {"Update": closed_in(self._table, batch)}})
        except Refused:
            return False
        return True

    def claim_chunk(
        self, batch: Batch, number_: int, token: str, *, now_s: int, until_s: int
    ) -> ChunkClaim | ChunkBusy | ChunkClosed:
        key = keys.batch_chunk(batch.id, number_)
        try:
            with translated():
                self._client.update_item(
                    TableName=self._table,
                    Key=key,
                    UpdateExpression="SET claim = :token, claimed_until = :until, #ttl = :ttl",
                    # Only if it is not closed, and nobody has claimed it or their claim has run out.
                    ConditionExpression=(
                        "attribute_not_exists(closed)"
                        " AND (attribute_not_exists(claimed_until) OR claimed_until <= :now)"
                    ),
                    ExpressionAttributeNames={"#ttl": "ttl"},
                    ExpressionAttributeValues={
                        ":token": {"S": token},
                        ":until": number(until_s),
                        ":now": number(now_s),
                        ":ttl": number(self._ends_s(batch)),
                    },
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except ClientError as error:
            if error.response["Error"]["Code"] != _REFUSED:
                raise
            met: Mapping[str, Any] = error.response
            item = met["Item"]
            return ChunkClosed() if "closed" in item else ChunkBusy(int(item["claimed_until"]["N"]))
        return ChunkClaim(number_, token, until_s)

    def release_chunk(self, batch: Batch, claim: ChunkClaim) -> None:
        self._update(
            keys.batch_chunk(batch.id, claim.number),
            "REMOVE claim, claimed_until",
            # Only if it is still claimed under this token.
            "claim = :token",
            {":token": {"S": claim.token}},
        )

    def close_chunk(self, batch: Batch, claim: ChunkClaim, tally: Tally) -> bool:
        counts = {
            ":one": number(1),
            ":completed": number(tally.completed),
            ":failed": number(tally.failed),
            ":ended": number(tally.ended),
            ":prompt_tokens": number(tally.prompt_tokens),
            ":completion_tokens": number(tally.completion_tokens),
            ":cost": number(tally.cost),
        }
        counted = ", ".join(f"{name[1:]} {name}" for name in counts if name != ":one")
        try:
            self._transactions.write(
                {
                    "chunk": {
                        "Update": {
                            "TableName": self._table,
                            "Key": keys.batch_chunk(batch.id, claim.number),
                            "UpdateExpression": "SET closed = :true REMOVE claim, claimed_until",
                            # Only if it is still claimed under this token, hence open.
                            "ConditionExpression": "claim = :token",
                            "ExpressionAttributeValues": {":token": {"S": claim.token}, ":true": {"BOOL": True}},
                        }
                    },
                    "batch": {
                        "Update": {
                            "TableName": self._table,
                            "Key": keys.batch(batch.account_id, batch.id),
                            "UpdateExpression": f"ADD closed_chunks :one, {counted}",
                            # Only if the batch is there: it is deleted when it is over, and not before.
                            "ConditionExpression": "attribute_exists(pk)",
                            "ExpressionAttributeValues": counts,
                        }
                    },
                }
            )
        except Refused:
            return False
        return True

    def list_closed(self, batch: Batch) -> set[int]:
        partition = keys.batch_chunk(batch.id, 0)["pk"]
        return {int(item["sk"]["S"]) for item in self._query(partition) if "closed" in item}

    def list_due(self, now_s: int) -> Iterator[tuple[AccountId, BatchId]]:
        pages = pages_of(
            self._client,
            TableName=self._table,
            IndexName=OPEN_BATCHES.name,
            KeyConditionExpression="#open = :open AND expires_at <= :now",
            ExpressionAttributeNames={"#open": OPEN},
            ExpressionAttributeValues={":open": {"S": OPEN}, ":now": number(now_s)},
        )
        for page in pages:
            for item in page:
                account_id = keys.account_of(item["pk"]["S"])
                if account_id is not None:
                    yield account_id, BatchId(item["sk"]["S"])

    def claim_ending(self, batch: Batch, *, now_s: int, until_s: int) -> bool:
        return self._update(
            keys.batch(batch.account_id, batch.id),
            "SET ending_until = :until",
            # Only if it is not over, and nobody was told to end it, or it is a while ago.
            "attribute_exists(#open) AND (attribute_not_exists(ending_until) OR ending_until <= :now)",
            {":until": number(until_s), ":now": number(now_s)},
            {"#open": OPEN},
        )

    def delete(self, batch: Batch) -> None:
        check_deletable(batch)
        with refused("this batch is under way"):
            self._client.delete_item(
                TableName=self._table,
                Key=keys.batch(batch.account_id, batch.id),
                # Only if it is over, or gone already.
                ConditionExpression="attribute_not_exists(#open)",
                ExpressionAttributeNames={"#open": OPEN},
            )

    def _update(
        self,
        key: keys.Key,
        update: str,
        condition: str,
        values: _Values,
        names: Mapping[str, str] | None = None,
    ) -> bool:
        """False when the condition does not hold."""
        try:
            with translated():
                self._client.update_item(
                    TableName=self._table,
                    Key=key,
                    UpdateExpression=update,
                    ConditionExpression=condition,
                    ExpressionAttributeValues=values,
                    **({"ExpressionAttributeNames": dict(names)} if names else {}),  # type: ignore[arg-type]
                )
        except ClientError as error:
            if error.response["Error"]["Code"] == _REFUSED:
                return False
            raise
        return True

    def _newest(self, account_id: AccountId, after: BatchId | None) -> Iterator[Mapping[str, Any]]:
        partition = keys.batch(account_id, "")["pk"]
        bound = {} if after is None else {":after": {"S": after}}
        for item in self._query(partition, "" if after is None else " AND sk < :after", bound, forward=False):
            if not is_past(item, time.time()):
                yield item

    def _query(
        self, partition: Mapping[str, str], more: str = "", values: _Values | None = None, *, forward: bool = True
    ) -> Iterator[Mapping[str, Any]]:
        pages = pages_of(
            self._client,
            TableName=self._table,
            KeyConditionExpression=f"pk = :pk{more}",
            ExpressionAttributeValues={":pk": partition, **(values or {})},
            ScanIndexForward=forward,
            ConsistentRead=True,
        )
        for page in pages:
            yield from page

    def _ends_s(self, batch: Batch) -> int:
        return batch.expires_at_s + self._retention_s
