"""Which catalog the functions get, as the environment says."""

import os
from pathlib import Path

import pytest

from infra.catalog import built_catalog
from turnpike.bootstrap.resources import Resources
from turnpike.domain.catalog_tables import CatalogFileError
from turnpike.services.live_catalog import LiveCatalog
from turnpike.storage.catalog_artefact import ArtefactCatalog, CatalogArtefactError

VARIABLES = {
    "TURNPIKE_LEDGER_TABLE": "ledger",
    "TURNPIKE_KEYS_TABLE": "keys",
    "TURNPIKE_USAGE_QUEUE_URL": "http://127.0.0.1:9/queue",
    "TURNPIKE_CATALOG_ARTEFACT": str(built_catalog()),
    "OPENAI_API_KEY": "key",
}


def test_without_a_table_it_is_the_one_that_was_deployed() -> None:
    catalog = Resources(VARIABLES).catalog
    assert isinstance(catalog, ArtefactCatalog)
    assert [provider.slug for provider in catalog.providers] == ["openai"]
    assert len(list(catalog.models)) > 20


def test_with_one_it_is_kept_current_and_nothing_is_called_before_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    catalog = Resources({**VARIABLES, "TURNPIKE_CATALOG_TABLE": "catalog"}).catalog
    assert isinstance(catalog, LiveCatalog)
    assert [provider.slug for provider in catalog.providers] == ["openai"]


def test_files_are_applied_in_order(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("one.toml", "two.toml")]
    for path in paths:
        path.write_text(f'[providers.openai]\nname = "By {path.stem}"')
    both = os.pathsep.join(map(str, paths))
    catalog = Resources({**VARIABLES, "TURNPIKE_CATALOG_OVERRIDES": both}).catalog
    assert catalog.get_provider("openai").name == "By two"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file"),
        (b"\xff", "cannot be read: it is not UTF-8"),
        (b'[[models]]\nid = "acme/none"\nhidden = true', "line 3: hidden hides acme/none, which is no model"),
        (b'[providers.openai]\nwire = "morse"', "line 2: wire is none of anthropic, "),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "my.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CatalogFileError, match=rf"my\.toml.*{message}"):
        _ = Resources({**VARIABLES, "TURNPIKE_CATALOG_OVERRIDES": str(path)}).catalog


def test_a_deployment_without_a_compiled_catalog_says_so(tmp_path: Path) -> None:
    with pytest.raises(CatalogArtefactError, match="make catalog"):
        _ = Resources({**VARIABLES, "TURNPIKE_CATALOG_ARTEFACT": str(tmp_path / "none")}).catalog
