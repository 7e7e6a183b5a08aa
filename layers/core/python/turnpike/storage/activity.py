"""Activity in the ledger's table: one item for each cell, added to by the transaction that settles a generation."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from turnpike.domain.activity import COUNTS, Activity, ActivityDays, Cell, Counts, latest_days, with_users
from turnpike.domain.ids import AccountId
from turnpike.storage import keys
from turnpike.storage.items import TTL, amount_of, is_past, number
from turnpike.storage.transactions import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import UpdateTypeDef

_TEXTS = ("key_hash", "model", "endpoint_id", "provider", "app", "user")
"""What is written of a cell besides its day and `names_user`."""
_AFTER_ANY_DIGEST = "~"


def count_activity(
    table: str, account_id: AccountId, cell: Cell, counts: Counts, *, ends_s: int | None, part: str = ""
) -> "UpdateTypeDef":
    """Whoever writes it sees to it that it happens once: the update itself has no condition.

    A cell may have several items, each with a `part` as the last of its key.
    """
    texts = {name: getattr(cell, name) for name in _TEXTS}
    sets: dict[str, Any] = {name: {"S": text} for name, text in texts.items() if text}
    if cell.names_user:
        sets["names_user"] = {"BOOL": True}
    if ends_s is not None:
        sets[TTL] = number(ends_s)
    adds = {name: number(value) for name in COUNTS if (value := getattr(counts, name))}
    names = {f"#{name}": name for name in (*sets, *adds, TTL)}
    setting = ", ".join(f"#{name} = :{name}" for name in sets)
    adding = ", ".join(f"#{name} :{name}" for name in adds)
    # What was kept for a time is kept for good once that is what the deployment says.
    keeping = f" REMOVE #{TTL}" if ends_s is None else ""
    return {
        "TableName": table,
        "Key": keys.activity(account_id, cell.day, _digest(cell) + part, by_user=cell.user is not None),
        "UpdateExpression": f"SET {setting} ADD {adding}{keeping}",
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": {f":{name}": value for name, value in {**sets, **adds}.items()},
    }


class DynamoActivities:
    def __init__(self, client: "DynamoDBClient", table: str, *, now: Callable[[], float] = time.time) -> None:
        self._client, self._table, self._now = client, table, now

    def list_days(
        self, account_id: AccountId, first_day: str, last_day: str, *, by_user: bool, most: int
    ) -> ActivityDays:
        totals = latest_days(self._newest_first(account_id, first_day, last_day, by_user=False), first_day, most)
        if not by_user:
            return totals
        users = self._newest_first(account_id, totals.since, last_day, by_user=True)
        return with_users(totals, latest_days(users, totals.since, most))

    def _newest_first(
        self, account_id: AccountId, first_day: str, last_day: str, *, by_user: bool
    ) -> Iterator[Activity]:
        """One page after the other, as they are asked for."""
        first = keys.activity(account_id, first_day, "", by_user=by_user)
        last = keys.activity(account_id, last_day, _AFTER_ANY_DIGEST, by_user=by_user)
        more: Any = {}
        while True:
            with translated():
                page = self._client.query(
                    TableName=self._table,
                    KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
                    ExpressionAttributeValues={":pk": first["pk"], ":first": first["sk"], ":last": last["sk"]},
                    ScanIndexForward=False,
                    ConsistentRead=True,
                    **more,
                )
            now_s = self._now()
            yield from (parse_activity(item) for item in page["Items"] if not is_past(item, now_s))
            if "LastEvaluatedKey" not in page:
                return
            more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def parse_activity(item: Mapping[str, Any]) -> Activity:
    _, day, _ = item["sk"]["S"].split("#")
    texts: dict[str, Any] = {name: item[name]["S"] for name in _TEXTS if name in item}
    cell = Cell(day, **{"provider": "", **texts}, names_user="names_user" in item)
    return Activity(cell, Counts(**{name: amount_of(item, name) for name in COUNTS}))


def _digest(cell: Cell) -> str:
    """Of everything that tells the cell from others of its day: of any length and in any alphabet, in 32 characters."""
    told_apart = [getattr(cell, name) for name in _TEXTS] + [cell.names_user]
    return hashlib.sha256(json.dumps(told_apart).encode()).hexdigest()[:32]
