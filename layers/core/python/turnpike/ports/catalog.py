"""The catalog, and how its endpoints are doing."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    # What only some requests use is not loaded with what all of them do.
    from turnpike.domain.health import HealthReport, HealthSnapshot
    from turnpike.domain.stored_catalog import CatalogVersions, Document, StoredArtefact, StoredOverrides
    from turnpike.domain.tallies import Tally
    from turnpike.domain.uptime import UptimeHour


class CatalogStore(Protocol):
    """What is newer than the packaged catalog, for all environments of a deployment. Raises TemporarilyBusy."""

    def versions(self) -> "CatalogVersions":
        """What there is, without reading it."""

    def find_artefact(self) -> "StoredArtefact | None": ...

    def put_artefact(self, artefact: "StoredArtefact", *, was: str | None) -> None:
        """In the place of the version that `was` there. Raises Conflict when another one is."""

    def find_overrides(self) -> "StoredOverrides | None": ...

    def put_overrides(self, overrides: "StoredOverrides", *, was: str | None) -> None:
        """In the place of the version that `was` there. Raises Conflict when another one is."""

    def claim_refresh(self, now_s: int, *, until_s: int) -> bool:
        """Whether a refresh is due and nobody else is about it; then nobody else is before `until_s`."""

    def schedule_refresh(self, at_s: int) -> None:
        """When the next one is due."""


class HealthCounts(Protocol):
    """Attempts by endpoint key and minute (epoch seconds / 60), and uptime by hour (minute / 60).

    All of them may raise TemporarilyBusy.
    """

    def add(self, minute: int, endpoint: str, tally: "Tally", *, batch: str) -> None:
        """Add to what is counted, atomically. What the same `batch` adds twice in a row is added once."""

    def list_minute(self, minute: int) -> "Mapping[str, Tally]":
        """By endpoint key; may miss what was added within the last second."""

    def claim(self, job: str, now_s: float, *, every_s: float) -> bool:
        """Whether it is time to do what is to be done only so often; of several who ask, one is told so."""

    def list_hours(self, first: int, last: int) -> "Mapping[int, UptimeHour]":
        """Those that there are, both ends included, as last written."""

    def put_hour(self, hour: int, uptime: "UptimeHour", *, seen: "UptimeHour | None") -> bool:
        """Write it if it is still as it was `seen`, which False says it is not."""


class HealthSnapshots(Protocol):
    """The last of each kind; an older one never replaces a newer one. All of them may raise TemporarilyBusy."""

    def put_snapshot(self, snapshot: "HealthSnapshot") -> None: ...

    def find_snapshot(self) -> "HealthSnapshot | None": ...

    def put_report(self, report: "HealthReport") -> None: ...

    def find_report(self) -> "HealthReport | None": ...


class Download(Protocol):
    """Gets what others publish."""

    async def __call__(self, url: str, etag: str | None) -> "Document | None":
        """None where it is still the one with this etag. Raises SourceUnavailable."""
