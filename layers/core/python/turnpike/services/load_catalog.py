"""Puts together the catalog to serve: the compiled one, the deployment's own files, and what the operator stored."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from turnpike.domain.catalog import Catalog
from turnpike.domain.stored_catalog import CatalogVersions
from turnpike.ports.catalog import CatalogStore

if TYPE_CHECKING:
    from turnpike.domain.catalog_tables import Row

Artefact = Mapping[str, Any]
STORED = "the stored catalog file"
"""What errors call it."""


class BuildCatalog(Protocol):
    def __call__(self, artefact: Artefact, rows: "Mapping[str, Row]") -> Catalog:
        """The catalog that can be served of an artefact; `rows` are providers' tables that know their file."""


@dataclass(frozen=True, slots=True)
class CatalogParts:
    """What catalogs are made from."""

    packaged: Artefact
    files: Sequence[tuple[str, str]]
    """The deployment's own texts, each with its name."""
    wires: Collection[str]
    build: BuildCatalog

    def assemble(
        self, base: Artefact, stored: str = "", *, is_strict: bool, name: str = STORED
    ) -> tuple[Catalog, Sequence[str]]:
        """(the catalog, what its files say of things that are not there). `name` is what errors call the stored text.

        Raises CatalogFileError.
        """
        texts = [*self.files, *([(name, stored)] if stored else [])]
        if not texts:
            return self.build(base, {}), ()
        # What only operators with files of their own need takes its time to load.
        from turnpike.services.catalog_overrides import overlay

        laid = overlay(base, texts, wires=self.wires, is_strict=is_strict)
        return self.build(laid.artefact, laid.providers), laid.skipped


class LoadCatalog:
    """Calling it looks into the store, and gives the catalog if it is another one now.

    What cannot be used is told to `on_trouble`, and what was there before it stays. The store's own errors are raised.
    """

    def __init__(
        self,
        parts: CatalogParts,
        store: CatalogStore,
        parse: Callable[[bytes], Artefact],
        on_trouble: Callable[[str], None],
    ) -> None:
        """`parse` raises ValueError for what is no artefact."""
        self._parts = parts
        self._store = store
        self._parse = parse
        self._on_trouble = on_trouble
        self._seen = CatalogVersions()
        self._base = parts.packaged
        self._stored = ""

    def __call__(self) -> Catalog | None:
        versions = self._store.versions()
        if versions == self._seen:
            return None
        base, stored = self._newer_base(versions), self._newer_stored(versions)
        # Seen, whatever becomes of it: what cannot be used will not be any better in a minute.
        self._seen = versions
        if base is self._base and stored == self._stored:
            return None
        try:
            catalog, skipped = self._parts.assemble(base, stored, is_strict=False)
        except ValueError as error:
            self._on_trouble(str(error))
            if base is self._base:
                return None
            # The text was right when it was stored; a new catalog is no reason to go without its last good one.
            catalog, skipped = self._parts.assemble(base, self._stored, is_strict=False)
            stored = self._stored
        for each in skipped:
            self._on_trouble(each)
        self._base, self._stored = base, stored
        return catalog

    def _newer_base(self, versions: CatalogVersions) -> Artefact:
        if versions.base != self._parts.packaged["version"]:
            return self._parts.packaged
        if versions.artefact == self._base["version"]:
            return self._base
        found = self._store.find_artefact()
        if found is None or found.base != versions.base:
            return self._base
        try:
            return self._parse(found.data)
        except ValueError as error:
            self._on_trouble(str(error))
            return self._base

    def _newer_stored(self, versions: CatalogVersions) -> str:
        if versions.overrides == self._seen.overrides:
            return self._stored
        found = self._store.find_overrides()
        return found.text if found else ""
