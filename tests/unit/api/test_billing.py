"""GET /credits, GET /generation and the operator's grants, through the app."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from openrouter import components, operations

from turnpike.api import billing
from turnpike.api.auth import Guard
from turnpike.api.edge import Edge
from turnpike.domain.api_keys import ApiKey, KeyRole, hash_secret, label_of
from turnpike.domain.chat import Usage
from turnpike.domain.generation import Attempt, Generation
from turnpike.domain.ids import AccountId, GenerationId
from turnpike.domain.ledger import Hold
from turnpike.domain.money import NanoUsd, parse_usd
from turnpike.services.authenticate import Authenticate
from turnpike.services.grant_credit import GrantCredit
from turnpike.services.read_credits import ReadCredits
from turnpike.services.read_generation import ReadGeneration

from tests.asgi import AsgiClient
from tests.fakes import InMemoryApiKeys, InMemoryLedger

NOW = 1_795_500_000
MINE = AccountId("acct-mine")
OPERATOR, MANAGEMENT, INFERENCE, FOREIGN = (f"sk-or-v1-{letter * 64}" for letter in "abcd")
GENERATION = GenerationId("gen-1795500000-abcdefghijklmnopqrst")

pytestmark = pytest.mark.anyio


class Office:
    """The billing app over fakes. Its clock stands still, and `meanwhile` happens when it would sleep."""

    def __init__(self) -> None:
        self.ledger = InMemoryLedger()
        self.slept: list[float] = []
        self.meanwhile: dict[int, Any] = {}
        api_keys = InMemoryApiKeys(
            stored_key(OPERATOR, MINE, "operator"),
            stored_key(MANAGEMENT, MINE, "management"),
            stored_key(INFERENCE, MINE, "inference"),
            stored_key(FOREIGN, AccountId("acct-others"), "inference"),
        )
        app = Edge(
            billing.routes(
                Guard(Authenticate(api_keys, ttl_s=0)),
                ReadCredits(self.ledger),
                ReadGeneration(self.ledger.generations, self.ledger, sleep=self.sleep),
                GrantCredit(self.ledger, now=lambda: NOW),
            )
        )
        self.client = AsgiClient(app, OPERATOR)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.meanwhile.get(len(self.slept), lambda: None)()

    def hold(self) -> None:
        self.ledger.top_up(MINE, parse_usd("1"), reference="before", now_s=NOW)
        key_hash = hash_secret(INFERENCE)
        self.ledger.hold(Hold(GENERATION, MINE, key_hash, parse_usd("0.5"), NOW, NOW + 60))

    def settle(self, **changes: Any) -> None:
        self.ledger.capture(MINE, GENERATION, NanoUsd(1_500_000), NOW, generation(**changes))

    async def read(self, **changes: Any) -> Any:
        """What is told of a generation."""
        self.hold()
        self.settle(**changes)
        response = await self.client.bearing(INFERENCE).get(f"/generation?id={GENERATION}")
        components.GenerationResponse.model_validate(response.json())
        return response.json()["data"]


def stored_key(secret: str, account_id: AccountId, role: KeyRole) -> ApiKey:
    return ApiKey(hash_secret(secret), account_id, role.title(), label_of(secret), role)


def generation(**changes: Any) -> Generation:
    told = Generation(
        id=GENERATION,
        account_id=MINE,
        key_hash=hash_secret(INFERENCE),
        created_at_s=NOW,
        requested_model="acme/chat",
        model="acme/chat",
        provider="One",
        streamed=True,
        usage=Usage(prompt_tokens=120, completion_tokens=30, cached_tokens=20, reasoning_tokens=10),
        cost=NanoUsd(1_500_000),
        upstream_cost=NanoUsd(1_500_000),
        finish_reason="stop",
        native_finish_reason="end_turn",
        latency_ms=150,
        generation_time_ms=900,
        upstream_id="chatcmpl-1",
        attempts=(
            Attempt("two", "acme/chat", "chat", 503, 40, "provider_unavailable", "two", provider_name="Two"),
            Attempt("one", "acme/chat", "chat", 200, 860, tag="one"),
        ),
        user="someone",
        http_referer="https://user@App.test/page?q=1",
        user_agent="test/1",
    )
    return replace(told, **changes)


@pytest.fixture
def office() -> Office:
    return Office()


async def test_credits_are_what_came_in_and_what_was_used(office: Office) -> None:
    office.hold()
    office.settle()

    response = await office.client.bearing(MANAGEMENT).get("/credits")

    operations.GetCreditsResponse.model_validate(response.json())
    assert response.json() == {"data": {"total_credits": 1.0, "total_usage": 0.0015}}


async def test_inference_keys_cannot_read_credits(office: Office) -> None:
    assert (await office.client.bearing(INFERENCE).get("/credits")).status_code == 403


async def test_a_settled_generation_is_told_in_full(office: Office) -> None:
    office.hold()
    office.settle()

    response = await office.client.bearing(INFERENCE).get(f"/generation?id={GENERATION}")

    parsed = components.GenerationResponse.model_validate(response.json()).data
    assert (parsed.total_cost, parsed.usage, parsed.upstream_inference_cost) == (0.0015,) * 3
    assert (parsed.native_tokens_prompt, parsed.native_tokens_completion) == (120, 30)
    assert (parsed.native_tokens_cached, parsed.native_tokens_reasoning) == (20, 10)
    assert (parsed.provider_name, parsed.finish_reason, parsed.latency) == ("One", "stop", 150)
    data = response.json()["data"]
    assert data["created_at"] == "2026-11-24T06:00:00Z"
    assert (data["http_referer"], data["origin"]) == ("https://user@App.test/page?q=1", "https://app.test")
    assert (data["router"], data["cancelled"], data["is_byok"]) == (None, False, False)
    assert set(data) == set(components.GenerationResponseData.model_fields)
    assert office.slept == []


async def test_every_attempt_is_told_by_its_providers_name_and_endpoint(office: Office) -> None:
    ours = Attempt("two", "acme/chat", "chat", 503, 40, "provider_unavailable", "two", provider_name="Two")
    theirs = Attempt("one", "acme/chat", "chat", 200, 860, tag="one", is_byok=True)
    failed, answered = (await office.read(is_byok=True, attempts=(ours, theirs)))["provider_responses"]

    assert (failed["status"], failed["provider_name"], failed["latency"], failed["is_byok"]) == (503, "Two", 40, False)
    assert "id" not in failed
    assert (answered["status"], answered["provider_name"], answered["is_byok"]) == (200, "One", True)
    assert (answered["id"], answered["model_permaslug"]) == ("chatcmpl-1", "acme/chat")
    assert UUID(failed["endpoint_id"]) != UUID(answered["endpoint_id"])


@pytest.mark.parametrize(
    ("usage", "discount", "told"),
    [
        (Usage(120, 30, cached_tokens=20), 70_000, 0.00007),
        (Usage(120, 30, cache_write_tokens=20), -5_000, -0.000005),
        (Usage(120, 30, cached_tokens=20), 0, 0.0),
        (Usage(120, 30), 0, None),
    ],
)
async def test_what_caching_saved_is_told_where_there_was_any(
    office: Office, usage: Usage, discount: int, told: float | None
) -> None:
    assert (await office.read(usage=usage, cache_discount=NanoUsd(discount)))["cache_discount"] == told


async def test_a_customers_own_key_is_charged_upstream_and_our_fee_here(office: Office) -> None:
    data = await office.read(is_byok=True, upstream_cost=NanoUsd(9_000_000))

    assert (data["is_byok"], data["upstream_inference_cost"], data["total_cost"]) == (True, 0.009, 0.0015)


async def test_what_no_provider_counted_is_no_native_count(office: Office) -> None:
    data = await office.read(usage=Usage(120, 30, estimated=True))

    assert (data["tokens_prompt"], data["tokens_completion"]) == (120, 30)
    assert {data[name] for name in data if name.startswith("native_tokens_")} == {None}


async def test_a_generation_tells_what_there_was_besides_text(office: Office) -> None:
    usage = Usage(120, 30, completion_image_tokens=25, web_search_requests=1)

    data = await office.read(usage=usage, prompt_media=2, prompt_audio=1, completion_media=3)

    counted = ("num_media_prompt", "num_input_audio_prompt", "num_media_completion", "native_tokens_completion_images")
    assert [data[name] for name in counted] == [2, 1, 3, 25]
    assert data["web_search_engine"] == "native"


@pytest.mark.parametrize(
    ("requested", "router"),
    [
        ("openrouter/auto", "openrouter/auto"),
        ("openrouter/free:nitro", "openrouter/free"),
        ("openrouter/horizon", None),
        ("acme/chat", None),
    ],
)
async def test_a_router_is_told_where_it_chose_the_model(office: Office, requested: str, router: str | None) -> None:
    data = await office.read(requested_model=requested)

    assert (data["model"], data["router"]) == ("acme/chat", router)


async def test_what_was_ended_by_us_was_cancelled(office: Office) -> None:
    data = await office.read(attempts=(Attempt("one", "acme/chat", "chat", None, 40, outcome="cancelled"),))

    assert data["cancelled"] is True


async def test_a_generation_that_nobody_answered_has_no_provider(office: Office) -> None:
    failed = Attempt("two", "acme/chat", "chat", None, 40, "timeout", "two", outcome="failed", provider_name="Two")

    data = await office.read(provider=None, attempts=(failed,), upstream_id=None, usage=Usage())

    assert data["provider_name"] is None
    assert [attempt["provider_name"] for attempt in data["provider_responses"]] == ["Two"]


async def test_an_open_generation_is_awaited(office: Office) -> None:
    office.hold()
    office.meanwhile[3] = office.settle

    response = await office.client.bearing(INFERENCE).get(f"/generation?id={GENERATION}")

    assert response.status_code == 200
    assert len(office.slept) == 3


async def test_a_generation_that_stays_open_is_unknown_after_three_seconds(office: Office) -> None:
    office.hold()

    response = await office.client.get(f"/generation?id={GENERATION}")

    assert response.status_code == 404
    assert sum(office.slept) == pytest.approx(3)


@pytest.mark.parametrize("generation_id", ["gen-1-unknown", "x" * 3000, "%00", "%F0%9F%92%A9"])
async def test_an_unknown_generation_is_not_awaited(office: Office, generation_id: str) -> None:
    response = await office.client.get(f"/generation?id={generation_id}")

    assert response.status_code == 404
    assert response.json()["error"]["metadata"]["error_type"] == "not_found"
    assert len(response.text) < 400
    assert office.slept == []


async def test_a_generation_is_its_accounts_own(office: Office) -> None:
    office.hold()
    office.settle()

    assert (await office.client.bearing(FOREIGN).get(f"/generation?id={GENERATION}")).status_code == 404


async def test_a_generation_needs_an_id(office: Office) -> None:
    response = await office.client.get("/generation")

    assert response.status_code == 400
    assert response.json()["error"]["message"] == "id: Field required"


async def test_a_grant_counts_once(office: Office) -> None:
    body = {"amount": 2.5, "idempotency_key": "launch", "account_id": "acct-new"}

    first, again = [await office.client.post("/credits/grants", body) for _ in range(2)]

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == {"data": {**body, "total_credits": 2.5, "created": True}}
    assert again.json() == {"data": {**body, "total_credits": 2.5, "created": False}}


async def test_a_grant_goes_to_the_operators_own_account_by_default(office: Office) -> None:
    response = await office.client.post("/credits/grants", {"amount": 1, "idempotency_key": "mine"})

    assert response.json()["data"]["account_id"] == MINE
    assert (await office.client.get("/credits")).json()["data"]["total_credits"] == 1


async def test_a_grants_key_stands_for_one_amount(office: Office) -> None:
    await office.client.post("/credits/grants", {"amount": 1, "idempotency_key": "k"})

    response = await office.client.post("/credits/grants", {"amount": 2, "idempotency_key": "k"})

    assert response.status_code == 409
    assert response.json()["error"]["metadata"]["error_type"] == "precondition_failed"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": "1"}, "amount"),
        ({"amount": 1e-10}, "amount"),
        ({"amount": 1e12}, "amount"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"idempotency_key": "a#b"}, "idempotency_key"),
        ({"idempotency_key": "a\n"}, "idempotency_key"),
        ({"account_id": "a#b"}, "account_id"),
        ({"currency": "EUR"}, "currency"),
    ],
)
async def test_a_wrong_grant_is_refused_by_field(office: Office, changes: Mapping[str, Any], field: str) -> None:
    response = await office.client.post("/credits/grants", {"amount": 1, "idempotency_key": "k", **changes})

    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith(f"{field}: ")


@pytest.mark.parametrize("secret", [MANAGEMENT, INFERENCE])
async def test_only_the_operator_grants(office: Office, secret: str) -> None:
    response = await office.client.bearing(secret).post("/credits/grants", {"amount": 1, "idempotency_key": "k"})

    assert response.status_code == 403
