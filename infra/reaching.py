"""The variables with which a command reaches a deployment's storage, or a local run's, as its functions do."""

import argparse
import os
from collections.abc import Mapping

from infra.config import load_config
from infra.local.env_file import DEFAULT_PORT, storage_file
from turnpike.settings import Settings

LOCAL = "local"


def variables_of(stage: str, port: int) -> Mapping[str, str]:
    """Raises OSError where there is no such local run, ConfigError for a stage that is not in `config.toml`.

    A deployment is reached with the environment's credentials.
    """
    if stage == LOCAL:
        try:
            lines = storage_file(port).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            raise OSError(f"There is no local run on port {port}; `make run PORT={port}` starts one") from None
        return dict(line.split("=", 1) for line in lines)
    config = load_config(stage)
    settings = Settings(
        stage=stage,
        ledger_table=f"turnpike-{stage}-ledger",
        keys_table=f"turnpike-{stage}-keys",
        catalog_table=f"turnpike-{stage}-catalog",
        usage_queue_url="",
        **config.settings,  # type: ignore[arg-type]  # The config has checked names and types.
    )
    return {**settings.environ(), "AWS_REGION": config.home_region, "AWS_DEFAULT_REGION": config.home_region}


def reach(variables: Mapping[str, str]) -> None:
    """Make them this process's own, which is where the AWS SDK looks."""
    if "AWS_ENDPOINT_URL" in variables:
        # A local run's credentials; a profile or a token of the user's would come before them.
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
    os.environ.update(variables)


def reached(description: str) -> argparse.ArgumentParser:
    """Of a command whose arguments say whose storage it is for."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("stage")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    return parser
