"""The CDK app: `python -m infra.app` writes its templates, for the stage named in STAGE."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from infra.config import ConfigError, StageConfig, load_config
from infra.layer_zips import zipped_layers
from infra.stacks.acknowledged import acknowledge
from infra.stacks.api_stack import ApiStack
from infra.stacks.data_stack import DataStack
from infra.stacks.operations_stack import OperationsStack

ROOT = Path(__file__).resolve().parents[1]


def build_app(config: StageConfig, outdir: Path, layers: Mapping[str, Path]) -> cdk.App:
    """The app of one stage. Needs no network and no AWS account.

    `layers`: zip files by name.
    """
    # The emulator takes the roles of the CDK's bootstrap for strangers; there its root user deploys.
    synthesizer = cdk.CliCredentialsStackSynthesizer() if config.is_emulated else None
    app = cdk.App(outdir=str(outdir), analytics_reporting=False, default_stack_synthesizer=synthesizer)
    cdk.Tags.of(app).add("turnpike:stage", config.stage)
    home: DataStack | None = None
    for region in config.regions:
        env = cdk.Environment(region=region)
        data = DataStack(app, config.stack_name("data", region), config=config, region=region, env=env)
        if home is not None:
            # Which makes the replicas.
            data.add_stack_dependency(home)
        home = home or data
        api = ApiStack(app, config.stack_name("api", region), config=config, layers=layers, env=env)
        api.add_stack_dependency(data)
        operations = OperationsStack(app, config.stack_name("operations", region), config=config, env=env)
        operations.add_stack_dependency(api)
        for stack in (data, api, operations):
            acknowledge(stack, config)
    return app


def main() -> int:
    # CDK_OUTDIR: the CDK CLI runs this module too, and says where it looks for the templates.
    outdir = Path(os.environ.get("CDK_OUTDIR") or ROOT / ".build" / "cdk.out")
    stage = os.environ.get("STAGE", "prod")
    try:
        app = build_app(load_config(stage), outdir, zipped_layers(stage))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    # CDK_VALIDATION=false leaves out the CDK's own checks, too.
    if os.environ.get("CDK_VALIDATION") != "false":
        cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    try:
        app.synth()
    except RuntimeError as error:
        # What the checks have found stands above it.
        print(error, file=sys.stderr)
        return 1
    print(f"Synthesized into {outdir}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
