"""POST /batches sent again, and too often: one batch for one Idempotency-Key, and so many at once for one account."""

from typing import Any

import httpx2
import pytest

from tests.asgi import AsgiClient
from tests.batch_office import CHAT, Office, body, lines
from tests.scenario import ACCOUNT, SECRET, World, text

pytestmark = pytest.mark.anyio
NOW = 1_795_500_000
KEY = "orders/1 of 2"


@pytest.fixture
def office() -> Office:
    return Office(World({"one": [text("Hello")]}), now_s=NOW, most_open=2)


async def submit(office: Office, key: str | None = KEY, **members: Any) -> httpx2.Response:
    headers = {} if key is None else {"idempotency-key": key}
    given = {"endpoint": CHAT, "model": "acme/chat", "requests": [{"custom_id": "one", "body": body()}], **members}
    client = AsgiClient(office.client.app, SECRET, headers)
    return await client.post("/batches", {name: value for name, value in given.items() if value is not None})


async def uploaded(office: Office) -> str:
    upload = (await office.client.post("/batches/uploads", {"bytes": 1})).json()
    office.files.uploads[ACCOUNT, upload["id"]] = lines({"custom_id": "one", "body": body()})
    found: str = upload["id"]
    return found


def refusal(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["message"]


async def test_what_is_sent_again_is_answered_with_the_batch_as_it_is_now(office: Office) -> None:
    first = await submit(office)
    office.now_s += 5
    again = await submit(office)
    assert (again.status_code, again.json()) == (202, first.json())
    await office.run()
    later = await submit(office)
    assert (later.status_code, later.json()["id"], later.json()["status"]) == (202, first.json()["id"], "completed")
    assert len((await office.client.get("/batches")).json()["data"]) == len(office.files.inputs) == 1
    assert len(office.world.upstream.calls) == office.charged() == 1


async def test_without_a_key_or_with_another_one_it_is_another_batch(office: Office) -> None:
    made = {(await submit(office, key)).json()["id"] for key in (None, KEY)}
    assert len(made) == 2
    assert refusal(await submit(office, "other"))[0] == 429


@pytest.mark.parametrize(
    "members",
    [
        {"requests": [{"custom_id": "two", "body": body()}]},
        {"requests": [{"custom_id": "one", "body": body("Bye")}]},
        {"model": "acme/other"},
        {"provider": {"only": ["one"]}},
        {"endpoint": "/v1/messages", "requests": [{"custom_id": "one", "body": body(max_tokens=9)}]},
    ],
)
async def test_a_key_is_for_one_request(office: Office, members: dict[str, Any]) -> None:
    assert (await submit(office)).status_code == 202
    status, message = refusal(await submit(office, **members))
    assert (status, message[:54]) == (422, "This Idempotency-Key came with another request before;")
    assert len(office.files.inputs) == 1


async def test_the_order_of_members_makes_no_other_request(office: Office) -> None:
    made = [
        (await submit(office, requests=[{"custom_id": "one", "body": members}])).json()["id"]
        for members in (body(temperature=1), {"temperature": 1, **body()})
    ]
    assert made[0] == made[1]


async def test_a_batch_that_was_not_begun_is_begun_with_the_next_try(office: Office) -> None:
    office.queue.failing = True
    assert (await submit(office)).status_code == 503
    office.queue.failing = False
    batch_id = (await submit(office)).json()["id"]
    await office.run()
    assert office.find(batch_id).status == "completed"
    assert len(office.files.inputs) == len(office.world.upstream.calls) == 1


async def test_what_is_wrong_is_no_use_of_the_key(office: Office) -> None:
    assert refusal(await submit(office, requests=[{"custom_id": "", "body": body()}]))[0] == 400
    assert (await submit(office)).status_code == 202


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_a_key_has_a_length(office: Office, key: str) -> None:
    assert refusal(await submit(office, key)) == (400, "Idempotency-Key: it must have 1 to 255 characters")


async def test_a_deleted_batch_does_not_come_back(office: Office) -> None:
    batch_id = (await submit(office)).json()["id"]
    await office.run()
    assert (await office.client.delete(f"/batches/{batch_id}")).status_code == 200
    status, message = refusal(await submit(office))
    assert (status, "was deleted; send another key" in message) == (409, True)


async def test_an_upload_sent_again_is_the_same_batch(office: Office) -> None:
    asked = {"requests": None, "model": None, "input_file_id": await uploaded(office)}
    first = await submit(office, **asked)
    assert first.status_code == 202
    assert (await submit(office, **asked)).json() == first.json()
    # Without the key there is nothing to know it by.
    assert refusal(await submit(office, None, **asked))[0] == 404


async def test_an_account_has_so_many_batches_at_once(office: Office) -> None:
    made = [(await submit(office, key)).json()["id"] for key in ("a", "b")]
    upload_id = await uploaded(office)
    status, message = refusal(await submit(office, "c", requests=None, input_file_id=upload_id))
    assert (status, message[:39]) == (429, "This account has 2 batches under way, w")
    assert set(office.files.inputs) == set(made)
    # One that is known is answered all the same.
    assert (await submit(office, "a")).json()["id"] == made[0]
    assert (await office.client.post(f"/batches/{made[0]}/cancel", None)).status_code == 200
    # The upload is there still, and the key is not used up.
    assert (await submit(office, "c", requests=None, input_file_id=upload_id)).status_code == 202
    await office.run()
    assert [office.find(each).status for each in made] == ["cancelled", "completed"]
    assert (await submit(office, "d")).status_code == 202
