"""The measurements on a running composition; each returns its figures. Direct and routed calls alternate."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from tests.bench.calls import CALLS_PATH
from tests.bench.composition import World
from tests.bench.figures import Figure, added, spread
from tests.bench.loader import Answer, Connection, ask_once, load
from tests.bench.noise import NoiseGauge

_QUIET_S = 0.02
"""After an answer, the router still reports what it used; the next sample must not pay for that."""
_DRAINED_S = 0.3
"""The same after many answers at once."""
_COUNTED = 5
_HOLDS = ("dynamodb.TransactWriteItems", "dynamodb.UpdateItem")
_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything is measured."""

    pairs: int = 400
    rounds: int = 4
    burst: int = 160
    together: int = 20
    paced_rounds: int = 2
    cold_starts: int = 9


QUICK = Plan(pairs=60, rounds=2, burst=48, together=8, paced_rounds=1, cold_starts=7)
_CPU_PER_ROUND = {1: 100, 8: 200, 32: 200}
"""Non-streamed requests of a round, by how many are made at once: two rounds make the first thousand."""
_AT_ONCE = 16
_PACED_AT_ONCE = 32
_PACED_APART_S = 0.02 / _PACED_AT_ONCE
_PACED_CHUNKS, _TOGETHER_CHUNKS = 250, 1000


