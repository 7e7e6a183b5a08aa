"""The contract of `ports.Ledger` and `ports.Generations`."""

from dataclasses import replace
from typing import Any, get_args

import pytest

from turnpike.domain.api_keys import ApiKey, KeySpend, LimitReset, Spending
from turnpike.domain.chat import Usage
from turnpike.domain.errors import (
    HoldMismatch,
    HoldNotFound,
    HoldResolved,
    InsufficientCredit,
    KeyLimitExceeded,
    ReferenceReused,
)
from turnpike.domain.generation import Attempt, Generation
from turnpike.domain.ids import AccountId, GenerationId, KeyHash, new_account_id, new_generation_id
from turnpike.domain.ledger import Balance, Correction, Hold, KeyLimit, balance_of
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.domain.periods import window_of
from turnpike.ports.ledger import Generations, Ledger

NOW = 1_795_428_000
"""Monday, 23 November 2026, 10:00 UTC."""
DAY = 86_400
KEY = KeyHash("a" * 64)
OTHER_KEY = KeyHash("b" * 64)
CORRECTIONS: tuple[Correction, ...] = get_args(Correction)


def nano(amount: int) -> NanoUsd:
    return NanoUsd(amount)


def generation(hold: Hold, **changes: Any) -> Generation:
    values: dict[str, Any] = {
        "id": hold.hold_id,
        "account_id": hold.account_id,
        "key_hash": hold.key_hash,
        "created_at_s": hold.created_at_s,
        "requested_model": "acme/chat",
        "model": "acme/chat",
        "provider": "Acme",
        "streamed": True,
        "usage": Usage(10, 20, cached_tokens=4, estimated=True),
        "cost": nano(1),
        "finish_reason": "stop",
        "latency_ms": 250,
        "attempts": (Attempt("acme", "acme/chat", "chat", None, 30, "timeout"),),
    }
    return Generation(**(values | changes))


