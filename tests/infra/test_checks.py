"""The templates pass the checks that AWS's own tools make of them, and are the same each time."""

import os
import subprocess
import sys
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3
from cdk_nag import AwsSolutionsChecks

from infra.layers import ROOT

from tests.infra.synthesized import EVERYTHING, Synthesized, synthesize

_IGNORED = {
    "W3005": "the CDK says of each function that it depends on its role, which its reference says too",
}


def lint(templates: list[Path]) -> str:
    cfn_lint = Path(sys.executable).with_name("cfn-lint")
    command = [str(cfn_lint), "--ignore-checks", *_IGNORED, "--", *map(str, templates)]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False).stdout


def test_two_builds_are_the_same(plain: Synthesized, tmp_path: Path) -> None:
    first = {path.name: path.read_bytes() for path in plain.templates()}
    second = {path.name: path.read_bytes() for path in synthesize(tmp_path).templates()}
    assert len(first) == 3
    assert first == second


@pytest.mark.parametrize("changed", [{}, EVERYTHING], ids=["plain", "full"])
def test_cdk_nag_finds_nothing_that_is_not_acknowledged(tmp_path: Path, changed: dict[str, object]) -> None:
    app = synthesize(tmp_path, **changed).app
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    app.synth()


def test_cdk_nag_would_find_something(tmp_path: Path) -> None:
    app = cdk.App(outdir=str(tmp_path), analytics_reporting=False)
    s3.Bucket(cdk.Stack(app, "stack"), "Open")
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    with pytest.raises(RuntimeError, match="AwsSolutions-S10"):
        app.synth()


def test_cfn_lint_finds_nothing(plain: Synthesized, full: Synthesized) -> None:
    assert lint([*plain.templates(), *full.templates()]) == ""


def test_cfn_lint_would_find_something(tmp_path: Path) -> None:
    template = tmp_path / "wrong.template.json"
    template.write_text('{"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"Name": "x"}}}}')
    assert "E3002" in lint([template])


@pytest.mark.timeout(300)  # The layers are built, where they are not yet.
def test_what_ships_with_it_is_synthesized_by_the_command(tmp_path: Path) -> None:
    """With the layers as they are deployed, and the CDK's own checks."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))}
    done = subprocess.run(
        [sys.executable, "-m", "infra.app"],
        cwd=ROOT,
        env={**kept, "STAGE": "prod", "CDK_OUTDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.name for path in tmp_path.glob("*.template.json")} == {
        f"turnpike-prod-{half}.template.json" for half in ("api", "data", "operations")
    }
