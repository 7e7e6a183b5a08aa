"""What the ledger does in cases that the emulator hardly shows: pages, and holds that never stand still."""

from dataclasses import replace
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from turnpike.domain.errors import HoldResolved, TemporarilyBusy
from turnpike.domain.ids import AccountId, GenerationId
from turnpike.domain.ledger import Hold, hold_entry
from turnpike.storage import keys
from turnpike.storage.items import Item, hold_item
from turnpike.storage.keys import OPEN_SHARDS
from turnpike.storage.ledger import DynamoLedger
from turnpike.storage.transactions import Refused

from tests.contracts.ledger import KEY, NOW, nano
from tests.stubs import stubbed_dynamodb

HOLDS = [Hold(GenerationId(f"gen-{n}"), AccountId("acct-1"), KEY, nano(n), NOW, NOW + 60) for n in range(3)]
FIRST, SECOND, THIRD = map(hold_item, HOLDS)
MORE = {"pk": FIRST["pk"], "sk": FIRST["sk"]}


def key_of(item: Item) -> Item:
    return {name: item[name] for name in ("pk", "sk")}


def query(**expected: Any) -> dict[str, Any]:
    """The parameters of a query, as far as they matter."""
    return {"TableName": "table", "KeyConditionExpression": ANY, "ExpressionAttributeValues": ANY, **expected}


def test_expired_holds_of_every_page_and_shard() -> None:
    client, stub = stubbed_dynamodb()
    index = {"IndexName": "holds_by_expiry"}
    resolved, gone = hold_item(replace(HOLDS[0], state="captured")), {}

    def look_at(item: Item, found: Item) -> None:
        read = {"TableName": "table", "Key": key_of(item), "ConsistentRead": True}
        stub.add_response("get_item", {"Item": found} if found else {}, read)

    # The index has keys alone, and may be late: two of what it names are no longer pending.
    page = {"Items": [key_of(FIRST), key_of(SECOND), key_of(THIRD)], "LastEvaluatedKey": MORE}
    stub.add_response("query", page, query(**index))
    for item, found in ((FIRST, FIRST), (SECOND, resolved), (THIRD, gone)):
        look_at(item, found)
    stub.add_response("query", {"Items": [key_of(SECOND)]}, query(**index, ExclusiveStartKey=MORE))
    look_at(SECOND, SECOND)
    for _ in OPEN_SHARDS[1:-1]:
        stub.add_response("query", {"Items": []}, query(**index))
    stub.add_response("query", {"Items": [key_of(THIRD)]}, query(**index))
    look_at(THIRD, THIRD)

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


HOLD = HOLDS[1]
REFUSED = {"Code": "ConditionalCheckFailed"}
FINE = {"Code": "None"}


def refuse(stub: Stubber, *reasons: dict[str, str]) -> None:
    """Of a void's actions: hold, entry, balance."""
    # Read consistently: what was just resolved must not look pending.
    read = {"TableName": "table", "Key": keys.hold(HOLD.account_id, HOLD.hold_id), "ConsistentRead": True}
    stub.add_response("get_item", {"Item": hold_item(HOLD)}, read)
    modeled = {"CancellationReasons": list(reasons)}
    stub.add_client_error("transact_write_items", "TransactionCanceledException", modeled_fields=modeled)


def test_a_hold_that_was_resolved_in_between_is_looked_at_again() -> None:
    client, stub = stubbed_dynamodb()
    refuse(stub, REFUSED, REFUSED, FINE)
    stub.add_response("get_item", {"Item": hold_item(replace(HOLD, state="captured"))})

    with pytest.raises(HoldResolved):
        DynamoLedger(client, "table").void(HOLD.account_id, HOLD.hold_id, NOW, None)
    stub.assert_no_pending_responses()


def test_a_hold_that_changes_at_every_look_is_left_for_later() -> None:
    client, stub = stubbed_dynamodb()
    for _ in range(5):
        refuse(stub, REFUSED, FINE, FINE)

    with pytest.raises(TemporarilyBusy):
        DynamoLedger(client, "table").void(HOLD.account_id, HOLD.hold_id, NOW, None)
    stub.assert_no_pending_responses()


def test_an_entry_before_its_time_is_a_bug_and_not_looked_at_again() -> None:
    client, stub = stubbed_dynamodb()
    refuse(stub, FINE, REFUSED, FINE)

    with pytest.raises(Refused):
        DynamoLedger(client, "table").void(HOLD.account_id, HOLD.hold_id, NOW, None)
    stub.assert_no_pending_responses()
