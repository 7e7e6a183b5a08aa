"""The handlers that are deployed, each in a process of its own, on the emulator."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from infra.catalog import built_catalog
from infra.local.emulator import Emulator

from tests.proxy_events import proxy_event

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
def functions(aws: Emulator, ledger_table: str, keys_table: str, tmp_path_factory: Any) -> Functions:
    return Functions(
        {
            **aws.environ(),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(("layers/core/python", ".")),
            "TURNPIKE_LEDGER_TABLE": ledger_table,
            "TURNPIKE_KEYS_TABLE": keys_table,
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
    )

    # Seeded twice, credited once.
    assert answers[0] == (200, {"data": {"total_credits": 10.0, "total_usage": 0.0}})
    assert [status for status, _ in answers] == [200, 201, 200, 409, 200, 404]
    assert answers[4][1]["data"]["total_credits"] == 12.5


def test_catalog(functions: Functions) -> None:
    models, providers = functions(
        "catalog", proxy_event("GET", "/api/v1/models"), proxy_event("GET", "/api/v1/providers")
    )

    assert [provider["slug"] for provider in providers[1]["data"]] == ["groq"]
    assert "openai/gpt-oss-120b" in {model["id"] for model in models[1]["data"]}
