"""Reserve the credit that a request may cost, before any provider is called."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from anyio.to_thread import run_sync

from turnpike.domain.api_keys import Principal
from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest
from turnpike.domain.cost import tokens_for
from turnpike.domain.errors import InsufficientCredit, KeyLimitExceeded
from turnpike.domain.estimate import NO_MEDIA, Media, media_of
from turnpike.domain.ids import GenerationId
from turnpike.domain.ledger import Hold, key_limit_of
from turnpike.domain.money import ZERO, NanoUsd, round_up
from turnpike.domain.pricing import Pricing, multiplied
from turnpike.ports.ledger import Ledger
from turnpike.services.leases import Leases
from turnpike.services.reserve import OwnHold, Reserve

Rates = Callable[[Endpoint], Pricing]

_WORTHWHILE_TOKENS = 16
"""Credit for fewer output tokens than this answers nothing; OpenAI's own minimum for an answer is 16."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What is set aside for a generation, and what it pays for: these endpoints, and so much output.

    `max_tokens` caps the upstream: as the client asked, or where credit is short.
    """

    generation_id: GenerationId
    principal: Principal
    created_at_s: int
    reserve: Reserve
    prompt_tokens: int
    max_tokens: int | None
    endpoints: Sequence[Endpoint] = ()
    media: Media = NO_MEDIA


class _Asked(NamedTuple):
    principal: Principal
    request: ChatRequest
    generation_id: GenerationId
    prompt_tokens: int
    now_s: int
    media: Media


@dataclass(frozen=True, slots=True)
class Admit:
    """With `max_tokens`, prompt and all of it must be affordable. Without, a modest allowance is held,
    which a stream extends as it grows; an account or a key that cannot cover even that gets an answer as long
    as its credit reaches, instead of a refusal, and so it is with a `max_tokens` that is only a ceiling. So does
    one that could not pay for the longest answer there may be, where the answer comes whole and nothing can be
    extended while it grows.

    Customers' own provider keys cost no credit but our fee. Where the rest of a route cannot be paid for, they serve
    without it.
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
        beside: NanoUsd = ZERO,
        searches: int = 0,
    ) -> Admission:
        """`beside` is what may be charged besides the model, `searches` how many its provider is expected to make.

        Raises InsufficientCredit naming what is affordable, KeyLimitExceeded, TemporarilyBusy.
        """
        media = media_of(request)
        if beside or searches:
            media = replace(media, beside=beside, searches=searches)
        asked = _Asked(principal, request, generation_id, prompt_tokens, now_s, media)
        own = [endpoint for endpoint in route if endpoint.byok is not None]
        if not own or len(own) == len(route):
            return await self._admit(asked, route)
        try:
            # A whole answer on the customer's account is better than a short one on ours.
            return await self._admit(asked, route, least_tokens=self.allowance_tokens)
        except (InsufficientCredit, KeyLimitExceeded):
            return await self._admit(asked, own)

    async def _admit(
        self, asked: _Asked, route: Sequence[Endpoint], *, least_tokens: int = _WORTHWHILE_TOKENS
    ) -> Admission:
        """An answer of `least_tokens` is the shortest that is given for want of credit, where a short one is taken."""
        longest = max(endpoint.max_completion_tokens or endpoint.context_length for endpoint in route)
        max_tokens = asked.request.max_tokens
        if max_tokens is not None and asked.request.takes_less:
            max_tokens = min(max_tokens, longest)
        output_tokens = min(self.allowance_tokens, longest) if max_tokens is None else max_tokens
        hold = self._new_hold(asked, route, output_tokens)
        floor = _floor(asked, route, longest, hold)
        try:
            reserve = await self.set_aside(asked.principal, hold, floor=floor)
        except (InsufficientCredit, KeyLimitExceeded) as error:
            affordable = _affordable(asked, route, error)
            takes_less = max_tokens is None or asked.request.takes_less
            if not takes_less or affordable < max(_WORTHWHILE_TOKENS, min(least_tokens, output_tokens)):
                raise _refusal(error, asked.principal, output_tokens, affordable) from None
            max_tokens = min(affordable, longest if max_tokens is None else max_tokens)
            reserve = await self._hold_less(asked, hold, route, max_tokens)
        return Admission(
            asked.generation_id,
            asked.principal,
            asked.now_s,
            reserve,
            asked.prompt_tokens,
            max_tokens,
            route,
            asked.media,
        )

    def build_hold(
        self,
        principal: Principal,
        generation_id: GenerationId,
        route: Sequence[Endpoint],
        cost: Callable[[Rates], NanoUsd],
        *,
        now_s: int,
    ) -> Hold:
        """`cost` is the most that any of the route may cost, at rates of one's choice."""
        amount = cost(charged)
        byok_amount = None
        if _counts_byok(principal) and any(endpoint.byok for endpoint in route):
            # Only one of them will answer, and none counts more than the one that counts most.
            byok_amount = NanoUsd(cost(counted) - amount)
        return Hold(
            generation_id,
            principal.account_id,
            principal.key.hash,
            amount,
            created_at_s=now_s,
            expires_at_s=now_s + self.hold_ttl_s,
            key_limit=key_limit_of(principal.key, now_s),
            byok_amount=byok_amount,
        )

    async def set_aside(self, principal: Principal, hold: Hold, *, floor: NanoUsd = ZERO) -> Reserve:
        """A share of a lease where one has it left, else the hold itself.

        Raises InsufficientCredit, KeyLimitExceeded, TemporarilyBusy.
        """
        if self.leases and hold.byok_amount is None:
            # A lease counts against the key's limit what it may cost us, and nothing else.
            share = self.leases.take(principal, hold.amount, floor=floor)
            if share is not None:
                return share
        return await self._hold(hold, floor=floor)

    def _new_hold(self, asked: _Asked, route: Sequence[Endpoint], output_tokens: int) -> Hold:
        def cost(rates: Rates) -> NanoUsd:
            return worst_cost(route, asked.prompt_tokens, output_tokens, asked.now_s, rates=rates, media=asked.media)

        return self.build_hold(asked.principal, asked.generation_id, route, cost, now_s=asked.now_s)

    async def _hold(self, hold: Hold, *, floor: NanoUsd = ZERO) -> Reserve:
        await run_sync(partial(self.ledger.hold, hold, floor=floor))
        return OwnHold(self.ledger, hold)

    async def _hold_less(self, asked: _Asked, hold: Hold, route: Sequence[Endpoint], affordable: int) -> Reserve:
        less = self._new_hold(asked, route, affordable)
        try:
            return await self._hold(less if less.counted < hold.counted else hold)
        except (InsufficientCredit, KeyLimitExceeded) as error:
            # Another request took the credit in between; this one is not worth a third try.
            left = _affordable(asked, route, error)
            raise _refusal(error, asked.principal, affordable, left) from None


