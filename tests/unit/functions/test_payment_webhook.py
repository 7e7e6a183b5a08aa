"""Stripe's signature is over bytes, and a REST API hands a function text: it still fits, in either form."""

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from mangum import Mangum

from turnpike.api import payments
from turnpike.api.auth import Guard
from turnpike.api.edge import Edge
from turnpike.domain.return_addresses import ReturnAddresses
from turnpike.payments.stripe_gateway import SECRET_KEY, WEBHOOK_SECRET, StripeGateway
from turnpike.services.authenticate import Authenticate
from turnpike.services.book_payment import BookPayment
from turnpike.services.manage_auto_top_up import ManageAutoTopUp
from turnpike.services.receive_payment_event import ReceivePaymentEvent
from turnpike.services.start_checkout import StartCheckout

from tests.fake_payments import InMemoryAutoTopUps
from tests.fake_stripe import sign
from tests.fakes import InMemoryApiKeys, InMemoryLedger
from tests.proxy_events import proxy_event
from tests.shop import TERMS

KEYS = {SECRET_KEY: "sk_test_x", WEBHOOK_SECRET: "whsec_x"}
EVENT = {
    "object": "event",
    "livemode": False,
    "type": "customer.created",
    "data": {"object": {"id": "cus_1", "object": "customer", "name": "Zoë Ørsted 🙂"}},
}


@pytest.fixture
def call() -> Iterator[Any]:
    store = InMemoryAutoTopUps()
    gateway = StripeGateway(lambda: KEYS, stage="test", api_base="http://127.0.0.1:9")
    app = Edge(
        payments.routes(
            Guard(Authenticate(InMemoryApiKeys(), ttl_s=0)),
            StartCheckout(gateway, store, TERMS, ReturnAddresses([])),
            ReceivePaymentEvent(gateway, BookPayment(InMemoryLedger(), store)),
            ManageAutoTopUp(gateway, store, TERMS),
        )
    )
    with asyncio.Runner() as runner:
        asyncio.set_event_loop(runner.get_loop())
        yield lambda event: Mangum(app, lifespan="off")(event, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize("change", ["", " "])
def test_the_signature_is_over_the_body_as_it_was_sent(call: Any, encoded: bool, change: str) -> None:
    body = json.dumps(EVENT, indent=2, ensure_ascii=False)
    headers = {"Stripe-Signature": [sign(body.encode(), KEYS[WEBHOOK_SECRET])]}
    event = proxy_event("POST", "/api/v1/credits/webhook", headers=headers, body=body + change)
    if encoded:
        event |= {"body": base64.b64encode((body + change).encode()).decode(), "isBase64Encoded": True}

    answer = call(event)

    assert answer["statusCode"] == (400 if change else 200)
