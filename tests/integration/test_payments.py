"""Credit is bought through Stripe: checkouts, and every event that tells what became of the money."""

import json
import logging
import time
from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Any

import pytest
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.ids import AccountId
from turnpike.domain.ledger import Balance
from turnpike.domain.money import NanoUsd, parse_usd
from turnpike.domain.payments import Fees, Terms

from tests.fake_stripe import sign
from tests.fakes import InMemoryLedger
from tests.shop import SITE, Shop, keys_of, open_shop
from tests.stripe_account import Object
from tests.stripe_server import StripeServer, serving_stripe

NO_FEES = Terms(500, 1_000_000, Fees(), automatic_daily=parse_usd("100"))


@pytest.fixture(scope="module")
def served() -> Iterator[StripeServer]:
    with serving_stripe() as server:
        yield server


@pytest.fixture
def server(served: StripeServer) -> StripeServer:
    """With nothing that an earlier test has left to happen."""
    served.mishaps.clear()
    served.requests.clear()
    served.stripe.events.clear()
    served.stripe.settles_in, served.stripe.rate = "usd", 1.0
    return served


@pytest.fixture
def shop(server: StripeServer) -> Iterator[Shop]:
    with open_shop(server) as opened:
        yield opened


@pytest.fixture(scope="module")
def counter(served: StripeServer) -> Iterator[Shop]:
    """One for all that only ask."""
    with open_shop(served) as opened:
        yield opened


@pytest.fixture
def plain(server: StripeServer) -> Iterator[Shop]:
    """Without fees, so that a payment is its credit."""
    with open_shop(server, terms=NO_FEES) as opened:
        yield opened


def of_kind(server: StripeServer, kind: str) -> Object:
    (found,) = [event for event in server.stripe.events if event["type"] == kind]
    return found


