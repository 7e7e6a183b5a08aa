"""What was exported of each account, in the account's own partition: one number and one hash for each day."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from turnpike.domain.exports import ExportMark, Extent
from turnpike.domain.ids import AccountId
from turnpike.storage import keys
from turnpike.storage.items import Item, number
from turnpike.storage.transactions import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_REFUSED = "ConditionalCheckFailedException"


class DynamoExportMarks:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client, self._table = client, table

    def find(self, account_id: AccountId) -> ExportMark:
        with translated():
            found = self._client.get_item(TableName=self._table, Key=keys.export(account_id), ConsistentRead=True)
        item: Item = found.get("Item", {})
        days = {day: _parse_extent(value["S"]) for day, value in item.get("days", {"M": {}})["M"].items()}
        return ExportMark(days, int(item["version"]["N"]) if item else 0)

    def put(self, account_id: AccountId, days: Mapping[str, Extent], *, seen: ExportMark) -> bool:
        expected: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
        if seen.version:
            expected = {
                "ConditionExpression": "version = :seen",
                "ExpressionAttributeValues": {":seen": number(seen.version)},
            }
        item: Item = {
            **keys.export(account_id),
            "days": {"M": {day: {"S": f"{each.count} {each.digest:016x}"} for day, each in days.items()}},
            "version": number(seen.version + 1),
        }
        try:
            with translated():
                # Only if nobody has put another one since it was seen.
                self._client.put_item(TableName=self._table, Item=item, **expected)
        except ClientError as error:
            if error.response["Error"]["Code"] == _REFUSED:
                return False
            raise
        return True


def _parse_extent(text: str) -> Extent:
    count, digest = text.split()
    return Extent(int(count), int(digest, 16))
