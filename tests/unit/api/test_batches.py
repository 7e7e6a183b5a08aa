"""/batches through the app: the shapes of the reference, and what is refused at the door."""

from dataclasses import replace
from typing import Any

import pytest
from openrouter import components

from turnpike.api.auth import Guard
from turnpike.api.batches import routes as batches
from turnpike.api.edge import Edge
from turnpike.api.presets.expand import ExpandPreset
from turnpike.domain.api_keys import ApiKey, hash_secret, label_of
from turnpike.domain.batches import MOST_BYTES
from turnpike.domain.catalog import FixedCatalog
from turnpike.domain.errors import NotFound
from turnpike.domain.ids import AccountId
from turnpike.domain.presets import Preset
from turnpike.services.authenticate import Authenticate

from tests.asgi import AsgiClient
from tests.batch_office import CHAT, Office, body
from tests.contracts.presets import new_preset, new_version
from tests.scenario import ACCOUNT, SECRET, World, endpoint, failure, text

pytestmark = pytest.mark.anyio
NOW = 1_795_500_000
MANAGEMENT, FOREIGN = (f"sk-or-v1-{letter * 64}" for letter in "bc")


@pytest.fixture
def office() -> Office:
    office = Office(World({"one": [text("Hello")]}), now_s=NOW)
    office.keys.create(ApiKey(hash_secret(MANAGEMENT), ACCOUNT, "", label_of(MANAGEMENT), "management"))
    office.keys.create(ApiKey(hash_secret(FOREIGN), AccountId("acct-other"), "", label_of(FOREIGN)))
    return office


def submitted(**members: Any) -> dict[str, Any]:
    given = {"endpoint": CHAT, "model": "acme/chat", "requests": [{"custom_id": "one", "body": body()}], **members}
    return {name: value for name, value in given.items() if value is not None}


async def test_a_new_batch_is_as_the_reference_has_it(office: Office) -> None:
    answer = await office.client.post("/batches", submitted())
    assert answer.status_code == 202
    made = answer.json()
    components.BatchObject.model_validate(made)
    assert made == {
        "id": made["id"],
        "object": "batch",
        "endpoint": CHAT,
        "model": "acme/chat",
        "status": "validating",
        "provider": None,
        "completion_window": "24h",
        "created_at": NOW,
        "expires_at": NOW + 86_400,
        "finalized_at": None,
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "usage": None,
        "error": None,
        "results": None,
        "results_url": None,
    }


@pytest.mark.parametrize("script", [text("Hello"), [failure(400, retryable=False, error_type="invalid_request")]])
async def test_results_are_what_typed_clients_read(office: Office, script: Any) -> None:
    office.world.upstream.scripts["one"][:] = [script]
    batch_id = await office.submit(2)
    await office.run()
    found = await office.get(batch_id)
    parsed = components.BatchObject.model_validate(found)
    assert parsed.results is not None
    assert [result.custom_id for result in parsed.results] == ["c0", "c1"]
    assert parsed.results[0].error is None or parsed.results[0].error.type == "invalid_request"
    assert found["results_url"]


