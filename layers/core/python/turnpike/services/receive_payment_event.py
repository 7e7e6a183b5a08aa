"""What the payment provider's webhook tells, booked."""

from collections.abc import Callable
from dataclasses import dataclass

from anyio.to_thread import run_sync

from turnpike.domain.errors import ReferenceReused
from turnpike.domain.payments import DisputeChanged, Payment, PaymentEvent, RefundChanged
from turnpike.ports.payments import PaymentGateway
from turnpike.services.book_payment import BookPayment


@dataclass(frozen=True, slots=True)
class ReceivePaymentEvent:
    """An event only says which payment to look at: what is booked is what the payment is now, and then what the event
    tells besides. So events may come in any order, and a refund finds its payment credited even if nobody told of that.
    """

    gateway: PaymentGateway
    book: BookPayment
    on_trouble: Callable[[Payment, str], None] = lambda payment, trouble: None
    """Told of what a repetition of the event would not mend."""

    async def __call__(self, body: bytes, signature: str | None) -> None:
        """Raises InvalidSignature for what the provider did not send, and what it should send again as TemporarilyBusy
        or PaymentProviderUnavailable; PaymentsOff.
        """
        event = await run_sync(self.gateway.parse_event, body, signature)
        if event is not None:
            await run_sync(self._handle, event)

    def _handle(self, event: PaymentEvent) -> None:
        payment = self.gateway.find_payment(event.payment_id)
        if payment is None:
            return
        if payment.state == "paid" and not payment.credit:
            self.on_trouble(payment, "it was paid, and not in dollars or not enough for its fee")
            return
        try:
            self.book.outcome(payment)
            if payment.state == "paid":
                self._follow(payment, event)
        except ReferenceReused:
            self.on_trouble(payment, "it was booked before with another amount")

    def _follow(self, payment: Payment, event: PaymentEvent) -> None:
        if isinstance(event, RefundChanged):
            self.book.refund(payment, event)
        elif isinstance(event, DisputeChanged):
            self.book.dispute(payment, event)
