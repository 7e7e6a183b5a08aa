"""Cold start: fresh processes, alternating between the completions function and a bare boto3 client."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

from infra.local.emulator import ROOT

from tests.bench.figures import Figure

_TARGET = 1.6
_SLOWEST = 15
_READY = "\nimport os\nos.write(1, b'.')"
_OURS = "import functions.completions.handler"
_BARE = "import boto3\nboto3.client('dynamodb')"


def measure_cold_start(environ: Mapping[str, str], times: int, say: Callable[[str], None]) -> list[Figure]:
    with tempfile.TemporaryDirectory() as bytecode:
        fresh = _environ(environ, Path(bytecode))
        # The first of each writes the bytecode, which a deployment's layers contain.
        for program in (_OURS, _BARE):
            _time_to_ready(program, fresh)
        ours, bare = [], []
        for number in range(times):
            ours.append(_time_to_ready(_OURS, fresh))
            bare.append(_time_to_ready(_BARE, fresh))
            say(f"{number + 1}/{times}: {ours[-1] * 1000:.0f} ms, bare boto3 client {bare[-1] * 1000:.0f} ms")
    note = f"bare boto3 client {median(bare) * 1000:.0f}, at best {min(bare) * 1000:.0f}"
    ratio_note = f"{min(ours) / min(bare):.2f} of the best of each"
    return [
        Figure("cold start, median", median(ours) * 1000, "ms", note=note),
        Figure("cold start, at best", min(ours) * 1000, "ms", note=note),
        Figure("cold start / bare boto3 client", median(ours) / median(bare), "x", _TARGET, ratio_note),
    ]


def list_slowest_imports(environ: Mapping[str, str]) -> list[str]:
    """Lines of a table: the imports of a cold start that take longest by themselves."""
    with tempfile.TemporaryDirectory() as bytecode:
        fresh = _environ(environ, Path(bytecode))
        _time_to_ready(_OURS, fresh)
        command = [sys.executable, "-X", "importtime", "-c", _OURS]
        printed = subprocess.run(command, cwd=ROOT, env=fresh, stderr=subprocess.PIPE, check=True).stderr.decode()
    rows = []
    for line in printed.splitlines()[1:]:
        if line.startswith("import time:"):
            own, cumulative, name = line.removeprefix("import time:").split("|")
            rows.append((int(own), int(cumulative), name.strip()))
    rows.sort(reverse=True)
    head = f"{'own ms':>8} {'with its own imports':>21}  module ({len(rows)} in all)"
    return [head] + [f"{own / 1000:8.1f} {all_ / 1000:21.1f}  {name}" for own, all_, name in rows[:_SLOWEST]]


def _environ(environ: Mapping[str, str], bytecode: Path) -> dict[str, str]:
    kept = {name: value for name, value in environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(bytecode)}


def _time_to_ready(program: str, environ: Mapping[str, str]) -> float:
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", program + _READY], cwd=ROOT, env=dict(environ), stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        ready = os.read(process.stdout.fileno(), 1)
        took = time.perf_counter() - began
    if not ready:
        raise RuntimeError(f"a fresh process failed: {program}")
    return took
