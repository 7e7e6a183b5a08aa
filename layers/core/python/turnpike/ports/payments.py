"""Payments, and topping up by itself."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from turnpike.domain.ids import AccountId

if TYPE_CHECKING:
    # What only some requests use is not loaded with what all of them do.
    from turnpike.domain.auto_top_up import Attempt, AutoTopUp
    from turnpike.domain.payments import Checkout, CheckoutOrder, Payment, PaymentEvent, SavedPaymentMethod


class AutoTopUps(Protocol):
    """Accounts' automatic top-ups and saved payment methods. All of them may raise TemporarilyBusy."""

    def find(self, account_id: AccountId) -> "AutoTopUp | None":
        """As last written."""

    def list_all(self) -> "Iterator[AutoTopUp]":
        """Of the few accounts that ever turned one on, as last written."""

    def put(self, state: "AutoTopUp") -> "AutoTopUp":
        """In the place of the version that it was made from (0: of none); returned with its new version.

        Raises Conflict when another one is there by now.
        """

    def save_method(self, saved: "SavedPaymentMethod") -> None:
        """Unless a newer one is there."""

    def find_method(self, account_id: AccountId) -> "SavedPaymentMethod | None": ...


class PaymentGateway(Protocol):
    """The payment provider. All but `parse_event` may raise PaymentProviderUnavailable; all of them PaymentsOff."""

    def check(self) -> None:
        """Raises PaymentsOff where no keys are configured."""

    def create_checkout(self, order: "CheckoutOrder") -> "Checkout":
        """Raises PaymentRefused."""

    def charge(self, account_id: AccountId, attempt: "Attempt") -> "Payment":
        """Charge a saved payment method in its payer's absence; repeated with the same attempt it charges once.

        What was refused comes as a payment that failed.
        """

    def find_payment(self, payment_id: str) -> "Payment | None":
        """None for what this deployment has nothing to do with."""

    def parse_event(self, body: bytes, signature: str | None) -> "PaymentEvent | None":
        """None for what says nothing of a payment of ours. Raises InvalidSignature."""
