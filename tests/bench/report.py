"""What the bench prints and keeps."""

import json
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from tests.bench.figures import Figure

CAVEAT = (
    "Loader, router, provider and emulator share this machine's cores: CPU figures carry over to other machines, "
    "latencies less so. Percentiles of added time are differences of percentiles."
)
_HEAD = ("figure", "measured", "target", "met?")


def machine() -> dict[str, Any]:
    return {
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "load_average": psutil.getloadavg()[0],
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def print_table(figures: Sequence[Figure], *, markdown: bool) -> None:
    rows = [_row(figure) for figure in figures]
    if markdown:
        print("| " + " | ".join(_HEAD) + " |\n|" + "---|" * len(_HEAD))
        for row in rows:
            print("| " + " | ".join(row[:4]) + " |")
        return
    widths = [max(map(len, column)) for column in zip(*(row[:4] for row in rows), _HEAD, strict=True)]
    for row in ((*_HEAD, ""), *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)).rstrip())


def write_json(path: Path, figures: Sequence[Figure], *, quick: bool) -> None:
    content = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "quick": quick,
        "caveat": CAVEAT,
        "figures": [
            {
                "name": figure.name,
                "value": round(figure.value, 3),
                "unit": figure.unit,
                "target": figure.target,
                "met": figure.is_met,
                "note": figure.note,
            }
            for figure in figures
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def say(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


def _row(figure: Figure) -> tuple[str, str, str, str, str]:
    unit = f" {figure.unit}" if figure.unit else ""
    target = "" if figure.target is None else f"≤ {figure.target:.3g}{unit}"
    met = {None: "", True: "yes", False: "NO"}[figure.is_met]
    return figure.name, f"{figure.value:.2f}{unit}", target, met, figure.note


def _processor() -> str:
    """Its name, where the system tells it."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
