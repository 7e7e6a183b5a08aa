"""The CDK app: `python -m infra.app` writes its templates, for the stage named in STAGE."""

import os
from pathlib import Path

import aws_cdk as cdk

from infra.stacks.data_stack import DataStack

ROOT = Path(__file__).resolve().parents[1]


def build_app(stage: str, outdir: Path) -> cdk.App:
    """The app of one stage. Needs no network and no AWS account."""
    app = cdk.App(outdir=str(outdir), analytics_reporting=False)
    DataStack(app, f"turnpike-{stage}-data", stage=stage)
    return app


def main() -> None:
    # CDK_OUTDIR: the CDK CLI runs this module too, and says where it looks for the templates.
    outdir = Path(os.environ.get("CDK_OUTDIR") or ROOT / ".build" / "cdk.out")
    build_app(os.environ.get("STAGE", "prod"), outdir).synth()
    print(f"Synthesized into {outdir}")


if __name__ == "__main__":
    main()
