"""A deployment in parts: storage that survives, and processes that need not."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from infra.catalog import built_catalog
from infra.local.emulator import Emulator, emulator

from tests.e2e.run import HOST, ROOT, environ

PROVIDER_KEY = "demo-key-of-the-tests"
_ENDS_WITHIN_S = 20


@dataclass(frozen=True, slots=True)
class Deployment:
    """`variables` is what every part finds in its environment."""

    aws: Emulator
    variables: Mapping[str, str]
    logs: Path

    def call(self, part: str, *arguments: str, **variables: str) -> Any:
        """Run a part to its end; what it says."""
        done = subprocess.run(
            command(part, *arguments),
            cwd=ROOT,
            env=dict(self.variables) | variables,
            capture_output=True,
            text=True,
            timeout=_ENDS_WITHIN_S,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout else None

    @contextmanager
    def serving(self, part: str, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
        """Run a part that serves; its process, and its address. The test may kill it."""
        with (self.logs / f"{part}.txt").open("a") as log:
            process = subprocess.Popen(
                command(part),
                cwd=ROOT,
                env=dict(self.variables) | variables,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        with process:
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                assert line, (self.logs / f"{part}.txt").read_text()
                yield process, f"http://{HOST}:{json.loads(line)['port']}"
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)

    @contextmanager
    def dynamodb(self) -> Iterator[Any]:
        client = boto3.client(
            "dynamodb",
            endpoint_url=self.aws.endpoint_url,
            region_name=self.aws.region,
            aws_access_key_id=self.aws.access_key_id,
            aws_secret_access_key=self.aws.secret_access_key,
        )
        yield client
        client.close()

    def ledger_items(self, account_id: str) -> list[dict[str, Any]]:
        """Every item of an account, as it is stored."""
        return self._items("TURNPIKE_LEDGER_TABLE", account_id)

    def byok_items(self, account_id: str) -> list[dict[str, Any]]:
        """Every provider key of an account, as it is stored."""
        return self._items("TURNPIKE_BYOK_TABLE", account_id)

    def _items(self, table: str, account_id: str) -> list[dict[str, Any]]:
        with self.dynamodb() as client:
            pages = client.get_paginator("query").paginate(
                TableName=self.variables[table],
                KeyConditionExpression="pk = :account",
                ExpressionAttributeValues={":account": {"S": f"ACCOUNT#{account_id}"}},
                ConsistentRead=True,
            )
            return [item for page in pages for item in page["Items"]]

    def move_activity(self, account_id: str, day: str) -> None:
        """Store an account's activity, whatever day it was counted on, as if that had been this one."""
        table = self.variables["TURNPIKE_LEDGER_TABLE"]
        with self.dynamodb() as client:
            for item in self.ledger_items(account_id):
                kind, *rest = item["sk"]["S"].split("#")
                if kind in ("ACTIVITY", "USER_ACTIVITY"):
                    client.delete_item(TableName=table, Key={name: item[name] for name in ("pk", "sk")})
                    client.put_item(TableName=table, Item=item | {"sk": {"S": "#".join((kind, day, rest[-1]))}})


@contextmanager
def deployment(folder: Path) -> Iterator[Deployment]:
    """Storage, tables and a provider, on this machine and apart from any local run."""
    with emulator(folder / "emulator.log") as aws:
        bare = Deployment(aws, environ(**aws.environ()), folder)
        created = bare.call("create_tables")
        variables = {
            **bare.variables,
            "TURNPIKE_LEDGER_TABLE": created["ledger"],
            "TURNPIKE_KEYS_TABLE": created["keys"],
            "TURNPIKE_USAGE_QUEUE_URL": created["usage_queue_url"],
            "TURNPIKE_BYOK_TABLE": created["byok"],
            "TURNPIKE_BYOK_KMS_KEY": created["byok_kms_key"],
            "TURNPIKE_PRESETS_TABLE": created["presets"],
            "TURNPIKE_BATCHES_TABLE": created["batches"],
            "TURNPIKE_BATCHES_BUCKET": created["batches_bucket"],
            "TURNPIKE_BATCHES_QUEUE_URL": created["batches_queue_url"],
            "TURNPIKE_CATALOG_TABLE": created["catalog"],
            "TURNPIKE_CATALOG_ARTEFACT": str(built_catalog()),
            "TURNPIKE_CATALOG_REFRESH_S": "0",
            "TURNPIKE_CATALOG_OVERRIDES": str(ROOT / "infra" / "local" / "demo_catalog.toml"),
            "TURNPIKE_LOG_FILE": str(folder / "server.log"),
            "POWERTOOLS_METRICS_DISABLED": "true",
            "DEMO_API_KEY": PROVIDER_KEY,
            "DEMO_BROKEN_API_KEY": PROVIDER_KEY,
        }
        with Deployment(aws, variables, folder).serving("serve_provider") as (_, address):
            url = f"{address}/v1"
            yield Deployment(aws, variables | {"DEMO_BASE_URL": url, "DEMO_BROKEN_BASE_URL": url}, folder)


def command(part: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "tests.e2e.child", part, *arguments]
