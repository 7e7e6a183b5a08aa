"""Which accounts bring provider keys of their own: asked for every request, and read once in half a minute."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from anyio.to_thread import run_sync

from turnpike.domain.api_keys import Principal
from turnpike.domain.catalog import Catalog
from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.ids import AccountId
from turnpike.domain.routing import Policy, Route
from turnpike.ports.accounts import ByokKeys

if TYPE_CHECKING:
    from turnpike.domain.byok import ByokKey

_REMEMBERED_ACCOUNTS = 10_000


class OwnRouting(Protocol):
    """How the keys of a request's account change its route."""

    @property
    def catalog(self) -> Catalog:
        """To plan with: it has the endpoints that the keys open."""

    @property
    def policy(self) -> Policy:
        """Excludes what the keys are to serve alone."""

    async def open(self, route: Route) -> Route:
        """The route with its keys ready for use. Raises TemporarilyBusy where none is left of it."""


RouteOwn = Callable[[Principal, Catalog], Awaitable[OwnRouting | None]]
"""None for accounts that bring no keys. Raises TemporarilyBusy."""


class OwnKeys:
    """Remembers accounts' keys, and that there are none, for `ttl_s` seconds, so that a warm request reads nothing."""

    def __init__(
        self,
        keys: ByokKeys,
        *,
        ttl_s: float,
        on_failure: Callable[[Exception], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._ttl_s = ttl_s
        self._on_failure = on_failure
        self._now = now
        self._known: OrderedDict[AccountId, tuple[float, Sequence[ByokKey]]] = OrderedDict()

    async def __call__(self, account_id: AccountId) -> "Sequence[ByokKey]":
        """The very same object as long as nothing changes, by which others know it.

        Raises TemporarilyBusy when they cannot be read: a request that goes on without them could be charged for what
        was not to cost any credit.
        """
        now = self._now()
        known = self._known.get(account_id)
        if known is not None and known[0] > now:
            return known[1]
        try:
            found = await run_sync(self._keys.list_for, account_id)
        except Exception as error:  # Whatever it is, a missing grant included.
            self._on_failure(error)
            raise TemporarilyBusy("Your own provider keys cannot be read at the moment; try again") from None
        if known is not None and known[1] == found:
            found = known[1]
        self._known[account_id] = (now + self._ttl_s, found)
        self._known.move_to_end(account_id)
        while len(self._known) > _REMEMBERED_ACCOUNTS:
            self._known.popitem(last=False)
        return found
