"""Routes requests over customers' own provider keys, and opens the keys that a route needs."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from anyio import create_task_group
from anyio.to_thread import run_sync

from turnpike.domain.api_keys import Principal
from turnpike.domain.byok import ByokKey, Credential, Sealed
from turnpike.domain.byok_catalog import ByokCatalog
from turnpike.domain.catalog import Catalog, Endpoint
from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.ids import KeyHash
from turnpike.domain.routing import Policy, Route
from turnpike.ports.accounts import Vault

_OPEN_S = 300.0
"""How long an opened key stays in memory: a warm request asks the key service for nothing."""
_MOST_OPEN = 1_000
_MOST_CATALOGS = 200
"""Of accounts and API keys whose requests are served at the same time; each has models of its own."""


class RouteOwnKeys:
    """Opened keys and worked-out catalogs are kept for the next requests. `on_failure` is told of keys that could not
    be opened.
    """

    def __init__(
        self,
        vault: Vault,
        *,
        fee: Decimal,
        on_failure: Callable[[ByokKey, Exception], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._vault = vault
        self._fee = fee
        self._on_failure = on_failure
        self._now = now
        self._opened: OrderedDict[Sealed, tuple[float, Credential]] = OrderedDict()
        self._catalogs: OrderedDict[KeyHash, tuple[Sequence[ByokKey], ByokCatalog]] = OrderedDict()
        self._served: Catalog | None = None

    def __call__(self, principal: Principal, catalog: Catalog, keys: Sequence[ByokKey]) -> "OwnRoute":
        return OwnRoute(self, self._catalog_for(principal, catalog, keys))

    async def open(self, route: Route) -> Route:
        self._forget(self._now())
        wanted = {endpoint.byok.key.id: endpoint.byok.key for endpoint in route if endpoint.byok is not None}
        opened: dict[str, Credential] = {}

        async def open_one(key: ByokKey) -> None:
            credential = await self._credential(key)
            if credential is not None:
                opened[key.id] = credential

        async with create_task_group() as tasks:
            for key in wanted.values():
                tasks.start_soon(open_one, key)
        shut = {key.provider for key in wanted.values() if key.id not in opened and not key.is_fallback}
        endpoints = tuple(each for endpoint in route if (each := _ready(endpoint, opened, shut)) is not None)
        if not endpoints:
            raise TemporarilyBusy("Your own provider keys cannot be opened at the moment; try again")
        return replace(route, endpoints=endpoints)

    def _catalog_for(self, principal: Principal, catalog: Catalog, keys: Sequence[ByokKey]) -> ByokCatalog:
        """The one of before, as long as neither the catalog nor the keys were read anew."""
        if self._served is not catalog:
            # What was worked out of the one before would keep all of it in memory.
            self._served = catalog
            self._catalogs.clear()
        at = principal.key.hash
        known = self._catalogs.get(at)
        if known is not None and known[0] is keys:
            return known[1]
        made = ByokCatalog(catalog, keys, principal, self._fee)
        self._catalogs[at] = (keys, made)
        self._catalogs.move_to_end(at)
        if len(self._catalogs) > _MOST_CATALOGS:
            self._catalogs.popitem(last=False)
        return made

    async def _credential(self, key: ByokKey) -> Credential | None:
        now = self._now()
        known = self._opened.get(key.sealed)
        if known is not None and known[0] > now:
            return known[1]
        try:
            credential = Credential.parse(await run_sync(self._vault.open, key.sealed, key.context))
        except Exception as error:  # Whatever it is: what follows from it is the same.
            self._on_failure(key, error)
            return None
        self._opened[key.sealed] = (now + _OPEN_S, credential)
        self._opened.move_to_end(key.sealed)
        return credential

    def _forget(self, now: float) -> None:
        """What is too old, and what is too much."""
        while self._opened:
            oldest = next(iter(self._opened))
            if self._opened[oldest][0] > now and len(self._opened) <= _MOST_OPEN:
                return
            del self._opened[oldest]


@dataclass(frozen=True, slots=True)
class OwnRoute:
    """One request's."""

    case: RouteOwnKeys
    catalog: ByokCatalog

    @property
    def policy(self) -> Policy:
        return self.catalog.policy

    async def open(self, route: Route) -> Route:
        """A key that does not open takes our own capacity at its provider with it: the request was to go over the
        customer's account, and must not be charged to their credit because of us. Not so for fallback keys.
        """
        return await self.case.open(route)


def _ready(endpoint: Endpoint, opened: dict[str, Credential], shut: set[str]) -> Endpoint | None:
    if endpoint.byok is None:
        return None if endpoint.provider in shut else endpoint
    credential = opened.get(endpoint.byok.key.id)
    return None if credential is None else replace(endpoint, byok=replace(endpoint.byok, credential=credential))
