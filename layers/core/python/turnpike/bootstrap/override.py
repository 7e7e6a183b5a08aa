"""Composes what an operator does with the catalog file that a deployment has stored."""

import time
from collections.abc import Mapping

from turnpike.bootstrap.resources import Resources
from turnpike.services.override_catalog import OverrideCatalog
from turnpike.storage.catalog_artefact import parse_artefact


def put_overrides(environ: Mapping[str, str], name: str, text: str) -> str:
    """The version under which it is stored. Raises CatalogFileError, Conflict, TemporarilyBusy."""
    parts = Resources(environ)
    override = OverrideCatalog(parts.catalog_store, parts.catalog_parts, parse_artefact)
    return override(name, text, int(time.time())).version


def find_overrides(environ: Mapping[str, str]) -> str | None:
    """The text that is stored. Raises TemporarilyBusy."""
    found = Resources(environ).catalog_store.find_overrides()
    return found.text if found else None
