"""Metering on the emulator: what attempts met comes out where completions and the catalog read it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from infra.local.emulator import Emulator
from infra.local.provision import create_queue, create_table
from turnpike.bootstrap import metering as composition
from turnpike.bootstrap import resources as parts
from turnpike.bootstrap.health import build_health, build_reports
from turnpike.domain.chat import Usage
from turnpike.domain.generation import Attempt, Generation
from turnpike.domain.health import endpoint_key
from turnpike.domain.ids import AccountId, GenerationId, KeyHash
from turnpike.domain.ledger import Hold
from turnpike.domain.money import NanoUsd
from turnpike.services.settle_usage import build_usage_event
from turnpike.settings import Settings
from turnpike.storage.schema import HEALTH, KEYS, LEDGER

from tests.environments import environment
from tests.scenario import endpoint

ACCOUNT = AccountId("acct-health")
GOOD, BAD = endpoint("good"), endpoint("bad")


class Metered:
    """The function in this process, over an account with credit."""

    def __init__(self, resources: parts.Resources) -> None:
        self.resources = resources
        self.composed = composition.build_metering(resources)
        self._ids = 0

    def event(self, *attempts: Attempt) -> dict[str, Any]:
        """Of a generation that is held for."""
        self._ids += 1
        hold_id = GenerationId(f"gen-{self._ids}-{time.monotonic_ns()}")
        self.resources.ledger.hold(Hold(hold_id, ACCOUNT, KeyHash("k"), NanoUsd(1_000), 1, 2**40))
        ids = (hold_id, ACCOUNT, KeyHash("k"))
        usage, cost = Usage(1, 1), NanoUsd(400)
        generation = Generation(*ids, 1, "m", "m", "Good", True, usage, cost=cost, attempts=attempts)
        return build_usage_event(generation, answered=True)

    def batch(self, *events: dict[str, Any]) -> None:
        for event in events:
            self.composed(orjson.dumps(event).decode())
        self.composed.finish()

    def counted(self, key: str) -> dict[str, int]:
        minute = int(time.time()) // 60
        tallies = [self.resources.health_counts.list_minute(each) for each in (minute - 1, minute)]
        found: dict[str, int] = {}
        for tally in tallies:
            for name, count in (tally[key].counts if key in tally else {}).items():
                # Whatever the second of the minute.
                found[name[0]] = found.get(name[0], 0) + count
        return found


def attempt(served: Any, **changes: Any) -> Attempt:
    values: dict[str, Any] = {"status": 200, "latency_ms": 9, "tag": served.tag, "ended_at_s": int(time.time())}
    return Attempt(served.provider, served.model_id, served.upstream_model, **(values | changes))


@pytest.fixture
def metered(aws: Emulator, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Metered]:
    dynamodb, sqs = request.getfixturevalue("dynamodb"), request.getfixturevalue("sqs")
    name = f"turnpike-test-{time.monotonic_ns()}"
    settings = Settings(
        ledger_table=create_table(dynamodb, LEDGER, f"{name}-ledger"),
        keys_table=create_table(dynamodb, KEYS, f"{name}-keys"),
        health_table=create_table(dynamodb, HEALTH, f"{name}-health"),
        usage_queue_url=create_queue(sqs, f"{name}-usage"),
        log_file=str(tmp_path / "log"),
    )
    with environment(aws.environ(), settings.environ()):
        resources = parts.resources()
        resources.ledger.top_up(ACCOUNT, NanoUsd(10**9), reference="start", now_s=1)
        yield Metered(resources)


def test_a_batch_is_counted_and_read(metered: Metered) -> None:
    attempts = (
        attempt(BAD, outcome="failed", status=500),
        attempt(GOOD, first_content_ms=400, output_tokens_per_s=50.0),
    )
    events = [metered.event(*attempts) for _ in range(20)]
    metered.batch(*events)
    assert metered.counted(endpoint_key(GOOD)) == {"o": 20, "l": 20, "t": 20}
    assert metered.counted(endpoint_key(BAD)) == {"f": 20}

    health = build_health(metered.resources)
    health(GOOD)
    deadline = time.monotonic() + 5
    while not (bad := health(BAD)).outage and time.monotonic() < deadline:
        # It is read by a thread that nobody is told of.
        time.sleep(0.01)
    assert (bad.outage, bad.uptime) == (True, 0.0)
    good = health(GOOD)
    assert (good.outage, good.uptime) == (False, 1.0)
    assert good.latency_s is not None
    assert good.throughput is not None
    assert (good.latency_s.p50, good.throughput.p99) == pytest.approx((0.4, 50), rel=0.06)

    told = build_reports(metered.resources)().of(GOOD, time.time())
    assert (told.uptime_last_5m, told.uptime_last_30m) == (100.0, 100.0)
    assert told.latency_last_30m is not None
    assert told.latency_last_30m.p50 == pytest.approx(400, rel=0.06)


def test_a_message_that_is_delivered_again_counts_nothing_again(metered: Metered) -> None:
    event = metered.event(attempt(GOOD))
    metered.batch(event, event)
    metered.batch(event)
    another = Metered(metered.resources)
    another.batch(event)
    assert metered.counted(endpoint_key(GOOD)) == {"o": 1, "a": 1}


def test_statistics_that_cannot_be_written_fail_no_message(metered: Metered, dynamodb: Any) -> None:
    dynamodb.delete_table(TableName=metered.resources.settings.health_table)
    event = metered.event(attempt(GOOD))
    metered.batch(event)
    balance = metered.resources.ledger.get_balance(ACCOUNT)
    assert (balance.held, balance.usage_total) == (0, 400)
