"""The CPU of planning a route."""

import time
from decimal import Decimal
from random import Random
from statistics import median

from turnpike.domain.catalog import Catalog
from turnpike.domain.chat import ChatRequest, ProviderPreferences
from turnpike.domain.health import EndpointStats, Percentiles
from turnpike.domain.pricing import Pricing
from turnpike.domain.routing import plan_route

from tests.bench.figures import Figure
from tests.scenario import catalog, endpoint, request

_ENDPOINTS, _PLANS, _ROUNDS = 30, 300, 9
_TARGET_US = 300.0

_SOME = Percentiles(1, 2, 3, 4)
_STATS = EndpointStats(_SOME, _SOME, uptime=0.99)
_WISHES = ProviderPreferences(
    order=("p3", "p4"),
    ignore=("p29",),
    require_parameters=True,
    quantizations=("fp8",),
    max_price={"prompt": "100", "completion": "100"},
    preferred_max_latency={"p50": 1, "p99": 3},
    preferred_min_throughput={"p50": 3},
)
_TOOLS = {"tools": [{"type": "function", "function": {"name": "f"}}], "temperature": 1}


def measure_planning() -> list[Figure]:
    """With statistics of every endpoint, for a plain request and for one with many wishes."""
    offered = catalog(
        *(endpoint(f"p{number}", pricing=_price(number + 1), quantization="fp8") for number in range(_ENDPOINTS))
    )
    return [
        _cpu("by price", request(), offered),
        _cpu("tools and preferences", request(parameters=_TOOLS, max_tokens=100, provider=_WISHES), offered),
    ]


def _price(per_million: int) -> Pricing:
    per_token = Decimal(per_million) / 1_000_000
    return Pricing(per_token, per_token)


def _cpu(name: str, asked: ChatRequest, offered: Catalog) -> Figure:
    random, rounds = Random(1), []
    for _ in range(_ROUNDS):
        began = time.process_time()
        for _ in range(_PLANS):
            plan_route(asked, offered, prompt_tokens=100, random=random, health=lambda _: _STATS)
        rounds.append((time.process_time() - began) / _PLANS * 1_000_000)
    note = f"{min(rounds):.0f} to {max(rounds):.0f} in {_ROUNDS} rounds"
    return Figure(f"planning, {_ENDPOINTS} endpoints, {name}", median(rounds), "µs", _TARGET_US, note)
