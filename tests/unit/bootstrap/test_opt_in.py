"""What few requests use is loaded by the first of them, and not at the start."""

import os
import subprocess
import sys

import pytest

_PROGRAM = """
import sys
from turnpike.bootstrap.opt_in import count_free_requests, find_answers
from turnpike.bootstrap.resources import resources
import turnpike.services.free_pass
parts = resources()
count_free_requests(parts), find_answers(parts, "cache")
print(*sys.modules)
"""


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "TURNPIKE_LEDGER_TABLE": "ledger",
        "TURNPIKE_KEYS_TABLE": "keys",
        "TURNPIKE_USAGE_QUEUE_URL": "http://127.0.0.1:9/queue",
    }
    printed = subprocess.run([sys.executable, "-c", _PROGRAM], env=environ, capture_output=True, check=True, text=True)
    return set(printed.stdout.split())


@pytest.mark.parametrize(
    "module",
    [
        "turnpike.domain.free_quota",
        "turnpike.domain.response_cache",
        "turnpike.services.free_quota",
        "turnpike.services.response_cache",
        "turnpike.storage.free_quota",
        "turnpike.storage.response_cache",
    ],
)
def test_it_is_not_loaded_before(loaded: set[str], module: str) -> None:
    assert module not in loaded
