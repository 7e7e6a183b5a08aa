"""Poison messages: they end among the dead letters, alone, and come back when what they failed of is put right."""

import json
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from infra import redrive
from infra.local.emulator import Emulator
from infra.local.invoke import load_function
from infra.local.poller import poll_queue
from turnpike.bootstrap import resources as parts
from turnpike.domain.dead_letters import DeadLetter, Diagnosis
from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.generation import Generation
from turnpike.domain.ids import AccountId, KeyHash, LeaseId, new_account_id, new_generation_id, new_lease_id
from turnpike.domain.ledger import Hold
from turnpike.domain.money import ZERO
from turnpike.services.audit_account import AuditAccount
from turnpike.services.redrive_usage import RedriveUsage
from turnpike.services.settle_usage import build_usage_event
from turnpike.settings import Settings
from turnpike.storage.dead_letters import SqsDeadLetters
from turnpike.storage.ledger_audit import LedgerAuditReads
from turnpike.storage.schema import KEYS, LEDGER, Table

from tests.contracts.audit_history import finished
from tests.contracts.ledger import generation, nano
from tests.e2e.run import eventually
from tests.environments import environment

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

KEY = KeyHash("k")
HOUR_S = 3600


class Queues:
    """A usage queue with its dead letters, and metering that is fed from it when it is told to."""

    def __init__(self, sqs: "SQSClient", resources: parts.Resources, usage: str, parked: str) -> None:
        self.sqs, self.resources, self.usage, self.parked = sqs, resources, usage, parked
        self.account_id: AccountId = new_account_id(time.time())
        self.ledger = resources.ledger
        self.ledger.top_up(self.account_id, nano(10_000), reference="first", now_s=int(time.time()))

    def hold(self, *, expires_in_s: int = HOUR_S, lease: bool = False) -> Hold:
        now_s = int(time.time())
        hold_id = new_lease_id(now_s) if lease else new_generation_id(now_s)
        return Hold(hold_id, self.account_id, KEY, nano(1000), now_s, now_s + expires_in_s)

    def send(self, body: object) -> None:
        self.sqs.send_message(QueueUrl=self.usage, MessageBody=_body(body))

    def park(self, body: object) -> None:
        """As SQS does when it has delivered a message often enough."""
        self.sqs.send_message(QueueUrl=self.parked, MessageBody=_body(body))

    def count(self, url: str) -> int:
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(map(int, found.values()))

    def meter(self) -> None:
        """Until the usage queue is empty: what was in it is settled or parked."""
        stop = threading.Event()
        with ThreadPoolExecutor(1) as threads:
            polling = threads.submit(poll_queue, self.usage, load_function("metering", "test"), stop)
            try:
                eventually(lambda: polling.done() or self.count(self.usage) == 0, within_s=40, every_s=0.1)
            finally:
                stop.set()
            polling.result()

    def redrive(self, *, moves: bool = True, sqs: Any = None) -> tuple[dict[str, str], int, int]:
        told: dict[str, str] = {}

        def tell(letter: DeadLetter, diagnosis: Diagnosis) -> None:
            told[diagnosis.generation_id or letter.body] = diagnosis.reason

        letters = SqsDeadLetters(sqs or self.sqs, self.usage)
        done = RedriveUsage(letters, self.ledger, self.resources.generations, tell)(moves=moves)
        return told, done.moved, done.left

    def find(self, hold: Hold) -> Generation | None:
        return self.resources.generations.find(self.account_id, hold.hold_id)  # type: ignore[arg-type]

    @property
    def charged(self) -> int:
        return self.ledger.get_balance(self.account_id).usage_total

    def check(self) -> None:
        reads = LedgerAuditReads(self.resources.dynamodb, self.resources.settings.ledger_table)
        assert finished(AuditAccount(reads, pause=lambda _: None), self.account_id).findings == []


def event(hold: Hold, **changes: Any) -> Mapping[str, Any]:
    return build_usage_event(replace(generation(hold, cost=nano(400)), **changes), answered=True)


def _body(body: object) -> str:
    return body if isinstance(body, str) else orjson.dumps(body).decode()


@pytest.fixture(scope="module")
def resources(aws: Emulator, new_table: Callable[[Table], str], tmp_path_factory: Any) -> Iterator[parts.Resources]:
    settings = Settings(
        ledger_table=new_table(LEDGER),
        keys_table=new_table(KEYS),
        usage_queue_url="",
        log_file=str(tmp_path_factory.mktemp("redrive") / "log"),
    )
    with environment(aws.environ(), settings.environ()):
        yield parts.resources()


@pytest.fixture
def queues(sqs: "SQSClient", resources: parts.Resources) -> Queues:
    """A message that failed comes again after a second, and is parked at the third time."""
    name = f"usage-{secrets.token_hex(4)}"
    parked = sqs.create_queue(QueueName=f"{name}-dlq")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=parked, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    usage = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "1", "RedrivePolicy": policy})
    return Queues(sqs, resources, usage["QueueUrl"], parked)


