"""Automatic top-ups and saved payment methods, in the ledger's table.

    AUTO_TOP_UP         <account>        the state, replaced only where it is the version that the new one was made from
    ACCOUNT#<account>   PAYMENT_METHOD   the newest one, or since when it is forgotten

A state is read and written whole: what may follow what is decided in domain/auto_top_up.py, and the version sees to it
that of two who decide at once one has to look again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from turnpike.domain.auto_top_up import Attempt, AutoTopUp
from turnpike.domain.errors import Conflict
from turnpike.domain.ids import AccountId
from turnpike.domain.payments import PaymentMethod, Price, SavedPaymentMethod
from turnpike.storage import keys
from turnpike.storage.items import Item, amount_of, number
from turnpike.storage.transactions import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoAutoTopUps:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client, self._table = client, table

    def find(self, account_id: AccountId) -> AutoTopUp | None:
        item = self._get(keys.auto_top_up(account_id))
        return None if item is None else _parse_state(item)

    def list_all(self) -> Iterator[AutoTopUp]:
        query: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :all",
            "ExpressionAttributeValues": {":all": {"S": keys.AUTO_TOP_UPS}},
            "ConsistentRead": True,
        }
        while True:
            with translated():
                page = self._client.query(**query)
            yield from map(_parse_state, page["Items"])
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def put(self, state: AutoTopUp) -> AutoTopUp:
        written = replace(state, version=state.version + 1)
        expected: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
        if state.version:
            expected = {
                "ConditionExpression": "version = :seen",
                "ExpressionAttributeValues": {":seen": number(state.version)},
            }
        try:
            with translated():
                # Only if it is still what the new one was made from.
                self._client.put_item(TableName=self._table, Item=state_item(written), **expected)
        except ClientError as error:
            if _is_refused(error):
                raise Conflict("The automatic top-up was changed at the same time; try again") from error
            raise
        return written

    def save_method(self, saved: SavedPaymentMethod) -> None:
        item: Item = {**keys.payment_method(saved.account_id), "saved_at": number(saved.saved_at_s)}
        if saved.method is not None:
            item["method"] = _method_map(saved.method)
        try:
            with translated():
                self._client.put_item(
                    TableName=self._table,
                    Item=item,
                    # Only if it is newer than the one that is there: payments are told of in any order.
                    ConditionExpression="attribute_not_exists(pk) OR saved_at < :saved_at",
                    ExpressionAttributeValues={":saved_at": item["saved_at"]},
                )
        except ClientError as error:
            if not _is_refused(error):
                raise

    def find_method(self, account_id: AccountId) -> SavedPaymentMethod | None:
        item = self._get(keys.payment_method(account_id))
        if item is None:
            return None
        method = _parse_method(item["method"]) if "method" in item else None
        return SavedPaymentMethod(account_id, method, int(item["saved_at"]["N"]))

    def _get(self, key: keys.Key) -> Item | None:
        with translated():
            return self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")


def state_item(state: AutoTopUp) -> Item:
    item: Item = {
        **keys.auto_top_up(state.account_id),
        "account_id": {"S": state.account_id},
        "is_on": {"BOOL": state.is_on},
        "on_since": number(state.on_since_s),
        "threshold": number(state.threshold),
        "amount_cents": number(state.amount_cents),
        "reason": {"S": state.reason},
        "failures": number(state.failures),
        "not_before": number(state.not_before_s),
        "charged_day": {"S": state.day},
        "charged_on_day": number(state.charged_on_day),
        "version": number(state.version),
    }
    if state.pending is not None:
        item["pending"] = _attempt_map(state.pending)
    return item


def _parse_state(item: Mapping[str, Any]) -> AutoTopUp:
    return AutoTopUp(
        account_id=AccountId(item["account_id"]["S"]),
        is_on=item["is_on"]["BOOL"],
        on_since_s=int(item["on_since"]["N"]),
        threshold=amount_of(item, "threshold"),
        amount_cents=int(item["amount_cents"]["N"]),
        reason=item["reason"]["S"],
        failures=int(item["failures"]["N"]),
        not_before_s=int(item["not_before"]["N"]),
        day=item["charged_day"]["S"],
        charged_on_day=amount_of(item, "charged_on_day"),
        pending=_parse_attempt(item["pending"]) if "pending" in item else None,
        version=int(item["version"]["N"]),
    )


def _attempt_map(attempt: Attempt) -> Item:
    fields: Item = {
        "id": {"S": attempt.id},
        "credit_cents": number(attempt.price.credit_cents),
        "fee_cents": number(attempt.price.fee_cents),
        "method": _method_map(attempt.method),
        "begun_at": number(attempt.begun_at_s),
        "look_at": number(attempt.look_at_s),
    }
    if attempt.payment_id is not None:
        fields["payment_id"] = {"S": attempt.payment_id}
    return {"M": fields}


def _parse_attempt(value: Mapping[str, Any]) -> Attempt:
    fields = value["M"]
    return Attempt(
        id=fields["id"]["S"],
        price=Price(int(fields["credit_cents"]["N"]), int(fields["fee_cents"]["N"])),
        method=_parse_method(fields["method"]),
        begun_at_s=int(fields["begun_at"]["N"]),
        look_at_s=int(fields["look_at"]["N"]),
        payment_id=fields["payment_id"]["S"] if "payment_id" in fields else None,
    )


def _method_map(method: PaymentMethod) -> Item:
    fields = {"customer": method.customer, "id": method.id, "kind": method.kind, "label": method.label}
    return {"M": {name: {"S": text} for name, text in fields.items()}}


def _parse_method(value: Mapping[str, Any]) -> PaymentMethod:
    return PaymentMethod(**{name: text["S"] for name, text in value["M"].items()})


def _is_refused(error: ClientError) -> bool:
    return error.response["Error"]["Code"] == "ConditionalCheckFailedException"
