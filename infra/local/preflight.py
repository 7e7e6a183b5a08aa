"""Says what this machine lacks before anything is installed or started.

    preflight.py python        prints the interpreter to build .venv with
    preflight.py node
    preflight.py port 8787

A fresh machine's own Python runs this, and may be older than ours: the file has to parse on 3.6.
"""

import shutil
import socket
import subprocess
import sys

OLDEST_PYTHON = (3, 11)
OTHER_PYTHONS = ("python3.14", "python3.13", "python3.12", "python3.11")
OLDEST_NODE = 20
# The version is printed before ensurepip is looked for, the part of venv that Debian packages apart.
PROBE = "import sys; print(sys.executable, *sys.version_info[:2]); import venv, ensurepip"


class Missing(Exception):
    """The message says what is missing and what to do about it."""


def find_python() -> str:
    """The path of the first interpreter that is new enough: ours, or another one on the PATH."""
    without_pip = ""
    for name in filter(None, [sys.executable, *map(shutil.which, OTHER_PYTHONS)]):
        probe = run(name, "-c", PROBE)
        # Some names on a PATH are only promises: pyenv's, of versions that are not installed.
        path, major, minor = probe.stdout.rsplit(maxsplit=2) if probe.stdout else (name, 0, 0)
        if (int(major), int(minor)) < OLDEST_PYTHON:
            continue
        if probe.returncode == 0:
            return path
        without_pip = without_pip or (
            f"{path} cannot create a virtual environment, because it lacks the module ensurepip. "
            f"On Debian and Ubuntu: apt install python{major}.{minor}-venv"
        )
    raise Missing(
        without_pip
        or f"Turnpike needs Python {present(OLDEST_PYTHON)} or newer. {sys.executable} is "
        f"{present(sys.version_info[:2])}, and there is no python3.11 to python3.14 on the PATH.\n"
        "Install one (apt install python3.11 python3.11-venv, brew install python, python.org), "
        "or say where it is: make run PYTHON=/path/to/python3.12"
    )


def check_node() -> None:
    path = shutil.which("node")
    version = run(path, "--version").stdout.strip() if path else ""
    major = version.lstrip("v").split(".")[0]
    if not major.isdigit() or int(major) < OLDEST_NODE:
        raise Missing(
            f"The CDK, which `make test` and `make synth` run, needs Node.js {OLDEST_NODE} or newer, and "
            + (f"{path} is {version or 'broken'}.\n" if path else "there is no `node` here.\n")
            + "Install it (apt install nodejs, brew install node, nodejs.org)."
        )


def check_port(port: str) -> None:
    if not port.isdigit() or int(port) > 65535:
        raise Missing(f"PORT={port} is not a port number.")
    with socket.socket() as probe:
        # As servers do: a port whose last owner has just gone is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(port)))
        except OSError as error:
            raise Missing(
                f"Port {port} cannot be used: {error.strerror}. Choose another one: make run PORT=8788"
            ) from None


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        universal_newlines=True,  # noqa: UP021 (3.6 does not know `text`)
    )


def present(version: "tuple[int, ...]") -> str:
    return ".".join(map(str, version))


def main(what: str, *arguments: str) -> int:
    try:
        if what == "python":
            print(find_python())
        elif what == "node":
            check_node()
        else:
            check_port(*arguments)
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
