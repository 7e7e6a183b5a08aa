"""The body of POST /analytics/query: parsed, and checked against what there is to ask for."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from turnpike.api.times import parse_time
from turnpike.api.validation import parse
from turnpike.domain.analytics import DATE, DEFAULT_ROWS, MOST_ROWS, Filter, Order, Query
from turnpike.domain.analytics_terms import (
    DIMENSIONS,
    GRANULARITIES,
    METRICS,
    OPERATORS,
    USER_DIMENSION,
    Operator,
)
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.periods import Period, day_of, days_before

DEFAULT_DAYS = 7
MOST_DAYS = 366

_DAY_S = 86_400
_FINER = ("minute", "hour")
_ALIASES = {"user": USER_DIMENSION, "key": "api_key_id", "api_key": "api_key_id"}
"""What others call a dimension: told to whoever asks for it, since an alias would be another column."""

_Value = Annotated[str, Field(max_length=512)] | int | float
_Name = Annotated[str, Field(max_length=64)]
_Text = TypeVar("_Text", bound=str)


def _check_time(text: str) -> str:
    parse_time(text)
    return text


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class FilterBody(_Body):
    field: _Name
    operator: _Name
    value: _Value | Annotated[list[_Value], Field(max_length=1000)]
    include_unset: bool = False


class OrderBody(_Body):
    field: _Name
    direction: Literal["asc", "desc"]


class TimeRangeBody(_Body):
    start: Annotated[str, AfterValidator(_check_time)]
    end: Annotated[str, AfterValidator(_check_time)]


class QueryBody(_Body):
    metrics: Annotated[list[_Name], Field(min_length=1, max_length=len(METRICS))]
    dimensions: Annotated[list[_Name], Field(max_length=2)] = []
    filters: Annotated[list[FilterBody], Field(max_length=20)] = []
    granularity: _Name | None = None
    group_limit: Annotated[int, Field(ge=1, le=MOST_ROWS)] | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_ROWS)] | None = None
    order_by: OrderBody | None = None
    time_range: TimeRangeBody | None = None
    # Refused by name, so that whoever relies on them is told why.
    classifier_dimensions: Any = None
    classifier_filters: Any = None


def parse_query(content: object, now_s: float) -> tuple[Query, list[str]]:
    """The query, and what it is answered otherwise than it was asked. Raises InvalidRequest."""
    body = parse(QueryBody, content)
    for name in ("classifier_dimensions", "classifier_filters"):
        if getattr(body, name) is not None:
            raise InvalidRequest("there are no classifiers here; leave it out", field=name)
    dimensions = _known("dimensions", body.dimensions, DIMENSIONS)
    granularity = _granularity(body.granularity)
    first, last, warnings = _days(body.time_range, now_s)
    metrics = _known("metrics", body.metrics, METRICS)
    query = Query(
        metrics=metrics,
        first_day=first,
        last_day=last,
        dimensions=dimensions,
        granularity=granularity,
        filters=tuple(_filter(f"filters.{place}", each) for place, each in enumerate(body.filters)),
        order=_order(body.order_by, (*metrics, "request_count", *dimensions), dated=granularity is not None),
        limit=body.limit or (MOST_ROWS if granularity and dimensions and not body.group_limit else DEFAULT_ROWS),
        group_limit=body.group_limit,
    )
    return query, warnings


def _known(field: str, names: list[str], known: Iterable[_Text]) -> tuple[_Text, ...]:
    """Each once, in the order in which they were named."""
    return tuple(dict.fromkeys(_choice(f"{field}.{place}", name, known) for place, name in enumerate(names)))


def _choice(field: str, name: str, known: Iterable[_Text]) -> _Text:
    found = next((each for each in known if each == name), None)
    if found is None:
        meant = f"; what you mean may be {_ALIASES[name]}" if name in _ALIASES and known is DIMENSIONS else ""
        raise InvalidRequest(f"must be one of {', '.join(known)}{meant}", field=field)
    return found


def _granularity(name: str | None) -> Period | None:
    if name in _FINER:
        raise InvalidRequest(
            f"activity is counted by UTC day, so there is no {name}; must be one of {', '.join(GRANULARITIES)}",
            field="granularity",
        )
    return None if name is None else _choice("granularity", name, GRANULARITIES)


def _filter(field: str, body: FilterBody) -> Filter:
    dimension = _choice(f"{field}.field", body.field, DIMENSIONS)
    operator: Operator = _choice(f"{field}.operator", body.operator, OPERATORS)
    takes_array = OPERATORS[operator] == "array"
    if isinstance(body.value, list) != takes_array:
        raise InvalidRequest(f"{operator} takes {'a list' if takes_array else 'one value'}", field=f"{field}.value")
    if body.include_unset and not takes_array:
        raise InvalidRequest("goes with in and not_in alone", field=f"{field}.include_unset")
    if body.include_unset and not DIMENSIONS[dimension].may_be_unset:
        raise InvalidRequest(f'Dimension "{dimension}" has no unset bucket', field=f"{field}.include_unset")
    values = body.value if isinstance(body.value, list) else [body.value]
    return Filter(dimension, operator, tuple(map(_text, values)), body.include_unset)


def _text(value: str | float) -> str:
    """Every dimension's values are texts; a client may well have a user's number for one."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _order(body: OrderBody | None, fields: tuple[str, ...], *, dated: bool) -> Order | None:
    if body is None:
        return None
    known = dict.fromkeys((*fields, DATE) if dated else fields)
    if body.field == DATE and not dated:
        raise InvalidRequest("rows have a date only with a granularity", field="order_by.field")
    return Order(_choice("order_by.field", body.field, known), body.direction)


def _days(body: TimeRangeBody | None, now_s: float) -> tuple[str, str, list[str]]:
    """The first and the last UTC day of a time range, whose end is not part of it; and what of it was rounded."""
    if body is None:
        today = day_of(now_s)
        return days_before(today, DEFAULT_DAYS - 1), today, []
    start_s, end_s = parse_time(body.start), parse_time(body.end)
    if start_s >= end_s:
        raise InvalidRequest("must be after time_range.start", field="time_range.end")
    first, last = day_of(start_s), day_of(end_s - 1)
    if days_before(last, MOST_DAYS - 1) > first:
        raise InvalidRequest(f"may span {MOST_DAYS} days at most", field="time_range")
    if start_s % _DAY_S == 0 and end_s % _DAY_S == 0:
        return first, last, []
    return first, last, [f"Activity is counted by UTC day: this is all of {first} to {last}, both included"]