class TestCheckout:
    def test_it_names_the_account_and_the_price(self, shop: Shop, server: StripeServer) -> None:
        response = shop.call("POST", "/credits/checkout", {"amount": 20, "currency": "USD"})

        assert response.status_code == 201
        data = response.json()["data"]
        session = server.stripe.objects[data["id"]]
        assert data["url"] == session["url"]
        assert (data["amount"], data["fee"], data["total"], data["currency"]) == (20.0, 1.1, 21.1, "USD")
        assert data["expires_at"].endswith("Z")
        assert session["client_reference_id"] == "acct-1"
        assert session["metadata"] == {
            "turnpike_account": "acct-1",
            "turnpike_stage": "test",
            "turnpike_credit_cents": "2000",
            "turnpike_fee_cents": "110",
        }
        assert session["payment_intent_data"]["metadata"] == session["metadata"]
        assert "setup_future_usage" not in session["payment_intent_data"]
        assert [(item["price_data"]["unit_amount"], item["quantity"]) for item in session["line_items"]] == [
            ("2000", "1"),
            ("110", "1"),
        ]
        assert session["adaptive_pricing"] == {"enabled": "false"}
        assert session["success_url"] == f"{SITE}/?checkout=success"
        assert session["cancel_url"] == f"{SITE}/?checkout=cancelled"

    def test_without_fees_there_is_one_line(self, plain: Shop, server: StripeServer) -> None:
        session = server.stripe.objects[plain.checkout(7.77)]
        assert [item["price_data"]["unit_amount"] for item in session["line_items"]] == ["777"]

    @pytest.mark.parametrize(("amount", "fee"), [(5, 0.8), (14.54, 0.8), (14.55, 0.81), (100, 5.5), (10_000, 550)])
    def test_the_fee_is_a_percentage_and_a_least(self, counter: Shop, amount: float, fee: float) -> None:
        response = counter.call("POST", "/credits/checkout", {"amount": amount})
        assert response.json()["data"]["fee"] == fee

    def test_it_leads_back_to_the_operators_sites(self, shop: Shop, server: StripeServer) -> None:
        back = {"success_url": f"{SITE}/done?id={{CHECKOUT_SESSION_ID}}", "cancel_url": f"{SITE}:443/back#there"}
        response = shop.call("POST", "/credits/checkout", {"amount": 5, **back})
        session = server.stripe.objects[response.json()["data"]["id"]]
        assert {name: session[name] for name in back} == back

    @pytest.mark.parametrize(
        "address",
        [
            "https://evil.example",
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://app.example.com@evil.example",
            "https://app.example.com.evil.example",
            "https://evil.example/https://app.example.com",
            "https://app.example.com\\@evil.example",
            "https://app.example.com\n.evil.example",
            "//app.example.com",
            "javascript://app.example.com/%0aalert(1)",
            "https:app.example.com",
            "https://[app.example.com",
            "",
            f"{SITE}/{'x' * 3000}",
        ],
    )
    @pytest.mark.parametrize("field", ["success_url", "cancel_url"])
    def test_it_leads_nowhere_else(self, counter: Shop, server: StripeServer, field: str, address: str) -> None:
        response = counter.call("POST", "/credits/checkout", {"amount": 5, field: address})
        assert response.status_code == 400
        assert response.json()["error"]["message"].startswith(f"{field}: ")
        assert server.requests == []

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "amount"),
            ({"amount": 4.99}, "amount"),
            ({"amount": 10_000.01}, "amount"),
            ({"amount": 5.001}, "amount"),
            ({"amount": 0}, "amount"),
            ({"amount": -5}, "amount"),
            ({"amount": "5"}, "amount"),
            ({"amount": 5, "currency": "EUR"}, "currency"),
            ({"amount": 5, "account_id": "acct-2"}, "account_id"),
            ({"amount": 5, "save_payment_method": "yes"}, "save_payment_method"),
        ],
    )
    def test_what_is_wrong_is_named(
        self, counter: Shop, server: StripeServer, body: Mapping[str, Any], field: str
    ) -> None:
        response = counter.call("POST", "/credits/checkout", body)
        assert response.status_code == 400
        assert response.json()["error"]["message"].startswith(f"{field}: ")
        assert server.requests == []

    @pytest.mark.parametrize(("role", "status"), [(None, 401), ("inference", 403), ("operator", 201)])
    def test_management_keys_only(self, counter: Shop, role: Any, status: int) -> None:
        assert counter.call("POST", "/credits/checkout", {"amount": 5}, role=role).status_code == status

    def test_a_saved_payer_stays_the_same_customer(self, shop: Shop, server: StripeServer) -> None:
        first = server.stripe.objects[shop.checkout(save=True)]
        assert first["customer_creation"] == "always"
        assert first["payment_intent_data"]["setup_future_usage"] == "off_session"
        server.stripe.pay(first["id"])
        shop.deliver_all()
        second = server.stripe.objects[shop.checkout(save=True)]
        assert second["customer"] == first["customer"] is not None

    def test_a_customer_that_the_operator_deleted_is_made_anew(self, shop: Shop, server: StripeServer) -> None:
        payment = server.stripe.objects[shop.buy(save=True)]
        server.stripe.delete(payment["customer"])
        again = server.stripe.objects[shop.checkout(save=True)]
        assert (again["customer"], again["customer_creation"]) == (None, "always")

    def test_what_stripe_refuses_is_told_by_its_code(self, server: StripeServer) -> None:
        pennies = Terms(1, 100, Fees(), automatic_daily=NanoUsd(0))
        with open_shop(server, terms=pennies) as shop:
            response = shop.call("POST", "/credits/checkout", {"amount": 0.1})
        assert response.status_code == 400
        assert response.json()["error"]["message"] == "The payment provider refuses this: amount_too_small"

    @pytest.mark.parametrize("mishap", ["key refused", "overloaded"])
    def test_our_own_trouble_with_stripe_is_a_503(self, shop: Shop, server: StripeServer, mishap: Any) -> None:
        server.mishaps.extend([mishap] * 5)
        response = shop.call("POST", "/credits/checkout", {"amount": 5})
        assert response.status_code == 503
        assert "sk_" not in response.text
        assert "Too many" not in response.text

    @pytest.mark.parametrize("mishap", ["refuses", "fails after"])
    def test_a_hiccup_of_stripes_is_not_noticed(self, shop: Shop, server: StripeServer, mishap: Any) -> None:
        before = server.created("checkout.session")
        server.mishaps.append(mishap)
        assert shop.checkout()
        # The library's second try has the first one's idempotency key.
        assert server.created("checkout.session") == before + 1


