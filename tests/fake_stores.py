"""Stand-ins for the stores of what only some requests use, under the same contract as the real ones."""

import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.free_quota import FullWindow
from turnpike.domain.ids import AccountId
from turnpike.domain.periods import day_of
from turnpike.domain.response_cache import CachedAnswer, CacheKey


class InMemoryFreeQuota:
    """Decides under one lock; `writes` counts what was asked of it."""

    def __init__(self) -> None:
        self.writes = 0
        self._lock = Lock()
        self._days: Counter[tuple[AccountId, str]] = Counter()
        self._minutes: Counter[tuple[AccountId, int]] = Counter()
        self._limits: defaultdict[tuple[AccountId, str], int] = defaultdict(int)

    def take(self, account_id: AccountId, now_s: float, *, per_minute: int, per_day: int) -> FullWindow | None:
        day, minute = (account_id, day_of(now_s)), (account_id, int(now_s) // 60)
        with self._lock:
            self.writes += 1
            limit = max(self._limits[day], per_day)
            if self._days[day] >= limit:
                return FullWindow("day", limit)
            if self._minutes[minute] >= per_minute:
                return FullWindow("minute", per_minute)
            self._days[day] += 1
            self._minutes[minute] += 1
            self._limits[day] = limit
        return None

    def used(self, account_id: AccountId, now_s: float) -> int:
        with self._lock:
            return self._days[account_id, day_of(now_s)]


class InMemoryCachedAnswers:
    """`calls` names what was asked of it; while `failing`, it does nothing of it."""

    def __init__(self, most_bytes: int = 16 * 380_000) -> None:
        self.calls: list[str] = []
        self.failing = False
        self._most_bytes = most_bytes
        self._lock = Lock()
        self._answers: dict[CacheKey, CachedAnswer] = {}

    def find(self, key: CacheKey, now_s: int) -> CachedAnswer | None:
        with self._called("find"):
            answer = self._answers.get(key)
        return answer if answer is not None and answer.expires_at_s > now_s else None

    def keep(self, key: CacheKey, answer: CachedAnswer) -> None:
        with self._called("keep"):
            older = self._answers.get(key)
            fits = len(zlib.compress(answer.body)) <= self._most_bytes
            if fits and (older is None or older.created_at_s <= answer.created_at_s):
                self._answers[key] = answer

    def drop(self, key: CacheKey) -> None:
        with self._called("drop"):
            self._answers.pop(key, None)

    @contextmanager
    def _called(self, name: str) -> Iterator[None]:
        with self._lock:
            self.calls.append(name)
            if self.failing:
                raise TemporarilyBusy("the response cache cannot be reached")
            yield
