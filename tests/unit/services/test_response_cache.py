"""A request like an earlier one is answered as that one was, for nothing; and only if both asked for it."""

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.api_keys import Principal
from turnpike.domain.chat import ChatRequest, Choice, Completion, Delta, ResponseCaching, Usage
from turnpike.domain.cost import Cost
from turnpike.domain.errors import TemporarilyBusy, TurnpikeError
from turnpike.domain.generation import Generation
from turnpike.domain.ids import GenerationId, KeyHash
from turnpike.domain.response_cache import CacheKey, cache_key
from turnpike.services.complete_chat import Origin
from turnpike.services.response_cache import AnswerFromCache, CachedCall, Lookup

from tests.fake_stores import InMemoryCachedAnswers
from tests.fakes import InMemoryLedger
from tests.scenario import ACCOUNT, principal, request

pytestmark = pytest.mark.anyio

NOW = 1_795_521_600
SOURCE = GenerationId("gen-source")
SERVED = {"model_id": "acme/chat", "provider_name": "One"}
CONTENT = {"model": "acme/chat", "messages": [{"role": "user", "content": "Hello"}]}
DELTAS = (
    Delta(service_tier="default", upstream_id="up-1"),
    Delta(reasoning="Hm", reasoning_details=[{"type": "reasoning.text", "text": "Hm", "index": 0}]),
    Delta(content="Hi", system_fingerprint="fp"),
    Delta(tool_calls=[{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]),
    Delta(extra={"images": [{"type": "image_url", "image_url": {"url": "data:,"}}]}, logprobs={"content": []}),
    Delta(finish_reason="tool_calls", native_finish_reason="tool_use"),
    Delta(usage=Usage(10, 5)),
)
COMPLETION = Completion(
    [Choice(0, {"role": "assistant", "content": "Hi", "reasoning": "Hm"}, "stop", "end_turn", {"content": []})],
    Usage(10, 5),
    upstream_id="up-1",
    system_fingerprint="fp",
    service_tier="default",
)


class Desk:
    """A cache over fakes, at a clock that it moves itself."""

    def __init__(self) -> None:
        self.answers = InMemoryCachedAnswers()
        self.ledger = InMemoryLedger()
        self.unrecorded: list[Generation] = []
        self.now_s = float(NOW)
        self.case = AnswerFromCache(self.answers, self.ledger, self.unrecorded.append, now=lambda: self.now_s)

    async def look(
        self,
        asked: ChatRequest | None = None,
        *,
        content: Any = None,
        who: Principal | None = None,
        endpoint: str = "chat",
    ) -> Lookup:
        origin = Origin(time.monotonic(), time.monotonic() + 60, "https://app.test", "App", "agent")
        asked = asked or ask()
        return await self.case(who or principal(), asked, content or CONTENT, origin, endpoint)

    async def keep_stream(self, *deltas: Delta, asked: ChatRequest | None = None) -> Lookup:
        lookup = await self.look(asked)
        for delta in deltas or DELTAS:
            lookup.record([delta])
        await lookup.keep(SOURCE, **SERVED)
        return lookup

    async def hit(self, asked: ChatRequest | None = None) -> CachedCall:
        lookup = await self.look(asked)
        assert lookup.hit is not None
        return lookup.hit


def ask(*, ttl_s: int = 300, clear: bool = False, **changes: Any) -> ChatRequest:
    return request(caching=ResponseCaching(ttl_s=ttl_s, clear=clear), **changes)


async def streamed(call: CachedCall) -> Sequence[Delta]:
    deltas: list[Delta] = []

    async def emit(batch: Sequence[Delta]) -> None:
        deltas.extend(batch)

    await call.stream(emit)
    return deltas


async def test_a_stream_is_replayed_as_it_was() -> None:
    desk = Desk()
    missed = await desk.keep_stream()
    call = await desk.hit()

    shown = [replace_unseen(delta) for delta in DELTAS[:-1]]
    assert [asdict(delta) for delta in await streamed(call)] == [asdict(delta) for delta in shown]
    assert missed.hit is None
    assert (call.finish_reason, call.native_finish_reason) == ("tool_calls", "tool_use")
    assert (call.endpoint.model_id, call.provider.name, call.service_tier) == ("acme/chat", "One", "default")


def replace_unseen(delta: Delta) -> Delta:
    return replace(delta, upstream_id=None, usage=None)


async def test_a_whole_answer_is_repeated() -> None:
    desk, asked = Desk(), ask(stream=False)
    lookup = await desk.look(asked)
    lookup.record_completion(COMPLETION)
    await lookup.keep(SOURCE, **SERVED)

    call = await desk.hit(asked)
    assert await call.complete() == replace(COMPLETION, usage=None, upstream_id=None)
    assert (call.finish_reason, call.native_finish_reason) == ("stop", "end_turn")


async def test_a_hit_is_a_generation_of_its_own_and_costs_nothing() -> None:
    desk = Desk()
    await desk.keep_stream()
    desk.now_s += 100
    call, other = await desk.hit(), await desk.hit()
    await streamed(call)

    assert len({call.id, other.id, SOURCE}) == 3
    assert call.created_at_s == NOW + 100
    assert (call.usage, call.cost, call.upstream_cost) == (Usage(), 0, Cost())
    record = desk.ledger.find_generation(ACCOUNT, call.id)
    assert record is not None
    assert (record.model, record.provider, record.streamed) == ("acme/chat", "One", True)
    assert (record.usage, record.cost, record.upstream_cost) == (Usage(), 0, 0)
    assert (record.http_referer, record.app_title, record.user_agent) == ("https://app.test", "App", "agent")
    assert record.response_cache_source_id == SOURCE
    assert list(desk.ledger.list_entries(ACCOUNT)) == []


async def test_the_headers_tell_a_hit_from_a_miss() -> None:
    desk = Desk()
    missed = await desk.keep_stream(asked=ask(ttl_s=60))
    assert missed.headers == {"x-openrouter-cache-status": "MISS", "x-openrouter-cache-ttl": "60"}
    desk.now_s += 12.9
    found = await desk.look(ask(ttl_s=3600))
    assert found.headers == {
        "x-openrouter-cache-status": "HIT",
        "x-openrouter-cache-age": "12",
        "x-openrouter-cache-ttl": "48",
        "x-openrouter-cache-source-id": SOURCE,
    }
    desk.now_s = NOW + 60
    assert (await desk.look()).hit is None


async def test_what_makes_requests_the_same() -> None:
    desk = Desk()
    await desk.keep_stream()
    spaced = orjson.loads(b'{ "model" : "acme/chat",\n "messages": [ {"role":"user", "content":"\\u0048ello"} ] }')
    reordered = {"messages": CONTENT["messages"], "model": CONTENT["model"]}
    more = {**CONTENT, "temperature": 1.0}
    stranger = replace(principal(), key=replace(principal().key, hash=KeyHash("f" * 64)))

    assert (await desk.look(content=spaced)).hit is not None
    assert (await desk.look(content=reordered)).hit is None
    assert (await desk.look(content=more)).hit is None
    assert (await desk.look(ask(stream=False))).hit is None
    assert (await desk.look(ask(models=("acme/other",)))).hit is None
    assert (await desk.look(endpoint="messages")).hit is None
    assert (await desk.look(who=stranger)).hit is None


async def test_clearing_forgets_the_answer_before_it_asks_again() -> None:
    desk = Desk()
    await desk.keep_stream()
    cleared = await desk.look(ask(clear=True))
    assert cleared.hit is None
    assert (await desk.look()).hit is None

    cleared.record([Delta(content="Anew"), Delta(finish_reason="stop")])
    await cleared.keep(SOURCE, **SERVED)
    assert [delta.content for delta in await streamed(await desk.hit())] == ["Anew", None]


UNFIT: dict[str, Sequence[Delta]] = {
    "broken off": [Delta(content="Hi"), Delta(error=TurnpikeError("x"), finish_reason="error")],
    "broken off after its end": [*DELTAS, Delta(error=TurnpikeError("x"), finish_reason="error")],
    "failed": [Delta(content="Hi"), Delta(finish_reason="error")],
    "cut": [Delta(content="Hi")],
    "nothing": [Delta()],
    "endless": [Delta(content="x")] * 100_001 + [Delta(finish_reason="stop")],
}


@pytest.mark.parametrize("deltas", UNFIT.values(), ids=UNFIT)
async def test_what_is_no_whole_answer_is_not_kept(deltas: Sequence[Delta]) -> None:
    desk = Desk()
    await desk.keep_stream(*deltas)
    assert desk.answers.calls == ["find"]


@pytest.mark.parametrize("finish", [None, "error"])
async def test_a_completion_that_failed_is_not_kept(finish: Any) -> None:
    desk = Desk()
    lookup = await desk.look()
    lookup.record_completion(replace(COMPLETION, choices=[replace(COMPLETION.choices[0], finish_reason=finish)]))
    await lookup.keep(SOURCE, **SERVED)
    await (await desk.look()).keep(SOURCE, **SERVED)
    assert desk.answers.calls == ["find", "find"]


async def test_a_hit_is_not_kept_again() -> None:
    desk = Desk()
    await desk.keep_stream()
    lookup = await desk.look()
    lookup.record([Delta(content="x"), Delta(finish_reason="stop")])
    await lookup.keep(SOURCE, **SERVED)
    assert desk.answers.calls == ["find", "keep", "find"]


async def test_a_store_that_is_busy_is_a_miss() -> None:
    desk = Desk()
    await desk.keep_stream()
    desk.answers.failing = True
    for asked in (ask(), ask(clear=True)):
        assert (await desk.look(asked)).headers["x-openrouter-cache-status"] == "MISS"
    await desk.keep_stream()


async def test_a_hit_is_answered_though_its_record_cannot_be_stored() -> None:
    class BusyLedger(InMemoryLedger):
        def record(self, record: Generation, now_s: int) -> bool:
            raise TemporarilyBusy("busy")

    desk = Desk()
    await desk.keep_stream()
    case = replace(desk.case, ledger=BusyLedger())
    lookup = await case(principal(), ask(), CONTENT, Origin(0, 60), "chat")
    assert lookup.hit is not None
    assert len(await streamed(lookup.hit)) == len(DELTAS) - 1
    assert [record.id for record in desk.unrecorded] == [lookup.hit.id]


async def test_a_long_stream_is_written_a_piece_at_a_time() -> None:
    desk = Desk()
    await desk.keep_stream(*[Delta(content=str(n)) for n in range(1000)], Delta(finish_reason="stop"))
    sizes: list[int] = []

    async def emit(batch: Sequence[Delta]) -> None:
        sizes.append(len(batch))

    await (await desk.hit()).stream(emit)
    assert sizes == [256, 256, 256, 233]


@given(st.lists(st.tuples(st.text(), st.sampled_from(["chat", "messages"]), st.text(), st.booleans(), st.binary())))
def test_keys_differ_as_requests_do(asked: list[tuple[str, str, str, bool, bytes]]) -> None:
    keys: dict[CacheKey, object] = {}
    for one in asked:
        key_hash, endpoint, model, stream, body = one
        key = cache_key(
            KeyHash(key_hash.replace("\n", "")), endpoint, model=model.replace("\n", ""), stream=stream, body=body
        )
        same = (key_hash.replace("\n", ""), endpoint, model.replace("\n", ""), stream, body)
        assert keys.setdefault(key, same) == same
        assert len(key) == 64
