"""The operator's corrections: a generation's charge given back, and credit added or taken for a reason."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from anyio.to_thread import run_sync

from turnpike.domain.errors import Conflict, InsufficientCredit, InvalidRequest, NotFound, ReferenceReused
from turnpike.domain.ids import AccountId, GenerationId
from turnpike.domain.ledger import Balance
from turnpike.domain.money import NanoUsd, present_usd
from turnpike.ports.ledger import Generations, Ledger
from turnpike.ports.upkeep import EntryNotes


@dataclass(frozen=True, slots=True)
class Corrected:
    """`created` is False when the same was done before; `balance` is the account's now."""

    account_id: AccountId
    amount: NanoUsd
    created: bool
    balance: Balance
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RefundGeneration:
    """Once per generation, so that never more is given back than was charged: its id is the idempotency key."""

    generations: Generations
    ledger: Ledger
    now: Callable[[], float] = time.time

    async def __call__(self, account_id: AccountId, generation_id: GenerationId, amount: NanoUsd | None) -> Corrected:
        """All of the charge without an `amount`. Raises NotFound, InvalidRequest, Conflict, TemporarilyBusy."""
        return await run_sync(self._refund, account_id, generation_id, amount)

    def _refund(self, account_id: AccountId, generation_id: GenerationId, amount: NanoUsd | None) -> Corrected:
        generation = self.generations.find(account_id, generation_id)
        if generation is None:
            raise NotFound(f"Generation {generation_id} not found on account {account_id}")
        charged = generation.cost
        if not charged:
            raise Conflict("Nothing was charged for this generation")
        if amount is not None and amount > charged:
            raise InvalidRequest(f"must be at most the {present_usd(charged)} USD that were charged", field="amount")
        given = amount or charged
        try:
            created = self.ledger.adjust(
                account_id, "refund", given, reference=f"generation:{generation_id}", now_s=int(self.now())
            )
        except ReferenceReused:
            raise Conflict(
                "This generation was refunded before with another amount; adjust the account's credit instead"
            ) from None
        return Corrected(account_id, given, created, self.ledger.get_balance(account_id))


@dataclass(frozen=True, slots=True)
class AdjustCredit:
    ledger: Ledger
    notes: EntryNotes
    now: Callable[[], float] = time.time

    async def __call__(
        self, account_id: AccountId, amount: NanoUsd, *, reason: str, idempotency_key: str, allow_negative: bool
    ) -> Corrected:
        """The amount is signed. Raises Conflict: the key was used with another amount, or there is not that much."""
        return await run_sync(self._adjust, account_id, amount, reason, idempotency_key, allow_negative)

    def _adjust(
        self, account_id: AccountId, amount: NanoUsd, reason: str, idempotency_key: str, allow_negative: bool
    ) -> Corrected:
        now_s = int(self.now())
        try:
            created = self.ledger.adjust(
                account_id,
                "adjustment",
                amount,
                reference=idempotency_key,
                now_s=now_s,
                may_overdraw=allow_negative,
            )
        except ReferenceReused:
            raise Conflict("this idempotency_key was used before with another amount") from None
        except InsufficientCredit as error:
            raise Conflict(
                f"The account has {present_usd(error.available)} USD available; allow_negative takes more"
            ) from None
        # Repeated, it completes what was cut short here; the first reason stays.
        standing = self.notes.put(account_id, f"adjustment#{idempotency_key}", reason, now_s)
        return Corrected(account_id, amount, created, self.ledger.get_balance(account_id), standing)
