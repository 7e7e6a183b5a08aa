"""Credit, holds and history."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from turnpike.domain.api_keys import ApiKey, KeySpend
from turnpike.domain.generation import Generation
from turnpike.domain.ids import AccountId, GenerationId, HoldId, LeaseId
from turnpike.domain.ledger import Balance, Correction, Hold, LedgerEntry, Resolution
from turnpike.domain.money import ZERO, NanoUsd

if TYPE_CHECKING:
    # What only some requests use is not loaded with what all of them do.
    from turnpike.domain.activity import ActivityDays


class Ledger(Protocol):
    """Credit, holds and history. Every method is atomic and safe to repeat.

    Whatever stores a generation counts it as activity of the UTC day that it is settled on, all or nothing.
    """

    def hold(self, hold: Hold, *, floor: NanoUsd = ZERO) -> None:
        """Move `hold.amount` from available to held, if the account and the key have at least `floor` left.

        Repeating the same hold is a no-op.

        Raises InsufficientCredit, KeyLimitExceeded, HoldMismatch, HoldResolved, TemporarilyBusy.
        """

    def extend(self, hold: Hold, by: NanoUsd, now_s: int) -> Hold:
        """Add to a pending hold, which must be as last seen; returns it with its new amount. Not to a closed lease.

        Raises as `hold`, and HoldNotFound.
        """

    def capture(
        self, account_id: AccountId, hold_id: HoldId, cost: NanoUsd, now_s: int, record: Generation | None
    ) -> Resolution:
        """Charge `cost`, return the rest of the hold, and store the generation, all or nothing.

        What exceeds the hold is overage, as far as the account's credit and the key's limit go.
        The stored record's cost is what was charged. Raises HoldNotFound, HoldResolved, TemporarilyBusy;
        HoldMismatch for a lease, as `void` does.
        """

    def void(self, account_id: AccountId, hold_id: HoldId, now_s: int, record: Generation | None) -> Resolution:
        """Return the whole hold, charge nothing. Raises as `capture`."""

    def expire(self, account_id: AccountId, hold_id: HoldId, now_s: int) -> Resolution:
        """Return a hold that is past its time, or what is left of a lease.

        Raises as `capture`; HoldMismatch if it is not past it.
        """

    def capture_part(self, record: Generation, lease_id: LeaseId, cost: NanoUsd, now_s: int) -> Resolution:
        """Charge `cost` to a pending lease, once per generation, and store the generation, all or nothing.

        What exceeds the lease is overage, as in `capture`. Raises HoldResolved with state `captured` when this
        generation was captured or recorded before, with the lease's own when that is over; HoldNotFound and
        TemporarilyBusy.
        """

    def capture_together(self, records: Sequence[Generation], now_s: int) -> Mapping[GenerationId, Resolution]:
        """Charge generations of one account's key their costs, each from its hold or lease, in one transaction.

        At most 18, each of them once. Those that the answer lacks were not touched, and are to be captured by
        themselves: it has all of those that their holds cover, or none. Raises TemporarilyBusy.
        """

    def close(self, lease: Hold, give_back: NanoUsd, now_s: int) -> None:
        """Return a part of a lease, once; from then on it is only captured from. It must be of the amount last seen.

        Raises HoldNotFound, HoldResolved, HoldMismatch, TemporarilyBusy. Closing it again is a no-op.
        """

    def record(self, record: Generation, now_s: int) -> bool:
        """Store a generation for which nothing is to be charged; False when one of its id is there, which stays.

        `now_s` is when it is settled: the day that it counts on. Raises TemporarilyBusy.
        """

    def top_up(self, account_id: AccountId, amount: NanoUsd, *, reference: str, now_s: int) -> bool:
        """Add credit once per reference; False when that reference was used before.

        Raises ReferenceReused when it was used with another amount, and TemporarilyBusy.
        """

    def adjust(
        self,
        account_id: AccountId,
        kind: Correction,
        amount: NanoUsd,
        *,
        reference: str,
        now_s: int,
        may_overdraw: bool = False,
    ) -> bool:
        """Give or take credit once per kind and reference; False when it was done before.

        Only with `may_overdraw` may it take more than there is: a payment that was taken back is gone, and the account
        owes what it has spent of it. Raises ReferenceReused when it was done with another amount, InsufficientCredit,
        and TemporarilyBusy.
        """

    def find_hold(self, account_id: AccountId, hold_id: HoldId) -> Hold | None: ...

    def get_balance(self, account_id: AccountId) -> Balance:
        """Zero for an account that never had any credit."""

    def get_room(self, account_id: AccountId, key: ApiKey, now_s: int) -> NanoUsd:
        """What the key could hold: what is available, or what its limit leaves of that. Below zero for what is owed."""

    def list_entries(self, account_id: AccountId) -> Iterator[LedgerEntry]:
        """Every entry once, in no promised order."""

    def list_expired_holds(self, now_s: int) -> Iterator[Hold]:
        """Pending holds past their time, of every account."""

    def get_key_spend(self, account_id: AccountId, key: ApiKey, now_s: int) -> KeySpend: ...

    def count_earlier_spending(self, account_id: AccountId, key: ApiKey, now_s: int) -> None:
        """Count against the key's limit what it has spent in the limit's current window, where less is counted.

        For a limit that is new, or that counts in another window than before. Raises TemporarilyBusy.
        """


class Generations(Protocol):
    def find(self, account_id: AccountId, generation_id: GenerationId) -> Generation | None:
        """Reads what was last written; None once its time is over, even if it is still there."""


class Activities(Protocol):
    def list_days(
        self, account_id: AccountId, first_day: str, last_day: str, *, by_user: bool, most: int
    ) -> "ActivityDays":
        """What was counted on these UTC days, both included, as last written, and without what is past its time.

        Each generation is in it once, though its cell may come in parts: with `by_user` in its user's cell, without in
        the one of all users. Of more than `most` parts, the latest days that are within it, whole; of a day that alone
        has more, as many as that.
        Raises TemporarilyBusy.
        """
