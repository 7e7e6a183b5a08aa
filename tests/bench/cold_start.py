"""Cold start: fresh processes, alternating between the completions function and a bare boto3 client.

The function starts twice: its module alone, and under the streaming runtime as Lambda starts it, to the moment at
which it asks for its first invocation.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import psutil

from infra.layers import EXEC_WRAPPER, STREAM_RUNTIME
from infra.local.emulator import ROOT
from infra.local.serving import HOST, port_of

from tests.bench.figures import Figure

_TARGET, _TARGET_MB = 1.6, 110
_SLOWEST = 15
_STARTS_WITHIN_S = 60
_FUNCTION = ROOT / "functions" / "completions"
_NEXT = b"GET /2018-06-01/runtime/invocation/next "
_READY = "\nimport os\nos.write(1, b'.')"
_OURS = "import functions.completions.handler"
_BARE = "import boto3\nboto3.client('dynamodb')"


def measure_cold_start(environ: Mapping[str, str], times: int, say: Callable[[str], None]) -> list[Figure]:
    with tempfile.TemporaryDirectory() as bytecode:
        fresh = _environ(environ, Path(bytecode))
        # The first of each writes the bytecode, which a deployment's layers contain.
        for program in (_OURS, _BARE):
            _time_to_ready(program, fresh)
        _time_to_next(fresh)
        ours, bare, hosted, peaks = [], [], [], []
        for number in range(times):
            ours.append(_time_to_ready(_OURS, fresh))
            bare.append(_time_to_ready(_BARE, fresh))
            took, peak_mb = _time_to_next(fresh)
            hosted.append(took)
            peaks.append(peak_mb)
            say(
                f"{number + 1}/{times}: {ours[-1] * 1000:.0f} ms, under the runtime {took * 1000:.0f} ms, "
                f"bare boto3 client {bare[-1] * 1000:.0f} ms"
            )
    note = f"bare boto3 client {median(bare) * 1000:.0f}, at best {min(bare) * 1000:.0f}"
    ratio_note = f"{min(ours) / min(bare):.2f} of the best of each"
    return [
        Figure("cold start, median", median(ours) * 1000, "ms", note=note),
        Figure("cold start, at best", min(ours) * 1000, "ms", note=note),
        Figure("cold start / bare boto3 client", median(ours) / median(bare), "x", _TARGET, ratio_note),
        Figure(
            "cold start under the runtime / bare boto3 client",
            median(hosted) / median(bare),
            "x",
            _TARGET,
            f"{min(hosted) / min(bare):.2f} of the best of each; to the first request for an invocation, "
            f"{median(hosted) * 1000:.0f} ms, at best {min(hosted) * 1000:.0f}",
        ),
        Figure("peak memory of a cold start under the runtime", max(peaks), "MB", _TARGET_MB),
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


def _time_to_next(environ: Mapping[str, str]) -> tuple[float, float]:
    """Seconds until the process asks for its first invocation, and its peak memory in MB."""
    with socket.create_server((HOST, 0)) as runtime_api:
        runtime_api.settimeout(_STARTS_WITHIN_S)
        variables = {
            "_HANDLER": "handler.handler",
            "LAMBDA_TASK_ROOT": str(_FUNCTION),
            "AWS_LAMBDA_RUNTIME_API": f"{HOST}:{port_of(runtime_api)}",
        }
        began = time.perf_counter()
        process = subprocess.Popen(
            [str(STREAM_RUNTIME / EXEC_WRAPPER), sys.executable], cwd=_FUNCTION, env={**environ, **variables}
        )
        try:
            connection, _ = runtime_api.accept()
            with connection:
                asked = connection.recv(len(_NEXT), socket.MSG_WAITALL)
                took = time.perf_counter() - began
                peak_mb = _peak_mb(process.pid)
        finally:
            process.kill()
            process.wait()
    if asked != _NEXT:
        raise RuntimeError("the function could not be started under the runtime; its log is above")
    return took, peak_mb


def _peak_mb(pid: int) -> float:
    """What a process has had at most; where the system does not tell, what it has now, which is little less."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        peak_kb = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return peak_kb * 1024 / 1e6
    return float(psutil.Process(pid).memory_info().rss) / 1e6
