"""Any query over any activity says what it says in plain words."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.activity import COUNTS, Activity, Cell, Counts
from turnpike.domain.analytics import Answer, Filter, Order, Query, Row, answer
from turnpike.domain.analytics_terms import DIMENSIONS, GRANULARITIES, METRICS, OPERATORS
from turnpike.domain.ids import KeyHash
from turnpike.domain.money import NanoUsd

FIRST = date(2026, 10, 26)
"""A Monday; the fourteen days from it lie in two months."""
DAYS = [(FIRST + timedelta(days=number)).isoformat() for number in range(14)]

CELL = Cell(DAYS[0], KeyHash("k1"), "acme/chat", "endpoint", "Acme")

cells = st.builds(
    Cell,
    day=st.sampled_from(DAYS),
    key_hash=st.sampled_from(["k1", "k2"]).map(KeyHash),
    model=st.sampled_from(["acme/chat", "acme/chat:free", "b/other"]),
    endpoint_id=st.just("endpoint"),
    provider=st.sampled_from(["Acme", "Other", ""]),
    app=st.sampled_from([None, "https://app.test", "App"]),
    user=st.sampled_from([None, "ann", "bob", "10"]),
)
counts = st.builds(Counts, **{name: st.integers(0, 5) for name in COUNTS})
activity = st.lists(st.builds(Activity, cells, counts), max_size=25)


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    field, operator = draw(st.sampled_from(sorted(DIMENSIONS))), draw(st.sampled_from(sorted(OPERATORS)))
    values = st.sampled_from(["k1", "acme/chat", "Acme", "App", "ann", "10", "free", "standard", "nothing", "", "b"])
    if OPERATORS[operator] == "scalar":
        return Filter(field, operator, (draw(values),))
    return Filter(field, operator, tuple(draw(st.lists(values, max_size=3))), draw(st.booleans()))


@st.composite
def a_query(draw: st.DrawFn) -> Query:
    metrics = draw(st.lists(st.sampled_from(sorted(METRICS)), min_size=1, max_size=3, unique=True))
    dimensions = draw(st.lists(st.sampled_from(sorted(DIMENSIONS)), max_size=2, unique=True))
    granularity = draw(st.sampled_from([None, *GRANULARITIES]))
    fields = [*metrics, "request_count", *dimensions, *(["date"] if granularity else [])]
    order = st.builds(Order, st.sampled_from(fields), st.sampled_from(["asc", "desc"]))
    return Query(
        metrics=tuple(metrics),
        first_day=DAYS[0],
        last_day=DAYS[-1],
        dimensions=tuple(dimensions),
        granularity=granularity,
        filters=tuple(draw(st.lists(filters(), max_size=2))),
        order=draw(st.none() | order),
        limit=draw(st.integers(1, 6) | st.just(1000)),
        group_limit=draw(st.none() | st.integers(1, 3)),
    )


# The oracle: the meaning of a query, written out once more and in another way.

Told = dict[str, Any]
"""A request's dimensions by name, `day`, and its counts."""


def told(each: Activity) -> Told:
    cell = each.cell
    return {
        "day": date.fromisoformat(cell.day),
        "model": cell.model,
        "variant": cell.model.split(":")[1] if ":" in cell.model else "standard",
        "provider": cell.provider or None,
        "api_key_id": cell.key_hash,
        "app": cell.app,
        "external_user": cell.user,
        **{f"n_{name}": number for name, number in asdict(each.counts).items()},
    }


def wanted(row: Told, condition: Filter) -> bool:
    value: str | None = row[condition.field]
    given_values = condition.values
    if condition.operator == "in":
        return (value is None and condition.include_unset) or (value is not None and value in given_values)
    if condition.operator == "not_in":
        return (value is None and condition.include_unset) or (value is not None and value not in given_values)
    if value is None:
        return False
    (other,) = given_values
    comparisons = {
        "eq": value == other,
        "neq": value != other,
        "gt": value > other,
        "gte": value >= other,
        "lt": value < other,
        "lte": value <= other,
    }
    return comparisons[condition.operator]


def bucket(day: date, granularity: str | None) -> str | None:
    if granularity == "week":
        while day.strftime("%A") != "Monday":
            day -= timedelta(days=1)
    if granularity == "month":
        day = date(day.year, day.month, 1)
    return day.isoformat() if granularity else None


def metric(name: str, rows: Sequence[Told]) -> float | None:
    def total(*names: str) -> int:
        return sum(row[f"n_{each}"] for row in rows for each in names)

    tokens = total("prompt_tokens", "completion_tokens")
    meaning: dict[str, Callable[[], float]] = {
        "request_count": lambda: total("requests"),
        "byok_request_count": lambda: total("byok_requests"),
        "error_count": lambda: total("errors"),
        "error_rate": lambda: total("errors") / total("requests"),
        "response_cached_count": lambda: total("cached_responses"),
        "response_cached_rate": lambda: total("cached_responses") / total("requests"),
        "tokens_total": lambda: tokens,
        "tokens_prompt": lambda: total("prompt_tokens"),
        "tokens_completion": lambda: total("completion_tokens"),
        "reasoning_tokens": lambda: total("reasoning_tokens"),
        "cached_tokens": lambda: total("cached_tokens"),
        "cache_hit_rate": lambda: total("cached_tokens") / total("prompt_tokens"),
        "total_usage": lambda: total("usage", "byok_usage"),
        "credits_usage": lambda: total("usage"),
        "openrouter_usage": lambda: total("usage") - total("byok_fees"),
        "byok_usage": lambda: total("byok_usage"),
        "byok_fees": lambda: total("byok_fees"),
        "usage_upstream": lambda: total("upstream_cost"),
        "blended_cost_per_million_tokens": lambda: total("usage", "byok_usage") * 10**6 / tokens,
        "avg_latency": lambda: total("latency_ms") / total("latency_requests"),
        "avg_throughput": lambda: total("generation_tokens") * 1000 / total("generation_ms"),
    }
    try:
        return meaning[name]()
    except ZeroDivisionError:
        return None


