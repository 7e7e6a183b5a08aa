"""Endpoint health in DynamoDB keeps the contract, in items that a write unit or two pay for."""

import time
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.generation import Attempt
from turnpike.domain.health import EndpointSummary, HealthReport, HealthSnapshot, Percentiles
from turnpike.domain.tallies import Tally
from turnpike.domain.uptime import UptimeHour
from turnpike.storage import keys
from turnpike.storage.health import DynamoHealthCounts
from turnpike.storage.health_snapshots import DynamoHealthSnapshots
from turnpike.storage.schema import HEALTH, Table

from tests.contracts.health import HealthCountsContract, HealthSnapshotsContract
from tests.stubs import stubbed_dynamodb

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEY = "amazon-bedrock|us.anthropic.claude-opus-4-5-20251101-v1:0|amazon-bedrock"


@pytest.fixture(scope="module")
def health_table(new_table: Callable[[Table], str]) -> str:
    return new_table(HEALTH)


class TestDynamoHealthCounts(HealthCountsContract):
    @pytest.fixture
    def counts(self, dynamodb: "DynamoDBClient", health_table: str) -> DynamoHealthCounts:
        return DynamoHealthCounts(dynamodb, health_table)


class TestDynamoHealthSnapshots(HealthSnapshotsContract):
    @pytest.fixture
    def snapshots(self, dynamodb: "DynamoDBClient", new_table: Callable[[Table], str]) -> DynamoHealthSnapshots:
        return DynamoHealthSnapshots(dynamodb, new_table(HEALTH))


def size_of(item: dict[str, Any]) -> int:
    """In bytes, about as DynamoDB reckons: a number takes a byte for two digits, and one more."""
    return sum(len(name) + _size_of(value) for name, value in item.items())


def _size_of(attribute: dict[str, Any]) -> int:
    ((kind, value),) = attribute.items()
    return (len(value) + 1) // 2 + 1 if kind == "N" else len(value)


def item_of(client: "DynamoDBClient", table: str, key: keys.Key) -> dict[str, Any]:
    return dict(client.get_item(TableName=table, Key=key)["Item"])


def attempt(random: Random, spread: float) -> Attempt:
    """Of times that vary as lognormal ones do: a `spread` of 0.5 has p99 three times p50. Half of them stream."""
    time_ms = round(random.lognormvariate(6.5, spread))
    return Attempt(
        "amazon-bedrock",
        "m",
        "u",
        200,
        time_ms,
        tag="t",
        first_content_ms=time_ms if random.random() < 0.5 else None,
        output_tokens_per_s=random.lognormvariate(4, spread),
        outcome="ok" if random.random() < 0.9 else "failed",
    )


@pytest.mark.parametrize(("spread", "most_bytes"), [(0.3, 768), (1.0, 1536), (9.0, 2048)])
def test_a_busy_minute_stays_small(
    dynamodb: "DynamoDBClient", health_table: str, spread: float, most_bytes: int
) -> None:
    minute, random = int(time.time()) // 60 + round(spread * 10), Random(1)
    tally = Tally()
    for number in range(20_000):
        tally.add(attempt(random, spread), number % 60)
    DynamoHealthCounts(dynamodb, health_table).add(minute, KEY, tally, batch="01234567")
    item = item_of(dynamodb, health_table, keys.health_minute(minute, KEY))
    assert size_of(item) <= most_bytes
    assert int(item["ttl"]["N"]) == minute * 60 + 3600


def summary(random: Random) -> EndpointSummary:
    latency_s, throughput, whole_s, whole_throughput = (
        Percentiles(*(float(f"{random.uniform(0.1, 9):.3g}") for _ in range(4))) for _ in range(4)
    )
    return EndpointSummary(
        random.randrange(20, 9999),
        latency_s,
        throughput,
        round(random.uniform(0.9, 1), 4),
        whole_s=whole_s,
        whole_throughput=whole_throughput,
    )


def test_a_hundred_endpoints_are_read_and_written_for_little(dynamodb: "DynamoDBClient", health_table: str) -> None:
    random = Random(1)
    endpoints = {f"provider-{number % 9}|author/model-{number}|provider": summary(random) for number in range(100)}
    snapshots = DynamoHealthSnapshots(dynamodb, health_table)
    snapshots.put_snapshot(HealthSnapshot(time.time(), endpoints))
    found = snapshots.find_snapshot()
    assert found is not None
    assert found.endpoints == endpoints
    assert size_of(item_of(dynamodb, health_table, keys.health_snapshot("ROUTING"))) <= 5 * 1024


