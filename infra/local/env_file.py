"""The files that tell shells and tests where the local run is: `.local/env` and `.local/env-<port>`."""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

STATE = Path(__file__).resolve().parents[2] / ".local"
DEFAULT_PORT = 8787
_ADDRESS = "OPENROUTER_BASE_URL"


@contextmanager
def env_files(folder: Path, port: int, variables: Mapping[str, str]) -> Iterator[Path]:
    """Write them, and remove them on leaving; gives the one to tell people about.

    `.local/env` belongs to the run on the default port, or to another one while it has it for itself.
    """
    text = "".join(f"{name}={value}\n" for name, value in variables.items())
    own, shared = folder / f"env-{port}", folder / "env"
    paths = [own, shared] if port == DEFAULT_PORT or not _is_taken(shared, port) else [own]
    for path in paths:
        write_private(path, text)
    try:
        yield paths[-1]
    finally:
        for path in paths:
            with suppress(FileNotFoundError):
                # Another run may have taken it over since.
                if path.read_text(encoding="utf-8") == text:
                    path.unlink()


def storage_file(port: int) -> Path:
    """Where a run says how its storage is reached."""
    return STATE / str(port) / "storage"


def write_private(path: Path, text: str) -> None:
    """Readable by the user alone from its first byte on, and complete whenever somebody reads it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def _is_taken(path: Path, port: int) -> bool:
    """Whether another run wrote the file and is still there."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        address = urlsplit(dict(line.split("=", 1) for line in lines)[_ADDRESS])
        if address.port == port:
            # We have the port now, so whoever wrote this has ended without cleaning up.
            return False
        socket.create_connection((address.hostname or "", address.port or 0), timeout=1).close()
    except (OSError, ValueError, KeyError):
        return False
    return True
