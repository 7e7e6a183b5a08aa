"""/byok through the app: the shapes of the reference, and that no secret ever comes out."""

from collections.abc import Mapping
from typing import Any

import pytest
from openrouter import components

from turnpike.api import byok
from turnpike.api.auth import Guard
from turnpike.api.edge import Edge
from turnpike.domain.api_keys import ApiKey, KeyRole, hash_secret, label_of
from turnpike.domain.byok import MOST_KEYS, Credential, VaultError
from turnpike.domain.catalog import Provider
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.ids import AccountId
from turnpike.providers.customer_keys import CustomerKey, parse_customer_key
from turnpike.services.authenticate import Authenticate
from turnpike.services.manage_byok import ManageByok

from tests.asgi import AsgiClient
from tests.fake_byok import InMemoryByokKeys, LocalVault
from tests.fakes import InMemoryApiKeys

pytestmark = pytest.mark.anyio
NOW = 1_795_500_000  # 2026-11-24T06:00:00Z
MINE, OTHERS = AccountId("acct-mine"), AccountId("acct-others")
MANAGEMENT, INFERENCE, FOREIGN = (f"sk-or-v1-{letter * 64}" for letter in "abc")
SECRET, ANOTHER = "sk-proj-0123456789abcdef", "sk-proj-fedcba9876543210"
PROVIDERS = {slug: Provider(slug, slug.title(), "openai_compatible", "") for slug in ("openai", "groq")}


class Office:
    """The app over fakes, at a clock that stands still."""

    def __init__(self, *, is_on: bool = True) -> None:
        self.store, self.vault = InMemoryByokKeys(), LocalVault()
        self.failures: list[Exception] = []
        self.api_keys = InMemoryApiKeys(
            stored_key(MANAGEMENT, MINE, "management"),
            stored_key(INFERENCE, MINE, "inference"),
            stored_key(FOREIGN, OTHERS, "management"),
        )
        guard = Guard(Authenticate(self.api_keys, ttl_s=0, now=lambda: NOW))
        manage = ManageByok(
            self.store, self.vault, self.api_keys, parse, on_failure=self.failures.append, now=lambda: NOW
        )
        self.client = AsgiClient(Edge(byok.routes(guard, (lambda: manage) if is_on else None)), MANAGEMENT)

    async def create(self, **fields: Any) -> Mapping[str, Any]:
        response = await self.client.post("/byok", {"provider": "openai", "key": SECRET, **fields})
        assert response.status_code == 201, response.text
        components.CreateBYOKKeyResponse.model_validate(response.json())
        data: Mapping[str, Any] = response.json()["data"]
        return data

    def secret_of(self, key_id: str) -> str:
        key = self.store.find(MINE, key_id)
        assert key is not None
        return Credential.parse(self.vault.open(key.sealed, key.context)).secret


def parse(provider: str, secret: str) -> CustomerKey:
    if provider not in PROVIDERS:
        raise InvalidRequest("is no provider", field="provider")
    return parse_customer_key(PROVIDERS[provider], secret)


def stored_key(secret: str, account_id: AccountId, role: KeyRole) -> ApiKey:
    return ApiKey(hash_secret(secret), account_id, role.title(), label_of(secret), role)


@pytest.fixture
def office() -> Office:
    return Office()


async def test_a_new_key_is_as_the_reference_has_it(office: Office) -> None:
    created = await office.create()

    assert created == {
        "id": created["id"],
        "provider": "openai",
        "name": None,
        "label": "sk-...cdef",
        "workspace_id": MINE,
        "sort_order": 0,
        "disabled": False,
        "is_fallback": False,
        "is_required": False,
        "is_byok_only": False,
        "allowed_models": None,
        "allowed_api_key_hashes": None,
        "allowed_user_ids": None,
        "declared_zdr": None,
        "declared_region": None,
        "created_at": "2026-11-24T06:00:00Z",
    }
    assert office.secret_of(created["id"]) == SECRET


EVERYTHING: dict[str, Any] = {
    "name": "Schlüssel",
    "disabled": True,
    "is_fallback": True,
    "is_required": True,
    "allowed_models": ["openai/gpt-5"],
    "allowed_api_key_hashes": [hash_secret(INFERENCE)],
    "allowed_user_ids": ["user_1"],
    "declared_zdr": True,
    "declared_region": "europe",
}


async def test_everything_that_is_sent_is_kept(office: Office) -> None:
    created = await office.create(**EVERYTHING, workspace_id=MINE)

    assert {name: created[name] for name in EVERYTHING} == EVERYTHING
    read = await office.client.get(f"/byok/{created['id']}")
    components.GetBYOKKeyResponse.model_validate(read.json())
    assert read.json() == {"data": created}
    assert SECRET not in read.text


