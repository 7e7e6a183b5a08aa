"""What goes into the layers, as far as it can be seen without fetching the wheels."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra import layers
from turnpike.storage.catalog_artefact import PACKAGED, read_artefact


def files_in(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_the_core_layer_is_our_package_and_nothing_else(tmp_path: Path) -> None:
    layers.build_core(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["python"]
    assert [path.name for path in (tmp_path / "python").iterdir()] == ["turnpike"]
    assert {path.suffix for path in files_in(tmp_path)} <= {".py", ".toml", ".gz"}


def test_the_catalog_is_in_it_where_the_functions_look_for_it(tmp_path: Path) -> None:
    layers.build_core(tmp_path)
    packaged = tmp_path / "python" / PACKAGED.relative_to(layers.CORE)
    assert len(read_artefact(packaged)["models"]) >= 300
    # The repository itself has none: it would be another one every day.
    assert not PACKAGED.exists()


def test_when_it_was_built_does_not_show(tmp_path: Path) -> None:
    layers.build_core(tmp_path)
    assert len({path.stat().st_mtime for path in tmp_path.rglob("*")}) == 1


@pytest.mark.parametrize("build", [layers.build_core, layers.build_stream_runtime])
def test_the_same_sources_give_the_same_layer(tmp_path: Path, build: Callable[[Path], None]) -> None:
    build(tmp_path / "one")
    build(tmp_path / "two")
    assert layers.digest(tmp_path / "one") == layers.digest(tmp_path / "two")


def test_bytecode_is_the_same_wherever_it_was_compiled(tmp_path: Path) -> None:
    for name in ("one", "two"):
        layers.build_stream_runtime(tmp_path / name)
        layers.compile_bytecode(tmp_path / name, sys.executable)
    assert layers.digest(tmp_path / "one") == layers.digest(tmp_path / "two")
    compiled = [path for path in files_in(tmp_path / "one") if path.suffix == ".pyc"]
    assert len(compiled) == len([path for path in files_in(tmp_path / "one") if path.suffix == ".py"])
    assert all(b"/opt/python/stream_runtime/" in path.read_bytes() for path in compiled)
    # Nothing of the sources is looked at to see whether it still holds: flags of PEP 552, after the magic number.
    assert {path.read_bytes()[4:8] for path in compiled} == {b"\1\0\0\0"}


@pytest.mark.parametrize("change", ["content", "mode", "name", "time"])
def test_another_layer_has_another_digest(tmp_path: Path, change: str) -> None:
    layers.build_stream_runtime(tmp_path)
    before, wrapper = layers.digest(tmp_path), tmp_path / layers.EXEC_WRAPPER
    match change:
        case "content":
            wrapper.write_bytes(wrapper.read_bytes() + b"#")
        case "mode":
            wrapper.chmod(0o644)
        case "name":
            wrapper.rename(wrapper.with_suffix(".sh"))
        case "time":
            wrapper.touch()
    assert layers.digest(tmp_path) != before


def test_the_runtimes_layer_is_its_package_and_the_wrapper(tmp_path: Path) -> None:
    layers.build_stream_runtime(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bootstrap-stream", "python"]
    assert [path.name for path in (tmp_path / "python").iterdir()] == ["stream_runtime"]
    assert {path.suffix for path in files_in(tmp_path / "python")} == {".py"}
    # It is read at every cold start.
    assert sum(path.stat().st_size for path in files_in(tmp_path)) < 50_000


def test_lambda_can_execute_the_wrapper(tmp_path: Path) -> None:
    layers.build_stream_runtime(tmp_path)
    executable = [path.name for path in files_in(tmp_path) if path.stat().st_mode & 0o111]
    assert executable == [layers.EXEC_WRAPPER]


def test_what_is_never_imported_is_stripped(tmp_path: Path) -> None:
    kept = tmp_path / "python" / "package" / "testing.py"
    stripped = [
        tmp_path / "python" / "package" / "tests" / "test_it.py",
        tmp_path / "python" / "package" / "__pycache__" / "testing.pyc",
        tmp_path / "python" / "sneaky.pth",
    ]
    for path in (kept, *stripped):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    layers.strip(tmp_path)
    assert files_in(tmp_path) == {kept}
