"""What looks after the ledger: audits, exports and jobs of a day."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from turnpike.domain.ids import AccountId, LeaseId
from turnpike.domain.ledger import Balance, Hold, LedgerEntry

if TYPE_CHECKING:
    # What only some requests use is not loaded with what all of them do.
    from turnpike.domain.audit import LimitItem, SpendItem, Trail
    from turnpike.domain.exports import ExportMark, Extent, PartFacts
    from turnpike.domain.jobs import JobClaim


class AuditReads(Protocol):
    """The whole ledger, as it was last written. All of them may raise TemporarilyBusy."""

    def next_account(self, after: AccountId | None) -> AccountId | None:
        """In an order of its own, in which each account comes once; None after the last one."""

    def trails(self, account_id: AccountId, *, after: str, before: str) -> Iterator["Trail"]:
        """Those with an id between the two, by id. Read as they are asked for, each part of them at another moment."""

    def find_trail(self, account_id: AccountId, trail_id: str) -> "Trail":
        """An empty one if there is none."""

    def find_lease(self, account_id: AccountId, lease_id: LeaseId) -> Hold | None: ...

    def limits(self, account_id: AccountId) -> Iterator["LimitItem"]: ...

    def spends(self, account_id: AccountId) -> Iterator["SpendItem"]:
        """Of each key and month."""

    def get_balance(self, account_id: AccountId) -> Balance:
        """Nothing that could be seen before is not in it yet."""


class EntryReads(Protocol):
    """Both may raise TemporarilyBusy."""

    def next_account(self, after: AccountId | None) -> AccountId | None:
        """As of `AuditReads`."""

    def entries(self, account_id: AccountId, *, after: str) -> Iterator[tuple[str, LedgerEntry]]:
        """Each with its place, which is the same for ever; those behind the place `after`, in order. The newest may be
        missing, and new ones come anywhere.
        """


class ExportStore(Protocol):
    """Objects that are written once. All of them may raise TemporarilyBusy."""

    def list_keys(self, prefix: str) -> Iterator[str]:
        """In order."""

    def get(self, key: str) -> bytes: ...

    def get_facts(self, key: str) -> "PartFacts": ...

    def put_once(self, key: str, data: bytes, facts: "PartFacts") -> bool:
        """False where there is an object already, which stays."""


class ExportMarks(Protocol):
    """What was exported of accounts, as last noted. Both may raise TemporarilyBusy."""

    def find(self, account_id: AccountId) -> "ExportMark":
        """An empty one where nothing was."""

    def put(self, account_id: AccountId, days: "Mapping[str, Extent]", *, seen: "ExportMark") -> bool:
        """Whether it was still as it was `seen`, and is this now."""


class Jobs(Protocol):
    """What is done once a day. Both may raise TemporarilyBusy."""

    def claim(self, job: str, now_s: int, *, due_s: int, until_s: int) -> "JobClaim | None":
        """To begin it, if that was not done since it was `due_s`, or to go on with it; None where there is nothing to
        do, or somebody else is about it. Nobody else is given it before `until_s`.
        """

    def keep(self, claim: "JobClaim", state: bytes, *, is_done: bool) -> "JobClaim | None":
        """Leave the state for whoever claims it next. None when somebody else was given it in the meantime: then
        nothing is kept. Raises ValueError for more than can be kept.
        """


class EntryNotes(Protocol):
    """Why a ledger entry was made, in the words of whoever made it."""

    def put(self, account_id: AccountId, entry_id: str, note: str, now_s: int) -> str:
        """The note that stands: the first one of an entry stays. Raises TemporarilyBusy."""
