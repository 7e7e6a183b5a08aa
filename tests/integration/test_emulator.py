"""The embedded AWS: ready when entered, closed to strangers, and gone afterwards, however its parent ends."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.local.emulator import ROOT, Emulator, emulator

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LIST_FUNCTIONS = "/2015-03-31/functions/"
ENTER_AND_WAIT = """
import sys
from pathlib import Path
from infra.local.emulator import emulator
with emulator(Path(sys.argv[1])) as aws:
    print(aws.pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with emulator(tmp_path_factory.mktemp("emulator") / "emulator.log") as running:
        yield running


def dynamodb(aws: Emulator, key_id: str, secret: str) -> "DynamoDBClient":
    return boto3.client(
        "dynamodb",
        endpoint_url=aws.endpoint_url,
        region_name=aws.region,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
    )


def status_of(aws: Emulator, method: str, path: str, headers: Mapping[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", aws.port, timeout=5)
    try:
        connection.request(method, path, headers=dict(headers))
        return connection.getresponse().status
    finally:
        connection.close()


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    # A zombie has ended; it only waits for its parent to notice.
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_its_own_credentials_are_accepted(aws: Emulator) -> None:
    assert dynamodb(aws, aws.access_key_id, aws.secret_access_key).list_tables()["TableNames"] == []


@pytest.mark.parametrize("key_id", ["test", "123456789012", "AKIAUNKNOWNUNKNOWNXX"])
def test_no_other_key_is_accepted(aws: Emulator, key_id: str) -> None:
    with pytest.raises(ClientError, match="security token"):
        dynamodb(aws, key_id, "test").list_tables()


@pytest.mark.parametrize(
    ("method", "path", "authorization"),
    [
        ("GET", LIST_FUNCTIONS, None),
        ("GET", LIST_FUNCTIONS, "Bearer anything"),
        ("GET", LIST_FUNCTIONS + "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=test/x", None),
        ("POST", "/_ministack/reset", None),
        ("POST", "/_ministack/config", None),
    ],
)
def test_what_a_web_page_could_send_is_refused(
    aws: Emulator, method: str, path: str, authorization: str | None
) -> None:
    headers = {"authorization": authorization} if authorization else {}
    assert status_of(aws, method, path, headers) == 403


def test_a_reset_forgets_what_was_created(aws: Emulator) -> None:
    client = dynamodb(aws, aws.access_key_id, aws.secret_access_key)
    client.create_table(
        TableName="some",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    assert client.list_tables()["TableNames"] == ["some"]
    aws.reset()
    assert client.list_tables()["TableNames"] == []


def test_leaving_ends_it_and_removes_its_files(tmp_path: Path) -> None:
    with emulator(tmp_path / "emulator.log") as running:
        assert is_running(running.pid)
    assert not is_running(running.pid)
    assert [path.name for path in tmp_path.iterdir()] == ["emulator.log"]


def test_it_dies_with_a_parent_that_cannot_clean_up(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", ENTER_AND_WAIT, str(tmp_path / "emulator.log")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert is_running(pid)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while is_running(pid):
        assert time.monotonic() < deadline
