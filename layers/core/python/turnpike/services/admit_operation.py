"""Reserve the credit for an operation: the most that it can use is known before anybody is asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from turnpike.domain.api_keys import Principal
from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import Usage
from turnpike.domain.cost import exact_cost
from turnpike.domain.errors import InsufficientCredit, KeyLimitExceeded
from turnpike.domain.ids import GenerationId
from turnpike.domain.money import ZERO, NanoUsd, decimal_usd, round_up
from turnpike.services.admit import Admission, Admit, Rates, charged, over_limit, reachable

MostUsed = Callable[[Endpoint], Usage]


@dataclass(frozen=True, slots=True)
class AdmitOperation:
    """Holds what the dearest endpoint of the route would charge for the most that it may count. Nothing grows, and
    nothing is cut short, so all of it must be affordable.
    """

    admit: Admit

    async def __call__(
        self,
        principal: Principal,
        route: Sequence[Endpoint],
        most_used: MostUsed,
        *,
        generation_id: GenerationId,
        now_s: int,
    ) -> Admission:
        """Raises InsufficientCredit or KeyLimitExceeded naming what it may cost, and TemporarilyBusy."""

        # Once for each: what is sent may be megabytes.
        used = {id(endpoint): most_used(endpoint) for endpoint in route}

        async def admit(endpoints: Sequence[Endpoint]) -> Admission:
            def cost(rates: Rates) -> NanoUsd:
                return most_charged([(each, used[id(each)]) for each in endpoints], now_s, rates=rates)

            hold = self.admit.build_hold(principal, generation_id, endpoints, cost, now_s=now_s)
            try:
                reserve = await self.admit.set_aside(principal, hold)
            except InsufficientCredit as error:
                raise _too_little(error.available, hold.amount) from None
            except KeyLimitExceeded as error:
                compared = f"This request {_costs(hold.counted, error.remaining)} of the limit"
                raise over_limit(principal, error.remaining, compared) from None
            prompt_tokens = max(used[id(endpoint)].prompt_tokens for endpoint in endpoints)
            return Admission(generation_id, principal, now_s, reserve, prompt_tokens, None, endpoints)

        own = [endpoint for endpoint in route if endpoint.byok is not None]
        if not own or len(own) == len(route):
            return await admit(route)
        try:
            return await admit(route)
        except (InsufficientCredit, KeyLimitExceeded):
            # Customers' own provider keys cost no credit but our fee.
            return await admit(own)


def most_charged(used: Sequence[tuple[Endpoint, Usage]], at_s: float, *, rates: Rates = charged) -> NanoUsd:
    """What the dearest of the endpoints would charge, at any of the prices that so much may reach."""
    costs = (
        exact_cost(usage, pricing)[0]
        for endpoint, usage in used
        for pricing in reachable([endpoint], usage.prompt_tokens, at_s, rates)
    )
    return round_up(max(costs))


def _too_little(available: NanoUsd, amount: NanoUsd) -> InsufficientCredit:
    if available <= ZERO:
        message = "Insufficient credits. Add credit to this account to make requests"
    else:
        message = (
            f"This request requires more credits. It {_costs(amount, available)}. "
            "Add credit to this account, or send less"
        )
    return InsufficientCredit(message, available=available)


def _costs(amount: NanoUsd, left: NanoUsd) -> str:
    return f"may cost up to ${decimal_usd(amount)}, and ${decimal_usd(left)} is left"
