"""Random histories of a ledger, and what must be true after every step of them.

A subclass decides which ledgers live through a history; if there are several, they must answer alike.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from turnpike.domain.api_keys import ApiKey, KeySpend, LimitReset
from turnpike.domain.errors import InsufficientCredit, KeyLimitExceeded, ReferenceReused, TurnpikeError
from turnpike.domain.generation import Generation
from turnpike.domain.ids import AccountId, GenerationId, KeyHash, new_account_id
from turnpike.domain.ledger import Balance, Hold, KeyLimit, Resolution, balance_of
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.domain.periods import window_of
from turnpike.ports import Generations, Ledger
from turnpike.services.settle_usage import SettleUsage

from tests.contracts.ledger import DAY, NOW, generation, nano

Answer = TypeVar("Answer")
At = tuple[AccountId, GenerationId]

RESETS: dict[str, LimitReset | None] = {"unlimited": None, "total": None, "weekly": "weekly"}
LIMITS = {"unlimited": None, "total": nano(500), "weekly": nano(200)}
"""Each account has these three keys, named for the windows of their limits."""

key_names = st.sampled_from(sorted(LIMITS))
hold_ids = st.sampled_from([GenerationId(f"gen-{number}") for number in range(8)])
"""Few, so that a history comes back to them, rightly and wrongly."""
costs = st.sampled_from([0, 1, 49, 50, 51, 100, 150, 300]).map(nano)
steps = st.sampled_from([1, 50, 100]).map(nano)
"""Few as well, so that amounts meet: sums that are equal, limits that are just reached."""


class LedgerMachine(RuleBasedStateMachine):
    checks_every_step = True
    """Where reading is slow, the laws are checked at the end; what is answered is compared at every step."""

    def new_ledgers(self) -> Sequence[tuple[Ledger, Generations]]:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.ledgers = self.new_ledgers()
        self.now_s = NOW
        self.accounts = [new_account_id(NOW), new_account_id(NOW)]
        self.seen: dict[At, Hold] = {}
        """Holds as their owners last saw them; `amounts` has what they are since."""
        self.amounts: dict[At, NanoUsd] = {}
        self.resolutions: dict[At, Resolution] = {}
        self.records: dict[At, Generation] = {}
        self.top_ups: dict[tuple[AccountId, str], NanoUsd] = {}
        self.charged: Counter[tuple[AccountId, KeyHash]] = Counter()
        self.used: Counter[tuple[AccountId, KeyHash, str]] = Counter()

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

    @rule(account=st.integers(0, 1), hold_id=hold_ids, key=key_names, amount=costs, seconds=st.integers(1, 3000))
    def hold(self, account: int, hold_id: GenerationId, key: str, amount: NanoUsd, seconds: int) -> None:
        limit = LIMITS[key]
        key_limit = None if limit is None else KeyLimit(limit, window_of(RESETS[key], self.now_s))
        ends_s = self.now_s + seconds
        hold = Hold(hold_id, self.accounts[account], KeyHash(key), amount, self.now_s, ends_s, key_limit)
        refused = self.ask(lambda it: it.hold(hold))
        if refused is None and (hold.account_id, hold_id) not in self.seen:
            self.amounts[hold.account_id, hold_id] = ZERO
            self.see(hold)

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
        record = generation(hold, cost=cost) if recorded else None
        answer = self.ask(lambda it: it.capture(hold.account_id, hold.hold_id, cost, self.now_s, record))
        self.note(hold, answer, cost, record)

    @rule(data=st.data())
    @precondition(lambda self: self.seen)
    def void(self, data: st.DataObject) -> None:
        hold = self.any_hold(data)
        record = generation(hold, cost=ZERO)
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

    @rule(data=st.data(), cost=costs, answered=st.booleans(), times=st.integers(1, 2))
    @precondition(lambda self: self.seen)
    def deliver(self, data: st.DataObject, cost: NanoUsd, answered: bool, times: int) -> None:
        """As metering does: in time, twice, or after the hold expired."""
        hold = self.any_hold(data)
        record = generation(hold, cost=cost if answered else ZERO, upstream_cost=cost)
        for _ in range(times):
            answer = self.ask(lambda it: SettleUsage(it)(record, answered, self.now_s))
            self.note(hold, answer, record.cost, record)
        if self.resolutions[hold.account_id, hold.hold_id].state == "expired":
            self.records.setdefault((hold.account_id, hold.hold_id), replace(record, cost=ZERO))

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

    def a_balance_is_the_sum_of_the_entries(self) -> None:
        for account_id in self.accounts:
            balance = self.balance(account_id)
            assert balance.available >= 0
            for ledger, _ in self.ledgers:
                entries = list(ledger.list_entries(account_id))
                assert len({entry.entry_id for entry in entries}) == len(entries)
                assert balance_of(entries) == balance

    def what_is_held_is_what_pending_holds_hold(self) -> None:
        held: Counter[AccountId] = Counter()
        for at, hold in self.seen.items():
            resolution = self.resolutions.get(at)
            state = resolution.state if resolution else "pending"
            expected = replace(hold, amount=self.amounts[at], state=state)
            assert self.find_hold(at) == expected
            held[hold.account_id] += 0 if resolution else expected.amount
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
                assert spend.limit_used == (self.used[account_id, KeyHash(name), window] if limit else 0)

    def a_generation_stays_as_it_was_first_recorded(self) -> None:
        for at in self.seen:
            for _, generations in self.ledgers:
                assert generations.find(*at) == self.records.get(at)

    # The history so far

    def see(self, hold: Hold) -> None:
        """The ledger said that the hold is of this amount now."""
        at = (hold.account_id, hold.hold_id)
        added = hold.amount - self.amounts[at]
        self.seen[at], self.amounts[at] = hold, hold.amount
        if hold.key_limit is not None and added:
            window = (hold.account_id, hold.key_hash, hold.key_limit.window)
            self.used[window] += added
            assert self.used[window] <= hold.key_limit.limit

    def note(self, hold: Hold, answer: object, cost: NanoUsd, record: Generation | None) -> None:
        if not isinstance(answer, Resolution):
            return
        at = (hold.account_id, hold.hold_id)
        assert at not in self.resolutions
        assert answer.charged + answer.absorbed == cost
        if answer.absorbed:
            assert self.balance(hold.account_id).available == 0
        self.resolutions[at] = answer
        self.charged[hold.account_id, hold.key_hash] += answer.charged
        if hold.key_limit is not None:
            window = (hold.account_id, hold.key_hash, hold.key_limit.window)
            self.used[window] += answer.charged - self.amounts[at]
        if record is not None:
            self.records[at] = replace(record, cost=answer.charged)

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
