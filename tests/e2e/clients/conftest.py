"""What drives clients, and where make has put those that are programs of their own."""

import json
from pathlib import Path

import pytest

from tests.e2e.clients.headless import Client
from tests.e2e.clients.install import CLAUDE_CODE, CODEX
from tests.e2e.run import STATE
from tests.e2e.simulated import Simulated

_AGENTS = STATE / "agents"


@pytest.fixture
def client(sim: Simulated, tmp_path: Path) -> Client:
    return Client(sim, tmp_path)


@pytest.fixture(scope="session")
def claude() -> Path:
    return _installed(CLAUDE_CODE, "claude")


@pytest.fixture(scope="session")
def codex() -> Path:
    return _installed(CODEX, "codex")


def _installed(name: str, command: str) -> Path:
    """Only an agent of which the installation said why it is not there is skipped."""
    said = _AGENTS / "missing.json"
    assert said.exists(), "`make e2e` installs the agents, or says which it could not install"
    missing = json.loads(said.read_text())
    if name in missing:
        pytest.skip(f"{name} is not installed: {missing[name]}")
    return _AGENTS / "node_modules" / ".bin" / command