def groups_of(query: Query, rows: Sequence[Told]) -> dict[tuple[Any, ...], list[Told]]:
    """By date and dimensions, only what passes."""
    groups: dict[tuple[Any, ...], list[Told]] = {}
    if not query.dimensions and not query.granularity:
        groups[(None,)] = []
    for row in rows:
        if all(wanted(row, condition) for condition in query.filters):
            at = (bucket(row["day"], query.granularity), *(row[name] for name in query.dimensions))
            groups.setdefault(at, []).append(row)
    return groups


def value_to_order_by(query: Query, at: tuple[Any, ...], rows: Sequence[Told]) -> Any:
    order = query.order
    if order is None:
        return at[0] if query.granularity else metric(query.metrics[0], rows)
    if order.field == "date":
        return at[0]
    if order.field in query.dimensions:
        return at[1 + query.dimensions.index(order.field)]
    return metric(order.field, rows)


def comes_before(query: Query, one: tuple[Any, Any], other: tuple[Any, Any]) -> bool:
    """Whether the row of one value to order by and key may stand before the other."""
    direction = query.order.direction if query.order else "desc"
    if one[0] != other[0]:
        if one[0] is None or other[0] is None:
            return (other[0] is None) == (direction == "desc")
        return bool(one[0] > other[0] if direction == "desc" else one[0] < other[0])
    (date_of_one, *values_of_one), (date_of_other, *values_of_other) = one[1], other[1]
    if date_of_one != date_of_other:
        return bool(date_of_one > date_of_other)
    for mine, theirs in zip(values_of_one, values_of_other, strict=True):
        if mine != theirs:
            return mine is None or (theirs is not None and mine < theirs)
    return True


@given(a_query(), activity)
def test_any_query_says_what_it_says_in_plain_words(query: Query, rows: Sequence[Activity]) -> None:
    unlimited = answer(replace(query, limit=10_000, group_limit=None), rows)
    groups = groups_of(query, [told(each) for each in rows])
    found = [(row.date, *row.values) for row in unlimited.rows]

    assert unlimited.is_whole
    assert sorted(map(repr, found)) == sorted(map(repr, groups))
    for at, row in zip(found, unlimited.rows, strict=True):
        for name in query.metrics:
            assert METRICS[name].value(row.counts) == metric(name, groups[at])
    keyed = [(value_to_order_by(query, at, groups[at]), at) for at in found]
    for one, other in itertools.pairwise(keyed):
        assert comes_before(query, one, other)


@given(a_query(), activity)
def test_limits_leave_the_first_rows(query: Query, rows: Sequence[Activity]) -> None:
    unlimited = answer(replace(query, limit=10_000, group_limit=None), rows).rows
    expected: list[Row] = []
    for row in unlimited:
        alike = [each for each in expected if each.values == row.values]
        if not (query.dimensions and query.group_limit and len(alike) >= query.group_limit):
            expected.append(row)

    limited = answer(query, rows)

    assert limited == Answer(expected[: query.limit], limited.rows == unlimited)


@given(activity)
def test_sums_are_the_same_however_they_are_cut(rows: Sequence[Activity]) -> None:
    total = sum((each.counts for each in rows), Counts())
    for name in DIMENSIONS:
        for granularity in (None, *GRANULARITIES):
            query = Query(("request_count",), DAYS[0], DAYS[-1], (name,), granularity, limit=10_000)
            assert sum((row.counts for row in answer(query, rows).rows), Counts()) == total


def test_a_total_is_a_row_even_of_nothing() -> None:
    assert answer(Query(("total_usage",), DAYS[0], DAYS[1]), []) == Answer([Row(None, (), Counts())])
    assert answer(Query(("total_usage",), DAYS[0], DAYS[1], granularity="day"), []) == Answer([])


def test_amounts_are_exact_beyond_what_floats_hold() -> None:
    fortune = Activity(CELL, Counts(usage=NanoUsd(2**53)))
    (row,) = answer(Query(("total_usage",), DAYS[0], DAYS[1]), [fortune, Activity(CELL, Counts(usage=NanoUsd(1)))]).rows
    assert METRICS["total_usage"].value(row.counts) == 2**53 + 1


@pytest.mark.parametrize(
    ("dimensions", "conditions", "needs"),
    [
        ((), (), False),
        (("model",), (Filter("app", "eq", ("x",)),), False),
        (("external_user",), (), True),
        ((), (Filter("external_user", "eq", ("ann",)),), True),
    ],
)
def test_users_are_read_only_for_what_tells_them_apart(
    dimensions: tuple[str, ...], conditions: tuple[Filter, ...], needs: bool
) -> None:
    query = Query(("request_count",), DAYS[0], DAYS[1], dimensions=dimensions, filters=conditions)
    assert query.needs_users == needs