def _counts_byok(principal: Principal) -> bool:
    """Whether the key's limit counts what the customer's own provider accounts are charged."""
    return principal.key.limit is not None and principal.key.include_byok_in_limit


def charged(endpoint: Endpoint) -> Pricing:
    """What our credit pays."""
    return endpoint.charged(endpoint.pricing)


def counted(endpoint: Endpoint) -> Pricing:
    """What counts against a key's limit that counts everything: what is charged, here and there."""
    return endpoint.pricing if endpoint.byok is None else multiplied(endpoint.pricing, 1 + endpoint.byok.fee)


def worst_cost(
    route: Sequence[Endpoint],
    prompt_tokens: int,
    output_tokens: int,
    at_s: float,
    *,
    rates: Rates = charged,
    media: Media = NO_MEDIA,
) -> NanoUsd:
    """What the dearest endpoint of the route would charge: any of them may end up serving, at any of the prices that
    such a prompt may reach; all of the prompt may be written into a cache, and all of the output be reasoning. Where
    there is more than text, all of it may be what costs the most.
    """
    dearest = round_up(
        max(
            each.dearest(media.prompt_parts, each.input) * prompt_tokens
            + each.dearest(media.output_parts, each.output) * output_tokens
            + each.request
            + (each.image or 0) * media.images
            + (each.web_search or 0) * media.searches
            for each in reachable(route, prompt_tokens, at_s, rates)
        )
    )
    return NanoUsd(dearest + media.beside)


