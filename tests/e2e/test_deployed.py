"""The deployed stack: the app's own templates on the emulator, called through its API Gateway with the real SDKs.

The emulator neither streams nor runs wrappers, so completions are answered whole. It does hold every function to its
role: what is missing in infra/stacks/grants.py fails here.
"""

import json
from collections.abc import Iterator
from zlib import crc32

import httpx2
import pytest
from openai import OpenAI
from openrouter import OpenRouter

from infra.routes import BASE_PATHS, ROUTES

from tests.e2e.asking import chat, http_client, nano, user
from tests.e2e.deployed import STAGE, Deployed, deployed, run
from tests.e2e.run import MARK, eventually

PATHS = [(function, base, path) for function, paths in ROUTES.items() for base in BASE_PATHS for path in paths]
# A function's first call waits for its wheels to be loaded, on a machine that is busy.
pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with deployed(tmp_path_factory.mktemp("deployed")) as stack:
        yield stack


@pytest.fixture
def http(stack: Deployed) -> Iterator[httpx2.Client]:
    with http_client(stack.base_url, stack.keys["API"]) as client:
        yield client


@pytest.fixture
def openai(stack: Deployed) -> Iterator[OpenAI]:
    with OpenAI(base_url=stack.base_url, api_key=stack.keys["API"]) as client:
        yield client


@pytest.fixture
def openrouter(stack: Deployed) -> Iterator[OpenRouter]:
    with OpenRouter(server_url=stack.base_url, api_key=stack.keys["API"]) as client:
        yield client


@pytest.fixture
def manager(stack: Deployed) -> Iterator[OpenRouter]:
    with OpenRouter(server_url=stack.base_url, api_key=stack.keys["management"]) as client:
        yield client


def test_the_commands_say_what_to_do_next(stack: Deployed) -> None:
    assert f"make bootstrap STAGE={STAGE}" in stack.said["too early"]
    assert f"make deploy STAGE={STAGE}" in stack.said["bootstrap"]
    assert f"make providers STAGE={STAGE}" in stack.said["deploy"]
    assert f"make bootstrap-account STAGE={STAGE}" in stack.said["deploy"]
    assert "served now: Demo" in stack.said["providers"]


def test_the_first_account_is_made_once(stack: Deployed) -> None:
    assert set(stack.keys) == {"operator", "management", "API"}
    assert "AGAIN=1" in run("bootstrap-account", stack.variables, fails=True)


def test_its_keys_are_stored_as_hashes_alone(stack: Deployed) -> None:
    stored = stack.client("dynamodb").scan(TableName=f"turnpike-{STAGE}-keys")["Items"]
    assert len(stored) >= len(stack.keys)
    assert not [secret for secret in stack.keys.values() if secret in str(stored)]


def test_the_status_shows_every_part(stack: Deployed) -> None:
    said = run("status", stack.variables)
    for part in ("data", "api", "operations"):
        assert f"{part:<12} CREATE_COMPLETE" in said
    assert "completions 1" in said
    assert "batches-dlq" in said


@pytest.mark.parametrize(("function", "base", "path"), PATHS, ids=lambda value: value)
def test_every_path_leads_to_its_function(stack: Deployed, function: str, base: str, path: str) -> None:
    root = stack.base_url.removesuffix(BASE_PATHS[0])
    for address in (path, f"{path}/below"):
        with http_client(root, stack.keys["API"]) as client:
            answer = client.request("PATCH", f"{base}{address}")
        # Nobody patches these, so that functions refuse, in their own words. API Gateway knows none of these.
        assert answer.status_code in (400, 401, 403, 404, 405), answer.text
        told = answer.json()
        if path == "/messages":
            # Anthropic's clients read another envelope, which does not repeat the status.
            assert (told["type"], bool(told["error"]["message"])) == ("error", True)
        else:
            assert told["error"]["code"] == answer.status_code


def test_openai_asks_and_is_charged(stack: Deployed, openai: OpenAI, http: httpx2.Client, manager: OpenRouter) -> None:
    # First of all that is charged, so that nothing of before is settled meanwhile.
    used = manager.credits.get_credits().data.total_usage
    answer = openai.chat.completions.create(model="demo/chat", messages=user())
    assert answer.choices[0].message.content
    assert answer.usage is not None
    cost = nano(answer.usage.cost)  # type: ignore[attr-defined]  # OpenRouter's own.
    assert cost > 0

    # Through the queue, metering and the ledger.
    record = eventually(lambda: _found(http, answer.id), within_s=60)
    assert nano(record["total_cost"]) == cost
    eventually(lambda: nano(manager.credits.get_credits().data.total_usage) == nano(used) + cost, within_s=60)