class Measurements:
    def __init__(self, world: World, plan: Plan, say: Callable[[str], None]) -> None:
        self._world, self._plan, self._say = world, plan, say
        self.noise = NoiseGauge()

    async def warm_up(self) -> None:
        for model, stream in (("chat", False), ("chat", True), ("one", True), ("together", True)):
            await load(self._world.router, self._routed(model, stream=stream), count=5, at_once=5)
            direct = self._world.provider.chat("chat", stream=stream)
            await load(self._world.provider, direct, count=5, at_once=5)

    async def latency(self) -> list[Figure]:
        direct, routed = await self._alternate("chat", stream=False)
        figures = added("added latency, not streamed, idle", _totals(routed), _totals(direct))
        self._say(f"not streamed: {figures[0].value:.2f} ms added at p50")
        await self._holds_ms()
        direct, routed = await self._alternate("chat", stream=True)
        call_ms = spread(await self._holds_ms()).p50
        targets = {"p50": 4 + call_ms, "p99": 20.0}
        first = added("added to first content, idle", _firsts(routed), _firsts(direct), targets)
        self._say(f"to first content: {first[0].value:.2f} ms added at p50, a storage call being {call_ms:.2f}")
        direct, routed = await self._burst("chat")
        crowded = added(f"added to first content, {_AT_ONCE} at once", _firsts(routed), _firsts(direct))
        crowded_call_ms = spread(await self._holds_ms()).p50
        self._say(f"{_AT_ONCE} at once: {crowded[0].value:.1f} ms added at p50")
        return [
            *figures,
            *first,
            Figure("the storage call in it, idle, p50", call_ms, "ms"),
            *crowded,
            Figure(f"the storage call in it, {_AT_ONCE} at once, p50", crowded_call_ms, "ms"),
        ]

    async def cpu_and_memory(self) -> list[Figure]:
        cpu: dict[int, list[float]] = {at_once: [] for at_once in _CPU_PER_ROUND}
        rss = []
        request = self._routed("chat")
        for number in range(self._plan.rounds):
            for at_once, count in _CPU_PER_ROUND.items():
                cpu[at_once].append(await self._cpu_ms(request, count, at_once) / count)
            rss.append(self._world.router_process.memory_info().rss / _MB)
            per_request = ", ".join(f"{samples[-1]:.2f} ({at_once})" for at_once, samples in cpu.items())
            self._say(f"round {number + 1}: {per_request} ms of CPU a request, RSS {rss[-1]:.0f} MB")
        requests = sum(_CPU_PER_ROUND.values())
        growth = f"after {requests}: {rss[0]:.1f}, after {requests * len(rss)}: {rss[-1]:.1f}"
        return [
            *(
                Figure(f"CPU per request, {at_once} at once", median(samples), "ms", 3.5, _range(samples))
                for at_once, samples in cpu.items()
            ),
            Figure("RSS after 1,000 requests", rss[1], "MB", 110, growth),
            Figure("RSS growth over the last 500 of them", rss[1] - rss[0], "MB", 1, growth),
        ]

    async def chunks(self) -> list[Figure]:
        """The CPU of a stream, less that of a stream with one chunk made in the same way."""
        together, paced = [], []
        for _ in range(self._plan.rounds):
            together.append(await self._cpu_of_chunks("together", _TOGETHER_CHUNKS, self._plan.together, 1))
        self._say(f"together: {median(together):.1f} ms of CPU per 1,000 chunks")
        for _ in range(self._plan.paced_rounds):
            paced.append(await self._cpu_of_chunks("paced", _PACED_CHUNKS, _PACED_AT_ONCE, _PACED_AT_ONCE))
        self._say(f"20 ms apart: {median(paced):.1f} ms of CPU per 1,000 chunks")
        return [
            Figure("CPU per 1,000 chunks, together", median(together), "ms", 40, _range(together)),
            Figure(
                f"CPU per 1,000 chunks, 20 ms apart, {_PACED_AT_ONCE} at once",
                median(paced),
                "ms",
                125,
                _range(paced),
            ),
        ]

    async def calls(self) -> list[Figure]:
        """What a warm request calls, counted half-way through the provider's silence and after the report."""
        before, in_all = Counter[str](), Counter[str]()
        for _ in range(_COUNTED):
            start = await self._sent()
            asked = asyncio.ensure_future(ask_once(self._world.router, self._routed("waiting")))
            await asyncio.sleep(0.15)
            before[_list(await self._sent() - start)] += 1
            await asked
            await asyncio.sleep(_DRAINED_S)
            in_all[_list(await self._sent() - start)] += 1
        # The usual one: now and then a request finds its key forgotten, and reads it again.
        (first, _), (all_, _) = before.most_common(1)[0], in_all.most_common(1)[0]
        self._say(f"before the provider answers: {first or 'none'}; in all: {all_}")
        return [
            Figure("AWS calls before the provider answers", _count(first), "", 1, first),
            Figure("AWS calls per request", _count(all_), "", note=all_),
        ]

    def memory_at_the_end(self) -> list[Figure]:
        rss = self._world.router_process.memory_info().rss / _MB
        return [Figure("RSS at the end of the bench", rss, "MB", note="after every request made here")]

    def _routed(self, model: str, *, stream: bool = False) -> bytes:
        return self._world.router.chat(f"bench/{model}", stream=stream)

    async def _alternate(self, model: str, *, stream: bool) -> tuple[list[Answer], list[Answer]]:
        provider, router = self._world.provider, self._world.router
        to_provider, to_router = await Connection.open(provider), await Connection.open(router)
        direct, routed = [], []
        try:
            for _ in range(self._plan.pairs):
                direct.append(await to_provider.ask(provider.chat(model, stream=stream)))
                await asyncio.sleep(_QUIET_S)
                routed.append(await to_router.ask(self._routed(model, stream=stream)))
                await asyncio.sleep(_QUIET_S)
        finally:
            to_provider.close()
            to_router.close()
        return direct, routed

    async def _burst(self, model: str) -> tuple[list[Answer], list[Answer]]:
        provider, router = self._world.provider, self._world.router
        direct: list[Answer] = []
        routed: list[Answer] = []
        for _ in range(self._plan.rounds):
            self.noise.read()
            asked = provider.chat(model, stream=True)
            direct += await load(provider, asked, count=self._plan.burst, at_once=_AT_ONCE)
            asked = self._routed(model, stream=True)
            routed += await load(router, asked, count=self._plan.burst, at_once=_AT_ONCE)
            await asyncio.sleep(_DRAINED_S)
        return direct, routed

    async def _cpu_of_chunks(self, model: str, chunks: int, streams: int, at_once: int) -> float:
        one = await self._cpu_ms(self._routed("one", stream=True), streams, at_once)
        all_ = await self._cpu_ms(self._routed(model, stream=True), streams, at_once, _PACED_APART_S)
        return (all_ - one) / ((chunks - 1) * streams) * 1000

    async def _cpu_ms(self, request: bytes, count: int, at_once: int, apart_s: float = 0) -> float:
        self.noise.read()
        began = self._cpu_s()
        await load(self._world.router, request, count=count, at_once=at_once, apart_s=apart_s)
        await asyncio.sleep(_DRAINED_S)
        return (self._cpu_s() - began) * 1000

    def _cpu_s(self) -> float:
        times = self._world.router_process.cpu_times()
        return times.user + times.system

    async def _sent(self) -> Counter[str]:
        return Counter((await self._calls())["sent"])

    async def _holds_ms(self) -> list[float]:
        """How long the calls took that a request waits for, since this was last asked."""
        took_ms: dict[str, list[float]] = (await self._calls())["took_ms"]
        return [each for operation, samples in took_ms.items() if operation in _HOLDS for each in samples]

    async def _calls(self) -> dict[str, Any]:
        answer = await ask_once(self._world.router, self._world.router.get(CALLS_PATH))
        report: dict[str, Any] = json.loads(answer.body)
        return report


def _totals(answers: list[Answer]) -> list[float]:
    return [answer.total_s for answer in answers]


def _firsts(answers: list[Answer]) -> list[float]:
    return [answer.first_content_s for answer in answers]


def _range(samples: list[float]) -> str:
    return f"{min(samples):.2f} to {max(samples):.2f} in {len(samples)} rounds"


def _list(calls: Counter[str]) -> str:
    return ", ".join(f"{count} {operation}" for operation, count in sorted(calls.items()))


def _count(listed: str) -> int:
    return sum(int(each.split()[0]) for each in listed.split(", ") if each)
