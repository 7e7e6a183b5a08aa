"""Composes what an operator does with credentials of providers: which there may be, and what they let be served."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from turnpike.bootstrap.resources import Resources
from turnpike.domain.catalog import Catalog
from turnpike.domain.catalog_tables import Row
from turnpike.services.load_catalog import BuildCatalog
from turnpike.storage.catalog_artefact import ArtefactCatalog
from turnpike.storage.catalog_providers import variable

_BESIDE = ("EXA", "TAVILY", "BRAVE", "MODERATION")
"""What is called besides providers: search engines, and whoever moderates."""
_PLACEHOLDER = re.compile(r"\{(\w*)\}")


@dataclass(frozen=True, slots=True)
class Served:
    """`providers` by name; `notes` say in plain words what others miss."""

    providers: Sequence[str]
    notes: Sequence[str]


class ProviderCredentials:
    """Of a deployment, with the providers that its operator has stored in its catalog."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        parts = Resources(environ)
        stored = parts.catalog_store.find_overrides()
        self._parts = parts.catalog_parts
        self._stored = stored.text if stored else ""

    def variables(self) -> Collection[str]:
        """The names of all that a provider's credential and address may be in."""
        tables: dict[str, Mapping[str, Any]] = {}

        def build(artefact: Mapping[str, Any], rows: Mapping[str, Row]) -> Catalog:
            tables.update(artefact["providers"])
            return ArtefactCatalog(artefact, {}, rows=rows)

        self._assemble(build)
        found = {variable(slug, part) for slug, table in tables.items() for part in _parts_of(table)}
        return found | {f"{service}_{part}" for service in _BESIDE for part in ("API_KEY", "BASE_URL")}

    def check(self, values: Mapping[str, str]) -> Served:
        """What would be served with `values`, by variable. Raises CatalogFileError for what cannot be used."""
        notes: list[str] = []

        def build(artefact: Mapping[str, Any], rows: Mapping[str, Row]) -> Catalog:
            return ArtefactCatalog(artefact, values, rows=rows, on_unserved=notes.append)

        catalog = self._assemble(build)
        return Served([provider.name for provider in catalog.providers], notes)

    def _assemble(self, build: BuildCatalog) -> Catalog:
        parts = replace(self._parts, build=build)
        return parts.assemble(parts.packaged, self._stored, is_strict=False)[0]


def _parts_of(table: Mapping[str, Any]) -> set[str]:
    return {"API_KEY", "BASE_URL", *_PLACEHOLDER.findall(table.get("base_url", "")), *table.get("variables", {})}
