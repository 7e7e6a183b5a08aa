"""What the bench runs: emulator, provider and router on loopback, each in a process of its own."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from infra.catalog import compile_packages, write_artefact
from infra.local.emulator import ROOT, emulator
from infra.local.provision import provision
from infra.local.serving import HOST, listen, port_of
from turnpike.settings import Settings

from tests.bench.loader import Server

STATE = ROOT / ".build" / "bench"
CATALOG = Path(__file__).with_name("catalog.toml")
_ACCOUNT = "acct-bench"
_CREDIT_USD = "1000"
_STAGE = "bench"
_CHAT = "/chat/completions"
_READY_WITHIN_S = 30.0
_STOP_WITHIN_S = 10.0
_POLL_S = 0.02


class CompositionError(Exception):
    """A process did not start; the message names its log."""


@dataclass(frozen=True, slots=True)
class World:
    provider: Server
    router: Server
    router_process: psutil.Process
    settings: Settings
    environ: Mapping[str, str]
    """With which a function runs here."""
    account_id: str


@contextmanager
def composed(profile: Path | None = None) -> Iterator[World]:
    """Start everything, and end it on leaving. `profile`: where the router writes its profile then."""
    with ExitStack() as stack:
        aws = stack.enter_context(emulator(STATE / "emulator.log"))
        provider = Server("provider", _free_port(), f"/v1{_CHAT}", secrets.token_urlsafe(16))
        _set_environ(aws.environ() | _provider_environ(provider))
        settings = _settings()
        os.environ |= settings.environ()
        stack.enter_context(
            _process(
                "provider",
                ["infra.local.demo_provider", "--port", str(provider.port), "--api-key", provider.api_key],
                provider.port,
            )
        )
        router = Server("router", _free_port(), f"/api/v1{_CHAT}", _seed())
        profiling = [] if profile is None else ["--profile", str(profile)]
        process = stack.enter_context(
            _process("router", ["tests.bench.router", "--port", str(router.port), *profiling], router.port)
        )
        yield World(provider, router, psutil.Process(process.pid), settings, dict(os.environ), _ACCOUNT)


def _set_environ(variables: Mapping[str, str]) -> None:
    """Leave nothing of the user's own AWS account in the environment, nor a proxy between us and ourselves."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "TURNPIKE_"))]:
        del os.environ[name]
    path = os.pathsep.join([str(ROOT / "layers" / "core" / "python"), str(ROOT)])
    os.environ |= {
        **variables,
        "PYTHONPATH": path,
        "NO_PROXY": HOST,
        "no_proxy": HOST,
        # Powertools prints metrics to standard output, for CloudWatch to read.
        "POWERTOOLS_METRICS_DISABLED": "true",
    }


def _provider_environ(provider: Server) -> dict[str, str]:
    return {"DEMO_API_KEY": provider.api_key, "DEMO_BASE_URL": f"http://{HOST}:{provider.port}/v1"}


def _settings() -> Settings:
    resources = provision(_STAGE)
    return Settings(
        ledger_table=resources.tables["ledger"],
        keys_table=resources.tables["keys"],
        cache_table=resources.tables["cache"],
        health_table=resources.tables["health"],
        usage_queue_url=resources.usage_queue_url,
        stage=_STAGE,
        catalog_table=resources.tables["catalog"],
        catalog_artefact=str(_compiled_catalog()),
        catalog_refresh_s=0,
        # Each request holds for itself, as that of a key does which is not busy; `writes` counts what leases save.
        lease_s=0,
        log_file=str(STATE / "router.log"),
    )


def _compiled_catalog() -> Path:
    """With the bench's own models in it, as a deployment has them that needs no further files."""
    path = STATE / "catalog.json.gz"
    write_artefact(path, compile_packages(datetime.now(UTC).date(), [CATALOG]))
    return path


def _seed() -> str:
    """An account with more credit than the bench can hold; returns its API key."""
    # Imported only now: the logger behind it reads the environment.
    from turnpike.bootstrap.seed import seed_account

    return seed_account(os.environ, account_id=_ACCOUNT, credit_usd=_CREDIT_USD).api_key


@contextmanager
def _process(name: str, command: Sequence[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a module, from when it listens on `port` until it is told to end."""
    log_path = STATE / f"{name}.out"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        _wait_until_listening(process, port, log_path)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, log_path: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError):
            _connect(port)
            return
        time.sleep(_POLL_S)
    raise CompositionError(f"a process did not start; see {log_path}")


def _connect(port: int) -> None:
    socket.create_connection((HOST, port), timeout=1).close()


def _free_port() -> int:
    with listen() as probe:
        return port_of(probe)
