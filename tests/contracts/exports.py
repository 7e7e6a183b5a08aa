"""The contracts of `ports.ExportStore` and `ports.ExportMarks`."""

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest

from turnpike.domain.exports import ExportMark, Extent, KindSums, PartFacts
from turnpike.domain.ids import AccountId, new_account_id
from turnpike.ports.upkeep import ExportMarks, ExportStore

from tests.contracts.ledger import NOW

FACTS = PartFacts(
    Extent(3, 2**64 - 1),
    {"capture": KindSums(2, 0, -(10**15)), "top_up": KindSums(1, 10**15, 0)},
)
NOTHING = PartFacts(Extent(), {})


class ExportStoreContract:
    """A subclass provides the fixture `store`."""

    @pytest.fixture
    def prefix(self) -> str:
        """Nobody else's."""
        return f"ledger/day=2026-11-{secrets.token_hex(8)}/"

    def test_an_object_is_as_it_was_put(self, store: ExportStore, prefix: str) -> None:
        key = f"{prefix}acct-1.0000.jsonl.gz"
        assert store.put_once(key, b"\x00\xff", FACTS)
        assert store.get(key) == b"\x00\xff"
        assert store.get_facts(key) == FACTS

    def test_it_is_never_written_again(self, store: ExportStore, prefix: str) -> None:
        key = f"{prefix}manifest-0000.json"
        assert store.put_once(key, b"first", FACTS)
        assert not store.put_once(key, b"second", NOTHING)
        assert (store.get(key), store.get_facts(key)) == (b"first", FACTS)

    def test_of_many_who_write_it_at_once_one_does(self, store: ExportStore, prefix: str) -> None:
        key = f"{prefix}raced"
        with ThreadPoolExecutor(16) as threads:
            answers = list(threads.map(lambda number: store.put_once(key, b"%d" % number, NOTHING), range(16)))
        assert answers.count(True) == 1
        assert store.get(key) == b"%d" % answers.index(True)

    def test_objects_are_listed_in_order_by_their_prefix(self, store: ExportStore, prefix: str) -> None:
        names = [f"{prefix}{name}" for name in ("a.0000", "a.0001", "b.0000", "c%2F.0000")]
        for name in reversed(names):
            store.put_once(name, b"", NOTHING)
        assert list(store.list_keys(prefix)) == names
        assert list(store.list_keys(f"{prefix}a.")) == names[:2]
        assert list(store.list_keys(f"{prefix}d")) == []


class ExportMarksContract:
    """A subclass provides the fixture `marks`."""

    @pytest.fixture
    def account(self) -> AccountId:
        return new_account_id(NOW)

    def test_at_first_there_is_none(self, marks: ExportMarks, account: AccountId) -> None:
        assert marks.find(account) == ExportMark()

    def test_it_is_found_as_it_was_put(self, marks: ExportMarks, account: AccountId) -> None:
        first = {"2026-11-23": Extent(3, 2**64 - 1)}
        assert marks.put(account, first, seen=ExportMark())
        found = marks.find(account)
        assert found.days == first
        second = first | {"2026-11-24": Extent(1, 0)}
        assert marks.put(account, second, seen=found)
        assert marks.find(account).days == second

    def test_it_is_put_by_whoever_saw_the_last_one(self, marks: ExportMarks, account: AccountId) -> None:
        assert marks.put(account, {}, seen=ExportMark())
        assert not marks.put(account, {"2026-11-23": Extent(1, 1)}, seen=ExportMark())
        assert marks.find(account).days == {}
