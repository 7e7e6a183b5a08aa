"""The contracts of `ports.AutoTopUps` and `ports.EntryNotes`."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from turnpike.domain.auto_top_up import Attempt, AutoTopUp
from turnpike.domain.errors import Conflict
from turnpike.domain.ids import AccountId
from turnpike.domain.money import parse_usd
from turnpike.domain.payments import PaymentMethod, Price, SavedPaymentMethod
from turnpike.ports.payments import AutoTopUps
from turnpike.ports.upkeep import EntryNotes

NOW = 1_795_521_600
CARD = PaymentMethod("cus_1", "pm_1", "card", "visa 4242")
ATTEMPT = Attempt("topup-1-x", Price(2_000, 110), CARD, NOW, NOW + 120)


class AutoTopUpsContract:
    """A subclass provides the fixture `store`, which may hold other tests' accounts too."""

    @pytest.fixture
    def account(self) -> AccountId:
        return AccountId(f"acct-{secrets.token_hex(8)}")

    def test_there_is_nothing_at_first(self, store: AutoTopUps, account: AccountId) -> None:
        assert (store.find(account), store.find_method(account)) == (None, None)
        assert account not in {state.account_id for state in store.list_all()}

    @pytest.mark.parametrize("pending", [None, ATTEMPT, replace(ATTEMPT, payment_id="pi_1")])
    def test_what_is_put_is_found_and_listed(
        self, store: AutoTopUps, account: AccountId, pending: Attempt | None
    ) -> None:
        put = store.put(full(account, pending))
        assert put == replace(full(account, pending), version=1)
        assert store.find(account) == put
        assert [state for state in store.list_all() if state.account_id == account] == [put]

    def test_what_was_seen_is_replaced(self, store: AutoTopUps, account: AccountId) -> None:
        first = store.put(full(account, ATTEMPT))
        second = store.put(replace(first, pending=None, is_on=False))
        assert (second.version, store.find(account)) == (2, second)

    @pytest.mark.parametrize("version", [0, 1, 3])
    def test_what_was_not_seen_is_not(self, store: AutoTopUps, account: AccountId, version: int) -> None:
        standing = store.put(store.put(full(account, None)))
        with pytest.raises(Conflict):
            store.put(replace(standing, reason="late", version=version))
        assert store.find(account) == standing

    def test_of_many_who_saw_the_same_one_puts(self, store: AutoTopUps, account: AccountId) -> None:
        seen, start = store.put(full(account, None)), Barrier(16)

        def begin(number: int) -> bool:
            start.wait()
            try:
                store.put(replace(seen, pending=replace(ATTEMPT, id=f"topup-{number}")))
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(16) as pool:
            assert sum(pool.map(begin, range(16))) == 1

    def test_the_newest_method_stays(self, store: AutoTopUps, account: AccountId) -> None:
        newer = replace(CARD, id="pm_2", label="mastercard 4444")
        store.save_method(SavedPaymentMethod(account, CARD, NOW))
        store.save_method(SavedPaymentMethod(account, newer, NOW + 5))
        for at in (NOW, NOW + 5):
            store.save_method(SavedPaymentMethod(account, CARD, at))
        assert store.find_method(account) == SavedPaymentMethod(account, newer, NOW + 5)

    def test_what_is_forgotten_comes_not_back(self, store: AutoTopUps, account: AccountId) -> None:
        store.save_method(SavedPaymentMethod(account, CARD, NOW))
        store.save_method(SavedPaymentMethod(account, None, NOW + 9))
        store.save_method(SavedPaymentMethod(account, CARD, NOW))
        assert store.find_method(account) == SavedPaymentMethod(account, None, NOW + 9)
        store.save_method(SavedPaymentMethod(account, CARD, NOW + 10))
        assert store.find_method(account) == SavedPaymentMethod(account, CARD, NOW + 10)


class EntryNotesContract:
    """A subclass provides the fixture `notes`."""

    def test_the_first_note_of_an_entry_stays(self, notes: EntryNotes) -> None:
        account, other = (AccountId(f"acct-{secrets.token_hex(8)}") for _ in range(2))
        assert notes.put(account, "adjustment#k", "goodwill for the outage", NOW) == "goodwill for the outage"
        assert notes.put(account, "adjustment#k", "something else", NOW + 1) == "goodwill for the outage"
        assert notes.put(account, "adjustment#k2", "a second", NOW) == "a second"
        assert notes.put(other, "adjustment#k", "theirs", NOW) == "theirs"


def full(account_id: AccountId, pending: Attempt | None) -> AutoTopUp:
    return AutoTopUp(
        account_id,
        is_on=True,
        on_since_s=NOW - 60,
        threshold=parse_usd("5.000000001"),
        amount_cents=2_000,
        reason="Your card was declined.",
        failures=2,
        not_before_s=NOW + 3600,
        day="2026-11-24",
        charged_on_day=parse_usd("40"),
        pending=pending,
    )
