"""The part of the contract of `ports.Ledger` that is about leases: holds for a run of generations."""

from dataclasses import dataclass, replace

import pytest

from turnpike.domain.api_keys import ApiKey
from turnpike.domain.errors import (
    HoldMismatch,
    HoldNotFound,
    HoldResolved,
    InsufficientCredit,
    KeyLimitExceeded,
)
from turnpike.domain.generation import Generation
from turnpike.domain.ids import AccountId, LeaseId, new_account_id, new_generation_id, new_lease_id
from turnpike.domain.ledger import Balance, Hold, KeyLimit, Resolution, balance_of
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.ports.ledger import Generations, Ledger

from tests.contracts.ledger import KEY, NOW, generation, nano

EXPIRY = NOW + 60


@dataclass(frozen=True, slots=True)
class Part:
    """A generation that is served from a lease."""

    record: Generation
    lease_id: LeaseId

    def capture(self, ledger: Ledger, cost: int) -> Resolution:
        return ledger.capture_part(replace(self.record, cost=nano(cost)), self.lease_id, nano(cost), NOW)


def part_of(lease: Hold) -> Part:
    lease_id = LeaseId(lease.hold_id)
    return Part(generation(replace(lease, hold_id=new_generation_id(NOW)), lease_id=lease_id), lease_id)


