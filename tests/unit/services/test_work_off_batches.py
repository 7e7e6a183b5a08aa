"""Batches from their first line to their results, whatever is delivered twice, lost, refused or cancelled."""

from dataclasses import replace
from typing import Any

import anyio
import orjson
import pytest
from openrouter import components

from turnpike.domain.batch_steps import Step
from turnpike.domain.batches import CLAIM_S, WINDOW_S
from turnpike.domain.catalog import FixedCatalog
from turnpike.domain.errors import Conflict
from turnpike.domain.moderation import InputFlagged
from turnpike.domain.money import parse_usd
from turnpike.domain.waits import Waits
from turnpike.services.attempts import Watch

from tests.asgi import AsgiClient
from tests.batch_office import CHAT, Office, body, lines
from tests.scenario import ACCOUNT, SECRET, Script, World, failure, principal, text

pytestmark = pytest.mark.anyio
NOW = 1_795_500_000


def office_of(*scripts: Script, **world: Any) -> Office:
    return Office(World({"one": list(scripts or (text("Hello"),))}, **world), now_s=NOW)


def outcomes(batch: Any) -> dict[str, int]:
    """What each request came to, by custom id: 200, or the code of its error."""
    return {
        result["custom_id"]: result["error"]["code"] if result["error"] else result["response"]["status_code"]
        for result in batch["results"]
    }


async def test_all_requests_are_answered_in_order_and_charged_once() -> None:
    office = office_of()
    batch_id = await office.submit(25)
    assert (await office.get(batch_id))["status"] == "validating"
    await office.step()
    assert (await office.get(batch_id))["request_counts"] == {"total": 25, "completed": 0, "failed": 0}
    assert await office.run() == []

    batch = await office.get(batch_id)
    assert (batch["status"], batch["finalized_at"]) == ("completed", NOW)
    assert [result["custom_id"] for result in batch["results"]] == [f"c{number}" for number in range(25)]
    assert batch["request_counts"] == {"total": 25, "completed": 25, "failed": 0}
    assert len(office.world.upstream.calls) == office.charged() == 25
    spent = parse_usd("1") - office.world.ledger.get_balance(ACCOUNT).available
    assert parse_usd(batch["usage"]["cost"]) == spent
    assert (batch["usage"]["prompt_tokens"], batch["usage"]["completion_tokens"]) == (250, 125)
    # What was only needed on the way is gone.
    assert not office.files.results
    assert not office.files.chunks
    assert [each.status for each in office.over] == ["completed"]


async def test_a_result_has_what_a_request_by_itself_gets() -> None:
    office = office_of()
    batch_id = await office.submit(1)
    await office.run()
    (result,) = (await office.get(batch_id))["results"]
    answer = result["response"]["body"]
    assert answer["choices"][0]["message"]["content"] == "Hello"
    assert result["response"]["request_id"] == answer["id"]
    (generation, answered) = office.world.sent_events()[0]
    assert (generation.id, answered) == (answer["id"], True)
    assert answer["usage"]["cost"] == generation.cost / 10**9


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/v1/messages", {"max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}),
        ("/v1/responses", {"input": "Hello"}),
    ],
)
async def test_other_skins_are_counted_alike(path: str, content: dict[str, Any]) -> None:
    office = office_of()
    batch_id = await office.submit(0, endpoint=path, requests=[{"custom_id": "one", "body": content}])
    await office.run()
    batch = await office.get(batch_id)
    assert batch["usage"] == {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "cost": 2e-5}


