"""Shows usage events that could not be settled, and moves them back: `python -m infra.redrive <stage>`.

With `--look` they are only shown. What would fail again stays where it is, and the command ends with 1. `--port` names
a local run (stage `local`) that is not on the usual port.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from botocore.exceptions import BotoCoreError, ClientError

from infra.config import ConfigError
from infra.reaching import reach, reached, variables_of
from turnpike.bootstrap.redrive import redrive_usage
from turnpike.domain.dead_letters import DeadLetter, Diagnosis, Reason
from turnpike.domain.errors import TurnpikeError

_WHY: Mapping[Reason, str] = {
    "unreadable": "it is no usage event; left where it is",
    "other_version": "another version of this software sent it, and can read it; left where it is",
    "no_hold": "there is no hold for it, and never was, or its item is lost; left where it is",
    "expired": "its hold expired, and the credit went back: it will be recorded at no charge",
    "recorded": "it has been settled by now: it will change nothing",
    "open": "its hold is still there: it will be settled",
}


def main(
    arguments: Sequence[str] | None = None,
    find_variables: Callable[[str, int], Mapping[str, str]] = variables_of,
) -> int:
    parser = reached(__doc__ or "")
    parser.add_argument("--look", action="store_true")
    options = parser.parse_args(arguments)
    try:
        reach(find_variables(options.stage, options.port))
        done = redrive_usage(os.environ, moves=not options.look, on_count=_tell_count, on_letter=_tell_letter)
    except (TurnpikeError, BotoCoreError, ClientError, ConfigError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{done.moved:,} moved back, {done.left:,} left.")
    return 1 if done.left and not options.look else 0


def _tell_count(count: int) -> None:
    print(f"About {count:,} parked.", flush=True)


def _tell_letter(letter: DeadLetter, diagnosis: Diagnosis) -> None:
    """By its ids alone: a body may hold anything."""
    name = diagnosis.generation_id or "?"
    print(f"{name}  {_age(time.time() - letter.sent_at_s)} old: {_WHY[diagnosis.reason]}", flush=True)


def _age(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


if __name__ == "__main__":
    sys.exit(main())
