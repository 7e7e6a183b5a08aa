"""`make run`'s command: what it prints works, ports are said plainly, and Ctrl-C leaves nothing behind."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.e2e.asking import chat, chunks_of, http_client
from tests.e2e.run import (
    ROOT,
    STATE,
    Run,
    end,
    env_file,
    environ,
    eventually,
    family_of,
    free_port,
    interrupt,
    launch,
    running,
)


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl to paste the line for")
def test_printed_curl_line_works(run: Run) -> None:
    said = run.said.read_text()
    line = said[said.index("curl ") :]
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=environ(), timeout=20)

    assert done.returncode == 0, done.stderr
    text = "".join(choice["delta"]["content"] for chunk in chunks_of(done.stdout) for choice in chunk["choices"])
    assert text.startswith('You said: "Hello!".')


def test_output_names_what_is_needed(run: Run) -> None:
    said = run.said.read_text()

    for expected in (run.base_url, run.api_key, run.management_key, ".local/env", f".local/{run.port}"):
        assert expected in said


def test_env_file_is_for_the_user_alone(run: Run) -> None:
    assert env_file(run.port).stat().st_mode & 0o777 == 0o600


def test_second_run_works_beside_the_first(run: Run, tmp_path: Path) -> None:
    with running(tmp_path) as second:
        assert second.port != run.port
        for one, other in ((run, second), (second, run)):
            with http_client(one.base_url, one.api_key) as http:
                assert http.post("/chat/completions", json=chat()).status_code == 200
            with http_client(one.base_url, other.api_key) as http:
                assert http.post("/chat/completions", json=chat()).status_code == 401

    assert run.is_healthy()


def start_and_wait(port: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra.local"],
        cwd=ROOT,
        env=environ(PORT=port),
        capture_output=True,
        text=True,
        timeout=20,
    )


def test_used_port_is_said_plainly(run: Run) -> None:
    done = start_and_wait(str(run.port))

    assert done.returncode == 2
    assert f"Port {run.port} cannot be used" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert run.is_healthy()


@pytest.mark.parametrize("port", ["many", "-1", "65536", "8787.5"])
def test_wrong_port_is_said_plainly(port: str) -> None:
    done = start_and_wait(port)

    assert done.returncode == 2
    assert done.stderr == f"PORT={port} is not a port number.\n"


@contextmanager
def starting(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, Path]]:
    """A run half-way through its start: it has an emulator, and does not serve yet."""
    port, said = free_port(), folder / "said.txt"
    process = launch(port, said)
    try:
        eventually(lambda: "storage" in said.read_text())
        yield process, port, said
    finally:
        end(process)
        shutil.rmtree(STATE / str(port))


def test_ctrl_c_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    with starting(tmp_path) as (process, port, said):
        interrupt(process, said)

        assert "Traceback" not in said.read_text()
        assert not env_file(port).exists()


def test_killed_run_takes_the_emulator_along(tmp_path: Path) -> None:
    with starting(tmp_path) as (process, _, _):
        family = family_of(process)
        process.kill()

        assert family
        assert psutil.wait_procs(family, timeout=5)[1] == []


def test_open_stream_ends_before_the_server_does(tmp_path: Path) -> None:
    """A polite signal during an answer, which is given the time to end."""
    with running(tmp_path) as run, http_client(run.base_url, run.api_key) as http:
        body = chat("demo/slow", stream=True, max_tokens=5)
        with http.stream("POST", "/chat/completions", json=body) as response:
            run.process.terminate()
            text = response.read().decode()
        assert chunks_of(text)[-1]["usage"]["completion_tokens"] == 5
