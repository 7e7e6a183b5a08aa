"""What an activity item costs, and how activity is read in pages."""

from dataclasses import replace
from typing import Any

import pytest
from botocore.stub import ANY

from turnpike.domain.activity import COUNTS, Activity, Cell, Counts
from turnpike.domain.apps import label_of
from turnpike.domain.ids import AccountId, KeyHash
from turnpike.storage.activity import DynamoActivities, count_activity, parse_activity
from turnpike.storage.items import Item

from tests.stubs import stubbed_dynamodb
from tests.unit.storage.test_generation_items import TYPICAL, size_of

ACCOUNT = TYPICAL.account_id
LONGEST = Cell(
    "2026-11-23",
    KeyHash("a" * 64),
    "m" * 96,
    "6f1d2c1e-5f0c-4c62-9d0b-3f3c8a6f5e21",
    "p" * 48,
    label_of("ü" * 500),
    names_user=True,
    user=label_of("x" * 256),
)
CELL = Cell("2026-11-23", KeyHash("k"), "acme/chat", "endpoint", "Acme")
MORE = {"pk": {"S": "more"}, "sk": {"S": "more"}}


def item_of(cell: Cell, counts: Counts, ends_s: int | None = None) -> Item:
    """What is there after the first time that the cell was counted."""
    update = count_activity("table", ACCOUNT, cell, counts, ends_s=ends_s)
    return {**update["Key"], **{name[1:]: value for name, value in update["ExpressionAttributeValues"].items()}}


def test_no_item_costs_more_than_one_kilobyte() -> None:
    fullest = Counts(*[10**15] * len(COUNTS))
    assert size_of(item_of(LONGEST, fullest, 1_900_000_000)) <= 1024


@pytest.mark.parametrize("cell", [CELL, LONGEST, replace(CELL, provider="", names_user=True)])
def test_a_cell_comes_back_as_it_was_counted(cell: Cell) -> None:
    counts = Counts(*range(len(COUNTS)))
    assert parse_activity(item_of(cell, counts)) == Activity(cell, counts)


def test_an_item_without_an_end_loses_the_one_that_it_had() -> None:
    assert count_activity("t", ACCOUNT, CELL, Counts(1), ends_s=None)["UpdateExpression"].endswith(" REMOVE #ttl")
    assert "REMOVE" not in count_activity("t", ACCOUNT, CELL, Counts(1), ends_s=5)["UpdateExpression"]


def query(**expected: Any) -> dict[str, Any]:
    return {
        "TableName": "table",
        "KeyConditionExpression": ANY,
        "ExpressionAttributeValues": ANY,
        "ScanIndexForward": False,
        "ConsistentRead": True,
        **expected,
    }


def items(day: str, *models: str) -> list[Item]:
    return [item_of(replace(CELL, day=day, model=model), Counts(1)) for model in models]


def test_pages_are_read_until_there_is_enough() -> None:
    client, stub = stubbed_dynamodb()
    stub.add_response("query", {"Items": items("2026-11-23", "a", "b"), "LastEvaluatedKey": MORE}, query())
    page = {"Items": items("2026-11-22", "a", "b"), "LastEvaluatedKey": MORE}
    stub.add_response("query", page, query(ExclusiveStartKey=MORE))

    found = DynamoActivities(client, "table").list_days(
        AccountId(ACCOUNT), "2026-11-01", "2026-11-23", by_user=False, most=3
    )

    # Not the third page, which is announced; and not the second day, of which more may be on it.
    assert (found.since, len(found.activity), found.is_whole) == ("2026-11-23", 2, False)
    stub.assert_no_pending_responses()


def test_all_pages_are_read_where_there_is_room() -> None:
    client, stub = stubbed_dynamodb()
    stub.add_response("query", {"Items": items("2026-11-23", "a", "b"), "LastEvaluatedKey": MORE}, query())
    # A page may be empty although more follow it.
    stub.add_response("query", {"Items": [], "LastEvaluatedKey": MORE}, query(ExclusiveStartKey=MORE))
    stub.add_response("query", {"Items": items("2026-11-22", "a")}, query(ExclusiveStartKey=MORE))

    found = DynamoActivities(client, "table").list_days(ACCOUNT, "2026-11-01", "2026-11-23", by_user=False, most=3)

    assert (found.since, len(found.activity), found.is_whole) == ("2026-11-01", 3, True)
    stub.assert_no_pending_responses()
