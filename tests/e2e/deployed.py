"""The CDK app's own templates, deployed onto the emulator by the commands that an operator runs."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from infra.cloud.storage import variables_of
from infra.config import load_config
from infra.layer_zips import zipped_layers
from infra.local.emulator import Emulator, emulator

from tests.e2e.deployment import PROVIDER_KEY, Deployment
from tests.e2e.run import ROOT, environ

STAGE = "local"
DEMO_CATALOG = ROOT / "infra" / "local" / "demo_catalog.toml"
_WITHIN_S = 240
_SECRET = re.compile(r"(operator|management|API) key +(sk-or-v1-\w+)")


@dataclass(frozen=True, slots=True)
class Deployed:
    """`said`: what the commands said, by name. `keys`: by kind. `base_url`: of its API Gateway."""

    aws: Emulator
    variables: Mapping[str, str]
    said: Mapping[str, str]
    keys: Mapping[str, str]
    base_url: str

    def client(self, service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.aws.endpoint_url,
            region_name=self.aws.region,
            aws_access_key_id=self.aws.access_key_id,
            aws_secret_access_key=self.aws.secret_access_key,
        )


@contextmanager
def deployed(folder: Path) -> Iterator[Deployed]:
    """With an account, and a provider that the deployment knows of as it would of any other."""
    # Here, where uv is told of the user's mirrors; the commands find them built.
    zipped_layers(STAGE)
    with emulator(folder / "emulator.log") as aws:
        variables = environ(
            **aws.environ(),
            # Not as a part of the host's name, which nobody here can resolve.
            AWS_ENDPOINT_URL_S3=aws.endpoint_url,
            # The templates are checked where they are tested.
            CDK_VALIDATION="false",
            # So that the CLI draws no progress.
            CI="true",
            DEMO_API_KEY=PROVIDER_KEY,
        )
        bare = Deployment(aws, variables, folder)
        with bare.serving("serve_provider") as (_, address):
            variables["DEMO_BASE_URL"] = f"{address}/v1"
            said = {"too early": run("deploy", variables, fails=True)}
            said |= {command: run(command, variables) for command in ("bootstrap", "deploy")}
            bare.call("store_overrides", str(DEMO_CATALOG), **variables_of(load_config(STAGE)))
            said |= {command: run(command, variables) for command in ("providers", "bootstrap-account")}
            keys = dict(_SECRET.findall(said["bootstrap-account"]))
            found = Deployed(aws, variables, said, keys, "")
            (api,) = found.client("apigateway").get_rest_apis()["items"]
            base_url = f"{aws.endpoint_url}/_aws/execute-api/{api['id']}/{STAGE}/api/v1"
            yield Deployed(aws, variables, said, keys, base_url)


def run(command: str, variables: Mapping[str, str], *, fails: bool = False) -> str:
    """What an operator's command says to the operator."""
    done = subprocess.run(
        [sys.executable, "-m", "infra.cloud", command, STAGE],
        cwd=ROOT,
        env=dict(variables),
        capture_output=True,
        text=True,
        timeout=_WITHIN_S,
    )
    assert bool(done.returncode) == fails, done.stdout + done.stderr
    return done.stderr if fails else done.stdout
