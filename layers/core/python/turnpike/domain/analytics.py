"""Analytics: what a query means, as a pure function from activity to rows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt, ne
from typing import Literal

from turnpike.domain.activity import Activity, Cell, Counts
from turnpike.domain.analytics_terms import DIMENSIONS, METRICS, USER_DIMENSION, Operator
from turnpike.domain.periods import Period, first_of

DATE = "date"
MOST_ROWS = 10_000
DEFAULT_ROWS = 1000

Direction = Literal["asc", "desc"]


@dataclass(frozen=True, slots=True)
class Filter:
    """A row passes if its value of the dimension compares so with `values`: one of them, or several for a set.

    Texts are compared as such. What has no value passes only where `include_unset` lets it.
    """

    field: str
    operator: Operator
    values: tuple[str, ...]
    include_unset: bool = False

    def passes(self, cell: Cell) -> bool:
        value = DIMENSIONS[self.field].value(cell)
        if value is None:
            return self.include_unset
        if self.operator in ("in", "not_in"):
            return (value in self.values) == (self.operator == "in")
        return _COMPARED[self.operator](value, self.values[0])


_Comparison = Callable[[str, str], bool]
_COMPARED: Mapping[Operator, _Comparison] = {"eq": eq, "neq": ne, "gt": gt, "gte": ge, "lt": lt, "lte": le}


@dataclass(frozen=True, slots=True)
class Order:
    """`field` is a metric, one of the query's dimensions, or `date`."""

    field: str
    direction: Direction


@dataclass(frozen=True, slots=True)
class Query:
    """Of whole UTC days, both included. The names are those of METRICS and DIMENSIONS."""

    metrics: tuple[str, ...]
    first_day: str
    last_day: str
    dimensions: tuple[str, ...] = ()
    granularity: Period | None = None
    filters: tuple[Filter, ...] = ()
    order: Order | None = None
    limit: int = DEFAULT_ROWS
    group_limit: int | None = None
    """How many rows of the same dimensions' values, which differ by time alone; without dimensions it means nothing."""

    @property
    def needs_users(self) -> bool:
        return USER_DIMENSION in self.dimensions or any(each.field == USER_DIMENSION for each in self.filters)


@dataclass(frozen=True, slots=True)
class Row:
    """Everything that was counted for these values; `date` is the first day of its day, week or month."""

    date: str | None
    values: tuple[str | None, ...]
    counts: Counts


@dataclass(frozen=True, slots=True)
class Answer:
    rows: Sequence[Row]
    is_whole: bool = True
    """False where a limit cut some off."""


def answer(query: Query, activity: Iterable[Activity]) -> Answer:
    """`activity` is that of the query's days, with the cells that `list_days` gives for it."""
    rows = _ordered(query, _summed(query, activity))
    kept = _first_of_each(query.group_limit, rows) if query.dimensions and query.group_limit else rows
    return Answer(kept[: query.limit], len(rows) == len(kept) <= query.limit)


def _summed(query: Query, activity: Iterable[Activity]) -> list[Row]:
    sums: dict[tuple[str | None, tuple[str | None, ...]], Counts] = {}
    if not query.dimensions and query.granularity is None:
        sums[None, ()] = Counts()  # A total is a row even of nothing.
    of = [DIMENSIONS[name].value for name in query.dimensions]
    for each in activity:
        if all(condition.passes(each.cell) for condition in query.filters):
            at = _date(query, each.cell.day), tuple(value(each.cell) for value in of)
            sums[at] = sums.get(at, Counts()) + each.counts
    return [Row(date, values, counts) for (date, values), counts in sums.items()]


def _date(query: Query, day: str) -> str | None:
    return None if query.granularity is None else first_of(query.granularity, day)


def _ordered(query: Query, rows: list[Row]) -> list[Row]:
    """Where the order leaves two alike: the latest first, then by the dimensions' values, none before any."""
    rows.sort(key=lambda row: [(value is not None, value or "") for value in row.values])
    rows.sort(key=lambda row: row.date or "", reverse=True)
    order = query.order
    if order is None and query.granularity is None:
        order = Order(query.metrics[0], "desc")
    if order is not None:
        rows.sort(key=_sort_key(query, order.field), reverse=order.direction == "desc")
    return rows


def _sort_key(query: Query, field: str) -> Callable[[Row], tuple[bool, str | float]]:
    """What has no value is less than anything that has."""
    if field == DATE:
        return lambda row: (True, row.date or "")
    if field in query.dimensions:
        place = query.dimensions.index(field)
        return lambda row: (row.values[place] is not None, row.values[place] or "")
    value = METRICS[field].value

    def key(row: Row) -> tuple[bool, float]:
        found = value(row.counts)
        return found is not None, found or 0

    return key


def _first_of_each(number: int, rows: Iterable[Row]) -> list[Row]:
    seen: dict[tuple[str | None, ...], int] = {}
    kept = []
    for row in rows:
        seen[row.values] = seen.get(row.values, 0) + 1
        if seen[row.values] <= number:
            kept.append(row)
    return kept
