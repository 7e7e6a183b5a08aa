"""The functions' real handlers on the emulator: events as AWS sends them, storage as it will be."""

import asyncio
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from mangum import Mangum

from infra.catalog import built_catalog
from infra.local.demo_provider import DemoProvider
from infra.local.emulator import emulator
from infra.local.invoke import LocalContext, load_function
from infra.local.provision import provision
from infra.local.serving import listen, port_of, serving
from turnpike.bootstrap import resources as parts
from turnpike.bootstrap.seed import SeededKeys, seed_account
from turnpike.domain.chat import Usage
from turnpike.domain.generation import Attempt, Generation
from turnpike.domain.ids import GenerationId, KeyHash
from turnpike.domain.ledger import Hold, balance_of
from turnpike.domain.money import NanoUsd, parse_usd
from turnpike.services.settle_usage import build_usage_event
from turnpike.settings import Settings

from tests.environments import environment
from tests.proxy_events import proxy_event

ACCOUNT = "acct-functions"


@dataclass
class Deployed:
    """Every function over one emulator, in this process's own environment."""

    seeded: SeededKeys
    resources: parts.Resources

    def hold(self, hold_id: str, amount: int = 1_000, expires_at_s: int = 2**40) -> Generation:
        """Admit a generation, which will cost 400 nano-USD of its hold."""
        generation_id = GenerationId(hold_id)
        hold = Hold(generation_id, self.account_id, KeyHash("k"), NanoUsd(amount), 1, expires_at_s)
        self.resources.ledger.hold(hold)
        return Generation(
            id=generation_id,
            account_id=self.account_id,
            key_hash=KeyHash("k"),
            created_at_s=1,
            requested_model="demo/chat",
            model="demo/chat",
            provider="Demo",
            streamed=True,
            usage=Usage(1, 1),
            cost=NanoUsd(400),
        )

    @property
    def account_id(self) -> Any:
        return self.seeded.account_id

    def check(self) -> int:
        """The account's spending; asserts that its history adds up to its balance."""
        ledger = self.resources.ledger
        balance = ledger.get_balance(self.account_id)
        assert balance == balance_of(ledger.list_entries(self.account_id))
        return balance.usage_total


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder: Path = tmp_path_factory.mktemp("functions")
    sock = listen()
    with emulator(folder / "emulator.log") as aws, serving(DemoProvider("demo-key"), sock), environment(aws.environ()):
        made = provision("functions")
        settings = Settings(
            ledger_table=made.tables["ledger"],
            keys_table=made.tables["keys"],
            health_table=made.tables["health"],
            usage_queue_url=made.usage_queue_url,
            catalog_artefact=str(built_catalog()),
            catalog_overrides=str(Path("infra/local/demo_catalog.toml").resolve()),
            log_file=str(folder / "functions.log"),
        )
        demo = {"DEMO_API_KEY": "demo-key", "DEMO_BASE_URL": f"http://127.0.0.1:{port_of(sock)}/v1"}
        with environment(settings.environ(), demo):
            seeded = seed_account(os.environ, account_id=ACCOUNT, credit_usd="10")
            yield Deployed(seeded, parts.resources())


def batch(*bodies: Any) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "receiptHandle": f"receipt-{number}",
                "body": body if isinstance(body, str) else orjson.dumps(body).decode(),
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1"},
                "messageAttributes": {},
                "md5OfBody": "",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:usage",
                "awsRegion": "us-east-1",
            }
            for number, body in enumerate(bodies)
        ]
    }


def failed_of(answer: Any) -> list[str]:
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_metering_settles_what_it_can_and_returns_the_rest(deployed: Deployed) -> None:
    metering = load_function("metering", "test")
    before = deployed.check()
    good, unanswered = deployed.hold("gen-1-good"), deployed.hold("gen-1-void")
    stranger = Generation(**{**_fields(good), "id": GenerationId("gen-1-nobody")})
    answer = metering(
        batch(
            build_usage_event(good, answered=True),
            "not json",
            build_usage_event(unanswered, answered=False),
            {"version": 99},
            build_usage_event(stranger, answered=True),
            build_usage_event(good, answered=True),
        )
    )
    assert failed_of(answer) == ["message-1", "message-3", "message-4"]
    assert deployed.check() - before == 400
    assert deployed.resources.ledger.get_balance(deployed.account_id).held == 0


