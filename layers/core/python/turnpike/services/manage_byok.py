"""Create, list, read, change and delete an account's own provider keys. Their secrets only ever go in."""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypedDict

from anyio.to_thread import run_sync

from turnpike.domain.byok import MOST_KEYS, ByokKey, Credential, DeclaredRegion, Place, Sealed, VaultError
from turnpike.domain.errors import InvalidRequest, NotFound, TurnpikeError
from turnpike.domain.ids import AccountId
from turnpike.ports.accounts import ApiKeys, ByokKeys, Vault

_ID_LENGTH = 36
_NOTHING = Sealed(b"", b"")
"""Of a key that is not sealed yet: what it is sealed for has to be known first."""


class ParsedKey(Protocol):
    """A key as it was sent, in our own form."""

    @property
    def credential(self) -> Credential: ...
    @property
    def place(self) -> Place: ...
    @property
    def label(self) -> str: ...


ParseKey = Callable[[str, str], ParsedKey]
"""From a provider's slug and what was sent. Raises InvalidRequest, which quotes nothing of it."""


class ByokChanges(TypedDict, total=False):
    """What is absent stays as it is, or is as it is by default."""

    name: str | None
    disabled: bool
    is_fallback: bool
    is_required: bool
    is_byok_only: bool
    allowed_models: tuple[str, ...] | None
    allowed_api_key_hashes: tuple[str, ...] | None
    allowed_user_ids: tuple[str, ...] | None
    declared_zdr: bool | None
    declared_region: DeclaredRegion | None


@dataclass(frozen=True, slots=True)
class ByokPage:
    keys: Sequence[ByokKey]
    total_count: int


class ManageByok:
    """Each method sees the keys of one account. `on_failure` is told why the vault did not work."""

    def __init__(
        self,
        keys: ByokKeys,
        vault: Vault,
        api_keys: ApiKeys,
        parse: ParseKey,
        *,
        on_failure: Callable[[Exception], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._vault = vault
        self._api_keys = api_keys
        self._parse = parse
        self._on_failure = on_failure
        self._now = now

    async def create(self, account_id: AccountId, provider: str, secret: str, wanted: ByokChanges) -> ByokKey:
        """Behind the account's others for this provider. Raises InvalidRequest and TemporarilyBusy."""
        parsed = self._parse(provider, secret)
        await self._check_hashes(account_id, wanted)
        others = await run_sync(self._keys.list_for, account_id)
        if len(others) >= MOST_KEYS:
            raise InvalidRequest(f"an account can have {MOST_KEYS} provider keys; delete one that is not needed")
        places = [key.sort_order for key in others if key.provider == provider]
        new = ByokKey(
            id=str(uuid.uuid4()),
            account_id=account_id,
            provider=provider,
            label=parsed.label,
            sealed=_NOTHING,
            place=parsed.place,
            sort_order=max(places, default=-1) + 1,
            created_at_s=int(self._now()),
            **wanted,
        )
        _check(new)
        key = await self._sealed(new, parsed.credential)
        await run_sync(self._keys.create, key)
        return key

    async def list(self, account_id: AccountId, *, provider: str | None, offset: int, limit: int) -> ByokPage:
        """By provider, in the order in which they are tried."""
        found = [
            key
            for key in await run_sync(self._keys.list_for, account_id)
            if provider is None or key.provider == provider
        ]
        return ByokPage(found[offset : offset + limit], len(found))

    async def get(self, account_id: AccountId, key_id: str) -> ByokKey:
        """Raises NotFound."""
        found = await run_sync(self._keys.find, account_id, key_id) if len(key_id) == _ID_LENGTH else None
        if found is None:
            raise NotFound("Provider key not found")
        return found

    async def update(
        self, account_id: AccountId, key_id: str, changes: ByokChanges, *, secret: str | None = None
    ) -> ByokKey:
        """With a `secret`, the one before it is overwritten. Raises NotFound, Conflict, and as `create`."""
        was = await self.get(account_id, key_id)
        await self._check_hashes(account_id, changes)
        key = replace(was, **changes, updated_at_s=int(self._now()), revision=was.revision + 1)
        _check(key)
        if secret is not None:
            parsed = self._parse(was.provider, secret)
            key = await self._sealed(replace(key, label=parsed.label, place=parsed.place), parsed.credential)
        await run_sync(lambda: self._keys.replace(key, was=was))
        return key

    async def delete(self, account_id: AccountId, key_id: str) -> None:
        """Raises NotFound."""
        key = await self.get(account_id, key_id)
        await run_sync(self._keys.delete, key, int(self._now()))

    async def _sealed(self, key: ByokKey, credential: Credential) -> ByokKey:
        try:
            sealed = await run_sync(self._vault.seal, credential.serialize(), key.context)
        except VaultError as error:
            self._on_failure(error)
            raise TurnpikeError(
                "Provider keys cannot be stored: this is for the deployment's operator to mend"
            ) from None
        return replace(key, sealed=sealed)

    async def _check_hashes(self, account_id: AccountId, changes: ByokChanges) -> None:
        hashes = changes.get("allowed_api_key_hashes")
        if not hashes:
            return
        known = {str(key.hash) for key in await run_sync(self._api_keys.list_for, account_id)}
        if not known.issuperset(hashes):
            raise InvalidRequest("holds a hash that is of no API key of this account", field="allowed_api_key_hashes")


def _check(key: ByokKey) -> None:
    if key.is_fallback and key.is_byok_only:
        raise InvalidRequest("cannot be combined with is_byok_only", field="is_fallback")
