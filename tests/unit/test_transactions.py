"""Transactions under what the emulator never shows: conflicts, throttling, lost connections."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.ids import AccountId, GenerationId
from turnpike.domain.ledger import Hold, KeyLimit
from turnpike.storage.ledger import DynamoLedger
from turnpike.storage.ledger_actions import LedgerActions
from turnpike.storage.transactions import Refused, Transactions

from tests.contracts.ledger import KEY, NOW, nano
from tests.stubs import stubbed_dynamodb

HOLD = Hold(GenerationId("gen-1"), AccountId("acct-1"), KEY, nano(5), NOW, NOW + 60)
_ACTIONS = LedgerActions("table")
ACTIONS = (
    _ACTIONS.put_hold(HOLD)
    | _ACTIONS.count_spent(HOLD.account_id, KEY, nano(1), nano(0), NOW)
    | _ACTIONS.correct_counted(replace(HOLD, key_limit=KeyLimit(nano(9))), nano(1))
)
"""Three actions: `hold`, `spent`, `limit`."""
CANCELED = "TransactionCanceledException"
TRIES = 9

Ask = Callable[[DynamoLedger], object]
ASKS: list[Ask] = [
    lambda ledger: ledger.hold(HOLD),
    lambda ledger: ledger.get_balance(HOLD.account_id),
    lambda ledger: list(ledger.list_entries(HOLD.account_id)),
]


class Script:
    """What DynamoDB answers to one transaction after the other, and the waits in between."""

    def __init__(self) -> None:
        self.client, self.stub = stubbed_dynamodb()
        self.waits: list[float] = []
        self.transactions = Transactions(self.client, sleep=self.waits.append)

    def succeed(self) -> None:
        self.stub.add_response("transact_write_items", {})

    def fail(self, code: str, *reasons: str | dict[str, Any]) -> None:
        answers = [{"Code": reason} if isinstance(reason, str) else reason for reason in reasons]
        modeled = {"CancellationReasons": answers} if answers else None
        self.stub.add_client_error("transact_write_items", code, modeled_fields=modeled)

    def write(self) -> None:
        self.transactions.write(ACTIONS)
        self.stub.assert_no_pending_responses()


@pytest.fixture
def script() -> Script:
    return Script()


PASSING = [
    (CANCELED, "None", "TransactionConflict", "None"),
    (CANCELED, "ThrottlingError", "None", "None"),
    (CANCELED, "None", "None", "ProvisionedThroughputExceeded"),
    # What refuses may itself be about to change, so the conflict decides.
    (CANCELED, "ConditionalCheckFailed", "TransactionConflict", "None"),
    ("ProvisionedThroughputExceededException",),
    ("ThrottlingException",),
    ("RequestLimitExceeded",),
    ("TransactionInProgressException",),
]


def test_a_transaction_that_succeeds_waits_for_nothing(script: Script) -> None:
    script.succeed()
    script.write()
    assert script.waits == []


@pytest.mark.parametrize("failure", PASSING)
def test_what_passes_is_tried_again(script: Script, failure: tuple[str, ...]) -> None:
    for _ in range(2):
        script.fail(*failure)
    script.succeed()
    script.write()
    assert len(script.waits) == 2


@pytest.mark.parametrize("failure", PASSING)
def test_what_does_not_pass_is_a_busy_moment(script: Script, failure: tuple[str, ...]) -> None:
    for _ in range(TRIES):
        script.fail(*failure)
    with pytest.raises(TemporarilyBusy) as busy:
        script.write()
    script.stub.assert_no_pending_responses()
    assert isinstance(busy.value.__cause__, ClientError)
    assert len(script.waits) == TRIES - 1


def test_the_waits_grow_differ_and_end_within_two_seconds() -> None:
    scripts = [Script() for _ in range(5)]
    for script in scripts:
        for _ in range(TRIES):
            script.fail("ThrottlingException")
        with pytest.raises(TemporarilyBusy):
            script.write()
        assert 0.9 < sum(script.waits) < 2
        assert 0 < script.waits[0] < script.waits[2] < script.waits[4]
    assert len({script.waits[0] for script in scripts}) > 1


def test_a_condition_that_fails_tells_what_it_met(script: Script) -> None:
    item = {"pk": {"S": "ACCOUNT#acct-1"}}
    script.fail(CANCELED, {"Code": "ConditionalCheckFailed", "Item": item}, "None", "ConditionalCheckFailed")
    with pytest.raises(Refused) as refused:
        script.write()
    assert refused.value.found == {"hold": item, "limit": {}}
    assert script.waits == []


@pytest.mark.parametrize(
    "failure",
    [
        (CANCELED, "None", "ValidationError", "None"),
        (CANCELED, "ConditionalCheckFailed", "ItemCollectionSizeLimitExceeded", "None"),
        ("AccessDeniedException",),
        ("ValidationException",),
        ("ResourceNotFoundException",),
    ],
)
def test_a_bug_or_a_missing_grant_stays_what_it_is(script: Script, failure: tuple[str, ...]) -> None:
    script.fail(*failure)
    with pytest.raises(ClientError) as error:
        script.write()
    assert error.value.response["Error"]["Code"] == failure[0]
    assert script.waits == []


@pytest.mark.parametrize("code", ["InternalServerError", "ServiceUnavailable"])
def test_an_unknown_outcome_is_not_repeated_under_a_new_token(script: Script, code: str) -> None:
    script.fail(code)
    with pytest.raises(TemporarilyBusy):
        script.write()
    assert script.waits == []


@pytest.mark.parametrize(("method", "ask"), [("transact_write_items", ASKS[0]), ("get_item", ASKS[1])])
def test_a_failure_that_is_not_in_dynamodbs_words_is_a_busy_moment(script: Script, method: str, ask: Ask) -> None:
    # As botocore reads an answer without a body, or with a load balancer's page.
    script.stub.add_client_error(method, "503", http_status_code=503)
    with pytest.raises(TemporarilyBusy):
        ask(DynamoLedger(script.client, "table"))
    script.stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    "failure",
    [EndpointConnectionError(endpoint_url="x"), ReadTimeoutError(endpoint_url="x")],
    ids=lambda failure: type(failure).__name__,
)
@pytest.mark.parametrize("ask", ASKS)
def test_a_lost_connection_is_a_busy_moment(script: Script, failure: Exception, ask: Ask) -> None:
    def break_off(**_: object) -> None:
        raise failure

    script.stub.deactivate()
    script.client.meta.events.register("before-call.dynamodb", break_off)
    with pytest.raises(TemporarilyBusy) as busy:
        ask(DynamoLedger(script.client, "table"))
    assert busy.value.__cause__ is failure


@pytest.mark.parametrize(("method", "ask"), [("get_item", ASKS[1]), ("query", ASKS[2])])
def test_reads_that_are_throttled_are_a_busy_moment(script: Script, method: str, ask: Ask) -> None:
    script.stub.add_client_error(method, "ThrottlingException")
    with pytest.raises(TemporarilyBusy):
        ask(DynamoLedger(script.client, "table"))
