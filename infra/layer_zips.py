"""The layers as they are deployed: zip files in .build/zips, which are built anew only when there is a reason."""

import hashlib
import shutil
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from infra.catalog import built_catalog
from infra.layers import ROOT, build, find_python

ZIPS = ROOT / ".build" / "zips"

_MADE_FROM = ".made-from"
# The earliest that a zip can hold.
_ZIPPED_AT = (1980, 1, 1, 0, 0, 0)


def zipped_layers(stage: str) -> Mapping[str, Path]:
    """By name. Stages in the cloud share theirs; the local one has wheels for this machine."""
    root = ZIPS / ("local" if stage == "local" else "lambda")
    made_from, fingerprint = root / _MADE_FROM, _fingerprint(stage)
    if not made_from.exists() or made_from.read_text(encoding="utf-8") != fingerprint:
        unzipped = root / "unzipped"
        for layer in build(stage, unzipped):
            zip_layer(layer, root / f"{layer.name}.zip")
        shutil.rmtree(unzipped)
        made_from.write_text(fingerprint, encoding="utf-8")
    return {path.stem: path for path in sorted(root.glob("*.zip"))}


def zip_layer(layer: Path, target: Path) -> None:
    """Equal folders give equal files, since each deployment uploads whatever is another file."""
    with zipfile.ZipFile(target, "w") as zipped:
        for path in sorted(layer.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(path.relative_to(layer).as_posix(), _ZIPPED_AT)
                entry.compress_type = zipfile.ZIP_DEFLATED
                # A wrapper has to be executable, and everything readable, whatever this machine's umask is.
                entry.external_attr = (0o755 if path.stat().st_mode & 0o100 else 0o644) << 16
                zipped.writestr(entry, path.read_bytes())


def _fingerprint(stage: str) -> str:
    """Of what the layers are made from, and by which Python: that of this process, or the one that compiles them."""
    digest = hashlib.sha256((sys.version if stage == "local" else str(find_python())).encode())
    # Compiled from other sources or for another day, it has another name.
    digest.update(built_catalog().name.encode())
    sources = (*(ROOT / "layers").rglob("*"), Path(__file__), Path(__file__).with_name("layers.py"))
    for path in sorted(sources):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()