def test_more_endpoints_than_an_item_holds_leave_out_the_least_busy(
    dynamodb: "DynamoDBClient", new_table: Callable[[Table], str]
) -> None:
    random = Random(1)
    endpoints = {f"{random.getrandbits(512):x}": summary(random) for _ in range(5_000)}
    busiest = max(endpoints, key=lambda key: endpoints[key].attempts)
    snapshots = DynamoHealthSnapshots(dynamodb, new_table(HEALTH))
    snapshots.put_snapshot(HealthSnapshot(1, endpoints))
    found = snapshots.find_snapshot()
    assert found is not None
    assert 1_000 < len(found.endpoints) < 5_000
    assert busiest in found.endpoints
    least = min(each.attempts for each in found.endpoints.values())
    assert all(each.attempts <= least for key, each in endpoints.items() if key not in found.endpoints)


def test_a_format_of_tomorrow_is_unknown_and_not_an_error(
    dynamodb: "DynamoDBClient", new_table: Callable[[Table], str]
) -> None:
    table = new_table(HEALTH)
    item = {**keys.health_snapshot("ROUTING"), "format": {"N": "3"}, "taken_at": {"N": "1"}}
    dynamodb.put_item(TableName=table, Item=item)
    assert DynamoHealthSnapshots(dynamodb, table).find_snapshot() is None


COUNT_CALLS: dict[str, tuple[str, Callable[[DynamoHealthCounts], object]]] = {
    "add": ("update_item", lambda counts: counts.add(1, "a", Tally({"o0": 1}), batch="b")),
    "list_minute": ("query", lambda counts: counts.list_minute(1)),
    "claim": ("update_item", lambda counts: counts.claim("job", 1, every_s=1)),
    "list_hours": ("query", lambda counts: counts.list_hours(1, 2)),
    "put_hour": ("update_item", lambda counts: counts.put_hour(1, UptimeHour(1, {}), seen=None)),
}
SNAPSHOT_CALLS: dict[str, tuple[str, Callable[[DynamoHealthSnapshots], object]]] = {
    "put_snapshot": ("put_item", lambda snapshots: snapshots.put_snapshot(HealthSnapshot(1, {}))),
    "find_snapshot": ("get_item", lambda snapshots: snapshots.find_snapshot()),
    "put_report": ("put_item", lambda snapshots: snapshots.put_report(HealthReport(1, {}))),
    "find_report": ("get_item", lambda snapshots: snapshots.find_report()),
}
REFUSALS = pytest.mark.parametrize(
    ("code", "expected"), [("ThrottlingException", TemporarilyBusy), ("AccessDeniedException", ClientError)]
)


@REFUSALS
@pytest.mark.parametrize("call", sorted(COUNT_CALLS))
def test_what_storage_refuses_of_counts_is_said_in_our_words_or_not_hidden(
    call: str, code: str, expected: type[Exception]
) -> None:
    client, stub = stubbed_dynamodb()
    operation, act = COUNT_CALLS[call]
    stub.add_client_error(operation, code, http_status_code=400)
    with pytest.raises(expected):
        act(DynamoHealthCounts(client, "health"))


@REFUSALS
@pytest.mark.parametrize("call", sorted(SNAPSHOT_CALLS))
def test_what_storage_refuses_of_snapshots_is_said_in_our_words_or_not_hidden(
    call: str, code: str, expected: type[Exception]
) -> None:
    client, stub = stubbed_dynamodb()
    operation, act = SNAPSHOT_CALLS[call]
    stub.add_client_error(operation, code, http_status_code=400)
    with pytest.raises(expected):
        act(DynamoHealthSnapshots(client, "health"))


def test_all_pages_of_a_minute_are_read() -> None:
    client, stub = stubbed_dynamodb()

    def page(key: str, last: bool) -> dict[str, Any]:
        found: dict[str, Any] = {"Items": [{"pk": {"S": "p"}, "sk": {"S": key}, "o0": {"N": "1"}, "ttl": {"N": "9"}}]}
        return found if last else {**found, "LastEvaluatedKey": {"pk": {"S": "p"}, "sk": {"S": key}}}

    for shard in range(4):
        stub.add_response("query", page(f"{shard}-a", False))
        stub.add_response("query", page(f"{shard}-b", True))
    found = DynamoHealthCounts(client, "health").list_minute(1)
    assert sorted(found) == sorted(f"{shard}-{part}" for shard in range(4) for part in "ab")
    assert {dict(tally.counts) == {"o0": 1} for tally in found.values()} == {True}
    stub.assert_no_pending_responses()
