"""An account that runs low is charged once, and again only when it may be; what becomes of the charge is found out."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from turnpike.domain.ids import AccountId
from turnpike.domain.money import NanoUsd, parse_usd

from tests.shop import Shop, open_shop
from tests.stripe_server import StripeServer, serving_stripe

ME = AccountId("acct-1")
DAY_S = 86_400


@pytest.fixture(scope="module")
def served() -> Iterator[StripeServer]:
    with serving_stripe() as server:
        yield server


@pytest.fixture
def shop(served: StripeServer) -> Iterator[Shop]:
    """Its account has saved a card, bought $10 and spent $7 of it, and is topped up by $20 below $5."""
    served.mishaps.clear()
    served.stripe.events.clear()
    with open_shop(served) as opened:
        opened.buy(10, save=True)
        spend(opened, "7")
        assert opened.call("PUT", "/credits/auto-top-up", {"threshold": 5, "amount": 20}).status_code == 200
        served.requests.clear()
        yield opened


def spend(shop: Shop, usd: str) -> None:
    reference = f"spent-{len(shop.entries())}"
    shop.ledger.adjust(ME, "adjustment", NanoUsd(-parse_usd(usd)), reference=reference, now_s=1)


def charges(shop: Shop) -> list[Mapping[str, Any]]:
    """The payments that were asked for in the payer's absence."""
    return [
        each
        for each in shop.server.stripe.objects.values()
        if each["object"] == "payment_intent"
        and "turnpike_attempt" in each["metadata"]
        and each["customer"] == card(shop).customer
    ]


def card(shop: Shop) -> Any:
    saved = shop.store.find_method(ME)
    assert saved is not None
    return saved.method


def run(shop: Shop, *, later_s: float = 0) -> int:
    """Upkeep, so much later."""
    shop.clock.now += later_s
    return shop.run(int(shop.clock.now))


def status(shop: Shop) -> Any:
    return shop.call("GET", "/credits/auto-top-up").json()["data"]


class TestSettings:
    def test_they_are_told(self, shop: Shop) -> None:
        assert status(shop) == {
            "enabled": True,
            "threshold": 5.0,
            "amount": 20.0,
            "payment_method": "visa 4242",
            "pending": False,
            "failures": 0,
            "reason": None,
            "charged_today": 0.0,
            "daily_limit": 100.0,
        }

    def test_there_are_none_at_first(self, shop: Shop) -> None:
        answer = shop.call("GET", "/credits/auto-top-up", account="acct-2").json()["data"]
        assert (answer["enabled"], answer["threshold"], answer["payment_method"]) == (False, None, None)

    def test_they_need_a_payment_method(self, shop: Shop) -> None:
        shop.buy(10, account="acct-2")
        response = shop.call("PUT", "/credits/auto-top-up", {"threshold": 5, "amount": 20}, account="acct-2")
        assert response.status_code == 409
        assert "save_payment_method" in response.json()["error"]["message"]

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"threshold": -1, "amount": 20}, "threshold"),
            ({"threshold": 5, "amount": 4}, "amount"),
            ({"threshold": 5, "amount": 20.001}, "amount"),
            ({"threshold": 5, "amount": 101}, "amount"),
            ({"threshold": 5}, "amount"),
            ({"threshold": 5, "amount": 20, "account_id": "acct-2"}, "account_id"),
        ],
    )
    def test_what_is_wrong_is_named(self, shop: Shop, body: Mapping[str, Any], field: str) -> None:
        response = shop.call("PUT", "/credits/auto-top-up", body)
        assert response.status_code == 400
        assert response.json()["error"]["message"].startswith(f"{field}: ")

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    def test_management_keys_only(self, shop: Shop, method: str) -> None:
        body = {"threshold": 5, "amount": 20}
        assert shop.call(method, "/credits/auto-top-up", body, role="inference").status_code == 403
        assert shop.call(method, "/credits/auto-top-up", body, role=None).status_code == 401

    def test_deleted_they_are_off_and_the_card_is_forgotten(self, shop: Shop) -> None:
        for _ in range(2):
            answer = shop.call("DELETE", "/credits/auto-top-up").json()["data"]
            assert (answer["enabled"], answer["payment_method"]) == (False, None)
        assert run(shop) == 0
        assert shop.call("PUT", "/credits/auto-top-up", {"threshold": 5, "amount": 20}).status_code == 409