def affordable_tokens(
    route: Sequence[Endpoint],
    prompt_tokens: int,
    available: NanoUsd,
    at_s: float,
    *,
    rates: Rates = charged,
    media: Media = NO_MEDIA,
) -> int:
    """Output tokens that `available` pays for on the dearest endpoint, after the prompt; 0 if not even that."""
    left = NanoUsd(available - worst_cost(route, prompt_tokens, 0, at_s, rates=rates, media=media))
    dearest = dearest_output(route, prompt_tokens, at_s, rates=rates, media=media)
    if left <= ZERO or dearest == 0:
        return 0
    return tokens_for(left, dearest)


def dearest_output(
    route: Sequence[Endpoint],
    prompt_tokens: int,
    at_s: float,
    *,
    rates: Rates = charged,
    media: Media = NO_MEDIA,
) -> Decimal:
    """The most that a token of the answer may cost."""
    met = reachable(route, prompt_tokens, at_s, rates)
    return max(each.dearest(media.output_parts, each.output) for each in met)


def reachable(route: Sequence[Endpoint], prompt_tokens: int, at_s: float, rates: Rates) -> Iterator[Pricing]:
    for endpoint in route:
        pricing = rates(endpoint)
        if pricing.overrides:
            yield from pricing.reachable(prompt_tokens, at_s)
        else:
            yield pricing


def _floor(asked: _Asked, route: Sequence[Endpoint], longest: int, hold: Hold) -> NanoUsd:
    """What must be there besides what is held, for answers that nothing can be extended for while they grow: those
    that come whole, and what a stream is charged at the customer's own provider.
    """
    if asked.request.max_tokens is not None or (asked.request.stream and hold.byok_amount is None):
        return ZERO
    rates = charged if hold.byok_amount is None else counted
    return worst_cost(route, asked.prompt_tokens, longest, asked.now_s, rates=rates, media=asked.media)


def _affordable(asked: _Asked, route: Sequence[Endpoint], error: InsufficientCredit | KeyLimitExceeded) -> int:
    counts_byok = isinstance(error, KeyLimitExceeded) and _counts_byok(asked.principal)
    rates = counted if counts_byok else charged
    return affordable_tokens(route, asked.prompt_tokens, _room(error), asked.now_s, rates=rates, media=asked.media)


def _room(error: InsufficientCredit | KeyLimitExceeded) -> NanoUsd:
    return error.available if isinstance(error, InsufficientCredit) else error.remaining


def _refusal(
    error: InsufficientCredit | KeyLimitExceeded, principal: Principal, requested: int, affordable: int
) -> InsufficientCredit | KeyLimitExceeded:
    if isinstance(error, InsufficientCredit):
        return _too_little(error.available, requested, affordable)
    compared = f"You requested up to {requested} tokens, but can only afford {affordable}"
    return over_limit(principal, error.remaining, compared)


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


def over_limit(principal: Principal, remaining: NanoUsd, compared: str) -> KeyLimitExceeded:
    """`compared` is a sentence that sets what was asked against what is left."""
    window = principal.key.limit_reset or "total"
    return KeyLimitExceeded(
        f"Key limit exceeded ({window} limit). {compared}. "
        f"Raise the key's limit with PATCH /keys/{principal.key.hash}, or ask for less",
        remaining=remaining,
    )
