"""The contract of `ports.FreeQuota`."""

import secrets
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from turnpike.domain.free_quota import FullWindow
from turnpike.domain.ids import AccountId
from turnpike.ports.accounts import FreeQuota

NOON = 1_795_521_600
"""2026-11-24T12:00:00Z, where a minute begins."""
MIDNIGHT = NOON + 12 * 3600
MANY = 10_000


class FreeQuotaContract:
    """A subclass provides the fixture `quota`. Every test has an account of its own."""

    @pytest.fixture
    def account(self) -> AccountId:
        return AccountId(f"acct-{secrets.token_hex(8)}")

    def test_a_minute_takes_its_number_and_the_next_takes_it_again(self, quota: FreeQuota, account: AccountId) -> None:
        for minute in range(3):
            now = NOON + 60 * minute
            assert [quota.take(account, now + s, per_minute=3, per_day=MANY) for s in (0, 20, 59.9)] == [None] * 3
            assert quota.take(account, now + 59.9, per_minute=3, per_day=MANY) == FullWindow("minute", 3)
        assert quota.used(account, NOON) == 9

    def test_a_day_takes_its_number_and_the_next_takes_it_again(self, quota: FreeQuota, account: AccountId) -> None:
        for now in (NOON, NOON + 3600, MIDNIGHT - 1):
            assert quota.take(account, now, per_minute=MANY, per_day=3) is None
        assert quota.take(account, MIDNIGHT - 0.5, per_minute=MANY, per_day=3) == FullWindow("day", 3)

        assert quota.take(account, MIDNIGHT, per_minute=MANY, per_day=3) is None
        assert (quota.used(account, NOON), quota.used(account, MIDNIGHT)) == (3, 1)

    def test_what_is_refused_counts_nothing(self, quota: FreeQuota, account: AccountId) -> None:
        quota.take(account, NOON, per_minute=1, per_day=2)
        for _ in range(5):
            assert quota.take(account, NOON, per_minute=1, per_day=2) == FullWindow("minute", 1)
        assert quota.used(account, NOON) == 1
        assert quota.take(account, NOON + 60, per_minute=1, per_day=2) is None

    def test_the_day_is_named_when_both_are_full(self, quota: FreeQuota, account: AccountId) -> None:
        quota.take(account, NOON, per_minute=1, per_day=1)
        assert quota.take(account, NOON, per_minute=1, per_day=1) == FullWindow("day", 1)

    def test_a_day_takes_the_highest_number_named_for_it(self, quota: FreeQuota, account: AccountId) -> None:
        def take(per_day: int) -> FullWindow | None:
            return quota.take(account, NOON, per_minute=MANY, per_day=per_day)

        assert [take(2), take(2), take(2)] == [None, None, FullWindow("day", 2)]
        assert take(4) is None
        assert take(2) is None
        assert [take(2), take(4)] == [FullWindow("day", 4)] * 2
        assert take(5) is None
        assert quota.used(account, NOON) == 5

    def test_a_higher_number_for_the_day_makes_no_room_in_the_minute(
        self, quota: FreeQuota, account: AccountId
    ) -> None:
        assert quota.take(account, NOON, per_minute=1, per_day=1) is None
        assert quota.take(account, NOON, per_minute=1, per_day=9) == FullWindow("minute", 1)
        assert quota.take(account, NOON + 60, per_minute=1, per_day=9) is None

    def test_accounts_do_not_share(self, quota: FreeQuota, account: AccountId) -> None:
        other = AccountId(f"{account}-other")
        assert quota.take(account, NOON, per_minute=1, per_day=1) is None
        assert quota.take(other, NOON, per_minute=1, per_day=1) is None
        assert quota.used(other, NOON) == 1

    def test_nothing_was_used_where_nothing_was_asked(self, quota: FreeQuota, account: AccountId) -> None:
        assert quota.used(account, NOON) == 0

    def test_a_day_of_minutes_is_counted_whole(self, quota: FreeQuota, account: AccountId) -> None:
        for minute in (*range(0, 30), *range(40, 300, 20)):
            for _ in range(2):
                assert quota.take(account, NOON + 60 * minute, per_minute=2, per_day=MANY) is None
            assert quota.take(account, NOON + 60 * minute, per_minute=2, per_day=MANY) == FullWindow("minute", 2)
        assert quota.used(account, NOON) == 86

    @pytest.mark.parametrize(("per_minute", "per_day"), [(10, MANY), (MANY, 10)])
    def test_racing_requests_get_exactly_what_there_is(
        self, quota: FreeQuota, account: AccountId, per_minute: int, per_day: int
    ) -> None:
        answers = self.at_once(quota, account, 40, per_minute, per_day)
        full = FullWindow("minute", 10) if per_minute == 10 else FullWindow("day", 10)
        assert answers == {None: 10, full: 30}
        assert quota.used(account, NOON) == 10

    def test_racing_requests_raise_a_limit_once(self, quota: FreeQuota, account: AccountId) -> None:
        for _ in range(5):
            quota.take(account, NOON, per_minute=MANY, per_day=5)
        answers = self.at_once(quota, account, 40, MANY, 25)
        assert answers == {None: 20, FullWindow("day", 25): 20}
        assert quota.used(account, NOON) == 25

    def at_once(
        self, quota: FreeQuota, account: AccountId, threads: int, per_minute: int, per_day: int
    ) -> Counter[FullWindow | None]:
        start = Barrier(threads)

        def act(_: int) -> FullWindow | None:
            start.wait()
            return quota.take(account, NOON, per_minute=per_minute, per_day=per_day)

        with ThreadPoolExecutor(threads) as pool:
            return Counter(pool.map(act, range(threads)))
