"""Deliveries that race for the same chunks, and cancels that race with them, on real storage."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import pytest

from turnpike.domain.batch_steps import Step
from turnpike.storage.batch_files import S3BatchFiles
from turnpike.storage.batches import DynamoBatches
from turnpike.storage.schema import BATCHES, Table

from tests.asgi import AsgiClient
from tests.batch_office import CHAT, Office, body, lines
from tests.integration.racing import at_once
from tests.scenario import SECRET, World, text

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

THREADS = 4
REQUESTS = 25


@pytest.fixture
def office(dynamodb: "DynamoDBClient", s3: "S3Client", new_table: Callable[[Table], str]) -> Office:
    bucket = f"turnpike-test-{secrets.token_hex(4)}-batches"
    s3.create_bucket(Bucket=bucket)
    return Office(
        World({"one": [[0.02, *text("Hello")]]}),
        now_s=int(time.time()),
        batches_in=DynamoBatches(dynamodb, new_table(BATCHES), retention_s=86_400),
        files_in=S3BatchFiles(s3, bucket),
    )


def deliver(office: Office, step: Step) -> None:
    asyncio.run(office.work(step, lambda: 900.0))


def due(office: Office) -> Sequence[Step]:
    """Those that wait for nothing, taken out of the queue. Who looks again when a claim has run out finds it closed."""
    found = [step for step, delay_s in office.queue.sent if not delay_s]
    office.queue.sent.clear()
    return found


def results_of(office: Office, batch_id: str) -> Any:
    return anyio.run(office.get, batch_id)["results"]


def codes(results: Any) -> Counter[str]:
    return Counter(result["error"]["type"] if result["error"] else "answered" for result in results)


def test_what_is_delivered_to_many_at_once_is_asked_once(office: Office) -> None:
    batch_id = anyio.run(office.submit, REQUESTS)
    while steps := due(office):
        for step in steps:
            at_once(*[partial(deliver, office, step)] * THREADS)
    batch = office.find(batch_id)
    assert (batch.status, batch.tally.completed, batch.closed_chunks) == ("completed", REQUESTS, 3)
    results = results_of(office, batch_id)
    assert [result["custom_id"] for result in results] == [f"c{number}" for number in range(REQUESTS)]
    assert len(office.world.upstream.calls) == office.charged() == REQUESTS
    assert len(office.over) == 1


@pytest.mark.parametrize("asked", [0, 12, REQUESTS])
def test_a_cancel_in_between_leaves_one_result_for_each(office: Office, asked: int) -> None:
    batch_id = anyio.run(office.submit, REQUESTS)
    (begin,) = due(office)
    deliver(office, begin)
    steps = due(office)

    def cancel() -> int:
        while len(office.world.upstream.calls) < asked:
            time.sleep(0.001)
        return anyio.run(office.client.post, f"/batches/{batch_id}/cancel", None).status_code

    status, *_ = at_once(cancel, *[partial(deliver, office, step) for step in (*steps, *steps)])
    while left := due(office):
        at_once(*[partial(deliver, office, step) for step in left])
    batch = office.find(batch_id)
    found = codes(results_of(office, batch_id))
    # Those who come when all is answered are told so.
    assert (status, batch.status) in ((200, "cancelled"), (409, "completed"))
    assert set(found) <= {"answered", "batch_cancelled"}
    assert found.total() == batch.tally.completed + batch.tally.ended == REQUESTS
    assert found["answered"] == len(office.world.upstream.calls) == office.charged() == batch.tally.completed


def test_an_upload_makes_one_batch_however_often_it_is_sent(office: Office) -> None:
    upload = anyio.run(office.client.post, "/batches/uploads", {"bytes": 1}).json()
    line = lines({"custom_id": "one", "body": body()})
    assert httpx2.put(upload["url"], content=line, trust_env=False).status_code == 200
    made = {"endpoint": CHAT, "model": "acme/chat", "input_file_id": upload["id"]}
    answers = at_once(*[partial(anyio.run, office.client.post, "/batches", made)] * THREADS)
    # Those who come a moment later find nothing there any more.
    assert Counter(answer.status_code for answer in answers)[202] == 1
    assert {answer.status_code for answer in answers} <= {202, 404, 409}
    assert len(office.queue.sent) == 1


def test_a_request_with_a_key_makes_one_batch_however_often_it_is_sent(office: Office, s3: "S3Client") -> None:
    client = AsgiClient(office.client.app, SECRET, {"idempotency-key": "once"})
    made = {"endpoint": CHAT, "model": "acme/chat", "requests": [{"custom_id": "one", "body": body()}]}
    answers = at_once(*[partial(anyio.run, client.post, "/batches", made)] * THREADS)
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    # Nothing is left of those who came second.
    [batch] = anyio.run(office.client.get, "/batches").json()["data"]
    [kept] = s3.list_objects_v2(Bucket=office.files._bucket)["Contents"]
    assert f"/{batch['id']}/" in kept["Key"]


def test_of_cancels_and_the_end_one_comes_first(office: Office) -> None:
    batch_id = anyio.run(office.submit, 1)
    while steps := [step for step in due(office) if step.kind != "assemble"]:
        for step in steps:
            deliver(office, step)
    batch = office.find(batch_id)
    assemble = Step("assemble", batch.account_id, batch.id)
    cancels = [partial(anyio.run, office.client.post, f"/batches/{batch_id}/cancel", None)] * 3
    answers = at_once(*[partial(deliver, office, assemble)] * 2, *cancels)
    assert {answer.status_code for answer in answers if answer is not None} == {409}
    assert office.find(batch_id).status == "completed"
    assert len(office.over) == 1
