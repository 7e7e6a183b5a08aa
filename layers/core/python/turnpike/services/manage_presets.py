"""Create, read, change and delete an account's presets. Every change of what a preset says is a new version."""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

from anyio.to_thread import run_sync

from turnpike.domain.errors import Conflict, InvalidRequest, NotFound
from turnpike.domain.ids import AccountId
from turnpike.domain.presets import MOST_PRESETS, MOST_VERSIONS, Preset, PresetStatus, PresetVersion
from turnpike.ports.accounts import Presets

_TRIES = 5
"""Of a change that meets others; more of them at once are told of the conflict."""


@dataclass(frozen=True, slots=True)
class PresetContent:
    """What a version says, validated."""

    config: Mapping[str, Any]
    system_prompt: str | None = None


class PresetChanges(TypedDict, total=False):
    """What is absent stays as it is; `designated_version` is the number of an older version to go back to."""

    name: str
    description: str | None
    status: PresetStatus
    config: Mapping[str, Any]
    system_prompt: str | None
    designated_version: int


class ManagePresets:
    """Each method sees the presets of one account. All of them may raise TemporarilyBusy."""

    def __init__(self, presets: Presets, *, now: Callable[[], float] = time.time) -> None:
        self._presets = presets
        self._now = now

    async def create(
        self, account_id: AccountId, slug: str, content: PresetContent, *, name: str, description: str | None
    ) -> Preset:
        """Raises Conflict where there is one of this slug, and InvalidRequest where there are too many."""
        return await run_sync(lambda: self._create(account_id, slug, content, name=name, description=description))

    async def put(self, account_id: AccountId, slug: str, content: PresetContent) -> Preset:
        """Create it, or let it say this from now on. Raises InvalidRequest, and Conflict where others never rest."""
        return await run_sync(self._put, account_id, slug, content)

    async def update(self, account_id: AccountId, slug: str, changes: PresetChanges) -> Preset:
        """Raises NotFound, also for a version that there is not; otherwise as `put`."""
        return await run_sync(self._update, account_id, slug, changes)

    async def get(self, account_id: AccountId, slug: str) -> Preset:
        """Raises NotFound."""
        return await run_sync(self._get, account_id, slug)

    async def list(self, account_id: AccountId) -> Sequence[Preset]:
        """Those that were changed last first."""
        return await run_sync(self._presets.list_for, account_id)

    async def list_versions(self, account_id: AccountId, slug: str) -> tuple[Preset, Sequence[PresetVersion]]:
        """The oldest first. Raises NotFound."""
        preset = await self.get(account_id, slug)
        return preset, await run_sync(self._presets.list_versions, preset)

    async def get_version(self, account_id: AccountId, slug: str, number: int) -> tuple[Preset, PresetVersion]:
        """Raises NotFound."""
        preset = await self.get(account_id, slug)
        return preset, await run_sync(self._version, preset, number)

    async def delete(self, account_id: AccountId, slug: str) -> None:
        """Raises NotFound and Conflict."""
        await run_sync(self._presets.delete, await self.get(account_id, slug))

    def _get(self, account_id: AccountId, slug: str) -> Preset:
        found = self._presets.find(account_id, slug, fresh=True)
        if found is None:
            raise NotFound("Preset not found")
        return found

    def _version(self, preset: Preset, number: int) -> PresetVersion:
        found = self._presets.find_version(preset, number)
        if found is None:
            raise NotFound("Version not found")
        return found

    def _create(
        self, account_id: AccountId, slug: str, content: PresetContent, *, name: str, description: str | None = None
    ) -> Preset:
        if len(self._presets.list_for(account_id)) >= MOST_PRESETS:
            raise InvalidRequest(f"an account can have {MOST_PRESETS} presets; delete one that is not needed")
        now_s = int(self._now())
        preset = Preset(
            id=str(uuid.uuid4()),
            account_id=account_id,
            slug=slug,
            name=name,
            description=description,
            designated=_version(content, 1, now_s),
            latest=1,
            created_at_s=now_s,
            updated_at_s=now_s,
        )
        self._presets.create(preset)
        return preset

    def _put(self, account_id: AccountId, slug: str, content: PresetContent) -> Preset:
        changes = PresetChanges(config=content.config, system_prompt=content.system_prompt)

        def attempt() -> Preset:
            was = self._presets.find(account_id, slug, fresh=True)
            if was is None:
                return self._create(account_id, slug, content, name=slug)
            return self._change(was, changes)

        return _tried(attempt)

    def _update(self, account_id: AccountId, slug: str, changes: PresetChanges) -> Preset:
        return _tried(lambda: self._change(self._get(account_id, slug), changes))

    def _change(self, was: Preset, changes: PresetChanges) -> Preset:
        now_s = int(self._now())
        preset = self._with_content(was, changes, now_s)
        preset = replace(
            preset,
            name=changes.get("name", was.name),
            description=changes.get("description", was.description),
        )
        if changes.get("status", was.status) != was.status:
            preset = replace(preset, status=changes["status"], status_updated_at_s=now_s)
        if preset == was:
            return was  # As when a request is repeated.
        preset = replace(preset, updated_at_s=now_s, revision=was.revision + 1)
        self._presets.replace(preset, was=was)
        return preset

    def _with_content(self, was: Preset, changes: PresetChanges, now_s: int) -> Preset:
        if "designated_version" in changes:
            return replace(was, designated=self._version(was, changes["designated_version"]))
        said = was.designated
        content = PresetContent(changes.get("config", said.config), changes.get("system_prompt", said.system_prompt))
        if said.says(content.config, content.system_prompt):
            return was
        if was.latest >= MOST_VERSIONS:
            raise InvalidRequest(f"a preset can have {MOST_VERSIONS} versions; delete it, and create it again")
        return replace(was, designated=_version(content, was.latest + 1, now_s), latest=was.latest + 1)


def _version(content: PresetContent, number: int, now_s: int) -> PresetVersion:
    return PresetVersion(str(uuid.uuid4()), number, content.config, content.system_prompt, now_s)


def _tried(attempt: Callable[[], Preset]) -> Preset:
    """A change is made to whatever is there, so it can be made again to what others have made of it."""
    for _ in range(_TRIES - 1):
        try:
            return attempt()
        except Conflict:
            continue
    return attempt()
