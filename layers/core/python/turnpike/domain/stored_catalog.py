"""What a deployment keeps of its catalog besides the packaged one."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CatalogVersions:
    """None for what is not there."""

    artefact: str | None = None
    base: str | None = None
    overrides: str | None = None


@dataclass(frozen=True, slots=True)
class StoredArtefact:
    """A compiled catalog, made from what its sources published."""

    version: str
    base: str
    """The version of the packaged catalog that it follows. A deployment with another one has other settings or newer
    data, and goes by its own until upkeep has refreshed that."""
    data: bytes
    """JSON, packed by zlib."""
    fetched_at_s: int
    etags: Mapping[str, str] = field(default_factory=dict)
    """Of the sources, by address."""


@dataclass(frozen=True, slots=True)
class StoredOverrides:
    """A catalog file that the operator has put into the store of a deployment."""

    text: str
    put_at_s: int

    @property
    def version(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


class SourceUnavailable(Exception):
    """What the catalog is compiled from cannot be had; the message is for the operator."""


@dataclass(frozen=True, slots=True)
class Document:
    """What stands at an address, and what its server calls this version of it."""

    body: bytes
    etag: str | None = None
