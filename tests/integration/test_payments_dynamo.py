"""What payments store in DynamoDB keeps the contracts, and Secrets Manager's secrets are read."""

import json
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY

from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.ids import AccountId
from turnpike.storage import keys
from turnpike.storage.auto_top_ups import DynamoAutoTopUps, state_item
from turnpike.storage.notes import DynamoEntryNotes
from turnpike.storage.secrets import SecretValues, UnreadableSecret

from tests.contracts.auto_top_ups import ATTEMPT, AutoTopUpsContract, EntryNotesContract, full
from tests.stubs import stubbed_dynamodb

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient


class TestDynamoAutoTopUps(AutoTopUpsContract):
    @pytest.fixture
    def store(self, dynamodb: "DynamoDBClient", ledger_table: str) -> DynamoAutoTopUps:
        return DynamoAutoTopUps(dynamodb, ledger_table)


class TestDynamoEntryNotes(EntryNotesContract):
    @pytest.fixture
    def notes(self, dynamodb: "DynamoDBClient", ledger_table: str) -> DynamoEntryNotes:
        return DynamoEntryNotes(dynamodb, ledger_table)


@pytest.mark.parametrize(
    ("code", "expected"), [("ThrottlingException", TemporarilyBusy), ("AccessDeniedException", ClientError)]
)
def test_what_storage_refuses_is_said_in_our_words_or_not_hidden(code: str, expected: type[Exception]) -> None:
    client, stub = stubbed_dynamodb()
    for _ in range(3):
        stub.add_client_error("put_item", code, http_status_code=400)
    stub.add_client_error("query", code, http_status_code=400)
    state = full(AccountId("acct-1"), ATTEMPT)

    with pytest.raises(expected):
        DynamoAutoTopUps(client, "ledger").put(state)
    with pytest.raises(expected):
        DynamoEntryNotes(client, "ledger").put(state.account_id, "adjustment#k", "why", 1)


def test_accounts_of_every_page() -> None:
    client, stub = stubbed_dynamodb()
    states = [full(AccountId(f"acct-{number}"), None) for number in range(3)]
    items = [state_item(state) for state in states]
    more = keys.auto_top_up(AccountId("acct-1"))
    asked = {"TableName": "ledger", "KeyConditionExpression": ANY, "ExpressionAttributeValues": ANY}
    stub.add_response("query", {"Items": items[:2], "LastEvaluatedKey": more}, {**asked, "ConsistentRead": True})
    stub.add_response("query", {"Items": items[2:]}, {**asked, "ConsistentRead": True, "ExclusiveStartKey": more})

    assert list(DynamoAutoTopUps(client, "ledger").list_all()) == states
    stub.assert_no_pending_responses()


class Clock:
    now = 1_000.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_secret_is_read_when_it_is_asked_for_and_again_when_it_is_old(
    secretsmanager: "SecretsManagerClient", clock: Clock
) -> None:
    asked = []

    def client() -> "SecretsManagerClient":
        asked.append(clock.now)
        return secretsmanager

    made = secretsmanager.create_secret(Name="turnpike/payments-1", SecretString=json.dumps({"A": "1", "N": 7}))
    values = SecretValues(client, made["ARN"], now=lambda: clock.now)
    assert asked == []
    assert values() == {"A": "1"}
    secretsmanager.put_secret_value(SecretId="turnpike/payments-1", SecretString=json.dumps({"A": "2"}))
    clock.now += 299
    assert values() == {"A": "1"}
    clock.now += 1
    assert values() == {"A": "2"}
    assert len(asked) == 2


@pytest.mark.parametrize(("content", "why"), [("not json, but secret", "no JSON"), ('["secret"]', "no JSON")])
def test_what_a_secret_holds_is_in_no_error(secretsmanager: "SecretsManagerClient", content: str, why: str) -> None:
    name = f"turnpike/{len(content)}"
    secretsmanager.create_secret(Name=name, SecretString=content)
    with pytest.raises(UnreadableSecret, match=why) as raised:
        SecretValues(lambda: secretsmanager, name)()
    assert "but secret" not in repr(raised.value)
    assert raised.value.__cause__ is None


def test_a_secret_that_is_not_there(secretsmanager: "SecretsManagerClient") -> None:
    with pytest.raises(UnreadableSecret, match="turnpike/none cannot be read: ResourceNotFoundException"):
        SecretValues(lambda: secretsmanager, "turnpike/none")()
