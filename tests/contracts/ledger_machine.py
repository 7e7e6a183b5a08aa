"""Random histories of a ledger, and what must be true after every step of them.

A subclass decides which ledgers live through a history; if there are several, they must answer alike.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar, get_args

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from turnpike.domain.activity import Cell, Counts, cells_of, counts_of
from turnpike.domain.api_keys import ApiKey, KeySpend, LimitReset
from turnpike.domain.errors import InsufficientCredit, KeyLimitExceeded, ReferenceReused, TurnpikeError
from turnpike.domain.generation import Generation
from turnpike.domain.ids import AccountId, GenerationId, HoldId, KeyHash, LeaseId, new_account_id
from turnpike.domain.ledger import Balance, Correction, Hold, KeyLimit, Resolution, balance_of
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.domain.periods import day_of, window_of
from turnpike.ports.ledger import Activities, Generations, Ledger
from turnpike.services.settle_usage import SettleUsage

from tests.contracts.activity import count_by_cell
from tests.contracts.ledger import DAY, NOW, generation, nano

Answer = TypeVar("Answer")
At = tuple[AccountId, HoldId]

RESETS: dict[str, LimitReset | None] = {"unlimited": None, "total": None, "weekly": "weekly"}
LIMITS = {"unlimited": None, "total": nano(500), "weekly": nano(200)}
"""Each account has these three keys, named for the windows of their limits."""

key_names = st.sampled_from(sorted(LIMITS))
hold_ids = st.sampled_from([GenerationId(f"gen-{number}") for number in range(8)])
"""Few, so that a history comes back to them, rightly and wrongly."""
lease_ids = st.sampled_from([LeaseId(f"lease-{number}") for number in range(3)])
part_ids = st.sampled_from([GenerationId(f"gen-part-{number}") for number in range(8)])
"""Of generations that are served from a lease."""
costs = st.sampled_from([0, 1, 49, 50, 51, 100, 150, 300]).map(nano)
steps = st.sampled_from([1, 50, 100]).map(nano)
"""Few as well, so that amounts meet: sums that are equal, limits that are just reached."""


class LedgerMachine(RuleBasedStateMachine):
    checks_every_step = True
    """Where reading is slow, the laws are checked at the end; what is answered is compared at every step."""

    def new_ledgers(self) -> Sequence[tuple[Ledger, Generations]]:
        raise NotImplementedError

    def activities_of(self, ledger: Ledger) -> Activities:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.ledgers = self.new_ledgers()
        self.now_s = NOW
        self.accounts = [new_account_id(NOW), new_account_id(NOW)]
        self.seen: dict[At, Hold] = {}
        """Holds as their owners last saw them; `amounts` has what they are since."""
        self.amounts: dict[At, NanoUsd] = {}
        self.captured: Counter[At] = Counter()
        self.closed: set[At] = set()
        """Both of leases."""
        self.resolutions: dict[At, Resolution] = {}
        self.records: dict[At, Generation] = {}
        self.top_ups: dict[tuple[AccountId, str], NanoUsd] = {}
        self.corrections: dict[tuple[AccountId, Correction, str], NanoUsd] = {}
        self.owing: set[AccountId] = set()
        self.charged: Counter[tuple[AccountId, KeyHash]] = Counter()
        self.charged_byok: Counter[tuple[AccountId, KeyHash]] = Counter()
        self.used: Counter[tuple[AccountId, KeyHash, str]] = Counter()
        self.counted: dict[AccountId, dict[Cell, Counts]] = {account_id: {} for account_id in self.accounts}

    # What may happen

    @initialize(credit=st.lists(st.sampled_from([0, 150, 1000]), min_size=2, max_size=2))
    def begin_with_credit(self, credit: list[int]) -> None:
        for account, amount in enumerate(credit):
            if amount:
                self.top_up(account, nano(amount), "a")

    @rule(
        account=st.integers(0, 1),
        amount=st.sampled_from([100, 300, 1000]).map(nano),
        reference=st.sampled_from("abc"),
    )
    def top_up(self, account: int, amount: NanoUsd, reference: str) -> None:
        account_id = self.accounts[account]
        answer = self.ask(lambda it: it.top_up(account_id, amount, reference=reference, now_s=self.now_s))
        earlier = self.top_ups.setdefault((account_id, reference), amount)
        assert isinstance(answer, ReferenceReused) == (earlier != amount)

    @rule(
        account=st.integers(0, 1),
        kind=st.sampled_from(get_args(Correction)),
        amount=st.sampled_from([-300, -50, 40, 150]).map(nano),
        reference=st.sampled_from("ab"),
        may_overdraw=st.booleans(),
    )
    def adjust(self, account: int, kind: Correction, amount: NanoUsd, reference: str, may_overdraw: bool) -> None:
        account_id = self.accounts[account]
        answer = self.ask(
            lambda it: it.adjust(
                account_id, kind, amount, reference=reference, now_s=self.now_s, may_overdraw=may_overdraw
            )
        )
        if isinstance(answer, InsufficientCredit):
            assert not may_overdraw
            return
        earlier = self.corrections.setdefault((account_id, kind, reference), amount)
        assert isinstance(answer, ReferenceReused) == (earlier != amount)
        if answer is True and may_overdraw and amount < 0:
            self.owing.add(account_id)

    @rule(
        account=st.integers(0, 1),
        hold_id=st.one_of(hold_ids, lease_ids),
        key=key_names,
        amount=costs,
        seconds=st.integers(1, 3000),
        byok_amount=st.sampled_from([None, None, 0, 60]),
        floor=st.sampled_from([0, 0, 120]),
    )
    def hold(
        self,
        account: int,
        hold_id: HoldId,
        key: str,
        amount: NanoUsd,
        seconds: int,
        byok_amount: NanoUsd | None,
        floor: NanoUsd,
    ) -> None:
        limit = LIMITS[key]
        hold = Hold(
            hold_id,
            self.accounts[account],
            KeyHash(key),
            amount,
            self.now_s,
            self.now_s + seconds,
            None if limit is None else KeyLimit(limit, window_of(RESETS[key], self.now_s)),
            byok_amount=None if hold_id.startswith("lease") else byok_amount,
        )
        available = self.balance(hold.account_id).available
        refused = self.ask(lambda it: it.hold(hold, floor=floor))
        if refused is None and (hold.account_id, hold_id) not in self.seen:
            assert amount == 0 or available >= max(amount, floor)
            self.amounts[hold.account_id, hold_id] = ZERO
            self.see(hold, byok_amount=hold.byok_amount or ZERO)

    @rule(data=st.data())
    @precondition(lambda self: self.seen)
    def repeat_a_hold(self, data: st.DataObject) -> None:
        hold = self.any_hold(data)
        self.ask(lambda it: it.hold(hold))

    @rule(data=st.data(), by=steps, times=st.integers(1, 2), answer_lost=st.booleans())
    @precondition(lambda self: self.seen)
    def extend(self, data: st.DataObject, by: NanoUsd, times: int, answer_lost: bool) -> None:
        hold = self.any_hold(data)
        for _ in range(times):
            answer = self.ask(lambda it: it.extend(hold, by, self.now_s))
        if isinstance(answer, Hold):
            self.see(answer)
            if answer_lost:
                self.seen[hold.account_id, hold.hold_id] = hold

    @rule(data=st.data(), cost=costs, recorded=st.booleans())
    @precondition(lambda self: self.seen)
    def capture(self, data: st.DataObject, cost: NanoUsd, recorded: bool) -> None:
        hold = self.any_hold(data)
        record = self.record_of(hold, cost) if recorded else None
        answer = self.ask(lambda it: it.capture(hold.account_id, hold.hold_id, cost, self.now_s, record))
        self.note(hold, answer, cost, record)

    @rule(data=st.data())
    @precondition(lambda self: self.seen)
    def void(self, data: st.DataObject) -> None:
        hold = self.any_hold(data)
        record = generation(hold, cost=ZERO, provider=None)
        answer = self.ask(lambda it: it.void(hold.account_id, hold.hold_id, self.now_s, record))
        self.note(hold, answer, ZERO, record)

    @rule(data=st.data())
    @precondition(lambda self: self.seen)
    def expire(self, data: st.DataObject) -> None:
        self.expire_one(self.any_hold(data))

    @rule()
    def expire_all_that_are_due(self) -> None:
        for account_id, hold_id in self.due():
            assert isinstance(self.expire_one(self.seen[account_id, hold_id]), Resolution)

    @rule(data=st.data(), give_back=costs, times=st.integers(1, 2))
    @precondition(lambda self: self.leases())
    def close(self, data: st.DataObject, give_back: NanoUsd, times: int) -> None:
        lease = data.draw(st.sampled_from(self.leases()))
        at = (lease.account_id, lease.hold_id)
        for _ in range(times):
            answer = self.ask(lambda it: it.close(lease, give_back, self.now_s))
            if answer is None and at not in self.closed:
                assert give_back <= self.amounts[at] - self.captured[at]
                self.closed.add(at)
                self.amounts[at] = nano(self.amounts[at] - give_back)
                self.count(lease, -give_back)

    @rule(data=st.data(), part_id=part_ids, cost=costs, answered=st.booleans(), times=st.integers(1, 2))
    @precondition(lambda self: self.leases())
    def deliver_part(
        self, data: st.DataObject, part_id: GenerationId, cost: NanoUsd, answered: bool, times: int
    ) -> None:
        """As metering does with what was served from a lease: in time, twice, or after it expired."""
        lease = data.draw(st.sampled_from(self.leases()))
        record = self.record_of(replace(lease, hold_id=part_id), cost, lease_id=lease.hold_id)
        for _ in range(times):
            left = nano(self.amounts[lease.account_id, lease.hold_id] - self.captured[lease.account_id, lease.hold_id])
            answer = self.ask(lambda it: SettleUsage(it)(record, answered, self.now_s))
            self.note_part(lease, record, answer, cost if answered else ZERO, left)

    @rule(picks=st.lists(st.tuples(st.integers(0, 30), part_ids, costs), min_size=2, max_size=4))
    @precondition(lambda self: self.seen)
    def deliver_together(self, picks: list[tuple[int, GenerationId, NanoUsd]]) -> None:
        """As metering does with a batch: what is settled at once is as if it were settled one by one."""
        events: dict[GenerationId, tuple[Hold, Generation]] = {}
        for pick, part_id, cost in picks:
            hold = list(self.seen.values())[pick % len(self.seen)]
            if hold.is_lease:
                record = self.record_of(replace(hold, hold_id=part_id), cost, lease_id=hold.hold_id)
            else:
                record = self.record_of(hold, cost)
            events[record.id] = hold, record
        answer = self.ask(
            lambda it: SettleUsage(it).together([(record, True) for _, record in events.values()], self.now_s)
        )
        assert isinstance(answer, Mapping)
        for generation_id, resolution in answer.items():
            hold, record = events[generation_id]
            assert (resolution.charged, resolution.absorbed) == (record.cost, 0)
            if hold.is_lease:
                left = nano(self.amounts[hold.account_id, hold.hold_id] - self.captured[hold.account_id, hold.hold_id])
                assert record.cost <= left
                self.note_part(hold, record, resolution, record.cost, left)
            else:
                self.note(hold, resolution, record.cost, record)

    @rule(data=st.data(), cost=costs, answered=st.booleans(), times=st.integers(1, 2))
    @precondition(lambda self: self.singles())
    def deliver(self, data: st.DataObject, cost: NanoUsd, answered: bool, times: int) -> None:
        """As metering does: in time, twice, or after the hold expired."""
        hold = data.draw(st.sampled_from(self.singles()))
        record = self.record_of(hold, cost if answered else ZERO)
        for _ in range(times):
            answer = self.ask(lambda it: SettleUsage(it)(record, answered, self.now_s))
            self.note(hold, answer, record.cost, record)
        at = (hold.account_id, hold.hold_id)
        if self.resolutions[at].state == "expired" and at not in self.records:
            self.keep(replace(record, cost=ZERO))

    @rule(seconds=st.one_of(st.integers(1, 2000), st.integers(1, 5 * DAY)))
    def wait(self, seconds: int) -> None:
        self.now_s += seconds

    # What must be true

    @invariant()
    def the_laws_hold(self) -> None:
        if self.checks_every_step:
            self.check()

    def teardown(self) -> None:
        self.check()

    def check(self) -> None:
        self.a_balance_is_the_sum_of_the_entries()
        self.what_is_held_is_what_pending_holds_hold()
        self.pending_holds_come_due()
        self.a_key_spent_what_it_was_charged()
        self.a_generation_stays_as_it_was_first_recorded()
        self.each_record_is_counted_once()

    def a_balance_is_the_sum_of_the_entries(self) -> None:
        for account_id in self.accounts:
            balance = self.balance(account_id)
            assert balance.available >= 0 or account_id in self.owing
            for ledger, _ in self.ledgers:
                entries = list(ledger.list_entries(account_id))
                assert len({entry.entry_id for entry in entries}) == len(entries)
                assert balance_of(entries) == balance

    def what_is_held_is_what_pending_holds_hold(self) -> None:
        held: Counter[AccountId] = Counter()
        for at, hold in self.seen.items():
            resolution = self.resolutions.get(at)
            state = resolution.state if resolution else "pending"
            captured, is_closed = nano(self.captured[at]), at in self.closed
            expected = replace(hold, amount=self.amounts[at], state=state, captured=captured, is_closed=is_closed)
            assert self.find_hold(at) == expected
            held[hold.account_id] += 0 if resolution else expected.left
        for account_id in self.accounts:
            assert self.balance(account_id).held == held[account_id]

    def pending_holds_come_due(self) -> None:
        for ledger, _ in self.ledgers:
            found = [(hold.account_id, hold.hold_id) for hold in ledger.list_expired_holds(self.now_s)]
            assert sorted(at for at in found if at[0] in self.accounts) == sorted(self.due())

    def a_key_spent_what_it_was_charged(self) -> None:
        for account_id in self.accounts:
            for name, limit in LIMITS.items():
                spend = self.spend(account_id, name)
                window = window_of(RESETS[name], self.now_s)
                assert spend.credit.total == self.charged[account_id, KeyHash(name)]
                assert spend.byok.total == self.charged_byok[account_id, KeyHash(name)]
                assert spend.limit_used == (self.used[account_id, KeyHash(name), window] if limit else 0)

    def a_generation_stays_as_it_was_first_recorded(self) -> None:
        for account_id, hold_id in self.seen | self.records:
            for _, generations in self.ledgers:
                found = generations.find(account_id, GenerationId(hold_id))
                assert found == self.records.get((account_id, hold_id))

    def each_record_is_counted_once(self) -> None:
        for account_id, counted in self.counted.items():
            records = [record for at, record in self.records.items() if at[0] == account_id]
            for by_user in (False, True):
                expected = {
                    cell: counts
                    for cell, counts in counted.items()
                    if (cell.user is not None or not cell.names_user if by_user else cell.user is None)
                }
                for ledger, _ in self.ledgers:
                    days = day_of(NOW), day_of(self.now_s)
                    found = self.activities_of(ledger).list_days(account_id, *days, by_user=by_user, most=1000)
                    assert count_by_cell(found) == expected
                total = sum(expected.values(), Counts())
                assert (total.requests, total.usage) == (len(records), sum(record.cost for record in records))

    # The history so far

    def see(self, hold: Hold, byok_amount: int = 0) -> None:
        """The ledger said that the hold is of this amount now."""
        at = (hold.account_id, hold.hold_id)
        added = hold.amount - self.amounts[at] + byok_amount
        self.seen[at], self.amounts[at] = hold, hold.amount
        self.count(hold, added)
        if hold.key_limit is not None and added:
            assert self.used[hold.account_id, hold.key_hash, hold.key_limit.window] <= hold.key_limit.limit

    def count(self, hold: Hold, by: int) -> None:
        if hold.key_limit is not None:
            self.used[hold.account_id, hold.key_hash, hold.key_limit.window] += by

    def record_of(self, hold: Hold, cost: NanoUsd, lease_id: HoldId | None = None) -> Generation:
        """Every other one names a user."""
        user = f"user of {hold.key_hash}" if int(hold.hold_id[-1]) % 2 else None
        return generation(
            hold, cost=cost, upstream_cost=cost, is_byok=hold.byok_amount is not None, lease_id=lease_id, user=user
        )

    def singles(self) -> list[Hold]:
        return [hold for hold in self.seen.values() if not hold.is_lease]

    def leases(self) -> list[Hold]:
        return [hold for hold in self.seen.values() if hold.is_lease]

    def note_part(self, lease: Hold, record: Generation, answer: object, cost: NanoUsd, left: NanoUsd) -> None:
        at, of_record = (lease.account_id, lease.hold_id), (record.account_id, record.id)
        late = at in self.resolutions and of_record not in self.records
        if not isinstance(answer, Resolution):
            assert of_record in self.records or late
            if late:
                self.keep(replace(record, cost=ZERO))
            return
        assert of_record not in self.records
        assert answer.charged + answer.absorbed == cost
        within = nano(min(cost, left))
        self.captured[at] += within
        self.check_beyond(lease, answer)
        self.charged[lease.account_id, lease.key_hash] += answer.charged
        self.count(lease, answer.charged - within)
        self.keep(replace(record, cost=answer.charged))

    def note(self, hold: Hold, answer: object, cost: NanoUsd, record: Generation | None) -> None:
        if not isinstance(answer, Resolution):
            return
        at = (hold.account_id, hold.hold_id)
        assert at not in self.resolutions
        assert answer.charged + answer.absorbed == cost
        self.resolutions[at] = answer
        self.charged[hold.account_id, hold.key_hash] += answer.charged
        byok_cost = record.byok_cost if record else 0
        self.charged_byok[hold.account_id, hold.key_hash] += byok_cost
        counted = byok_cost - hold.byok_amount if hold.byok_amount is not None else 0
        self.check_beyond(hold, answer)
        self.count(hold, answer.charged + counted - (self.amounts[at] - self.captured[at]))
        if record is not None:
            self.keep(replace(record, cost=answer.charged))

    def keep(self, record: Generation) -> None:
        """It is stored now, so it counts today."""
        self.records[record.account_id, record.id] = record
        counted = self.counted[record.account_id]
        for cell in cells_of(record, day_of(self.now_s)):
            counted[cell] = counted.get(cell, Counts()) + counts_of(record)

    def check_beyond(self, hold: Hold, resolution: Resolution) -> None:
        """Nobody pays what neither the credit nor the key's limit left, and nothing else."""
        used = limit = 0
        if hold.key_limit is not None:
            used = self.used[hold.account_id, hold.key_hash, hold.key_limit.window] + resolution.overage
            limit = hold.key_limit.limit
            assert used <= limit or not resolution.overage
        if resolution.absorbed:
            assert self.balance(hold.account_id).available <= 0 or (hold.key_limit is not None and used >= limit)

    def expire_one(self, hold: Hold) -> object:
        answer = self.ask(lambda it: it.expire(hold.account_id, hold.hold_id, self.now_s))
        self.note(hold, answer, ZERO, None)
        return answer

    def due(self) -> list[At]:
        pending = (at for at in self.seen if at not in self.resolutions)
        return [at for at in pending if self.seen[at].expires_at_s <= self.now_s]

    def any_hold(self, data: st.DataObject) -> Hold:
        # Mostly a pending one: once it is resolved, little more can happen to it.
        pending = [hold for at, hold in self.seen.items() if at not in self.resolutions]
        return data.draw(st.sampled_from(pending * 4 + list(self.seen.values())))

    def balance(self, account_id: AccountId) -> Balance:
        return self.read(lambda it: it.get_balance(account_id))

    def find_hold(self, at: At) -> Hold | None:
        return self.read(lambda it: it.find_hold(*at))

    def spend(self, account_id: AccountId, name: str) -> KeySpend:
        key = ApiKey(KeyHash(name), account_id, name, "", limit=LIMITS[name], limit_reset=RESETS[name])
        return self.read(lambda it: it.get_key_spend(account_id, key, self.now_s))

    # All ledgers tell it alike

    def ask(self, question: Callable[[Ledger], Answer]) -> Answer | TurnpikeError:
        answers = [_answer(question, ledger) for ledger, _ in self.ledgers]
        assert all(_described(each) == _described(answers[0]) for each in answers)
        return answers[0]

    def read(self, question: Callable[[Ledger], Answer]) -> Answer:
        answers = [question(ledger) for ledger, _ in self.ledgers]
        assert all(each == answers[0] for each in answers)
        return answers[0]


def _answer(question: Callable[[Ledger], Answer], ledger: Ledger) -> Answer | TurnpikeError:
    try:
        return question(ledger)
    except TurnpikeError as error:
        return error


def _described(answer: object) -> object:
    """Errors have no equality of their own."""
    if isinstance(answer, InsufficientCredit):
        return type(answer), answer.available
    if isinstance(answer, KeyLimitExceeded):
        return type(answer), answer.remaining
    return (type(answer), str(answer)) if isinstance(answer, TurnpikeError) else answer