class TestOff:
    @pytest.mark.parametrize(
        ("missing", "named"),
        [({"STRIPE_SECRET_KEY": ""}, "STRIPE_SECRET_KEY"), ({"STRIPE_WEBHOOK_SECRET": " "}, "STRIPE_WEBHOOK_SECRET")],
    )
    def test_without_either_key_everything_says_what_is_missing(
        self, server: StripeServer, missing: Mapping[str, str], named: str
    ) -> None:
        with open_shop(server, keys=keys_of(server) | missing) as shop:
            answers = [
                shop.call("POST", "/credits/checkout", {"amount": 5}),
                shop.call("GET", "/credits/auto-top-up"),
                shop.call("PUT", "/credits/auto-top-up", {"threshold": 5, "amount": 10}),
                shop.call("DELETE", "/credits/auto-top-up"),
                shop.deliver({"object": "event"}),
            ]
            assert shop.call("GET", "/credits").status_code == 200
        assert {answer.status_code for answer in answers} == {404}
        assert {f"{named} is not configured" in answer.json()["error"]["message"] for answer in answers} == {True}
        assert server.requests == []


class TestSignature:
    @pytest.fixture
    def event(self, shop: Shop, server: StripeServer) -> Object:
        server.stripe.pay(shop.checkout())
        return of_kind(server, "checkout.session.completed")

    def test_what_stripe_signed_is_taken(self, shop: Shop, event: Object) -> None:
        assert shop.deliver(event, at=int(time.time()) - 290).json() == {"received": True}
        assert shop.available() == parse_usd("10")

    def test_one_of_several_signatures_is_enough(self, shop: Shop, server: StripeServer, event: Object) -> None:
        """While a secret is rotated, Stripe signs with the old and the new one."""
        body, signature = server.stripe.signed(event)
        _, old = sign(body, "whsec_old").split(",")[:2]
        stamp, new = signature.split(",")[:2]
        assert shop.post_event(body, {"stripe-signature": f"{stamp},{old},{new}"}).status_code == 200

    def test_anything_else_is_refused(self, shop: Shop, server: StripeServer, event: Object) -> None:
        body, signature = server.stripe.signed(event)
        stamp, proof = signature.split(",")[:2]
        refused = [
            shop.deliver(event, secret="whsec_other"),
            shop.deliver(event, at=int(time.time()) - 301),
            shop.post_event(body, {}),
            shop.post_event(body, {"stripe-signature": ""}),
            shop.post_event(body, {"stripe-signature": stamp}),
            shop.post_event(body, {"stripe-signature": f"t=soon,{proof}"}),
            shop.post_event(body, {"stripe-signature": f"{stamp},{proof.replace('v1', 'v0')}"}),
            shop.post_event(body.replace(b"acct-1", b"acct-2"), {"stripe-signature": signature}),
            shop.post_event(body + b" ", {"stripe-signature": signature}),
            shop.post_event(b"\xff\xfe", {"stripe-signature": signature}),
            shop.post_event(b"{", {"stripe-signature": sign(b"{", server.stripe.webhook_secret)}),
            shop.deliver({"object": "v2.core.event", "livemode": False}),
            shop.deliver({**event, "livemode": True}),
        ]
        assert [answer.status_code for answer in refused] == [400] * len(refused)
        assert not any("acct-1" in answer.text for answer in refused)
        assert shop.available() == 0

    def test_no_bearer_key_is_asked_for(self, shop: Shop, server: StripeServer, event: Object) -> None:
        body, signature = server.stripe.signed(event)
        headers = {"stripe-signature": signature, "authorization": "Bearer sk-or-v1-whatever"}
        assert shop.post_event(body, headers).status_code == 200


