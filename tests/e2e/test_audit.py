"""`make audit` and `make redrive` as an operator runs them: beside a local run, and after something was spoilt."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest

from tests.e2e.asking import chat, http_client
from tests.e2e.run import ROOT, Run, environ, eventually, free_port, running

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One that may be spoilt."""
    with running(tmp_path_factory.mktemp("audit")) as run:
        yield run


@pytest.fixture
def storage(run: Run) -> Mapping[str, str]:
    return dict(line.split("=", 1) for line in (run.state / "storage").read_text().splitlines())


@pytest.fixture
def dynamodb(storage: Mapping[str, str]) -> Iterator["DynamoDBClient"]:
    client = boto3.client(
        "dynamodb",
        endpoint_url=storage["AWS_ENDPOINT_URL"],
        region_name=storage["AWS_REGION"],
        aws_access_key_id=storage["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=storage["AWS_SECRET_ACCESS_KEY"],
    )
    yield client
    client.close()


def audit(port: int) -> subprocess.CompletedProcess[str]:
    return command("audit", port)


def command(name: str, port: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"infra.{name}", "local", "--port", str(port)],
        cwd=ROOT,
        # Of the user's own account, which it must not be confused by.
        env=environ(AWS_PROFILE="work", AWS_SESSION_TOKEN="token"),
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_run_that_serves_requests_is_right(run: Run) -> None:
    with http_client(run.base_url, run.api_key) as http:
        answers = [http.post("/chat/completions", json=chat()) for _ in range(5)]
        ids = [answer.json()["id"] for answer in answers]
        # Some of them may not be settled yet, which is nothing wrong either.
        done = audit(run.port)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("Nothing is wrong in 1 account with ")

        def are_settled() -> bool:
            return all(http.get("/generation", params={"id": each}).status_code == 200 for each in ids)

        eventually(are_settled)
    assert audit(run.port).returncode == 0


def test_what_is_wrong_is_named_with_what_to_do(
    run: Run, storage: Mapping[str, str], dynamodb: "DynamoDBClient"
) -> None:
    dynamodb.update_item(
        TableName=storage["TURNPIKE_LEDGER_TABLE"],
        Key={"pk": {"S": "ACCOUNT#acct-local"}, "sk": {"S": "BALANCE"}},
        UpdateExpression="ADD credits_total :by",
        ExpressionAttributeValues={":by": {"N": "1"}},
    )
    done = audit(run.port)
    assert (done.returncode, done.stderr) == (1, "")
    headings, row, *explanation = done.stdout.splitlines()
    assert headings.split("  ")[0] == "CODE"
    assert row.split() == ["balance_differs", "acct-local", "credits_total", "10.000000001", "10"]
    assert "balance_differs: The balance is not the sum of the account's entries." in explanation[1]
    assert explanation[-1].startswith("1 thing is wrong in 1 account with ")


def test_a_port_without_a_run_is_said_plainly(tmp_path: Path) -> None:
    port = free_port()
    done = audit(port)
    assert done.returncode == 2
    assert done.stderr == f"There is no local run on port {port}; `make run PORT={port}` starts one\n"


def test_what_cannot_be_settled_is_shown_and_left(run: Run, storage: Mapping[str, str]) -> None:
    assert command("redrive", run.port).stdout == "About 0 parked.\n0 moved back, 0 left.\n"
    sqs = boto3.client(
        "sqs",
        endpoint_url=storage["AWS_ENDPOINT_URL"],
        region_name=storage["AWS_REGION"],
        aws_access_key_id=storage["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=storage["AWS_SECRET_ACCESS_KEY"],
    )
    sqs.send_message(QueueUrl=f"{storage['TURNPIKE_USAGE_QUEUE_URL']}-dlq", MessageBody="poison")
    sqs.close()
    done = command("redrive", run.port)
    assert (done.returncode, done.stderr) == (1, "")
    assert "it is no usage event" in done.stdout
    assert done.stdout.endswith("0 moved back, 1 left.\n")


def test_make_passes_on_whom_it_is_about() -> None:
    def would_run(*arguments: str) -> str:
        made = subprocess.run(
            ["make", "-n", *arguments], cwd=ROOT, env=environ(), capture_output=True, text=True, timeout=20
        )
        return made.stdout.splitlines()[-1]

    assert would_run("audit", "PORT=8788").endswith("infra.audit local --port 8788")
    assert would_run("audit", "STAGE=test").endswith("infra.audit test --port 8787")
    assert would_run("audit", "STAGE=local", "PORT=8788").endswith("infra.audit local --port 8788")
    assert would_run("audit").endswith("infra.audit prod --port 8787")
    assert would_run("redrive", "PORT=8788", "LOOK=1").endswith("infra.redrive local --port 8788 --look")
