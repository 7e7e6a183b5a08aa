"""The books of one in-memory ledger, as an audit reads them, and open to whoever wants to falsify them."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from turnpike.domain.audit import GenerationRecord, LimitItem, SpendItem, Trail
from turnpike.domain.generation import Generation
from turnpike.domain.ids import AccountId, GenerationId, HoldId, KeyHash, LeaseId
from turnpike.domain.ledger import Balance, Hold, LedgerEntry

from tests.fakes import InMemoryLedger

_WITHOUT_HOLD = ("top_up", "refund", "adjustment")


@dataclass
class Books:
    """What a ledger has of one account. Each test may change what it likes."""

    account_id: AccountId
    balance: Balance = field(default_factory=Balance)
    entries: dict[str, LedgerEntry] = field(default_factory=dict)
    holds: dict[HoldId, Hold] = field(default_factory=dict)
    generations: dict[GenerationId, Generation] = field(default_factory=dict)
    spent: dict[KeyHash, dict[str, int]] = field(default_factory=dict)
    spent_byok: dict[KeyHash, dict[str, int]] = field(default_factory=dict)
    used: dict[tuple[KeyHash, str], int] = field(default_factory=dict)

    @classmethod
    def of(cls, ledger: InMemoryLedger, account_id: AccountId) -> "Books":
        def mine(found: dict) -> dict:
            return {at[1] if len(at) == 2 else at[1:]: value for at, value in found.items() if at[0] == account_id}

        with ledger._lock:
            return cls(
                account_id,
                ledger._balances[account_id],
                dict(ledger._entries[account_id]),
                mine(ledger._holds),
                mine(ledger._records),
                {key: dict(days) for key, days in mine(ledger._spent).items()},
                {key: dict(days) for key, days in mine(ledger._spent_byok).items()},
                mine(ledger._used),
            )


class BooksReads:
    """Of several accounts' books, each as it is when it is read."""

    def __init__(self, *books: Books) -> None:
        self.books = {each.account_id: each for each in books}

    def next_account(self, after: AccountId | None) -> AccountId | None:
        return next((each for each in sorted(self.books) if after is None or each > after), None)

    def trails(self, account_id: AccountId, *, after: str, before: str) -> Iterator[Trail]:
        return (each for each in self._trails(account_id) if after < each.id < before)

    def find_trail(self, account_id: AccountId, trail_id: str) -> Trail:
        found = (each for each in self._trails(account_id) if each.id == trail_id)
        return next(found, Trail(account_id, trail_id))

    def find_lease(self, account_id: AccountId, lease_id: LeaseId) -> Hold | None:
        return self.books[account_id].holds.get(lease_id)

    def limits(self, account_id: AccountId) -> Iterator[LimitItem]:
        return (LimitItem(key, window, used) for (key, window), used in self.books[account_id].used.items())

    def spends(self, account_id: AccountId) -> Iterator[SpendItem]:
        books = self.books[account_id]
        for key in books.spent.keys() | books.spent_byok.keys():
            has_byok = any(books.spent_byok.get(key, {}).values())
            yield SpendItem(key, dict(books.spent.get(key, {})), has_byok)

    def get_balance(self, account_id: AccountId) -> Balance:
        return self.books[account_id].balance

    def _trails(self, account_id: AccountId) -> Iterator[Trail]:
        books = self.books[account_id]
        entries: defaultdict[str, list[LedgerEntry]] = defaultdict(list)
        for name, entry in sorted(books.entries.items()):
            # The making of a hold stands in its own item, and is gone with it.
            owner = name.partition("#")[0]
            if name != f"{owner}#hold" or owner in books.holds:
                entries[name if owner in _WITHOUT_HOLD else owner].append(entry)
        for trail_id in sorted({*entries, *books.holds, *books.generations}):
            record = books.generations.get(GenerationId(trail_id))
            yield Trail(
                account_id,
                trail_id,
                books.holds.get(GenerationId(trail_id)),
                tuple(entries[trail_id]),
                GenerationRecord(record.key_hash, record.cost, record.byok_cost) if record else None,
            )