def test_sound_goes_in_and_out_as_it_is(openai: OpenAI) -> None:
    # The SDK asks for `application/octet-stream`, without which a stage that does not stream hands out base64.
    answer = openai.audio.speech.create(model="demo/speak", voice="a", input=f"Hi {MARK}", response_format="wav")
    spoken = answer.content
    assert spoken[:4] == b"RIFF"
    heard = openai.audio.transcriptions.create(model="demo/transcribe", file=("a.wav", spoken))
    assert f"the fingerprint {crc32(spoken):08x}" in heard.text


def test_what_embeds_is_listed_by_one_function_and_asked_of_another(openai: OpenAI, http: httpx2.Client) -> None:
    [model] = http.get("/embeddings/models").json()["data"]
    assert openai.embeddings.create(model=model["id"], input="Hello").data[0].embedding


def test_what_draws_is_listed_by_one_function_and_asked_of_another(openai: OpenAI, http: httpx2.Client) -> None:
    [model] = http.get("/images/models").json()["data"]
    assert http.get(model["endpoints"].removeprefix("/api/v1")).json()["id"] == model["id"]
    [image] = openai.images.generate(model=model["id"], prompt="A panda").data or ()
    assert image.b64_json
    assert http.post("/images", json={"model": model["id"], "prompt": "A panda"}).json()["data"]


def test_openrouter_asks_a_stream(openrouter: OpenRouter) -> None:
    with openrouter.chat.send(model="demo/chat", messages=user(), stream=True) as events:
        chunks = list(events)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert chunks[-1].usage is not None


def test_openrouter_makes_a_key_that_works(stack: Deployed, manager: OpenRouter) -> None:
    created = manager.api_keys.create(name="Made", limit=1)
    with http_client(stack.base_url, created.key) as client:
        assert client.post("/chat/completions", json=chat()).status_code == 200
        assert client.get("/key").json()["data"]["limit"] == 1
    assert created.data.hash in {key.hash for key in manager.api_keys.list().data}
    manager.api_keys.delete(hash=created.data.hash)


def test_customers_bring_their_own_keys(stack: Deployed, manager: OpenRouter) -> None:
    """Sealed by one function and opened by another, each with what the key of the stage lets it do."""
    asks = manager.api_keys.create(name="Asks over the customer's account")
    brought = {"provider": "demo", "key": "demo-byok-deployed", "allowed_api_key_hashes": [asks.data.hash]}
    with http_client(stack.base_url, stack.keys["management"]) as client:
        made = client.post("/byok", json=brought)
        assert made.status_code == 201, made.text
    with http_client(stack.base_url, asks.key) as client:
        # Environments that run already remember for 30 seconds that there was none.
        eventually(lambda: client.post("/chat/completions", json=chat()).json()["usage"]["is_byok"], within_s=60)
    assert manager.byok.delete(id=made.json()["data"]["id"]).DELETED is True


def test_a_preset_is_kept_and_used(stack: Deployed, openai: OpenAI) -> None:
    with http_client(stack.base_url, stack.keys["management"]) as client:
        kept = {"slug": "deployed", "config": {"model": "demo/chat", "max_tokens": 2}}
        assert client.post("/presets", json=kept).status_code == 201
        assert client.patch("/presets/deployed", json={"config": {"model": "demo/chat"}}).status_code == 200
        assert client.patch("/presets/deployed", json={"designated_version": 1}).status_code == 200
        answer = openai.chat.completions.create(model="@preset/deployed", messages=user())
        assert answer.usage is not None
        assert (answer.model, answer.usage.completion_tokens) == ("demo/chat", 2)
        assert client.delete("/presets/deployed").json() == {"deleted": True}


def test_the_operator_grants_credit(stack: Deployed, manager: OpenRouter) -> None:
    before = manager.credits.get_credits().data.total_credits
    grant = {"account_id": "acct-operator", "amount": 2, "idempotency_key": "once"}
    with http_client(stack.base_url, stack.keys["operator"]) as client:
        assert client.post("/credits/grants", json=grant).status_code == 201
    assert nano(manager.credits.get_credits().data.total_credits) == nano(before) + nano(2)


def test_cached_answers_are_kept(http: httpx2.Client) -> None:
    cached = {"x-openrouter-cache": "true"}
    asked = [http.post("/chat/completions", json=chat(text="again"), headers=cached) for _ in range(2)]
    assert [answer.headers["x-openrouter-cache-status"] for answer in asked] == ["MISS", "HIT"]


