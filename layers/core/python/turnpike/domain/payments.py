"""Payments: what an account pays for its credit, and what becomes of the money afterwards.

A payment is known by the id of the payment provider's object for it. Amounts of money that changes hands are whole
cents; credit is nano-USD as everywhere. What was paid is credit plus fee, so what is taken back later is the same
part of the credit as of the payment: a payment that was refunded whole takes the whole credit, and the fee nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Literal

from turnpike.domain.amounts import parse_credit
from turnpike.domain.errors import InvalidRequest, NotFound, RequestError, ServiceError
from turnpike.domain.ids import AccountId
from turnpike.domain.money import NANO_PER_USD, NanoUsd

NANO_PER_CENT = NANO_PER_USD // 100

PaymentState = Literal["open", "processing", "paid", "failed"]
"""`open` waits for the payer; `processing` is a bank's time, up to days; the other two are final, but for a payment
that failed and is paid in another way after all."""


class PaymentsOff(NotFound):
    """`missing` names what is not configured."""

    def __init__(self, missing: str) -> None:
        super().__init__(f"Payments are not set up here: {missing} is not configured (see docs/payments.md)")


class InvalidSignature(RequestError):
    """A webhook's body is not what the payment provider signed, or was signed too long ago."""


class PaymentRefused(RequestError):
    """The payment provider refuses what it was asked for; the message is fit for a management key's eyes."""


class PaymentProviderUnavailable(ServiceError):
    """No answer that says anything: whether the provider did what it was asked for is unknown. Try again."""

    status = 503
    error_type = "provider_unavailable"
    retry_after_s = 5


@dataclass(frozen=True, slots=True)
class Fees:
    """What is paid besides the credit: a percentage of it, and at least so much."""

    percent: Decimal = Decimal(0)
    least_cents: int = 0

    def on(self, credit_cents: int) -> int:
        """In cents, rounded up."""
        share = (credit_cents * self.percent / 100).to_integral_value(rounding=ROUND_CEILING)
        return max(int(share), self.least_cents)


@dataclass(frozen=True, slots=True)
class Price:
    """Credit to buy, and what is paid for it."""

    credit_cents: int
    fee_cents: int

    @property
    def total_cents(self) -> int:
        return self.credit_cents + self.fee_cents

    @property
    def credit(self) -> NanoUsd:
        return to_nano(self.credit_cents)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the operator sells credit for; amounts are of credit, without fees."""

    least_cents: int
    most_cents: int
    fees: Fees
    automatic_daily: NanoUsd
    """The most that automatic top-ups buy an account on a UTC day."""

    def price(self, amount_usd: float, *, field: str) -> Price:
        """Raises InvalidRequest."""
        amount = parse_credit(amount_usd, field=field)
        try:
            cents = to_cents(amount)
        except ValueError:
            raise InvalidRequest("must be whole cents", field=field) from None
        if not self.least_cents <= cents <= self.most_cents:
            least, most = (f"{bound / 100:.2f}" for bound in (self.least_cents, self.most_cents))
            raise InvalidRequest(f"must be from {least} to {most} USD", field=field)
        return self.price_of(cents)

    def price_of(self, credit_cents: int) -> Price:
        return Price(credit_cents, self.fees.on(credit_cents))


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """A page to be made on which somebody pays for an account's credit."""

    account_id: AccountId
    price: Price
    success_url: str
    cancel_url: str
    saves_payment_method: bool = False
    customer: str | None = None
    """The payment provider's id for whoever pays, where the account has one already."""


@dataclass(frozen=True, slots=True)
class Checkout:
    id: str
    url: str
    expires_at_s: int


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    """How an account's payer agreed to be charged later; ids are the payment provider's."""

    customer: str
    id: str
    kind: str
    """The provider's word for it, as in `card`."""
    label: str
    """For people: `visa 4242`."""


@dataclass(frozen=True, slots=True)
class SavedPaymentMethod:
    """The newest one of an account. `method` is None where it was forgotten, and nothing older may come back."""

    account_id: AccountId
    method: PaymentMethod | None
    saved_at_s: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a payment method was not charged; `is_final` when another try with it is useless."""

    reason: str
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class Payment:
    """As the payment provider has it now."""

    id: str
    account_id: AccountId
    state: PaymentState
    credit: NanoUsd
    """What it buys, which is never more than was paid."""
    paid_cents: int
    """The fee included; 0 until it is paid."""
    created_at_s: int
    attempt_id: str | None = None
    """Of the automatic top-up that it is for."""
    saves: PaymentMethod | None = None
    """How it was paid, where the payer agreed to be charged that way again."""
    failure: Failure = Failure("")

    def credit_for(self, cents: int) -> NanoUsd:
        """The part of the credit that these cents of the payment bought; the sign is kept, and never more than all."""
        part = min(self.credit * abs(cents) // self.paid_cents, self.credit)
        return NanoUsd(part if cents > 0 else -part)


@dataclass(frozen=True, slots=True)
class PaymentChanged:
    """Something happened to a payment; it has to be looked at to know what."""

    payment_id: str


@dataclass(frozen=True, slots=True)
class RefundChanged:
    """Part of a payment goes back to the payer, or, with `has_failed`, has come back to us."""

    payment_id: str
    refund_id: str
    cents: int
    created_at_s: int
    has_failed: bool


@dataclass(frozen=True, slots=True)
class Movement:
    """Money that a dispute moved, once: below zero it was taken from us, above zero given back."""

    id: str
    cents: int
    created_at_s: int


@dataclass(frozen=True, slots=True)
class DisputeChanged:
    """The payer's bank disputes a payment; `movements` are those so far, which is none for a mere inquiry."""

    payment_id: str
    dispute_id: str
    movements: Sequence[Movement]


PaymentEvent = PaymentChanged | RefundChanged | DisputeChanged


def to_nano(cents: int) -> NanoUsd:
    return NanoUsd(cents * NANO_PER_CENT)


def to_cents(amount: NanoUsd) -> int:
    """Raises ValueError for what is not whole cents."""
    cents, rest = divmod(amount, NANO_PER_CENT)
    if rest:
        raise ValueError("must be whole cents")
    return cents
