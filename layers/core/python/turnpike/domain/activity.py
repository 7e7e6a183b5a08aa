"""Activity: what an account has requested, counted by UTC day and by what it is told apart by."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice
from operator import add, attrgetter

from turnpike.domain.apps import app_of, label_of
from turnpike.domain.generation import Attempt, Generation
from turnpike.domain.health import endpoint_key
from turnpike.domain.ids import KeyHash
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.domain.periods import days_before

FROM_CACHE = "response-cache"
"""In the place of an endpoint's id, where an answer was repeated and nobody asked."""
NOBODY = "none"
"""In its place where no endpoint came to be asked."""

_ENDPOINTS = uuid.UUID("6f1d2c1e-5f0c-4c62-9d0b-3f3c8a6f5e21")
"""The namespace of endpoints' ids; changing it would make all of them other endpoints."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Sums over generations. Amounts of money are in nano-USD."""

    requests: int = 0
    errors: int = 0
    """Those that nobody answered, or whose answer broke off."""
    byok_requests: int = 0
    cached_responses: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    usage: NanoUsd = ZERO
    """What was charged."""
    byok_usage: NanoUsd = ZERO
    """What the customer's own provider accounts were charged."""
    byok_fees: NanoUsd = ZERO
    """The part of `usage` that was charged for requests with the customer's own provider keys."""
    upstream_cost: NanoUsd = ZERO
    latency_ms: int = 0
    latency_requests: int = 0
    """How many `latency_ms` is the sum over."""
    generation_ms: int = 0
    generation_tokens: int = 0
    """The completion tokens that came within `generation_ms`."""

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*map(add, _values(self), _values(other)))


COUNTS = tuple(field.name for field in fields(Counts))
_values = attrgetter(*COUNTS)


@dataclass(frozen=True, slots=True)
class Cell:
    """What is counted together.

    A request that names a user is counted twice: in the cell of all requests that name one, whose `user` is None,
    and in its user's own. So the cells without a user are all there is, however many users there are;
    and those with one are all there is beside the cells in which `names_user` is false.
    """

    day: str
    key_hash: KeyHash
    model: str
    endpoint_id: str
    provider: str
    """Its name."""
    app: str | None = None
    names_user: bool = False
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Activity:
    cell: Cell
    counts: Counts


@dataclass(frozen=True, slots=True)
class ActivityDays:
    """The activity of some days, in no promised order; a cell may come in parts, which are to be added.

    `since` is the first day that was read.
    """

    activity: Sequence[Activity]
    since: str
    is_whole: bool = True
    """False where there was more than could be read: then days before `since` are missing, or parts of it."""


def latest_days(newest_first: Iterable[Activity], first_day: str, most: int) -> ActivityDays:
    """Of activity that was asked for from `first_day` on, as many whole days as `most` cells have room for."""
    found = list(islice(newest_first, most + 1))
    if len(found) <= most:
        return ActivityDays(found, first_day)
    unfinished = found[-1].cell.day
    whole = [each for each in found if each.cell.day > unfinished]
    if not whole:
        return ActivityDays(found[:most], unfinished, is_whole=False)
    return ActivityDays(whole, days_before(unfinished, -1), is_whole=False)


def with_users(totals: ActivityDays, users: ActivityDays) -> ActivityDays:
    """In the place of the cells of all users those of each, for the days that both have."""
    unnamed = [each for each in totals.activity if not each.cell.names_user and each.cell.day >= users.since]
    return ActivityDays([*unnamed, *users.activity], users.since, is_whole=totals.is_whole and users.is_whole)


def endpoint_id_of(attempt: Attempt) -> str:
    """Opaque: what a provider calls a model may be the operator's own name for it."""
    return str(uuid.uuid5(_ENDPOINTS, f"{attempt.model}|{endpoint_key(attempt)}"))


def cells_of(record: Generation, day: str) -> Sequence[Cell]:
    """Every cell that a generation is counted in."""
    user = label_of(record.user)
    last = record.attempts[-1] if record.attempts else None
    cell = Cell(
        day=day,
        key_hash=record.key_hash,
        model=record.model,
        endpoint_id=_endpoint_id(record, last),
        provider=record.provider or (last.provider_name or last.provider if last else ""),
        app=app_of(record.http_referer, record.app_title),
        names_user=user is not None,
    )
    return [cell] if user is None else [cell, replace(cell, user=user)]


def count_cells(records: Iterable[Generation], day: str) -> Mapping[Cell, Counts]:
    """The sums of some generations, in every cell that any of them is counted in."""
    sums: dict[Cell, Counts] = {}
    for record in records:
        for cell in cells_of(record, day):
            sums[cell] = sums.get(cell, Counts()) + counts_of(record)
    return sums


def counts_of(record: Generation) -> Counts:
    """One generation, whose `cost` is what it was charged."""
    usage, is_timed = record.usage, bool(record.generation_time_ms)
    return Counts(
        requests=1,
        errors=int(record.provider is None or record.finish_reason == "error"),
        byok_requests=int(record.is_byok),
        cached_responses=int(record.response_cache_source_id is not None),
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cached_tokens=usage.cached_tokens,
        usage=record.cost,
        byok_usage=record.byok_cost,
        byok_fees=record.cost if record.is_byok else ZERO,
        upstream_cost=record.upstream_cost,
        latency_ms=record.latency_ms or 0,
        latency_requests=int(record.latency_ms is not None),
        generation_ms=record.generation_time_ms or 0,
        generation_tokens=usage.completion_tokens if is_timed else 0,
    )


def _endpoint_id(record: Generation, last: Attempt | None) -> str:
    if last is not None:
        return endpoint_id_of(last)
    return FROM_CACHE if record.response_cache_source_id else NOBODY
