"""Requests to free models, counted in the ledger's table: one item per account and UTC day, gone two days later.

    ACCOUNT#<account>   FREE#<2026-11-24>   used      requests of that day
                                            per_day   how many the day takes
                                            m<905>    requests of that minute of the day

One item for both windows makes one conditional write of each request, which neither loses a race nor conflicts
with another. Minutes that are over are removed as the next ones come, so the item stays within one write unit.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.free_quota import FullWindow
from turnpike.domain.ids import AccountId
from turnpike.domain.periods import day_of, next_reset_s
from turnpike.storage.items import Item, number
from turnpike.storage.keys import Key
from turnpike.storage.transactions import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_MINUTES_A_DAY = 1440
_KEPT_S = 2 * 86_400
"""After the day's end, so that nobody's clock meets an item that is gone."""
_MINUTES_REMOVED = range(2, 10)
"""Ago. The minute just before may still be another environment's, whose clock is a little behind."""
_TRIES = 3
"""One as the day stands, one that raises its limit, and one for when another request has raised it just before."""


class DynamoFreeQuota:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client, self._table = client, table

    def take(self, account_id: AccountId, now_s: float, *, per_minute: int, per_day: int) -> FullWindow | None:
        raising = False
        for _ in range(_TRIES):
            found = self._write(account_id, now_s, per_minute, per_day, raising=raising)
            if found is None:
                return None
            standing = _number(found, "per_day")
            if _number(found, "used") >= max(standing, per_day):
                return FullWindow("day", max(standing, per_day))
            if _number(found, _minute(now_s)) >= per_minute:
                return FullWindow("minute", per_minute)
            # There is room under the higher of the two limits, and the condition went by the lower one.
            raising = standing < per_day
        raise TemporarilyBusy("The count of free requests is busy; try again")

    def used(self, account_id: AccountId, now_s: float) -> int:
        with translated():
            found = self._client.get_item(TableName=self._table, Key=_key(account_id, now_s), ConsistentRead=True)
        return _number(found.get("Item", {}), "used")

    def _write(
        self, account_id: AccountId, now_s: float, per_minute: int, per_day: int, *, raising: bool
    ) -> Item | None:
        """None when the request is counted; otherwise the item that had no room for it."""
        past = {f"#past{ago}": _minute(now_s, ago) for ago in _MINUTES_REMOVED}
        limit = ":per_day" if raising else "if_not_exists(per_day, :per_day)"
        room = "used < :per_day AND per_day < :per_day" if raising else "used < per_day"
        try:
            with translated():
                self._client.update_item(
                    TableName=self._table,
                    Key=_key(account_id, now_s),
                    UpdateExpression=(
                        f"ADD used :one, #minute :one SET per_day = {limit}, #ttl = :ttl REMOVE {', '.join(past)}"
                    ),
                    # Only if the day has room, and the minute too; the first request of either has.
                    ConditionExpression=(
                        f"(attribute_not_exists(used) OR ({room}))"
                        " AND (attribute_not_exists(#minute) OR #minute < :per_minute)"
                    ),
                    ExpressionAttributeNames={"#minute": _minute(now_s), "#ttl": "ttl", **past},
                    ExpressionAttributeValues={
                        ":one": number(1),
                        ":per_minute": number(per_minute),
                        ":per_day": number(per_day),
                        ":ttl": number(next_reset_s("daily", now_s) + _KEPT_S),
                    },
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                found: Mapping[str, Any] = error.response
                return cast("Item", found.get("Item", {}))
            raise
        return None


def _key(account_id: AccountId, now_s: float) -> Key:
    return {"pk": {"S": f"ACCOUNT#{account_id}"}, "sk": {"S": f"FREE#{day_of(now_s)}"}}


def _minute(now_s: float, ago: int = 0) -> str:
    return f"m{(int(now_s) // 60 - ago) % _MINUTES_A_DAY}"


def _number(item: Mapping[str, Any], name: str) -> int:
    return int(item[name]["N"]) if name in item else 0
