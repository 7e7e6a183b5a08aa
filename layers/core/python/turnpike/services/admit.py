"""Reserve the credit that a request may cost, before any provider is called."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from anyio.to_thread import run_sync

from turnpike.domain.api_keys import Principal
from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest
from turnpike.domain.errors import InsufficientCredit, KeyLimitExceeded
from turnpike.domain.ids import GenerationId
from turnpike.domain.ledger import Hold, KeyLimit
from turnpike.domain.money import ZERO, NanoUsd, round_up
from turnpike.domain.periods import window_of
from turnpike.domain.pricing import Pricing, tokens_for
from turnpike.ports import Ledger

_WORTHWHILE_TOKENS = 16
"""Credit for fewer output tokens than this answers nothing; OpenAI's own minimum for an answer is 16."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The hold, and the output that it pays for. `max_tokens` caps the upstream where credit is short."""

    hold: Hold
    prompt_tokens: int
    max_tokens: int | None


@dataclass(frozen=True, slots=True)
class Admit:
    """With `max_tokens`, prompt and all of it must be affordable. Without, a modest allowance is held,
    which the stream extends as it grows; an account that cannot cover even that gets an answer as long
    as its credit reaches, instead of a refusal.
    """

    ledger: Ledger
    hold_ttl_s: int
    allowance_tokens: int

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
        output_tokens = self._output_tokens(request, route)
        amount = worst_cost(route, prompt_tokens, output_tokens, now_s)
        hold = Hold(
            generation_id,
            principal.account_id,
            principal.key.hash,
            amount,
            created_at_s=now_s,
            expires_at_s=now_s + self.hold_ttl_s,
            key_limit=_key_limit(principal, now_s),
        )
        try:
            await run_sync(self.ledger.hold, hold)
        except InsufficientCredit as error:
            affordable = affordable_tokens(route, prompt_tokens, error.available, now_s)
            if request.max_tokens is not None or affordable < _WORTHWHILE_TOKENS:
                raise _too_little(error.available, output_tokens, affordable) from None
            return await self._admit_less(hold, route, prompt_tokens, affordable)
        except KeyLimitExceeded as error:
            raise _over_limit(principal, error.remaining) from None
        return Admission(hold, prompt_tokens, request.max_tokens)

    async def _admit_less(
        self, hold: Hold, route: Sequence[Endpoint], prompt_tokens: int, affordable: int
    ) -> Admission:
        now_s = hold.created_at_s
        smaller = replace(hold, amount=worst_cost(route, prompt_tokens, affordable, now_s))
        try:
            await run_sync(self.ledger.hold, smaller)
        except InsufficientCredit as error:
            # Another request took the credit in between; this one is not worth a third try.
            left = affordable_tokens(route, prompt_tokens, error.available, now_s)
            raise _too_little(error.available, affordable, left) from None
        return Admission(smaller, prompt_tokens, affordable)

    def _output_tokens(self, request: ChatRequest, route: Sequence[Endpoint]) -> int:
        if request.max_tokens is not None:
            return request.max_tokens
        longest = max(endpoint.max_completion_tokens or endpoint.context_length for endpoint in route)
        return min(self.allowance_tokens, longest)


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


def _key_limit(principal: Principal, now_s: int) -> KeyLimit | None:
    key = principal.key
    return None if key.limit is None else KeyLimit(key.limit, window_of(key.limit_reset, now_s))


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
