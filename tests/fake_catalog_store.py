"""Stands in for the store of the catalog in unit tests, under the same contract as the real one."""

from threading import Lock

from turnpike.domain.errors import Conflict
from turnpike.domain.stored_catalog import CatalogVersions, StoredArtefact, StoredOverrides


class InMemoryCatalogStore:
    """`fails` is raised by whatever looks into it; `looks` counts those who asked for versions."""

    def __init__(self) -> None:
        self.fails: Exception | None = None
        self.looks = 0
        self._artefact: StoredArtefact | None = None
        self._overrides: StoredOverrides | None = None
        self._due_at_s: int | None = None
        self._lock = Lock()

    def versions(self) -> CatalogVersions:
        self.looks += 1
        self._check()
        artefact, overrides = self._artefact, self._overrides
        return CatalogVersions(
            artefact and artefact.version, artefact and artefact.base, overrides and overrides.version
        )

    def find_artefact(self) -> StoredArtefact | None:
        self._check()
        return self._artefact

    def put_artefact(self, artefact: StoredArtefact, *, was: str | None) -> None:
        with self._lock:
            if was != (self._artefact and self._artefact.version):
                raise Conflict("Somebody else has just changed the catalog; try again")
            self._artefact = artefact

    def find_overrides(self) -> StoredOverrides | None:
        self._check()
        return self._overrides

    def put_overrides(self, overrides: StoredOverrides, *, was: str | None) -> None:
        with self._lock:
            if was != (self._overrides and self._overrides.version):
                raise Conflict("Somebody else has just changed the catalog; try again")
            self._overrides = overrides

    def claim_refresh(self, now_s: int, *, until_s: int) -> bool:
        with self._lock:
            if self._due_at_s is not None and self._due_at_s > now_s:
                return False
            self._due_at_s = until_s
            return True

    def schedule_refresh(self, at_s: int) -> None:
        with self._lock:
            self._due_at_s = at_s

    def _check(self) -> None:
        if self.fails is not None:
            raise self.fails
