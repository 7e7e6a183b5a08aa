"""Batches as customers use them: with OpenRouter's SDK and plain HTTP, over providers that fail as they are told."""

import json
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2
import pytest
from openrouter import OpenRouter

from tests.e2e.asking import chat, http_client, nano, user
from tests.e2e.run import MARK, Run, eventually
from tests.e2e.simulated import Simulated
from tests.e2e.test_audit import audit

CHAT = "/v1/chat/completions"
WIRE = "openai_compatible"
OVER = ("completed", "failed", "expired", "cancelled")


def requests(count: int, **members: Any) -> list[dict[str, Any]]:
    bodies = [{"messages": user(f"Say {number}"), **members} for number in range(count)]
    return [{"custom_id": f"c{number}", "body": body} for number, body in enumerate(bodies)]


def submit(http: httpx2.Client, model: str, asked: Sequence[Mapping[str, Any]], endpoint: str = CHAT) -> str:
    answer = http.post("/batches", json={"endpoint": endpoint, "model": model, "requests": asked})
    assert answer.status_code == 202, answer.text
    batch_id: str = answer.json()["id"]
    return batch_id


def ended(http: httpx2.Client, batch_id: str, within_s: float = 30) -> dict[str, Any]:
    """The batch, when it is over."""

    def find() -> dict[str, Any] | None:
        batch: dict[str, Any] = http.get(f"/batches/{batch_id}").json()
        return batch if batch["status"] in OVER else None

    found = eventually(find, within_s=within_s, every_s=0.1)
    assert found is not None
    return found


def codes(batch: Mapping[str, Any]) -> Counter[int]:
    return Counter(
        result["error"]["code"] if result["error"] else result["response"]["status_code"] for result in batch["results"]
    )


def spent(http: httpx2.Client) -> int:
    usage: float = http.get("/key").json()["data"]["usage"]
    return nano(usage)


def test_a_request_with_a_key_can_be_sent_again(http: httpx2.Client) -> None:
    asked = {"endpoint": CHAT, "model": "demo/chat", "requests": requests(1)}
    key = {"idempotency-key": f"{MARK}-{secrets.token_hex(4)}"}
    made = [http.post("/batches", json=asked, headers=key).json()["id"] for _ in range(2)]
    assert made[0] == made[1]
    assert ended(http, made[0])["status"] == "completed"
    assert http.post("/batches", json={**asked, "model": "demo/other"}, headers=key).status_code == 422


def test_the_sdk_makes_a_batch_and_reads_its_results(openrouter: OpenRouter, http: httpx2.Client) -> None:
    asked = requests(20)
    made = openrouter.batch.create_batches(endpoint=CHAT, model="demo/chat", requests=asked)  # type: ignore[arg-type]
    assert made.status == "validating"
    ended(http, made.id)

    batch = openrouter.batch.get_batches(id=made.id)
    assert (batch.status, batch.request_counts.completed) == ("completed", 20)
    assert batch.results is not None
    assert [result.custom_id for result in batch.results] == [each["custom_id"] for each in asked]
    results = http.get(f"/batches/{made.id}").json()["results"]
    for each, result in [*zip(asked, results, strict=True)][::5]:
        single = http.post("/chat/completions", json={"model": "demo/chat", **each["body"]}).json()
        answer = result["response"]["body"]
        # All but the id and the time is what the request gets by itself.
        for name in ("model", "provider", "choices", "object"):
            assert answer[name] == single[name]
        for name in ("prompt_tokens", "completion_tokens", "cost"):
            assert answer["usage"][name] == single["usage"][name]
    listed = openrouter.batch.list(limit=100)
    assert listed is not None
    assert made.id in {each.id for each in listed.result.data}
    openrouter.batch.delete(id=made.id)
    assert http.get(f"/batches/{made.id}").status_code == 404


def test_each_request_is_a_generation_that_is_charged_once(ledger_run: Run) -> None:
    with http_client(ledger_run.base_url, ledger_run.api_key) as http:
        before = spent(http)
        batch = ended(http, submit(http, "demo/chat", requests(6)))
        costs = [nano(result["response"]["body"]["usage"]["cost"]) for result in batch["results"]]
        assert nano(batch["usage"]["cost"]) == sum(costs) > 0
        eventually(lambda: spent(http) - before == sum(costs))
        for result in batch["results"]:
            record = http.get("/generation", params={"id": result["response"]["request_id"]}).json()["data"]
            assert nano(record["total_cost"]) == nano(result["response"]["body"]["usage"]["cost"])
    done = audit(ledger_run.port)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_uploaded_file_is_worked_off_and_its_results_downloaded(http: httpx2.Client) -> None:
    lines = [
        {"custom_id": f"u{n}", "method": "POST", "url": "/v1/messages", "body": {**chat(text=f"{n}"), "max_tokens": 50}}
        for n in range(12)
    ]
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    upload = http.post("/batches/uploads", json={"bytes": len(data)}).json()
    assert httpx2.put(upload["url"], content=data, trust_env=False).status_code == 200
    made = http.post("/batches", json={"endpoint": "/v1/messages", "input_file_id": upload["id"]})
    batch = ended(http, made.json()["id"])
    assert (batch["status"], batch["model"]) == ("completed", "demo/chat")
    downloaded = httpx2.get(batch["results_url"], trust_env=False)
    assert [json.loads(line) for line in downloaded.text.splitlines()] == batch["results"]
    assert {result["response"]["body"]["type"] for result in batch["results"]} == {"message"}


