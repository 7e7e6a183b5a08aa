"""The operator's word on the catalog: checked against what is served, and stored for all environments."""

from collections.abc import Callable
from dataclasses import dataclass

from turnpike.domain.stored_catalog import StoredOverrides
from turnpike.ports.catalog import CatalogStore
from turnpike.services.load_catalog import Artefact, CatalogParts


@dataclass(frozen=True, slots=True)
class OverrideCatalog:
    store: CatalogStore
    parts: CatalogParts
    parse: Callable[[bytes], Artefact]

    def __call__(self, name: str, text: str, now_s: int) -> StoredOverrides:
        """Takes the place of the text that is stored. An empty one leaves nothing of it.

        Raises CatalogFileError, with `name` for the file, and Conflict when another one has just been stored.
        """
        was = self.store.versions().overrides
        self.parts.assemble(self._base(), text, is_strict=True, name=name)
        overrides = StoredOverrides(text, now_s)
        self.store.put_overrides(overrides, was=was)
        return overrides

    def _base(self) -> Artefact:
        """What it is going to be applied to, as far as can be seen from here."""
        held = self.store.find_artefact()
        return self.parts.packaged if held is None else self.parse(held.data)
