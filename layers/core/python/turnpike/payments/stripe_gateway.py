"""Payments through Stripe. Its library takes the best part of a second to load, so the first call loads it."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any

import orjson

from turnpike.domain.auto_top_up import Attempt
from turnpike.domain.ids import AccountId
from turnpike.domain.payments import (
    Checkout,
    CheckoutOrder,
    DisputeChanged,
    InvalidSignature,
    Payment,
    PaymentEvent,
    PaymentProviderUnavailable,
    PaymentRefused,
    PaymentsOff,
)
from turnpike.payments.stripe_objects import (
    CURRENCY,
    attempt_metadata,
    checkout_metadata,
    is_ours,
    lacks_movements,
    parse_event,
    parse_failure,
    parse_movements,
    parse_payment,
)
from turnpike.telemetry import logger

SECRET_KEY, WEBHOOK_SECRET = "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"

_CONNECT_WITHIN_S, _ANSWER_WITHIN_S = 3.0, 10.0
_RETRIES = 1
"""Of connections that fail, 409 and 5xx, under the same idempotency key; two tries fit into API Gateway's 29 s."""

_TOLERANCE_S = 300
"""How old a webhook's signature may be; Stripe's own default."""

_UNAVAILABLE = "The payment provider cannot be reached; try again"
_MISCONFIGURED = "Payments cannot be made at the moment; the operator's log says why"


class StripeGateway:
    def __init__(self, keys: Callable[[], Mapping[str, str]], *, stage: str, api_base: str) -> None:
        """`keys` has STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET, if payments are set up; it is asked each time.

        Only what has this `stage` in its metadata is ours.
        """
        self._keys, self._stage, self._api_base = keys, stage, api_base
        self._lock = Lock()
        self._client: tuple[str, Any] | None = None

    def check(self) -> None:
        """Both keys: a payment that no webhook tells of would be taken and never credited."""
        keys = self._keys()
        for name in (SECRET_KEY, WEBHOOK_SECRET):
            if not keys.get(name, "").strip():
                raise PaymentsOff(name)

    def create_checkout(self, order: CheckoutOrder) -> Checkout:
        client = self._ready()
        params = self._session(order)
        with _translated() as stripe:
            try:
                session = client.v1.checkout.sessions.create(params)
            except stripe.InvalidRequestError as error:
                if order.customer is None or error.param != "customer":
                    raise
                # The operator may have deleted it; then this payment makes another one.
                del params["customer"]
                session = client.v1.checkout.sessions.create({**params, **_new_customer(order)})
        return Checkout(session.id, session.url, session.expires_at)

    def charge(self, account_id: AccountId, attempt: Attempt) -> Payment:
        client = self._ready()
        params = {
            "amount": attempt.price.total_cents,
            "currency": CURRENCY,
            "customer": attempt.method.customer,
            "payment_method": attempt.method.id,
            # Named: with the methods that the Dashboard has turned on, Stripe asks for a `return_url` too, since one
            # of them might lead elsewhere.
            "payment_method_types": [attempt.method.kind],
            "off_session": True,
            "confirm": True,
            "description": "API credit, topped up automatically",
            "metadata": attempt_metadata(account_id, attempt, self._stage),
        }
        with _translated() as stripe:
            try:
                intent = client.v1.payment_intents.create(params, {"idempotency_key": attempt.id})
            except (stripe.CardError, stripe.InvalidRequestError) as error:
                return _refused(account_id, attempt, error)
        return parse_payment(_plain(intent))

    def find_payment(self, payment_id: str) -> Payment | None:
        client = self._ready()
        with _translated() as stripe:
            try:
                found = client.v1.payment_intents.retrieve(payment_id, {"expand": ["payment_method"]})
            except stripe.InvalidRequestError as error:
                if error.code == "resource_missing":
                    return None
                raise
        intent = _plain(found)
        return parse_payment(intent) if is_ours(intent, self._stage) else None

    def parse_event(self, body: bytes, signature: str | None) -> PaymentEvent | None:
        """May ask Stripe for a dispute's movements. Raises as the other methods do, and InvalidSignature."""
        self.check()
        event = self._verified(body, signature)
        parsed = parse_event(event, self._stage)
        if isinstance(parsed, DisputeChanged) and lacks_movements(event):
            return self._with_movements(parsed)
        return parsed

    def _verified(self, body: bytes, signature: str | None) -> Mapping[str, Any]:
        stripe = _library()
        keys = self._keys()
        try:
            stripe.WebhookSignature.verify_header(body, signature, keys[WEBHOOK_SECRET].strip(), _TOLERANCE_S)
            event = orjson.loads(body)
        except (stripe.SignatureVerificationError, UnicodeDecodeError, orjson.JSONDecodeError):
            # From None: the library's error quotes the body.
            raise InvalidSignature(
                "The Stripe-Signature header does not fit this body, or is older than five minutes"
            ) from None
        if not isinstance(event, dict) or event.get("object") != "event":
            raise InvalidSignature("The body is no event of Stripe's, in its snapshot form")
        if event.get("livemode") != ("_live_" in keys[SECRET_KEY]):
            # Test cards must not buy credit that is worth something, whatever secrets were mixed up.
            logger.error("a webhook's mode is not that of STRIPE_SECRET_KEY", extra={"event": event.get("id")})
            raise InvalidSignature("This event is of another mode (live or test) than the key that is configured")
        return event

    def _with_movements(self, event: DisputeChanged) -> DisputeChanged:
        client = self._ready()
        with _translated():
            dispute = client.v1.disputes.retrieve(event.dispute_id)
        movements = parse_movements(_plain(dispute))
        if not movements:
            raise PaymentProviderUnavailable("The dispute's movements of money are not there yet; try again")
        return DisputeChanged(event.payment_id, event.dispute_id, movements)

    def _session(self, order: CheckoutOrder) -> dict[str, Any]:
        metadata = checkout_metadata(order, self._stage)
        payment: dict[str, Any] = {"metadata": metadata, "description": "API credit"}
        if order.saves_payment_method:
            payment["setup_future_usage"] = "off_session"
        items = [_line("API credit", order.price.credit_cents)]
        if order.price.fee_cents:
            items.append(_line("Payment fee", order.price.fee_cents))
        return {
            "mode": "payment",
            "line_items": items,
            "client_reference_id": order.account_id,
            "metadata": metadata,
            "payment_intent_data": payment,
            "success_url": order.success_url,
            "cancel_url": order.cancel_url,
            # Credit is in dollars, and so is what is paid for it.
            "adaptive_pricing": {"enabled": False},
            **({"customer": order.customer} if order.customer else _new_customer(order)),
        }

    def _ready(self) -> Any:
        """The client. A rotated key makes a new one."""
        self.check()
        key = self._keys()[SECRET_KEY].strip()
        stripe = _library()
        with self._lock:
            if self._client is None or self._client[0] != key:
                client = stripe.StripeClient(
                    key,
                    base_addresses={"api": self._api_base},
                    max_network_retries=_RETRIES,
                    http_client=stripe.RequestsClient(timeout=(_CONNECT_WITHIN_S, _ANSWER_WITHIN_S)),
                )
                self._client = (key, client)
            return self._client[1]


