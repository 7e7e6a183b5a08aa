"""`GET /credits` and the operator's `POST /credits/grants`."""

import uuid
from typing import Any

import httpx2
import pytest
from openrouter import OpenRouter, errors

from tests.e2e.asking import error_of, nano


def grant(client: httpx2.Client, **members: Any) -> httpx2.Response:
    return client.post("/credits/grants", json={"idempotency_key": uuid.uuid4().hex, **members})


def test_openrouter_reads_the_credits(manager: OpenRouter) -> None:
    credit = manager.credits.get_credits().data

    assert credit.total_credits >= 10
    assert 0 <= credit.total_usage < 1


def test_inference_key_cannot_read_them(openrouter: OpenRouter) -> None:
    with pytest.raises(errors.ForbiddenResponseError):
        openrouter.credits.get_credits()


def test_grant_counts_once(management_http: httpx2.Client) -> None:
    before = management_http.get("/credits").json()["data"]["total_credits"]
    once = {"amount": 0.123456789, "idempotency_key": uuid.uuid4().hex}
    first, again = grant(management_http, **once), grant(management_http, **once)
    after = management_http.get("/credits").json()["data"]["total_credits"]

    assert (first.status_code, again.status_code) == (201, 200)
    assert (first.json()["data"]["created"], again.json()["data"]["created"]) == (True, False)
    assert nano(after) - nano(before) == 123_456_789


def test_same_key_with_another_amount_conflicts(management_http: httpx2.Client) -> None:
    key = uuid.uuid4().hex
    grant(management_http, amount=1, idempotency_key=key)

    error_of(grant(management_http, amount=2, idempotency_key=key), 409)


def test_grant_to_another_account_is_not_ours(management_http: httpx2.Client) -> None:
    before = management_http.get("/credits").json()
    granted = grant(management_http, amount=0.5, account_id=f"acct-{uuid.uuid4().hex}")

    assert granted.status_code == 201
    assert granted.json()["data"]["total_credits"] == 0.5
    assert management_http.get("/credits").json()["data"]["total_credits"] == before["data"]["total_credits"]


@pytest.mark.parametrize("amount", [0, -1, "5", 1e-10, 1e30, None, True])
def test_wrong_amount_is_400(management_http: httpx2.Client, amount: object) -> None:
    assert error_of(grant(management_http, amount=amount), 400)["message"].startswith("amount: ")


def test_only_the_operator_grants(http: httpx2.Client) -> None:
    error_of(grant(http, amount=1), 403)
