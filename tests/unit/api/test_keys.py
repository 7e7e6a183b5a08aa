"""GET /key and /keys, through the app."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from openrouter import components, operations

from turnpike.api import keys
from turnpike.api.auth import Guard
from turnpike.api.edge import Edge
from turnpike.domain.api_keys import ApiKey, KeyRole, hash_secret, label_of
from turnpike.domain.ids import AccountId, GenerationId
from turnpike.domain.ledger import Hold, KeyLimit
from turnpike.domain.money import parse_usd
from turnpike.domain.periods import window_of
from turnpike.services.authenticate import Authenticate
from turnpike.services.manage_keys import ManageKeys
from turnpike.services.read_current_key import ReadCurrentKey

from tests.asgi import AsgiClient
from tests.fake_stores import InMemoryFreeQuota
from tests.fakes import InMemoryApiKeys, InMemoryLedger

NOW = 1_795_500_000  # 2026-11-24T06:00:00Z, a Tuesday
NOON_BEFORE = NOW - 18 * 3600
MINE, OTHERS = AccountId("acct-mine"), AccountId("acct-others")
MANAGEMENT, INFERENCE, FOREIGN = (f"sk-or-v1-{letter * 64}" for letter in "abc")

pytestmark = pytest.mark.anyio

# The SDK warns of `rate_limit`, which the API has to send all the same.
with_deprecated_fields = pytest.mark.filterwarnings("ignore:.*DEPRECATED:DeprecationWarning")


class Office:
    """The keys app over fakes, at a clock that stands still."""

    def __init__(self) -> None:
        self.ledger = InMemoryLedger()
        self.free_quota = InMemoryFreeQuota()
        self.api_keys = InMemoryApiKeys(
            stored_key(MANAGEMENT, MINE, "management"),
            stored_key(INFERENCE, MINE, "inference"),
            stored_key(FOREIGN, OTHERS, "management"),
        )
        guard = Guard(Authenticate(self.api_keys, ttl_s=0, now=self.now))
        app = Edge(
            keys.routes(
                guard,
                ManageKeys(self.api_keys, self.ledger, now=self.now),
                ReadCurrentKey(self.api_keys, self.ledger, self.free_quota, now=self.now),
            )
        )
        self.client = AsgiClient(app, MANAGEMENT)

    def now(self) -> float:
        return NOW

    async def create(self, **fields: Any) -> Mapping[str, Any]:
        response = await self.client.post("/keys", {"name": "A key", **fields})
        assert response.status_code == 201, response.text
        content: Mapping[str, Any] = response.json()
        return content

    def spend(self, key: ApiKey, usd: str, generation_id: str = "gen-1") -> None:
        """A captured generation of that price."""
        self.ledger.top_up(key.account_id, parse_usd("100"), reference=generation_id, now_s=NOW)
        limit = None if key.limit is None else KeyLimit(key.limit, window_of(key.limit_reset, NOW))
        hold_id = GenerationId(generation_id)
        self.ledger.hold(Hold(hold_id, key.account_id, key.hash, parse_usd(usd), NOW, NOW + 60, limit))
        self.ledger.capture(key.account_id, hold_id, parse_usd(usd), NOW, None)


def stored_key(secret: str, account_id: AccountId, role: KeyRole) -> ApiKey:
    return ApiKey(hash_secret(secret), account_id, role.title(), label_of(secret), role, created_at_s=NOW - 10)


@pytest.fixture
def office() -> Office:
    return Office()


async def test_a_new_key_shows_its_secret_once_and_works(office: Office) -> None:
    created = await office.create(limit=12.5, limit_reset="monthly", expires_at="2027-12-31T23:59:59Z")

    operations.CreateKeysResponse.model_validate(created)
    data, secret = created["data"], created["key"]
    assert data["hash"] == hash_secret(secret)
    assert data["label"] == f"{secret[:12]}...{secret[-3:]}"
    assert (data["limit"], data["limit_remaining"], data["limit_reset"]) == (12.5, 12.5, "monthly")
    assert data["expires_at"] == "2027-12-31T23:59:59Z"
    assert data["created_at"] == "2026-11-24T06:00:00Z"

    read = await office.client.get(f"/keys/{data['hash']}")
    assert secret not in read.text
    assert read.json() == {"data": data}
    current = await office.client.bearing(secret).get("/key")
    assert current.status_code == 200


async def test_a_list_holds_the_accounts_inference_keys_newest_first(office: Office) -> None:
    created = await office.create()

    response = await office.client.get("/keys")

    operations.ListResponse.model_validate(response.json())
    assert [key["hash"] for key in response.json()["data"]] == [
        created["data"]["hash"],
        hash_secret(INFERENCE),
    ]


async def test_a_list_leaves_out_disabled_and_expired_keys_unless_asked(office: Office) -> None:
    expired = (await office.create(expires_at="2026-11-24T05:59:59Z"))["data"]["hash"]
    disabled = (await office.create())["data"]["hash"]
    await office.client.patch(f"/keys/{disabled}", {"disabled": True})

    async def listed(query: str) -> set[str]:
        return {key["hash"] for key in (await office.client.get(f"/keys{query}")).json()["data"]}

    assert await listed("") == {hash_secret(INFERENCE)}
    assert await listed("?include_disabled=true") == {hash_secret(INFERENCE), disabled}
    assert await listed("?include_expired=true") == {hash_secret(INFERENCE), expired}
    assert await listed("?include_disabled=true&include_expired=true&offset=3") == set()


async def test_a_list_has_pages_of_a_hundred(office: Office) -> None:
    for number in range(120):
        secret = f"sk-or-v1-{number:064}"
        office.api_keys.create(stored_key(secret, MINE, "inference"))

    pages = [(await office.client.get(f"/keys?offset={offset}")).json()["data"] for offset in (0, 100)]

    assert [len(page) for page in pages] == [100, 21]
    assert len({key["hash"] for page in pages for key in page}) == 121


async def test_changes_touch_what_they_name(office: Office) -> None:
    key_hash = (await office.create(limit=5, limit_reset="daily"))["data"]["hash"]

    response = await office.client.patch(f"/keys/{key_hash}", {"name": "Renamed", "limit": None})

    operations.UpdateKeysResponse.model_validate(response.json())
    data = response.json()["data"]
    assert (data["name"], data["limit"], data["limit_remaining"]) == ("Renamed", None, None)
    assert (data["limit_reset"], data["disabled"]) == ("daily", False)
    assert data["updated_at"] == "2026-11-24T06:00:00Z"


async def test_a_change_ignores_unknown_fields_but_needs_a_known_one(office: Office) -> None:
    path = f"/keys/{hash_secret(INFERENCE)}"

    both = await office.client.patch(path, {"name": "Renamed", "colour": "red"})
    neither = await office.client.patch(path, {"colour": "red"})

    assert both.status_code == 200
    assert neither.status_code == 400
    assert neither.json()["error"]["message"] == "No update fields provided"


async def test_a_deleted_key_is_gone(office: Office) -> None:
    path = f"/keys/{hash_secret(INFERENCE)}"

    response = await office.client.delete(path)

    assert (response.status_code, response.json()) == (200, {"deleted": True})
    assert (await office.client.get(path)).status_code == 404
    assert (await office.client.delete(path)).status_code == 404
    assert (await office.client.bearing(INFERENCE).get("/key")).status_code == 401


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("key_hash", [hash_secret(FOREIGN), hash_secret(MANAGEMENT), "0" * 64, "short", "x" * 5000])
async def test_keys_that_are_not_the_accounts_own_are_unknown(office: Office, method: str, key_hash: str) -> None:
    response = await office.client.request(method, f"/keys/{key_hash}", json={"name": "x"})

    assert response.status_code == 404
    assert response.json()["error"]["metadata"] == {"error_type": "not_found"}


async def test_a_change_that_another_overtook_is_a_conflict(office: Office) -> None:
    class Overtaken(InMemoryApiKeys):
        def replace(self, key: ApiKey, *, was: ApiKey) -> None:
            super().replace(replace(was, name="Theirs"), was=was)
            super().replace(key, was=was)

    api_keys = Overtaken(stored_key(INFERENCE, MINE, "inference"), stored_key(MANAGEMENT, MINE, "management"))
    guard = Guard(Authenticate(api_keys, ttl_s=0))
    app = Edge(
        keys.routes(
            guard, ManageKeys(api_keys, office.ledger), ReadCurrentKey(api_keys, office.ledger, office.free_quota)
        )
    )

    response = await AsgiClient(app, MANAGEMENT).patch(f"/keys/{hash_secret(INFERENCE)}", {"name": "Mine"})

    assert response.status_code == 409


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ""}, "name: String should have at least 1 character"),
        ({"name": None}, "name: Input should be a valid string"),
        ({"limit": "5"}, "limit: Input should be a valid number"),
        ({"limit": True}, "limit: Input should be a valid number"),
        ({"limit": -1}, "limit: must not be negative"),
        ({"limit": 0.0000000001}, "limit: must be an amount in USD with at most nine decimals"),
        ({"limit": 1e300}, "limit: must be at most a billion USD"),
        ({"limit_reset": "hourly"}, "limit_reset: Input should be 'daily', 'weekly' or 'monthly'"),
        ({"expires_at": "2027-12-31T23:59Z"}, "expires_at: must be a time in UTC with seconds"),
        ({"expires_at": "2027-02-31T23:59:59Z"}, "expires_at: is not a time that exists"),
        ({"expires_at": 1_800_000_000}, "expires_at: Input should be a valid string"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"workspace_id": "elsewhere"}, "workspace_id: is not a workspace of this account"),
    ],
)
async def test_a_wrong_body_is_refused_by_field(office: Office, fields: Mapping[str, Any], message: str) -> None:
    response = await office.client.post("/keys", {"name": "A key", **fields})

    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith(message)


async def test_a_refusal_never_quotes_the_value(office: Office) -> None:
    response = await office.client.post("/keys", {"name": ["secret-text"], "limit": {"secret-text": "x"}})

    assert response.status_code == 400
    assert "secret-text" not in response.text


async def test_inference_keys_manage_nothing(office: Office) -> None:
    client = office.client.bearing(INFERENCE)

    for response in (await client.get("/keys"), await client.post("/keys", {"name": "x"})):
        assert response.status_code == 403
    assert (await client.bearing(None).get("/keys")).status_code == 401


@with_deprecated_fields
async def test_the_current_key_tells_all_of_itself(office: Office) -> None:
    created = await office.create(limit=1, limit_reset="weekly")
    key = office.api_keys.find(created["data"]["hash"])
    assert key is not None
    office.spend(key, "0.25")

    response = await office.client.bearing(created["key"]).get("/key")

    parsed = operations.GetCurrentKeyResponse.model_validate(response.json()).data
    assert (parsed.usage, parsed.usage_daily, parsed.usage_weekly, parsed.usage_monthly) == (0.25,) * 4
    assert (parsed.limit, parsed.limit_remaining, parsed.limit_reset) == (1, 0.75, "weekly")
    assert (parsed.is_free_tier, parsed.is_management_key) == (False, False)
    assert parsed.free_model_daily_requests.limit == 1000
    data = response.json()["data"]
    assert (data["rate_limit"]["requests"], data["is_provisioning_key"]) == (-1, False)
    budget = data["effective_budget"]
    assert data["budgets"] == [budget]
    assert (budget["scope"], budget["spend_usd"], budget["remaining_usd"]) == ("key_limit", 0.25, 0.75)
    assert budget["resets_at"] == "2026-11-30T00:00:00Z"
    components.KeyBudget.model_validate(budget)


@with_deprecated_fields
async def test_a_key_without_a_limit_has_no_budget(office: Office) -> None:
    data = (await office.client.get("/key")).json()["data"]

    operations.GetCurrentKeyResponse.model_validate({"data": data})
    assert (data["budgets"], data["effective_budget"], data["limit_remaining"]) == ([], None, None)
    assert (data["is_management_key"], data["is_free_tier"]) == (True, True)
    assert data["free_model_daily_requests"] == {"limit": 50, "remaining": 50, "used": 0}


async def test_the_current_key_tells_what_its_account_asked_of_free_models_today(office: Office) -> None:
    for _ in range(50):
        office.free_quota.take(MINE, NOON_BEFORE, per_minute=99, per_day=50)
    for account in (MINE, MINE, MINE, OTHERS):
        office.free_quota.take(account, NOW - 3600, per_minute=99, per_day=50)

    data = (await office.client.bearing(INFERENCE).get("/key")).json()["data"]
    assert data["free_model_daily_requests"] == {"limit": 50, "remaining": 47, "used": 3}

    office.ledger.top_up(MINE, parse_usd("10"), reference="bought", now_s=NOW)
    data = (await office.client.bearing(INFERENCE).get("/key")).json()["data"]
    assert data["free_model_daily_requests"] == {"limit": 1000, "remaining": 997, "used": 3}


async def test_refused_methods_are_told_of_all_the_others(office: Office) -> None:
    response = await office.client.request("PUT", "/keys")

    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
