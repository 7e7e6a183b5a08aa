"""A simulated fleet: environments that route requests to synthetic providers, and the metering that they tell.

Time is simulated, and so are providers. What plans, falls back on, waits, breaks and counts is what runs in the cloud.
An environment answers one request at a time, as on Lambda: which one is chance, and there are as many as it takes.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from random import Random

from turnpike.domain.breaker import Breaker
from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Usage
from turnpike.domain.errors import UpstreamError
from turnpike.domain.generation import Attempt, Generation, Outcome
from turnpike.domain.health import endpoint_key
from turnpike.domain.ids import AccountId, GenerationId, KeyHash
from turnpike.domain.pricing import Pricing
from turnpike.domain.routing import plan_route
from turnpike.domain.waits import Waits
from turnpike.services.read_health import HealthReader
from turnpike.services.record_health import RecordHealth
from turnpike.services.roll_up_health import RollUpHealth

from tests.fake_health import InMemoryHealthCounts, InMemoryHealthSnapshots
from tests.scenario import catalog, endpoint, request

START_S = 30_000_000 * 60.0
"""Wall-clock time at which a simulation begins: at a full minute."""
LONGEST_WAIT_S = 3600.0
_PER_TOKEN = Decimal("0.000001")
_BATCH_S = 1.0
"""How long usage events wait before metering sees them, at most."""
_NO_TOKENS = Usage()
_IDS = (GenerationId("gen-bench"), AccountId("acct-bench"), KeyHash("bench"))


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds of the simulation, from its beginning."""

    begin_s: int
    end_s: int

    def __contains__(self, second: float) -> bool:
        return self.begin_s <= second < self.end_s


@dataclass(frozen=True, slots=True)
class Fault:
    """What an endpoint does within a span: it fails after a while, or it takes so many requests a second."""

    endpoint: str
    span: Span
    fails_after_s: float = 0.3
    share: float = 1.0
    """Of the requests, those that fail."""
    most_per_s: int | None = None
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """Endpoints by name with their price, USD per million tokens."""

    prices: Mapping[str, int]
    per_s: int
    length_s: int
    faults: Sequence[Fault] = ()
    answer_s: tuple[float, float] = (0.5, 2.5)
    """How long an answer takes: anything between."""
    seed: int = 7


@dataclass(slots=True, eq=False)
class _Environment:
    health: HealthReader
    waits: Waits = field(default_factory=lambda: Waits(LONGEST_WAIT_S))


@dataclass(slots=True)
class Record:
    """By second of the simulation, and by endpoint where it says so."""

    asked: dict[str, list[int]]
    """Requests that asked it first."""
    answered: dict[str, list[int]]
    failed: dict[str, list[int]]
    limited: dict[str, list[int]]
    lost: int = 0
    """Requests that nobody answered."""
    environments: int = 0


