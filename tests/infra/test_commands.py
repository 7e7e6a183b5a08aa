"""The commands that reach a deployment say in plain words what is missing, before anything is done."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.cloud.providers import _reachable
from infra.layers import ROOT


def run(*arguments: str, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """On a machine where nobody is signed in."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(
        [sys.executable, "-m", "infra.cloud", *arguments],
        cwd=ROOT,
        # Else whoever runs on EC2 is asked for, over the network.
        env={**kept, "HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


COMMANDS = ("bootstrap", "diff", "deploy", "destroy", "bootstrap-account", "providers", "status")


@pytest.mark.parametrize("command", COMMANDS)
def test_without_credentials_it_says_how_to_sign_in(tmp_path: Path, command: str) -> None:
    done = run(command, "prod", home=tmp_path)
    assert done.returncode == 1
    assert "no AWS credentials" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_profile_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = run("status", "prod", home=tmp_path, AWS_PROFILE="nobodys")
    assert done.returncode == 1
    assert "nobodys" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_stage_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = run("deploy", "nope", home=tmp_path)
    assert done.returncode == 1
    assert "[stages.nope]" in done.stderr


def test_what_a_local_run_left_in_the_shell_is_not_written() -> None:
    found = {
        "OPENROUTER_API_KEY": "local",
        "OPENROUTER_BASE_URL": "http://127.0.0.1:8787/api/v1",
        "OPENAI_API_KEY": "sk",
        "AZURE_BASE_URL": "https://example.openai.azure.com/openai/v1",
    }
    assert set(_reachable(found)) == {"OPENAI_API_KEY", "AZURE_BASE_URL"}
