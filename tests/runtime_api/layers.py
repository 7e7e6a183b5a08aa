"""A function's layers as Lambda unpacks them: into one folder, one over another."""

from collections.abc import Iterable
from pathlib import Path


def merge(layers: Iterable[Path], target: Path) -> Path:
    """What a function finds in its /opt; `python` is the one folder that several layers have."""
    packages = target / "python"
    packages.mkdir(parents=True)
    for layer in layers:
        for path in [*layer.iterdir(), *(layer / "python").iterdir()]:
            if path != layer / "python":
                (target / path.relative_to(layer)).symlink_to(path)
    return target