async def test_keys_of_a_provider_are_tried_in_the_order_of_their_making(office: Office) -> None:
    made = [await office.create(provider=provider) for provider in ("openai", "groq", "openai", "openai")]
    assert [key["sort_order"] for key in made] == [0, 0, 1, 2]
    await office.client.delete(f"/byok/{made[2]['id']}")

    assert (await office.create())["sort_order"] == 3


async def test_a_list_pages_and_filters(office: Office) -> None:
    made = [await office.create(provider=provider) for provider in ("openai", "groq", "openai")]
    expected = [made[1], made[0], made[2]]

    for query, data, count in (
        ("", expected, 3),
        ("?limit=2", expected[:2], 3),
        ("?limit=2&offset=2", expected[2:], 3),
        ("?offset=9", [], 3),
        ("?provider=openai", [made[0], made[2]], 2),
        ("?provider=openai&limit=1&offset=1", [made[2]], 2),
        ("?provider=nobody", [], 0),
        (f"?workspace_id={MINE}", expected, 3),
    ):
        response = await office.client.get(f"/byok{query}")
        assert response.json() == {"data": data, "total_count": count}, query
        components.ListBYOKKeysResponse.model_validate(response.json())
        assert SECRET not in response.text
    for query in ("?limit=0", "?limit=101", "?limit=x", "?offset=-1", "?workspace_id=other"):
        assert (await office.client.get(f"/byok{query}")).status_code == 400, query


async def test_a_change_changes_what_it_names(office: Office) -> None:
    created = await office.create(**EVERYTHING)

    cleared = dict.fromkeys(("name", "allowed_models", "allowed_api_key_hashes", "declared_zdr", "declared_region"))
    response = await office.client.patch(f"/byok/{created['id']}", {**cleared, "disabled": False})

    components.UpdateBYOKKeyResponse.model_validate(response.json())
    assert response.json()["data"] == {**created, **cleared, "disabled": False}
    assert office.secret_of(created["id"]) == SECRET


async def test_a_rotation_overwrites_the_secret_and_its_label(office: Office) -> None:
    created = await office.create(name="Ours", is_required=True)
    before = office.store.find(MINE, created["id"])
    assert before is not None

    response = await office.client.patch(f"/byok/{created['id']}", {"key": ANOTHER})

    assert response.json()["data"] == {**created, "label": "sk-...3210"}
    assert ANOTHER not in response.text
    assert office.secret_of(created["id"]) == ANOTHER
    after = office.store.find(MINE, created["id"])
    assert after is not None
    assert after.sealed != before.sealed


async def test_a_deleted_key_is_gone(office: Office) -> None:
    created = await office.create()

    response = await office.client.delete(f"/byok/{created['id']}")
    assert response.json() == {"deleted": True}
    for again in (
        await office.client.get(f"/byok/{created['id']}"),
        await office.client.delete(f"/byok/{created['id']}"),
        await office.client.patch(f"/byok/{created['id']}", {"name": "x"}),
    ):
        assert again.status_code == 404
        assert again.json()["error"]["message"] == "Provider key not found"
    assert (await office.client.get("/byok")).json() == {"data": [], "total_count": 0}


