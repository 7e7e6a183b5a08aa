"""Composes payments for billing and for upkeep; Stripe's library loads with the first call that needs it."""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import partial
from urllib.parse import urlsplit

from turnpike.bootstrap.resources import Resources
from turnpike.domain.ids import AccountId
from turnpike.domain.money import NanoUsd, parse_usd, present_usd
from turnpike.domain.payments import Fees, Payment, PaymentProviderUnavailable, Terms, to_cents
from turnpike.domain.return_addresses import ReturnAddresses, parse_origin
from turnpike.payments.stripe_gateway import SECRET_KEY, StripeGateway
from turnpike.services.book_payment import BookPayment
from turnpike.services.manage_auto_top_up import ManageAutoTopUp
from turnpike.services.receive_payment_event import ReceivePaymentEvent
from turnpike.services.run_auto_top_ups import RunAutoTopUps
from turnpike.services.start_checkout import StartCheckout
from turnpike.settings import Settings
from turnpike.storage.auto_top_ups import DynamoAutoTopUps
from turnpike.storage.secrets import SecretValues, UnreadableSecret
from turnpike.telemetry import (
    PAYMENT_TROUBLE,
    TAKEN_BACK_USD,
    TOPPED_UP_USD,
    MetricUnit,
    log_failure,
    logger,
    metrics,
)


class Payments:
    """What is made of one function's resources."""

    def __init__(self, parts: Resources) -> None:
        """Raises ValueError for settings that make no sense, naming the variable."""
        settings = parts.settings
        self._terms = parse_terms(settings)
        self._addresses = parse_return_addresses(settings)
        self._ledger = parts.ledger
        self._store = DynamoAutoTopUps(parts.home_dynamodb, settings.ledger_table)
        self._gateway = StripeGateway(_keys(parts), stage=settings.stage, api_base=settings.stripe_api_base)
        self._book = BookPayment(self._ledger, self._store, note=_note)

    def start_checkout(self) -> StartCheckout:
        return StartCheckout(self._gateway, self._store, self._terms, self._addresses)

    def receive_event(self) -> ReceivePaymentEvent:
        return ReceivePaymentEvent(self._gateway, self._book, on_trouble=_note_trouble)

    def manage_auto_top_up(self) -> ManageAutoTopUp:
        return ManageAutoTopUp(self._gateway, self._store, self._terms)

    def run_auto_top_ups(self) -> RunAutoTopUps:
        return RunAutoTopUps(self._gateway, self._store, self._ledger, self._book, self._terms, _note_failure)


def are_on(parts: Resources) -> bool:
    """Whether a key is configured, as far as can be told without reading a secret."""
    return bool(parts.settings.payments_secret or parts.environ.get(SECRET_KEY, "").strip())


def parse_terms(settings: Settings) -> Terms:
    """Raises ValueError naming the variable."""
    return Terms(
        least_cents=_cents(settings, "payment_min_usd"),
        most_cents=_cents(settings, "payment_max_usd"),
        fees=Fees(_percent(settings), _cents(settings, "payment_fee_min_usd")),
        automatic_daily=_usd(settings, "auto_top_up_daily_usd"),
    )


def parse_return_addresses(settings: Settings) -> ReturnAddresses:
    """Raises ValueError naming the variable."""
    try:
        named = [parse_origin(each) for each in settings.checkout_origins.split()]
    except ValueError as error:
        raise _wrong("checkout_origins", error) from None
    if settings.public_url:
        try:
            # Its path is no part of an origin; API Gateway's own addresses have one.
            site = urlsplit(settings.public_url)._replace(path="")
            named.append(parse_origin(site.geturl()))
        except ValueError as error:
            raise _wrong("public_url", error) from None
    return ReturnAddresses(named)


def _cents(settings: Settings, name: str) -> int:
    amount = _usd(settings, name)
    try:
        return to_cents(amount)
    except ValueError as error:
        raise _wrong(name, error) from None


def _usd(settings: Settings, name: str) -> NanoUsd:
    try:
        amount = parse_usd(getattr(settings, name))
    except ValueError as error:
        raise _wrong(name, error) from None
    if amount < 0:
        raise _wrong(name, "must not be negative")
    return amount


def _percent(settings: Settings) -> Decimal:
    try:
        percent = Decimal(settings.payment_fee_percent)
    except InvalidOperation:
        percent = Decimal("NaN")
    if not percent.is_finite() or not 0 <= percent <= 100:
        raise _wrong("payment_fee_percent", "must be a number from 0 to 100")
    return percent


def _wrong(name: str, why: object) -> ValueError:
    return ValueError(f"TURNPIKE_{name.upper()}: {why}")


def _keys(parts: Resources) -> Callable[[], Mapping[str, str]]:
    """Of the secret that the settings name, or the environment's own."""
    name = parts.settings.payments_secret
    if not name:
        return lambda: parts.environ
    return partial(_read, SecretValues(lambda: parts.secrets, name))


def _read(secret: SecretValues) -> Mapping[str, str]:
    try:
        return secret()
    except UnreadableSecret as error:
        logger.error("payments have no keys", extra={"reason": str(error)})
        metrics.add_metric(PAYMENT_TROUBLE, MetricUnit.Count, 1)
        raise PaymentProviderUnavailable("Payments cannot be made at the moment; the operator's log says why") from None


def _note(payment: Payment, amount: NanoUsd) -> None:
    name = TOPPED_UP_USD if amount > 0 else TAKEN_BACK_USD
    metrics.add_metric(name, MetricUnit.NoUnit, present_usd(NanoUsd(abs(amount))))
    logger.info(
        "booked a payment",
        extra={"payment": payment.id, "account": payment.account_id, "credit_nanousd": amount},
    )


def _note_trouble(payment: Payment, trouble: str) -> None:
    logger.error("a payment cannot be booked", extra={"payment": payment.id, "reason": trouble})
    metrics.add_metric(PAYMENT_TROUBLE, MetricUnit.Count, 1)


def _note_failure(account_id: AccountId, error: Exception) -> None:
    log_failure("an automatic top-up could not be looked after", error, account=account_id)
    metrics.add_metric(PAYMENT_TROUBLE, MetricUnit.Count, 1)
