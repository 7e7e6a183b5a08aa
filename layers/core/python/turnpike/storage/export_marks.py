"""What was exported of each account, in the account's own partition: one number and one hash for each day."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from turnpike.domain.exports import ExportMark, Extent
from turnpike.domain.ids import AccountId
from turnpike.storage import keys
from turnpike.storage.items import Item
from turnpike.storage.transactions import translated
from turnpike.storage.versions import put_next, version_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoExportMarks:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client, self._table = client, table

    def find(self, account_id: AccountId) -> ExportMark:
        with translated():
            found = self._client.get_item(TableName=self._table, Key=keys.export(account_id), ConsistentRead=True)
        item: Item = found.get("Item", {})
        days = {day: _parse_extent(value["S"]) for day, value in item.get("days", {"M": {}})["M"].items()}
        return ExportMark(days, version_of(item))

    def put(self, account_id: AccountId, days: Mapping[str, Extent], *, seen: ExportMark) -> bool:
        item: Item = {
            **keys.export(account_id),
            "days": {"M": {day: {"S": f"{each.count} {each.digest:016x}"} for day, each in days.items()}},
        }
        return put_next(self._client, self._table, item, seen=seen.version)


def _parse_extent(text: str) -> Extent:
    count, digest = text.split()
    return Extent(int(count), int(digest, 16))
