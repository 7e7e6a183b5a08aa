"""What goes into the layers, as far as it can be seen without fetching the wheels."""

from pathlib import Path

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
