"""Builds what the functions share into .build/layers: `python -m infra.layers [stage]`.

Each layer is a folder that Lambda unpacks below /opt, where it finds packages in `python`. The same sources
always give the same files, so that CDK deploys a layer only when it has changed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from uv import find_uv_bin

from infra.catalog import built_catalog
from turnpike.storage.catalog_artefact import PACKAGED

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / ".build" / "layers"
CORE = ROOT / "layers" / "core" / "python"
DEPS_LOCK = ROOT / "layers" / "deps" / "requirements.txt"
STREAM_RUNTIME = ROOT / "layers" / "stream_runtime"
EXEC_WRAPPER = "bootstrap-stream"
"""At the root of the layer `stream_runtime`, and so /opt/bootstrap-stream in a function that has it."""

PYTHON = "3.13"
LAMBDA = ("--python-platform", "aarch64-manylinux2014", "--python-version", PYTHON)
"""What the stacks' functions run on; the wheels have to be chosen for it, whatever this machine is."""
# Never imported, or harmful: a .pth runs whenever Python starts with the layer as site directory.
_STRIPPED = ("*.pth", "__pycache__", ".lock", ".mypy_cache", "bin", "tests")
# The earliest that a zip can hold. Times are part of a zip, and so of what CDK compares.
_MTIME_S = 315_532_800


def build_core(target: Path) -> None:
    """Our own package, with the catalog compiled."""
    shutil.copytree(CORE, target / "python", ignore=shutil.ignore_patterns(*_STRIPPED))
    shutil.copyfile(built_catalog(), target / "python" / PACKAGED.relative_to(CORE))
    _stamp(target)


def build_deps(target: Path, stage: str) -> None:
    """Third parties' wheels, each checked against its hash; for this machine when the stage is `local`."""
    command = [find_uv_bin(), "pip", "install", "--quiet", "--target", str(target / "python")]
    command += [*(() if stage == "local" else LAMBDA), "--python", sys.executable]
    # Copies: links would share their times and their deletion with uv's cache.
    command += ["--link-mode", "copy", "--only-binary", ":all:", "--no-deps", "--require-hashes"]
    subprocess.run([*command, "--requirements", str(DEPS_LOCK)], check=True)
    strip(target)
    _stamp(target)


def build_stream_runtime(target: Path) -> None:
    """Our loop over the Runtime API, and beside its package the script that starts it."""
    shutil.copytree(STREAM_RUNTIME, target, ignore=shutil.ignore_patterns(*_STRIPPED), dirs_exist_ok=True)
    for path in target.rglob("*"):
        # Whatever the umask was when the repository was cloned.
        path.chmod(0o755 if path.is_dir() or path.name == EXEC_WRAPPER else 0o644)
    _stamp(target)


def strip(target: Path) -> None:
    for path in [path for pattern in _STRIPPED for path in target.rglob(pattern)]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def find_python() -> str | None:
    """An interpreter of the version that Lambda has, if this machine has one."""
    command = [find_uv_bin(), "python", "find", "--no-python-downloads", "--no-project", PYTHON]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() if found.returncode == 0 else None


def compile_bytecode(layer: Path, python: str) -> None:
    """Lambda's copy is read-only: without it, each cold start compiles all that it loads, and takes thrice as long."""
    command = [python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    # Tracebacks show where it will be, and no layer depends on the folder in which it was built.
    command += ["-s", str(layer), "-p", "/opt", str(layer / "python")]
    # The order of sets is part of the bytecode.
    subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": "0"})
    _stamp(layer)


def build(stage: str, target: Path = BUILT) -> Iterator[Path]:
    """Build each layer anew, in a folder of its own in `target`; gives that once it is there."""
    shutil.rmtree(target, ignore_errors=True)
    # What runs on this machine can write its own.
    python = None if stage == "local" else find_python()
    layers: dict[str, Callable[[Path], None]] = {
        "core": build_core,
        "stream_runtime": build_stream_runtime,
        "deps": partial(build_deps, stage=stage),
    }
    for name, build_layer in layers.items():
        build_layer(target / name)
        if python:
            compile_bytecode(target / name, python)
        yield target / name


def digest(layer: Path) -> str:
    """Of everything that decides what Lambda unpacks: equal for two builds of the same sources."""
    found = hashlib.sha256()
    for path in sorted(layer.rglob("*")):
        status = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found.update(f"{path.relative_to(layer)} {status.st_mode:o} {status.st_mtime_ns} {content}\n".encode())
    return found.hexdigest()


def _stamp(target: Path) -> None:
    for path in [target, *target.rglob("*")]:
        os.utime(path, (_MTIME_S, _MTIME_S))


def main(stage: str = "prod") -> None:
    if stage != "local" and not find_python():
        print(
            f"There is no Python {PYTHON} here to compile the layers for: every cold start will do it, and take long."
        )
        print(f"Have one on the PATH (uv python install {PYTHON}, or pyenv shell {PYTHON}), and build them again.")
    for layer in build(stage):
        size = sum(path.stat().st_size for path in layer.rglob("*") if path.is_file())
        print(f"{layer.relative_to(ROOT)}: {size / 1e6:.2f} MB, {digest(layer)[:12]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
