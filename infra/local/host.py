"""`make run`: the embedded AWS, the demo provider and every function, composed into one local server."""

import importlib
import logging
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from socket import socket
from types import FrameType
from urllib.parse import urlsplit

from infra.catalog import built_catalog
from infra.local.console import announce, complain, say
from infra.local.demo_provider import DemoProvider
from infra.local.dispatch import App, Dispatch
from infra.local.emulator import EmulatorError, emulator
from infra.local.env_file import DEFAULT_PORT, STATE, env_files, storage_file, write_private
from infra.local.invoke import load_batches, load_function
from infra.local.poller import poll_queue
from infra.local.provision import provision
from infra.local.schedule import run_upkeep
from infra.local.seed import CREDIT_USD, seed
from infra.local.serving import HOST, listen, port_of, serving
from infra.routes import BASE_PATHS, ROUTES
from turnpike.domain.catalog_tables import CatalogFileError
from turnpike.settings import Settings

_STAGE = "local"
_FAILED, _PORT_TAKEN = 1, 2
_BATCHES_END_WITHIN_S = 3.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _catalog_files() -> str:
    """The demo's, and after it whatever the operator names, which may amend both."""
    demo = str(Path(__file__).with_name("demo_catalog.toml"))
    return os.pathsep.join(filter(None, (demo, os.environ.get("TURNPIKE_CATALOG_OVERRIDES"))))


class _Stop:
    """Waits for a signal, or for the end of the server. Start-up, which takes two seconds, is not interrupted: an
    exception out of a signal handler can fall between the start of a thread and the line that would end it again.
    """

    def __init__(self) -> None:
        self.signalled = False
        # Not an Event: a handler that interrupts its wait, which holds its lock for a moment, would never return.
        self._reasons = SimpleQueue[None]()

    def listen(self) -> None:
        for number in _SIGNALS:
            # `nohup make run` outlives its terminal. Ctrl-C is for us even in a script, where a job ignores it.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_signal)

    def wait(self) -> None:
        self._reasons.get()

    def set(self) -> None:
        self._reasons.put(None)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # Once: a second Ctrl-C must not cut short the cleaning up, which takes a few seconds at most.
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        self.signalled = True
        self.set()


def main() -> int:
    """Run until stopped; the exit code is 0 for a clean stop, 2 when the port cannot be had."""
    wanted = os.environ.get("PORT") or str(DEFAULT_PORT)
    try:
        sock = listen(int(wanted))
    except (ValueError, OverflowError):
        complain(f"PORT={wanted} is not a port number.")
        return _PORT_TAKEN
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        complain(f"Port {wanted} cannot be used: {reason}. Choose another one: make run PORT=<number>")
        return _PORT_TAKEN
    stop = _Stop()
    stop.listen()
    try:
        run(sock, stop)
    except (EmulatorError, CatalogFileError) as error:
        complain(str(error))
        return _FAILED
    if stop.signalled:
        say("stopped")
        return 0
    complain("The server ended by itself; its log may say why.")
    return _FAILED


def run(sock: socket, stop: _Stop) -> None:
    """Start everything, serve on `sock` until `stop` is set, and end everything on the way out.

    `stop` is also set when the server ends by itself.
    """
    port, started_s = port_of(sock), time.monotonic()
    state = STATE / str(port)
    _prepare_logs(state)
    with ExitStack() as stack:
        stack.callback(sock.close)
        aws = stack.enter_context(emulator(state / "emulator.log"))
        _set_aws(aws.environ())
        _forget_other_runs()
        say("AWS", f"emulated at {aws.endpoint_url}")
        resources = provision(_STAGE)
        say(
            "storage",
            f"{', '.join(resources.tables.values())}; {resources.usage_queue_url.rpartition('/')[2]}; "
            f"{resources.exports_bucket}, {resources.batches_bucket}",
        )
        demo_url = stack.enter_context(_demo_provider())
        say("provider", f"Demo at {demo_url}")
        settings = Settings(
            ledger_table=resources.tables["ledger"],
            keys_table=resources.tables["keys"],
            byok_table=resources.tables["byok"],
            byok_kms_key=resources.byok_kms_key,
            presets_table=resources.tables["presets"],
            cache_table=resources.tables["cache"],
            health_table=resources.tables["health"],
            usage_queue_url=resources.usage_queue_url,
            exports_bucket=resources.exports_bucket,
            batches_table=resources.tables["batches"],
            batches_bucket=resources.batches_bucket,
            batches_queue_url=resources.batches_queue_url,
            stage=_STAGE,
            catalog_table=resources.tables["catalog"],
            catalog_artefact=str(built_catalog()),
            catalog_overrides=_catalog_files(),
            # This machine may be without a network; whoever has one can say so.
            catalog_refresh_s=int(os.environ.get("TURNPIKE_CATALOG_REFRESH_S") or 0),
            public_url=f"http://{HOST}:{port}",
            log_file=str(state / "server.log"),
        )
        _set_settings(settings)
        stack.enter_context(_storage_file(port, {**aws.environ(), **settings.environ()}))
        seeded = seed()
        say("account", f"{seeded.account_id}, with ${CREDIT_USD}")
        apps = _start_functions(stack, settings)
        base_url = settings.public_url + BASE_PATHS[0]
        variables = {
            "OPENROUTER_BASE_URL": base_url,
            "OPENROUTER_API_KEY": seeded.api_key,
            "OPENROUTER_MANAGEMENT_KEY": seeded.management_key,
        }
        # Before the server, so that who finds it healthy finds the file too.
        env_path = stack.enter_context(env_files(STATE, port, variables))
        stack.enter_context(serving(Dispatch(apps), sock, on_end=stop.set))
        announce(base_url, seeded, env_path, state, time.monotonic() - started_s)
        stop.wait()


