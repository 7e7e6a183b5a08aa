"""Answer a request as one like it was answered before, or keep its answer for the next.

An answer is kept as the deltas or choices that were presented to its client, so that whatever presents it again
writes the same chunks, with an id and a time of their own. Nothing is looked up or kept unless the request asked.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import orjson
from anyio.to_thread import run_sync

from turnpike.domain.api_keys import Principal
from turnpike.domain.chat import ChatRequest, Choice, Completion, Delta, FinishReason, ResponseCaching, Usage
from turnpike.domain.cost import Cost
from turnpike.domain.errors import TemporarilyBusy
from turnpike.domain.generation import Generation
from turnpike.domain.ids import GenerationId, new_generation_id
from turnpike.domain.money import ZERO, NanoUsd
from turnpike.domain.response_cache import CachedAnswer, CacheKey, cache_key
from turnpike.ports.accounts import CachedAnswers
from turnpike.ports.ledger import Ledger
from turnpike.services.complete_chat import Emit, Origin

FindAnswer = Callable[[Principal, ChatRequest, Mapping[str, Any], Origin, str], Awaitable["Lookup"]]
"""`AnswerFromCache`, or whatever loads it first."""

_MOST_DELTAS = 100_000
"""Of a stream that is worth keeping in memory while it goes by; an answer is seldom a tenth of it."""
_AT_ONCE = 256
"""Deltas that are emitted together, for one write of them."""
_NOT_KEPT = frozenset({"usage", "error", "upstream_id"})
_KEPT = tuple(each.name for each in fields(Delta) if each.name not in _NOT_KEPT)


@dataclass(frozen=True, slots=True)
class Served:
    """Who answered, as far as an answer says it."""

    model_id: str
    name: str
    """The provider's."""


@dataclass(frozen=True, slots=True)
class AnswerFromCache:
    """The use case: look the request up. `on_unrecorded` is told of a hit whose record could not be stored."""

    answers: CachedAnswers
    ledger: Ledger
    on_unrecorded: Callable[[Generation], None]
    now: Callable[[], float] = time.time

    async def __call__(
        self, principal: Principal, request: ChatRequest, content: Mapping[str, Any], origin: Origin, endpoint: str
    ) -> "Lookup":
        """`content` is the request's body, whose answer the client wants cached; `endpoint` its kind, as `chat`."""
        caching = request.caching or ResponseCaching()
        key = cache_key(
            principal.key.hash,
            endpoint,
            model=request.models[0],
            stream=request.stream,
            body=orjson.dumps(content),
        )
        now_s = int(self.now())
        found = await run_sync(self._find, key, caching, now_s)
        hit = None if found is None else CachedCall(self, found, _record(found, principal, request, origin, now_s))
        return Lookup(self, key, caching, now_s, hit)

    def _find(self, key: CacheKey, caching: ResponseCaching, now_s: int) -> CachedAnswer | None:
        """A store that cannot be reached has nothing: the provider can still be asked."""
        try:
            if caching.clear:
                self.answers.drop(key)
                return None
            return self.answers.find(key, now_s)
        except TemporarilyBusy:
            return None


class CachedCall:
    """A generation of its own that nobody had to be asked for: what presents a `ChatCall` presents it too.

    Use `complete` or `stream` once, as the request was.
    """

    usage = Usage()
    cost: NanoUsd = ZERO
    upstream_cost = Cost()
    search_cost: NanoUsd = ZERO
    file_cost: NanoUsd = ZERO
    web_searches = 0
    is_byok = False

    def __init__(self, case: AnswerFromCache, answer: CachedAnswer, record: Generation) -> None:
        self.answer = answer
        self._case = case
        content = orjson.loads(answer.body)
        self.endpoint = self.provider = Served(**content["served"])
        self._completion = _parse_completion(content["completion"])
        self._deltas = [Delta(**members) for members in content["deltas"]]
        self.service_tier = next((each.service_tier for each in self._deltas if each.service_tier), None)
        self.finish_reason, self.native_finish_reason = self._ending()
        self._generation = replace(
            record,
            model=self.endpoint.model_id,
            provider=self.provider.name,
            finish_reason=self.finish_reason,
            native_finish_reason=self.native_finish_reason,
            service_tier=self.service_tier,
        )

    @property
    def id(self) -> GenerationId:
        return self._generation.id

    @property
    def created_at_s(self) -> int:
        return self._generation.created_at_s

    async def complete(self) -> Completion:
        await self._store_record()
        return self._completion

    async def stream(self, emit: Emit) -> None:
        for start in range(0, len(self._deltas), _AT_ONCE):
            await emit(self._deltas[start : start + _AT_ONCE])
        await self._store_record()

    async def report(self) -> None:
        """Nothing is left to tell: the record is stored before the response ends, so that it can be read then."""

    async def _store_record(self) -> None:
        # Without the queue: there is nothing to settle.
        try:
            await run_sync(self._case.ledger.record, self._generation, int(self._case.now()))
        except TemporarilyBusy:
            self._case.on_unrecorded(self._generation)

    def _ending(self) -> tuple[FinishReason | None, str | None]:
        parts: list[Choice | Delta] = [*self._completion.choices, *self._deltas]
        return next(
            ((each.finish_reason, each.native_finish_reason) for each in reversed(parts) if each.finish_reason),
            (None, None),
        )


