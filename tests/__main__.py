"""Runs every suite, in two processes at once, since much of either is waiting: `python -m tests [arguments]`.

The arguments are pytest's, for both.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

TESTS = Path(__file__).resolve().parent
# Each takes about as long as the other. No suite is in two processes: what it starts serves all of it.
_HALVES = (("unit", "replay", "infra", "integration"), ("e2e",))
_NOTHING_COLLECTED = 5


def main(arguments: Sequence[str]) -> int:
    """The first half is shown as it goes, the second when it has ended."""
    first, second = (_command(half, arguments) for half in _HALVES)
    with tempfile.TemporaryFile("w+") as shown:
        beside = subprocess.Popen(second, stdout=shown, stderr=subprocess.STDOUT, text=True)
        try:
            code = subprocess.run(first, check=False).returncode
        finally:
            # Ctrl-C reaches both of them; each ends what it has started.
            code_beside = beside.wait()
            shown.seek(0)
            print(shown.read(), flush=True)
    fine = {0, _NOTHING_COLLECTED} if arguments else {0}
    return next((each for each in (code, code_beside) if each not in fine), 0)


def _command(half: Sequence[str], arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "pytest", *arguments, *(str(TESTS / name) for name in half)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