def _start_functions(stack: ExitStack, settings: Settings) -> Mapping[str, App]:
    """Run the functions that are not called over HTTP; returns the apps of the others, by name."""
    # By name and only now: what these modules import reads the environment.
    apps = {name: importlib.import_module(f"turnpike.bootstrap.{name}").app() for name in ROUTES}
    metering, upkeep = load_function("metering", _STAGE), load_function("upkeep", _STAGE)
    stack.enter_context(_thread("metering", partial(poll_queue, settings.usage_queue_url, metering)))
    # A provider may take its time to answer, and nobody is to wait for that with Ctrl-C.
    poll_batches = partial(poll_queue, settings.batches_queue_url, load_batches(_STAGE), batch=1)
    stack.enter_context(_thread("batches", poll_batches, ends_within_s=_BATCHES_END_WITHIN_S))
    stack.enter_context(_thread("upkeep", partial(run_upkeep, _STAGE, upkeep)))
    say("functions", ", ".join([*apps, "metering", "batches", "upkeep"]))
    parts = importlib.import_module("turnpike.bootstrap.resources").resources()
    served, known = len(list(parts.catalog.models)), len(parts.catalog_parts.packaged["models"])
    say("models", f"{served} of {', '.join(provider.name for provider in parts.catalog.providers)}")
    say("catalog", f"{known} models of {len(parts.catalog_parts.packaged['providers'])} providers, by their keys")
    return apps


@contextmanager
def _thread(
    name: str, work: Callable[[threading.Event], None], *, ends_within_s: float | None = None
) -> Iterator[None]:
    """What takes longer to end than that is left behind, and goes down with the process."""
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,), name=name, daemon=ends_within_s is not None)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(ends_within_s)


@contextmanager
def _storage_file(port: int, variables: Mapping[str, str]) -> Iterator[None]:
    """For commands that reach this run's storage as they would a deployment's."""
    path = storage_file(port)
    write_private(path, "".join(f"{name}={value}\n" for name, value in variables.items()))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _demo_provider() -> Iterator[str]:
    """Serve it under both its provider slugs, with a key of this run; gives its address."""
    sock, api_key = listen(), secrets.token_urlsafe(16)
    url = f"http://{HOST}:{port_of(sock)}/v1"
    for slug in ("DEMO", "DEMO_BROKEN"):
        os.environ |= {f"{slug}_API_KEY": api_key, f"{slug}_BASE_URL": url}
    with serving(DemoProvider(api_key), sock):
        yield url


def _set_aws(variables: Mapping[str, str]) -> None:
    """Leave nothing of the user's own AWS account in the environment: no profile, token or endpoint."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= variables
    # Neither the emulator nor the demo provider is to be reached through the user's proxy.
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), HOST)))


def _forget_other_runs() -> None:
    """Drop the variables of another local run: OpenRouter is a provider too, and would be looked for there."""
    host = urlsplit(os.environ.get("OPENROUTER_BASE_URL", "")).hostname
    if host in (HOST, "localhost"):
        for name in ("OPENROUTER_API_KEY", "OPENROUTER_BASE_URL"):
            os.environ.pop(name, None)


def _set_settings(settings: Settings) -> None:
    """What this run does not decide keeps the value that the caller's environment has for it."""
    defaults = Settings(ledger_table="", keys_table="", usage_queue_url="").environ()
    for name, value in settings.environ().items():
        if value != defaults[name]:
            os.environ[name] = value
        else:
            os.environ.setdefault(name, value)
    # Powertools prints metrics to standard output, for CloudWatch to read.
    os.environ["POWERTOOLS_METRICS_DISABLED"] = "true"


def _prepare_logs(state: Path) -> None:
    state.mkdir(parents=True, exist_ok=True)
    log = state / "server.log"
    log.write_bytes(b"")
    logging.basicConfig(filename=log, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