@pytest.mark.parametrize(
    ("path", "content", "kind"),
    [
        (CHAT, body(), "invalid_request"),
        ("/v1/messages", {"max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}, "invalid_request_error"),
        ("/v1/responses", {"input": "x"}, "invalid_request"),
        ("/v1/embeddings", {"input": "x"}, "invalid_request"),
    ],
)
async def test_refusals_of_every_skin_are_told_alike(path: str, content: dict[str, Any], kind: str) -> None:
    office = office_of([failure(400, retryable=False, error_type="invalid_request")])
    known = office.world.catalog
    able = [replace(model, output_modalities=("text", "embeddings")) for model in known.models]
    office.world.catalog = FixedCatalog(able, known.providers)
    batch_id = await office.submit(0, endpoint=path, requests=[{"custom_id": "one", "body": content}])
    await office.run()
    (result,) = (await office.get(batch_id))["results"]
    error = result["error"]
    assert (error["type"], error["error_type"], error["code"]) == (kind, "invalid_request", 400)
    assert error["message"] == "It broke"


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (CHAT, body()),
        ("/v1/messages", {"max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}),
        ("/v1/responses", {"input": "x"}),
    ],
)
async def test_results_say_who_refused_and_why(path: str, content: dict[str, Any]) -> None:
    refused = failure(400, retryable=False, error_type="invalid_request")
    refused.provider_code = "bad_schema"
    office = office_of([refused])
    office.client = AsgiClient(office.client.app, SECRET, {"x-openrouter-metadata": "enabled"})
    batch_id = await office.submit(0, endpoint=path, requests=[{"custom_id": "one", "body": content}])
    await office.run()
    found = await office.get(batch_id)
    components.BatchObject.model_validate(found)
    error = found["results"][0]["error"]
    assert error["metadata"]["provider_name"] == "One"
    assert error["metadata"]["provider_code"] == "bad_schema"
    assert error["openrouter_metadata"]["attempts"][0]["status"] == 400


async def test_results_say_what_was_flagged() -> None:
    office = office_of([InputFlagged("hurt", ["violence"], provider_name="Mod", model="acme/mod")])
    batch_id = await office.submit(1)
    await office.run()
    (result,) = (await office.get(batch_id))["results"]
    assert result["error"]["metadata"]["reasons"] == ["violence"]
    assert result["error"]["code"] == 403


async def test_results_say_why_nobody_could_answer() -> None:
    office = office_of()
    batch_id = await office.submit(1, provider={"only": ["nobody"]})
    await office.run()
    (result,) = (await office.get(batch_id))["results"]
    assert result["error"]["availability"]["excluded_by"] == ["allowed_providers"]


async def test_what_breaks_inside_says_nothing_of_it() -> None:
    office = office_of([ValueError("secret")])
    batch_id = await office.submit(1)
    await office.run()
    (result,) = (await office.get(batch_id))["results"]
    assert (result["error"]["code"], result["error"]["message"]) == (500, "Internal Server Error")
    assert office.charged() == 0


async def test_what_is_delivered_again_is_not_asked_again() -> None:
    office = office_of()
    batch_id = await office.submit(12)
    for _ in range(40):
        if not office.queue.sent:
            break
        step, _ = office.queue.sent[0]
        await office.step()
        await office.work(step, lambda: 900.0)
    assert (await office.get(batch_id))["status"] == "completed"
    assert len(office.world.upstream.calls) == office.charged() == 12
    assert len(office.over) == 1


async def test_of_two_deliveries_at_once_one_asks() -> None:
    office = office_of([0.01, *text("Hello")])
    batch_id = await office.submit(10)
    await office.step()
    ((step, _),) = office.queue.sent
    office.queue.sent.clear()
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(office.work, step, lambda: 900.0)
    # Each of those who came too late has somebody look again when the claim would have run out.
    assert sorted(delay_s for _, delay_s in office.queue.sent) == [0, *[CLAIM_S] * 4]
    await office.run()
    assert (await office.get(batch_id))["status"] == "completed"
    assert len(office.world.upstream.calls) == office.charged() == 10


async def test_what_was_answered_before_a_crash_is_not_asked_again() -> None:
    office = office_of()
    batch_id = await office.submit(3)
    await office.step()
    kept = orjson.dumps({"custom_id": "c1", "response": {"status_code": 200, "body": {}}, "error": None})
    assert office.files.keep_result(office.find(batch_id), 0, 1, kept)
    await office.run()
    batch = await office.get(batch_id)
    assert len(office.world.upstream.calls) == 2
    assert batch["results"][1] == orjson.loads(kept)


async def test_a_rate_is_waited_for_as_long_as_it_takes() -> None:
    limited = failure(429, error_type="rate_limit_exceeded")
    office = office_of(*[[limited]] * 7, text("Hello"))
    batch_id = await office.submit(1)
    assert await office.run() == [1, 2, 4, 8, 16, 32, 64]
    assert (await office.get(batch_id))["status"] == "completed"
    assert office.charged() == 1


async def test_nobody_comes_again_before_the_provider_said() -> None:
    limited = failure(429, error_type="rate_limit_exceeded")
    limited.retry_after_s = 40
    world = World({"one": [[limited], text("Hello")]})
    # Its environment asks again when it is asked to, whatever it has heard.
    world.case = replace(world.case, watch=Watch(Waits(0), world, world.refusals.append))
    office = Office(world, now_s=NOW)
    batch_id = await office.submit(1)
    assert await office.run() == [40]
    assert (await office.get(batch_id))["status"] == "completed"


async def test_only_what_was_refused_comes_again() -> None:
    busy = failure(429, error_type="rate_limit_exceeded")
    office = office_of([busy], [busy], text("Hello"))
    batch_id = await office.submit(10)
    assert await office.run()
    batch = await office.get(batch_id)
    assert set(outcomes(batch).values()) == {200}
    assert office.charged() == 10


async def test_a_failure_is_the_result_when_it_does_not_pass() -> None:
    office = office_of([failure(503)])
    batch_id = await office.submit(2)
    delays = await office.run()
    batch = await office.get(batch_id)
    assert batch["status"] == "completed"
    assert batch["request_counts"] == {"total": 2, "completed": 0, "failed": 2}
    assert delays == [1, 2, 4, 8]
    error = batch["results"][0]["error"]
    assert batch["results"][0]["response"] is None
    assert (error["code"], error["error_type"], error["message"]) == (502, "provider_unavailable", "It broke")
    assert batch["usage"] is None
    assert office.charged() == 0


async def test_what_the_request_caused_is_its_result_at_once() -> None:
    refused = failure(400, retryable=False, error_type="context_length_exceeded")
    office = office_of([refused], text("Hello"))
    batch_id = await office.submit(3)
    assert await office.run() == []
    assert sorted(outcomes(await office.get(batch_id)).values()) == [200, 200, 400]


async def test_without_credit_requests_fail_and_the_batch_goes_on() -> None:
    office = office_of(credit_usd="0")
    batch_id = await office.submit(11)
    delays = await office.run()
    batch = await office.get(batch_id)
    assert batch["status"] == "completed"
    assert set(outcomes(batch).values()) == {402}
    # Credit may only have been held by what ran beside them.
    assert delays == [1, 1, 2, 2, 4, 4, 8, 8]
    assert not office.world.upstream.calls


async def test_credit_that_is_held_beside_it_fails_nothing() -> None:
    """Ten requests at once hold more than there is, and cost less."""
    office = office_of(credit_usd="0.0022", allowance_tokens=500)
    batch_id = await office.submit(10)
    for _ in range(60):
        if not office.queue.sent:
            break
        _, delay_s = await office.step()
        office.now_s += delay_s
        office.world.settle()
    assert set(outcomes(await office.get(batch_id)).values()) == {200}
    assert office.charged() == 10


@pytest.mark.parametrize(
    ("changed", "code", "says"),
    [
        ({"disabled": True}, 401, "disabled"),
        ({"expires_at_s": NOW - 1}, 401, "expired"),
        ({"limit": parse_usd("0.000001")}, 403, "Key limit exceeded"),
    ],
)
async def test_a_key_that_may_not_is_refused_as_ever(changed: dict[str, Any], code: int, says: str) -> None:
    office = office_of()
    batch_id = await office.submit(2)
    was = principal().key
    office.keys.replace(replace(was, **changed), was=was)
    await office.run()
    batch = await office.client.bearing(SECRET).get(f"/batches/{batch_id}")
    if batch.status_code == 401:
        office.keys.replace(was, was=replace(was, **changed))
    found = await office.get(batch_id)
    assert set(outcomes(found).values()) == {code}
    assert says in found["results"][0]["error"]["message"]
    assert not office.world.upstream.calls


async def test_an_answer_that_could_not_be_kept_is_not_charged() -> None:
    office = office_of()
    batch_id = await office.submit(1)
    await office.step()
    office.files.failing = True
    await office.step()
    assert office.charged() == 0
    office.files.failing = False
    await office.run()
    assert outcomes(await office.get(batch_id)) == {"c0": 200}
    assert (len(office.world.upstream.calls), office.charged()) == (2, 1)


async def test_who_was_too_slow_keeps_nothing_and_charges_nothing() -> None:
    office = office_of([0.05, *text("Slow")], text("Fast"))
    batch_id = await office.submit(1)
    await office.step()
    ((step, _),) = office.queue.sent
    office.queue.sent.clear()
    async with anyio.create_task_group() as group:
        group.start_soon(office.work, step, lambda: 900.0)
        await office.world.upstream.waiting.wait()
        office.now_s += CLAIM_S
        await office.work(step, lambda: 900.0)
    await office.run()
    (result,) = (await office.get(batch_id))["results"]
    assert result["response"]["body"]["choices"][0]["message"]["content"] == "Fast"
    assert (len(office.world.upstream.calls), office.charged()) == (2, 1)


async def test_a_cancel_stops_what_has_not_begun() -> None:
    office = office_of([0.02, *text("Hello")])
    batch_id = await office.submit(30)
    await office.step()
    async with anyio.create_task_group() as group:
        group.start_soon(office.step)
        await office.world.upstream.waiting.wait()
        answer = await office.client.post(f"/batches/{batch_id}/cancel", None)
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelling")
    again = await office.client.post(f"/batches/{batch_id}/cancel", None)
    assert again.json()["status"] == "cancelling"
    await office.run()

    batch = await office.get(batch_id)
    assert batch["status"] == "cancelled"
    assert batch["request_counts"] == {"total": 30, "completed": 10, "failed": 0}
    ended = [result["error"]["type"] for result in batch["results"] if result["error"]]
    assert ended == ["batch_cancelled"] * 20
    assert len(office.world.upstream.calls) == office.charged() == 10
    late = await office.client.post(f"/batches/{batch_id}/cancel", None)
    assert (late.status_code, late.json()["error"]["metadata"]["error_type"]) == (409, "precondition_failed")


async def test_a_batch_that_is_cancelled_at_once_never_begins() -> None:
    office = office_of()
    batch_id = await office.submit(3)
    answer = await office.client.post(f"/batches/{batch_id}/cancel", None)
    assert answer.json()["status"] == "cancelled"
    await office.run()
    batch = await office.get(batch_id)
    assert (batch["status"], batch["results"]) == ("cancelled", None)
    assert not office.world.upstream.calls


async def test_what_is_left_after_a_day_expires() -> None:
    limited = failure(429, error_type="rate_limit_exceeded")
    office = office_of(text("Hello"), [limited])
    batch_id = await office.submit(12)
    for _ in range(9):
        await office.step()
    assert (await office.get(batch_id))["status"] == "in_progress"
    office.now_s += WINDOW_S
    await office.run()
    batch = await office.get(batch_id)
    assert batch["status"] == "expired"
    assert batch["request_counts"]["total"] == 12
    assert batch["request_counts"]["completed"] == 1
    assert {result["error"]["type"] for result in batch["results"] if result["error"]} == {"batch_expired"}


@pytest.mark.parametrize("lost", ["ask", "assemble"])
async def test_a_batch_ends_even_if_its_messages_are_lost(lost: str) -> None:
    office = office_of()
    batch_id = await office.submit(12)
    while office.queue.sent:
        if office.queue.sent[0][0].kind == lost:
            office.queue.sent.pop(0)
        else:
            await office.step()
    assert office.end_due(office.now_s, time_left=lambda: True) == 0
    office.now_s += WINDOW_S
    assert office.end_due(office.now_s, time_left=lambda: True) == 1
    # It has a while to end before anybody is told again.
    assert office.end_due(office.now_s + 1, time_left=lambda: True) == 0
    await office.run()
    assert (await office.get(batch_id))["status"] == {"ask": "expired", "assemble": "completed"}[lost]
    assert office.end_due(office.now_s + 10_000, time_left=lambda: True) == 0


async def test_a_batch_that_was_never_validated_fails_in_the_end() -> None:
    office = office_of()
    batch_id = await office.submit(1)
    office.queue.sent.clear()
    office.now_s += WINDOW_S
    assert office.end_due(office.now_s, time_left=lambda: True) == 1
    await office.run()
    batch = await office.get(batch_id)
    assert batch["status"] == "failed"
    assert "submit it again" in batch["error"]["message"]


async def test_an_uploaded_file_makes_a_batch() -> None:
    office = office_of()
    offered = await office.client.post("/batches/uploads", {"bytes": 10})
    assert offered.status_code == 201
    upload_id = offered.json()["id"]
    office.files.uploads[ACCOUNT, upload_id] = lines(
        *({"custom_id": f"l{n}", "method": "POST", "url": CHAT, "body": body(model="acme/chat")} for n in range(11))
    )
    made = await office.client.post("/batches", {"endpoint": CHAT, "input_file_id": upload_id})
    assert made.status_code == 202
    await office.run()
    batch = await office.get(made.json()["id"])
    assert (batch["status"], batch["model"], len(batch["results"])) == ("completed", "acme/chat", 11)
    again = await office.client.post("/batches", {"endpoint": CHAT, "input_file_id": upload_id})
    assert again.status_code == 404


async def test_a_file_that_is_no_good_fails_the_batch_and_says_why() -> None:
    office = office_of()
    upload_id = (await office.client.post("/batches/uploads", {"bytes": 10})).json()["id"]
    office.files.uploads[ACCOUNT, upload_id] = lines({"custom_id": "a", "body": body()}) + b"{"
    made = await office.client.post("/batches", {"endpoint": CHAT, "model": "acme/chat", "input_file_id": upload_id})
    await office.run()
    batch = await office.get(made.json()["id"])
    assert (batch["status"], batch["results"]) == ("failed", None)
    assert batch["error"]["message"].startswith("line 2: it is not valid JSON")
    assert not office.world.upstream.calls


async def test_what_is_over_can_be_deleted_with_all_that_was_said() -> None:
    office = office_of()
    batch_id = await office.submit(1)
    refused = await office.client.delete(f"/batches/{batch_id}")
    assert (refused.status_code, f"POST /batches/{batch_id}/cancel" in refused.text) == (409, True)
    await office.run()
    deleted = await office.client.delete(f"/batches/{batch_id}")
    assert deleted.json() == {"id": batch_id, "object": "batch", "deletion": {"openrouter": "deleted"}}
    assert [office.files.inputs, office.files.outputs, office.files.plans] == [{}, {}, {}]
    assert (await office.client.get(f"/batches/{batch_id}")).status_code == 404


async def test_steps_of_what_is_gone_do_nothing() -> None:
    office = office_of()
    batch_id = await office.submit(1)
    steps = [step for step, _ in office.queue.sent]
    await office.run()
    over = office.find(batch_id)
    await office.client.delete(f"/batches/{batch_id}")
    for step in (*steps, Step("assemble", over.account_id, over.id), Step("end", over.account_id, over.id)):
        await office.work(step, lambda: 900.0)
    assert not office.queue.sent
    with pytest.raises(Conflict):
        office.batches.delete(replace(over, status="in_progress"))


async def test_ending_a_large_batch_is_left_to_another_when_time_runs_out() -> None:
    office = office_of()
    batch_id = await office.submit(12)
    await office.step()
    office.queue.sent.clear()
    await office.client.post(f"/batches/{batch_id}/cancel", None)
    (step, _) = office.queue.sent.pop()
    await office.work(step, lambda: 1.0)
    assert office.queue.sent == [(step, 0)]
    await office.run()
    assert (await office.get(batch_id))["status"] == "cancelled"
