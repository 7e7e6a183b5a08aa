"""What a request writes and reads in DynamoDB, counted by the emulator as AWS counts it, and what that costs.

A key asks a hundred times, twice a second. What is leased is written once for many of them, and what metering
receives together is settled together.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import botocore.session

from infra.local.emulator import Emulator, emulator
from infra.local.provision import create_table
from turnpike.domain.money import NanoUsd, parse_usd
from turnpike.services.settle_usage import SettleUsage
from turnpike.storage.ledger import DynamoLedger
from turnpike.storage.schema import LEDGER

from tests.bench.composition import STATE
from tests.bench.figures import Figure
from tests.scenario import ACCOUNT, World, request, text

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

REQUESTS, EVERY_S = 100, 0.5
_LEASE_S = 60
_LIMIT = parse_usd("100")
USD_PER_WRITE_UNIT = 0.625e-6
USD_PER_READ_UNIT = 0.125e-6
"""On demand, us-east-1, since November 2024: https://aws.amazon.com/dynamodb/pricing/on-demand/"""


@dataclass(frozen=True, slots=True)
class Way:
    name: str
    lease_s: int
    settled_by: int
    """So many of them at once."""
    limit: NanoUsd | None = None


WAYS = (
    Way("a hold each, settled alone", 0, 1),
    Way("a hold each, settled by ten", 0, 10),
    Way("leased, settled alone", _LEASE_S, 1),
    Way("leased, settled by ten", _LEASE_S, 10),
    Way("a hold each, settled alone, key with a limit", 0, 1, _LIMIT),
    Way("leased, settled by ten, key with a limit", _LEASE_S, 10, _LIMIT),
)


class Clock:
    """Monday, 23 November 2026, 10:00 UTC, until it is moved."""

    def __init__(self) -> None:
        self.now = 1_795_428_000.0

    def __call__(self) -> float:
        return self.now


class Meter:
    """Adds up what DynamoDB says that each call consumed."""

    def __init__(self, client: "DynamoDBClient") -> None:
        self.calls = 0
        self.units: Counter[str] = Counter()
        client.meta.events.register("provide-client-params.dynamodb", self._ask)
        client.meta.events.register("after-call.dynamodb", self._note)

    def _ask(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        if "ReturnConsumedCapacity" in model.input_shape.members:
            params["ReturnConsumedCapacity"] = "TOTAL"

    def _note(self, parsed: Mapping[str, Any], model: Any, **_: Any) -> None:
        self.calls += 1
        consumed = parsed.get("ConsumedCapacity", [])
        kind = "write" if model.name in ("TransactWriteItems", "PutItem", "UpdateItem", "DeleteItem") else "read"
        for each in consumed if isinstance(consumed, list) else [consumed]:
            self.units[kind] += each["CapacityUnits"]


def measure_writes(say: Callable[[str], None]) -> list[Figure]:
    figures: list[Figure] = []
    with emulator(STATE / "writes.log") as aws:
        for number, way in enumerate(WAYS):
            say(f"writes: {way.name}")
            client = _client(aws)
            table = create_table(client, LEDGER, f"turnpike-bench-ledger-{number}")
            figures += asyncio.run(_measure(way, client, DynamoLedger(client, table)))
    return figures


async def _measure(way: Way, client: "DynamoDBClient", ledger: DynamoLedger) -> list[Figure]:
    clock = Clock()
    ledger.top_up(ACCOUNT, parse_usd("1000"), reference="bench", now_s=int(clock()))
    world = World({"one": [text("Hello", " there")]}, credit_usd="0", lease_s=way.lease_s, ledger=ledger, now=clock)
    meter, before = Meter(client), 0
    for _ in range(REQUESTS):
        called = meter.calls
        call = await world.call(request("Tell me about turnpikes. " * 20), limit=way.limit)
        before += meter.calls - called
        await call.stream(_ignore)
        await call.report()
        clock.now += EVERY_S
    if world.leases is not None:
        await world.leases.aclose()
    _settle(world, ledger, way, int(clock()))
    balance = ledger.get_balance(ACCOUNT)
    assert balance.held == 0, "something was not settled"
    return _figures(way, meter, before)


def _settle(world: World, ledger: DynamoLedger, way: Way, now_s: int) -> None:
    settle = SettleUsage(ledger)
    events = world.sent_events()
    for start in range(0, len(events), way.settled_by):
        some = events[start : start + way.settled_by]
        settled = settle.together(some, now_s)
        for generation, answered in some:
            if generation.id not in settled:
                settle(generation, answered, now_s)


def _figures(way: Way, meter: Meter, before: int) -> list[Figure]:
    writes, reads = (meter.units[kind] / REQUESTS for kind in ("write", "read"))
    usd = (writes * USD_PER_WRITE_UNIT + reads * USD_PER_READ_UNIT) * 1_000_000
    note = f"{writes:.1f} write and {reads:.1f} read units, ${usd:.2f} a million requests"
    return [
        Figure(f"{way.name}: calls before the provider", before / REQUESTS, ""),
        Figure(f"{way.name}: write units", writes, "", None, note),
    ]


def _client(aws: Emulator) -> "DynamoDBClient":
    session = botocore.session.get_session()
    return cast(
        "DynamoDBClient",
        session.create_client(
            "dynamodb",
            endpoint_url=aws.endpoint_url,
            region_name=aws.region,
            aws_access_key_id=aws.access_key_id,
            aws_secret_access_key=aws.secret_access_key,
        ),
    )


async def _ignore(_: object) -> None:
    """What is emitted is not looked at."""
