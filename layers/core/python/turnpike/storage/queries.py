"""What a partition holds, however many pages it takes."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from turnpike.storage.items import Item
from turnpike.storage.keys import Key
from turnpike.storage.transactions import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def items_from(client: "DynamoDBClient", table: str, first: Key, **query: Any) -> Iterator[Item]:
    """Those of the partition whose sort key begins with that of `first`, as last written. Raises TemporarilyBusy."""
    start: dict[str, Any] = {}
    while True:
        with translated():
            page = client.query(
                TableName=table,
                KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
                ExpressionAttributeValues={":pk": first["pk"], ":prefix": first["sk"]},
                ConsistentRead=True,
                **query,
                **start,
            )
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
