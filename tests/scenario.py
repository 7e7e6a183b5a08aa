"""A small world for tests of the use cases: a catalog, a scripted provider, and an account with credit."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random
from typing import Any

import orjson

from turnpike.domain.api_keys import ApiKey, KeyRole, Principal, hash_secret, label_of
from turnpike.domain.catalog import Catalog, Endpoint, FixedCatalog, Model, Provider
from turnpike.domain.chat import ChatRequest, Completion, Delta, Usage
from turnpike.domain.errors import ErrorType, UpstreamError
from turnpike.domain.generation import Attempt, Generation
from turnpike.domain.health import UNKNOWN, EndpointStats
from turnpike.domain.ids import AccountId
from turnpike.domain.images import PartialImage
from turnpike.domain.money import NanoUsd, parse_usd
from turnpike.domain.operation import OperationRequest, OperationResult
from turnpike.domain.pricing import Pricing
from turnpike.domain.speech import SpeechPiece, SpeechRequest
from turnpike.domain.waits import Waits
from turnpike.ports.ledger import Ledger
from turnpike.ports.upstream import OnPart, Upstream
from turnpike.providers.folding import completion_of
from turnpike.services.admit import Admit
from turnpike.services.attempts import Watch
from turnpike.services.complete_chat import ChatCall, CompleteChat, Origin
from turnpike.services.hedge import Hedge, Percentile
from turnpike.services.leases import Leases
from turnpike.services.plugins import PluginRun
from turnpike.services.report_usage import ReportUsage
from turnpike.services.settle_usage import SettleUsage, parse_usage_event

from tests.fakes import InMemoryLedger, InMemoryUsageQueue

ACCOUNT = AccountId("acct-test")
SECRET = "sk-or-v1-" + "a" * 64
PROMPT_PRICE = Decimal("0.000001")
COMPLETION_PRICE = Decimal("0.000002")

Script = Sequence[Delta | Exception | float | Completion | OperationResult | PartialImage]
"""One attempt of a provider: deltas to send, errors to raise or send, seconds to wait, or a whole answer."""


def endpoint(provider: str = "one", model: str = "acme/chat", **changes: Any) -> Endpoint:
    values: dict[str, Any] = {
        "model_id": model,
        "provider": provider,
        "upstream_model": "chat",
        "base_url": f"http://{provider}.test/v1",
        "pricing": Pricing(PROMPT_PRICE, COMPLETION_PRICE),
        "context_length": 100_000,
        "max_completion_tokens": 8_000,
        "supported_parameters": frozenset({"max_tokens", "temperature", "tools"}),
    }
    return Endpoint(**(values | changes))


def catalog(*endpoints: Endpoint) -> Catalog:
    by_model: dict[str, list[Endpoint]] = {}
    for each in endpoints:
        by_model.setdefault(each.model_id, []).append(each)
    models = [_model(slug, served) for slug, served in by_model.items()]
    slugs = {each.provider for each in endpoints}
    return FixedCatalog(models, [Provider(s, s.title(), "openai_compatible", "http://x.test") for s in sorted(slugs)])


def _model(slug: str, served: Sequence[Endpoint]) -> Model:
    takes = served[0].input_modalities or ("text",)
    return Model(
        slug, slug, 1_767_225_600, "A model", 100_000, takes, ("text",), "Other", ("max_tokens",), tuple(served)
    )


_FIFTEEN_TOKENS = Usage(10, 5)


def text(*words: str, usage: Usage | None = _FIFTEEN_TOKENS, finish: bool = True) -> list[Delta]:
    deltas = [Delta(content=word) for word in words]
    if finish:
        deltas.append(Delta(finish_reason="stop", native_finish_reason="stop"))
    if usage:
        deltas.append(Delta(usage=usage))
    return deltas


def failure(
    status: int | None = 500, *, retryable: bool = True, error_type: ErrorType = "provider_unavailable"
) -> UpstreamError:
    return UpstreamError("one", "It broke", upstream_status=status, error_type=error_type, retryable=retryable)


@dataclass
class ScriptedUpstream:
    """Plays one script per call of a provider, the last one again and again; `one+own` has those of the key `own`."""

    scripts: Mapping[str, list[Script]]
    calls: list[tuple[str, Any]] = field(default_factory=list)
    offering: frozenset[str] | None = None
    """The providers whose wire formats can do more than chats; None for all of them."""
    closed: int = 0
    together: bool = False
    """Whether a stream's deltas arrive in one batch instead of one by one."""
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a script has come to its first wait."""

    async def complete(self, request: ChatRequest, endpoint: Endpoint) -> Completion:
        deltas: list[Delta] = []
        for step in self._next(request, endpoint):
            if isinstance(step, Completion):
                return step
            assert isinstance(step, Delta | Exception | float | int)
            delta = await self._play(step)
            if delta is not None:
                deltas.append(delta)
        return completion_of(deltas)

    async def stream(self, request: ChatRequest, endpoint: Endpoint) -> AsyncGenerator[Sequence[Delta], None]:
        batch: list[Delta] = []
        try:
            for step in self._next(request, endpoint):
                assert isinstance(step, Delta | Exception | float | int), "a stream is scripted by its deltas"
                delta = await self._play(step)
                batch += [delta] if delta else []
                if batch and not self.together:
                    yield batch
                    batch = []
            if batch:
                yield batch
        finally:
            self.closed += 1

    def offers(self, operation: str, endpoint: Endpoint) -> bool:
        return self.offering is None or endpoint.provider in self.offering

    async def perform(self, request: OperationRequest[Any], endpoint: Endpoint, on_part: OnPart | None = None) -> Any:
        for step in self._next(request, endpoint):
            if isinstance(step, PartialImage):
                if on_part is not None:
                    await on_part(step)
                continue
            if not isinstance(step, Exception | float | int):
                return step
            await self._play(step)
        raise AssertionError("the script has no result")

    async def speak(self, request: SpeechRequest, endpoint: Endpoint) -> AsyncGenerator[SpeechPiece, None]:
        try:
            for step in self._next(request, endpoint):
                if isinstance(step, SpeechPiece):
                    yield step
                else:
                    assert isinstance(step, Exception | float | int), "speech is scripted by its pieces"
                    await self._play(step)
        finally:
            self.closed += 1

    def _next(self, request: ChatRequest | OperationRequest[Any], endpoint: Endpoint) -> Script:
        name = endpoint.provider if endpoint.byok is None else f"{endpoint.provider}+{endpoint.byok.key.id}"
        self.calls.append((name, request))
        scripts = self.scripts[name]
        return scripts.pop(0) if len(scripts) > 1 else scripts[0]

    async def _play(self, step: Delta | Exception | float) -> Delta | None:
        if isinstance(step, Exception):
            raise step
        if isinstance(step, Delta):
            return step
        self.waiting.set()
        await asyncio.sleep(step)
        return None


class World:
    """Everything a chat needs, in memory. `settle()` does what metering does."""

    def __init__(
        self,
        scripts: Mapping[str, list[Script]],
        *endpoints: Endpoint,
        credit_usd: str = "1",
        allowance_tokens: int = 100,
        hedge: Percentile | None = None,
        lease_s: int = 0,
        ledger: Ledger | None = None,
        now: Callable[[], float] = time.time,
        plugins: Callable[[ChatRequest], PluginRun] | None = None,
        upstream: Upstream | None = None,
    ) -> None:
        """`upstream` is asked instead of what is scripted."""
        self.ledger = ledger or InMemoryLedger()
        self.queue = InMemoryUsageQueue()
        self.upstream = ScriptedUpstream(scripts)
        self.catalog = catalog(*(endpoints or (endpoint(),)))
        self.unsettled: list[dict[str, Any]] = []
        self.refusals: list[UpstreamError] = []
        self.begun: list[str] = []
        self.attempts: list[Attempt] = []
        self.stats: dict[str, EndpointStats] = {}
        """By provider."""

        def health(endpoint: Endpoint) -> EndpointStats:
            return self.stats.get(endpoint.provider, UNKNOWN)

        if credit_usd != "0":
            self.ledger.top_up(ACCOUNT, parse_usd(credit_usd), reference="start", now_s=0)
        self.leases = Leases(self.ledger, serve_s=lease_s, hold_ttl_s=1800, now=now) if lease_s else None
        settle = SettleUsage(self.ledger)
        self.case = CompleteChat(
            catalog=lambda: self.catalog,
            admit=Admit(self.ledger, 1800, allowance_tokens, self.leases),
            upstream=upstream or self.upstream,
            report=ReportUsage(self.queue, settle, self.unsettled.append, now),
            watch=Watch(Waits(3600), self, self.refusals.append),
            random=Random(1),
            now=now,
            health=health,
            hedge=Hedge(health, hedge) if hedge else None,
            begin_plugins=plugins,
        )

    def sent_events(self) -> list[tuple[Generation, bool]]:
        """As metering reads them."""
        return [parse_usage_event(orjson.loads(orjson.dumps(event))) for event in self.queue.events]

    def settle(self) -> None:
        for generation, answered in self.sent_events():
            SettleUsage(self.ledger)(generation, answered, 1)

    def begin_attempt(self, endpoint: Endpoint) -> None:
        self.begun.append(endpoint.provider)

    def record_attempt(self, endpoint: Endpoint, attempt: Attempt) -> None:
        assert (attempt.provider, attempt.tag) == (endpoint.provider, endpoint.tag)
        self.attempts.append(attempt)

    async def call(
        self, request: ChatRequest, *, limit: NanoUsd | None = None, seconds: float = 60, **key: Any
    ) -> ChatCall:
        now = time.monotonic()
        return await self.case(principal(limit=limit, **key), request, Origin(now, now + seconds))

    async def stream(self, request: ChatRequest, **options: Any) -> list[Delta]:
        call = await self.call(request, **options)
        deltas: list[Delta] = []

        async def emit(batch: Sequence[Delta]) -> None:
            deltas.extend(batch)

        try:
            await call.stream(emit)
        finally:
            await call.report()
        return deltas

    async def complete(self, request: ChatRequest, **options: Any) -> Completion:
        call = await self.call(request, **options)
        try:
            return await call.complete()
        finally:
            await call.report()


def principal(*, role: KeyRole = "inference", limit: NanoUsd | None = None, **changes: Any) -> Principal:
    key = ApiKey(hash_secret(SECRET), ACCOUNT, "test", label_of(SECRET), role=role, limit=limit)
    return Principal(ACCOUNT, replace(key, **changes))


def request(content: str = "Hello", **changes: Any) -> ChatRequest:
    values: dict[str, Any] = {
        "models": ("acme/chat",),
        "messages": [{"role": "user", "content": content}],
        "parameters": {},
        "stream": True,
    }
    return ChatRequest(**(values | changes))
