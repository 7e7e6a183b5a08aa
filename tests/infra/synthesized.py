"""Templates of the app, as tests look at them."""

import os
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Before the CDK is loaded: its own checks take ten seconds each time, and test_checks.py runs them.
os.environ["CDK_VALIDATION"] = "false"

import aws_cdk as cdk
from aws_cdk.assertions import Template

from infra.app import build_app
from infra.config import FUNCTIONS, StageConfig, parse_config

STAGE = "test"
DEFAULTS: Mapping[str, Any] = {
    "regions": ["eu-central-1"],
    "log_retention_days": 30,
    "throttle_rate_rps": 200,
    "throttle_burst": 400,
    "memory_mb": dict.fromkeys(FUNCTIONS, 512),
    "metering_concurrency": 10,
    "canary": True,
    "provider_spend_usd_per_hour": 50,
    "waf_requests_per_5_minutes": 10_000,
}
CERTIFICATES = {region: f"arn:aws:acm:{region}:1:certificate/c" for region in ("eu-central-1", "us-east-1")}
DOMAIN = {
    "name": "api.example.com",
    "hosted_zone_id": "Z1",
    "hosted_zone_name": "example.com",
    "certificate_arns": CERTIFICATES,
}
EVERYTHING: Mapping[str, Any] = {
    "regions": ["eu-central-1", "us-east-1"],
    "alarm_email": "operator@example.com",
    "budget_usd_per_month": 100,
    "waf": True,
    "byok": True,
    "payments": True,
    "bedrock": True,
    "batches": True,
    "domain": DOMAIN,
}
"""What a stage may have besides, all of it."""


def config_of(**changed: Any) -> StageConfig:
    return parse_config(STAGE, {"defaults": DEFAULTS, "stages": {STAGE: changed}})


@dataclass(frozen=True)
class Synthesized:
    app: cdk.App

    def stack(self, name: str) -> cdk.Stack:
        found = self.app.node.find_child(f"turnpike-{STAGE}-{name}")
        assert isinstance(found, cdk.Stack)
        return found

    def template(self, name: str) -> Template:
        return Template.from_stack(self.stack(name))

    def resources(self, name: str, kind: str) -> Mapping[str, Any]:
        """By logical id, whole."""
        found: Mapping[str, Any] = self.template(name).find_resources(kind)
        return found

    def properties(self, name: str, kind: str) -> list[Mapping[str, Any]]:
        return [each.get("Properties", {}) for each in self.resources(name, kind).values()]

    def templates(self) -> Iterator[Path]:
        yield from sorted(Path(self.app.synth().directory).glob("*.template.json"))


def synthesize(folder: Path, **changed: Any) -> Synthesized:
    """With layers that hold nothing: templates know no more of them than a hash."""
    layers = {}
    for name in ("core", "deps", "stream_runtime"):
        layers[name] = folder / f"{name}.zip"
        with zipfile.ZipFile(layers[name], "w") as zipped:
            zipped.writestr(zipfile.ZipInfo("python/empty.py"), "")
    return Synthesized(build_app(config_of(**changed), folder / "cdk.out", layers))
