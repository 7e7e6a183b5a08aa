"""Items that carry a number, which goes up with each write, so that nobody writes over what they have not seen."""

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from turnpike.storage.items import Item, number
from turnpike.storage.transactions import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_REFUSED = "ConditionalCheckFailedException"


def version_of(item: Item) -> int:
    """0 of what is not there."""
    return int(item["version"]["N"]) if item else 0


def put_next(client: "DynamoDBClient", table: str, item: Item, *, seen: int) -> bool:
    """Write the version after the one that was `seen`; False when that is not the last one any more."""
    expected: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
    if seen:
        expected = {
            "ConditionExpression": "version = :seen",
            "ExpressionAttributeValues": {":seen": number(seen)},
        }
    try:
        with translated():
            # Only if nobody has written another one since it was seen.
            client.put_item(TableName=table, Item={**item, "version": number(seen + 1)}, **expected)
    except ClientError as error:
        if error.response["Error"]["Code"] == _REFUSED:
            return False
        raise
    return True
