"""The files that layers are deployed as."""

import os
import zipfile
from pathlib import Path

from infra.layer_zips import zip_layer


def layer_in(folder: Path, *, at_s: int) -> Path:
    for name, mode in (("bootstrap-stream", 0o700), ("python/turnpike/money.py", 0o600), ("python/a.py", 0o640)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        path.chmod(mode)
        os.utime(path, (at_s, at_s))
    return folder


def test_when_and_for_whom_it_was_built_does_not_show(tmp_path: Path) -> None:
    zip_layer(layer_in(tmp_path / "first", at_s=1_700_000_000), tmp_path / "first.zip")
    zip_layer(layer_in(tmp_path / "second", at_s=1_800_000_000), tmp_path / "second.zip")
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()


def test_lambda_can_run_and_read_what_is_in_it(tmp_path: Path) -> None:
    zip_layer(layer_in(tmp_path / "layer", at_s=1_700_000_000), tmp_path / "layer.zip")
    with zipfile.ZipFile(tmp_path / "layer.zip") as zipped:
        modes = {entry.filename: entry.external_attr >> 16 for entry in zipped.infolist()}
        assert modes == {"bootstrap-stream": 0o755, "python/a.py": 0o644, "python/turnpike/money.py": 0o644}
        assert zipped.read("python/turnpike/money.py") == b"python/turnpike/money.py"
