"""Starts what `make run` starts, as a process of its own, and ends it as Ctrl-C does."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx2
import psutil

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".local"
HOST = "127.0.0.1"

MARK = f"mark{uuid.uuid4().hex}"
"""Part of every prompt, name and header that the tests make up: none of it may ever be in a log."""

_READY_WITHIN_S = 30.0
_END_WITHIN_S = 20.0
_POLL_S = 0.02
# The developer's own provider keys would add providers, and AWS settings could lead out of this machine.
_INHERITED = ("HOME", "LANG", "PATH", "SYSTEMROOT", "TEMP", "TMPDIR")

_Found = TypeVar("_Found")


def eventually(find: Callable[[], _Found], *, within_s: float = 10.0, every_s: float = _POLL_S) -> _Found:
    """What `find` returns as soon as it is true."""
    deadline_s = time.monotonic() + within_s
    while True:
        found = find()
        if found:
            return found
        assert time.monotonic() < deadline_s, f"{find} was not true within {within_s} s"
        time.sleep(every_s)


def environ(**variables: str) -> dict[str, str]:
    """What a process of ours gets to see."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    path = os.pathsep.join([str(ROOT / "layers" / "core" / "python"), str(ROOT)])
    return {**inherited, "PYTHONPATH": path, "NO_PROXY": HOST, "no_proxy": HOST, **variables}


def free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Run:
    """A local run that is up. `said` holds its output; keys and address are from its `.local/env-<port>`."""

    process: subprocess.Popen[bytes]
    port: int
    variables: Mapping[str, str]
    said: Path

    @property
    def base_url(self) -> str:
        return self.variables["OPENROUTER_BASE_URL"]

    @property
    def api_key(self) -> str:
        return self.variables["OPENROUTER_API_KEY"]

    @property
    def management_key(self) -> str:
        return self.variables["OPENROUTER_MANAGEMENT_KEY"]

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def state(self) -> Path:
        return STATE / str(self.port)

    def logs(self) -> list[Path]:
        return [self.state / "server.log", self.state / "emulator.log"]

    def is_healthy(self) -> bool:
        return httpx2.get(f"{self.address}/healthz", trust_env=False).json() == {"status": "ok"}


def launch(port: int | str, said: Path, **variables: str) -> subprocess.Popen[bytes]:
    """The command in a process group of its own, as a shell starts it."""
    with said.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "infra.local"],
            cwd=ROOT,
            env=environ(PORT=str(port), **variables),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


@contextmanager
def running(folder: Path, **variables: str) -> Iterator[Run]:
    """A run on a free port; its logs end up in `folder`. Ends it with Ctrl-C, and checks that all of it is gone."""
    port = free_port()
    said = folder / f"said-{port}.txt"
    process = launch(port, said, **variables)
    try:
        run = Run(process, port, wait_until_ready(process, port, said), said)
        assert run.is_healthy()
        yield run
        interrupt(process, said)
        assert not env_file(port).exists()
    finally:
        end(process)
        # A run that was killed leaves it behind.
        env_file(port).unlink(missing_ok=True)
        if (STATE / str(port)).exists():
            shutil.move(STATE / str(port), folder / f"state-{port}")


def env_file(port: int) -> Path:
    return STATE / f"env-{port}"


def wait_until_ready(process: subprocess.Popen[bytes], port: int, said: Path) -> Mapping[str, str]:
    """The variables that it tells shells; the file that holds them comes last."""

    def is_decided() -> bool:
        return env_file(port).exists() or process.poll() is not None

    eventually(is_decided, within_s=_READY_WITHIN_S)
    assert process.poll() is None, said.read_text()
    return dict(line.split("=", 1) for line in env_file(port).read_text().splitlines())


def interrupt(process: subprocess.Popen[bytes], said: Path) -> None:
    """Ctrl-C, as a terminal sends it: to the whole group. Then nothing that was started may be left."""
    family = family_of(process)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(_END_WITHIN_S) == 0, said.read_text()
    _, left = psutil.wait_procs(family, timeout=1)
    assert not left, left
    assert not [each for each in psutil.process_iter() if _group_of(each) == process.pid]


def family_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Its children and theirs, whatever group they are in."""
    return psutil.Process(process.pid).children(recursive=True)


def _group_of(process: psutil.Process) -> int | None:
    try:
        return os.getpgid(process.pid)
    except ProcessLookupError:
        return None


def end(process: subprocess.Popen[bytes]) -> None:
    """For when a test failed half-way; the emulator ends by itself once its parent is gone."""
    if process.poll() is None:
        process.kill()
        process.wait()
