"""What the requests of a chaos run ask, and what providers answer: each decided by its number alone."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest, Choice, Completion, Delta, Usage
from turnpike.domain.errors import ErrorType, UpstreamError
from turnpike.domain.estimate import estimate_prompt_tokens

from tests.chaos.world import MODELS, Key, World

_CHARACTERS = 3
"""A token has so many here, as the meter counts it."""
_BATCH_TOKENS = 40


@dataclass(frozen=True, slots=True)
class Ask:
    number: int
    key: Key
    request: ChatRequest
    cut_after_s: float | None
    """After so long whatever runs for it is ended from outside, as a server that stops does."""
    hangs_up: bool
    """Whether its client is gone before the answer is."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider makes of one request."""

    usage: Usage
    tells_usage: bool
    delay_s: float
    fails: UpstreamError | None
    fails_after: int
    """Tokens, of which it fails before the first with 0."""
    is_empty: bool


def ask(world: World, number: int) -> Ask:
    random = world.random("ask", number)
    (key,) = random.choices(world.keys, world.shares)
    (model,) = random.choices(list(MODELS), list(MODELS.values()))
    prompt_tokens = min(int(random.lognormvariate(4.2, 1)), 600)
    request = ChatRequest(
        models=(model,),
        messages=[{"role": "user", "content": "x" * (_CHARACTERS * prompt_tokens)}],
        parameters={},
        stream=random.random() < 0.65,
        max_tokens=random.choice([16, 60, 200, 600]) if random.random() < 0.4 else None,
        user=random.choice([None, None, "ann", "bob"]),
        session_id=str(number),
    )
    cut_after_s = random.uniform(0, 0.3) if random.random() < 0.015 else None
    return Ask(number, key, request, cut_after_s, hangs_up=random.random() < 0.01)


def answer(world: World, request: ChatRequest, endpoint: Endpoint) -> Answer:
    random = world.random("answer", request.session_id, endpoint.provider)
    estimate = estimate_prompt_tokens(request)
    # Estimates err on the high side, but not always.
    prompt_tokens = int(estimate * (random.uniform(1.05, 1.8) if random.random() < 0.08 else random.uniform(0.5, 1)))
    tokens = max(1, min(int(random.lognormvariate(4, 1.1)), 4000))
    if request.max_tokens is not None:
        # Some providers give a few more than they were asked for.
        tokens = min(tokens, request.max_tokens + (random.randint(1, 5) if random.random() < 0.05 else 0))
    fails, fails_after = _failure(random, endpoint.provider, tokens)
    return Answer(
        Usage(prompt_tokens, tokens),
        tells_usage=random.random() > 0.05,
        delay_s=_delay_s(random, world.size.hold_ttl_s),
        fails=fails,
        fails_after=fails_after,
        is_empty=random.random() < 0.02,
    )


def _delay_s(random: Random, hold_ttl_s: int) -> float:
    fate = random.random()
    if fate < 0.003:
        # Longer than what is held for it lasts.
        return hold_ttl_s + random.uniform(0, 4)
    return random.uniform(0.01, 0.3) if fate < 0.1 else 0.0


def _failure(random: Random, provider: str, tokens: int) -> tuple[UpstreamError | None, int]:
    def failed(status: int, error_type: ErrorType, *, retryable: bool = True) -> UpstreamError:
        return UpstreamError(provider, "It broke", upstream_status=status, error_type=error_type, retryable=retryable)

    fate = random.random()
    if fate < 0.06:
        return failed(500, "provider_unavailable"), 0
    if fate < 0.07:
        return failed(400, "invalid_request", retryable=False), 0
    if fate < 0.10:
        return failed(500, "provider_unavailable"), random.randint(1, tokens)
    return None, 0


class ScriptedUpstream:
    """A `ports.Upstream` that plays the answers of a world."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def complete(self, request: ChatRequest, endpoint: Endpoint) -> Completion:
        it = answer(self._world, request, endpoint)
        await asyncio.sleep(it.delay_s)
        if it.fails:
            raise it.fails
        if it.is_empty:
            return Completion([Choice(0, {"role": "assistant", "content": ""}, None, None)], Usage(1, 0))
        message = {"role": "assistant", "content": "x" * (_CHARACTERS * it.usage.completion_tokens)}
        return Completion([Choice(0, message, "stop", "stop")], it.usage if it.tells_usage else None)

    async def stream(self, request: ChatRequest, endpoint: Endpoint) -> AsyncGenerator[Sequence[Delta], None]:
        it = answer(self._world, request, endpoint)
        if it.fails and not it.fails_after:
            await asyncio.sleep(it.delay_s)
            raise it.fails
        if it.is_empty:
            return
        tokens = it.fails_after if it.fails else it.usage.completion_tokens
        for number, batch in enumerate(_batches(tokens)):
            if number == 1:
                await asyncio.sleep(it.delay_s)
            yield [Delta(content="x" * (_CHARACTERS * batch))]
        if it.fails:
            yield [Delta(error=it.fails)]
            return
        yield [Delta(finish_reason="stop", native_finish_reason="stop")]
        if it.tells_usage:
            yield [Delta(usage=it.usage)]


def _batches(tokens: int) -> Iterator[int]:
    while tokens > 0:
        yield min(tokens, _BATCH_TOKENS)
        tokens -= _BATCH_TOKENS
