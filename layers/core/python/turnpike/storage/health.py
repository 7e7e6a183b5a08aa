"""Endpoint health as metering writes it: counts of attempts by minute, and uptime by hour.

    MINUTE#<minute>#<shard>   <endpoint key>   one number for each count of a tally; gone an hour later
    UPTIME                    <hour>           every endpoint's minutes of that hour; gone two days later
    JOB                       <name>           when what is done now and then was last begun

A minute's item is at most 2 KB, and most are below one, whatever the traffic: a write is one unit, rarely two.
"""

import re
import sys
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson
from botocore.exceptions import ClientError

from turnpike.domain.tallies import Tally
from turnpike.domain.uptime import UptimeHour
from turnpike.storage import keys
from turnpike.storage.queries import pages_of
from turnpike.storage.transactions import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_MINUTE_KEPT_S = 3600
_HOUR_KEPT_S = 2 * 86_400
_COUNT = re.compile(r"[a-z]\d+")
_REFUSED = "ConditionalCheckFailedException"


class DynamoHealthCounts:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client, self._table = client, table

    def add(self, minute: int, endpoint: str, tally: Tally, *, batch: str) -> None:
        values = {f":{count}": {"N": str(count)} for count in tally.counts.values()}
        added = ", ".join(f"{name} :{count}" for name, count in tally.counts.items())
        self._write(
            Key=keys.health_minute(minute, endpoint),
            UpdateExpression=f"ADD {added} SET #batch = :batch, #ttl = :ttl",
            # Only if this batch was not what came last: the client repeats a call whose answer was lost,
            # and counts, unlike the rest of what we write, would be added once more.
            ConditionExpression="attribute_not_exists(#batch) OR #batch <> :batch",
            ExpressionAttributeNames={"#batch": "batch", "#ttl": "ttl"},
            ExpressionAttributeValues={
                **values,
                ":batch": {"S": batch},
                ":ttl": {"N": str(minute * 60 + _MINUTE_KEPT_S)},
            },
        )

    def list_minute(self, minute: int) -> Mapping[str, Tally]:
        found: dict[str, Tally] = {}
        for partition in keys.health_minute_partitions(minute):
            pages = pages_of(
                self._client,
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": partition}},
            )
            for page in pages:
                found |= {item["sk"]["S"]: _parse_tally(item) for item in page}
        return found

    def claim(self, job: str, now_s: float, *, every_s: float) -> bool:
        return self._write(
            Key=keys.health_job(job),
            UpdateExpression="SET begun_at = :now",
            # Only if nobody has begun it within that time.
            ConditionExpression="attribute_not_exists(begun_at) OR begun_at <= :before",
            ExpressionAttributeValues={
                ":now": {"N": f"{now_s:.3f}"},
                ":before": {"N": f"{now_s - every_s:.3f}"},
            },
        )

    def list_hours(self, first: int, last: int) -> Mapping[int, UptimeHour]:
        found: dict[int, UptimeHour] = {}
        for page in pages_of(
            self._client,
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
            ExpressionAttributeValues={
                ":pk": keys.uptime_hour(first)["pk"],
                ":first": keys.uptime_hour(first)["sk"],
                ":last": keys.uptime_hour(last)["sk"],
            },
            # What is added to them must be added to what was written last.
            ConsistentRead=True,
        ):
            found |= {int(item["sk"]["S"]): _parse_hour(item) for item in page}
        return found

    def put_hour(self, hour: int, uptime: UptimeHour, *, seen: UptimeHour | None) -> bool:
        values: dict[str, Any] = {
            ":through": {"N": str(uptime.through)},
            ":data": {"B": zlib.compress(orjson.dumps(uptime.minutes))},
            ":ttl": {"N": str(hour * 3600 + _HOUR_KEPT_S)},
        }
        condition = "attribute_not_exists(#through)"
        if seen is not None:
            values[":seen"] = {"N": str(seen.through)}
            condition = "#through = :seen"
        return self._write(
            Key=keys.uptime_hour(hour),
            UpdateExpression="SET #through = :through, #data = :data, #ttl = :ttl",
            # Only if nobody has counted further minutes since it was read.
            ConditionExpression=condition,
            ExpressionAttributeNames={"#through": "through", "#data": "data", "#ttl": "ttl"},
            ExpressionAttributeValues=values,
        )

    def _write(self, **update: Any) -> bool:
        """False when the condition did not hold."""
        try:
            with translated():
                self._client.update_item(TableName=self._table, **update)
        except ClientError as error:
            if error.response["Error"]["Code"] == _REFUSED:
                return False
            raise
        return True


def _parse_tally(item: Mapping[str, Any]) -> Tally:
    # The same few hundred names come in every item, and many items are kept.
    return Tally({sys.intern(name): int(value["N"]) for name, value in item.items() if _COUNT.fullmatch(name)})


def _parse_hour(item: Mapping[str, Any]) -> UptimeHour:
    minutes = orjson.loads(zlib.decompress(item["data"]["B"]))
    return UptimeHour(int(item["through"]["N"]), {key: (up, told) for key, (up, told) in minutes.items()})
