"""The locks: every package pinned and hashed, from wherever this machine takes packages."""

import re

import pytest

from infra.layers import ROOT

SHIPPED, TESTED, EMULATOR = "layers/deps/requirements.txt", "tests/requirements.txt", "infra/local/requirements.txt"


def packages_in(lock: str) -> list[str]:
    """Each package's lines: its pin, its hashes, and who needs it."""
    return re.split(r"\n(?=[^\s#])", (ROOT / lock).read_text())[1:]


def pins_of(lock: str) -> set[str]:
    return {package.split()[0] for package in packages_in(lock)}


@pytest.mark.parametrize("lock", [SHIPPED, TESTED, EMULATOR])
def test_every_package_is_pinned_and_hashed(lock: str) -> None:
    assert packages_in(lock)
    for package in packages_in(lock):
        assert re.match(r"[\w.\[\],-]+==[\w.]+ ", package)
        assert "--hash=sha256:" in package


@pytest.mark.parametrize("lock", [SHIPPED, TESTED, EMULATOR])
def test_no_address_is_in_it(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert not re.search(r"^(?!    --hash=)\s*-", text, re.MULTILINE)


def test_tests_run_on_the_versions_that_ship() -> None:
    assert pins_of(SHIPPED) <= pins_of(TESTED)
