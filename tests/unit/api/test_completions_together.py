"""`POST /completions` with several prompts: generations of their own in one answer."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from turnpike.domain.api_keys import Principal
from turnpike.domain.chat import ChatRequest, Delta
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.money import parse_usd
from turnpike.services.complete_chat import ChatCall, CompleteChat, Origin

from tests.chat_client import Answer, Client
from tests.scenario import ACCOUNT, Script, ScriptedUpstream, World, endpoint, failure, text

pytestmark = pytest.mark.anyio

PATH = "/api/v1/completions"
STREAMED_OR_NOT = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
EACH_USD = 0.00002


class ByPrompt(ScriptedUpstream):
    """Plays the script that is named by the prompt, and knows how many were asked at the same time."""

    under_way = most = 0

    def _next(self, request: ChatRequest, endpoint: Any) -> Script:
        self.calls.append((endpoint.provider, request))
        return self.scripts[request.messages[0]["content"]][0]

    async def _play(self, step: Any) -> Delta | None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            return await super()._play(step)
        finally:
            self.under_way -= 1


def world(scripts: Mapping[str, Script], **options: Any) -> World:
    found = World({}, **options)
    upstream = ByPrompt({prompt: [script] for prompt, script in scripts.items()})
    found.upstream = upstream
    found.case = CompleteChat(
        **{name: getattr(found.case, name) for name in CompleteChat.__slots__} | {"upstream": upstream}
    )
    return found


async def ask(world: World, prompts: Sequence[str], **members: Any) -> Answer:
    body = {"model": "acme/chat", "prompt": list(prompts), "max_tokens": 50, **members}
    return await Client(world).post(body, path=PATH)


def texts(answer: Answer) -> dict[int, str]:
    """By index, whichever way it came."""
    bodies = answer.events if "event-stream" in answer.headers["content-type"] else [answer.json]
    found: dict[int, str] = {}
    for choice in (choice for body in bodies for choice in body["choices"]):
        found[choice["index"]] = found.get(choice["index"], "") + choice["text"]
    return found


def last(answer: Answer) -> Any:
    return answer.events[-1] if "event-stream" in answer.headers["content-type"] else answer.json


def charged(world: World) -> int:
    world.settle()
    return parse_usd("1") - world.ledger.get_balance(ACCOUNT).available


A, B, C = text(" one"), text(" two"), text(" three")


@STREAMED_OR_NOT
async def test_choices_are_numbered_by_prompt_and_then_by_n(stream: bool) -> None:
    answer = await ask(world({"a": A, "b": B}), ["a", "b"], n=2, stream=stream)
    assert texts(answer) == {0: " one", 1: " one", 2: " two", 3: " two"}
    assert [choice["index"] for choice in last(answer)["choices"]] == [0, 1, 2, 3]
    assert {choice["finish_reason"] for choice in last(answer)["choices"]} == {"stop"}


@STREAMED_OR_NOT
async def test_each_is_a_generation_of_its_own_and_the_usage_is_their_sum(stream: bool) -> None:
    found = world({"a": A, "b": B, "c": C})
    answer = await ask(found, ["a", "b", "c"], stream=stream)

    ids = [choice["id"] for choice in last(answer)["choices"]]
    usage = last(answer)["usage"]
    assert last(answer)["id"] == answer.headers["x-generation-id"] == ids[0]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (30, 15, 45)
    assert usage["cost"] == pytest.approx(3 * EACH_USD)
    assert charged(found) == 3 * parse_usd("0.00002")
    assert sorted(generation.id for generation, _ in found.sent_events()) == sorted(ids)
    assert all(found.ledger.find_generation(ACCOUNT, each) for each in ids)  # type: ignore[attr-defined]


@STREAMED_OR_NOT
async def test_an_echo_is_of_its_own_prompt(stream: bool) -> None:
    answer = await ask(world({"a": A, "b": B}), ["a", "b"], echo=True, stream=stream)
    assert texts(answer) == {0: "a one", 1: "b two"}


async def test_chunks_of_several_come_as_they_arrive() -> None:
    slow = [Delta(content=" s"), 0.05, Delta(content="low"), *text()]
    answer = await ask(world({"slow": slow, "a": A}), ["slow", "a"], stream=True)
    said = [choice["index"] for event in answer.events[:-1] for choice in event["choices"] if choice["text"]]
    assert said == [0, 1, 0]
    assert {event["id"] for event in answer.events} == {answer.headers["x-generation-id"]}


async def test_only_some_are_asked_at_the_same_time() -> None:
    found = world({"a": [0.01, *A]})
    answer = await ask(found, ["a"] * 20)
    assert len(answer.json["choices"]) == 20
    assert isinstance(found.upstream, ByPrompt)
    assert found.upstream.most == 8


@STREAMED_OR_NOT
async def test_what_fails_is_a_choice_with_an_error_that_costs_nothing(stream: bool) -> None:
    found = world({"a": A, "bad": [failure()], "c": C})
    answer = await ask(found, ["a", "bad", "c"], stream=stream)

    assert answer.status == 200
    assert texts(answer) == {0: " one", 1: "", 2: " three"}
    first, bad, third = last(answer)["choices"]
    assert (first["finish_reason"], bad["finish_reason"], third["finish_reason"]) == ("stop", "error", "stop")
    assert bad["error"]["code"] == 502
    assert "error" not in last(answer)
    assert last(answer)["usage"]["cost"] == pytest.approx(2 * EACH_USD)
    assert charged(found) == 2 * parse_usd("0.00002")
    assert found.ledger.get_balance(ACCOUNT).held == 0


async def test_one_that_breaks_off_ends_alone_and_at_once() -> None:
    broken = [Delta(content=" br"), failure()]
    found = world({"broken": broken, "slow": [0.05, *A]})
    answer = await ask(found, ["broken", "slow"], stream=True)

    endings = [
        (choice["index"], choice["finish_reason"])
        for event in answer.events[:-1]
        for choice in event["choices"]
        if choice["finish_reason"]
    ]
    assert endings == [(0, "error"), (1, "stop")]
    assert texts(answer) == {0: " br", 1: " one"}
    assert last(answer)["choices"][0]["error"]["message"] == "It broke"
    assert charged(found) == parse_usd("0.00002")


@STREAMED_OR_NOT
async def test_where_nothing_was_answered_the_answer_is_the_first_ones_error(stream: bool) -> None:
    found = world({"a": [failure(429, error_type="rate_limit_exceeded")], "b": [failure()]})
    answer = await ask(found, ["a", "b"], stream=stream)

    assert answer.status == 429
    assert answer.headers["x-generation-id"]
    assert charged(found) == 0
    assert found.ledger.get_balance(ACCOUNT).held == 0


async def test_a_stream_that_is_kept_alive_and_wholly_fails_has_an_error_that_sdks_raise() -> None:
    found = world({"a": [0.05, failure()], "b": [failure()]})
    client = Client(found, keepalive_s=0.01)
    answer = await client.post({"model": "acme/chat", "prompt": ["a", "b"], "stream": True}, path=PATH)
    assert answer.lines[0] == ": OPENROUTER PROCESSING"
    [end] = answer.events
    assert end["error"]["code"] == 502
    assert [choice["finish_reason"] for choice in end["choices"]] == ["error", "error"]


@STREAMED_OR_NOT
async def test_what_the_credit_does_not_reach_for_is_refused_as_a_whole(stream: bool) -> None:
    # For one with its 50 tokens, and not for two.
    found = world({"a": A, "b": B}, credit_usd="0.00015")
    answer = await ask(found, ["a", "b"], stream=stream)

    assert answer.status == 402
    assert found.upstream.calls == []
    found.settle()
    balance = found.ledger.get_balance(ACCOUNT)
    assert (balance.available, balance.held) == (parse_usd("0.00015"), 0)


async def test_what_no_endpoint_takes_is_refused_before_anybody_is_asked() -> None:
    long = "word " * 200_000
    found = World({"one": [A]}, endpoint(context_length=10_000))
    answer = await ask(found, ["a", long])

    assert answer.status == 400
    assert found.upstream.calls == []
    found.settle()
    assert found.ledger.get_balance(ACCOUNT).held == 0


async def test_a_bug_voids_what_was_not_answered_and_shows_nothing() -> None:
    found = world({"a": [ZeroDivisionError("secret")], "slow": [5.0, *A]})
    answer = await asyncio.wait_for(ask(found, ["slow", "a"]), 2)

    assert answer.status == 500
    assert b"secret" not in answer.body
    assert charged(found) == 0
    assert found.ledger.get_balance(ACCOUNT).held == 0


class _Refusing:
    """Admits the first one, and finds the second wrong."""

    def __init__(self, case: CompleteChat) -> None:
        self._case = case
        self._admitted = 0

    async def __call__(self, principal: Principal, request: ChatRequest, origin: Origin) -> ChatCall:
        self._admitted += 1
        if self._admitted == 2:
            raise InvalidRequest("no")
        return await self._case(principal, request, origin)


async def test_what_is_refused_late_leaves_no_hold_of_the_others() -> None:
    found = world({"a": A})
    found.case = _Refusing(found.case)  # type: ignore[assignment]  # It is called the same way.
    answer = await ask(found, ["a", "a"])

    assert answer.status == 400
    assert charged(found) == 0
    assert found.ledger.get_balance(ACCOUNT).held == 0


@STREAMED_OR_NOT
async def test_what_is_ended_from_outside_holds_nothing_and_costs_nothing(stream: bool) -> None:
    found = world({"slow": [Delta(content=" s"), 5.0, *A]})
    asking = asyncio.create_task(ask(found, ["slow"] * 10, stream=stream))
    await asyncio.wait_for(found.upstream.waiting.wait(), 2)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    assert charged(found) == 0
    assert found.ledger.get_balance(ACCOUNT).held == 0
    assert len(found.queue.events) == 10