class TestPaid:
    def test_it_is_credited_once_whoever_tells_of_it(self, shop: Shop, server: StripeServer) -> None:
        payment_id = server.stripe.pay(shop.checkout(12.34))
        told = [*server.stripe.events] * 3
        for event in told:
            assert shop.deliver(event).status_code == 200
        assert shop.entries() == [("top_up", f"stripe:{payment_id}", 12_340_000_000)]
        assert shop.available() == parse_usd("12.34")

    @pytest.mark.parametrize("kind", ["checkout.session.completed", "payment_intent.succeeded"])
    def test_either_event_is_enough(self, shop: Shop, server: StripeServer, kind: str) -> None:
        server.stripe.pay(shop.checkout())
        shop.deliver(of_kind(server, kind))
        assert shop.available() == parse_usd("10")

    def test_it_is_credited_to_the_account_that_checked_out(self, shop: Shop) -> None:
        shop.buy(5, account="acct-1")
        shop.buy(6, account="acct-2")
        assert (shop.available("acct-1"), shop.available("acct-2")) == (parse_usd("5"), parse_usd("6"))

    def test_a_page_that_nobody_pays_on_credits_nothing(self, shop: Shop) -> None:
        shop.checkout()
        shop.deliver_all()
        assert shop.available() == 0

    def test_a_debit_is_credited_when_it_has_come(self, shop: Shop, server: StripeServer) -> None:
        payment_id = server.stripe.pay(shop.checkout(), settles="later")
        assert of_kind(server, "checkout.session.completed")["data"]["object"]["payment_status"] == "unpaid"
        shop.deliver_all()
        assert shop.available() == 0
        server.stripe.settle(payment_id)
        shop.deliver(of_kind(server, "checkout.session.async_payment_succeeded"))
        assert shop.available() == parse_usd("10")
        shop.deliver_all()
        assert shop.available() == parse_usd("10")

    def test_a_debit_that_bounces_credits_nothing(self, shop: Shop, server: StripeServer) -> None:
        payment_id = server.stripe.pay(shop.checkout(), settles="later")
        server.stripe.bounce(payment_id)
        assert of_kind(server, "checkout.session.async_payment_failed")
        shop.deliver_all()
        assert shop.available() == 0

    def test_other_stages_and_applications_are_none_of_ours(self, shop: Shop, server: StripeServer) -> None:
        with open_shop(server, stage="staging") as staging:
            theirs = server.stripe.pay(staging.checkout())
        server.stripe.refund(theirs, 100)
        server.stripe.dispute(theirs, 100)
        shop.deliver_all()
        for event in (
            {"type": "payment_intent.succeeded", "data": {"object": {"id": "pi_else", "object": "payment_intent"}}},
            {"type": "refund.created", "data": {"object": {"id": "re_1", "object": "refund", "payment_intent": None}}},
            {"type": "customer.created", "data": {"object": {"id": "cus_1", "object": "customer"}}},
            {"type": "checkout.session.completed", "data": {"object": {"id": "cs", "object": "checkout.session"}}},
            {
                "type": "refund.created",
                "data": {
                    "object": {
                        "id": "re_2",
                        "object": "refund",
                        "payment_intent": "pi_gone",
                        "amount": 1,
                        "created": 1,
                        "status": "succeeded",
                    }
                },
            },
        ):
            answer = shop.deliver({"id": "evt", "object": "event", "livemode": False, **event})
            assert (answer.status_code, answer.json()) == (200, {"received": True})
        assert shop.entries() == []

    def test_what_was_not_paid_in_full_is_credited_as_far_as_it_goes(self, plain: Shop, server: StripeServer) -> None:
        payment_id = server.stripe.pay(plain.checkout(10))
        server.stripe.objects[payment_id]["amount_received"] = 400
        plain.deliver_all()
        assert plain.available() == parse_usd("4")

    def test_what_was_not_paid_in_dollars_needs_the_operator(self, shop: Shop, server: StripeServer) -> None:
        payment_id = server.stripe.pay(shop.checkout(10))
        server.stripe.objects[payment_id]["currency"] = "jpy"
        shop.deliver_all()
        assert shop.entries() == []
        assert set(shop.troubles) == {"it was paid, and not in dollars or not enough for its fee"}

    def test_an_amount_that_changes_needs_the_operator(self, plain: Shop, server: StripeServer) -> None:
        payment_id = plain.buy(10)
        server.stripe.objects[payment_id]["amount_received"] = 400
        server.stripe.refund(payment_id, 100)
        plain.deliver_all()
        assert plain.available() == parse_usd("10")
        assert set(plain.troubles) == {"it was booked before with another amount"}


