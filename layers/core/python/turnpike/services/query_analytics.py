"""Answer a query of an account's activity, from the aggregates that metering keeps."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from anyio.to_thread import run_sync

from turnpike.domain.activity import ActivityDays
from turnpike.domain.analytics import Answer, Query, answer
from turnpike.domain.analytics_terms import KEY_DIMENSION
from turnpike.domain.api_keys import is_key_hash
from turnpike.domain.ids import AccountId
from turnpike.ports.accounts import ApiKeys
from turnpike.ports.ledger import Activities
from turnpike.services.read_activity import MOST_CELLS


@dataclass(frozen=True, slots=True)
class Report:
    """`key_names` are those of the account's keys that there still are, where the query tells keys apart."""

    query: Query
    answer: Answer
    is_truncated: bool
    warnings: Sequence[str]
    key_names: Mapping[str, str]
    took_ms: float


@dataclass(frozen=True, slots=True)
class QueryAnalytics:
    activities: Activities
    api_keys: ApiKeys
    clock: Callable[[], float] = time.monotonic
    most_cells: int = MOST_CELLS

    async def __call__(self, account_id: AccountId, query: Query, warnings: Sequence[str] = ()) -> Report:
        """`warnings` are those that there are of the query already. Raises TemporarilyBusy."""
        return await run_sync(self._report, account_id, query, warnings)

    def _report(self, account_id: AccountId, query: Query, warnings: Sequence[str]) -> Report:
        began_at = self.clock()
        found = self.activities.list_days(
            account_id, query.first_day, query.last_day, by_user=query.needs_users, most=self.most_cells
        )
        answered = answer(query, found.activity)
        names: dict[str, str] = {}
        if KEY_DIMENSION in query.dimensions:
            names = {key.hash: key.name for key in self.api_keys.list_for(account_id)}
        return Report(
            query=query,
            answer=answered,
            is_truncated=not (answered.is_whole and found.is_whole),
            warnings=[*warnings, *self._left_unread(found), *_unknown_keys(query)],
            key_names=names,
            took_ms=round((self.clock() - began_at) * 1000, 3),
        )

    def _left_unread(self, found: ActivityDays) -> Sequence[str]:
        if found.is_whole:
            return ()
        return (
            f"One query reads the latest {self.most_cells} aggregates, and this time range has more: nothing before "
            f"{found.since} is counted, nor all of that day where it alone has more; ask for fewer days at a time",
        )


def _unknown_keys(query: Query) -> Sequence[str]:
    values = [value for each in query.filters if each.field == KEY_DIMENSION for value in each.values]
    if all(map(is_key_hash, values)):
        return ()
    return (f"{KEY_DIMENSION} is compared with the hash of a key, as GET /keys tells it; some values are none",)
