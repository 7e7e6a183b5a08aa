"""Runs the CDK CLI, which deploys what `infra.app` synthesizes."""

import os
import subprocess
import sys
from pathlib import Path

from infra.cloud.reach import Missing, Reach
from infra.config import StageConfig

ROOT = Path(__file__).resolve().parents[2]
CLI = ROOT / ".local" / "cdk" / "node_modules" / ".bin" / "cdk"
_OUTPUT = ROOT / ".build" / "cdk.out"


def bootstrap(config: StageConfig) -> str:
    """Prepare the account for the CDK, in each of the stage's regions. What to do next."""
    account = Reach(config, config.home_region).account
    _run(config, "bootstrap", *(f"aws://{account}/{region}" for region in config.regions))
    return f"Next: make deploy STAGE={config.stage}"


def diff(config: StageConfig) -> str:
    _require(config)
    _run(config, "diff", "--all")
    return f"Next, if that is what you want: make deploy STAGE={config.stage}"


def deploy(config: StageConfig) -> str:
    _require(config)
    home = Reach(config, config.home_region)
    is_new = home.stack("data") is None
    _run(config, "deploy", "--all", "--require-approval", "never")
    stage = config.stage
    said = [f"\nTurnpike is at {home.url}"]
    if is_new:
        said += [
            "Next:",
            f"  OPENAI_API_KEY=sk-… make providers STAGE={stage}    credentials of providers, as many as you have",
            f"  make bootstrap-account STAGE={stage}                the first account, and its keys",
        ]
        said += ["  and confirm the mail to " + config.alarm_email] if config.alarm_email else []
    else:
        said += [f"Next: make status STAGE={stage}"]
    return "\n".join(said)


def destroy(config: StageConfig, *, is_sure: bool) -> str:
    """Everything but the data."""
    _require(config)
    stacks = [config.stack_name(half, region) for region in config.regions for half in ("operations", "api")]
    _run(config, "destroy", *stacks, *(["--force"] if is_sure else []))
    return (
        "The functions, their API and their logs are gone. Tables, queues and secrets are still there, and cost what "
        "they hold: docs/deploy.md says how to delete them, too. "
        f"make deploy STAGE={config.stage} brings the rest back"
    )


def _require(config: StageConfig) -> None:
    """Raises Missing."""
    for region in config.regions:
        Reach(config, region).require_bootstrap()


def _run(config: StageConfig, command: str, *arguments: str) -> None:
    """Raises Missing when it fails; it has said why itself."""
    app = [] if command == "bootstrap" else ["--app", f"{sys.executable} -m infra.app", "--output", str(_OUTPUT)]
    told = ["--no-notices", "--no-version-reporting"]
    # Its own telemetry and news would be the only other network traffic.
    environ = os.environ | {"STAGE": config.stage, "CDK_DISABLE_CLI_TELEMETRY": "true"}
    done = subprocess.run([str(CLI), command, *arguments, *app, *told], cwd=ROOT, env=environ, check=False)
    if done.returncode:
        raise Missing(f"cdk {command} has failed; what it says above names the cause")
