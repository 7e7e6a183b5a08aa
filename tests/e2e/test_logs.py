"""Nothing that a customer says, and no key, is in any log. Runs last, over the logs of everything before it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2

from tests.e2e.asking import WEATHER, chat, user
from tests.e2e.deployment import Deployment
from tests.e2e.run import MARK, Run, eventually

HEADERS = {
    "user-agent": f"agent/{MARK}",
    "http-referer": f"https://app.example/{MARK}",
    "x-title": f"The app {MARK}",
    "x-session-id": f"session-{MARK}",
    "x-something": MARK,
    "cookie": f"session={MARK}",
    MARK: "a header's name",
}
# What the demo provider says of itself: part of every completion.
COMPLETION = "This answer comes from the demo provider"


def requests(run: Run) -> Sequence[tuple[str, str, dict[str, Any]]]:
    """Method, address and the rest, with something to betray in each; answered, refused, or failing."""
    complete = chat(
        tools=[WEATHER],
        user=f"user-{MARK}",
        session_id=f"session-{MARK}",
        metadata={MARK: MARK},
        provider={"options": {"demo": {MARK: MARK}}},
    )
    called = [{"id": MARK, "type": "function", "function": {"name": MARK, "arguments": f'{{"{MARK}": 1}}'}}]
    talk = [
        *user(),
        {"role": "assistant", "tool_calls": called},
        {"role": "tool", "tool_call_id": MARK, "content": MARK},
    ]
    manager = {"authorization": f"Bearer {run.management_key}"}
    stranger = {"authorization": f"Bearer sk-or-v1-{MARK}"}
    chats: list[dict[str, Any]] = [
        {"json": complete},
        {"json": complete | {"stream": True}},
        {"json": complete | {"messages": talk}},
        {"json": complete | {"messages": user("What is the weather?"), "stream": True}},
        {"json": complete | {"model": "demo/midstream-error", "stream": True}},
        {"json": complete | {"model": "demo/midstream-error"}},
        {"json": complete | {"model": "demo/fallback"}},
        {"json": complete | {"model": "demo/down"}},
        {"json": complete | {"model": "demo/busy", "stream": True}},
        {"json": complete | {"model": MARK}},
        {"json": complete | {"provider": {"only": [MARK]}}},
        {"json": complete | {"provider": {MARK: MARK}}},
        {"json": complete | {"temperature": MARK}},
        {"json": complete | {"messages": [{"role": MARK, "content": MARK}]}},
        {"json": complete | {"max_tokens": 10**9}},
        {"json": complete | {"response_format": {"type": MARK}}},
        {"content": f'{{"{MARK}": '.encode()},
        {"content": MARK.encode()},
        {"content": f'"{MARK}\\ud800"'.encode()},
        {"content": f'{{"model": "{MARK}", "messages": "{"x" * 7_000_000}"}}'.encode()},
        {"json": complete, "headers": stranger},
        {"json": complete, "headers": manager},
    ]
    speech = {"model": "demo/speak", "input": MARK, "voice": MARK, "instructions": MARK, "user": MARK}
    form = {"data": {"model": "demo/transcribe", "prompt": MARK}, "files": {"file": (f"{MARK}.wav", MARK.encode())}}
    sounds: list[tuple[str, dict[str, Any]]] = [
        ("/audio/speech", {"json": speech}),
        ("/audio/speech", {"json": speech | {"response_format": "mp3"}}),
        ("/audio/speech", {"json": speech | {"speed": MARK}}),
        ("/audio/transcriptions", form),
        ("/audio/transcriptions", {**form, "data": {"model": MARK, MARK: MARK}}),
        ("/audio/transcriptions", {**form, "files": {MARK: (MARK, MARK.encode())}}),
        (
            "/audio/transcriptions",
            {"json": {"model": "demo/transcribe", "input_audio": {"url": f"https://{MARK}/a.wav"}}},
        ),
    ]
    query = {
        "metrics": ["request_count"],
        "dimensions": ["external_user", "app"],
        "filters": [{"field": "external_user", "operator": "in", "value": [f"user-{MARK}"]}],
    }
    return [
        *(("POST", "/chat/completions", each) for each in chats),
        *(("POST", path, each) for path, each in sounds),
        ("GET", f"/{MARK}", {}),
        ("GET", f"/models/{MARK}/{MARK}/endpoints?{MARK}={MARK}", {}),
        ("GET", f"/models?sort={MARK}", {}),
        ("GET", f"/generation?id={MARK}", {}),
        ("DELETE", f"/keys/{MARK}", {"headers": manager}),
        ("POST", "/keys", {"json": {"name": MARK, "limit": MARK}, "headers": manager}),
        ("POST", "/keys", {"json": {"name": MARK}, "headers": manager}),
        *provider_keys(manager),
        ("POST", "/credits/grants", {"json": {"amount": 1, "idempotency_key": MARK}, "headers": manager}),
        ("GET", f"/activity?date={MARK}", {"headers": manager}),
        ("POST", "/analytics/query", {"json": {"metrics": [MARK]}, "headers": manager}),
        ("POST", "/analytics/query", {"json": query, "headers": manager}),
    ]


def provider_keys(manager: dict[str, str]) -> Sequence[tuple[str, str, dict[str, Any]]]:
    """Customers' own, which are disabled, refused, or for nobody."""
    key = {"provider": "groq", "key": f"gsk_{MARK}", "disabled": True}
    account = f'{{"type": "service_account", "private_key": "{MARK}"'
    bodies: list[dict[str, Any]] = [
        {**key, "name": MARK, "allowed_models": [MARK]},
        {**key, "key": f"{MARK} {MARK}"},
        {**key, "key": [MARK]},
        {**key, "provider": MARK},
        {**key, "provider": "azure", "key": f'[{{"api_key": "{MARK}"'},
        {**key, "provider": "amazon-bedrock", "key": f'{{"accessKeyId": "{MARK}", "secretAccessKey": "{MARK}"}}'},
        {**key, "provider": "google-vertex", "key": f'{account}, "client_email": "{MARK}", "project_id": "p"}}'},
        {**key, "provider": "google-vertex", "key": account},
        {**key, MARK: MARK},
    ]
    return [
        *(("POST", "/byok", {"json": body, "headers": manager}) for body in bodies),
        ("PATCH", f"/byok/{MARK}", {"json": {"key": MARK}, "headers": manager}),
        ("GET", f"/byok?provider={MARK}", {"headers": manager}),
    ]


