"""The embedded AWS of the local run and of the tests: ministack on loopback, with credentials of its own."""

import http.client
import os
import secrets
import shutil
import signal
import socket
import string
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_PYTHON = ROOT / ".local" / "emulator" / "bin" / "python"
_GUARD = Path(__file__).with_name("emulator_guard.py")
_HOST = "127.0.0.1"
_HEALTH = "/_ministack/health"
_READY_WITHIN_S = 30.0
_POLL_S = 0.02
_STOP_WITHIN_S = 5.0


class EmulatorError(Exception):
    """The emulator cannot be started; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running emulator. Its credentials are the account's root, and good for this run only."""

    port: int
    pid: int
    access_key_id: str
    secret_access_key: str
    region: str = "us-east-1"

    @property
    def endpoint_url(self) -> str:
        return f"http://{_HOST}:{self.port}"

    def environ(self) -> dict[str, str]:
        """The variables with which the AWS SDKs and the CDK CLI reach it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
        }

    def reset(self) -> None:
        """Forget everything that was created; tests call it between modules."""
        signed = {"authorization": f"AWS4-HMAC-SHA256 Credential={self.access_key_id}/"}
        status = _request(self.port, "POST", "/_ministack/reset", signed)
        if status != 200:
            raise EmulatorError(f"the emulator answered {status} to a reset")


@contextmanager
def emulator(log_path: Path) -> Iterator[Emulator]:
    """Start the emulator, and end it on leaving. Its output goes to `log_path`, its files beside it."""
    if not _PYTHON.exists():
        raise EmulatorError(f"no emulator in {_PYTHON.parents[1]}; `make run` and `make test` install it")
    log_path.parent.mkdir(parents=True, exist_ok=True)
    scratch = log_path.with_suffix(".files")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    port, key_id, secret = _free_port(), _random_key_id(), secrets.token_urlsafe(30)
    process = _start(log_path, _environ(port, key_id, secret, scratch))
    try:
        _wait_until_ready(process, port, log_path)
        yield Emulator(port, process.pid, key_id, secret)
    finally:
        _stop(process)
        shutil.rmtree(scratch, ignore_errors=True)


def _environ(port: int, key_id: str, secret: str, scratch: Path) -> dict[str, str]:
    """Nothing of ours but a whitelist: the emulator hands its environment on to the functions it runs."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return kept | {
        # Its own folder instead of the user's: functions must not find ~/.aws, and two runs share no files.
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "S3_DATA_DIR": str(scratch / "s3"),
        "STATE_DIR": str(scratch / "state"),
        "BIND_HOST": _HOST,
        "GATEWAY_PORT": str(port),
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": key_id,
        "AWS_SECRET_ACCESS_KEY": secret,
    }


def _start(log_path: Path, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with log_path.open("wb") as log:
        return subprocess.Popen(
            # Isolated (-I): neither the guard's neighbours nor the user's packages shadow ministack's.
            [str(_PYTHON), "-I", str(_GUARD)],
            env=dict(environ),
            # Nothing is ever written to this pipe: its end tells the emulator that we are gone, however.
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            # A group of its own: Ctrl-C in the terminal is for us, and we can end its workers along with it.
            start_new_session=True,
        )


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log_path: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline:
        with suppress(OSError, http.client.HTTPException):
            if _request(port, "GET", _HEALTH, {}) == 200:
                return
        with suppress(subprocess.TimeoutExpired):
            status = process.wait(_POLL_S)
            raise EmulatorError(f"the emulator ended with status {status} while starting; see {log_path}")
    raise EmulatorError(f"the emulator was not ready within {_READY_WITHIN_S:.0f} s; see {log_path}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_WITHIN_S)
    # Whatever is left of its group: the emulator itself when it hangs, workers that outlived it.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin:
        process.stdin.close()


def _request(port: int, method: str, path: str, headers: Mapping[str, str]) -> int:
    """The status of a request on loopback; unlike urllib, not sent through the user's proxy."""
    connection = http.client.HTTPConnection(_HOST, port, timeout=_STOP_WITHIN_S)
    try:
        connection.request(method, path, headers=dict(headers))
        return connection.getresponse().status
    finally:
        connection.close()


def _free_port() -> int:
    with socket.create_server((_HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _random_key_id() -> str:
    # Shaped like an access key, and never twelve digits, which ministack would take for an account.
    return "AKIA" + "".join(secrets.choice(string.ascii_uppercase) for _ in range(16))