async def test_only_management_keys_of_the_account_reach_them(office: Office) -> None:
    created = await office.create()
    foreign = office.client.bearing(FOREIGN)

    assert (await foreign.get("/byok")).json() == {"data": [], "total_count": 0}
    for response in (
        await foreign.get(f"/byok/{created['id']}"),
        await foreign.patch(f"/byok/{created['id']}", {"name": "x"}),
        await foreign.delete(f"/byok/{created['id']}"),
    ):
        assert response.status_code == 404
    inference = office.client.bearing(INFERENCE)
    for response in (
        await inference.get("/byok"),
        await inference.post("/byok", {"provider": "openai", "key": SECRET}),
        await inference.get(f"/byok/{created['id']}"),
        await inference.patch(f"/byok/{created['id']}", {"name": "x"}),
        await inference.delete(f"/byok/{created['id']}"),
    ):
        assert response.status_code == 403
    assert office.store.find(MINE, created["id"]) is not None


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "key"),
    ({"key": SECRET}, "provider"),
    ({"key": SECRET, "provider": "nobody"}, "provider"),
    ({"key": "", "provider": "openai"}, "key"),
    ({"key": [SECRET], "provider": "openai"}, "key"),
    ({"key": SECRET + " x", "provider": "openai"}, "key"),
    ({"key": "x" * 20_000, "provider": "openai"}, "key"),
    ({"key": SECRET, "provider": "openai", "name": "x" * 256}, "name"),
    ({"key": SECRET, "provider": "openai", "disabled": "yes"}, "disabled"),
    ({"key": SECRET, "provider": "openai", "is_fallback": None}, "is_fallback"),
    ({"key": SECRET, "provider": "openai", "is_fallback": True, "is_byok_only": True}, "is_fallback"),
    ({"key": SECRET, "provider": "openai", "allowed_models": []}, "allowed_models"),
    ({"key": SECRET, "provider": "openai", "allowed_models": ["m"] * 101}, "allowed_models"),
    ({"key": SECRET, "provider": "openai", "allowed_models": [1]}, "allowed_models.0"),
    ({"key": SECRET, "provider": "openai", "allowed_api_key_hashes": []}, "allowed_api_key_hashes"),
    ({"key": SECRET, "provider": "openai", "allowed_api_key_hashes": ["x"]}, "allowed_api_key_hashes.0"),
    ({"key": SECRET, "provider": "openai", "allowed_api_key_hashes": [hash_secret(FOREIGN)]}, "allowed_api_key_hashes"),
    ({"key": SECRET, "provider": "openai", "declared_region": "mars"}, "declared_region"),
    ({"key": SECRET, "provider": "openai", "declared_zdr": "yes"}, "declared_zdr"),
    ({"key": SECRET, "provider": "openai", "workspace_id": OTHERS}, "workspace_id"),
    ({"key": SECRET, "provider": "openai", "sort_order": 1}, "sort_order"),
    ({"key": SECRET, "provider": "openai", SECRET[:20]: SECRET}, SECRET[:20]),
]


@pytest.mark.parametrize(("body", "field"), WRONG)
async def test_what_is_wrong_is_named_and_not_quoted(office: Office, body: dict[str, Any], field: str) -> None:
    response = await office.client.post("/byok", body)

    assert response.status_code == 400, response.text
    assert response.json()["error"]["message"].startswith(f"{field}: ")
    assert SECRET not in response.text
    assert list(office.store.list_for(MINE)) == []


async def test_a_change_that_is_wrong_changes_nothing(office: Office) -> None:
    created = await office.create(is_fallback=True)
    path = f"/byok/{created['id']}"

    for body in (
        {},
        {"is_byok_only": True},
        {"key": ""},
        {"key": None},
        {"key": ANOTHER + "\n\n" + ANOTHER},
        {"provider": "groq"},
        {"allowed_api_key_hashes": ["f" * 64]},
    ):
        response = await office.client.patch(path, body)
        assert response.status_code == 400, body
        assert ANOTHER not in response.text
    assert (await office.client.get(path)).json()["data"] == created
    # Both at once are a change that is right.
    assert (await office.client.patch(path, {"is_fallback": False, "is_byok_only": True})).status_code == 200


async def test_a_change_meanwhile_is_a_conflict(office: Office) -> None:
    created = await office.create()

    def delete() -> None:
        now = office.store.find(MINE, created["id"])
        assert now is not None
        office.store.delete(now, NOW)

    office.vault.before_seal = delete
    response = await office.client.patch(f"/byok/{created['id']}", {"key": ANOTHER})

    assert response.status_code == 409
    assert (await office.client.get(f"/byok/{created['id']}")).status_code == 404


async def test_an_account_has_a_limited_number_of_keys(office: Office) -> None:
    for _ in range(MOST_KEYS):
        await office.create()

    response = await office.client.post("/byok", {"provider": "groq", "key": SECRET})
    assert response.status_code == 400
    assert "delete one" in response.json()["error"]["message"]


async def test_a_vault_that_does_not_work_is_the_operators_to_mend(office: Office) -> None:
    broken = VaultError("The key service refuses to work: AccessDeniedException")

    def fail() -> None:
        raise broken

    office.vault.before_seal = fail
    response = await office.client.post("/byok", {"provider": "openai", "key": SECRET})

    assert response.status_code == 500
    assert "operator" in response.json()["error"]["message"]
    assert "AccessDenied" not in response.text
    assert SECRET not in response.text
    assert office.failures == [broken]
    assert list(office.store.list_for(MINE)) == []


async def test_a_deployment_without_encryption_says_so() -> None:
    office = Office(is_on=False)

    for response in (
        await office.client.get("/byok"),
        await office.client.post("/byok", {"provider": "openai", "key": SECRET}),
        await office.client.get("/byok/00000000-0000-0000-0000-000000000000"),
    ):
        assert response.status_code == 404
        assert "TURNPIKE_BYOK_KMS_KEY" in response.json()["error"]["message"]
    assert (await office.client.bearing(INFERENCE).get("/byok")).status_code == 403
