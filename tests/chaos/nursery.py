"""Forks a chaos run's processes from one that has imported everything: a process killed is soon replaced.

`python -m tests.chaos.nursery FOLDER` reads commands from standard input and answers each with a line, both in JSON:

    {"start": [role, name, skew_s]}   begin a process, by the name of the module that it runs
    {"kill": name}                    kill it without warning
    {"end": [name, …]}                tell processes to bring what they are at to an end
    {}                                only tell

    {"ended": {name: status, …}}      those that have ended since the last answer; killed ones have a negative status

Processes are told to end by the end of a pipe. So they end as well when this process does, and it does when its
standard input is closed: however a run ends, nothing of it is left.
"""

import gc
import json
import os
import signal
import sys
import threading
import time
import traceback
from importlib import import_module
from pathlib import Path

_ROLES = ("requesting", "metering", "upkeep", "operating")
_ALSO = ("turnpike.bootstrap.metering", "turnpike.bootstrap.upkeep", "aws_lambda_powertools.utilities.batch")
_TOO_LATE_S = 20.0

true_time = time.time


class WrongClock:
    """All that a process does goes by such a clock, as on a machine that has one. Only what waits and measures does
    not: it goes by a clock that is never wrong.
    """

    skew_s = 0.0

    def __call__(self) -> float:
        return true_time() + self.skew_s


class Nursery:
    def __init__(self, folder: Path, clock: WrongClock) -> None:
        self._folder, self._clock = folder, clock
        self._names: dict[int, str] = {}
        """By process id, of those that have not ended."""
        self._pipes: dict[str, int] = {}
        """Their ends that are written to, by name."""

    def obey(self) -> None:
        for line in sys.stdin:
            command = json.loads(line)
            if "start" in command:
                self._start(*command["start"])
            elif "kill" in command:
                self._kill(command["kill"])
            for name in command.get("end", ()):
                if name in self._pipes:
                    os.close(self._pipes.pop(name))
            print(json.dumps({"ended": self._reap()}), flush=True)

    def _start(self, role: str, name: str, skew_s: float) -> None:
        read, write = os.pipe()
        process_id = os.fork()
        if process_id:
            os.close(read)
            self._names[process_id], self._pipes[name] = name, write
            return
        for other in (*self._pipes.values(), write):
            os.close(other)
        status = 1
        try:
            self._clock.skew_s = skew_s
            _become(self._folder / f"{name}.out")
            _work(role, name, self._folder, read)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            # Not by returning: above is the nursery, of which this is a copy.
            os._exit(status)

    def _kill(self, name: str) -> None:
        # Only what has not been waited for: its number cannot be another's.
        for process_id, its_name in self._names.items():
            if its_name == name:
                os.kill(process_id, signal.SIGKILL)

    def _reap(self) -> dict[str, int]:
        ended: dict[str, int] = {}
        while self._names:
            process_id, status = os.waitpid(-1, os.WNOHANG)
            if not process_id:
                break
            name = self._names.pop(process_id)
            ended[name] = os.waitstatus_to_exitcode(status)
            if name in self._pipes:
                os.close(self._pipes.pop(name))
        return ended


def _become(log_path: Path) -> None:
    """A process of its own, apart from what the nursery speaks to."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)


def _work(role: str, name: str, folder: Path, pipe: int) -> None:
    stop = threading.Event()

    def wait_for_the_end() -> None:
        os.read(pipe, 1)
        stop.set()
        time.sleep(_TOO_LATE_S)
        os._exit(1)

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    duty = import_module("tests.chaos.duty").take_up(name, folder, stop, true_time)
    import_module(f"tests.chaos.{role}").run(duty)


def main() -> None:
    # Before anything of ours is imported, which may keep the function.
    clock = WrongClock()
    time.time = clock
    for name in (*(f"tests.chaos.{role}" for role in _ROLES), *_ALSO):
        import_module(name)
    gc.freeze()
    Nursery(Path(sys.argv[1]), clock).obey()


if __name__ == "__main__":
    main()
