"""The export that upkeep does every day, from the ledger in DynamoDB to objects in S3."""

import gzip
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from infra.local.emulator import Emulator
from turnpike.bootstrap.export import export_daily
from turnpike.bootstrap.resources import Resources
from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.exports import NO_FACTS
from turnpike.domain.ids import AccountId
from turnpike.domain.ledger import Balance, LedgerEntry, balance_of
from turnpike.domain.periods import day_of
from turnpike.storage import keys
from turnpike.storage.export_marks import DynamoExportMarks
from turnpike.storage.exports import S3ExportStore
from turnpike.storage.schema import LEDGER, Table
from turnpike.telemetry import AUDIT_FAILED, AUDIT_FINDINGS, EXPORTED_ENTRIES, metrics

from tests.contracts.audited import live
from tests.contracts.exports import ExportMarksContract, ExportStoreContract
from tests.contracts.ledger import DAY, NOW, nano

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

ACCOUNTS = [AccountId("acct-1"), AccountId("acct-2")]
TODAY, TOMORROW = day_of(NOW), day_of(NOW + DAY)


@pytest.fixture(scope="module")
def bucket(s3: "S3Client") -> str:
    name = f"turnpike-test-{secrets.token_hex(4)}-exports"
    s3.create_bucket(Bucket=name)
    return name


class TestS3ExportStore(ExportStoreContract):
    @pytest.fixture
    def store(self, s3: "S3Client", bucket: str) -> S3ExportStore:
        return S3ExportStore(s3, bucket)

    @pytest.mark.parametrize("code", ["ConditionalRequestConflict", "SlowDown"])
    def test_what_passes_is_a_busy_moment(self, s3: "S3Client", bucket: str, code: str) -> None:
        with Stubber(s3) as stub:
            stub.add_client_error("put_object", code, http_status_code=409)
            with pytest.raises(TemporarilyBusy):
                S3ExportStore(s3, bucket).put_once("key", b"", NO_FACTS)


class TestDynamoExportMarks(ExportMarksContract):
    @pytest.fixture
    def marks(self, dynamodb: "DynamoDBClient", ledger_table: str) -> DynamoExportMarks:
        return DynamoExportMarks(dynamodb, ledger_table)


class Deployed:
    def __init__(self, resources: Resources, s3: "S3Client", bucket: str) -> None:
        self.resources, self.s3, self.bucket = resources, s3, bucket

    def export(self) -> int:
        """A new day's, in slices that are cut short; the number of entries that were written."""
        table = self.resources.settings.ledger_table
        self.resources.dynamodb.delete_item(TableName=table, Key=keys.job("export"))
        written = 0.0
        while not self._is_done(table):
            export_daily(self.resources, partial(next, iter([True, True]), False))
            written += sum(counted().get(EXPORTED_ENTRIES, []))
        return int(written)

    def _is_done(self, table: str) -> bool:
        found: Any = self.resources.dynamodb.get_item(TableName=table, Key=keys.job("export"))
        return "Item" in found and bool(found["Item"]["is_done"]["BOOL"])

    def objects(self, prefix: str = "") -> Mapping[str, bytes]:
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return {each["Key"]: self.s3.get_object(Bucket=self.bucket, Key=each["Key"])["Body"].read() for each in found}

    def entries(self) -> list[dict[str, Any]]:
        objects = self.objects("ledger/").values()
        return [json.loads(line) for data in objects for line in gzip.decompress(data).splitlines()]


def counted() -> Mapping[str, list[float]]:
    found = {name: metric["Value"] for name, metric in metrics.metric_set.items()}
    metrics.clear_metrics()
    return found


