"""`make chaos`: thousands of requests while everything fails, and whether every nano-dollar is where it belongs."""

import argparse
import secrets
import signal
import sys
from types import FrameType

from infra.local.emulator import ROOT, EmulatorError

from tests.chaos.processes import ProcessEnded
from tests.chaos.report import print_report
from tests.chaos.running import NotInTime
from tests.chaos.trial import try_it
from tests.chaos.world import SMALL, full

_FOLDER = ROOT / ".build" / "chaos"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument(
        "--seed", type=int, default=None, help="decides everything but who is faster; random by default"
    )
    parser.add_argument("--small", action="store_true", help="as in the tests, with everything short")
    arguments = parser.parse_args()
    seed = secrets.randbelow(10**6) if arguments.seed is None else arguments.seed
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    _say(f"seed {seed}; what the processes write is in {_FOLDER.relative_to(ROOT)}")
    try:
        trial = try_it(seed, SMALL if arguments.small else full(arguments.requests), _FOLDER, _say)
    except (EmulatorError, NotInTime, ProcessEnded) as error:
        _say(f"seed {seed}: {error}")
        return 1
    except KeyboardInterrupt:
        _say("stopped")
        return 130
    print_report(trial)
    return 1 if trial.verdict.findings else 0


def _say(text: str) -> None:
    print(text, flush=True)


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