def test_embeddings_come_in_batches_too(http: httpx2.Client) -> None:
    asked = [{"custom_id": f"e{n}", "body": {"input": f"Text {n} {MARK}"}} for n in range(3)]
    batch = ended(http, submit(http, "demo/embed", asked, "/v1/embeddings"))
    single = http.post("/embeddings", json={"model": "demo/embed", **asked[0]["body"]}).json()
    answer = batch["results"][0]["response"]["body"]
    assert answer["data"] == single["data"]
    assert answer["usage"] == single["usage"]
    assert batch["usage"]["completion_tokens"] == 0


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ([*requests(3), *requests(1)], "requests.3.custom_id: a request before has the same"),
        (requests(2, stream=True), "requests.0.body.stream: results of a batch are not streamed"),
        (requests(2, temperature="hot"), "requests.0.body.temperature: "),
        (requests(2, model="demo/other"), "requests.0.body.model: all requests of a batch ask one model"),
    ],
)
def test_what_is_wrong_is_said_with_its_request(http: httpx2.Client, asked: Any, says: str) -> None:
    answer = http.post("/batches", json={"endpoint": CHAT, "model": "demo/chat", "requests": asked})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(says)
    assert MARK not in answer.text


def test_a_model_that_is_not_there_is_said_before_anything_is_asked(http: httpx2.Client) -> None:
    answer = http.post("/batches", json={"endpoint": CHAT, "model": "demo/chta", "requests": requests(2)})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("requests.0.body.model: demo/chta is not a valid model ID")
    line = json.dumps({"custom_id": "one", "body": {"model": "demo/embed", "messages": user()}}).encode()
    upload = http.post("/batches/uploads", json={"bytes": len(line)}).json()
    assert httpx2.put(upload["url"], content=line, trust_env=False).status_code == 200
    made = http.post("/batches", json={"endpoint": CHAT, "input_file_id": upload["id"]}).json()
    batch = ended(http, made["id"])
    assert batch["status"] == "failed"
    assert batch["error"]["message"].startswith("line 1: body.model: demo/embed gives embeddings and not text")


def test_a_model_that_nobody_serves_here_fails_its_batch_before_anything_is_asked(http: httpx2.Client) -> None:
    batch = ended(http, submit(http, "openai/gpt-5", requests(2)))
    assert (batch["status"], batch["request_counts"]["total"]) == ("failed", 0)
    assert batch["error"]["message"] == "line 1: body.model: openai/gpt-5 is not a valid model ID"


def test_failures_are_results_and_rates_are_waited_for(sim: Simulated) -> None:
    sim.plan(WIRE, {"status": 429}, count=4)
    sim.plan(WIRE, {"status": 400}, count=3)
    sim.plan(WIRE, {"status": 500}, count=2)
    asked = requests(18)
    # Two that no provider takes, and that none is asked for.
    for number in (18, 19):
        asked.append({"custom_id": f"c{number}", "body": {"messages": user(), "provider": {"only": ["nobody"]}}})
    # Of an account to which nothing that others asked is still to be charged.
    with sim.newcomer() as http:
        batch = ended(http, submit(http, f"sim/{WIRE}", asked))
        assert batch["status"] == "completed"
        assert codes(batch) == {200: 15, 400: 3, 404: 2}
        assert batch["request_counts"] == {"total": 20, "completed": 15, "failed": 5}
        assert [result["custom_id"] for result in batch["results"]] == [f"c{number}" for number in range(20)]
        # Whatever came again, only what was refused did: the other fifteen were asked once.
        assert len(sim.requests()) == 4 + 3 + 2 + 15
        charged = sum(nano(each["response"]["body"]["usage"]["cost"]) for each in batch["results"] if each["response"])
        eventually(lambda: spent(http) == charged, within_s=30)


def test_a_cancelled_batch_asks_no_more(sim: Simulated) -> None:
    sim.plan(WIRE, {"headers_ms": 400}, count=99)
    batch_id = submit(sim.http, f"sim/{WIRE}", requests(30))
    eventually(sim.requests)
    assert sim.http.post(f"/batches/{batch_id}/cancel").json()["status"] == "cancelling"
    batch = ended(sim.http, batch_id)
    answered = [each for each in batch["results"] if each["response"]]
    left = [each["error"]["type"] for each in batch["results"] if each["error"]]
    assert (batch["status"], len(batch["results"])) == ("cancelled", 30)
    assert set(left) == {"batch_cancelled"}
    assert len(answered) == len(sim.requests()) < 30
