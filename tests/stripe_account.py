"""What a Stripe of our own keeps, and what its API does with it.

Written after Stripe's documentation and the classes of its library, for as much of it as the service uses.
"""

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from threading import RLock
from typing import Any

Object = dict[str, Any]

_FEWEST_CENTS = 50


class StripeFault(Exception):
    """What the API answers instead of an object."""

    def __init__(self, status: int, kind: str, code: str | None, message: str, **details: Any) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"type": kind, "code": code, "message": message, **details}


class StripeAccount:
    """One Stripe account in test mode. Every method may be called from any thread."""

    def __init__(self, *, secret_key: str = "sk_test_fake", webhook_secret: str = "whsec_fake") -> None:
        self.secret_key, self.webhook_secret = secret_key, webhook_secret
        self.settles_in = "usd"
        """The currency of the account's balance, and `rate` what a dollar is worth in it."""
        self.rate = 1.0
        self.now: Callable[[], float] = time.time
        """Of all but signatures, which the library checks by the machine's clock."""
        self.events: list[Object] = []
        self.objects: dict[str, Object] = {}
        self._lock = RLock()
        self._numbers = count(1)
        self._declines: dict[str, tuple[str, str]] = {}
        self._delayed: set[str] = set()

    # What the API does.

    def create_session(self, params: Mapping[str, Any]) -> Object:
        with self._lock:
            items = list(params.get("line_items", {}).values())
            total = sum(int(item["price_data"]["unit_amount"]) * int(item["quantity"]) for item in items)
            if params.get("mode") != "payment" or not params.get("success_url") or not items:
                raise _invalid("parameter_missing", "A mode, items and a success_url are needed", "line_items")
            if {item["price_data"]["currency"] for item in items} != {"usd"}:
                raise _invalid("currency_unsupported", "This account sells in dollars", "currency")
            if total < _FEWEST_CENTS:
                raise _invalid("amount_too_small", "The amount must be at least $0.50", "line_items")
            if "customer" in params and params.get("customer_creation"):
                raise _invalid("parameter_invalid", "A customer cannot be given and created", "customer_creation")
            if "customer" in params:
                self._existing("customer", params["customer"])
            return self._add(
                "checkout.session",
                "cs_test",
                mode="payment",
                status="open",
                payment_status="unpaid",
                payment_intent=None,
                amount_total=total,
                currency="usd",
                client_reference_id=params.get("client_reference_id"),
                customer=params.get("customer"),
                customer_creation=params.get("customer_creation", "if_required"),
                metadata=dict(params.get("metadata", {})),
                success_url=params["success_url"],
                cancel_url=params.get("cancel_url"),
                expires_at=int(self.now()) + 86_400,
                adaptive_pricing=params.get("adaptive_pricing"),
                line_items=items,
                payment_intent_data=params.get("payment_intent_data", {}),
            )

    def create_payment(self, params: Mapping[str, Any]) -> Object:
        """Charges a saved payment method, which is all that the service creates payments for."""
        with self._lock:
            if (params.get("confirm"), params.get("off_session")) != ("true", "true"):
                raise _invalid("parameter_missing", "Only confirmed off-session payments are made here", "confirm")
            types = list(params.get("payment_method_types", {}).values())
            if not types and not params.get("return_url"):
                raise _invalid("parameter_missing", "You must provide a `return_url`", "return_url")
            self._existing("customer", params["customer"])
            method = self._existing("payment_method", params["payment_method"])
            if method["customer"] != params["customer"] or method["type"] not in types:
                raise _invalid("payment_method_unexpected_state", "It is not that customer's", "payment_method")
            intent = self._payment(int(params["amount"]), params.get("metadata", {}), method, params["customer"])
            if method["id"] in self._declines:
                self._fail(intent, *self._declines[method["id"]])
                raise StripeFault(402, **self._error(intent), payment_intent=copy.deepcopy(intent))
            if method["id"] in self._delayed:
                intent["status"] = "processing"
                self._emit("payment_intent.processing", intent)
            else:
                self._succeed(intent)
            return copy.deepcopy(intent)

    def get(self, kind: str, object_id: str, expand: Sequence[str] = ()) -> Object:
        with self._lock:
            found = copy.deepcopy(self._existing(kind, object_id))
            for name in expand:
                if found.get(name) is not None:
                    found[name] = copy.deepcopy(self.objects[found[name]])
            return found

    # Its inside.

    def _payment(self, cents: int, metadata: Mapping[str, str], method: Object, customer: str | None) -> Object:
        intent = self._add(
            "payment_intent",
            "pi",
            amount=cents,
            amount_received=0,
            currency="usd",
            status="requires_confirmation",
            customer=customer,
            payment_method=method["id"],
            metadata=dict(metadata),
            last_payment_error=None,
            latest_charge=None,
        )
        self._emit("payment_intent.created", intent)
        return intent

    def _succeed(self, intent: Object) -> None:
        charge = self._add(
            "charge", "ch", amount=intent["amount"], amount_refunded=0, payment_intent=intent["id"], metadata={}
        )
        intent.update(status="succeeded", amount_received=intent["amount"], latest_charge=charge["id"])
        self._emit("charge.succeeded", charge)
        self._emit("payment_intent.succeeded", intent)

    def _fail(self, intent: Object, code: str, decline_code: str) -> None:
        kind = "card_error" if decline_code else "invalid_request_error"
        message = "Your card was declined." if decline_code else "The bank with the number 000123 declined."
        error = {"type": kind, "code": code, "decline_code": decline_code or None, "message": message}
        intent.update(status="requires_payment_method", last_payment_error=error)
        self._emit("payment_intent.payment_failed", intent)

    @staticmethod
    def _error(intent: Object) -> dict[str, Any]:
        error = intent["last_payment_error"]
        return {
            "kind": error["type"],
            "code": error["code"],
            "message": error["message"],
            "decline_code": error["decline_code"],
        }

    def _move(self, dispute: Object, cents: int, kind: str) -> None:
        is_dollars = self.settles_in == "usd"
        transaction = self._add(
            "balance_transaction",
            "txn",
            amount=cents if is_dollars else round(cents * self.rate),
            currency=self.settles_in,
            exchange_rate=None if is_dollars else self.rate,
            fee=1500 if cents < 0 else 0,
            type="adjustment",
        )
        dispute["balance_transactions"].append(transaction)
        self._emit(kind, dispute)

    def _sessions_of(self, payment_id: str) -> list[Object]:
        sessions = [each for each in self.objects.values() if each["object"] == "checkout.session"]
        return [each for each in sessions if each["payment_intent"] == payment_id]

    def _existing(self, kind: str, object_id: str) -> Object:
        found = self.objects.get(object_id)
        if found is None or found["object"] != kind:
            raise StripeFault(
                404, "invalid_request_error", "resource_missing", f"No such {kind}: '{object_id}'", param=kind
            )
        return found

    def _add(self, kind: str, prefix: str, **fields: Any) -> Object:
        object_id = f"{prefix}_{next(self._numbers):06d}"
        added = {"id": object_id, "object": kind, "created": int(self.now()), "livemode": False, **fields}
        if kind == "checkout.session":
            added["url"] = f"https://checkout.stripe.test/c/pay/{object_id}"
        self.objects[object_id] = added
        return added

    def _emit(self, kind: str, about: Object) -> None:
        self.events.append(
            {
                "id": f"evt_{next(self._numbers):06d}",
                "object": "event",
                "api_version": "2026-10-28.endive",
                "created": int(self.now()),
                "livemode": False,
                "pending_webhooks": 1,
                "type": kind,
                "data": {"object": copy.deepcopy(about)},
            }
        )


def _invalid(code: str, message: str, param: str) -> StripeFault:
    return StripeFault(400, "invalid_request_error", code, message, param=param)
