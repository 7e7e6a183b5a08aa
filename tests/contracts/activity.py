"""The contract of `ports.Activities`, and of what a ledger counts for it."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest

from turnpike.domain.activity import ActivityDays, Cell, Counts, endpoint_id_of
from turnpike.domain.api_keys import ApiKey
from turnpike.domain.chat import Usage
from turnpike.domain.errors import HoldResolved, TemporarilyBusy
from turnpike.domain.generation import Attempt, Generation
from turnpike.domain.ids import AccountId, GenerationId, new_account_id, new_generation_id, new_lease_id
from turnpike.domain.ledger import Hold, KeyLimit
from turnpike.domain.money import ZERO
from turnpike.domain.retention import Retention
from turnpike.ports.ledger import Activities, Generations, Ledger
from turnpike.services.settle_usage import MOST_TOGETHER, SettleUsage

from tests.contracts.ledger import DAY, KEY, NOW, OTHER_KEY, generation, nano

Stores = tuple[Ledger, Generations, Activities]
Build = Callable[..., Stores]
"""Stores that keep what they are given for so long, by a clock."""

TODAY, YESTERDAY = "2026-11-23", "2026-11-22"
MOST = 1000
ATTEMPT = Attempt("acme", "acme/chat", "chat-1", 200, 30, tag="acme")
CELL = Cell(TODAY, KEY, "acme/chat", endpoint_id_of(ATTEMPT), "Acme")


def record(account_id: AccountId, **changes: Any) -> Generation:
    hold = Hold(new_generation_id(NOW), account_id, KEY, ZERO, NOW, NOW + 60)
    values: dict[str, Any] = {"attempts": (ATTEMPT,), "usage": Usage(10, 20, 4, 0, 7), "generation_time_ms": 400}
    return generation(hold, **(values | changes))


class ActivityContract:
    """A subclass provides the fixture `build`. Every test has an account of its own."""

    @pytest.fixture
    def stores(self, build: Build) -> Stores:
        return build()

    @pytest.fixture
    def ledger(self, stores: Stores) -> Ledger:
        return stores[0]

    @pytest.fixture
    def activities(self, stores: Stores) -> Activities:
        return stores[2]

    @pytest.fixture
    def account(self, ledger: Ledger) -> AccountId:
        account_id = new_account_id(NOW)
        ledger.top_up(account_id, nano(1_000_000), reference="start", now_s=NOW)
        return account_id

    def settle(self, ledger: Ledger, record: Generation, now_s: int = NOW, *, held: int = 1000) -> None:
        ledger.hold(Hold(record.id, record.account_id, record.key_hash, nano(held), NOW, NOW + 60))
        ledger.capture(record.account_id, record.id, record.cost, now_s, record)

    def read(
        self,
        activities: Activities,
        account_id: AccountId,
        first: str = TODAY,
        last: str = TODAY,
        *,
        by_user: bool = False,
    ) -> dict[Cell, Counts]:
        found = activities.list_days(account_id, first, last, by_user=by_user, most=MOST)
        assert (found.since, found.is_whole) == (first, True)
        return count_by_cell(found)

    def test_an_account_without_requests_has_no_activity(self, activities: Activities, account: AccountId) -> None:
        assert self.read(activities, account, "2026-01-01", "2026-12-31", by_user=True) == {}

    def test_a_generation_is_counted_with_all_that_it_used(
        self, ledger: Ledger, activities: Activities, account: AccountId
    ) -> None:
        self.settle(ledger, record(account, cost=nano(70), upstream_cost=nano(90)))
        assert self.read(activities, account) == {
            CELL: Counts(
                requests=1,
                prompt_tokens=10,
                completion_tokens=20,
                reasoning_tokens=7,
                cached_tokens=4,
                usage=nano(70),
                upstream_cost=nano(90),
                latency_ms=250,
                latency_requests=1,
                generation_ms=400,
                generation_tokens=20,
            )
        }

    def test_what_is_charged_counts_and_not_what_it_would_have_cost(
        self, ledger: Ledger, activities: Activities, account: AccountId
    ) -> None:
        self.settle(ledger, record(account, cost=nano(2_000_000)))
        assert self.read(activities, account)[CELL].usage == 1_000_000

    def test_of_byok_the_fee_and_the_customers_own_cost_count_apart(
        self, ledger: Ledger, activities: Activities, account: AccountId
    ) -> None:
        self.settle(ledger, record(account, cost=nano(5), upstream_cost=nano(90), is_byok=True))
        self.settle(ledger, record(account, cost=nano(30), upstream_cost=nano(30)))
        counts = self.read(activities, account)[CELL]
        assert (counts.requests, counts.byok_requests) == (2, 1)
        assert (counts.usage, counts.byok_usage, counts.byok_fees, counts.upstream_cost) == (35, 90, 5, 120)

    def test_a_generation_that_nobody_answered_is_an_error_at_the_endpoint_asked_last(
        self, ledger: Ledger, activities: Activities, account: AccountId
    ) -> None:
        failed = replace(ATTEMPT, status=503, outcome="failed", provider_name="Acme")
        nothing: dict[str, Any] = {"provider": None, "usage": Usage(), "cost": ZERO, "latency_ms": None}
        voided = record(account, **nothing, generation_time_ms=None, attempts=(failed,))
        ledger.hold(Hold(voided.id, account, KEY, nano(10), NOW, NOW + 60))
        ledger.void(account, voided.id, NOW, voided)
        assert self.read(activities, account) == {CELL: Counts(requests=1, errors=1)}

    def test_an_answer_from_the_cache_asked_nobody(
        self, ledger: Ledger, activities: Activities, account: AccountId
    ) -> None:
        repeated = record(
            account, usage=Usage(), cost=ZERO, attempts=(), response_cache_source_id=GenerationId("gen-1")
        )
        ledger.record(repeated, NOW)
        ((cell, counts),) = self.read(activities, account).items()
        assert cell == replace(CELL, endpoint_id="response-cache")
        assert (counts.requests, counts.cached_responses, counts.errors) == (1, 1, 0)

    @pytest.mark.parametrize(
        "change",
        [
            {"key_hash": OTHER_KEY},
            {"model": "acme/other"},
            {"provider": "Other"},
            {"attempts": (replace(ATTEMPT, upstream_model="chat-2"),)},
            {"http_referer": "https://app.test"},
            {"app_title": "App"},
        ],
    )
    def test_what_differs_is_counted_apart(
        self, ledger: Ledger, activities: Activities, account: AccountId, change: dict[str, Any]
    ) -> None:
        for changes in ({}, change, change):
            self.settle(ledger, record(account, **changes))
        assert sorted(counts.requests for counts in self.read(activities, account).values()) == [1, 2]

    def test_those_that_name_users_are_in_both_views_once(
        self, ledger: Ledger, activities: Activities, account: AccountId
    ) -> None:
        for cost, user in enumerate(("ann", "ann", "bob", None), start=1):
            self.settle(ledger, record(account, cost=nano(cost), user=user))

        totals = self.read(activities, account)
        users = self.read(activities, account, by_user=True)

        named = replace(CELL, names_user=True)
        assert {cell: counts.usage for cell, counts in totals.items()} == {CELL: 4, named: 6}
        expected = {CELL: 4, replace(named, user="ann"): 3, replace(named, user="bob"): 3}
        assert {cell: counts.usage for cell, counts in users.items()} == expected
        assert sum(totals.values(), Counts()) == sum(users.values(), Counts())

    @pytest.mark.parametrize("text", ["a#b", "ü" * 256, "\x00", "x" * 256, "=cmd|' /C calc'!A0", "USER_ACTIVITY#"])
    def test_users_and_apps_may_be_any_text(
        self, ledger: Ledger, activities: Activities, account: AccountId, text: str
    ) -> None:
        for _ in range(2):
            self.settle(ledger, record(account, user=text, app_title=text))
        ((cell, counts),) = self.read(activities, account, by_user=True).items()
        assert counts.requests == 2
        assert cell.user == cell.app == (text if len(text) < 100 else cell.user)
        assert cell.user is not None
        assert len(cell.user.encode()) <= 128

    def test_long_texts_that_differ_at_their_end_are_told_apart(
        self, ledger: Ledger, activities: Activities, account: AccountId
    ) -> None:
        for end in "ab":
            self.settle(ledger, record(account, user="x" * 255 + end))
        assert len(self.read(activities, account, by_user=True)) == 2

    def test_a_generation_counts_on_the_day_that_it_is_settled(
        self, ledger: Ledger, activities: Activities, account: AccountId
    ) -> None:
        """As what its key spends does, whatever day it was asked on."""
        midnight = NOW - NOW % DAY
        for now_s, cost in ((midnight - 1, 1), (midnight, 2), (midnight + DAY - 1, 4), (midnight + DAY, 8)):
            self.settle(ledger, record(account, cost=nano(cost)), now_s)
        ledger.record(record(account, cost=ZERO, usage=Usage(100, 0)), midnight)
        assert self.read(activities, account)[CELL].usage == 6
        assert self.read(activities, account)[CELL].prompt_tokens == 120
        days = self.read(activities, account, "2026-11-21", "2026-11-24")
        assert {cell.day: counts.usage for cell, counts in days.items()} == {
            YESTERDAY: 1,
            TODAY: 6,
            "2026-11-24": 8,
        }
        spend = ledger.get_key_spend(account, api_key(account), midnight)
        assert spend.credit.daily == 6 + 8  # What was spent later has been spent by now as well.

    def test_activity_is_its_accounts_own(self, ledger: Ledger, activities: Activities, account: AccountId) -> None:
        self.settle(ledger, record(account))
        assert self.read(activities, new_account_id(NOW)) == {}

    # Once

    @pytest.mark.parametrize("answered", [True, False])
    @pytest.mark.parametrize("leased", [True, False])
    @pytest.mark.parametrize("is_late", [True, False])
    def test_a_generation_counts_once_however_often_it_is_delivered(
        self, ledger: Ledger, activities: Activities, account: AccountId, answered: bool, leased: bool, is_late: bool
    ) -> None:
        lease_id = new_lease_id(NOW) if leased else None
        told = record(account, cost=nano(40 if answered else 0), lease_id=lease_id, user="ann")
        ledger.hold(Hold(lease_id or told.id, account, KEY, nano(1000), NOW, NOW + 60))
        if is_late:
            ledger.expire(account, lease_id or told.id, NOW + 60)
        for delivery in range(3):
            SettleUsage(ledger)(told, answered, NOW + 60 + delivery)
        for by_user in (False, True):
            (counts,) = self.read(activities, account, by_user=by_user).values()
            assert (counts.requests, counts.prompt_tokens) == (1, 10)
            assert counts.usage == (40 if answered and not is_late else 0)

    def test_raced_deliveries_count_each_generation_once(
        self, ledger: Ledger, activities: Activities, account: AccountId
    ) -> None:
        told = [record(account, cost=nano(cost), user="ann" if cost % 2 else None) for cost in range(1, 9)]
        for each in told:
            ledger.hold(Hold(each.id, account, KEY, nano(10), NOW, NOW + 60))
        at_once(*(lambda each=each: deliver(ledger, each) for each in told for _ in range(4)))
        for by_user in (False, True):
            counts = sum(self.read(activities, account, by_user=by_user).values(), Counts())
            assert (counts.requests, counts.usage) == (8, 36)
        assert ledger.get_balance(account).usage_total == 36

    def test_generations_that_are_captured_together_count_one_by_one(
        self, ledger: Ledger, activities: Activities, account: AccountId
    ) -> None:
        """As many as there may be, each with a hold, a user and an app of its own; and then some that share them."""
        limit = KeyLimit(nano(10_000))
        told = [record(account, cost=nano(n + 1), user=str(n), app_title=str(n)) for n in range(MOST_TOGETHER)]
        alike = [record(account, cost=nano(100), user="ann") for _ in range(3)]
        for each in (*told, *alike):
            ledger.hold(Hold(each.id, account, KEY, nano(100), NOW, NOW + 60, limit))

        assert len(ledger.capture_together(told, NOW)) == MOST_TOGETHER
        assert len(ledger.capture_together(alike, NOW)) == len(alike)
        assert ledger.capture_together([told[0], alike[0]], NOW) == {}

        for by_user in (False, True):
            found = self.read(activities, account, by_user=by_user)
            assert len(found) == MOST_TOGETHER + 1
            assert sorted(counts.usage for counts in found.values()) == [*range(1, MOST_TOGETHER + 1), 300]
            assert sum(counts.requests for counts in found.values()) == MOST_TOGETHER + len(alike)

    def test_raced_records_count_each_generation_once(
        self, ledger: Ledger, activities: Activities, account: AccountId
    ) -> None:
        """As answers from the cache are, many at once."""
        told = [record(account, cost=ZERO, response_cache_source_id=GenerationId("gen-1")) for _ in range(32)]
        at_once(*(lambda each=each: repeat(ledger.record, each, NOW) for each in told for _ in range(2)))
        counts = sum(self.read(activities, account).values(), Counts())
        assert (counts.requests, counts.cached_responses) == (32, 32)

    # How much of it

    def spread(self, ledger: Ledger, account: AccountId, days: Sequence[int], **changes: Any) -> None:
        for each in days:
            self.settle(ledger, record(account, **changes), NOW - each * DAY)

    def test_of_more_than_is_asked_for_the_latest_whole_days_are_read(
        self, ledger: Ledger, activities: Activities, account: AccountId
    ) -> None:
        for model in ("a", "b"):
            self.spread(ledger, account, range(3), model=model)
        for most, since, number in ((6, "2026-11-01", 6), (5, YESTERDAY, 4), (4, YESTERDAY, 4), (3, TODAY, 2)):
            found = activities.list_days(account, "2026-11-01", TODAY, by_user=False, most=most)
            assert (found.since, len(found.activity), found.is_whole) == (since, number, most == 6)
            assert {each.cell.day for each in found.activity} <= {"2026-11-21", YESTERDAY, TODAY}

    def test_of_a_day_with_more_a_part_is_read(
        self, ledger: Ledger, activities: Activities, account: AccountId
    ) -> None:
        for model in "abc":
            self.spread(ledger, account, [0, 1], model=model)
        found = activities.list_days(account, YESTERDAY, TODAY, by_user=False, most=2)
        assert (found.since, [each.cell.day for each in found.activity], found.is_whole) == (TODAY, [TODAY] * 2, False)

    def test_users_and_the_rest_are_read_for_the_same_days(
        self, ledger: Ledger, activities: Activities, account: AccountId
    ) -> None:
        self.spread(ledger, account, range(4))
        for user in "abc":
            self.spread(ledger, account, range(4), user=user)
        found = activities.list_days(account, "2026-11-20", TODAY, by_user=True, most=8)
        assert (found.since, found.is_whole) == (YESTERDAY, False)
        assert sorted((each.cell.day, each.cell.user or "") for each in found.activity) == [
            (day, user) for day in (YESTERDAY, TODAY) for user in ("", "a", "b", "c")
        ]

    # Not for ever

    def test_what_is_past_its_time_is_gone_though_nobody_deleted_it(self, build: Build) -> None:
        clock = [float(NOW)]
        ledger, generations, activities = build(Retention(31, 40), now=lambda: clock[0])
        account = new_account_id(NOW)
        ledger.top_up(account, nano(1000), reference="start", now_s=NOW)
        told = record(account, cost=nano(40), user="ann")
        self.settle(ledger, told, held=100)

        for days, has_record, has_activity in ((30.9, True, True), (31, False, True), (40.5, False, True)):
            clock[0] = NOW + days * DAY
            assert (generations.find(account, told.id) is not None) == has_record
            assert bool(self.read(activities, account, by_user=True)) == has_activity
        # The day itself, and forty more: to the midnight after them.
        clock[0] = NOW - NOW % DAY + 41 * DAY
        assert self.read(activities, account, by_user=True) == self.read(activities, account) == {}
        assert ledger.get_balance(account).usage_total == 40
        assert ledger.get_key_spend(account, api_key(account), NOW).credit.total == 40
        with pytest.raises(HoldResolved):
            ledger.capture(account, told.id, told.cost, int(clock[0]), told)


def count_by_cell(found: ActivityDays) -> dict[Cell, Counts]:
    """The sums of the parts that it comes in."""
    counts: dict[Cell, Counts] = {}
    for each in found.activity:
        counts[each.cell] = counts.get(each.cell, Counts()) + each.counts
    return counts


def deliver(ledger: Ledger, told: Generation) -> None:
    """As the queue does: what found its items changed under its hands too often is delivered again."""
    repeat(SettleUsage(ledger), told, True, NOW)


def repeat(act: Callable[..., object], *arguments: object) -> None:
    while True:
        with suppress(TemporarilyBusy):
            act(*arguments)
            return


def at_once(*acts: Callable[[], None]) -> None:
    start = Barrier(len(acts))

    def act(it: Callable[[], None]) -> None:
        start.wait()
        it()

    with ThreadPoolExecutor(len(acts)) as pool:
        list(pool.map(act, acts))


def api_key(account_id: AccountId) -> ApiKey:
    return ApiKey(KEY, account_id, "", "")
