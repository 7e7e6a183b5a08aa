"""The handlers that are deployed, each in a process of its own, on the emulator."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.catalog import built_catalog
from infra.local.emulator import Emulator
from turnpike.domain.health import EndpointReport, HealthReport, Percentiles, endpoint_key
from turnpike.storage.catalog_artefact import ArtefactCatalog, read_artefact
from turnpike.storage.health_snapshots import DynamoHealthSnapshots
from turnpike.storage.schema import HEALTH, Table

from tests.proxy_events import proxy_event

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ROOT = Path(__file__).resolve().parents[2]
SEED = """
import json, os
from dataclasses import asdict
from turnpike.bootstrap.seed import seed_account
for _ in range(2):
    seeded = seed_account(os.environ, account_id="acct-seeded", credit_usd="10")
print(json.dumps(asdict(seeded)))
"""
HOST = """
import importlib, json, sys
from types import SimpleNamespace
handler = importlib.import_module(f"functions.{sys.argv[1]}.handler").handler
context = SimpleNamespace(
    function_name=sys.argv[1],
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:turnpike",
    aws_request_id="request-1",
)
answers = [handler(event, context) for event in json.load(sys.stdin)]
print(json.dumps({"answers": answers, "boto3": "boto3" in sys.modules}))
"""


class Functions:
    """Runs the functions with the environment of a deployment."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.seeded = json.loads(self._run(SEED))

    def __call__(self, function: str, *events: Mapping[str, Any]) -> Sequence[tuple[int, Any]]:
        """Status and content of each answer of one environment to its invocations in turn."""
        output = json.loads(self._run(HOST, function, stdin=json.dumps(events)))
        assert not output["boto3"]
        return [(answer["statusCode"], json.loads(answer["body"])) for answer in output["answers"]]

    def _run(self, script: str, *arguments: str, stdin: str = "") -> str:
        command = [sys.executable, "-W", "error", "-c", script, *arguments]
        ended = subprocess.run(
            command, input=stdin, env=dict(self._environ), cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        # Metrics are lines of the output before it.
        return ended.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def health_table(new_table: Callable[[Table], str]) -> str:
    return new_table(HEALTH)


@pytest.fixture(scope="module")
def functions(aws: Emulator, ledger_table: str, keys_table: str, health_table: str, tmp_path_factory: Any) -> Functions:
    return Functions(
        {
            **aws.environ(),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(("layers/core/python", ".")),
            "TURNPIKE_LEDGER_TABLE": ledger_table,
            "TURNPIKE_KEYS_TABLE": keys_table,
            "TURNPIKE_HEALTH_TABLE": health_table,
            "TURNPIKE_USAGE_QUEUE_URL": "http://127.0.0.1:9/usage",
            "TURNPIKE_CATALOG_ARTEFACT": str(built_catalog()),
            "TURNPIKE_LOG_FILE": str(tmp_path_factory.mktemp("functions") / "log"),
            "GROQ_API_KEY": "key",
        }
    )


def test_keys(functions: Functions) -> None:
    management = functions.seeded["management_key"]
    body = '{"name": "Team", "limit": 0.000000001}'

    created, listed, denied = functions(
        "keys",
        proxy_event("POST", "/api/v1/keys", key=management, body=body),
        proxy_event("GET", "/api/v1/keys", key=management),
        proxy_event("GET", "/api/v1/keys", key=functions.seeded["api_key"]),
    )

    assert (created[0], created[1]["data"]["limit"]) == (201, 1e-9)
    # Two were seeded, since seeding again makes new keys; and one was created here.
    assert {key["name"] for key in listed[1]["data"]} == {"First key", "Team"}
    assert len(listed[1]["data"]) == 3
    assert denied[0] == 403


def test_completions_answer_whole_where_nothing_streams(functions: Functions) -> None:
    event = proxy_event("POST", "/api/v1/chat/completions", key="sk-or-v1-unknown", body="{}")

    answers = functions("completions", event, event)

    assert [status for status, _ in answers] == [401, 401]
    assert answers[0][1]["error"]["code"] == 401


def test_a_key_changes_as_soon_as_it_is_made(functions: Functions) -> None:
    management = functions.seeded["management_key"]
    [(_, created)] = functions("keys", proxy_event("POST", "/api/v1/keys", key=management, body='{"name": "x"}'))
    path = f"/api/v1/keys/{created['data']['hash']}"

    answers = functions(
        "keys",
        proxy_event("PATCH", path, key=management, body='{"disabled": true}'),
        proxy_event("GET", "/api/v1/key", key=created["key"]),
        proxy_event("DELETE", path, key=management),
        proxy_event("GET", path, key=management),
    )

    assert [status for status, _ in answers] == [200, 401, 200, 404]


def test_billing(functions: Functions) -> None:
    operator = functions.seeded["management_key"]
    grant = '{"amount": 2.5, "idempotency_key": "launch"}'
    other = '{"amount": 3, "idempotency_key": "launch"}'

    answers = functions(
        "billing",
        proxy_event("GET", "/api/v1/credits", key=operator),
        proxy_event("POST", "/api/v1/credits/grants", key=operator, body=grant),
        proxy_event("POST", "/api/v1/credits/grants", key=operator, body=grant),
        proxy_event("POST", "/api/v1/credits/grants", key=operator, body=other),
        proxy_event("GET", "/api/v1/credits", key=operator),
        proxy_event("GET", "/api/v1/generation", key=operator, query={"id": ["gen-1-none"]}),
        proxy_event("GET", "/api/v1/activity", key=operator),
        proxy_event("GET", "/api/v1/analytics/meta", key=operator),
        proxy_event("POST", "/api/v1/analytics/query", key=operator, body='{"metrics": ["total_usage"]}'),
    )

    # Seeded twice, credited once.
    assert answers[0] == (200, {"data": {"total_credits": 10.0, "total_usage": 0.0}})
    assert [status for status, _ in answers] == [200, 201, 200, 409, 200, 404, 200, 200, 200]
    assert answers[6][1] == {"data": []}
    assert answers[8][1]["data"]["data"] == [{"total_usage": 0.0}]
    assert answers[4][1]["data"]["total_credits"] == 12.5


MODEL = "openai/gpt-oss-120b"


def test_catalog(functions: Functions) -> None:
    models, providers = functions(
        "catalog", proxy_event("GET", "/api/v1/models"), proxy_event("GET", "/api/v1/providers")
    )

    assert [provider["slug"] for provider in providers[1]["data"]] == ["groq"]
    assert MODEL in {model["id"] for model in models[1]["data"]}


def test_the_catalog_of_an_account_and_of_embeddings(functions: Functions) -> None:
    refused, listed, embeddings = functions(
        "catalog",
        proxy_event("GET", "/api/v1/models/user"),
        proxy_event("GET", "/api/v1/models/user", key=functions.seeded["api_key"], query={"limit": ["1"]}),
        proxy_event("GET", "/api/v1/embeddings/models"),
    )

    assert refused[0] == 401
    assert len(listed[1]["data"]) == 1
    assert embeddings == (200, {"data": [], "links": {"next": None}, "total_count": 0})


def test_the_catalog_tells_how_endpoints_have_been_doing(
    functions: Functions, dynamodb: "DynamoDBClient", health_table: str
) -> None:
    path = f"/api/v1/models/{MODEL}/endpoints"
    key = functions.seeded["api_key"]
    [unknown] = functions("catalog", proxy_event("GET", path, key=key))
    latency = Percentiles(200.0, 250.0, 300.0, 400.0)
    catalog = ArtefactCatalog(read_artefact(built_catalog()), {"GROQ_API_KEY": "key"})
    known = {
        endpoint_key(each): EndpointReport(100.0, 99.0, 98.0, latency) for each in catalog.get_model(MODEL).endpoints
    }
    DynamoHealthSnapshots(dynamodb, health_table).put_report(HealthReport(time.time(), known))

    told, to_anybody, without_retention = functions(
        "catalog",
        proxy_event("GET", path, key=key),
        proxy_event("GET", path),
        proxy_event("GET", "/api/v1/endpoints/zdr", key=key),
    )

    assert {each["uptime_last_30m"] for each in unknown[1]["data"]["endpoints"]} == {None}
    for status, content in (told, to_anybody):
        assert status == 200
        assert {each["uptime_last_30m"] for each in content["data"]["endpoints"]} == {99.0}
    presented = {"p50": 200.0, "p75": 250.0, "p90": 300.0, "p99": 400.0}
    assert [each["latency_last_30m"] for each in told[1]["data"]["endpoints"]] == [presented] * len(known)
    assert {each["latency_last_30m"] for each in to_anybody[1]["data"]["endpoints"]} == {None}
    assert without_retention[0] == 200
