"""Reads that go on where a page ended; the emulator's pages are a megabyte."""

from typing import Any

from botocore.stub import ANY

from turnpike.domain.ids import AccountId, GenerationId
from turnpike.domain.ledger import Hold, hold_entry
from turnpike.storage.items import hold_item
from turnpike.storage.keys import OPEN_SHARDS
from turnpike.storage.ledger import DynamoLedger

from tests.contracts.ledger import KEY, NOW, nano
from tests.stubs import stubbed_dynamodb

HOLDS = [Hold(GenerationId(f"gen-{n}"), AccountId("acct-1"), KEY, nano(n), NOW, NOW + 60) for n in range(3)]
FIRST, SECOND, THIRD = map(hold_item, HOLDS)
MORE = {"pk": FIRST["pk"], "sk": FIRST["sk"]}


def query(**expected: Any) -> dict[str, Any]:
    """The parameters of a query, as far as they matter."""
    return {"TableName": "table", "KeyConditionExpression": ANY, "ExpressionAttributeValues": ANY, **expected}


def test_expired_holds_of_every_page_and_shard() -> None:
    client, stub = stubbed_dynamodb()
    index = {"IndexName": "holds_by_expiry"}
    stub.add_response("query", {"Items": [FIRST], "LastEvaluatedKey": MORE}, query(**index))
    stub.add_response("query", {"Items": [SECOND]}, query(**index, ExclusiveStartKey=MORE))
    for _ in OPEN_SHARDS[1:-1]:
        stub.add_response("query", {"Items": []}, query(**index))
    stub.add_response("query", {"Items": [THIRD]}, query(**index))

    assert list(DynamoLedger(client, "table").list_expired_holds(NOW)) == HOLDS
    stub.assert_no_pending_responses()


def test_entries_of_every_page() -> None:
    client, stub = stubbed_dynamodb()
    consistent = {"ConsistentRead": True}
    stub.add_response("query", {"Items": []}, query(**consistent))
    stub.add_response("query", {"Items": [FIRST], "LastEvaluatedKey": MORE}, query(**consistent))
    stub.add_response("query", {"Items": [SECOND, THIRD]}, query(**consistent, ExclusiveStartKey=MORE))

    assert list(DynamoLedger(client, "table").list_entries(AccountId("acct-1"))) == [*map(hold_entry, HOLDS)]
    stub.assert_no_pending_responses()
