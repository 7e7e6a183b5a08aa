"""Make a page at the payment provider on which somebody pays for an account's credit."""

from dataclasses import dataclass

from anyio.to_thread import run_sync

from turnpike.domain.ids import AccountId
from turnpike.domain.payments import Checkout, CheckoutOrder, Price, Terms
from turnpike.domain.return_addresses import ReturnAddresses
from turnpike.ports.payments import AutoTopUps, PaymentGateway


@dataclass(frozen=True, slots=True)
class StartCheckout:
    """Nothing is credited here: the payment is, when the provider's webhook tells of it."""

    gateway: PaymentGateway
    methods: AutoTopUps
    terms: Terms
    addresses: ReturnAddresses

    async def __call__(
        self,
        account_id: AccountId,
        amount_usd: float,
        *,
        success_url: str | None,
        cancel_url: str | None,
        saves_payment_method: bool,
    ) -> tuple[Checkout, Price]:
        """Raises PaymentsOff, InvalidRequest, PaymentRefused, PaymentProviderUnavailable, TemporarilyBusy."""
        await run_sync(self.gateway.check)
        price = self.terms.price(amount_usd, field="amount")
        order = CheckoutOrder(
            account_id,
            price,
            success_url=self.addresses.check(success_url, field="success_url", outcome="success"),
            cancel_url=self.addresses.check(cancel_url, field="cancel_url", outcome="cancelled"),
            saves_payment_method=saves_payment_method,
            customer=await run_sync(self._customer, account_id),
        )
        return await run_sync(self.gateway.create_checkout, order), price

    def _customer(self, account_id: AccountId) -> str | None:
        """Who paid before with a payment method to be saved, so that it does not become somebody else each time."""
        saved = self.methods.find_method(account_id)
        return saved.method.customer if saved is not None and saved.method is not None else None
