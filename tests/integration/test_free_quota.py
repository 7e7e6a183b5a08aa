"""The free quota in DynamoDB keeps the contract, in one write, and one small item a day."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.ids import AccountId
from turnpike.storage.free_quota import DynamoFreeQuota

from tests.contracts.free_quota import MIDNIGHT, NOON, FreeQuotaContract
from tests.stubs import stubbed_dynamodb

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ACCOUNT = AccountId("acct-of-one-item")


class TestDynamoFreeQuota(FreeQuotaContract):
    @pytest.fixture
    def quota(self, dynamodb: "DynamoDBClient", ledger_table: str) -> DynamoFreeQuota:
        return DynamoFreeQuota(dynamodb, ledger_table)


def test_the_item_stays_small_and_goes_two_days_later(dynamodb: "DynamoDBClient", ledger_table: str) -> None:
    quota = DynamoFreeQuota(dynamodb, ledger_table)
    for minute in range(60):
        assert quota.take(ACCOUNT, NOON + 60 * minute, per_minute=1, per_day=1000) is None

    (item,) = dynamodb.query(
        TableName=ledger_table,
        KeyConditionExpression="pk = :account",
        ExpressionAttributeValues={":account": {"S": f"ACCOUNT#{ACCOUNT}"}},
    )["Items"]
    assert len([name for name in item if name.startswith("m")]) <= 3
    assert int(item["ttl"]["N"]) == MIDNIGHT + 2 * 86_400


CALLS: dict[str, Callable[[DynamoFreeQuota], object]] = {
    "get_item": lambda quota: quota.used(ACCOUNT, NOON),
    "update_item": lambda quota: quota.take(ACCOUNT, NOON, per_minute=1, per_day=1),
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
        CALLS[operation](DynamoFreeQuota(client, "ledger"))


def test_a_request_that_fits_is_one_call() -> None:
    client, stub = stubbed_dynamodb()
    stub.add_response("update_item", {})

    assert DynamoFreeQuota(client, "ledger").take(ACCOUNT, NOON, per_minute=20, per_day=50) is None
    stub.assert_no_pending_responses()
