"""What is known of all endpoints, each kind in one item: one read tells a reader everything.

    SNAPSHOT   ROUTING   of the last five minutes, for completions
    SNAPSHOT   REPORT    of the last thirty minutes and the last day, for the catalog

Both are compressed JSON: a row for each endpoint, of some 20 bytes.
"""

import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import orjson
from botocore.exceptions import ClientError

from turnpike.domain.health import EndpointReport, EndpointSummary, HealthReport, HealthSnapshot, Percentiles
from turnpike.storage import keys
from turnpike.storage.transactions import translated

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_FORMAT = 2
"""Of the rows. Who meets another one than its own knows nothing, until the deployment is through."""
_MOST_BYTES = 380_000
"""Of the 400 KB that an item takes. Several thousand endpoints would have to be busy at once to come near it."""

_Row = list[Any]


class DynamoHealthSnapshots:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client, self._table = client, table

    def put_snapshot(self, snapshot: HealthSnapshot) -> None:
        busiest = sorted(snapshot.endpoints.items(), key=lambda each: -each[1].attempts)
        self._put("ROUTING", snapshot.taken_at_s, [_summary_row(key, summary) for key, summary in busiest])

    def find_snapshot(self) -> HealthSnapshot | None:
        found = self._find("ROUTING", _parse_summary)
        return None if found is None else HealthSnapshot(*found)

    def put_report(self, report: HealthReport) -> None:
        self._put("REPORT", report.taken_at_s, [_report_row(key, each) for key, each in report.endpoints.items()])

    def find_report(self) -> HealthReport | None:
        found = self._find("REPORT", _parse_report)
        return None if found is None else HealthReport(*found)

    def _put(self, name: str, taken_at_s: float, rows: Sequence[_Row]) -> None:
        try:
            with translated():
                self._client.put_item(
                    TableName=self._table,
                    Item={
                        **keys.health_snapshot(name),
                        "taken_at": {"N": f"{taken_at_s:.3f}"},
                        "format": {"N": str(_FORMAT)},
                        "data": {"B": _pack(rows)},
                    },
                    # Only if it is newer than the one that is there.
                    ConditionExpression="attribute_not_exists(taken_at) OR taken_at < :taken_at",
                    ExpressionAttributeValues={":taken_at": {"N": f"{taken_at_s:.3f}"}},
                )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise

    def _find(self, name: str, parse: Callable[[_Row], Any]) -> tuple[float, dict[str, Any]] | None:
        with translated():
            # Half the price of a consistent read; a second more or less is no difference.
            found = self._client.get_item(TableName=self._table, Key=keys.health_snapshot(name))
        item = found.get("Item")
        if item is None or int(item["format"]["N"]) != _FORMAT:
            return None
        rows = orjson.loads(zlib.decompress(item["data"]["B"]))
        return float(item["taken_at"]["N"]), {row[0]: parse(row[1:]) for row in rows}


def _pack(rows: Sequence[_Row]) -> bytes:
    """As many of the first ones as fit."""
    packed = zlib.compress(orjson.dumps(rows))
    while len(packed) > _MOST_BYTES:
        rows = rows[: len(rows) * 3 // 4]
        packed = zlib.compress(orjson.dumps(rows))
    return packed


def _summary_row(key: str, summary: EndpointSummary) -> _Row:
    return [
        key,
        summary.attempts,
        summary.uptime,
        summary.outage_until_s,
        _present(summary.latency_s),
        _present(summary.throughput),
        _present(summary.whole_s),
        _present(summary.whole_throughput),
    ]


def _parse_summary(row: _Row) -> EndpointSummary:
    attempts, uptime, outage_until_s, *times = row
    latency_s, throughput, whole_s, whole_throughput = map(_parse, times)
    return EndpointSummary(attempts, latency_s, throughput, uptime, outage_until_s, whole_s, whole_throughput)


def _report_row(key: str, report: EndpointReport) -> _Row:
    return [
        key,
        report.uptime_last_5m,
        report.uptime_last_30m,
        report.uptime_last_1d,
        _present(report.latency_last_30m),
        _present(report.throughput_last_30m),
    ]


def _parse_report(row: _Row) -> EndpointReport:
    last_5m, last_30m, last_1d, latency, throughput = row
    return EndpointReport(last_5m, last_30m, last_1d, _parse(latency), _parse(throughput))


def _present(percentiles: Percentiles | None) -> list[float] | None:
    return [percentiles.p50, percentiles.p75, percentiles.p90, percentiles.p99] if percentiles else None


def _parse(values: list[float] | None) -> Percentiles | None:
    return Percentiles(*values) if values else None
