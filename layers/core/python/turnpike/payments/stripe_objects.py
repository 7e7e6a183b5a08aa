"""What Stripe's objects mean to us: plain dictionaries in, values of domain/payments.py out.

Fields and states are those of the API version that the library pins (2026-10-28.endive in stripe 16.1.0), as its own
classes describe them (`stripe/_payment_intent.py`, `_refund.py`, `_dispute.py`, `_balance_transaction.py`,
`checkout/_session.py`); all that is read here has been in the API since 2019, but for `refund.*` events of ordinary
payments, which came with 2024-10-28.acacia (https://docs.stripe.com/changelog/acacia/2024-10-28/refund-webhook-update).
"""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from turnpike.domain.auto_top_up import Attempt
from turnpike.domain.ids import AccountId
from turnpike.domain.payments import (
    CheckoutOrder,
    DisputeChanged,
    Failure,
    Movement,
    Payment,
    PaymentChanged,
    PaymentEvent,
    PaymentMethod,
    PaymentState,
    Price,
    RefundChanged,
    to_nano,
)

Object = Mapping[str, Any]

CURRENCY = "usd"

# The names of our metadata. Checkout sessions and their payments both carry it: events of either are told apart from
# those of other applications, and of other stages, on the same Stripe account without asking Stripe.
_ACCOUNT, _STAGE = "turnpike_account", "turnpike_stage"
_CREDIT, _FEE = "turnpike_credit_cents", "turnpike_fee_cents"
_ATTEMPT, _SAVES = "turnpike_attempt", "turnpike_saves"

_STATES: Mapping[str, PaymentState] = {"succeeded": "paid", "processing": "processing", "canceled": "failed"}

_HOPELESS = frozenset({"authentication_required", "expired_card", "lost_card", "pickup_card", "stolen_card"})
"""Codes of declines that another try with the same card will not change. A bank that wants its customer to
authenticate says so for every payment in his absence (https://docs.stripe.com/declines/codes)."""

_AUTHENTICATE: Object = {"type": "card_error", "code": "authentication_required"}

_FUNDS_MOVED = ("charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated")


def is_ours(stripe_object: Object, stage: str) -> bool:
    """Whether this deployment made it: one Stripe account may serve several stages, and other applications."""
    metadata = stripe_object.get("metadata") or {}
    return bool(metadata.get(_ACCOUNT)) and metadata.get(_STAGE) == stage


def checkout_metadata(order: CheckoutOrder, stage: str) -> dict[str, str]:
    saves = {_SAVES: "yes"} if order.saves_payment_method else {}
    return {**_metadata(order.account_id, order.price, stage), **saves}


def attempt_metadata(account_id: AccountId, attempt: Attempt, stage: str) -> dict[str, str]:
    return {**_metadata(account_id, attempt.price, stage), _ATTEMPT: attempt.id}


def _metadata(account_id: AccountId, price: Price, stage: str) -> dict[str, str]:
    return {
        _ACCOUNT: account_id,
        _STAGE: stage,
        _CREDIT: str(price.credit_cents),
        _FEE: str(price.fee_cents),
    }


def parse_payment(intent: Object) -> Payment:
    """A PaymentIntent of ours; with `payment_method` expanded where the payer agreed to its being saved."""
    metadata: Mapping[str, str] = intent["metadata"]
    error: Object = intent.get("last_payment_error") or {}
    attempt_id, status = metadata.get(_ATTEMPT), intent["status"]
    state = _STATES.get(status, "failed" if error else "open")
    if attempt_id is not None and status == "requires_action":
        # Nobody is there to act. Stripe says so as an error of the call, and this is for the case that it does not.
        state, error = "failed", _AUTHENTICATE
    paid_cents = int(intent["amount_received"]) if state == "paid" and intent["currency"] == CURRENCY else 0
    credit_cents = int(metadata[_CREDIT])
    if state == "paid":
        # Never more than was received, whatever was arranged.
        credit_cents = max(0, min(credit_cents, paid_cents - int(metadata[_FEE])))
    saves = state == "paid" and metadata.get(_SAVES) == "yes"
    return Payment(
        id=intent["id"],
        account_id=AccountId(metadata[_ACCOUNT]),
        state=state,
        credit=to_nano(credit_cents),
        paid_cents=paid_cents,
        created_at_s=int(intent["created"]),
        attempt_id=attempt_id,
        saves=_parse_method(intent.get("customer"), intent.get("payment_method")) if saves else None,
        failure=parse_failure(error) if state == "failed" else Failure(""),
    )