class TestCharge:
    def test_below_the_threshold_it_is_charged_once(self, shop: Shop) -> None:
        assert run(shop) == 1
        (charge,) = charges(shop)
        assert (charge["amount"], charge["payment_method"]) == (2110, card(shop).id)
        assert shop.available() == parse_usd("23")
        assert [run(shop, later_s=60) for _ in range(3)] == [0, 0, 0]
        shop.deliver_all()
        assert shop.available() == parse_usd("23")
        assert (status(shop)["pending"], status(shop)["charged_today"]) == (False, 20.0)

    def test_at_the_threshold_it_is_not(self, shop: Shop) -> None:
        shop.ledger.adjust(ME, "adjustment", parse_usd("2"), reference="back", now_s=1)
        assert (shop.available(), run(shop)) == (parse_usd("5"), 0)
        spend(shop, "0.000000001")
        assert run(shop) == 1

    def test_off_it_is_not(self, shop: Shop) -> None:
        shop.call("DELETE", "/credits/auto-top-up")
        assert run(shop) == 0
        assert shop.server.requests == []

    def test_of_many_runs_at_once_one_charges(self, shop: Shop) -> None:
        start = Barrier(8)

        def one(_: int) -> int:
            start.wait()
            return run(shop)

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(one, range(8))) == 1
        assert len(charges(shop)) == 1
        assert shop.available() == parse_usd("23")
        assert shop.failures == []

    def test_a_run_without_time_left_leaves_it_to_the_next(self, shop: Shop) -> None:
        assert shop.run(int(shop.clock.now), time_left=lambda: False) == 0
        assert run(shop) == 1

    def test_a_day_has_its_limit(self, shop: Shop) -> None:
        begun = []
        for _ in range(7):
            begun.append(run(shop, later_s=60))
            if begun[-1]:
                spend(shop, "20")
        assert begun == [1, 1, 1, 1, 1, 0, 0]
        assert (status(shop)["charged_today"], len(charges(shop))) == (100.0, 5)
        assert status(shop)["enabled"] is True
        run(shop, later_s=DAY_S)
        assert len(charges(shop)) == 6

    def test_one_that_is_settled_later_is_awaited(self, shop: Shop) -> None:
        payment_id = self.pay_by_debit(shop)
        assert run(shop) == 1
        for _ in range(30):
            assert run(shop, later_s=3700) == 0
        assert len(charges(shop)) == 1
        assert status(shop)["pending"] is True
        shop.server.stripe.settle(charges(shop)[0]["id"])
        shop.deliver_all()
        assert status(shop)["pending"] is False
        assert ("top_up", f"stripe:{payment_id}", 10_000_000_000) in shop.entries()
        assert shop.available() == parse_usd("20")

    def test_one_whose_webhook_is_lost_is_looked_up_in_an_hour(self, shop: Shop) -> None:
        self.pay_by_debit(shop)
        run(shop)
        (charge,) = charges(shop)
        shop.server.stripe.settle(charge["id"])
        shop.server.stripe.events.clear()
        run(shop, later_s=3500)
        assert status(shop)["pending"] is True
        run(shop, later_s=200)
        assert (status(shop)["pending"], shop.available()) == (False, parse_usd("20"))

    def test_one_that_bounces_counts_as_declined(self, shop: Shop) -> None:
        self.pay_by_debit(shop)
        run(shop)
        shop.server.stripe.bounce(charges(shop)[0]["id"])
        shop.deliver_all()
        told = status(shop)
        assert (told["pending"], told["enabled"], told["failures"]) == (False, False, 1)
        assert told["reason"] == "the payment provider refused the charge (payment_method_provider_decline)"

    def pay_by_debit(self, shop: Shop) -> str:
        """Spend what is there, and save a bank's debit in place of the card. Returns the first payment with it."""
        shop.clock.now += 1
        payment_id = shop.server.stripe.pay(shop.checkout(10, save=True), settles="later")
        shop.server.stripe.settle(payment_id)
        shop.deliver_all()
        assert card(shop).kind == "us_bank_account"
        spend(shop, str(shop.available() / 1_000_000_000))
        return payment_id


