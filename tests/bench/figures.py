"""Figures: what was measured, what it should be, and how a list of samples becomes one of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles


@dataclass(frozen=True, slots=True)
class Figure:
    """`target` is an upper bound in the same unit; None where none is set."""

    name: str
    value: float
    unit: str
    target: float | None = None
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        return None if self.target is None else self.value <= self.target


@dataclass(frozen=True, slots=True)
class Spread:
    p50: float
    p95: float
    p99: float


def spread(samples: Sequence[float]) -> Spread:
    """Percentiles of at least two samples."""
    cuts = quantiles(samples, n=100, method="inclusive")
    return Spread(cuts[49], cuts[94], cuts[98])


def added(
    name: str, routed_s: Sequence[float], direct_s: Sequence[float], targets: Mapping[str, float] | None = None
) -> list[Figure]:
    """By how much each percentile through the router exceeds the same percentile of the direct call, in ms."""
    routed, direct = spread(routed_s), spread(direct_s)
    figures = []
    for part in ("p50", "p95", "p99"):
        through, without = getattr(routed, part) * 1000, getattr(direct, part) * 1000
        note = f"{through:.2f} through the router, {without:.2f} direct"
        figures.append(Figure(f"{name}, {part}", through - without, "ms", (targets or {}).get(part), note))
    return figures
