"""The processes of a chaos run: started with wrong clocks, killed without warning, and replaced."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from infra.local.emulator import ROOT

_END_WITHIN_S = 30.0
_POLL_S = 0.05


class ProcessEnded(Exception):
    """A process ended by itself that was not to; the message names its log."""


class Processes:
    """Kills none but those it started."""

    def __init__(self, folder: Path, random: Random, skew_s: float) -> None:
        self._folder, self._random, self._skew_s = folder, random, skew_s
        self._running: dict[str, str] = {}
        """Roles by name."""
        self.started: Counter[str] = Counter()
        self.killed: Counter[str] = Counter()
        with (folder / "nursery.out").open("wb") as log:
            self._nursery = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.nursery", str(folder)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def start(self, role: str, count: int = 1) -> None:
        for _ in range(count):
            self.started[role] += 1
            name = f"{role}-{self.started[role]}"
            self._running[name] = role
            self._ask({"start": [role, name, self._random.uniform(-self._skew_s, self._skew_s)]})

    def kill_one(self, role: str) -> None:
        """Without a word, wherever it is, and begin another in its place."""
        victims = self._of(role)
        if not victims:
            return
        victim = self._random.choice(victims)
        self._ask({"kill": victim})
        while victim in self._running:
            time.sleep(_POLL_S)
            self._ask({})
        self.killed[role] += 1
        self.start(role)

    def are_done(self, role: str) -> bool:
        """Whether all of a role have ended, which they do when there is no more to do. Raises ProcessEnded."""
        self._ask({})
        return not self._of(role)

    def check(self, role: str, count: int) -> None:
        """Raises ProcessEnded if one of those that are to go on has ended."""
        self._ask({})
        if len(self._of(role)) < count:
            raise ProcessEnded(f"a process that is {role} has ended by itself; what it said is in {self._folder}")

    def end(self, *roles: str) -> None:
        """Let them bring what they are at to an end, and wait for it."""
        ending = [name for role in roles for name in self._of(role)]
        self._ask({"end": ending})
        deadline = time.monotonic() + _END_WITHIN_S
        while not self._running.keys().isdisjoint(ending):
            if time.monotonic() > deadline:
                raise ProcessEnded(f"{', '.join(ending)} did not end")
            time.sleep(_POLL_S)
            self._ask({})

    def close(self) -> None:
        """With the nursery all of them end."""
        self._nursery.communicate()

    def _ask(self, command: Mapping[str, Any]) -> None:
        assert self._nursery.stdin
        assert self._nursery.stdout
        self._nursery.stdin.write(json.dumps(command) + "\n")
        self._nursery.stdin.flush()
        answer = self._nursery.stdout.readline()
        if not answer:
            raise ProcessEnded(f"the nursery has ended; see {self._folder / 'nursery.out'}")
        for name, status in json.loads(answer)["ended"].items():
            del self._running[name]
            if status > 0:
                raise ProcessEnded(f"{name} ended with status {status}; see {self._folder / name}.out")

    def _of(self, role: str) -> Sequence[str]:
        return [name for name, its_role in self._running.items() if its_role == role]