def test_a_batch_that_fails_whole_is_returned_whole(deployed: Deployed) -> None:
    metering = load_function("metering", "test")
    assert failed_of(metering(batch("{", "["))) == ["message-0", "message-1"]


def test_redelivery_changes_nothing(deployed: Deployed) -> None:
    metering = load_function("metering", "test")
    event = build_usage_event(deployed.hold("gen-2-again"), answered=True)
    before = deployed.check()
    for _ in range(3):
        assert failed_of(metering(batch(event, event))) == []
    assert deployed.check() - before == 400


def test_metering_counts_what_attempts_met(deployed: Deployed) -> None:
    metering = load_function("metering", "test")
    minute = int(time.time()) // 60 - 1
    # It counts for when it began, so away from the minute's edge.
    attempt = Attempt("demo", "demo/chat", "chat", 200, 9, tag="demo", ended_at_s=minute * 60 + 30)
    event = build_usage_event(replace(deployed.hold("gen-2-met"), attempts=(attempt,)), answered=True)
    for _ in range(2):
        assert failed_of(metering(batch(event))) == []
    tallies = deployed.resources.health_counts.list_minute(minute)
    assert tallies["demo|chat|demo"].attempts == 1


def test_upkeep_returns_holds_past_their_time_and_no_others(deployed: Deployed) -> None:
    upkeep = load_function("upkeep", "test")
    ledger = deployed.resources.ledger
    deployed.hold("gen-3-orphan", expires_at_s=2)
    open_generation = deployed.hold("gen-3-open")
    upkeep({"detail-type": "Scheduled Event"})
    orphan = ledger.find_hold(deployed.account_id, GenerationId("gen-3-orphan"))
    pending = ledger.find_hold(deployed.account_id, open_generation.id)
    assert orphan is not None
    assert pending is not None
    assert (orphan.state, pending.state) == ("expired", "pending")
    assert ledger.get_balance(deployed.account_id).held == 1_000
    # The message comes after all: nothing is charged, and nothing is redelivered for ever.
    before = deployed.check()
    late = Generation(**{**_fields(open_generation), "id": GenerationId("gen-3-orphan")})
    metering = load_function("metering", "test")
    assert failed_of(metering(batch(build_usage_event(late, answered=True)))) == []
    assert deployed.check() == before
    ledger.void(deployed.account_id, open_generation.id, 1, None)


@pytest.mark.parametrize("stream", [False, True])
def test_completions_answers_a_rest_api_event(deployed: Deployed, stream: bool) -> None:
    from turnpike.bootstrap.completions import app

    body = {"model": "demo/chat", "stream": stream, "messages": [{"role": "user", "content": "Hello there"}]}
    event = proxy_event(
        "POST", "/api/v1/chat/completions", key=deployed.seeded.api_key, body=orjson.dumps(body).decode()
    )
    before = deployed.check()
    with asyncio.Runner() as runner:
        asyncio.set_event_loop(runner.get_loop())
        edge = app()
        answer = Mangum(edge, lifespan="off")(event, LocalContext("completions"))  # type: ignore[arg-type]
        runner.run(edge.aclose())
    assert answer["statusCode"] == 200
    content = answer["body"]
    if stream:
        assert content.endswith("data: [DONE]\n\n")
        cost = orjson.loads(content.split("\n\n")[-3].removeprefix("data: "))["usage"]["cost"]
    else:
        cost = orjson.loads(content)["usage"]["cost"]
    # Reported before the invocation ends: the message is in the queue already.
    messages = deployed.resources.sqs.receive_message(
        QueueUrl=deployed.resources.settings.usage_queue_url, WaitTimeSeconds=5
    )["Messages"]
    metering = load_function("metering", "test")
    assert failed_of(metering(batch(*(message["Body"] for message in messages)))) == []
    assert deployed.check() - before == parse_usd(cost)


def _fields(generation: Generation) -> dict[str, Any]:
    return {name: getattr(generation, name) for name in generation.__dataclass_fields__}