def parse_failure(error: Object) -> Failure:
    """From `last_payment_error`, or the error that a call was answered with.

    Messages of type `card_error` are written for the payer (https://docs.stripe.com/api/errors); others may speak of
    the operator's account, so only their code is told. `decline_code` is told to nobody: it may say that the card is
    reported as stolen.
    """
    codes = {error.get("code"), error.get("decline_code")}
    if error.get("type") != "card_error":
        return Failure(f"the payment provider refused the charge ({error.get('code') or 'unknown'})", is_final=True)
    if "authentication_required" in codes:
        return Failure("the bank wants the payer to authenticate: pay once with POST /credits/checkout", is_final=True)
    return Failure(error.get("message") or "The payment method was declined.", is_final=bool(_HOPELESS & codes))


def parse_event(event: Object, stage: str) -> PaymentEvent | None:
    """None for what says nothing of a payment of ours, as far as the event itself tells."""
    kind: str = event["type"]
    about: Object = event["data"]["object"]
    payment_id = _id_of(about.get("payment_intent"))
    if kind.startswith("payment_intent."):
        known = kind in ("payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.canceled")
        return PaymentChanged(about["id"]) if known and is_ours(about, stage) else None
    if payment_id is None:
        return None
    if kind.startswith("checkout.session."):
        return PaymentChanged(payment_id) if is_ours(about, stage) and _has_ended(kind, about) else None
    # Refunds and disputes carry no metadata of ours: their payment tells whose they are.
    if about.get("object") == "refund":
        has_failed = about.get("status") in ("failed", "canceled")
        return RefundChanged(payment_id, about["id"], int(about["amount"]), int(about["created"]), has_failed)
    if about.get("object") == "dispute":
        return DisputeChanged(payment_id, about["id"], parse_movements(about))
    return None


def _has_ended(kind: str, session: Object) -> bool:
    """Whether a session's payment is made or has failed. A completed one with a bank's debit is neither for days
    (https://docs.stripe.com/checkout/fulfillment).
    """
    if kind == "checkout.session.completed":
        return bool(session.get("payment_status") == "paid")
    return kind in ("checkout.session.async_payment_succeeded", "checkout.session.async_payment_failed")


def lacks_movements(event: Object) -> bool:
    """Whether it says that a dispute moved money, and not how much."""
    return event["type"] in _FUNDS_MOVED and not parse_movements(event["data"]["object"])


def parse_movements(dispute: Object) -> Sequence[Movement]:
    """Its balance transactions: each is one movement of money, once, whichever event shows it.

    Their fees are not looked at: what Stripe charges for a dispute is between it and the operator.
    """
    transactions = [each for each in dispute.get("balance_transactions") or () if isinstance(each, Mapping)]
    return tuple(Movement(each["id"], _dollar_cents(each, dispute), int(each["created"])) for each in transactions)


def _dollar_cents(transaction: Object, dispute: Object) -> int:
    """Of an account that is settled in another currency, what was paid is in dollars all the same: `exchange_rate` is
    what one unit of the payment's currency was worth in the account's.
    """
    amount, disputed = int(transaction["amount"]), int(dispute["amount"])
    if transaction["currency"] == CURRENCY:
        return amount
    rate = transaction.get("exchange_rate")
    if not rate:
        return disputed if amount > 0 else -disputed
    cents = int((amount / Decimal(str(rate))).to_integral_value(rounding=ROUND_HALF_UP))
    return max(-disputed, min(cents, disputed))


def _parse_method(customer: object, method: object) -> PaymentMethod | None:
    customer_id = _id_of(customer)
    if customer_id is None or not isinstance(method, Mapping):
        return None
    kind = str(method["type"])
    details: Object = method.get(kind) or {}
    name = details.get("brand") or details.get("bank_name") or kind
    label = f"{name} {details['last4']}" if details.get("last4") else str(name)
    return PaymentMethod(customer_id, str(method["id"]), kind, label)


def _id_of(reference: object) -> str | None:
    """Stripe gives related objects by their id, or whole where they were expanded."""
    if isinstance(reference, Mapping):
        reference = reference.get("id")
    return reference if isinstance(reference, str) else None
