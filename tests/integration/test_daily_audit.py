"""The audit that upkeep does every day, in steps, and what it tells of it."""

import logging
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from infra.local.emulator import Emulator
from turnpike.bootstrap.audit import audit_daily
from turnpike.bootstrap.resources import Resources
from turnpike.domain.ids import AccountId
from turnpike.services.audit_ledger import LedgerAudit
from turnpike.services.audit_state import dump_audit, load_audit
from turnpike.services.run_daily_job import RunDailyJob
from turnpike.storage import keys
from turnpike.storage.jobs import DynamoJobs
from turnpike.storage.schema import LEDGER, Table
from turnpike.telemetry import AUDIT_FAILED, AUDIT_FINDINGS, AUDITED_ACCOUNTS, logger, metrics

from tests.contracts.audited import live
from tests.contracts.jobs import JobsContract
from tests.contracts.ledger import DAY, NOW

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class TestDynamoJobs(JobsContract):
    @pytest.fixture
    def jobs(self, dynamodb: "DynamoDBClient", new_table: Callable[[Table], str]) -> DynamoJobs:
        return DynamoJobs(dynamodb, new_table(LEDGER))


@pytest.fixture
def parts(aws: Emulator, new_table: Callable[[Table], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Resources]:
    # botocore reads the process's own.
    for name, value in aws.environ().items():
        monkeypatch.setenv(name, value)
    metrics.clear_metrics()
    yield Resources(
        {
            "TURNPIKE_LEDGER_TABLE": new_table(LEDGER),
            "TURNPIKE_KEYS_TABLE": "none",
            "TURNPIKE_USAGE_QUEUE_URL": "http://127.0.0.1:9/none",
        }
    )
    metrics.clear_metrics()


def counted() -> Mapping[str, list[float]]:
    """What was counted since the last time."""
    found = {name: metric["Value"] for name, metric in metrics.metric_set.items()}
    metrics.clear_metrics()
    return found


def test_it_is_done_once_a_day_and_tells_that_nothing_is_wrong(parts: Resources) -> None:
    live(parts.ledger, AccountId("acct-1"))
    # What was made long ago is overdue by now.
    expire_all(parts)
    for expected in ({AUDITED_ACCOUNTS: [1], AUDIT_FINDINGS: [0]}, {}):
        audit_daily(parts, lambda: True)
        assert counted() == expected


def expire_all(parts: Resources) -> None:
    for hold in parts.ledger.list_expired_holds(2**40):
        parts.ledger.expire(hold.account_id, hold.hold_id, 2**40)


class Said(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def said() -> Iterator[list[logging.LogRecord]]:
    handler = Said()
    logger.addHandler(handler)
    yield handler.records
    logger.removeHandler(handler)


def test_what_is_wrong_is_counted_and_logged_once_in_however_many_steps(
    parts: Resources, said: list[logging.LogRecord]
) -> None:
    accounts = [AccountId(f"acct-{number}") for number in range(3)]
    for account_id in accounts:
        live(parts.ledger, account_id)
    expire_all(parts)
    parts.dynamodb.update_item(
        TableName=parts.settings.ledger_table,
        Key=keys.balance(accounts[1]),
        UpdateExpression="ADD usage_total :by",
        ExpressionAttributeValues={":by": {"N": "1"}},
    )
    totals: dict[str, float] = {}
    steps = 0
    while not is_done(parts):
        audit_daily(parts, lambda: False)
        steps += 1
        for name, values in counted().items():
            totals[name] = totals.get(name, 0) + sum(values)
    assert totals == {AUDITED_ACCOUNTS: 3, AUDIT_FINDINGS: 1}
    assert steps > 3
    (record,) = said
    facts = {name: getattr(record, name) for name in ("code", "account", "subject", "says_nanousd", "should_nanousd")}
    assert facts == {
        "code": "balance_differs",
        "account": accounts[1],
        "subject": "usage_total",
        "says_nanousd": 1461,
        "should_nanousd": 1460,
    }


def is_done(parts: Resources) -> bool:
    found: Any = parts.dynamodb.get_item(TableName=parts.settings.ledger_table, Key=keys.job("audit"))
    return "Item" in found and bool(found["Item"]["is_done"]["BOOL"])


def test_a_failure_is_counted_and_raises_nothing(parts: Resources) -> None:
    broken = Resources({**parts.environ, "TURNPIKE_LEDGER_TABLE": "there-is-none"})
    audit_daily(broken, lambda: True)
    assert counted() == {AUDIT_FAILED: [1]}


def test_a_slice_is_over_in_time(dynamodb: "DynamoDBClient", new_table: Callable[[Table], str]) -> None:
    """However much time the invocation itself has: upkeep has other things to do."""
    clock = [float(NOW)]

    def step(claim: Any, time_left: Callable[[], bool]) -> tuple[bytes, bool]:
        seconds = 0
        while time_left():
            clock[0] += 1
            seconds += 1
        return claim.state + b"%d " % seconds, len(claim.state) > 4

    run = RunDailyJob(DynamoJobs(dynamodb, new_table(LEDGER)), now=lambda: clock[0], slice_s=5)
    for _ in range(4):
        assert run("long", step, time_left=lambda: True)
    assert clock[0] == NOW + 4 * 5
    assert not run("long", step, time_left=lambda: True)
    clock[0] += DAY
    assert run("long", step, time_left=lambda: True)


def test_what_another_version_has_left_is_begun_anew() -> None:
    left = orjson.loads(zlib.decompress(dump_audit(LedgerAudit(accounts=7))))
    for version, accounts in ((left["version"], 7), (left["version"] + 1, 0)):
        data = zlib.compress(orjson.dumps(left | {"version": version}))
        assert load_audit(data).accounts == accounts