class Fleet:
    """One run of a scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._random = Random(scenario.seed)
        self._now_s = START_S
        self._endpoints = [
            endpoint(name, pricing=Pricing(price * _PER_TOKEN, price * _PER_TOKEN))
            for name, price in scenario.prices.items()
        ]
        self._catalog, self._request = catalog(*self._endpoints), request()
        counts, self._snapshots = InMemoryHealthCounts(), InMemoryHealthSnapshots()
        self._metering = RecordHealth(counts)
        self._roll_up = RollUpHealth(counts, self._snapshots)
        self._idle: list[_Environment] = []
        self._taken: dict[tuple[str, int], int] = {}
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._record = Record(self._counts(), self._counts(), self._counts(), self._counts())

    def run(self) -> Record:
        scenario = self._scenario
        for number in range(scenario.per_s * scenario.length_s):
            # At random within its place, so that no two environments run in step by chance of the simulation.
            self._at(START_S + (number + self._random.random()) / scenario.per_s, self._arrive)
        for second in range(int(scenario.length_s / _BATCH_S)):
            self._at(START_S + (second + 1) * _BATCH_S, self._meter)
        while self._events:
            self._now_s, _, event = heapq.heappop(self._events)
            event()
        return self._record

    def _at(self, when_s: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when_s, next(self._numbers), event))

    def _arrive(self) -> None:
        environment = self._environment()
        route = plan_route(
            self._request, self._catalog, prompt_tokens=100, random=self._random, health=environment.health
        )
        ready = [each for each in route if environment.waits.find(endpoint_key(each), self._now_s) is None]
        if ready:
            self._note(self._record.asked, ready[0])
        self._attempt(environment, iter(ready), [])

    def _attempt(self, environment: _Environment, left: Iterator[Endpoint], made: list[Attempt]) -> None:
        """Begin one at the next endpoint that did not ask to be left alone meanwhile."""
        for each in left:
            if environment.waits.find(endpoint_key(each), self._now_s) is None:
                break
        else:
            self._record.lost += 1
            self._finish(environment, made)
            return
        environment.health.begin_attempt(each)
        outcome, lasts_s, retry_after_s = self._provide(each)

        def end() -> None:
            attempt = self._describe(each, outcome, lasts_s)
            made.append(attempt)
            environment.health.record_attempt(each, attempt)
            self._note(self._noted[outcome], each)
            if retry_after_s is not None:
                environment.waits.note(endpoint_key(each), _asks_for_a_pause(each, retry_after_s), self._now_s)
            if outcome == "ok":
                self._finish(environment, made)
            else:
                self._attempt(environment, left, made)

        self._at(self._now_s + lasts_s, end)

    def _finish(self, environment: _Environment, made: Sequence[Attempt]) -> None:
        generation = Generation(*_IDS, int(self._now_s), "m", "m", None, True, _NO_TOKENS, attempts=made)
        self._metering.note(generation, self._now_s)
        self._idle.append(environment)

    def _provide(self, each: Endpoint) -> tuple[Outcome, float, int | None]:
        """What the provider makes of a request now: how it ends, after how long, and the pause that it asks for."""
        second = self._now_s - START_S
        for fault in self._scenario.faults:
            if fault.endpoint != each.provider or second not in fault.span:
                continue
            if fault.most_per_s is None:
                if self._random.random() < fault.share:
                    return "failed", fault.fails_after_s, None
                continue
            key = (each.provider, int(second))
            self._taken[key] = self._taken.get(key, 0) + 1
            if self._taken[key] > fault.most_per_s:
                return "rate_limited", fault.fails_after_s, fault.retry_after_s
        return "ok", self._random.uniform(*self._scenario.answer_s), None

    def _meter(self) -> None:
        if self._metering.write():
            self._roll_up(self._now_s)

    def _environment(self) -> _Environment:
        if self._idle:
            place = self._random.randrange(len(self._idle))
            self._idle[place], self._idle[-1] = self._idle[-1], self._idle[place]
            return self._idle.pop()
        self._record.environments += 1
        return _Environment(
            HealthReader(
                self._snapshots.find_snapshot,
                Breaker(),
                on_failure=_refuse,
                now=lambda: self._now_s,
                run=lambda work: work(),
                random=self._random.random,
            )
        )

    @property
    def _noted(self) -> Mapping[Outcome, dict[str, list[int]]]:
        return {"ok": self._record.answered, "failed": self._record.failed, "rate_limited": self._record.limited}

    def _note(self, counts: Mapping[str, list[int]], each: Endpoint) -> None:
        # What ends after the last request counts to the last second.
        counts[each.provider][min(int(self._now_s - START_S), self._scenario.length_s - 1)] += 1

    def _describe(self, each: Endpoint, outcome: Outcome, lasts_s: float) -> Attempt:
        status = {"ok": 200, "rate_limited": 429}.get(outcome, 503)
        names = (each.provider, each.model_id, each.upstream_model)
        latency_ms = round(lasts_s * 1000)
        return Attempt(*names, status, latency_ms, tag=each.tag, outcome=outcome, ended_at_s=int(self._now_s))

    def _counts(self) -> dict[str, list[int]]:
        return {name: [0] * self._scenario.length_s for name in self._scenario.prices}


def _asks_for_a_pause(each: Endpoint, retry_after_s: int) -> UpstreamError:
    return UpstreamError(
        each.provider,
        "Too many requests",
        upstream_status=429,
        error_type="rate_limit_exceeded",
        retryable=True,
        retry_after_s=retry_after_s,
    )


def _refuse(error: Exception) -> None:
    raise error
