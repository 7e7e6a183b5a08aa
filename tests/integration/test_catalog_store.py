"""The store of the catalog in DynamoDB keeps the contract, and looking into it costs one small call."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from turnpike.domain.errors import Conflict, TemporarilyBusy
from turnpike.domain.stored_catalog import CatalogVersions
from turnpike.storage.catalog_store import DynamoCatalogStore
from turnpike.storage.schema import CATALOG, Table

from tests.contracts.catalog_store import FIRST, TEXT, CatalogStoreContract
from tests.stubs import stubbed_dynamodb

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class TestDynamoCatalogStore(CatalogStoreContract):
    @pytest.fixture
    def store(self, dynamodb: "DynamoDBClient", new_table: Callable[[Table], str]) -> DynamoCatalogStore:
        return DynamoCatalogStore(dynamodb, new_table(CATALOG))


def test_versions_come_without_what_they_are_of() -> None:
    client, stub = stubbed_dynamodb()
    stub.add_response(
        "query",
        {"Items": [{"sk": {"S": "ARTEFACT"}, "version": {"S": "v"}, "base": {"S": "b"}}, {"sk": {"S": "REFRESH"}}]},
        {
            "TableName": "catalog",
            "KeyConditionExpression": "pk = :pk",
            "ProjectionExpression": "sk, #version, #base",
            "ExpressionAttributeNames": {"#version": "version", "#base": "base"},
            "ExpressionAttributeValues": {":pk": {"S": "CATALOG"}},
        },
    )
    assert DynamoCatalogStore(client, "catalog").versions() == CatalogVersions("v", "b", None)
    stub.assert_no_pending_responses()


CALLS: dict[str, Callable[[DynamoCatalogStore], object]] = {
    "query": lambda store: store.versions(),
    "get_item": lambda store: store.find_artefact(),
    "put_item": lambda store: store.put_overrides(TEXT, was="x"),
    "update_item": lambda store: store.claim_refresh(1, until_s=2),
}


@pytest.mark.parametrize(
    ("code", "expected"), [("ThrottlingException", TemporarilyBusy), ("AccessDeniedException", ClientError)]
)
@pytest.mark.parametrize("operation", sorted(CALLS))
def test_what_storage_refuses_is_said_in_our_words_or_not_hidden(
    operation: str, code: str, expected: type[Exception]
) -> None:
    client, stub = stubbed_dynamodb()
    stub.add_client_error(operation, code, http_status_code=400)
    with pytest.raises(expected):
        CALLS[operation](DynamoCatalogStore(client, "catalog"))


def test_a_lost_race_is_a_conflict() -> None:
    client, stub = stubbed_dynamodb()
    stub.add_client_error("put_item", "ConditionalCheckFailedException", http_status_code=400)
    with pytest.raises(Conflict):
        DynamoCatalogStore(client, "catalog").put_artefact(FIRST, was=None)