def _new_customer(order: CheckoutOrder) -> dict[str, str]:
    """A payment method can only be charged again as its customer's."""
    return {"customer_creation": "always"} if order.saves_payment_method else {}


def _line(name: str, cents: int) -> dict[str, Any]:
    return {
        "quantity": 1,
        "price_data": {"currency": CURRENCY, "unit_amount": cents, "product_data": {"name": name}},
    }


def _refused(account_id: AccountId, attempt: Attempt, error: Any) -> Payment:
    body = error.json_body if isinstance(error.json_body, dict) else {}
    details: Mapping[str, Any] = body.get("error") or {}
    intent: Mapping[str, Any] = details.get("payment_intent") or {}
    return Payment(
        id=str(intent.get("id", "")),
        account_id=account_id,
        state="failed",
        credit=attempt.price.credit,
        paid_cents=0,
        created_at_s=attempt.begun_at_s,
        attempt_id=attempt.id,
        failure=parse_failure(details),
    )


def _library() -> Any:
    import stripe

    # At a lower level it logs bodies.
    logging.getLogger("stripe").setLevel(logging.WARNING)
    return stripe


def _plain(stripe_object: Any) -> Mapping[str, Any]:
    plain: Mapping[str, Any] = stripe_object.to_dict()
    return plain


@contextmanager
def _translated() -> Iterator[Any]:
    """Stripe's errors in our own words; gives the library. What they say is never shown, only their code.

    From None, all of them: the library's errors hold requests and answers.
    """
    stripe = _library()
    try:
        yield stripe
    except stripe.InvalidRequestError as error:
        _log(error)
        what = error.code or "invalid_request"
        raise PaymentRefused(f"The payment provider refuses this: {what}") from None
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        _log(error)
        raise PaymentProviderUnavailable(_MISCONFIGURED) from None
    except stripe.StripeError as error:
        _log(error)
        raise PaymentProviderUnavailable(_UNAVAILABLE) from None


def _log(error: Any) -> None:
    logger.warning(
        "Stripe refused or failed",
        extra={
            "error": type(error).__name__,
            "status": error.http_status,
            "code": error.code,
            "param": getattr(error, "param", None),
            "request": error.request_id,
        },
    )