def test_poison_is_parked_alone_and_the_rest_of_its_batch_is_settled(queues: Queues) -> None:
    good, stranger = [queues.hold() for _ in range(4)], queues.hold()
    for hold in good:
        queues.ledger.hold(hold)
    poison = ["no json", "[]", "null", '{"version": 99, "generation": {}}', event(stranger)]
    for index, each in enumerate(poison):
        queues.send(each)
        queues.send(event(good[min(index, 3)]))

    queues.meter()

    assert queues.charged == 4 * 400
    assert all(queues.find(hold) for hold in good)
    told, moved, left = queues.redrive(moves=False)
    assert (moved, left, queues.count(queues.parked)) == (0, 5, 5)
    assert told == {
        "no json": "unreadable",
        "[]": "unreadable",
        "null": "unreadable",
        '{"version": 99, "generation": {}}': "other_version",
        stranger.hold_id: "no_hold",
    }
    # And they stay there, since they would only fail again.
    assert queues.redrive()[1:] == (0, 5)
    assert queues.count(queues.parked) == 5
    queues.check()


def test_what_was_put_right_is_redriven_and_settled_once(queues: Queues) -> None:
    hold = queues.hold()
    for _ in range(2):
        queues.send(event(hold))
    queues.meter()
    assert queues.count(queues.parked) == 2
    # Its item was lost, and is restored.
    queues.ledger.hold(hold)

    told, moved, left = queues.redrive()

    # They are alike, and the second may be the first one, come back.
    assert (told, moved, left) == ({hold.hold_id: "open"}, 1, 1)
    queues.meter()
    assert queues.charged == 400
    assert queues.redrive() == ({hold.hold_id: "recorded"}, 1, 0)
    queues.meter()
    assert (queues.charged, queues.count(queues.parked)) == (400, 0)
    queues.check()


def test_what_comes_after_its_hold_has_expired_is_recorded_at_no_charge(queues: Queues) -> None:
    alone, lease = queues.hold(expires_in_s=0), queues.hold(expires_in_s=0, lease=True)
    part = new_generation_id(time.time())
    for hold in (alone, lease):
        queues.ledger.hold(hold)
        queues.ledger.expire(queues.account_id, hold.hold_id, int(time.time()))
    queues.park(event(alone))
    queues.park(event(lease, id=part, lease_id=LeaseId(lease.hold_id)))

    assert queues.redrive() == ({alone.hold_id: "expired", part: "expired"}, 2, 0)
    queues.meter()

    assert (queues.charged, queues.count(queues.parked)) == (0, 0)
    for recorded in (queues.find(alone), queues.find(replace(alone, hold_id=part))):
        assert recorded is not None
        assert recorded.cost == ZERO
    queues.check()


class CutShort:
    """A client of SQS whose process ends just before it takes a message out."""

    def __init__(self, sqs: "SQSClient") -> None:
        self._sqs = sqs

    def __getattr__(self, name: str) -> Any:
        if name == "delete_message":
            return self._end
        return getattr(self._sqs, name)

    def _end(self, **_: Any) -> None:
        raise KeyboardInterrupt


def test_cut_short_it_loses_nothing(queues: Queues) -> None:
    holds = [queues.hold() for _ in range(3)]
    for hold in holds:
        queues.ledger.hold(hold)
        queues.park(event(hold))

    with pytest.raises(KeyboardInterrupt):
        queues.redrive(sqs=CutShort(queues.sqs))

    # One of them is in both queues now, and all are where they were.
    assert (queues.count(queues.usage), queues.count(queues.parked)) == (1, 3)
    assert queues.redrive()[1:] == (3, 0)
    queues.meter()
    assert (queues.charged, queues.count(queues.parked)) == (3 * 400, 0)
    queues.check()


def test_a_queue_that_cannot_be_reached_is_said(queues: Queues) -> None:
    with pytest.raises(TemporarilyBusy, match="cannot be reached"):
        SqsDeadLetters(queues.sqs, f"{queues.usage}-none")


def test_the_command_shows_ids_and_never_what_is_in_a_message(
    queues: Queues, resources: parts.Resources, capsys: pytest.CaptureFixture[str]
) -> None:
    hold = queues.hold()
    queues.ledger.hold(hold)
    secret = new_generation_id(0)[:-1] + "!"
    queues.park(event(hold))
    queues.park(f"private {secret}")
    queues.park(event(hold, id=f"private {secret}"))
    variables = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "TURNPIKE_"))}
    variables["TURNPIKE_USAGE_QUEUE_URL"] = queues.usage
    command = partial(redrive.main, find_variables=lambda stage, port: variables)

    assert command(["test", "--look"]) == 0
    shown = capsys.readouterr().out
    assert command(["test"]) == 1
    moved = capsys.readouterr().out

    assert "About 3 parked." in shown
    assert re.search(rf"^{hold.hold_id}  \d+ s old: its hold is still there: it will be settled$", shown, re.MULTILINE)
    assert "it is no usage event" in shown
    assert shown.splitlines()[-1] == "0 moved back, 3 left."
    assert moved.splitlines()[-1] == "1 moved back, 2 left."
    assert "private" not in shown + moved
    queues.meter()
    assert queues.charged == 400
