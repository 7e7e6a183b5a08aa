"""An account's activity of the last days that are over, grouped by endpoint."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from anyio.to_thread import run_sync

from turnpike.domain.activity import Activity, Cell
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.ids import AccountId, KeyHash
from turnpike.domain.periods import day_of, days_before
from turnpike.ports.ledger import Activities

DAYS = 30
MOST_CELLS = 20_000
"""Some ten megabytes of items: what a function reads within a few seconds."""

ANY_KEY = KeyHash("")
"""In the place of the keys that a row is the sum over."""


@dataclass(frozen=True, slots=True)
class ReadActivity:
    activities: Activities
    now: Callable[[], float] = time.time

    async def __call__(
        self, account_id: AccountId, *, date: str | None = None, key_hash: str | None = None
    ) -> Sequence[Activity]:
        """By date, model and endpoint, the latest date first. Raises InvalidRequest, TemporarilyBusy."""
        today = day_of(self.now())
        first, last = days_before(today, DAYS), days_before(today, 1)
        if date is not None:
            if not first <= date <= last:
                raise InvalidRequest(f"must be within the last {DAYS} (completed) UTC days", field="date")
            first = last = date
        found = await run_sync(
            lambda: self.activities.list_days(account_id, first, last, by_user=False, most=MOST_CELLS)
        )
        if not found.is_whole:
            raise InvalidRequest(_TOO_MUCH if date is None else _TOO_MUCH_FOR_A_DAY, field="date")
        return _by_endpoint(each for each in found.activity if key_hash in (None, each.cell.key_hash))


_TOO_MUCH = "there is more activity in these days than one answer holds; ask for them one by one"
_TOO_MUCH_FOR_A_DAY = "there is more activity on this day than one answer holds; ask POST /analytics/query for sums"


def _by_endpoint(activity: Iterable[Activity]) -> Sequence[Activity]:
    sums: dict[Cell, Activity] = {}
    for each in activity:
        cell = replace(each.cell, key_hash=ANY_KEY, app=None, names_user=False)
        sums[cell] = Activity(cell, sums[cell].counts + each.counts) if cell in sums else replace(each, cell=cell)
    rows = sorted(sums.values(), key=lambda row: (row.cell.model, row.cell.endpoint_id, row.cell.provider))
    return sorted(rows, key=lambda row: row.cell.day, reverse=True)
