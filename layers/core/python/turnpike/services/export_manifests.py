"""Say of each exported day how much there is of it: how many entries, and their sums by kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from turnpike.domain.exports import NO_FACTS, PartFacts, day_prefix, manifest_key, manifest_prefix
from turnpike.ports.upkeep import ExportStore


@dataclass(slots=True)
class DayManifest:
    """How far the sums of a day have come."""

    day: str
    after: str = ""
    """The last object that is in them."""
    objects: int = 0
    facts: PartFacts = NO_FACTS


@dataclass(frozen=True, slots=True)
class ExportManifests:
    store: ExportStore

    def advance(self, manifest: DayManifest, time_left: Callable[[], bool]) -> bool:
        """Whether it is written, or says what the last one says; otherwise time was up. Raises TemporarilyBusy."""
        for key in self.store.list_keys(day_prefix(manifest.day)):
            if key <= manifest.after:
                continue
            if not time_left():
                return False
            manifest.facts += self.store.get_facts(key)
            manifest.objects += 1
            manifest.after = key
        self._put(manifest)
        return True

    def _put(self, manifest: DayManifest) -> None:
        data = orjson.dumps(_presented(manifest), option=orjson.OPT_INDENT_2)
        while True:
            earlier = list(self.store.list_keys(manifest_prefix(manifest.day)))
            if earlier and self.store.get(earlier[-1]) == data:
                return
            if self.store.put_once(manifest_key(manifest.day, len(earlier)), data, manifest.facts):
                return


def _presented(manifest: DayManifest) -> Mapping[str, Any]:
    facts = manifest.facts
    return {
        "day": manifest.day,
        "objects": manifest.objects,
        "entries": facts.extent.count,
        "digest": f"{facts.extent.digest:016x}",
        "kinds": {
            kind: {
                "entries": sums.entries,
                "available_delta_nanousd": sums.available_delta,
                "held_delta_nanousd": sums.held_delta,
            }
            for kind, sums in facts.kinds.items()
        },
    }
