"""The buffered functions as AWS calls them: REST API proxy events in, proxy answers out."""

import asyncio
import base64
import json
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from mangum import Mangum

from turnpike.api import billing, catalog, keys
from turnpike.api.auth import Guard
from turnpike.api.edge import Edge
from turnpike.domain.api_keys import ApiKey, hash_secret, label_of
from turnpike.domain.catalog import Catalog, Endpoint, FixedCatalog, Model, Provider
from turnpike.domain.health import HealthReport
from turnpike.domain.ids import AccountId
from turnpike.domain.pricing import Pricing
from turnpike.services.authenticate import Authenticate
from turnpike.services.grant_credit import GrantCredit
from turnpike.services.manage_keys import ManageKeys
from turnpike.services.read_credits import ReadCredits
from turnpike.services.read_current_key import ReadCurrentKey
from turnpike.services.read_generation import ReadGeneration

from tests.fake_stores import InMemoryFreeQuota
from tests.fakes import InMemoryApiKeys, InMemoryLedger
from tests.proxy_events import proxy_event

OPERATOR = f"sk-or-v1-{'a' * 64}"
CONTEXT = SimpleNamespace(function_name="turnpike", aws_request_id="request-1")


class Functions:
    """Every buffered function over one set of fakes."""

    def __init__(self) -> None:
        secret_hash, account_id = hash_secret(OPERATOR), AccountId("acct-1")
        operator = ApiKey(secret_hash, account_id, "Operator", label_of(OPERATOR), "operator")
        api_keys, ledger = InMemoryApiKeys(operator), InMemoryLedger()
        guard = Guard(Authenticate(api_keys, ttl_s=0))
        self._apps = {
            "keys": Edge(
                keys.routes(guard, ManageKeys(api_keys, ledger), ReadCurrentKey(api_keys, ledger, InMemoryFreeQuota()))
            ),
            "billing": Edge(
                billing.routes(
                    guard,
                    ReadCredits(ledger),
                    ReadGeneration(ledger.generations, ledger),
                    GrantCredit(ledger),
                )
            ),
            "catalog": Edge(catalog.routes(_catalog(), guard=guard, reports=lambda: HealthReport(0, {}))),
        }

    def __call__(self, function: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = Mangum(self._apps[function], lifespan="off")(dict(event), CONTEXT)
        assert answer["isBase64Encoded"] is False
        return answer


def _catalog() -> Catalog:
    models = []
    for slug in ("acme/chat", "acme/chat:free"):
        endpoint = Endpoint(slug, "one", "chat", "https://one.test/v1", Pricing(), 1000)
        models.append(Model(slug, "Chat", 1, "A model", 1000, ("text",), ("text",), "Other", (), (endpoint,)))
    return FixedCatalog(models, [Provider("one", "One", "openai_compatible", "https://one.test/v1")])


@pytest.fixture
def call() -> Iterator[Functions]:
    # Mangum keeps its event loop for the life of an environment; here one is made to be closed.
    with asyncio.Runner() as runner:
        asyncio.set_event_loop(runner.get_loop())
        yield Functions()


def content(answer: Mapping[str, Any]) -> Any:
    return json.loads(answer["body"])


def header(answer: Mapping[str, Any], name: str) -> Any:
    return answer["headers"][name]


def test_a_key_is_created_from_a_body_in_base64(call: Functions) -> None:
    body = base64.b64encode('{"name": "Schlüssel"}'.encode()).decode()

    answer = call("keys", proxy_event("POST", "/api/v1/keys", key=OPERATOR, body=body, is_base64=True))

    assert answer["statusCode"] == 201
    assert content(answer)["data"]["name"] == "Schlüssel"
    assert header(answer, "content-type") == "application/json"
    assert header(answer, "cache-control") == "no-store"


def test_a_key_is_read_changed_and_deleted_by_its_address(call: Functions) -> None:
    created = content(call("keys", proxy_event("POST", "/v1/keys", key=OPERATOR, body='{"name": "x"}')))
    path = f"/api/v1/keys/{created['data']['hash']}"

    patched = call("keys", proxy_event("PATCH", path, key=OPERATOR, body='{"disabled": true}'))
    listed = call("keys", proxy_event("GET", "/api/v1/keys", key=OPERATOR, query={"include_disabled": ["true"]}))
    deleted = call("keys", proxy_event("DELETE", path, key=OPERATOR))

    assert content(patched)["data"]["disabled"] is True
    assert [key["hash"] for key in content(listed)["data"]] == [created["data"]["hash"]]
    assert content(deleted) == {"deleted": True}


def test_a_stage_in_the_events_context_is_no_part_of_the_path(call: Functions) -> None:
    answer = call("keys", proxy_event("GET", "/api/v1/key", key=OPERATOR, stage="prod"))

    assert answer["statusCode"] == 200


def test_query_parameters_come_repeated_and_encoded(call: Functions) -> None:
    query = {"q": ["acme chat"], "limit": ["1"]}

    answer = call("catalog", proxy_event("GET", "/api/v1/models", query=query))

    assert content(answer)["total_count"] == 2
    assert content(answer)["links"]["next"] == "/api/v1/models?q=acme+chat&limit=1&offset=1"


@pytest.mark.parametrize("path", ["/api/v1/models/acme/chat:free/endpoints", "/v1/models/acme/chat%3Afree/endpoints"])
def test_a_variant_in_a_path(call: Functions, path: str) -> None:
    assert content(call("catalog", proxy_event("GET", path)))["data"]["id"] == "acme/chat:free"


def test_an_answer_that_the_client_has_is_empty(call: Functions) -> None:
    etag = header(call("catalog", proxy_event("GET", "/api/v1/providers")), "etag")

    answer = call("catalog", proxy_event("GET", "/api/v1/providers", headers={"If-None-Match": [f'"x", {etag}']}))

    assert (answer["statusCode"], answer["body"]) == (304, "")


def test_credit_is_granted_and_read(call: Functions) -> None:
    body = '{"amount": 0.000000001, "idempotency_key": "k"}'

    granted = call("billing", proxy_event("POST", "/api/v1/credits/grants", key=OPERATOR, body=body))
    read = call("billing", proxy_event("GET", "/api/v1/credits", key=OPERATOR))

    assert granted["statusCode"] == 201
    assert content(read) == {"data": {"total_credits": 1e-9, "total_usage": 0.0}}


def test_an_unknown_generation(call: Functions) -> None:
    event = proxy_event("GET", "/api/v1/generation", key=OPERATOR, query={"id": ["gen-1"]})

    assert call("billing", event)["statusCode"] == 404


@pytest.mark.parametrize(
    ("function", "event", "status"),
    [
        ("keys", proxy_event("GET", "/api/v1/keys"), 401),
        ("keys", proxy_event("GET", "/api/v1/keys", key="sk-or-v1-unknown"), 401),
        ("keys", proxy_event("GET", "/elsewhere"), 404),
        ("keys", proxy_event("PUT", "/api/v1/keys", key=OPERATOR), 405),
        ("keys", proxy_event("POST", "/api/v1/keys", key=OPERATOR), 400),
        ("keys", proxy_event("POST", "/api/v1/keys", key=OPERATOR, body="[]"), 400),
        ("billing", proxy_event("POST", "/api/v1/credits/grants", key=OPERATOR, body="{"), 400),
        ("catalog", proxy_event("GET", "/api/v1/model/acme/none"), 404),
    ],
)
def test_errors_are_json(call: Functions, function: str, event: Mapping[str, Any], status: int) -> None:
    answer = call(function, event)

    assert answer["statusCode"] == status
    assert content(answer)["error"]["code"] == status
    assert header(answer, "content-type") == "application/json"