def test_a_batch_is_worked_off(stack: Deployed, http: httpx2.Client) -> None:
    """By two functions and what upkeep does of it, each with its own rights."""
    # A single chunk: the emulator takes ten seconds for each environment that works beside another.
    asked = [{"custom_id": f"c{number}", "body": {"messages": user(f"Say {number}")}} for number in range(2)]
    # By plain HTTP: the SDK gives up before a function has come up.
    made = http.post("/batches", json={"endpoint": "/v1/chat/completions", "model": "demo/chat", "requests": asked})
    assert made.status_code == 202, made.text
    first = made.json()["id"]
    eventually(lambda: http.get(f"/batches/{first}").json()["status"] == "completed", within_s=120, every_s=0.5)
    batch = http.get(f"/batches/{first}").json()
    assert [result["response"]["status_code"] for result in batch["results"]] == [200] * 2
    assert httpx2.get(batch["results_url"], trust_env=False).text.count("\n") == 2

    line = json.dumps({"custom_id": "u", "body": chat()}).encode()
    upload = http.post("/batches/uploads", json={"bytes": len(line)}).json()
    assert httpx2.put(upload["url"], content=line, trust_env=False).status_code == 200
    uploaded = {"endpoint": "/v1/chat/completions", "input_file_id": upload["id"]}
    second = http.post("/batches", json=uploaded).json()["id"]
    assert http.post(f"/batches/{second}/cancel").status_code in (200, 409)
    eventually(lambda: http.get(f"/batches/{second}").json()["finalized_at"], within_s=60, every_s=0.5)
    done = stack.client("lambda").invoke(FunctionName=f"turnpike-{STAGE}-upkeep:live", Payload=b"{}")
    assert "FunctionError" not in done
    said = stack.client("logs").filter_log_events(logGroupName=f"/turnpike/{STAGE}/upkeep")["events"]
    assert not [event for event in said if "batches that are due were not ended" in event["message"]]
    for each in (first, second):
        assert http.delete(f"/batches/{each}").status_code == 200


def test_models_are_public_and_those_of_its_providers(stack: Deployed) -> None:
    models = httpx2.get(f"{stack.base_url}/models", trust_env=False, timeout=30).json()["data"]
    assert {model["id"].split("/")[0] for model in models} == {"demo"}


def test_upkeep_does_what_it_has_to(stack: Deployed) -> None:
    done = stack.client("lambda").invoke(FunctionName=f"turnpike-{STAGE}-upkeep:live", Payload=b"{}")
    assert "FunctionError" not in done, done["Payload"].read()


@pytest.mark.parametrize("job", ["audit", "export"])
def test_the_ledger_is_audited_and_exported_every_day(stack: Deployed, job: str) -> None:
    """Upkeep may do all that it takes, and nobody else has done it."""
    dynamodb, key = stack.client("dynamodb"), {"pk": {"S": f"JOB#{job}"}, "sk": {"S": "STATE"}}

    def is_done() -> bool:
        stack.client("lambda").invoke(FunctionName=f"turnpike-{STAGE}-upkeep:live", Payload=b"{}")
        found = dynamodb.get_item(TableName=f"turnpike-{STAGE}-ledger", Key=key).get("Item")
        return found is not None and found["is_done"]["BOOL"]

    eventually(is_done, within_s=60, every_s=1)


def test_what_cannot_be_settled_is_delivered_again_alone(stack: Deployed) -> None:
    """One message of a batch that is nonsense: Lambda is told which, and the rest is done."""
    event = {"Records": [{"messageId": "m-1", "body": "nonsense", "eventSource": "aws:sqs"}]}
    done = stack.client("lambda").invoke(
        FunctionName=f"turnpike-{STAGE}-metering:live", Payload=json.dumps(event).encode()
    )
    assert json.load(done["Payload"]) == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}


def test_logs_hold_neither_prompts_nor_keys(stack: Deployed, http: httpx2.Client) -> None:
    assert http.post("/chat/completions", json=chat()).status_code == 200
    logs = stack.client("logs")

    def settled() -> list[str]:
        found = logs.filter_log_events(logGroupName=f"/turnpike/{STAGE}/metering")["events"]
        return [event["message"] for event in found if '"settled"' in event["message"]]

    eventually(settled, within_s=60)
    groups = logs.describe_log_groups(logGroupNamePrefix=f"/turnpike/{STAGE}/")["logGroups"]
    said = str([logs.filter_log_events(logGroupName=group["logGroupName"])["events"] for group in groups])
    assert not [secret for secret in (MARK, *stack.keys.values()) if secret in said]


def _found(http: httpx2.Client, generation_id: str) -> dict[str, float] | None:
    answer = http.get("/generation", params={"id": generation_id})
    found: dict[str, float] | None = answer.json().get("data")
    return found