async def test_they_are_listed_as_the_reference_has_it(office: Office) -> None:
    made = []
    for _ in range(3):
        made.append(await office.submit())
        office.now_s += 1
    newest = list(reversed(made))
    answer = await office.client.get("/batches?limit=2&status=validating&status=failed")
    page = answer.json()
    components.BatchListResponse.model_validate(page)
    assert [each["id"] for each in page["data"]] == newest[:2]
    assert (page["first_id"], page["last_id"], page["has_more"]) == (newest[0], newest[1], True)
    rest = (await office.client.get(f"/batches?limit=2&after={page['last_id']}")).json()
    assert ([each["id"] for each in rest["data"]], rest["has_more"]) == (newest[2:], False)
    since = (await office.client.get(f"/batches?created_after={NOW}")).json()["data"]
    assert [each["id"] for each in since] == newest[:2]
    assert not (await office.client.get("/batches?created_before=2026-11-24")).json()["data"]
    assert len((await office.client.get("/batches?created_after=2026-11-24T05:59:59Z")).json()["data"]) == 3


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("limit=0", "limit: must be from 1 to 100"),
        ("limit=101", "limit: must be from 1 to 100"),
        ("status=done", "status: must be one of validating"),
        ("created_after=yesterday", "created_after: must be a time"),
    ],
)
async def test_a_list_that_cannot_be_made_says_why(office: Office, query: str, says: str) -> None:
    answer = await office.client.get(f"/batches?{query}")
    assert (answer.status_code, answer.json()["error"]["message"][: len(says)]) == (400, says)


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"endpoint": "/v1/chat"}, "endpoint: must be one of /v1/chat/completions"),
        ({"endpoint": "/v1/embeddings"}, "requests.0.body.input: Field required"),
        ({"model": None}, "model: Field required"),
        ({"requests": []}, "requests: List should have at least 1 item"),
        ({"requests": None}, "requests: send either requests or input_file_id"),
        ({"input_file_id": "upload-1-" + "a" * 20}, "requests: send either requests or input_file_id"),
        ({"requests": None, "input_file_id": "../other"}, "input_file_id: it must be an id"),
        ({"requests": None, "input_file_id": "upload-1-" + "/" * 20}, "input_file_id: it must be an id"),
        ({"completion_window": "1h"}, "completion_window: "),
        ({"callback_url": "https://example.com"}, "callback_url: webhooks are not supported"),
        ({"provider": {"order": ["one"]}}, "provider.order: "),
        ({"requests": [{"body": {}}]}, "requests.0.custom_id: Field required"),
        ({"requests": [{"custom_id": "a", "body": body()}] * 2}, "requests.1.custom_id: a request before has the same"),
        ({"requests": [{"custom_id": "a", "body": body(stream=True)}]}, "requests.0.body.stream: "),
        ({"requests": [{"custom_id": "a", "body": {}}]}, "requests.0.body.messages: "),
        ({"model": "acme/chta"}, "requests.0.body.model: acme/chta is not a valid model ID"),
        ({"model": "@preset/mine"}, "requests.0.body.model: This deployment keeps no presets"),
    ],
)
async def test_what_is_wrong_is_said_at_once(office: Office, members: dict[str, Any], says: str) -> None:
    answer = await office.client.post("/batches", submitted(**members))
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(says)
    assert not office.queue.sent


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("@preset/gone", "requests.0.body.model: There is no preset gone"),
        ("@preset/lost", "requests.0.body.model: acme/lost is not a valid model ID"),
        ("acme/lost@preset/mine", "requests.0.body.model: acme/lost is not a valid model ID"),
        ("@preset/mine", ""),
        ("acme/lost@preset/both", ""),
    ],
)
async def test_presets_are_looked_up_before_anything_is_asked(model: str, says: str) -> None:
    presets = {
        "mine": {"model": "acme/chat"},
        "lost": {"model": "acme/lost"},
        "both": {"models": ["acme/chat"]},
    }

    async def find(account_id: AccountId, slug: str) -> Preset:
        if account_id != ACCOUNT or slug not in presets:
            raise NotFound(f"There is no preset {slug}")
        return new_preset(ACCOUNT, slug, designated=new_version(config=presets[slug]))

    office = Office(World({"one": [text("Hello")]}), now_s=NOW, expand=ExpandPreset(find).for_account)
    answer = await office.client.post("/batches", submitted(model=model))
    assert answer.status_code == (400 if says else 202)
    assert not says or answer.json()["error"]["message"].startswith(says)