class LedgerContract:
    """A subclass provides the fixtures `ledger` and `generations`. Every test has accounts of its own."""

    @pytest.fixture
    def account(self) -> AccountId:
        return new_account_id(NOW)

    @pytest.fixture
    def rich(self, ledger: Ledger, account: AccountId) -> AccountId:
        """The account, with 1,000 nano-USD."""
        assert ledger.top_up(account, nano(1000), reference="start", now_s=NOW)
        return account

    def new_hold(
        self,
        account_id: AccountId,
        amount: int = 100,
        *,
        key_limit: KeyLimit | None = None,
        key_hash: KeyHash = KEY,
        seconds: int = 60,
    ) -> Hold:
        hold_id = new_generation_id(NOW)
        return Hold(hold_id, account_id, key_hash, nano(amount), NOW, NOW + seconds, key_limit)

    def check(self, ledger: Ledger, account_id: AccountId, *, available: int, held: int) -> None:
        balance = ledger.get_balance(account_id)
        assert (balance.available, balance.held) == (available, held)
        assert balance == balance_of(ledger.list_entries(account_id))

    def limit_used(self, ledger: Ledger, account_id: AccountId, key_limit: KeyLimit, now_s: int = NOW) -> int:
        name = key_limit.window.partition(":")[0]
        resets: dict[str, LimitReset] = {"daily": "daily", "weekly": "weekly", "monthly": "monthly"}
        key = ApiKey(KEY, account_id, "", "", limit=key_limit.limit, limit_reset=resets.get(name))
        return ledger.get_key_spend(account_id, key, now_s).limit_used

    # Hold

    def test_an_unknown_account_has_nothing(self, ledger: Ledger, account: AccountId) -> None:
        assert ledger.get_balance(account) == Balance()
        assert list(ledger.list_entries(account)) == []

    def test_a_hold_moves_credit_from_available_to_held(self, ledger: Ledger, rich: AccountId) -> None:
        hold = self.new_hold(rich, 300)
        ledger.hold(hold)
        assert ledger.find_hold(rich, hold.hold_id) == hold
        assert ledger.get_balance(rich) == Balance(nano(700), nano(300), nano(1000), ZERO)
        self.check(ledger, rich, available=700, held=300)

    def test_all_credit_can_be_held(self, ledger: Ledger, rich: AccountId) -> None:
        ledger.hold(self.new_hold(rich, 1000))
        self.check(ledger, rich, available=0, held=1000)

    def test_more_than_all_credit_cannot(self, ledger: Ledger, rich: AccountId) -> None:
        ledger.hold(self.new_hold(rich, 300))
        hold = self.new_hold(rich, 701)
        with pytest.raises(InsufficientCredit) as refused:
            ledger.hold(hold)
        assert refused.value.available == 700
        assert ledger.find_hold(rich, hold.hold_id) is None
        self.check(ledger, rich, available=700, held=300)

    def test_nothing_can_be_held_on_an_unknown_account(self, ledger: Ledger, account: AccountId) -> None:
        with pytest.raises(InsufficientCredit) as refused:
            ledger.hold(self.new_hold(account, 1))
        assert refused.value.available == 0

    def test_what_is_free_needs_no_credit(self, ledger: Ledger, generations: Generations, account: AccountId) -> None:
        hold = self.new_hold(account, 0)
        ledger.hold(hold)
        ledger.hold(hold)
        assert ledger.capture(account, hold.hold_id, ZERO, NOW, generation(hold)).charged == 0
        assert generations.find(account, hold.hold_id) == generation(hold, cost=ZERO)
        self.check(ledger, account, available=0, held=0)

    def test_a_negative_hold_is_a_bug(self, ledger: Ledger, rich: AccountId) -> None:
        with pytest.raises(ValueError, match="negative"):
            ledger.hold(self.new_hold(rich, -1))

    def test_repeating_a_hold_changes_nothing(self, ledger: Ledger, rich: AccountId) -> None:
        hold = self.new_hold(rich, 600, key_limit=KeyLimit(nano(600)))
        ledger.hold(hold)
        # Neither the rest of the credit nor the rest of the limit would do for a second one.
        ledger.hold(hold)
        self.check(ledger, rich, available=400, held=600)

    def test_repeating_a_hold_after_its_extension_changes_nothing(self, ledger: Ledger, rich: AccountId) -> None:
        hold = self.new_hold(rich, 100)
        ledger.hold(hold)
        ledger.extend(hold, nano(50), NOW)
        ledger.hold(hold)
        self.check(ledger, rich, available=850, held=150)

    @pytest.mark.parametrize(
        "change", [{"amount": nano(101)}, {"key_hash": OTHER_KEY}, {"key_limit": KeyLimit(nano(500))}]
    )
    def test_another_hold_of_the_same_id_is_a_mismatch(
        self, ledger: Ledger, rich: AccountId, change: dict[str, Any]
    ) -> None:
        hold = self.new_hold(rich, 100)
        ledger.hold(hold)
        with pytest.raises(HoldMismatch):
            ledger.hold(replace(hold, **change))
        self.check(ledger, rich, available=900, held=100)

    def test_a_resolved_hold_is_not_held_again(self, ledger: Ledger, rich: AccountId) -> None:
        hold = self.new_hold(rich)
        ledger.hold(hold)
        ledger.void(rich, hold.hold_id, NOW, None)
        with pytest.raises(HoldResolved) as refused:
            ledger.hold(hold)
        assert refused.value.state == "voided"
        self.check(ledger, rich, available=1000, held=0)

    # A key's limit

    def test_a_key_cannot_hold_above_its_limit(self, ledger: Ledger, rich: AccountId) -> None:
        limit = KeyLimit(nano(250))
        ledger.hold(self.new_hold(rich, 100, key_limit=limit))
        hold = self.new_hold(rich, 151, key_limit=limit)
        with pytest.raises(KeyLimitExceeded) as refused:
            ledger.hold(hold)
        assert refused.value.remaining == 150
        assert ledger.find_hold(rich, hold.hold_id) is None
        self.check(ledger, rich, available=900, held=100)
        ledger.hold(replace(hold, amount=nano(150)))
        assert self.limit_used(ledger, rich, limit) == 250

    @pytest.mark.parametrize("used", [0, 20])
    def test_an_amount_above_the_whole_limit_is_told_what_remains(
        self, ledger: Ledger, rich: AccountId, used: int
    ) -> None:
        limit = KeyLimit(nano(50))
        ledger.hold(self.new_hold(rich, used, key_limit=limit))
        with pytest.raises(KeyLimitExceeded) as refused:
            ledger.hold(self.new_hold(rich, 51, key_limit=limit))
        assert refused.value.remaining == 50 - used

    def test_a_limit_that_was_lowered_leaves_nothing(self, ledger: Ledger, rich: AccountId) -> None:
        ledger.hold(self.new_hold(rich, 100, key_limit=KeyLimit(nano(200))))
        with pytest.raises(KeyLimitExceeded) as refused:
            ledger.hold(self.new_hold(rich, 1, key_limit=KeyLimit(nano(50))))
        assert refused.value.remaining == 0

    def test_what_is_free_passes_a_used_up_limit(self, ledger: Ledger, rich: AccountId) -> None:
        limit = KeyLimit(nano(100))
        hold = self.new_hold(rich, 100, key_limit=limit)
        ledger.hold(hold)
        ledger.capture(rich, hold.hold_id, nano(100), NOW, None)
        ledger.hold(self.new_hold(rich, 0, key_limit=limit))
        self.check(ledger, rich, available=900, held=0)

    def test_the_account_is_asked_before_the_key(self, ledger: Ledger, rich: AccountId) -> None:
        with pytest.raises(InsufficientCredit):
            ledger.hold(self.new_hold(rich, 1001, key_limit=KeyLimit(nano(10))))

    def test_keys_and_windows_have_limits_of_their_own(self, ledger: Ledger, rich: AccountId) -> None:
        today, tomorrow = (KeyLimit(nano(100), window_of("daily", NOW + day * DAY)) for day in (0, 1))
        ledger.hold(self.new_hold(rich, 100, key_limit=today))
        ledger.hold(self.new_hold(rich, 100, key_limit=today, key_hash=OTHER_KEY))
        ledger.hold(self.new_hold(rich, 100, key_limit=tomorrow))
        with pytest.raises(KeyLimitExceeded):
            ledger.hold(self.new_hold(rich, 1, key_limit=today))
        assert self.limit_used(ledger, rich, tomorrow, NOW + DAY) == 100
        assert self.limit_used(ledger, rich, tomorrow, NOW + 2 * DAY) == 0

    @pytest.mark.parametrize(("cost", "used"), [(0, 0), (40, 40), (100, 100)])
    def test_a_capture_leaves_its_charge_counted(self, ledger: Ledger, rich: AccountId, cost: int, used: int) -> None:
        limit = KeyLimit(nano(100), window_of("monthly", NOW))
        hold = self.new_hold(rich, 100, key_limit=limit)
        ledger.hold(hold)
        # On the next month's first day, it still counts in the month of its hold.
        ledger.capture(rich, hold.hold_id, nano(cost), NOW + 10 * DAY, None)
        assert self.limit_used(ledger, rich, limit) == used
        assert self.limit_used(ledger, rich, limit, NOW + 10 * DAY) == 0

    # Extend

    def test_an_extension_adds_to_the_hold(self, ledger: Ledger, rich: AccountId) -> None:
        limit = KeyLimit(nano(400))
        hold = self.new_hold(rich, 100, key_limit=limit)
        ledger.hold(hold)
        once = ledger.extend(hold, nano(200), NOW)
        twice = ledger.extend(once, nano(100), NOW)
        assert (once, twice) == (replace(hold, amount=nano(300)), replace(hold, amount=nano(400)))
        assert ledger.find_hold(rich, hold.hold_id) == twice
        assert self.limit_used(ledger, rich, limit) == 400
        self.check(ledger, rich, available=600, held=400)

    def test_repeating_an_extension_changes_nothing(self, ledger: Ledger, rich: AccountId) -> None:
        hold = self.new_hold(rich, 100, key_limit=KeyLimit(nano(1000)))
        ledger.hold(hold)
        # All that is left: a second one could not be paid.
        extended = ledger.extend(hold, nano(900), NOW)
        assert ledger.extend(hold, nano(900), NOW + 1) == extended
        self.check(ledger, rich, available=0, held=1000)

    def test_an_extension_of_what_changed_is_a_mismatch(self, ledger: Ledger, rich: AccountId) -> None:
        hold = self.new_hold(rich, 100)
        ledger.hold(hold)
        once = ledger.extend(hold, nano(50), NOW)
        with pytest.raises(HoldMismatch):
            ledger.extend(hold, nano(60), NOW)
        ledger.extend(once, nano(50), NOW)
        with pytest.raises(HoldMismatch):
            ledger.extend(hold, nano(50), NOW)
        with pytest.raises(HoldMismatch):
            # The right sum by other steps is not the same extension.
            ledger.extend(hold, nano(100), NOW)
        self.check(ledger, rich, available=800, held=200)

    def test_an_extension_above_the_credit_is_refused(self, ledger: Ledger, rich: AccountId) -> None:
        hold = self.new_hold(rich, 100)
        ledger.hold(hold)
        with pytest.raises(InsufficientCredit) as refused:
            ledger.extend(hold, nano(901), NOW)
        assert refused.value.available == 900
        assert ledger.find_hold(rich, hold.hold_id) == hold
        self.check(ledger, rich, available=900, held=100)

    def test_an_extension_above_the_limit_is_refused(self, ledger: Ledger, rich: AccountId) -> None:
        hold = self.new_hold(rich, 100, key_limit=KeyLimit(nano(150)))
        ledger.hold(hold)
        with pytest.raises(KeyLimitExceeded) as refused:
            ledger.extend(hold, nano(51), NOW)
        assert refused.value.remaining == 50
        self.check(ledger, rich, available=900, held=100)

    def test_only_a_pending_hold_is_extended(self, ledger: Ledger, rich: AccountId) -> None:
        hold = self.new_hold(rich)
        with pytest.raises(HoldNotFound):
            ledger.extend(hold, nano(1), NOW)
        ledger.hold(hold)
        ledger.capture(rich, hold.hold_id, nano(10), NOW, None)
        with pytest.raises(HoldResolved) as refused:
            ledger.extend(hold, nano(1), NOW)
        assert refused.value.state == "captured"
        self.check(ledger, rich, available=990, held=0)

    @pytest.mark.parametrize("by", [0, -1])
    def test_an_extension_by_nothing_is_a_bug(self, ledger: Ledger, rich: AccountId, by: int) -> None:
        hold = self.new_hold(rich)
        ledger.hold(hold)
        with pytest.raises(ValueError, match="adds"):
            ledger.extend(hold, nano(by), NOW)

    # Capture

    @pytest.mark.parametrize("cost", [0, 40, 100])
    def test_a_capture_charges_the_cost_and_returns_the_rest(self, ledger: Ledger, rich: AccountId, cost: int) -> None:
        hold = self.new_hold(rich, 100)
        ledger.hold(hold)
        resolution = ledger.capture(rich, hold.hold_id, nano(cost), NOW + 5, None)
        assert (resolution.state, resolution.charged, resolution.absorbed) == ("captured", cost, 0)
        assert ledger.find_hold(rich, hold.hold_id) == replace(hold, state="captured")
        assert ledger.get_balance(rich) == Balance(nano(1000 - cost), ZERO, nano(1000), nano(cost))
        self.check(ledger, rich, available=1000 - cost, held=0)

    def test_a_cost_above_the_hold_is_overage(self, ledger: Ledger, rich: AccountId) -> None:
        hold = self.new_hold(rich, 100)
        ledger.hold(hold)
        resolution = ledger.capture(rich, hold.hold_id, nano(130), NOW, None)
        assert (resolution.charged, resolution.absorbed) == (130, 0)
        assert [entry.kind for entry in resolution.entries] == ["capture", "overage"]
        assert set(resolution.entries) < set(ledger.list_entries(rich))
        self.check(ledger, rich, available=870, held=0)

    def test_a_cost_above_all_credit_is_absorbed(
        self, ledger: Ledger, generations: Generations, rich: AccountId
    ) -> None:
        other, hold = self.new_hold(rich, 850), self.new_hold(rich, 100)
        ledger.hold(other)
        ledger.hold(hold)
        resolution = ledger.capture(rich, hold.hold_id, nano(500), NOW, generation(hold, cost=nano(500)))
        assert (resolution.charged, resolution.absorbed) == (150, 350)
        assert generations.find(rich, hold.hold_id) == generation(hold, cost=nano(150))
        self.check(ledger, rich, available=0, held=850)

    @pytest.mark.parametrize(("other", "charged"), [(0, 170), (60, 140), (100, 100)])
    def test_a_cost_above_the_keys_limit_is_absorbed(
        self, ledger: Ledger, rich: AccountId, other: int, charged: int
    ) -> None:
        limit = KeyLimit(nano(200))
        ledger.hold(self.new_hold(rich, other, key_limit=limit))
        hold = self.new_hold(rich, 100, key_limit=limit)
        ledger.hold(hold)
        resolution = ledger.capture(rich, hold.hold_id, nano(170), NOW, None)
        assert (resolution.charged, resolution.absorbed) == (charged, 170 - charged)
        assert self.limit_used(ledger, rich, limit) == other + charged
        self.check(ledger, rich, available=1000 - other - charged, held=other)

    def test_a_limit_that_was_passed_before_leaves_a_capture_what_was_held(
        self, ledger: Ledger, rich: AccountId
    ) -> None:
        hold = self.new_hold(rich, 100, key_limit=KeyLimit(nano(150)))
        ledger.hold(hold)
        # The limit was raised for later ones.
        ledger.hold(self.new_hold(rich, 400, key_limit=KeyLimit(nano(500))))
        assert ledger.capture(rich, hold.hold_id, nano(120), NOW, None).charged == 100
        assert self.limit_used(ledger, rich, KeyLimit(nano(500))) == 500

    def test_a_capture_of_an_extended_hold_covers_all_of_it(self, ledger: Ledger, rich: AccountId) -> None:
        hold = self.new_hold(rich, 100)
        ledger.hold(hold)
        ledger.extend(hold, nano(900), NOW)
        assert ledger.capture(rich, hold.hold_id, nano(950), NOW, None).charged == 950
        self.check(ledger, rich, available=50, held=0)

    def test_a_capture_stores_the_generation(self, ledger: Ledger, generations: Generations, rich: AccountId) -> None:
        hold = self.new_hold(rich, 100)
        ledger.hold(hold)
        assert generations.find(rich, hold.hold_id) is None
        ledger.capture(rich, hold.hold_id, nano(40), NOW, generation(hold, cost=nano(40)))
        assert generations.find(rich, hold.hold_id) == generation(hold, cost=nano(40))

    # Void and expire

    def test_a_void_returns_the_whole_hold(self, ledger: Ledger, generations: Generations, rich: AccountId) -> None:
        limit = KeyLimit(nano(100))
        hold = self.new_hold(rich, 100, key_limit=limit)
        ledger.hold(hold)
        record = generation(hold, cost=ZERO, upstream_cost=nano(70), finish_reason="error")
        resolution = ledger.void(rich, hold.hold_id, NOW, record)
        assert (resolution.state, resolution.charged, resolution.absorbed) == ("voided", 0, 0)
        assert generations.find(rich, hold.hold_id) == record
        assert self.limit_used(ledger, rich, limit) == 0
        self.check(ledger, rich, available=1000, held=0)

    def test_a_hold_expires_once_its_time_is_up(self, ledger: Ledger, rich: AccountId) -> None:
        limit = KeyLimit(nano(100))
        hold = self.new_hold(rich, 100, key_limit=limit, seconds=60)
        ledger.hold(hold)
        with pytest.raises(HoldMismatch):
            ledger.expire(rich, hold.hold_id, NOW + 59)
        assert ledger.expire(rich, hold.hold_id, NOW + 60).state == "expired"
        assert self.limit_used(ledger, rich, limit) == 0
        self.check(ledger, rich, available=1000, held=0)

    def test_expired_holds_are_found(self, ledger: Ledger, rich: AccountId) -> None:
        soon, later, settled = (self.new_hold(rich, 10, seconds=seconds) for seconds in (60, 120, 60))
        for hold in (soon, later, settled):
            ledger.hold(hold)
        grown = ledger.extend(soon, nano(5), NOW)
        ledger.void(rich, settled.hold_id, NOW, None)

        def expired(now_s: int) -> list[Hold]:
            return [hold for hold in ledger.list_expired_holds(now_s) if hold.account_id == rich]

        assert expired(NOW + 59) == []
        assert expired(NOW + 60) == [grown]
        assert {hold.hold_id for hold in expired(NOW + 120)} == {soon.hold_id, later.hold_id}
        ledger.expire(rich, soon.hold_id, NOW + 120)
        assert expired(NOW + 120) == [later]

    # At most once

    @pytest.mark.parametrize("first", ["captured", "voided", "expired"])
    @pytest.mark.parametrize("second", ["captured", "voided", "expired"])
    def test_a_hold_resolves_once(
        self, ledger: Ledger, generations: Generations, rich: AccountId, first: str, second: str
    ) -> None:
        hold = self.new_hold(rich)
        ledger.hold(hold)
        self.resolve(ledger, hold, first, cost=30)
        balance = ledger.get_balance(rich)
        stored = generations.find(rich, hold.hold_id)
        with pytest.raises(HoldResolved) as refused:
            self.resolve(ledger, hold, second, cost=70)
        assert refused.value.state == first
        assert ledger.get_balance(rich) == balance == balance_of(ledger.list_entries(rich))
        assert generations.find(rich, hold.hold_id) == stored

    @pytest.mark.parametrize("way", ["captured", "voided", "expired"])
    def test_an_unknown_hold_is_not_resolved(self, ledger: Ledger, rich: AccountId, way: str) -> None:
        with pytest.raises(HoldNotFound):
            self.resolve(ledger, self.new_hold(rich), way)

    def resolve(self, ledger: Ledger, hold: Hold, way: str, cost: int = 0) -> None:
        account_id, hold_id = hold.account_id, hold.hold_id
        if way == "captured":
            ledger.capture(account_id, hold_id, nano(cost), NOW + 60, generation(hold, cost=nano(cost)))
        elif way == "voided":
            ledger.void(account_id, hold_id, NOW + 60, generation(hold, cost=ZERO))
        else:
            ledger.expire(account_id, hold_id, NOW + 60)

    def test_holds_of_two_accounts_may_share_an_id(self, ledger: Ledger, rich: AccountId) -> None:
        hold = self.new_hold(rich)
        ledger.hold(hold)
        with pytest.raises(InsufficientCredit):
            ledger.hold(replace(hold, account_id=new_account_id(NOW)))
        assert ledger.find_hold(new_account_id(NOW), hold.hold_id) is None

    # Records, top-ups, spending

    def test_a_late_record_is_stored_once(self, ledger: Ledger, generations: Generations, rich: AccountId) -> None:
        hold = self.new_hold(rich)
        first = generation(hold, cost=ZERO, upstream_cost=nano(5))
        assert ledger.record(first, NOW)
        assert not ledger.record(first, NOW)
        assert not ledger.record(generation(hold, cost=nano(9)), NOW)
        assert generations.find(rich, hold.hold_id) == first
        self.check(ledger, rich, available=1000, held=0)

    def test_a_record_needs_few_facts(self, ledger: Ledger, generations: Generations) -> None:
        bare = Generation(GenerationId("gen-1"), new_account_id(NOW), KEY, NOW, "a/b", "a/b", None, False, Usage())
        ledger.record(bare, NOW)
        assert generations.find(bare.account_id, bare.id) == bare

    def test_credit_is_added_once_per_reference(self, ledger: Ledger, account: AccountId) -> None:
        assert ledger.top_up(account, nano(500), reference="evt_1", now_s=NOW)
        assert not ledger.top_up(account, nano(500), reference="evt_1", now_s=NOW + 9)
        assert ledger.top_up(account, nano(500), reference="evt_2", now_s=NOW)
        assert ledger.get_balance(account) == Balance(nano(1000), ZERO, nano(1000), ZERO)
        self.check(ledger, account, available=1000, held=0)

    def test_a_reference_stands_for_one_amount(self, ledger: Ledger, account: AccountId) -> None:
        ledger.top_up(account, nano(500), reference="evt_1", now_s=NOW)
        with pytest.raises(ReferenceReused):
            ledger.top_up(account, nano(501), reference="evt_1", now_s=NOW)
        self.check(ledger, account, available=500, held=0)

    @pytest.mark.parametrize("amount", [0, -1])
    def test_a_top_up_of_nothing_is_a_bug(self, ledger: Ledger, account: AccountId, amount: int) -> None:
        with pytest.raises(ValueError, match="adds"):
            ledger.top_up(account, nano(amount), reference="evt_1", now_s=NOW)

    @pytest.mark.parametrize("kind", CORRECTIONS)
    @pytest.mark.parametrize("amount", [-1000, -1, 1, 250])
    def test_a_correction_is_made_once_per_kind_and_reference(
        self, ledger: Ledger, rich: AccountId, kind: Correction, amount: int
    ) -> None:
        for expected in (True, False):
            assert ledger.adjust(rich, kind, nano(amount), reference="one", now_s=NOW) is expected
        with pytest.raises(ReferenceReused):
            ledger.adjust(rich, kind, nano(amount + 5000), reference="one", now_s=NOW)
        assert ledger.get_balance(rich) == Balance(nano(1000 + amount), ZERO, nano(1000 + amount), ZERO)
        (other,) = {*CORRECTIONS} - {kind}
        assert ledger.adjust(rich, other, nano(5), reference="one", now_s=NOW)
        self.check(ledger, rich, available=1005 + amount, held=0)

    def test_a_correction_takes_no_more_than_there_is(self, ledger: Ledger, rich: AccountId) -> None:
        ledger.hold(self.new_hold(rich, 300))
        with pytest.raises(InsufficientCredit) as refused:
            ledger.adjust(rich, "adjustment", nano(-701), reference="one", now_s=NOW)
        assert refused.value.available == 700
        self.check(ledger, rich, available=700, held=300)

    def test_a_payment_that_is_taken_back_leaves_what_was_spent_of_it_owed(
        self, ledger: Ledger, rich: AccountId
    ) -> None:
        hold = self.new_hold(rich, 300)
        ledger.hold(hold)
        assert ledger.adjust(rich, "refund", nano(-1000), reference="re_1", now_s=NOW, may_overdraw=True)
        self.check(ledger, rich, available=-300, held=300)
        with pytest.raises(InsufficientCredit) as refused:
            ledger.hold(self.new_hold(rich, 1))
        assert refused.value.available == -300
        # What costs more than it held gets no more from an account that owes.
        assert ledger.capture(rich, hold.hold_id, nano(310), NOW, None).charged == 300
        self.check(ledger, rich, available=-300, held=0)

    @pytest.mark.parametrize("kind", CORRECTIONS)
    def test_a_correction_of_nothing_is_a_bug(self, ledger: Ledger, rich: AccountId, kind: Correction) -> None:
        with pytest.raises(ValueError, match="nothing"):
            ledger.adjust(rich, kind, ZERO, reference="one", now_s=NOW)

    def test_amounts_are_exact_beyond_what_floats_hold(self, ledger: Ledger, account: AccountId) -> None:
        fortune = 2**53 + 1
        ledger.top_up(account, nano(fortune), reference="evt_1", now_s=NOW)
        ledger.hold(self.new_hold(account, 2))
        self.check(ledger, account, available=fortune - 2, held=2)

    def test_spending_is_summed_by_day_week_and_month(self, ledger: Ledger, rich: AccountId) -> None:
        # The month begins on a Tuesday, so the week of its first day begins in the month before.
        first = NOW + 8 * DAY
        for amount, day in ((1, -30), (2, -1), (4, 0), (8, 1), (16, 1)):
            hold = self.new_hold(rich, 100)
            ledger.hold(hold)
            ledger.capture(rich, hold.hold_id, nano(amount), first + day * DAY, None)
        key = ApiKey(KEY, rich, "", "")
        expected = KeySpend(Spending(nano(31), nano(24), nano(30), nano(28)), last_used_at_s=first + DAY)
        assert ledger.get_key_spend(rich, key, first + DAY) == expected
        assert ledger.get_key_spend(rich, ApiKey(OTHER_KEY, rich, "", ""), first) == KeySpend()

    def test_what_is_held_or_voided_is_not_spent(self, ledger: Ledger, rich: AccountId) -> None:
        held, voided = (self.new_hold(rich, 100) for _ in range(2))
        ledger.hold(held)
        ledger.hold(voided)
        ledger.void(rich, voided.hold_id, NOW, generation(voided, cost=ZERO))
        assert ledger.get_key_spend(rich, ApiKey(KEY, rich, "", ""), NOW) == KeySpend()