def test_no_log_betrays_what_was_said(run: Run, ledger_run: Run, parts: Deployment, http: httpx2.Client) -> None:
    secrets = {MARK, COMPLETION, "Authorization", "Bearer"}
    secrets |= {each.api_key for each in (run, ledger_run)} | {each.management_key for each in (run, ledger_run)}
    generations = set()
    for method, path, rest in requests(run):
        headers = HEADERS | rest.pop("headers", {})
        response = http.request(method, path, headers=headers, **rest)
        assert response.status_code < 600
        if "x-generation-id" in response.headers:
            generations.add(response.headers["x-generation-id"])
        if path == "/keys" and response.status_code == 201:
            secrets.add(response.json()["key"])

    assert len(generations) >= 7
    server_log = run.state / "server.log"
    # Settled means logged too: without these lines there would be nothing to betray anything.
    eventually(lambda: all(each in server_log.read_text() for each in generations))
    assert len(secrets) == 9
    for log in [*run.logs(), *ledger_run.logs(), run.said, ledger_run.said, *parts.logs.iterdir()]:
        if log.is_file():
            # What a run says at its start has the keys in it, for the user to paste.
            check_lines(log, secrets if log.suffix == ".log" else {MARK, COMPLETION})


def check_lines(log: Path, secrets: set[str]) -> None:
    betrayed = [
        (log.name, number, line)
        for number, line in enumerate(log.read_text(errors="replace").splitlines(), 1)
        if any(secret.lower() in line.lower() for secret in secrets)
    ]
    assert betrayed == []


def test_nothing_unexpected_is_in_the_logs(run: Run, ledger_run: Run) -> None:
    for each in (run, ledger_run):
        lines = (each.state / "server.log").read_text().splitlines()
        unexpected = [line for line in lines if '"level":"INFO"' not in line]
        assert unexpected == []
