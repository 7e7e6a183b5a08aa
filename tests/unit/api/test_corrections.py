"""The operator's corrections, through the app."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from turnpike.api import corrections
from turnpike.api.auth import Guard
from turnpike.api.edge import Edge
from turnpike.domain.api_keys import ApiKey, KeyRole, hash_secret, label_of
from turnpike.domain.chat import Usage
from turnpike.domain.generation import Generation
from turnpike.domain.ids import AccountId, GenerationId
from turnpike.domain.ledger import Hold, balance_of
from turnpike.domain.money import NanoUsd, parse_usd
from turnpike.services.authenticate import Authenticate
from turnpike.services.correct_credit import AdjustCredit, RefundGeneration

from tests.asgi import AsgiClient
from tests.fake_payments import InMemoryEntryNotes
from tests.fakes import InMemoryApiKeys, InMemoryLedger

NOW = 1_795_500_000
MINE = AccountId("acct-mine")
OPERATOR, MANAGEMENT, INFERENCE = (f"sk-or-v1-{letter * 64}" for letter in "abc")
GENERATION = GenerationId("gen-1795500000-abcdefghijklmnopqrst")

pytestmark = pytest.mark.anyio


class Office:
    """An account with $1, of which a generation has cost $0.25."""

    def __init__(self) -> None:
        self.ledger = InMemoryLedger()
        roles: Mapping[str, KeyRole] = {OPERATOR: "operator", MANAGEMENT: "management", INFERENCE: "inference"}
        api_keys = InMemoryApiKeys(
            *(ApiKey(hash_secret(secret), MINE, role.title(), label_of(secret), role) for secret, role in roles.items())
        )
        self.client = AsgiClient(
            Edge(
                corrections.routes(
                    Guard(Authenticate(api_keys, ttl_s=0)),
                    RefundGeneration(self.ledger.generations, self.ledger, now=lambda: NOW),
                    AdjustCredit(self.ledger, InMemoryEntryNotes(), now=lambda: NOW),
                )
            ),
            OPERATOR,
        )
        self.ledger.top_up(MINE, parse_usd("1"), reference="before", now_s=NOW)
        self.settle(GENERATION, "0.25")

    def settle(self, generation_id: GenerationId, usd: str) -> None:
        cost, key_hash = parse_usd(usd), hash_secret(INFERENCE)
        self.ledger.hold(Hold(generation_id, MINE, key_hash, cost, NOW, NOW + 60))
        record = Generation(
            id=generation_id,
            account_id=MINE,
            key_hash=key_hash,
            created_at_s=NOW,
            requested_model="acme/chat",
            model="acme/chat",
            provider="One",
            streamed=True,
            usage=Usage(),
            cost=NanoUsd(9),
        )
        self.ledger.capture(MINE, generation_id, cost, NOW, replace(record))

    @property
    def available(self) -> NanoUsd:
        balance = self.ledger.get_balance(MINE)
        assert balance == balance_of(self.ledger.list_entries(MINE))
        return balance.available

    async def refund(self, **changes: Any) -> Any:
        body = {"account_id": MINE, "generation_id": GENERATION, **changes}
        return await self.client.post("/credits/refunds", body)

    async def adjust(self, amount: float, **changes: Any) -> Any:
        body = {"account_id": MINE, "amount": amount, "reason": "an outage", "idempotency_key": "k", **changes}
        return await self.client.post("/credits/adjustments", body)


@pytest.fixture
def office() -> Office:
    return Office()


async def test_a_generations_charge_is_given_back_once(office: Office) -> None:
    first, again = [await office.refund() for _ in range(2)]

    told = {"account_id": MINE, "generation_id": GENERATION, "amount": 0.25, "available": 1.0}
    assert (first.status_code, first.json()) == (201, {"data": {**told, "created": True}})
    assert (again.status_code, again.json()) == (200, {"data": {**told, "created": False}})
    assert office.available == parse_usd("1")


async def test_a_part_of_it(office: Office) -> None:
    assert (await office.refund(amount=0.1)).json()["data"]["amount"] == 0.1
    assert office.available == parse_usd("0.85")
    # Once: nothing that comes after it can make more of it than was charged.
    for more in ({"amount": 0.15}, {}):
        response = await office.refund(**more)
        assert response.status_code == 409
    assert office.available == parse_usd("0.85")


async def test_never_more_than_was_charged(office: Office) -> None:
    response = await office.refund(amount=0.250000001)

    assert response.status_code == 400
    assert response.json()["error"]["message"] == "amount: must be at most the 0.25 USD that were charged"
    assert office.available == parse_usd("0.75")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"generation_id": "gen-1-unknown"}, 404),
        ({"account_id": "acct-others"}, 404),
        ({"generation_id": "gen-1-free"}, 409),
        ({"generation_id": "a#b"}, 400),
        ({"account_id": "a#b"}, 400),
        ({"amount": 0}, 400),
        ({"amount": -0.1}, 400),
        ({"reason": "x"}, 400),
    ],
)
async def test_a_wrong_refund_changes_nothing(office: Office, changes: Mapping[str, Any], status: int) -> None:
    office.settle(GenerationId("gen-1-free"), "0")
    assert (await office.refund(**changes)).status_code == status
    assert office.available == parse_usd("0.75")


async def test_credit_is_adjusted_once_for_a_reason(office: Office) -> None:
    first = await office.adjust(0.5)
    again = await office.adjust(0.5, reason="something else")

    told = {"account_id": MINE, "idempotency_key": "k", "reason": "an outage", "amount": 0.5, "available": 1.25}
    assert (first.status_code, first.json()) == (201, {"data": {**told, "created": True}})
    assert (again.status_code, again.json()) == (200, {"data": {**told, "created": False}})
    assert office.available == parse_usd("1.25")


async def test_what_is_not_there_is_taken_only_on_request(office: Office) -> None:
    refused = await office.adjust(-0.750000001)
    assert refused.status_code == 409
    assert "0.75 USD available" in refused.json()["error"]["message"]
    assert (await office.adjust(-0.75)).json()["data"]["available"] == 0
    taken = await office.adjust(-2, idempotency_key="k2", allow_negative=True)
    assert taken.json()["data"]["available"] == -2
    assert office.available == parse_usd("-2")


async def test_an_adjustments_key_stands_for_one_amount(office: Office) -> None:
    await office.adjust(1)
    for amount in (2, -1):
        assert (await office.adjust(amount)).status_code == 409
    assert office.available == parse_usd("1.75")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": "1"}, "amount"),
        ({"amount": -1e-10}, "amount"),
        ({"amount": -1e12}, "amount"),
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 501}, "reason"),
        ({"idempotency_key": "a#b"}, "idempotency_key"),
        ({"account_id": "a#b"}, "account_id"),
        ({"allow_negative": 1}, "allow_negative"),
        ({"currency": "EUR"}, "currency"),
    ],
)
async def test_a_wrong_adjustment_is_refused_by_field(office: Office, changes: Mapping[str, Any], field: str) -> None:
    response = await office.adjust(**{"amount": 1, **changes})

    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith(f"{field}: ")


@pytest.mark.parametrize("secret", [MANAGEMENT, INFERENCE])
async def test_only_the_operator_corrects(office: Office, secret: str) -> None:
    for path in ("/credits/refunds", "/credits/adjustments"):
        assert (await office.client.bearing(secret).post(path, {})).status_code == 403
