"""Credit leased to this environment, for requests that then need no write before their provider is called.

A lease is a hold like any other: what it covers is no longer available to anybody else, and its shares never sum to
more than it has. So no account can be spent twice, however many environments lease from it. What it is not going to
spend is given back when it ends; if this environment ends before, the hold expires.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import anyio
from anyio.to_thread import run_sync

from turnpike.domain.api_keys import ApiKey, Principal
from turnpike.domain.errors import HoldMismatch, InsufficientCredit, KeyLimitExceeded, LedgerError, ServiceError
from turnpike.domain.ids import AccountId, KeyHash, LeaseId, new_lease_id
from turnpike.domain.ledger import Hold, key_limit_of
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.ports.ledger import Ledger
from turnpike.services.reserve import see_again

_BUSY_REQUESTS, _BUSY_S = 3, 20.0
"""So many requests of one key within so many seconds are worth a lease."""
_ROOM_FOR = 20
"""A lease takes a twentieth of what there is at the most. Whoever has less than twenty times what it would be leases
nothing, and every request of theirs is decided by what they have."""
_MOST_KEYS = 1_000


@dataclass(slots=True, eq=False)
class Lease:
    hold: Hold
    serves_until: float
    room: NanoUsd
    """What was there besides it when it was made."""
    shares: int = 0
    allotted: int = 0
    """What the shares that are out may cost."""
    spent: int = 0
    """What those that ended cost."""
    extending: anyio.Lock = field(default_factory=anyio.Lock)

    @property
    def free(self) -> int:
        return self.hold.amount - self.allotted - self.spent


class LeaseShare:
    """A `Reserve`."""

    def __init__(self, ledger: Ledger, lease: Lease, amount: NanoUsd) -> None:
        self._ledger, self._lease = ledger, lease
        self.amount = amount
        lease.shares += 1
        lease.allotted += amount

    @property
    def lease_id(self) -> LeaseId | None:
        return LeaseId(self._lease.hold.hold_id)

    async def extend(self, by: NanoUsd, now_s: int) -> None:
        lease = self._lease
        async with lease.extending:
            # The lock: an extension is made of what the lease was last seen as.
            try:
                await self._extend_lease(by, now_s)
            except HoldMismatch:
                lease.hold = await run_sync(see_again, self._ledger, lease.hold)
                await self._extend_lease(by, now_s)
            lease.allotted += by
        self.amount = NanoUsd(self.amount + by)

    async def _extend_lease(self, by: NanoUsd, now_s: int) -> None:
        lease = self._lease
        if lease.free < by:
            lease.hold = await run_sync(self._ledger.extend, lease.hold, by, now_s)

    def end(self, cost: NanoUsd) -> None:
        self._lease.shares -= 1
        self._lease.allotted -= self.amount
        self._lease.spent += cost


@dataclass(slots=True)
class _Demand:
    """What was asked lately by one key."""

    requests: deque[tuple[float, int, int]] = field(default_factory=lambda: deque(maxlen=64))
    """When each ended, what was set aside for it, what it cost."""
    leases: list[Lease] = field(default_factory=list)
    """The last one serves; those before it wait for their shares to end."""
    is_leasing: bool = False


class Leases:
    """By account and key. `take` is asked before a provider is called, `tend` after the response."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        serve_s: int,
        hold_ttl_s: int,
        now: Callable[[], float] = time.time,
        on_failure: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        """A lease serves for `serve_s` seconds; its hold lasts as much longer as any other hold does."""
        self._ledger = ledger
        self._serve_s = serve_s
        self._hold_ttl_s = hold_ttl_s
        self._now = now
        self._on_failure = on_failure
        self._demands: dict[tuple[AccountId, KeyHash], _Demand] = {}

    def take(self, principal: Principal, amount: NanoUsd, *, floor: NanoUsd = ZERO) -> LeaseShare | None:
        """A share of this amount, where a lease has it left, and the account at least `floor` besides, by far."""
        demand = self._demands.get((principal.account_id, principal.key.hash))
        if demand is None or not demand.leases:
            return None
        lease, now = demand.leases[-1], self._now()
        if not self._serves(lease, principal.key, now) or lease.free < amount or lease.room < 2 * floor:
            return None
        return LeaseShare(self._ledger, lease, amount)

    async def tend(self, principal: Principal, amount: NanoUsd, cost: NanoUsd) -> None:
        """After each request: end what no longer serves, and lease for the next ones if they come often.

        `amount` was set aside for it, `cost` is what it came to. Never raises: a request needs no lease.
        """
        now = self._now()
        demand = self._demand_of(principal)
        demand.requests.append((now, amount, cost))
        try:
            for each in self._ended(demand, principal.key, now):
                await self._close(each)
            if not demand.is_leasing and self._wants(demand, principal.key, now):
                demand.is_leasing = True
                try:
                    await self._lease(demand, principal, now)
                finally:
                    demand.is_leasing = False
        except (InsufficientCredit, KeyLimitExceeded):
            return  # Somebody was faster. There may be less now than a lease asks for.
        except Exception as error:  # Whatever it is, a missing grant included: requests go on without a lease.
            self._on_failure(error)

    async def aclose(self) -> None:
        """Give back what is left, when no more requests will come."""
        for demand in self._demands.values():
            for lease in demand.leases:
                try:
                    await self._close(lease)
                except (LedgerError, ServiceError) as error:
                    self._on_failure(error)
        self._demands.clear()

    def _demand_of(self, principal: Principal) -> _Demand:
        at = (principal.account_id, principal.key.hash)
        if at not in self._demands and len(self._demands) >= _MOST_KEYS:
            idle = next((each for each, demand in self._demands.items() if not demand.leases), None)
            if idle is not None:
                del self._demands[idle]
        return self._demands.setdefault(at, _Demand())

    def _serves(self, lease: Lease, key: ApiKey, now: float) -> bool:
        """Not after its time, nor once the key's limit is another one or counts in another window."""
        return now < lease.serves_until and lease.hold.key_limit == key_limit_of(key, now)

    def _ended(self, demand: _Demand, key: ApiKey, now: float) -> list[Lease]:
        """Leases that nothing will be taken of any more, and whose shares have all ended. They are forgotten."""
        last = demand.leases[-1] if demand.leases else None
        ended = [
            lease
            for lease in demand.leases
            if not lease.shares and (lease is not last or not self._serves(lease, key, now))
        ]
        demand.leases = [lease for lease in demand.leases if lease not in ended]
        return ended

    def _wants(self, demand: _Demand, key: ApiKey, now: float) -> bool:
        lately = [request for request in demand.requests if request[0] > now - _BUSY_S]
        if len(lately) < _BUSY_REQUESTS or not any(amount for _, amount, _ in lately):
            return False
        if not demand.leases or not self._serves(demand.leases[-1], key, now):
            return True
        # The next one would not find enough of it.
        return demand.leases[-1].free < max(amount for _, amount, _ in lately)

    async def _lease(self, demand: _Demand, principal: Principal, now: float) -> None:
        amount = self._amount(demand, now)
        balance = await run_sync(self._ledger.get_balance, principal.account_id)
        room = await run_sync(self._ledger.get_room, principal.account_id, principal.key, int(now))
        # Nor is it right to set aside more than half of an account's credit for what may never come.
        if amount * _ROOM_FOR > room or balance.held + amount > balance.available:
            return
        hold = Hold(
            new_lease_id(now),
            principal.account_id,
            principal.key.hash,
            amount,
            created_at_s=int(now),
            expires_at_s=int(now) + self._serve_s + self._hold_ttl_s,
            key_limit=key_limit_of(principal.key, now),
        )
        # The ledger sees to it again: another environment may have leased since.
        await run_sync(partial(self._ledger.hold, hold, floor=NanoUsd(amount * _ROOM_FOR)))
        demand.leases.append(Lease(hold, now + self._serve_s, NanoUsd(room - amount)))

    def _amount(self, demand: _Demand, now: float) -> NanoUsd:
        """What the requests of this moment have set aside, once more as a reserve, and what they will cost in its time
        if they go on like this.
        """
        lately = [request for request in demand.requests if request[0] > now - _BUSY_S]
        under_way = sum(lease.allotted for lease in demand.leases)
        largest = max(amount for _, amount, _ in lately)
        cost_per_s = sum(cost for _, _, cost in lately) / _BUSY_S
        return NanoUsd(2 * max(under_way, largest) + int(cost_per_s * self._serve_s))

    async def _close(self, lease: Lease) -> None:
        """Give back what its generations do not need, all of which have told what they will be charged."""
        try:
            await self._give_back(lease)
        except HoldMismatch:
            lease.hold = await run_sync(see_again, self._ledger, lease.hold)
            await self._give_back(lease)

    async def _give_back(self, lease: Lease) -> None:
        await run_sync(self._ledger.close, lease.hold, NanoUsd(max(lease.free, 0)), int(self._now()))
