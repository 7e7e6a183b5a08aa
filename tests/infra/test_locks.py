"""The locks: every package pinned and hashed, from wherever this machine takes packages."""

import json
import re
from pathlib import Path

import pytest

from infra.layers import ROOT

SHIPPED, TESTED, EMULATOR = "layers/deps/requirements.txt", "tests/requirements.txt", "infra/local/requirements.txt"
CLIENTS = "tests/e2e/clients/requirements.txt"
LOCKS = [SHIPPED, TESTED, EMULATOR, CLIENTS]
NODE_LOCKS = sorted(ROOT.glob("infra/*/package-lock.json")) + sorted(ROOT.glob("tests/**/package-lock.json"))


def packages_in(lock: str) -> list[str]:
    """Each package's lines: its pin, its hashes, and who needs it."""
    return re.split(r"\n(?=[^\s#])", (ROOT / lock).read_text())[1:]


def pins_of(lock: str) -> set[str]:
    return {package.split()[0] for package in packages_in(lock)}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_and_hashed(lock: str) -> None:
    assert packages_in(lock)
    for package in packages_in(lock):
        assert re.match(r"[\w.\[\],-]+==[\w.]+ ", package)
        assert "--hash=sha256:" in package


@pytest.mark.parametrize("lock", LOCKS)
def test_no_address_is_in_it(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert not re.search(r"^(?!    --hash=)\s*-", text, re.MULTILINE)


def test_tests_run_on_the_versions_that_ship() -> None:
    assert pins_of(SHIPPED) <= pins_of(TESTED)


@pytest.mark.parametrize("lock", NODE_LOCKS, ids=lambda path: path.parent.name)
def test_packages_of_node_are_hashed_and_have_no_address(lock: Path) -> None:
    packages = json.loads(lock.read_text())["packages"]
    del packages[""]
    assert packages
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name
