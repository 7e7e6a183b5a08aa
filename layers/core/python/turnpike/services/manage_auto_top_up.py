"""Turn an account's automatic top-up on and off, and tell how it is."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from anyio.to_thread import run_sync

from turnpike.domain.amounts import parse_limit
from turnpike.domain.auto_top_up import AutoTopUp, configure, turn_off
from turnpike.domain.errors import Conflict, InvalidRequest
from turnpike.domain.ids import AccountId
from turnpike.domain.money import ZERO, NanoUsd, present_usd
from turnpike.domain.payments import PaymentMethod, SavedPaymentMethod, Terms
from turnpike.domain.periods import day_of
from turnpike.ports.payments import AutoTopUps, PaymentGateway
from turnpike.services.change_auto_top_up import change_auto_top_up, put_auto_top_up


@dataclass(frozen=True, slots=True)
class AutoTopUpReport:
    """`state` is None for an account that never turned it on."""

    state: AutoTopUp | None
    method: PaymentMethod | None
    charged_today: NanoUsd
    daily_limit: NanoUsd


@dataclass(frozen=True, slots=True)
class ManageAutoTopUp:
    """Each method raises PaymentsOff and TemporarilyBusy."""

    gateway: PaymentGateway
    store: AutoTopUps
    terms: Terms
    now: Callable[[], float] = time.time

    async def get(self, account_id: AccountId) -> AutoTopUpReport:
        return await run_sync(self._get, account_id)

    async def put(self, account_id: AccountId, *, threshold_usd: float, amount_usd: float) -> AutoTopUpReport:
        """Raises InvalidRequest, and Conflict where no payment method is saved."""
        threshold = parse_limit(threshold_usd, field="threshold")
        price = self.terms.price(amount_usd, field="amount")
        if price.credit > self.terms.automatic_daily:
            most = present_usd(self.terms.automatic_daily)
            raise InvalidRequest(f"must be at most the {most:.2f} USD that may be charged in a day", field="amount")
        await run_sync(self._put, account_id, threshold, price.credit_cents)
        return await self.get(account_id)

    async def delete(self, account_id: AccountId) -> AutoTopUpReport:
        """Turns it off and forgets the payment method; deleting again is a no-op."""
        await run_sync(self._delete, account_id)
        return await self.get(account_id)

    def _get(self, account_id: AccountId) -> AutoTopUpReport:
        self.gateway.check()
        state = self.store.find(account_id)
        saved = self.store.find_method(account_id)
        charged = state.charged_on(day_of(self.now())) if state is not None else ZERO
        return AutoTopUpReport(state, saved.method if saved else None, charged, self.terms.automatic_daily)

    def _put(self, account_id: AccountId, threshold: NanoUsd, amount_cents: int) -> None:
        self.gateway.check()
        saved = self.store.find_method(account_id)
        if saved is None or saved.method is None:
            raise Conflict(
                "No payment method is saved. Pay once with POST /credits/checkout and save_payment_method: true"
            )
        put_auto_top_up(
            self.store,
            account_id,
            lambda found: configure(
                account_id, found, threshold=threshold, amount_cents=amount_cents, now_s=int(self.now())
            ),
        )

    def _delete(self, account_id: AccountId) -> None:
        self.gateway.check()
        change_auto_top_up(self.store, account_id, lambda state: turn_off(state, "it was turned off"))
        saved = self.store.find_method(account_id)
        if saved is not None and saved.method is not None:
            # With its time, so that no event about an older payment brings it back; the provider's clock may be ahead.
            forgotten_at_s = max(int(self.now()), saved.saved_at_s + 1)
            self.store.save_method(SavedPaymentMethod(account_id, None, forgotten_at_s))
