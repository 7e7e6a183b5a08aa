"""What becomes of the agents' tests where a registry does not deliver the agents."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.run import HOST, ROOT, environ, free_port

LOCKED = ("package.json", "package-lock.json", ".npmrc")


def npm_variables(folder: Path) -> dict[str, str]:
    """A registry that is not there, and nothing kept from one that was."""
    return environ(
        npm_config_registry=f"http://{HOST}:{free_port()}",
        npm_config_cache=str(folder / "cache"),
        npm_config_fetch_retries="0",
    )


def install(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.e2e.clients.install", str(folder)],
        cwd=ROOT,
        env=npm_variables(folder),
        capture_output=True,
        text=True,
    )


def missing(folder: Path) -> Any:
    return json.loads((folder / "missing.json").read_text())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in LOCKED:
        shutil.copy(Path(__file__).with_name(name), tmp_path)
    return tmp_path


def test_a_registry_that_cannot_be_reached_is_the_reason_of_both(folder: Path) -> None:
    (folder / ".stamp").touch()
    done = install(folder)
    assert done.returncode == 0, done.stderr
    assert set(missing(folder)) == {"Claude Code", "Codex"}
    for name, why in missing(folder).items():
        assert why.startswith("the registry did not deliver it (ECONNREFUSED: ")
        assert f"{name} is not installed, and its tests will be skipped: {why}" in done.stdout
    assert not (folder / ".stamp").exists()


def test_a_lock_that_is_at_fault_is_no_reason_to_skip(folder: Path) -> None:
    (folder / "package-lock.json").unlink()
    (folder / "missing.json").write_text('{"Codex": "an earlier reason"}')
    done = install(folder)
    assert done.returncode == 1
    assert "EUSAGE" in done.stderr
    assert not (folder / "missing.json").exists()
    assert not (folder / ".stamp").exists()


@pytest.mark.parametrize("program", ["@openai/codex-linux-x64", ""])
def test_a_program_that_npm_left_out_is_missing(folder: Path, program: str) -> None:
    """Which npm does without a word. These packages stand for the real ones, and need no registry."""
    agents = ["@anthropic-ai/claude-code", "@anthropic-ai/claude-code-linux-x64", "@openai/codex"]
    for name in filter(None, [*agents, program]):
        package = folder / "packages" / name
        package.mkdir(parents=True)
        (package / "package.json").write_text(json.dumps({"name": name, "version": "1.0.0"}))
    given = {name: f"file:packages/{name}" for name in filter(None, [*agents, program])}
    (folder / "package.json").write_text(json.dumps({"private": True, "dependencies": given}))
    (folder / "package-lock.json").unlink()
    lock = ["npm", "install", "--package-lock-only", "--offline", "--silent"]
    subprocess.run(lock, cwd=folder, env=npm_variables(folder), check=True, capture_output=True)
    done = install(folder)
    assert done.returncode == 0, done.stderr
    assert set(missing(folder)) == (set() if program else {"Codex"})
    assert (folder / ".stamp").exists() == bool(program)
