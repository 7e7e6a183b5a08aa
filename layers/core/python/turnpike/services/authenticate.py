"""From a bearer key to the principal it speaks for."""

import time
from collections import OrderedDict
from collections.abc import Callable

from anyio.to_thread import run_sync

from turnpike.domain.api_keys import ApiKey, Principal, hash_secret
from turnpike.domain.errors import Unauthenticated
from turnpike.domain.ids import KeyHash
from turnpike.ports.accounts import ApiKeys

_REMEMBERED_KEYS = 10_000


class Authenticate:
    """Remembers keys, known and unknown, for `ttl_s` seconds, so that a warm request reads nothing."""

    def __init__(self, api_keys: ApiKeys, *, ttl_s: float, now: Callable[[], float] = time.time) -> None:
        self._api_keys = api_keys
        self._ttl_s = ttl_s
        self._now = now
        self._known: OrderedDict[KeyHash, tuple[float, ApiKey | None]] = OrderedDict()

    async def __call__(self, secret: str | None) -> Principal:
        """Raises Unauthenticated, saying what is wrong with the key as far as its bearer may know."""
        if not secret:
            raise Unauthenticated("No auth credentials found: send your key as 'Authorization: Bearer <key>'")
        return await self.by_hash(hash_secret(secret))

    async def by_hash(self, key_hash: KeyHash) -> Principal:
        """For what was asked with the key before, and is done now; raises as with its secret."""
        now = self._now()
        cached = self._known.get(key_hash)
        if cached is None or cached[0] <= now:
            key = await run_sync(self._api_keys.find, key_hash)
            self._remember(key_hash, now + self._ttl_s, key)
        else:
            key = cached[1]
        if key is None:
            raise Unauthenticated("Invalid API key")
        if key.disabled:
            raise Unauthenticated("This API key is disabled")
        if key.expires_at_s is not None and key.expires_at_s <= now:
            raise Unauthenticated("This API key has expired")
        return Principal(key.account_id, key)

    def _remember(self, key_hash: KeyHash, until: float, key: ApiKey | None) -> None:
        self._known[key_hash] = (until, key)
        self._known.move_to_end(key_hash)
        # Junk keys are remembered too; the bound keeps a guesser from filling the memory.
        while len(self._known) > _REMEMBERED_KEYS:
            self._known.popitem(last=False)