class TestDeclined:
    def test_it_is_tried_again_after_a_pause_and_then_no_more(self, shop: Shop) -> None:
        shop.server.stripe.decline(card(shop).id)
        assert run(shop) == 1
        told = status(shop)
        assert (told["enabled"], told["failures"], told["reason"]) == (True, 1, "Your card was declined.")
        assert told["charged_today"] == 0
        assert [run(shop, later_s=3599), run(shop, later_s=2)] == [0, 1]
        assert [run(shop, later_s=7199), run(shop, later_s=2)] == [0, 1]
        told = status(shop)
        assert (told["enabled"], told["failures"], told["reason"]) == (False, 3, "Your card was declined.")
        assert run(shop, later_s=DAY_S) == 0
        shop.deliver_all()
        assert (shop.available(), status(shop)["failures"]) == (parse_usd("3"), 3)

    def test_turned_on_again_it_starts_anew(self, shop: Shop) -> None:
        shop.server.stripe.decline(card(shop).id)
        for _ in range(3):
            run(shop, later_s=10_000)
        shop.server.stripe.accept(card(shop).id)
        shop.call("PUT", "/credits/auto-top-up", {"threshold": 5, "amount": 20})
        assert (status(shop)["enabled"], status(shop)["failures"], status(shop)["reason"]) == (True, 0, None)
        assert run(shop) == 1
        assert shop.available() == parse_usd("23")

    def test_a_success_forgives(self, shop: Shop) -> None:
        shop.server.stripe.decline(card(shop).id)
        run(shop)
        shop.server.stripe.accept(card(shop).id)
        run(shop, later_s=3700)
        assert (status(shop)["failures"], status(shop)["reason"]) == (0, None)

    def test_the_webhook_and_the_answer_count_one_failure_once(self, shop: Shop) -> None:
        shop.server.stripe.decline(card(shop).id)
        run(shop)
        shop.deliver_all()
        assert status(shop)["failures"] == 1

    @pytest.mark.parametrize(
        ("code", "decline_code", "reason"),
        [
            ("authentication_required", "authentication_required", "the bank wants the payer to authenticate"),
            ("card_declined", "stolen_card", "Your card was declined."),
            ("expired_card", "expired_card", "Your card was declined."),
        ],
    )
    def test_what_is_hopeless_is_not_tried_again(self, shop: Shop, code: str, decline_code: str, reason: str) -> None:
        shop.server.stripe.decline(card(shop).id, code, decline_code)
        run(shop)
        told = status(shop)
        assert (told["enabled"], told["failures"]) == (False, 1)
        assert told["reason"].startswith(reason)
        assert "stolen" not in told["reason"]

    def test_a_payment_method_that_is_gone_turns_it_off(self, shop: Shop) -> None:
        shop.server.stripe.delete(card(shop).id)
        run(shop)
        assert status(shop)["reason"] == "the payment provider refused the charge (resource_missing)"
        assert status(shop)["enabled"] is False


