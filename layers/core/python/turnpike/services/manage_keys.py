"""Create, list, read, change and delete an account's API keys."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

from anyio import create_task_group
from anyio.to_thread import run_sync

from turnpike.domain.api_keys import (
    ApiKey,
    KeyRole,
    KeySpend,
    LimitReset,
    hash_secret,
    label_of,
    new_secret,
)
from turnpike.domain.errors import NotFound
from turnpike.domain.ids import AccountId, KeyHash
from turnpike.domain.money import NanoUsd
from turnpike.ports.accounts import ApiKeys
from turnpike.ports.ledger import Ledger

PAGE = 100
"""Keys per page of a list, as OpenRouter pages it."""

_HASH_LENGTH = 64


@dataclass(frozen=True, slots=True)
class NewKey:
    name: str
    role: KeyRole = "inference"
    limit: NanoUsd | None = None
    limit_reset: LimitReset | None = None
    include_byok_in_limit: bool = False
    expires_at_s: int | None = None


class KeyChanges(TypedDict, total=False):
    """What is absent stays as it is."""

    name: str
    disabled: bool
    limit: NanoUsd | None
    limit_reset: LimitReset | None
    include_byok_in_limit: bool


@dataclass(frozen=True, slots=True)
class KeyReport:
    """A key with what it has spent."""

    key: ApiKey
    spend: KeySpend


class ManageKeys:
    """Each method sees the inference keys of one account; the key that manages them is not among them.

    A management key could otherwise delete itself, and nobody could make another.
    """

    def __init__(self, api_keys: ApiKeys, ledger: Ledger, *, now: Callable[[], float] = time.time) -> None:
        self._api_keys = api_keys
        self._ledger = ledger
        self._now = now

    async def create(self, account_id: AccountId, wanted: NewKey) -> tuple[KeyReport, str]:
        """The new key, and its secret, which is nowhere else."""
        secret = new_secret()
        key = ApiKey(
            hash=hash_secret(secret),
            account_id=account_id,
            name=wanted.name,
            label=label_of(secret),
            role=wanted.role,
            limit=wanted.limit,
            limit_reset=wanted.limit_reset,
            include_byok_in_limit=wanted.include_byok_in_limit,
            created_at_s=int(self._now()),
            expires_at_s=wanted.expires_at_s,
        )
        await run_sync(self._api_keys.create, key)
        return KeyReport(key, KeySpend()), secret

    async def list(
        self, account_id: AccountId, *, include_disabled: bool, include_expired: bool, offset: int
    ) -> Sequence[KeyReport]:
        """One page, newest first."""
        now = self._now()
        listed = [
            key
            for key in await run_sync(self._api_keys.list_for, account_id)
            if key.role == "inference"
            and (include_disabled or not key.disabled)
            and (include_expired or key.expires_at_s is None or key.expires_at_s > now)
        ]
        page = listed[offset : offset + PAGE]
        spends: dict[KeyHash, KeySpend] = {}

        async def read_spend(key: ApiKey) -> None:
            spends[key.hash] = await run_sync(self._ledger.get_key_spend, account_id, key, int(now))

        async with create_task_group() as tasks:
            for key in page:
                tasks.start_soon(read_spend, key)
        return [KeyReport(key, spends[key.hash]) for key in page]

    async def get(self, account_id: AccountId, key_hash: str) -> KeyReport:
        """Raises NotFound."""
        return await self._report(await self._own(account_id, key_hash))

    async def update(self, account_id: AccountId, key_hash: str, changes: KeyChanges) -> KeyReport:
        """Raises NotFound; Conflict when the key was changed at the same time."""
        was = await self._own(account_id, key_hash)
        key = replace(was, **changes, updated_at_s=int(self._now()))
        if key.limit is not None and _counts_anew(key, was):
            # First: a limit that stood without it would let the key spend all of it once more, and for good if this
            # failed, since it would not count anew when the change is repeated.
            await run_sync(self._ledger.count_earlier_spending, account_id, key, int(self._now()))
        await run_sync(lambda: self._api_keys.replace(key, was=was))
        return await self._report(key)

    async def delete(self, account_id: AccountId, key_hash: str) -> None:
        """Raises NotFound. What the key has spent stays in the account's history."""
        await run_sync(self._api_keys.delete, await self._own(account_id, key_hash))

    async def _own(self, account_id: AccountId, key_hash: str) -> ApiKey:
        if len(key_hash) != _HASH_LENGTH:
            raise NotFound("API key not found")
        # Fresh: a key is often read or changed in the same breath as it is made.
        found = await run_sync(lambda: self._api_keys.find(KeyHash(key_hash), fresh=True))
        # Another account's key is as unknown as one that never was.
        if found is None or found.account_id != account_id or found.role != "inference":
            raise NotFound("API key not found")
        return found

    async def _report(self, key: ApiKey) -> KeyReport:
        spend = await run_sync(self._ledger.get_key_spend, key.account_id, key, int(self._now()))
        return KeyReport(key, spend)


def _counts_anew(key: ApiKey, was: ApiKey) -> bool:
    """Whether its limit counts something that was not counted against it before."""
    return was.limit is None or (key.limit_reset, key.include_byok_in_limit) != (
        was.limit_reset,
        was.include_byok_in_limit,
    )