class Flaky(InMemoryLedger):
    """Throttled as often as it is told."""

    throttled = 0

    def top_up(self, account_id: AccountId, amount: NanoUsd, *, reference: str, now_s: int) -> bool:
        if self.throttled:
            self.throttled -= 1
            raise TemporarilyBusy("The ledger is busy; try again")
        return super().top_up(account_id, amount, reference=reference, now_s=now_s)


class TestTrouble:
    def test_stripe_is_to_repeat_what_storage_did_not_take(self, server: StripeServer) -> None:
        ledger = Flaky()
        with open_shop(server, ledger=ledger) as shop:
            server.stripe.pay(shop.checkout())
            event = of_kind(server, "checkout.session.completed")
            ledger.throttled = 2
            answers = [shop.deliver(event).status_code for _ in range(4)]
            assert answers == [503, 503, 200, 200]
            assert shop.available() == parse_usd("10")

    @pytest.mark.parametrize("mishap", ["refuses", "overloaded", "key refused", "answer lost"])
    def test_and_what_it_does_not_tell_us_itself(self, shop: Shop, server: StripeServer, mishap: Any) -> None:
        server.stripe.pay(shop.checkout())
        event = of_kind(server, "checkout.session.completed")
        server.mishaps.extend([mishap] * 2)
        assert shop.deliver(event).status_code == 503
        server.mishaps.clear()
        assert shop.deliver(event).status_code == 200
        assert shop.available() == parse_usd("10")


@pytest.fixture
def log() -> Iterator[StringIO]:
    """Everything that anybody logs, at any level, as the functions write it."""
    stream, root = StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    handler.setFormatter(LambdaPowertoolsFormatter())
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.setLevel(level)
    root.removeHandler(handler)


def test_no_secret_is_logged_and_nothing_that_stripe_says(shop: Shop, server: StripeServer, log: StringIO) -> None:
    shop.buy(10, save=True)
    saved = shop.store.find_method(AccountId("acct-1"))
    assert saved is not None
    assert saved.method is not None
    server.stripe.decline(saved.method.id)
    shop.call("PUT", "/credits/auto-top-up", {"threshold": 50, "amount": 20})
    shop.run(int(shop.clock.now))
    shop.post_event(b"a body", {"stripe-signature": "t=1,v1=forged"})
    server.mishaps.extend(["key refused", "overloaded", "overloaded"])
    for _ in range(2):
        assert shop.call("POST", "/credits/checkout", {"amount": 10}).status_code == 503
    text = log.getvalue()
    assert '"error":"AuthenticationError","status":401' in text
    assert '"error":"RateLimitError","status":429' in text
    keys = keys_of(server).values()
    for secret in (
        *keys,
        shop.key("acct-1"),
        "Invalid API Key",
        "Too many",
        "a body",
        "forged",
        "visa",
        "was declined",
    ):
        assert secret not in text


