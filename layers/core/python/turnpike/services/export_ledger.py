"""One run of the export: first the entries of all accounts, then the manifests of the days that have more now."""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from turnpike.domain.exports import Extent, KindSums, PartFacts
from turnpike.services.export_entries import AccountExport, ExportEntries, LedgerExport
from turnpike.services.export_manifests import DayManifest, ExportManifests

_VERSION = 1


@dataclass(slots=True)
class ExportRun:
    """How far a run has come."""

    entries: LedgerExport = field(default_factory=LedgerExport)
    are_read: bool = False
    manifest: DayManifest | None = None
    """Under way; those of `entries.days` come after it."""


@dataclass(frozen=True, slots=True)
class ExportLedger:
    export_entries: ExportEntries
    export_manifests: ExportManifests

    def advance(self, run: ExportRun, until_day: str, time_left: Callable[[], bool]) -> bool:
        """Whether it is done, for the days before `until_day`; otherwise time was up. Raises TemporarilyBusy, after
        which it can be advanced again.
        """
        if not run.are_read:
            run.are_read = self.export_entries.advance(run.entries, until_day, time_left)
        if not run.are_read:
            return False
        while run.manifest or run.entries.days:
            if run.manifest is None:
                run.manifest = DayManifest(run.entries.days.pop())
            if not self.export_manifests.advance(run.manifest, time_left):
                return False
            run.manifest = None
        return True


def dump_run(run: ExportRun) -> bytes:
    return zlib.compress(orjson.dumps({"version": _VERSION, "run": run}, default=list))


def load_run(data: bytes) -> ExportRun:
    """A new one where nothing is, or what another version of this code has left: then it begins anew."""
    values = orjson.loads(zlib.decompress(data)) if data else {}
    if values.get("version") != _VERSION:
        return ExportRun()
    run: dict[str, Any] = values["run"]
    entries = run["entries"]
    return ExportRun(
        LedgerExport(
            **{
                **entries,
                "days": set(entries["days"]),
                "current": entries["current"] and _account(entries["current"]),
            }
        ),
        run["are_read"],
        run["manifest"] and DayManifest(**run["manifest"] | {"facts": _facts(run["manifest"]["facts"])}),
    )


def _account(values: Mapping[str, Any]) -> AccountExport:
    extents = {day: Extent(**each) for day, each in values["extents"].items()}
    return AccountExport(**{**values, "extents": extents})


def _facts(values: Mapping[str, Any]) -> PartFacts:
    kinds: Any = {kind: KindSums(**sums) for kind, sums in values["kinds"].items()}
    return PartFacts(Extent(**values["extent"]), kinds)
