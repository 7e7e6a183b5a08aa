"""What the processes of a chaos run know for certain, line by line: what is written survives whoever wrote it."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Fact = Mapping[str, Any]


class Facts:
    """Appends to a file of its own. Every line is with the system before the next step is taken."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, what: str, **fact: Any) -> None:
        os.write(self._file, json.dumps({"is": what, **fact}).encode() + b"\n")


class FactsSoFar:
    """Reads what was written since it last looked, by all processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, int] = {}

    def new(self) -> Iterator[Fact]:
        for path in sorted(self._folder.glob("*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                for line in file:
                    if not line.endswith(b"\n"):
                        break  # It is being written.
                    self._read[path] = self._read.get(path, 0) + len(line)
                    yield json.loads(line)


class Tickets:
    """Numbers from 0, each given to one process, whatever becomes of it then."""

    def __init__(self, path: Path, count: int) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT)
        self._count = count

    def take(self) -> int | None:
        """None when there are no more."""
        # The lock ends with its process, and a number is written at once or not at all.
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            number = self.taken()
            if number >= self._count:
                return None
            os.pwrite(self._file, b"%020d" % (number + 1), 0)
            return number
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def taken(self) -> int:
        return int(os.pread(self._file, 20, 0) or 0)