async def test_embeddings_take_a_preset_for_chats() -> None:
    """Of which they take the models, and pass over the rest."""
    config = {"model": "acme/embed", "plugins": [{"id": "moderation"}], "max_tokens": 9}

    async def find(account_id: AccountId, slug: str) -> Preset:
        return new_preset(account_id, slug, designated=new_version(config=config))

    world = World({"one": [text("Hello")]}, endpoint(model="acme/embed"))
    models = [replace(model, output_modalities=("embeddings",)) for model in world.catalog.models]
    world.catalog = FixedCatalog(models, world.catalog.providers)
    office = Office(world, now_s=NOW, expand=ExpandPreset(find).for_account)
    asked = [{"custom_id": "one", "body": {"input": "Hello"}}]
    answer = await office.client.post(
        "/batches", submitted(endpoint="/v1/embeddings", model="@preset/mine", requests=asked)
    )
    assert answer.status_code == 202, answer.text


async def test_a_refused_model_says_where_to_find_others(office: Office) -> None:
    error = (await office.client.post("/batches", submitted(model="acme/chta"))).json()["error"]
    assert error["availability"]["code"] == "model_not_found"


async def test_a_file_is_offered_a_place_up_to_its_size(office: Office) -> None:
    answer = await office.client.post("/batches/uploads", {"bytes": 1234})
    offered = answer.json()
    assert (answer.status_code, offered["method"], offered["bytes"]) == (201, "PUT", 1234)
    assert (offered["id"] in offered["url"], offered["expires_at"]) == (True, NOW + 3600)
    large = await office.client.post("/batches/uploads", {"bytes": MOST_BYTES + 1})
    assert (large.status_code, "100 MB" in large.text) == (413, True)
    assert (await office.client.post("/batches/uploads", {"bytes": 0})).status_code == 400


async def test_another_account_sees_nothing_of_it(office: Office) -> None:
    batch_id = await office.submit()
    stranger = office.client.bearing(FOREIGN)
    for answer in (
        await stranger.get(f"/batches/{batch_id}"),
        await stranger.delete(f"/batches/{batch_id}"),
        await stranger.post(f"/batches/{batch_id}/cancel", None),
    ):
        assert (answer.status_code, answer.json()["error"]["message"]) == (404, "There is no such batch")
    assert (await stranger.get("/batches")).json()["data"] == []


async def test_a_management_key_reads_and_cancels_but_asks_nothing(office: Office) -> None:
    batch_id = await office.submit()
    manager = office.client.bearing(MANAGEMENT)
    assert (await manager.post("/batches", submitted())).status_code == 403
    assert (await manager.post("/batches/uploads", {"bytes": 1})).status_code == 403
    assert (await manager.get(f"/batches/{batch_id}")).status_code == 200
    assert (await manager.post(f"/batches/{batch_id}/cancel", None)).status_code == 200
    assert (await manager.delete(f"/batches/{batch_id}")).status_code == 200


async def test_a_request_s_own_key_hash_header_lets_nobody_in(office: Office) -> None:
    """The header that stands for a batch's key is none that a client can send."""
    answer = await AsgiClient(office.client.app).get("/batches", **{"x-turnpike-key-hash": hash_secret(SECRET)})
    assert answer.status_code == 401


async def test_what_names_the_app_holds_for_every_request(office: Office) -> None:
    app = AsgiClient(office.client.app, SECRET, {"x-title": "My app", "http-referer": "https://app.test"})
    assert (await app.post("/batches", submitted())).status_code == 202
    await office.run()
    ((generation, _),) = office.world.sent_events()
    assert (generation.app_title, generation.http_referer) == ("My app", "https://app.test")


async def test_the_batch_s_preferences_route_its_requests(office: Office) -> None:
    answer = await office.client.post("/batches", submitted(provider={"only": ["two"]}))
    await office.run()
    (result,) = (await office.get(answer.json()["id"]))["results"]
    assert (result["error"]["code"], office.world.upstream.calls) == (404, [])


async def test_a_deployment_without_batches_says_so(office: Office) -> None:
    guard = Guard(Authenticate(office.keys, ttl_s=0))
    client = AsgiClient(Edge(batches.routes(guard, None)), SECRET)
    for answer in (await client.get("/batches"), await client.post("/batches", submitted())):
        assert (answer.status_code, "batches = true" in answer.text) == (404, True)
