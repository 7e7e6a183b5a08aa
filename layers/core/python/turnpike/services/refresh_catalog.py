"""Compiles the catalog anew from what its sources publish, and keeps it if it makes sense."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from turnpike.domain.catalog_tables import Row
from turnpike.domain.errors import Conflict
from turnpike.domain.stored_catalog import Document, SourceUnavailable, StoredArtefact
from turnpike.ports.catalog import CatalogStore, Download
from turnpike.services.compile_catalog import CompiledCatalog, Settings, compare, compile_catalog, parse_json

MOST_SOURCE_BYTES = 48_000_000
"""Of each, unpacked; they are a tenth of it."""
_MOST_PACKED_BYTES = 380_000
"""An item of DynamoDB holds 400 kB; a catalog takes 30."""

Artefact = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """`version` is the one that was there before where nothing has changed."""

    version: str
    has_changed: bool
    skipped: Sequence[str] = ()
    """Packaged overrides that speak of what the sources no longer list."""


@dataclass(frozen=True, slots=True)
class RefreshCatalog:
    """For whoever has claimed it. What cannot be had or looks wrong is told, and the last good catalog stays."""

    store: CatalogStore
    download: Download
    packaged: Artefact
    settings: Settings
    overrides: Row
    """The packaged ones; an operator's are applied by whoever serves the catalog."""
    parse: Callable[[bytes], Artefact]
    pack: Callable[[Artefact], bytes]
    interval_s: int
    now: Callable[[], float]
    sources: tuple[str, str]
    """The addresses of models.dev's data and of genai-prices'."""

    async def __call__(self) -> Refreshed:
        """Raises SourceUnavailable, ValueError for a catalog that makes no sense."""
        now_s = int(self.now())
        held = self.store.find_artefact()
        previous = self._previous(held)
        documents = await self._documents(held, now_s)
        if documents is None:
            refreshed = Refreshed(str(previous["version"]), has_changed=False)
        else:
            compiled = self._compile(documents, now_s)
            refreshed = self._keep(compiled, documents, held, previous, now_s)
        self.store.schedule_refresh(now_s + self.interval_s)
        return refreshed

    def _previous(self, held: StoredArtefact | None) -> Artefact:
        """The last good one: what is stored for this deployment, or what it came with."""
        if held is None or held.base != self.packaged["version"]:
            return self.packaged
        try:
            return self.parse(held.data)
        except ValueError:
            return self.packaged

    async def _documents(self, held: StoredArtefact | None, now_s: int) -> list[Document] | None:
        """None where none of them has changed since the catalog was compiled, and no price has by its date."""
        etags: Mapping[str, str] = {}
        if held is not None and held.base == self.packaged["version"] and _day(held.fetched_at_s) == _day(now_s):
            etags = held.etags
        found = [await self.download(url, etags.get(url)) for url in self.sources]
        if not any(found):
            return None
        return [document or await self._again(url) for url, document in zip(self.sources, found, strict=True)]

    async def _again(self, url: str) -> Document:
        """One that has not changed, beside one that has: both are needed."""
        document = await self.download(url, None)
        if document is None:
            raise SourceUnavailable(f"{url}: HTTP 304 to a request without an etag")
        return document

    def _compile(self, documents: Sequence[Document], now_s: int) -> CompiledCatalog:
        models_dev, genai_prices = (parse_json(document.body) for document in documents)
        return compile_catalog(
            models_dev,
            genai_prices,
            self.settings,
            on=datetime.fromtimestamp(now_s, UTC).date(),
            overrides=[self.overrides],
            is_strict=False,
        )

    def _keep(
        self,
        compiled: CompiledCatalog,
        documents: Sequence[Document],
        held: StoredArtefact | None,
        previous: Artefact,
        now_s: int,
    ) -> Refreshed:
        reasons = compare(previous, compiled.artefact)
        if reasons:
            raise ValueError(f"The new catalog is refused: {' '.join(reasons)}")
        data = self.pack(compiled.artefact)
        if len(data) > _MOST_PACKED_BYTES:
            raise ValueError(f"The new catalog is refused: it has {len(data):,} bytes, which cannot be stored.")
        version = str(compiled.artefact["version"])
        etags = {url: found.etag for url, found in zip(self.sources, documents, strict=True) if found.etag}
        stored = StoredArtefact(version, self.packaged["version"], data, now_s, etags)
        try:
            self.store.put_artefact(stored, was=held.version if held else None)
        except Conflict:
            # Somebody else has just done the same.
            return Refreshed(version, has_changed=False)
        return Refreshed(version, has_changed=version != previous["version"], skipped=compiled.skipped)


def _day(epoch_s: int) -> int:
    return epoch_s // 86_400
