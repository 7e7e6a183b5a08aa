"""A stand-in for the store of presets, under the same contract as the real one."""

from collections.abc import Sequence
from threading import Lock

from turnpike.domain.errors import Conflict
from turnpike.domain.ids import AccountId
from turnpike.domain.presets import Preset, PresetVersion


class InMemoryPresets:
    """Decides under one lock; `reads` counts what was looked up, and while `failing` nothing is."""

    def __init__(self, *presets: Preset) -> None:
        self.reads = 0
        self.failing: Exception | None = None
        self._lock = Lock()
        self._presets: dict[tuple[AccountId, str], Preset] = {}
        self._versions: dict[str, dict[int, PresetVersion]] = {}
        for preset in presets:
            self.create(preset)

    def find(self, account_id: AccountId, slug: str, *, fresh: bool = False) -> Preset | None:
        with self._lock:
            self.reads += 1
            if self.failing:
                raise self.failing
            return self._presets.get((account_id, slug))

    def list_for(self, account_id: AccountId) -> Sequence[Preset]:
        with self._lock:
            found = [preset for (account, _), preset in self._presets.items() if account == account_id]
        return sorted(found, key=lambda preset: (-preset.updated_at_s, preset.slug))

    def create(self, preset: Preset) -> None:
        with self._lock:
            if (preset.account_id, preset.slug) in self._presets:
                raise Conflict("there is a preset of this slug")
            self._put(preset)

    def replace(self, preset: Preset, *, was: Preset) -> None:
        with self._lock:
            if not self._is_as(was):
                raise Conflict("this preset was changed at the same time")
            self._put(preset)

    def find_version(self, preset: Preset, wanted: int) -> PresetVersion | None:
        with self._lock:
            return self._versions.get(preset.id, {}).get(wanted)

    def list_versions(self, preset: Preset) -> Sequence[PresetVersion]:
        with self._lock:
            return [version for _, version in sorted(self._versions.get(preset.id, {}).items())]

    def delete(self, preset: Preset) -> None:
        with self._lock:
            at = (preset.account_id, preset.slug)
            if at not in self._presets:
                return
            if not self._is_as(preset):
                raise Conflict("this preset was changed at the same time")
            del self._presets[at], self._versions[preset.id]

    def _is_as(self, was: Preset) -> bool:
        found = self._presets.get((was.account_id, was.slug))
        return found is not None and (found.id, found.revision) == (was.id, was.revision)

    def _put(self, preset: Preset) -> None:
        self._presets[preset.account_id, preset.slug] = preset
        self._versions.setdefault(preset.id, {}).setdefault(preset.designated.number, preset.designated)
