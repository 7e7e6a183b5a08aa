"""The router as the bench measures it: the completions app alone in its process, with its AWS calls counted.

`python -m tests.bench.router --port N` serves what the environment configures.
"""

import argparse
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import uvicorn

from turnpike.bootstrap.completions import app
from turnpike.bootstrap.resources import resources

from tests.bench.calls import CountedCalls, Observed
from tests.bench.profiling import profiled


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--profile", type=Path, help="write where the CPU went to this file at the end")
    arguments = parser.parse_args()
    # uvicorn ends with the signal that stopped it, and by default that would end us before the profile is written.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    parts = resources()
    observed = Observed(app(), CountedCalls(parts.dynamodb, parts.sqs))
    with ExitStack() as stack:
        if arguments.profile:
            stack.enter_context(profiled(arguments.profile))
        # As the local host serves it (infra/local/serving.py), in one process.
        uvicorn.run(
            observed,
            port=arguments.port,
            loop="uvloop",
            http="httptools",
            lifespan="off",
            access_log=False,
            server_header=False,
            log_level="critical",
        )


if __name__ == "__main__":
    main()