class LeaseContract:
    """A subclass provides the fixtures `ledger` and `generations`. Every test has accounts of its own."""

    @pytest.fixture
    def account(self, ledger: Ledger) -> AccountId:
        """With 1,000 nano-USD."""
        account_id = new_account_id(NOW)
        assert ledger.top_up(account_id, nano(1000), reference="start", now_s=NOW)
        return account_id

    def lease(
        self, ledger: Ledger, account_id: AccountId, amount: int = 300, *, key_limit: KeyLimit | None = None
    ) -> Hold:
        lease = Hold(new_lease_id(NOW), account_id, KEY, nano(amount), NOW, EXPIRY, key_limit)
        ledger.hold(lease)
        return lease

    def check(self, ledger: Ledger, account_id: AccountId, *, available: int, held: int) -> None:
        balance = ledger.get_balance(account_id)
        assert (balance.available, balance.held) == (available, held)
        assert balance == balance_of(ledger.list_entries(account_id))

    def room(self, ledger: Ledger, account_id: AccountId, limit: KeyLimit | None = None) -> int:
        key = ApiKey(KEY, account_id, "", "", limit=None if limit is None else limit.limit)
        return ledger.get_room(account_id, key, NOW)

    def used(self, ledger: Ledger, account_id: AccountId, limit: KeyLimit) -> int:
        return ledger.get_key_spend(account_id, ApiKey(KEY, account_id, "", "", limit=limit.limit), NOW).limit_used

    def test_a_lease_is_held_like_any_hold(self, ledger: Ledger, account: AccountId) -> None:
        lease = self.lease(ledger, account)
        ledger.hold(lease)
        assert ledger.find_hold(account, lease.hold_id) == lease
        self.check(ledger, account, available=700, held=300)
        with pytest.raises(InsufficientCredit):
            self.lease(ledger, account, 701)

    def test_its_generations_are_captured_one_by_one(
        self, ledger: Ledger, generations: Generations, account: AccountId
    ) -> None:
        lease = self.lease(ledger, account)
        first, second, free = part_of(lease), part_of(lease), part_of(lease)
        for part, cost in ((first, 120), (second, 180), (free, 0)):
            resolution = part.capture(ledger, cost)
            assert (resolution.state, resolution.charged, resolution.absorbed) == ("pending", cost, 0)
            stored = generations.find(account, part.record.id)
            assert stored == replace(part.record, cost=nano(cost))
        assert ledger.find_hold(account, lease.hold_id) == replace(lease, captured=nano(300))
        assert ledger.get_balance(account) == Balance(nano(700), ZERO, nano(1000), nano(300))
        self.check(ledger, account, available=700, held=0)
        spend = ledger.get_key_spend(account, ApiKey(KEY, account, "", ""), NOW)
        assert (spend.credit.total, spend.credit.daily) == (300, 300)

    def test_each_of_them_once(self, ledger: Ledger, generations: Generations, account: AccountId) -> None:
        lease = self.lease(ledger, account)
        part = part_of(lease)
        part.capture(ledger, 100)
        for cost in (100, 50, 1000):
            with pytest.raises(HoldResolved) as refused:
                part.capture(ledger, cost)
            assert refused.value.state == "captured"
        stored = generations.find(account, part.record.id)
        assert stored is not None
        assert stored.cost == 100
        self.check(ledger, account, available=700, held=200)

    def test_a_generation_is_captured_once_also_after_the_lease_is_over(
        self, ledger: Ledger, account: AccountId
    ) -> None:
        lease = self.lease(ledger, account)
        part = part_of(lease)
        part.capture(ledger, 100)
        ledger.expire(account, lease.hold_id, EXPIRY)
        with pytest.raises(HoldResolved) as refused:
            part.capture(ledger, 100)
        assert refused.value.state == "captured"
        self.check(ledger, account, available=900, held=0)

    def test_a_cost_above_what_is_left_is_overage(self, ledger: Ledger, account: AccountId) -> None:
        limit = KeyLimit(nano(500))
        lease = self.lease(ledger, account, 300, key_limit=limit)
        part_of(lease).capture(ledger, 250)
        resolution = part_of(lease).capture(ledger, 120)
        assert (resolution.charged, resolution.absorbed) == (120, 0)
        assert [entry.kind for entry in resolution.entries] == ["capture", "overage"]
        assert set(resolution.entries) < set(ledger.list_entries(account))
        assert self.used(ledger, account, limit) == 370
        self.check(ledger, account, available=630, held=0)

    def test_a_cost_above_all_credit_is_absorbed(
        self, ledger: Ledger, generations: Generations, account: AccountId
    ) -> None:
        lease = self.lease(ledger, account, 900)
        part_of(lease).capture(ledger, 850)
        part = part_of(lease)
        resolution = part.capture(ledger, 400)
        assert (resolution.charged, resolution.absorbed) == (150, 250)
        stored = generations.find(account, part.record.id)
        assert stored is not None
        assert stored.cost == 150
        self.check(ledger, account, available=0, held=0)

    def test_a_cost_above_the_keys_limit_is_absorbed(self, ledger: Ledger, account: AccountId) -> None:
        limit = KeyLimit(nano(330))
        lease = self.lease(ledger, account, 300, key_limit=limit)
        part_of(lease).capture(ledger, 250)
        resolution = part_of(lease).capture(ledger, 120)
        assert (resolution.charged, resolution.absorbed) == (80, 40)
        assert self.used(ledger, account, limit) == 330
        self.check(ledger, account, available=670, held=0)

    def test_it_is_extended_whatever_was_captured_since(self, ledger: Ledger, account: AccountId) -> None:
        lease = self.lease(ledger, account)
        part_of(lease).capture(ledger, 200)
        # Who leased it has not heard of the capture.
        extended = ledger.extend(lease, nano(50), NOW)
        assert extended.amount == 350
        assert ledger.extend(lease, nano(50), NOW).amount == 350
        found = ledger.find_hold(account, lease.hold_id)
        assert found == replace(lease, amount=nano(350), captured=nano(200))
        assert found.left == 150
        self.check(ledger, account, available=650, held=150)

    def test_closing_it_gives_back_what_it_will_not_spend(self, ledger: Ledger, account: AccountId) -> None:
        limit = KeyLimit(nano(400))
        lease = self.lease(ledger, account, 300, key_limit=limit)
        settled, late = part_of(lease), part_of(lease)
        settled.capture(ledger, 100)
        for _ in range(2):
            ledger.close(lease, nano(150), NOW)
        self.check(ledger, account, available=850, held=50)
        assert self.used(ledger, account, limit) == 150
        assert ledger.find_hold(account, lease.hold_id) == replace(
            lease, amount=nano(150), captured=nano(100), is_closed=True
        )
        # What was still on its way finds what was kept for it.
        assert late.capture(ledger, 50).charged == 50
        self.check(ledger, account, available=850, held=0)
        resolution = ledger.expire(account, lease.hold_id, EXPIRY)
        assert (resolution.state, resolution.entries[0].available_delta) == ("expired", 0)
        assert self.used(ledger, account, limit) == 150
        self.check(ledger, account, available=850, held=0)

    def test_a_closed_one_is_not_extended(self, ledger: Ledger, account: AccountId) -> None:
        lease = self.lease(ledger, account)
        ledger.close(lease, ZERO, NOW)
        with pytest.raises(HoldMismatch):
            ledger.extend(lease, nano(1), NOW)
        self.check(ledger, account, available=700, held=300)

    def test_no_more_is_given_back_than_is_left(self, ledger: Ledger, account: AccountId) -> None:
        lease = self.lease(ledger, account)
        part_of(lease).capture(ledger, 100)
        with pytest.raises(HoldMismatch):
            ledger.close(lease, nano(201), NOW)
        with pytest.raises(HoldMismatch):
            ledger.close(replace(lease, amount=nano(299)), nano(10), NOW)
        self.check(ledger, account, available=700, held=200)
        ledger.close(lease, nano(200), NOW)
        self.check(ledger, account, available=900, held=0)

    def test_what_never_was_or_is_over_is_neither_captured_from_nor_closed(
        self, ledger: Ledger, account: AccountId
    ) -> None:
        unknown = Hold(new_lease_id(NOW), account, KEY, nano(1), NOW, EXPIRY)
        with pytest.raises(HoldNotFound):
            part_of(unknown).capture(ledger, 1)
        with pytest.raises(HoldNotFound):
            ledger.close(unknown, ZERO, NOW)
        lease = self.lease(ledger, account)
        ledger.expire(account, lease.hold_id, EXPIRY)
        with pytest.raises(HoldResolved) as refused:
            part_of(lease).capture(ledger, 1)
        assert refused.value.state == "expired"
        with pytest.raises(HoldResolved):
            ledger.close(lease, nano(1), NOW)
        self.check(ledger, account, available=1000, held=0)

    def test_it_is_neither_captured_whole_nor_voided(self, ledger: Ledger, account: AccountId) -> None:
        lease = self.lease(ledger, account)
        with pytest.raises(HoldMismatch):
            ledger.capture(account, lease.hold_id, nano(1), NOW, None)
        with pytest.raises(HoldMismatch):
            ledger.void(account, lease.hold_id, NOW, None)
        self.check(ledger, account, available=700, held=300)

    def test_when_it_expires_the_rest_comes_back(self, ledger: Ledger, account: AccountId) -> None:
        limit = KeyLimit(nano(300))
        lease = self.lease(ledger, account, 300, key_limit=limit)
        part_of(lease).capture(ledger, 80)
        found = [hold for hold in ledger.list_expired_holds(EXPIRY) if hold.account_id == account]
        assert found == [replace(lease, captured=nano(80))]
        with pytest.raises(HoldMismatch):
            ledger.expire(account, lease.hold_id, EXPIRY - 1)
        assert ledger.expire(account, lease.hold_id, EXPIRY).state == "expired"
        assert self.used(ledger, account, limit) == 80
        self.check(ledger, account, available=920, held=0)
        assert [hold for hold in ledger.list_expired_holds(EXPIRY) if hold.account_id == account] == []

    def test_it_counts_against_the_limit_as_a_whole(self, ledger: Ledger, account: AccountId) -> None:
        limit = KeyLimit(nano(400))
        self.lease(ledger, account, 300, key_limit=limit)
        with pytest.raises(KeyLimitExceeded) as refused:
            self.lease(ledger, account, 101, key_limit=limit)
        assert refused.value.remaining == 100

    def test_what_is_recorded_without_a_charge_is_recorded_once(self, ledger: Ledger, account: AccountId) -> None:
        record = part_of(self.lease(ledger, account)).record
        assert [ledger.record(record, NOW), ledger.record(record, NOW)] == [True, False]
        self.check(ledger, account, available=700, held=300)

    def test_what_is_captured_together_is_as_if_one_by_one(
        self, ledger: Ledger, generations: Generations, account: AccountId
    ) -> None:
        limit = KeyLimit(nano(900))
        lease = self.lease(ledger, account, 300, key_limit=limit)
        records = [replace(part_of(lease).record, cost=nano(cost)) for cost in (40, 0)]
        for cost in (30, 100):
            hold = Hold(new_generation_id(NOW), account, KEY, nano(100), NOW, EXPIRY, limit)
            ledger.hold(hold)
            records.append(generation(hold, cost=nano(cost)))
        captured = ledger.capture_together(records, NOW)
        assert {generation_id: each.charged for generation_id, each in captured.items()} == {
            record.id: record.cost for record in records
        }
        assert [generations.find(account, record.id) for record in records] == records
        assert ledger.find_hold(account, lease.hold_id) == replace(lease, captured=nano(40))
        spend = ledger.get_key_spend(account, ApiKey(KEY, account, "", "", limit=limit.limit), NOW)
        assert (spend.credit.daily, spend.limit_used) == (170, 430)
        self.check(ledger, account, available=570, held=260)
        # Delivered again, each of them is told that it is settled.
        assert ledger.capture_together(records, NOW) == {}
        for record in records[:2]:
            with pytest.raises(HoldResolved):
                ledger.capture_part(record, LeaseId(lease.hold_id), record.cost, NOW)
        self.check(ledger, account, available=570, held=260)

    def test_what_a_hold_does_not_cover_is_left_to_be_captured_by_itself(
        self, ledger: Ledger, account: AccountId
    ) -> None:
        records = []
        for cost in (30, 101, 100, 20):
            hold = Hold(new_generation_id(NOW), account, KEY, nano(100), NOW, EXPIRY)
            ledger.hold(hold)
            records.append(generation(hold, cost=nano(cost)))
        ledger.void(account, records[3].id, NOW, None)
        captured = ledger.capture_together(records, NOW)
        assert set(captured) == {records[0].id, records[2].id}
        self.check(ledger, account, available=770, held=100)

    def test_more_than_a_lease_has_is_not_captured_together(self, ledger: Ledger, account: AccountId) -> None:
        lease = self.lease(ledger, account, 100)
        records = [replace(part_of(lease).record, cost=nano(60)) for _ in range(2)]
        assert ledger.capture_together(records, NOW) == {}
        self.check(ledger, account, available=900, held=100)

    def test_room_is_what_the_account_and_the_key_have_left(self, ledger: Ledger, account: AccountId) -> None:
        limit = KeyLimit(nano(400))
        self.lease(ledger, account, 300, key_limit=limit)
        assert self.room(ledger, account) == 700
        assert self.room(ledger, account, limit) == 100
        assert self.room(ledger, account, KeyLimit(nano(5000))) == 700
        assert self.room(ledger, new_account_id(NOW)) == 0
        ledger.adjust(account, "refund", nano(-900), reference="re", now_s=NOW, may_overdraw=True)
        assert self.room(ledger, account) == -200

    def test_a_hold_may_ask_for_more_to_be_there_than_it_takes(self, ledger: Ledger, account: AccountId) -> None:
        def hold(floor: int, key_limit: KeyLimit | None = None) -> None:
            ledger.hold(Hold(new_generation_id(NOW), account, KEY, nano(10), NOW, EXPIRY, key_limit), floor=nano(floor))

        hold(1000)
        with pytest.raises(InsufficientCredit) as short:
            hold(991)
        assert short.value.available == 990
        hold(100, KeyLimit(nano(100)))
        with pytest.raises(KeyLimitExceeded) as limited:
            hold(91, KeyLimit(nano(100)))
        assert limited.value.remaining == 90
        self.check(ledger, account, available=980, held=20)

    def test_a_new_limit_counts_what_was_spent_in_its_window(self, ledger: Ledger, account: AccountId) -> None:
        hold = Hold(new_generation_id(NOW), account, KEY, nano(100), NOW, EXPIRY)
        ledger.hold(hold)
        spent: NanoUsd = ledger.capture(account, hold.hold_id, nano(70), NOW, None).charged
        key = ApiKey(KEY, account, "", "", limit=nano(100), limit_reset="weekly")
        assert ledger.get_key_spend(account, key, NOW).limit_used == 0
        for _ in range(2):
            ledger.count_earlier_spending(account, key, NOW)
        assert ledger.get_key_spend(account, key, NOW).limit_used == spent
        # What was counted from its beginning, with holds that are still open, stays as it is.
        ledger.hold(replace(hold, hold_id=new_generation_id(NOW), amount=nano(20), key_limit=None))
        ledger.count_earlier_spending(account, replace(key, limit_reset="daily"), NOW + 9 * 86_400)
        assert ledger.get_key_spend(account, replace(key, limit_reset="daily"), NOW + 9 * 86_400).limit_used == 0
