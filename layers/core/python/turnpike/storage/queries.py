"""What a partition holds, however many pages it takes."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from turnpike.storage.items import Item
from turnpike.storage.keys import Key
from turnpike.storage.transactions import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def items_from(client: "DynamoDBClient", table: str, first: Key, **query: Any) -> Iterator[Item]:
    """Those of the partition whose sort key begins with that of `first`, as last written. Raises TemporarilyBusy."""
    pages = pages_of(
        client,
        TableName=table,
        KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
        ExpressionAttributeValues={":pk": first["pk"], ":prefix": first["sk"]},
        ConsistentRead=True,
        **query,
    )
    for page in pages:
        yield from page


def pages_of(client: "DynamoDBClient", **query: Any) -> Iterator[Sequence[Item]]:
    """The items that a query finds, as many at once as DynamoDB answers with. Raises TemporarilyBusy."""
    while True:
        with translated():
            page = client.query(**query)
        yield page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        query["ExclusiveStartKey"] = page["LastEvaluatedKey"]
