"""API keys in DynamoDB keep the contract, and its refusals come out in our own words."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from turnpike.domain.api_keys import ApiKey, hash_secret
from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.ids import AccountId
from turnpike.storage.api_keys import DynamoApiKeys

from tests.contracts.api_keys import ApiKeysContract

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEY = ApiKey(hash_secret("sk-or-v1-a"), AccountId("acct-1"), "A key", "sk-or-v1-a")


class TestDynamoApiKeys(ApiKeysContract):
    @pytest.fixture
    def api_keys(self, dynamodb: "DynamoDBClient", keys_table: str) -> DynamoApiKeys:
        return DynamoApiKeys(dynamodb, keys_table)


def test_a_long_list_is_read_to_its_end(dynamodb: "DynamoDBClient", keys_table: str) -> None:
    """A page of a query ends at 1 MB."""
    api_keys, account_id = DynamoApiKeys(dynamodb, keys_table), AccountId("acct-of-many")
    for number in range(6):
        key_hash = hash_secret(f"sk-or-v1-{number}")
        api_keys.create(ApiKey(key_hash, account_id, "x" * 300_000, "label", created_at_s=number))

    assert [key.created_at_s for key in api_keys.list_for(account_id)] == [5, 4, 3, 2, 1, 0]


@pytest.fixture
def stubber() -> Iterator[Stubber]:
    client = botocore.session.get_session().create_client(
        "dynamodb", region_name="us-east-1", aws_access_key_id="id", aws_secret_access_key="secret"
    )
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def stubbed(stubber: Stubber) -> DynamoApiKeys:
    return DynamoApiKeys(cast("DynamoDBClient", stubber.client), "keys")


CALLS: dict[str, Any] = {
    "get_item": lambda api_keys: api_keys.find(KEY.hash),
    "query": lambda api_keys: api_keys.list_for(KEY.account_id),
    "put_item": lambda api_keys: api_keys.create(KEY),
    "delete_item": lambda api_keys: api_keys.delete(KEY),
}


@pytest.mark.parametrize("operation", sorted(CALLS))
@pytest.mark.parametrize("code", ["ThrottlingException", "ProvisionedThroughputExceededException"])
def test_throttling_is_a_busy_moment(stubber: Stubber, operation: str, code: str) -> None:
    stubber.add_client_error(operation, code, http_status_code=400)

    with pytest.raises(TemporarilyBusy):
        CALLS[operation](stubbed(stubber))


def test_a_missing_grant_is_not_hidden(stubber: Stubber) -> None:
    stubber.add_client_error("get_item", "AccessDeniedException", http_status_code=400)

    with pytest.raises(ClientError, match="AccessDenied"):
        stubbed(stubber).find(KEY.hash)


@pytest.mark.parametrize("fresh", [True, False])
def test_only_a_fresh_read_costs_double(stubber: Stubber, fresh: bool) -> None:
    expected = {"TableName": "keys", "Key": ANY, "ConsistentRead": fresh}
    stubber.add_response("get_item", {}, expected)

    assert stubbed(stubber).find(KEY.hash, fresh=fresh) is None
