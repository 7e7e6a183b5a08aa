"""What Stripe's objects mean, in forms that its fake does not show."""

from typing import Any

import pytest

from turnpike.domain.ids import AccountId
from turnpike.domain.payments import (
    DisputeChanged,
    Failure,
    Movement,
    PaymentChanged,
    PaymentMethod,
    RefundChanged,
    to_nano,
)
from turnpike.payments.stripe_objects import is_ours, parse_event, parse_failure, parse_movements, parse_payment

METADATA = {
    "turnpike_account": "acct-1",
    "turnpike_stage": "prod",
    "turnpike_credit_cents": "2000",
    "turnpike_fee_cents": "110",
}
PAID = {
    "id": "pi_1",
    "object": "payment_intent",
    "status": "succeeded",
    "amount": 2110,
    "amount_received": 2110,
    "currency": "usd",
    "created": 1_795_521_600,
    "customer": "cus_1",
    "payment_method": "pm_1",
    "last_payment_error": None,
    "metadata": METADATA,
}
DECLINED = {"type": "card_error", "code": "card_declined", "message": "Your card was declined."}


def test_a_paid_one() -> None:
    payment = parse_payment(PAID)
    assert (payment.id, payment.account_id, payment.state) == ("pi_1", AccountId("acct-1"), "paid")
    assert (payment.credit, payment.paid_cents, payment.saves) == (to_nano(2_000), 2_110, None)


@pytest.mark.parametrize(
    ("status", "error", "state"),
    [
        ("processing", None, "processing"),
        ("requires_payment_method", None, "open"),
        ("requires_payment_method", DECLINED, "failed"),
        ("requires_confirmation", None, "open"),
        ("requires_action", None, "open"),
        ("requires_capture", None, "open"),
        ("canceled", None, "failed"),
    ],
)
def test_one_that_is_not_paid_yet(status: str, error: Any, state: str) -> None:
    payment = parse_payment({**PAID, "status": status, "amount_received": 0, "last_payment_error": error})
    assert (payment.state, payment.credit, payment.paid_cents) == (state, to_nano(2_000), 0)


def test_a_payer_who_is_not_there_cannot_act() -> None:
    attempt = {**METADATA, "turnpike_attempt": "topup-1-x"}
    payment = parse_payment({**PAID, "status": "requires_action", "metadata": attempt})
    assert (payment.state, payment.attempt_id, payment.failure.is_final) == ("failed", "topup-1-x", True)


@pytest.mark.parametrize(
    ("method", "label"),
    [
        ({"id": "pm_1", "type": "card", "card": {"brand": "visa", "last4": "4242"}}, "visa 4242"),
        (
            {"id": "pm_1", "type": "us_bank_account", "us_bank_account": {"bank_name": "A Bank", "last4": "6789"}},
            "A Bank 6789",
        ),
        ({"id": "pm_1", "type": "link", "link": {"email": "somebody@example.com"}}, "link"),
        ({"id": "pm_1", "type": "cashapp"}, "cashapp"),
    ],
)
def test_a_saved_method_is_told_by_what_its_owner_knows(method: Any, label: str) -> None:
    saving = {**PAID, "metadata": {**METADATA, "turnpike_saves": "yes"}, "payment_method": method}
    expected = PaymentMethod("cus_1", "pm_1", method["type"], label)
    assert parse_payment(saving).saves == expected
    assert parse_payment({**saving, "customer": {"id": "cus_1"}}).saves == expected
    # Not asked to be saved, nobody's, or not told: nothing to charge.
    assert parse_payment({**saving, "metadata": METADATA}).saves is None
    assert parse_payment({**saving, "customer": None}).saves is None
    assert parse_payment({**saving, "payment_method": "pm_1"}).saves is None


