"""Stand-ins for the store of customers' provider keys and for the vault, under the same contracts as the real ones."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from turnpike.domain.byok import ByokKey, Credential, Sealed, VaultError, mask
from turnpike.domain.errors import Conflict, TemporarilyBusy
from turnpike.domain.ids import AccountId

from tests.scenario import ACCOUNT


class InMemoryByokKeys:
    """Decides under one lock; `reads` counts lists, and while `failing` there are none."""

    def __init__(self, *keys: ByokKey) -> None:
        self.reads = 0
        self.failing: Exception | None = None
        self._lock = Lock()
        self._keys = {(key.account_id, key.id): key for key in keys}
        self._deleted: set[tuple[AccountId, str]] = set()

    def list_for(self, account_id: AccountId) -> Sequence[ByokKey]:
        with self._lock:
            self.reads += 1
            if self.failing:
                raise self.failing
            found = [key for (account, _), key in self._keys.items() if account == account_id]
        return sorted(found, key=lambda key: (key.provider, key.sort_order, key.created_at_s, key.id))

    def find(self, account_id: AccountId, key_id: str) -> ByokKey | None:
        with self._lock:
            return self._keys.get((account_id, key_id))

    def create(self, key: ByokKey) -> None:
        at = (key.account_id, key.id)
        with self._lock:
            if at in self._keys or at in self._deleted:
                raise Conflict("this provider key exists already")
            self._keys[at] = key

    def replace(self, key: ByokKey, *, was: ByokKey) -> None:
        at = (was.account_id, was.id)
        with self._lock:
            if at not in self._keys or self._keys[at].revision != was.revision:
                raise Conflict("this provider key was changed at the same time")
            self._keys[at] = key

    def delete(self, key: ByokKey, now_s: int) -> None:
        at = (key.account_id, key.id)
        with self._lock:
            if self._keys.pop(at, None) is not None:
                self._deleted.add(at)


class LocalVault:
    """Seals under a key that it makes, or is given.

    `opened` counts what it opened; what `failing` gives for a context, it raises in place of opening for it.
    `before_seal` is called by every `seal`.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self.opened = 0
        self.failing: Callable[[Mapping[str, str]], Exception | None] = lambda context: None
        self.before_seal: Callable[[], None] = lambda: None
        self._key = key or AESGCM.generate_key(256)

    def seal(self, secret: str, context: Mapping[str, str]) -> Sealed:
        self.before_seal()
        nonce = os.urandom(12)
        return Sealed(nonce, AESGCM(self._key).encrypt(nonce, secret.encode(), _additional(context)))

    def open(self, sealed: Sealed, context: Mapping[str, str]) -> str:
        self.opened += 1
        failure = self.failing(context)
        if failure is not None:
            raise failure
        try:
            return AESGCM(self._key).decrypt(sealed.data_key, sealed.ciphertext, _additional(context)).decode()
        except (InvalidTag, ValueError):
            raise VaultError("A sealed secret cannot be opened: it is not as it was sealed") from None


def own_key(provider: str = "one", key_id: str = "own", *, account: AccountId = ACCOUNT, **changes: Any) -> ByokKey:
    """A key whose secret nobody opens."""
    values: dict[str, Any] = {"label": "sk-...abcd", "sealed": Sealed(key_id.encode(), b"")}
    return ByokKey(key_id, account, provider, **(values | changes))


def sealed_key(
    vault: LocalVault, provider: str = "one", key_id: str = "own", *, secret: str = "sk-own-0123456789", **changes: Any
) -> ByokKey:
    """A key of which the vault gives the secret back."""
    key = own_key(provider, key_id, label=mask(secret), **changes)
    return replace(key, sealed=vault.seal(Credential("api-key", secret).serialize(), key.context))


def busy(context: Mapping[str, str]) -> Exception:
    """For `failing`: nothing can be opened."""
    return TemporarilyBusy("The key service is busy; try again")


def _additional(context: Mapping[str, str]) -> bytes:
    return json.dumps(context, sort_keys=True).encode()
