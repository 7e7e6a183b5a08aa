"""Notes on ledger entries, beside them in their account's partition."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from turnpike.domain.ids import AccountId
from turnpike.storage import keys
from turnpike.storage.items import number
from turnpike.storage.transactions import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoEntryNotes:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client, self._table = client, table

    def put(self, account_id: AccountId, entry_id: str, note: str, now_s: int) -> str:
        try:
            with translated():
                self._client.put_item(
                    TableName=self._table,
                    Item={**keys.note(account_id, entry_id), "note": {"S": note}, "created_at": number(now_s)},
                    # Only if the entry has none.
                    ConditionExpression="attribute_not_exists(pk)",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            refused: Mapping[str, Any] = error.response
            return str(refused["Item"]["note"]["S"])
        return note