@pytest.mark.parametrize(
    ("metadata", "ours"),
    [
        (METADATA, True),
        ({**METADATA, "turnpike_stage": "staging"}, False),
        ({"turnpike_stage": "prod"}, False),
        ({"order": "7"}, False),
        ({}, False),
        (None, False),
    ],
)
def test_whose_it_is(metadata: Any, ours: bool) -> None:
    assert is_ours({**PAID, "metadata": metadata}, "prod") is ours


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DECLINED, Failure("Your card was declined.")),
        ({**DECLINED, "decline_code": "insufficient_funds"}, Failure("Your card was declined.")),
        ({**DECLINED, "decline_code": "stolen_card"}, Failure("Your card was declined.", is_final=True)),
        ({**DECLINED, "message": None}, Failure("The payment method was declined.")),
        (
            {"type": "invalid_request_error", "code": "resource_missing", "message": "No such customer: 'cus_1'"},
            Failure("the payment provider refused the charge (resource_missing)", is_final=True),
        ),
        ({}, Failure("the payment provider refused the charge (unknown)", is_final=True)),
    ],
)
def test_why_it_failed(error: Any, expected: Failure) -> None:
    assert parse_failure(error) == expected


def event(kind: str, about: Any) -> Any:
    return {"type": kind, "data": {"object": about}}


SESSION = {"id": "cs_1", "object": "checkout.session", "payment_intent": "pi_1", "metadata": METADATA}
REFUND = {
    "id": "re_1",
    "object": "refund",
    "payment_intent": "pi_1",
    "amount": 7,
    "created": 9,
    "status": "pending",
    "metadata": {},
}
DISPUTE = {
    "id": "dp_1",
    "object": "dispute",
    "payment_intent": {"id": "pi_1"},
    "amount": 700,
    "metadata": {},
    "balance_transactions": [
        {"id": "txn_1", "amount": -700, "currency": "usd", "created": 1, "exchange_rate": None},
        {"id": "txn_2", "amount": 693, "currency": "eur", "created": 2, "exchange_rate": 0.9},
        {"id": "txn_3", "amount": -630, "currency": "eur", "created": 3},
    ],
}


@pytest.mark.parametrize(
    ("kind", "about", "expected"),
    [
        ("payment_intent.succeeded", PAID, PaymentChanged("pi_1")),
        ("payment_intent.payment_failed", PAID, PaymentChanged("pi_1")),
        ("payment_intent.created", PAID, None),
        ("payment_intent.succeeded", {**PAID, "metadata": {}}, None),
        ("checkout.session.completed", {**SESSION, "payment_status": "paid"}, PaymentChanged("pi_1")),
        ("checkout.session.completed", {**SESSION, "payment_status": "unpaid"}, None),
        ("checkout.session.completed", {**SESSION, "payment_status": "no_payment_required"}, None),
        ("checkout.session.async_payment_succeeded", SESSION, PaymentChanged("pi_1")),
        ("checkout.session.async_payment_failed", SESSION, PaymentChanged("pi_1")),
        ("checkout.session.expired", SESSION, None),
        ("checkout.session.async_payment_succeeded", {**SESSION, "payment_intent": None}, None),
        ("checkout.session.async_payment_succeeded", {**SESSION, "metadata": {}}, None),
        ("refund.created", REFUND, RefundChanged("pi_1", "re_1", 7, 9, has_failed=False)),
        ("refund.failed", {**REFUND, "status": "failed"}, RefundChanged("pi_1", "re_1", 7, 9, has_failed=True)),
        ("charge.refund.updated", REFUND, RefundChanged("pi_1", "re_1", 7, 9, has_failed=False)),
        ("charge.refunded", {"id": "ch_1", "object": "charge", "payment_intent": "pi_1"}, None),
        ("charge.dispute.closed", DISPUTE, DisputeChanged("pi_1", "dp_1", parse_movements(DISPUTE))),
        ("invoice.paid", {"id": "in_1", "object": "invoice"}, None),
    ],
)
def test_what_an_event_says(kind: str, about: Any, expected: Any) -> None:
    assert parse_event(event(kind, about), "prod") == expected


def test_movements_are_in_dollars_and_never_more_than_was_disputed() -> None:
    assert parse_movements(DISPUTE) == (
        Movement("txn_1", -700, 1),
        Movement("txn_2", 700, 2),
        Movement("txn_3", -700, 3),
    )
    assert parse_movements({**DISPUTE, "balance_transactions": None}) == ()
    assert parse_movements({**DISPUTE, "balance_transactions": ["txn_1"]}) == ()
