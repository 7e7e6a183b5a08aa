"""`python -m infra.cloud <command> <stage>`; the Makefile has a target for each."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping

from botocore.exceptions import BotoCoreError, ClientError

from infra.cloud import cdk, first_account, providers, status
from infra.cloud.reach import Missing
from infra.config import ConfigError, StageConfig, load_config
from turnpike.domain.errors import TurnpikeError

Command = Callable[[StageConfig], str]


def commands(environ: Mapping[str, str]) -> Mapping[str, Command]:
    """By name; each returns what to say when it is done."""

    def create_account(config: StageConfig) -> str:
        return first_account.create(config, credit_usd=environ.get("CREDIT") or "10", again=bool(environ.get("AGAIN")))

    def destroy(config: StageConfig) -> str:
        return cdk.destroy(config, is_sure=bool(environ.get("YES")))

    return {
        "bootstrap": cdk.bootstrap,
        "diff": cdk.diff,
        "deploy": cdk.deploy,
        "destroy": destroy,
        "bootstrap-account": create_account,
        "providers": lambda config: providers.put(config, environ),
        "status": status.tell,
    }


def main(arguments: list[str] | None = None) -> int:
    known = commands(dict(os.environ))
    parser = argparse.ArgumentParser(prog="infra.cloud", description="Commands that reach a deployment")
    parser.add_argument("command", choices=known)
    parser.add_argument("stage")
    options = parser.parse_args(arguments)
    try:
        print(known[options.command](load_config(options.stage)))
    except (ConfigError, Missing, TurnpikeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError) as error:
        print(f"AWS refuses: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
