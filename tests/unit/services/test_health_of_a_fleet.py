"""Health in the large: many environments that fail over, tell metering, and read what it makes of it.

Time is simulated; everything else is what runs in the cloud.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest

from turnpike.domain.breaker import Breaker
from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Usage
from turnpike.domain.generation import Attempt, Generation
from turnpike.domain.ids import AccountId, GenerationId, KeyHash
from turnpike.services.read_health import HealthReader
from turnpike.services.record_health import RecordHealth
from turnpike.services.roll_up_health import RollUpHealth

from tests.fake_health import InMemoryHealthCounts, InMemoryHealthSnapshots
from tests.scenario import endpoint

CHEAP, DEAR = endpoint("cheap"), endpoint("dear")
CHEAP_SHARE = 0.9
START_S = 30_000_000 * 60.0
DOWN_S, BACK_S, END_S = 120, 300, 480


@dataclass
class Fleet:
    """Environments that get a request each in turn; one in ten goes to the dear endpoint first."""

    environments: int
    per_s: int
    fails: Callable[[float, Random], bool]
    """Whether the cheap endpoint does, at that second."""
    now_s: float = START_S
    first: Counter[int] = field(default_factory=Counter)
    """By second: how many requests asked the cheap endpoint first."""
    failed: Counter[int] = field(default_factory=Counter)
    """By second: how many attempts failed."""

    def __post_init__(self) -> None:
        self.random = Random(7)
        self.counts, self.snapshots = InMemoryHealthCounts(), InMemoryHealthSnapshots()
        self.record = RecordHealth(self.counts)
        self.roll_up = RollUpHealth(self.counts, self.snapshots)
        self.readers = [self._reader() for _ in range(self.environments)]

    def _reader(self) -> HealthReader:
        def refuse(error: Exception) -> None:
            raise error

        return HealthReader(
            self.snapshots.find_snapshot,
            Breaker(),
            on_failure=refuse,
            now=lambda: self.now_s,
            run=lambda work: work(),
            random=self.random.random,
        )

    def run(self) -> None:
        for second in range(END_S):
            for number in range(self.per_s):
                self.now_s = START_S + second + number / self.per_s
                self._request(self.readers[(second * self.per_s + number) % self.environments], second)
            self.record.write()
            self.roll_up(self.now_s)

    def _request(self, reader: HealthReader, second: int) -> None:
        order = [CHEAP, DEAR] if self.random.random() < CHEAP_SHARE else [DEAR, CHEAP]
        order.sort(key=lambda each: reader(each).outage)
        self.first[second] += order[0] is CHEAP
        attempts = []
        for each in order:
            attempts.append(self._attempt(reader, each, second))
            if attempts[-1].outcome == "ok":
                break
        ids = (GenerationId("gen"), AccountId("acct"), KeyHash("k"))
        generation = Generation(*ids, int(self.now_s), "m", "m", None, True, Usage(), attempts=attempts)
        self.record.note(generation, self.now_s)

    def _attempt(self, reader: HealthReader, each: Endpoint, second: int) -> Attempt:
        reader.begin_attempt(each)
        fails = each is CHEAP and self.fails(second, self.random)
        self.failed[second] += fails
        made = Attempt(
            each.provider,
            each.model_id,
            each.upstream_model,
            500 if fails else 200,
            1,
            tag=each.tag,
            outcome="failed" if fails else "ok",
            ended_at_s=int(self.now_s),
        )
        reader.record_attempt(each, made)
        return made

    def share(self, begin: int, end: int) -> float:
        """Of requests between these seconds, those that asked the cheap endpoint first."""
        return sum(self.first[second] for second in range(begin, end)) / (self.per_s * (end - begin))


def is_down(second: float, random: Random) -> bool:
    return DOWN_S <= second < BACK_S


@pytest.mark.parametrize(("environments", "per_s"), [(1, 1), (1, 50), (20, 4), (100, 50), (400, 40)])
def test_an_outage_is_left_and_what_has_returned_is_used_again(environments: int, per_s: int) -> None:
    fleet = Fleet(environments, per_s, is_down)
    fleet.run()
    assert fleet.share(0, DOWN_S) == pytest.approx(CHEAP_SHARE, abs=0.05)
    # Half a minute on, all know it, and it stays so: a few scouts, and where they are too few, a probe from each.
    assert fleet.share(DOWN_S + 30, BACK_S) < 0.1
    worst_ten = max(fleet.share(second, second + 10) for second in range(DOWN_S + 30, BACK_S - 10))
    assert worst_ten * 10 * per_s <= environments + 0.1 * 10 * per_s + 3
    # A minute after its return it has its share again, and keeps it.
    assert fleet.share(BACK_S + 60, END_S) == pytest.approx(CHEAP_SHARE, abs=0.06)


def test_what_fails_now_and_then_keeps_its_share() -> None:
    fleet = Fleet(20, 50, lambda second, random: random.random() < 0.05)
    fleet.run()
    by_minute = [fleet.share(second, second + 60) for second in range(60, END_S, 60)]
    assert min(by_minute) > 0.8
    assert max(by_minute) - min(by_minute) < 0.1


def test_statistics_cost_a_fraction_of_what_they_count() -> None:
    fleet = Fleet(20, 50, is_down)
    fleet.run()
    requests = END_S * fleet.per_s
    # With one batch a second of fifty messages, at most two endpoints each.
    assert fleet.counts.writes / requests < 0.05