@pytest.fixture
def deployed(
    aws: Emulator, s3: "S3Client", new_table: Callable[[Table], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Deployed]:
    # botocore reads the process's own.
    for name, value in aws.environ().items():
        monkeypatch.setenv(name, value)
    name = f"turnpike-test-{secrets.token_hex(4)}-exports"
    s3.create_bucket(Bucket=name)
    resources = Resources(
        {
            "TURNPIKE_LEDGER_TABLE": new_table(LEDGER),
            "TURNPIKE_KEYS_TABLE": "none",
            "TURNPIKE_USAGE_QUEUE_URL": "http://127.0.0.1:9/none",
            "TURNPIKE_EXPORTS_BUCKET": name,
        }
    )
    for account_id in ACCOUNTS:
        live(resources.ledger, account_id)
    metrics.clear_metrics()
    yield Deployed(resources, s3, name)
    metrics.clear_metrics()


def balance_from(lines: list[dict[str, Any]], account_id: AccountId) -> Balance:
    return balance_of(
        LedgerEntry(
            line["entry_id"],
            account_id,
            line["kind"],
            nano(line["available_delta_nanousd"]),
            nano(line["held_delta_nanousd"]),
            line["reference"],
            0,
        )
        for line in lines
        if line["account_id"] == account_id
    )


def test_every_balance_follows_from_what_is_exported(deployed: Deployed) -> None:
    assert deployed.export() == 2 * 31
    lines = deployed.entries()
    assert len({(line["account_id"], line["entry_id"]) for line in lines}) == len(lines) == 2 * 31
    for account_id in ACCOUNTS:
        assert balance_from(lines, account_id) == deployed.resources.ledger.get_balance(account_id)
    assert sorted(deployed.objects()) == [
        *(f"ledger/day={day}/{account}.0000.jsonl.gz" for day in (TODAY, TOMORROW) for account in ACCOUNTS),
        *(f"manifests/day={day}/0000.json" for day in (TODAY, TOMORROW)),
    ]
    manifests = [json.loads(data) for data in deployed.objects("manifests/").values()]
    assert [manifest["entries"] for manifest in manifests] == [2 * 29, 2 * 2]
    usage = sum(
        -sums["available_delta_nanousd"] - sums["held_delta_nanousd"]
        for manifest in manifests
        for kind, sums in manifest["kinds"].items()
        if kind in ("capture", "overage")
    )
    assert usage == 2 * 1460


def test_another_day_changes_nothing_but_adds_what_came_late(deployed: Deployed) -> None:
    deployed.export()
    before = deployed.objects()
    assert deployed.export() == 0
    assert deployed.objects() == before

    deployed.resources.ledger.top_up(ACCOUNTS[0], nano(5), reference="late", now_s=NOW)
    assert deployed.export() == 1
    after = deployed.objects()
    assert {key: after[key] for key in before} == before
    assert after.keys() - before.keys() == {
        f"ledger/day={TODAY}/{ACCOUNTS[0]}.0001.jsonl.gz",
        f"manifests/day={TODAY}/0001.json",
    }
    assert balance_from(deployed.entries(), ACCOUNTS[0]) == deployed.resources.ledger.get_balance(ACCOUNTS[0])


def test_it_is_done_once_a_day(deployed: Deployed) -> None:
    for expected in ({EXPORTED_ENTRIES: [62]}, {}):
        export_daily(deployed.resources, lambda: True)
        assert counted() == expected


def test_what_the_ledger_lost_is_as_bad_as_what_an_audit_finds(deployed: Deployed) -> None:
    deployed.export()
    table = deployed.resources.settings.ledger_table
    deployed.resources.dynamodb.delete_item(TableName=table, Key=keys.entry(ACCOUNTS[1], "top_up#pay#1"))
    deployed.resources.dynamodb.delete_item(TableName=table, Key=keys.job("export"))
    export_daily(deployed.resources, lambda: True)
    assert counted() == {AUDIT_FINDINGS: [1], EXPORTED_ENTRIES: [0]}


def test_a_failure_is_counted_and_raises_nothing(deployed: Deployed) -> None:
    broken = Resources({**deployed.resources.environ, "TURNPIKE_EXPORTS_BUCKET": "there-is-none"})
    export_daily(broken, lambda: True)
    assert counted() == {AUDIT_FAILED: [1]}
