"""A Stripe of our own: whoever runs a test plays the payer, the bank and the Dashboard by calling its methods.

Each emits the events that Stripe would, with the object as it is at that moment; `signed` makes webhooks of them.
`tests/stripe_server.py` puts it on the network.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any, Literal

from tests.stripe_account import StripeAccount

Settles = Literal["at once", "later"]


class FakeStripe(StripeAccount):
    """One Stripe account in test mode. Every method may be called from any thread."""

    # What the payer and the bank do.

    def pay(self, session_id: str, *, settles: Settles = "at once", last4: str = "4242") -> str:
        """Fill in the page; returns the payment. A bank's debit `settles` later, or bounces."""
        with self._lock:
            session = self._existing("checkout.session", session_id)
            assert session["status"] == "open"
            data = session["payment_intent_data"]
            is_saved = data.get("setup_future_usage") == "off_session"
            if session["customer"] is None and session["customer_creation"] == "always":
                session["customer"] = self._add("customer", "cus", metadata={})["id"]
            kind = "card" if settles == "at once" else "us_bank_account"
            details = {"brand": "visa", "last4": last4} if kind == "card" else {"bank_name": "A Bank", "last4": last4}
            owner = session["customer"] if is_saved else None
            method = self._add("payment_method", "pm", type=kind, customer=owner, **{kind: details})
            if settles == "later":
                self._delayed.add(method["id"])
            intent = self._payment(session["amount_total"], data.get("metadata", {}), method, session["customer"])
            session.update(status="complete", payment_intent=intent["id"])
            if settles == "at once":
                self._succeed(intent)
                session["payment_status"] = "paid"
            else:
                intent["status"] = "processing"
                self._emit("payment_intent.processing", intent)
            self._emit("checkout.session.completed", session)
            return str(intent["id"])

    def settle(self, payment_id: str) -> None:
        """The bank's debit has come."""
        with self._lock:
            intent = self._existing("payment_intent", payment_id)
            assert intent["status"] == "processing"
            self._succeed(intent)
            for session in self._sessions_of(payment_id):
                session["payment_status"] = "paid"
                self._emit("checkout.session.async_payment_succeeded", session)

    def bounce(self, payment_id: str) -> None:
        with self._lock:
            intent = self._existing("payment_intent", payment_id)
            assert intent["status"] == "processing"
            self._fail(intent, "payment_method_provider_decline", "")
            for session in self._sessions_of(payment_id):
                self._emit("checkout.session.async_payment_failed", session)

    def decline(self, method_id: str, code: str = "card_declined", decline_code: str = "generic_decline") -> None:
        """From now on the bank refuses charges of it."""
        self._declines[method_id] = (code, decline_code)

    def accept(self, method_id: str) -> None:
        self._declines.pop(method_id, None)

    def delete(self, object_id: str) -> None:
        with self._lock:
            del self.objects[object_id]

    def refund(self, payment_id: str, cents: int, *, status: str = "succeeded") -> str:
        with self._lock:
            intent = self._existing("payment_intent", payment_id)
            assert intent["status"] == "succeeded"
            refund = self._add(
                "refund",
                "re",
                amount=cents,
                currency="usd",
                status=status,
                payment_intent=payment_id,
                charge=intent["latest_charge"],
                metadata={},
            )
            charge = self.objects[intent["latest_charge"]]
            charge["amount_refunded"] += cents
            self._emit("refund.created", refund)
            self._emit("charge.refunded", charge)
            return str(refund["id"])

    def finish_refund(self, refund_id: str, status: Literal["succeeded", "failed", "canceled"]) -> None:
        with self._lock:
            refund = self._existing("refund", refund_id)
            refund["status"] = status
            self._emit("refund.updated", refund)
            self._emit("charge.refund.updated", refund)
            if status == "failed":
                self._emit("refund.failed", refund)

    def dispute(self, payment_id: str, cents: int, *, inquiry: bool = False) -> str:
        """Takes the money at once, but for an inquiry."""
        with self._lock:
            intent = self._existing("payment_intent", payment_id)
            dispute = self._add(
                "dispute",
                "dp",
                amount=cents,
                currency="usd",
                status="warning_needs_response" if inquiry else "needs_response",
                payment_intent=payment_id,
                charge=intent["latest_charge"],
                balance_transactions=[],
                metadata={},
            )
            self._emit("charge.dispute.created", dispute)
            if not inquiry:
                self._move(dispute, -cents, "charge.dispute.funds_withdrawn")
            return str(dispute["id"])

    def close_dispute(self, dispute_id: str, *, won: bool, back_cents: int | None = None) -> None:
        """Won, all that was taken comes back, or a part of it."""
        with self._lock:
            dispute = self._existing("dispute", dispute_id)
            is_inquiry = dispute["status"].startswith("warning")
            dispute["status"] = "warning_closed" if is_inquiry else "won" if won else "lost"
            self._emit("charge.dispute.closed", dispute)
            if won and not is_inquiry:
                cents = dispute["amount"] if back_cents is None else back_cents
                self._move(dispute, cents, "charge.dispute.funds_reinstated")

    # What its webhook sends.

    def signed(
        self, event: Mapping[str, Any], *, at: int | None = None, secret: str | None = None
    ) -> tuple[bytes, str]:
        """(body, Stripe-Signature): `t=<epoch seconds>,v1=<hex of HMAC-SHA256 over "t.body">`, and a scheme of old."""
        body = json.dumps(event, indent=2).encode()
        return body, sign(body, self.webhook_secret if secret is None else secret, at)


def sign(body: bytes, secret: str, at: int | None = None) -> str:
    """As https://docs.stripe.com/webhooks/signature describes it."""
    at = int(time.time()) if at is None else at
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest},v0={'0' * 64}"