class TestRefunds:
    def test_parts_are_taken_back_once_each(self, plain: Shop, server: StripeServer) -> None:
        payment_id = plain.buy(10)
        refunds = [server.stripe.refund(payment_id, cents) for cents in (250, 250, 1)]
        told = [*server.stripe.events] * 2
        for event in told:
            plain.deliver(event)
        assert plain.available() == parse_usd("4.99")
        assert plain.entries()[1:] == [
            ("refund", f"stripe:{refund}", -amount)
            for refund, amount in zip(refunds, (2_500_000_000, 2_500_000_000, 10_000_000), strict=True)
        ]

    def test_a_refund_with_its_fee_takes_the_same_part_of_the_credit(self, shop: Shop, server: StripeServer) -> None:
        payment_id = shop.buy(20)  # $21.10 with the fee
        server.stripe.refund(payment_id, 1055)
        shop.deliver_all()
        assert shop.available() == parse_usd("10")
        server.stripe.refund(payment_id, 1055)
        shop.deliver_all()
        assert shop.available() == 0

    def test_one_that_was_spent_leaves_the_account_owing(self, plain: Shop, server: StripeServer) -> None:
        payment_id = plain.buy(10)
        plain.ledger.adjust(AccountId("acct-1"), "adjustment", parse_usd("-8"), reference="spent", now_s=1)
        server.stripe.refund(payment_id, 1000)
        plain.deliver_all()
        assert plain.available() == parse_usd("-8")
        plain.buy(10)
        assert plain.available() == parse_usd("2")

    @pytest.mark.parametrize("end", ["failed", "canceled"])
    @pytest.mark.parametrize("in_order", [True, False])
    def test_one_that_comes_back_is_credited_again(
        self, plain: Shop, server: StripeServer, end: Any, in_order: bool
    ) -> None:
        payment_id = plain.buy(10)
        refund_id = server.stripe.refund(payment_id, 400, status="pending")
        if in_order:
            plain.deliver_all()
            assert plain.available() == parse_usd("6")
        server.stripe.finish_refund(refund_id, end)
        told = server.stripe.events if in_order else server.stripe.events[::-1]
        for event in [*told, *told]:
            plain.deliver(event)
            assert plain.available() <= parse_usd("10")
        assert plain.available() == parse_usd("10")

    def test_one_that_comes_before_its_payment_finds_it(self, plain: Shop, server: StripeServer) -> None:
        payment_id = server.stripe.pay(plain.checkout(10))
        server.stripe.refund(payment_id, 300)
        plain.deliver(of_kind(server, "refund.created"))
        assert plain.available() == parse_usd("7")
        plain.deliver_all()
        assert plain.available() == parse_usd("7")


class TestDisputes:
    def test_lost_it_is_gone(self, plain: Shop, server: StripeServer) -> None:
        dispute_id = server.stripe.dispute(plain.buy(10), 1000)
        plain.deliver_all()
        assert plain.available() == 0
        server.stripe.close_dispute(dispute_id, won=False)
        plain.deliver_all()
        assert plain.available() == 0

    @pytest.mark.parametrize(("back", "available"), [(None, "10"), (400, "4")])
    def test_won_it_comes_back_as_far_as_the_bank_gives_it(
        self, plain: Shop, server: StripeServer, back: int | None, available: str
    ) -> None:
        dispute_id = server.stripe.dispute(plain.buy(10), 1000)
        server.stripe.close_dispute(dispute_id, won=True, back_cents=back)
        plain.deliver_all()
        assert plain.available() == parse_usd(available)

    def test_the_fee_that_stripe_takes_for_it_is_the_operators(self, shop: Shop, server: StripeServer) -> None:
        server.stripe.dispute(shop.buy(20), 2110)
        shop.deliver_all()
        assert shop.available() == 0

    def test_an_inquiry_moves_nothing(self, plain: Shop, server: StripeServer) -> None:
        dispute_id = server.stripe.dispute(plain.buy(10), 1000, inquiry=True)
        server.stripe.close_dispute(dispute_id, won=True)
        plain.deliver_all()
        assert plain.available() == parse_usd("10")

    @pytest.mark.parametrize("rate", [0.9, 1.3731, 147.23])
    def test_an_account_in_another_currency(self, plain: Shop, server: StripeServer, rate: float) -> None:
        server.stripe.settles_in, server.stripe.rate = "xyz", rate
        dispute_id = server.stripe.dispute(plain.buy(12.34), 1234)
        plain.deliver_all()
        assert plain.available() == 0
        server.stripe.close_dispute(dispute_id, won=True)
        plain.deliver_all()
        assert plain.available() == parse_usd("12.34")

    def test_an_event_without_its_movements_is_looked_up(self, plain: Shop, server: StripeServer) -> None:
        dispute_id = server.stripe.dispute(plain.buy(10), 1000)
        event = of_kind(server, "charge.dispute.funds_withdrawn")
        bare: Object = json.loads(json.dumps(event))
        bare["data"]["object"]["balance_transactions"] = []
        moved = server.stripe.objects[dispute_id]["balance_transactions"]
        server.stripe.objects[dispute_id]["balance_transactions"] = []
        assert plain.deliver(bare).status_code == 503
        server.stripe.objects[dispute_id]["balance_transactions"] = moved
        assert plain.deliver(bare).status_code == 200
        plain.deliver_all()
        assert plain.ledger.get_balance(AccountId("acct-1")) == Balance()
        assert len(plain.entries()) == 2
