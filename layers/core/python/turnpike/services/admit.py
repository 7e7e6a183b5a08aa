"""Reserve the credit that a request may cost, before any provider is called."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial

from anyio.to_thread import run_sync

from turnpike.domain.api_keys import Principal
from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest
from turnpike.domain.errors import InsufficientCredit, KeyLimitExceeded
from turnpike.domain.ids import GenerationId
from turnpike.domain.ledger import Hold, key_limit_of
from turnpike.domain.money import ZERO, NanoUsd, round_up
from turnpike.domain.pricing import Pricing, tokens_for
from turnpike.ports import Ledger
from turnpike.services.leases import Leases
from turnpike.services.reserve import OwnHold, Reserve

_WORTHWHILE_TOKENS = 16
"""Credit for fewer output tokens than this answers nothing; OpenAI's own minimum for an answer is 16."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What is set aside for a generation, and the output that it pays for.

    `max_tokens` caps the upstream: as the client asked, or where credit is short.
    """

    generation_id: GenerationId
    principal: Principal
    created_at_s: int
    reserve: Reserve
    prompt_tokens: int
    max_tokens: int | None


@dataclass(frozen=True, slots=True)
class Admit:
    """With `max_tokens`, prompt and all of it must be affordable. Without, a modest allowance is held,
    which a stream extends as it grows; an account or a key that cannot cover even that gets an answer as long
    as its credit reaches, instead of a refusal. So does one that could not pay for the longest answer there
    may be, where the answer comes whole and nothing can be extended while it grows.
    """

    ledger: Ledger
    hold_ttl_s: int
    allowance_tokens: int
    leases: Leases | None = None

    async def __call__(
        self,
        principal: Principal,
        request: ChatRequest,
        route: Sequence[Endpoint],
        *,
        generation_id: GenerationId,
        prompt_tokens: int,
        now_s: int,
    ) -> Admission:
        """Raises InsufficientCredit naming what is affordable, KeyLimitExceeded, TemporarilyBusy."""
        longest = max(endpoint.max_completion_tokens or endpoint.context_length for endpoint in route)
        max_tokens = request.max_tokens
        output_tokens = min(self.allowance_tokens, longest) if max_tokens is None else max_tokens
        amount = worst_cost(route, prompt_tokens, output_tokens, now_s)
        is_open = max_tokens is None and not request.stream
        floor = worst_cost(route, prompt_tokens, longest, now_s) if is_open else ZERO
        hold = self._new_hold(principal, generation_id, amount, now_s)
        reserve: Reserve | None = self.leases.take(principal, amount, floor=floor) if self.leases else None
        if reserve is None:
            try:
                reserve = await self._hold(hold, floor=floor)
            except (InsufficientCredit, KeyLimitExceeded) as error:
                affordable = affordable_tokens(route, prompt_tokens, _room(error), now_s)
                if max_tokens is not None or affordable < _WORTHWHILE_TOKENS:
                    raise _refusal(error, principal, output_tokens, affordable) from None
                max_tokens = affordable
                reserve = await self._hold_less(hold, principal, route, prompt_tokens, affordable)
        return Admission(generation_id, principal, now_s, reserve, prompt_tokens, max_tokens)

    def _new_hold(self, principal: Principal, generation_id: GenerationId, amount: NanoUsd, now_s: int) -> Hold:
        return Hold(
            generation_id,
            principal.account_id,
            principal.key.hash,
            amount,
            created_at_s=now_s,
            expires_at_s=now_s + self.hold_ttl_s,
            key_limit=key_limit_of(principal.key, now_s),
        )

    async def _hold(self, hold: Hold, *, floor: NanoUsd = ZERO) -> Reserve:
        await run_sync(partial(self.ledger.hold, hold, floor=floor))
        return OwnHold(self.ledger, hold)

    async def _hold_less(
        self, hold: Hold, principal: Principal, route: Sequence[Endpoint], prompt_tokens: int, affordable: int
    ) -> Reserve:
        now_s = hold.created_at_s
        amount = min(hold.amount, worst_cost(route, prompt_tokens, affordable, now_s))
        try:
            return await self._hold(replace(hold, amount=amount))
        except (InsufficientCredit, KeyLimitExceeded) as error:
            # Another request took the credit in between; this one is not worth a third try.
            left = affordable_tokens(route, prompt_tokens, _room(error), now_s)
            raise _refusal(error, principal, affordable, left) from None


def worst_cost(route: Sequence[Endpoint], prompt_tokens: int, output_tokens: int, at_s: float) -> NanoUsd:
    """What the dearest endpoint of the route would charge: any of them may end up serving, at any of the prices that
    such a prompt may reach, and all of the output may be reasoning.
    """
    return round_up(
        max(
            rates.prompt * prompt_tokens + rates.output * output_tokens + rates.request
            for rates in _reachable(route, prompt_tokens, at_s)
        )
    )


def affordable_tokens(route: Sequence[Endpoint], prompt_tokens: int, available: NanoUsd, at_s: float) -> int:
    """Output tokens that `available` pays for on the dearest endpoint, after the prompt; 0 if not even that."""
    left = NanoUsd(available - worst_cost(route, prompt_tokens, 0, at_s))
    dearest = dearest_output(route, prompt_tokens, at_s)
    if left <= ZERO or dearest == 0:
        return 0
    return tokens_for(left, dearest)


def dearest_output(route: Sequence[Endpoint], prompt_tokens: int, at_s: float) -> Decimal:
    """The most that a token of the answer may cost."""
    return max(rates.output for rates in _reachable(route, prompt_tokens, at_s))


def _reachable(route: Sequence[Endpoint], prompt_tokens: int, at_s: float) -> Iterator[Pricing]:
    for endpoint in route:
        if endpoint.pricing.overrides:
            yield from endpoint.pricing.reachable(prompt_tokens, at_s)
        else:
            yield endpoint.pricing


def _room(error: InsufficientCredit | KeyLimitExceeded) -> NanoUsd:
    return error.available if isinstance(error, InsufficientCredit) else error.remaining


def _refusal(
    error: InsufficientCredit | KeyLimitExceeded, principal: Principal, requested: int, affordable: int
) -> InsufficientCredit | KeyLimitExceeded:
    if isinstance(error, InsufficientCredit):
        return _too_little(error.available, requested, affordable)
    return _over_limit(principal, error.remaining)


def _too_little(available: NanoUsd, requested: int, affordable: int) -> InsufficientCredit:
    if available <= ZERO:
        return InsufficientCredit(
            "Insufficient credits. Add credit to this account to make requests", available=available
        )
    # OpenRouter's own sentence up to "M": clients look for it.
    return InsufficientCredit(
        f"This request requires more credits, or fewer max_tokens. You requested up to {requested} tokens, "
        f"but can only afford {affordable}. Add credit to this account, or ask for less",
        available=available,
    )


def _over_limit(principal: Principal, remaining: NanoUsd) -> KeyLimitExceeded:
    window = principal.key.limit_reset or "total"
    return KeyLimitExceeded(
        f"Key limit exceeded ({window} limit). Raise the key's limit with PATCH /keys/{principal.key.hash}",
        remaining=remaining,
    )
