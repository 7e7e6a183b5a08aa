"""The ledger as an audit and an export read it: whole, account by account, in an order that can be taken up again.

Nothing else reads like this. Who has to see every item pays for every item; what is never done is to keep them all.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from turnpike.domain.audit import GenerationRecord, LimitItem, SpendItem, Trail
from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.ids import AccountId, KeyHash, LeaseId
from turnpike.domain.ledger import Balance, Hold, LedgerEntry
from turnpike.storage import keys
from turnpike.storage.items import Item, amount_of, parse_balance, parse_entry, parse_hold, spent_attribute
from turnpike.storage.transactions import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_LAST = "\U0010ffff"
"""Sorts behind whatever else a sort key has."""
_ENTRY, _GENERATION, _HOLD, _LIMIT, _SPEND = "ENTRY#", "GENERATION#", "HOLD#", "LIMIT#", "SPEND#"
_READ: Mapping[str, Any] = {_GENERATION: {"ProjectionExpression": "sk, key_hash, cost, is_byok, upstream_cost"}}
"""What of items is needed, where it is not all."""
_WITHOUT_HOLD = ("top_up", "refund", "adjustment")
_UNREADABLE = (KeyError, TypeError, ValueError)
_LOOKS, _BETWEEN_LOOKS_S = 20, 0.1

_Part = tuple[str, Item]
"""An item, and the id of the trail that it is a part of."""


class LedgerAuditReads:
    """Reads what was last written. All methods may raise TemporarilyBusy."""

    def __init__(self, client: "DynamoDBClient", table: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client, self._table, self._sleep = client, table, sleep

    def next_account(self, after: AccountId | None) -> AccountId | None:
        """In the table's own order. A scan of one item, begun behind everything that the account before may have."""
        partition = None if after is None else keys.balance(after)["pk"]["S"]
        while True:
            begin: Any = {"ExclusiveStartKey": {"pk": {"S": partition}, "sk": {"S": _LAST}}} if partition else {}
            with translated():
                page = self._client.scan(TableName=self._table, Limit=1, ProjectionExpression="pk", **begin)
            if not page["Items"]:
                return None
            partition = page["Items"][0]["pk"]["S"]
            account_id = keys.account_of(partition)
            # Others have partitions in this table too.
            if account_id is not None:
                return account_id

    def trails(self, account_id: AccountId, *, after: str, before: str) -> Iterator[Trail]:
        """Those with an id between the two, by id. What is under one id stands at three places of the partition."""
        return (trail for trail in self._trails(account_id, after, before) if after < trail.id < before)

    def find_trail(self, account_id: AccountId, trail_id: str) -> Trail:
        """With nothing in it if there is none."""
        found = (trail for trail in self._trails(account_id, trail_id, f"{trail_id}#{_LAST}") if trail.id == trail_id)
        return next(found, Trail(account_id, trail_id))

    def find_lease(self, account_id: AccountId, lease_id: LeaseId) -> Hold | None:
        with translated():
            found = self._client.get_item(
                TableName=self._table, Key=keys.hold(account_id, lease_id), ConsistentRead=True
            )
        return parse_hold(found["Item"]) if "Item" in found else None

    def limits(self, account_id: AccountId) -> Iterator[LimitItem]:
        for item in self._between(account_id, _LIMIT, _LIMIT + _LAST):
            key_hash, _, window = item["sk"]["S"].removeprefix(_LIMIT).partition("#")
            yield LimitItem(KeyHash(key_hash), window, amount_of(item, "used"))

    def spends(self, account_id: AccountId) -> Iterator[SpendItem]:
        """One for each key and month."""
        credit, byok = spent_attribute(""), spent_attribute("", byok=True)
        for item in self._between(account_id, _SPEND, _SPEND + _LAST):
            key_hash, _, month = item["sk"]["S"].removeprefix(_SPEND).partition("#")
            days = {
                f"{month}-{name.removeprefix(credit)}": int(amount_of(item, name))
                for name in item
                if name.startswith(credit)
            }
            yield SpendItem(KeyHash(key_hash), days, any(name.startswith(byok) for name in item))

    def get_balance(self, account_id: AccountId) -> Balance:
        """As a transaction reads it: when an entry could be seen before this, the balance has it in.

        Of a transaction that is being carried out, plain reads may see the entry, and the balance as it was.
        """
        for _ in range(_LOOKS):
            try:
                with translated():
                    found = self._client.transact_get_items(
                        TransactItems=[{"Get": {"TableName": self._table, "Key": keys.balance(account_id)}}]
                    )
            except ClientError as error:
                reasons: Any = error.response.get("CancellationReasons", [])
                if [reason.get("Code") for reason in reasons] != ["TransactionConflict"]:
                    raise
                self._sleep(_BETWEEN_LOOKS_S)
            else:
                return parse_balance(found["Responses"][0].get("Item", {}))
        raise TemporarilyBusy("The balance is being written all the time; try again")

    def entries(self, account_id: AccountId, *, after: str) -> Iterator[tuple[str, LedgerEntry]]:
        """Each with its place; those behind the place `after`, in order. The newest may be missing.

        What cannot be read is left out: the audit tells of it.
        """
        for prefix in (_ENTRY, _HOLD):
            if after >= prefix + _LAST:
                continue
            # Half the price of reading what was written last.
            for item in self._between(account_id, max(after, prefix), prefix + _LAST, ConsistentRead=False):
                place, entry = item["sk"]["S"], _find_entry(item)
                if place > after and entry is not None:
                    yield place, entry

    def _trails(self, account_id: AccountId, first: str, last: str) -> Iterator[Trail]:
        parts = merge(
            *(self._parts(account_id, prefix, first, last) for prefix in (_ENTRY, _GENERATION, _HOLD)),
            key=itemgetter(0),
        )
        for trail_id, found in groupby(parts, key=itemgetter(0)):
            yield _parse_trail(account_id, trail_id, (item for _, item in found))

    def _parts(self, account_id: AccountId, prefix: str, first: str, last: str) -> Iterator[_Part]:
        for item in self._between(account_id, prefix + first, prefix + last, **_READ.get(prefix, {})):
            yield _trail_of(item["sk"]["S"].removeprefix(prefix), prefix), item

    def _between(self, account_id: AccountId, first: str, last: str, **how: Any) -> Iterator[Item]:
        query: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :first AND :last",
            "ExpressionAttributeValues": {
                ":pk": keys.balance(account_id)["pk"],
                ":first": {"S": first},
                ":last": {"S": last},
            },
            "ConsistentRead": True,
        }
        query |= how
        while True:
            with translated():
                page = self._client.query(**query)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _trail_of(name: str, prefix: str) -> str:
    """An entry's id begins with that of its hold, if there is one."""
    if prefix != _ENTRY:
        return name
    hold_id, _, _ = name.partition("#")
    return name if hold_id in _WITHOUT_HOLD else hold_id


def _find_entry(item: Item) -> LedgerEntry | None:
    """None of what cannot be read."""
    try:
        return parse_entry(item)
    except _UNREADABLE:
        return None


def _parse_trail(account_id: AccountId, trail_id: str, items: Iterable[Item]) -> Trail:
    hold, entries, record, unreadable = None, [], None, []
    for item in items:
        place = item["sk"]["S"]
        try:
            if place.startswith(_GENERATION):
                record = _parse_record(item)
                continue
            if place.startswith(_HOLD):
                hold = parse_hold(item)
            entries.append(parse_entry(item))
        except _UNREADABLE:
            unreadable.append(place)
    return Trail(account_id, trail_id, hold, tuple(entries), record, tuple(unreadable))


def _parse_record(item: Item) -> GenerationRecord:
    is_byok = item.get("is_byok", {}).get("BOOL", False)
    byok_cost = amount_of(item, "upstream_cost") if is_byok else 0
    return GenerationRecord(KeyHash(item["key_hash"]["S"]), amount_of(item, "cost"), byok_cost)