class TestUncertain:
    @pytest.mark.parametrize("mishap", ["answer lost", "fails after"])
    def test_an_answer_that_is_lost_is_asked_for_again(self, shop: Shop, mishap: Any) -> None:
        shop.server.mishaps.extend([mishap] * 2)
        assert run(shop) == 1
        assert status(shop)["pending"] is True
        assert len(shop.failures) == 1
        shop.server.mishaps.clear()
        run(shop, later_s=100)
        assert (status(shop)["pending"], shop.available()) == (True, parse_usd("3"))
        run(shop, later_s=30)
        assert (status(shop)["pending"], shop.available()) == (False, parse_usd("23"))
        assert len(charges(shop)) == 1

    def test_or_the_webhook_tells_first(self, shop: Shop) -> None:
        shop.server.mishaps.extend(["answer lost"] * 2)
        run(shop)
        shop.server.mishaps.clear()
        shop.deliver_all()
        assert (status(shop)["pending"], shop.available()) == (False, parse_usd("23"))
        run(shop, later_s=300)
        assert len(charges(shop)) == 1

    def test_while_stripe_cannot_be_reached_one_charge_waits(self, shop: Shop) -> None:
        shop.server.mishaps.extend(["refuses"] * 100)
        for _ in range(3):
            run(shop, later_s=130)
        assert len(shop.failures) == 3
        shop.server.mishaps.clear()
        run(shop, later_s=130)
        assert len(charges(shop)) == 1
        assert shop.available() == parse_usd("23")

    def test_one_that_stays_unknown_is_never_asked_for_with_a_key_that_may_be_forgotten(self, shop: Shop) -> None:
        shop.server.mishaps.extend(["answer lost"] * 2)
        run(shop)
        shop.server.mishaps.clear()
        shop.server.requests.clear()
        run(shop, later_s=DAY_S)
        told = status(shop)
        assert (told["enabled"], told["pending"]) == (False, False)
        assert "not known what became of a charge (topup-" in told["reason"]
        assert shop.server.requests == []
        shop.deliver_all()
        assert shop.available() == parse_usd("23")

    def test_two_who_ask_at_once_get_one_charge(self, shop: Shop) -> None:
        """The first one's answer is still to come when a second takes it up, which the pause makes unlikely."""
        shop.server.hold()
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(run, shop)
            while not shop.server.requests:
                assert not first.done()
            second = pool.submit(run, shop, later_s=200)
            while len(shop.server.requests) < 2:
                assert not second.done()
            shop.server.let_go()
            assert (first.result(), second.result()) == (1, 0)
        assert len(charges(shop)) == 1
        assert shop.available() == parse_usd("23")

    def test_one_accounts_trouble_is_not_anothers(self, shop: Shop) -> None:
        shop.buy(10, account="acct-0", save=True)
        shop.ledger.adjust(AccountId("acct-0"), "adjustment", parse_usd("-9"), reference="s", now_s=1)
        shop.call("PUT", "/credits/auto-top-up", {"threshold": 5, "amount": 20}, account="acct-0")
        shop.server.mishaps.extend(["key refused"])
        assert run(shop) == 2
        assert len(shop.failures) == 1
        assert shop.available("acct-0") == parse_usd("1")
        assert shop.available() == parse_usd("23")


class TestTakenBack:
    """Whoever got money back is not charged for it again at once."""

    def test_a_refund_turns_it_off(self, shop: Shop) -> None:
        run(shop)
        refund_id = shop.server.stripe.refund(charges(shop)[0]["id"], 2110)
        shop.deliver_all()
        assert shop.available() == parse_usd("3")
        told = status(shop)
        assert (told["enabled"], told["reason"]) == (
            False,
            f"a payment was refunded ({refund_id}); turn it on again to go on",
        )
        assert run(shop, later_s=60) == 0

    def test_a_dispute_turns_it_off(self, shop: Shop) -> None:
        run(shop)
        dispute_id = shop.server.stripe.dispute(charges(shop)[0]["id"], 2110)
        shop.deliver_all()
        assert status(shop)["reason"] == f"a payment was disputed ({dispute_id}); turn it on again to go on"
        assert run(shop, later_s=60) == 0

    def test_an_inquiry_does_not(self, shop: Shop) -> None:
        run(shop)
        shop.server.stripe.dispute(charges(shop)[0]["id"], 2110, inquiry=True)
        shop.deliver_all()
        assert status(shop)["enabled"] is True

    def test_turned_on_since_it_stays_on_whatever_is_repeated(self, shop: Shop) -> None:
        run(shop)
        shop.server.stripe.dispute(charges(shop)[0]["id"], 2110)
        events = list(shop.server.stripe.events)
        shop.deliver_all()
        shop.clock.now += 1
        shop.call("PUT", "/credits/auto-top-up", {"threshold": 5, "amount": 20})
        for event in events:
            shop.deliver(event)
        assert status(shop)["enabled"] is True