class Lookup:
    """What came of it: a `hit` to be answered instead of calling anybody, or else a recording to be made."""

    def __init__(
        self, case: AnswerFromCache, key: CacheKey, caching: ResponseCaching, now_s: int, hit: "CachedCall | None"
    ) -> None:
        self.hit = hit
        self._case = case
        self._key = key
        self._caching = caching
        self._now_s = now_s
        self._deltas: list[Delta] = []
        self._completion: Completion | None = None
        self._is_whole = True

    @property
    def headers(self) -> dict[str, str]:
        """Of a response with status 200."""
        if self.hit is None:
            return {"x-openrouter-cache-status": "MISS", "x-openrouter-cache-ttl": str(self._caching.ttl_s)}
        answer = self.hit.answer
        return {
            "x-openrouter-cache-status": "HIT",
            "x-openrouter-cache-age": str(self._now_s - answer.created_at_s),
            "x-openrouter-cache-ttl": str(answer.expires_at_s - self._now_s),
            "x-openrouter-cache-source-id": answer.source_id,
        }

    def record(self, deltas: Sequence[Delta]) -> None:
        """Remember what a stream's client is sent."""
        if len(self._deltas) + len(deltas) > _MOST_DELTAS or any(delta.error for delta in deltas):
            self._is_whole = False
            self._deltas.clear()
        if self._is_whole:
            self._deltas.extend(
                delta for delta in deltas if delta.has_content or delta.finish_reason or delta.service_tier
            )

    def record_completion(self, completion: Completion) -> None:
        """Remember what the client of a whole answer is sent."""
        self._completion = completion

    async def keep(self, source_id: GenerationId, *, model_id: str, provider_name: str) -> None:
        """Keep what was recorded, after the response; nothing unless it is a whole and successful answer."""
        if self.hit is not None or not self._succeeded():
            return
        content = {
            "served": Served(model_id, provider_name),
            "completion": self._completion,
            "deltas": [_members(delta) for delta in self._deltas],
        }
        now_s = int(self._case.now())
        answer = CachedAnswer(source_id, now_s, now_s + self._caching.ttl_s, orjson.dumps(content))
        await run_sync(self._keep, answer)

    def _succeeded(self) -> bool:
        if self._completion is not None:
            return all(choice.finish_reason not in (None, "error") for choice in self._completion.choices)
        return self._is_whole and any(delta.finish_reason not in (None, "error") for delta in self._deltas)

    def _keep(self, answer: CachedAnswer) -> None:
        try:
            self._case.answers.keep(self._key, answer)
        except TemporarilyBusy:
            return  # The next request asks the provider again, which is all that is lost.


def _members(delta: Delta) -> dict[str, Any]:
    """What a client sees of it, and of that only what there is."""
    members = {name: getattr(delta, name) for name in _KEPT}
    return {name: value for name, value in members.items() if value is not None}


def _parse_completion(content: Mapping[str, Any] | None) -> Completion:
    """Without choices where a stream was kept."""
    if content is None:
        return Completion((), None)
    return Completion(
        [Choice(**choice) for choice in content["choices"]],
        usage=None,
        system_fingerprint=content["system_fingerprint"],
        service_tier=content["service_tier"],
    )


def _record(answer: CachedAnswer, principal: Principal, request: ChatRequest, origin: Origin, now_s: int) -> Generation:
    return Generation(
        id=new_generation_id(now_s),
        account_id=principal.account_id,
        key_hash=principal.key.hash,
        created_at_s=now_s,
        requested_model=request.models[0],
        model="",
        provider=None,
        streamed=request.stream,
        usage=Usage(),
        latency_ms=round((time.monotonic() - origin.arrived_at) * 1000),
        user=request.user,
        session_id=request.session_id,
        http_referer=origin.http_referer,
        app_title=origin.app_title,
        user_agent=origin.user_agent,
        response_cache_source_id=answer.source_id,
        preset_id=request.preset_id,
    )
