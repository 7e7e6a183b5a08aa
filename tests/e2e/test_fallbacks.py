"""Three endpoints behind a model, of three wire formats: as long as one of them answers, nobody notices the others."""

import asyncio
import itertools
import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from openai import AsyncOpenAI

from tests.e2e.asking import error_of, generation, nano, user
from tests.e2e.deployment import Deployment
from tests.e2e.failing import LIMITED, PATIENCE_S, RESTING, SPOKEN, WAYS, Failing, Trio, failing, trios

REQUESTS, AT_ONCE = 1_000, 16
LONGEST_S = 20.0
"""Of one request; it is there to end a test that goes wrong."""
EITHER_WAY = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
METADATA = {"x-openrouter-metadata": "enabled"}

WHEN_ALL_FAIL: dict[str, tuple[int, str]] = {
    "429": (429, "rate_limit_exceeded"),
    "500": (502, "provider_unavailable"),
    "503": (503, "provider_overloaded"),
    "refused": (502, "provider_unavailable"),
    "reset": (502, "provider_unavailable"),
    "hang": (504, "timeout"),
    "slow-headers": (504, "timeout"),
    "empty": (502, "provider_unavailable"),
    "junk": (502, "provider_unavailable"),
}


@pytest.fixture(scope="module")
def trio(parts: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Failing]:
    with failing(parts, tmp_path_factory.mktemp("failing")) as found:
        yield found


def body(trio: Trio, said: str, *, stream: bool, ordered: bool) -> dict[str, Any]:
    """`ordered` lets those that fail be tried first, as long as they are tried at all."""
    order = {"provider": {"order": trio.order}} if ordered else {}
    return {"model": trio.model, "messages": user(said), "stream": stream, **order}


class Asker:
    """Asks every model both ways, and remembers what was wrong with the answers."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client
        self.wrong: list[str] = []
        self.answered_by: Counter[str] = Counter()

    async def ask(self, number: int, trio: Trio, stream: bool) -> None:
        said = f"Number {number}"
        asked = body(trio, said, stream=stream, ordered=number // 2 % 2 == 0)
        extra = {"provider": asked.pop("provider", None)}
        try:
            answer = await (self._stream if stream else self._whole)(asked, extra)
        except Exception as error:
            self.wrong.append(f"{trio.model} {stream=}: {error!r}")
            return
        provider, text, finish, cost = answer
        self.answered_by[provider] += 1
        wire = SPOKEN[int(provider.removeprefix("trio-"))]
        expected = (
            re.escape(f'By {wire} you said: "{asked["messages"][0]["content"]}". This answer') + ".* cut in two[.]"
        )
        if not re.fullmatch(expected, text) or text.count("By ") != 1:
            self.wrong.append(f"{trio.model} {stream=}: {provider} said {text!r}")
        if finish != "stop" or nano(cost) <= 0 or int(provider[-1]) in trio.failing:
            self.wrong.append(f"{trio.model} {stream=}: {provider} finished with {finish} for {cost}")

    async def _whole(self, asked: dict[str, Any], extra: Any) -> tuple[str, str, str, float]:
        answer: Any = await self._client.chat.completions.create(**asked, extra_body=extra)
        choice = answer.choices[0]
        return answer.provider, choice.message.content, choice.finish_reason, answer.usage.cost

    async def _stream(self, asked: dict[str, Any], extra: Any) -> tuple[str, str, str, float]:
        async with await self._client.chat.completions.create(**asked, extra_body=extra) as incoming:
            chunks: list[Any] = [chunk async for chunk in incoming]
        [provider] = {chunk.provider for chunk in chunks}
        choices = [choice for chunk in chunks for choice in chunk.choices]
        text = "".join(choice.delta.content or "" for choice in choices)
        [finish] = {choice.finish_reason for choice in choices} - {None}
        return provider, text, finish, chunks[-1].usage.cost


async def ask_all(sim: Failing) -> Asker:
    models = [*trios(1), *trios(2)]
    cases = [(trio, stream) for trio in models for stream in (False, True)]
    numbered = enumerate(itertools.islice(itertools.cycle(cases), REQUESTS))
    # Without retries: a request that fails is to be seen, not repeated.
    async with AsyncOpenAI(base_url=sim.base_url, api_key=sim.api_key, max_retries=0, timeout=LONGEST_S) as client:
        asker = Asker(client)

        async def work() -> None:
            for number, (trio, stream) in numbered:
                await asker.ask(number, trio, stream)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return asker


def test_a_thousand_requests_with_one_or_two_of_three_failing_are_all_answered(trio: Failing) -> None:
    asker = asyncio.run(ask_all(trio))
    assert asker.wrong == []
    assert asker.answered_by.total() == REQUESTS
    assert set(asker.answered_by) == {"trio-0", "trio-1", "trio-2"}
    # It was not for want of being asked that nothing failed; whoever refuses a connection sees no request.
    tried = Counter(each["model"].partition("~")[1:] for each in trio.simulator.requests)
    for way, fault in WAYS.items():
        assert way == "refused" or tried["~", fault[1:]] >= REQUESTS // len(WAYS) // 2, (way, tried)


@EITHER_WAY
@pytest.mark.parametrize("way", WAYS)
def test_when_all_three_fail_it_says_so_in_time(trio: Failing, way: str, stream: bool) -> None:
    broken = Trio(way, (0, 1, 2))
    began = time.monotonic()
    response = trio.http.post("/chat/completions", json=body(broken, "Hello", stream=stream, ordered=False))
    took_s = time.monotonic() - began

    status, error_type = WHEN_ALL_FAIL[way]
    error = error_of(response, status)
    assert error["metadata"]["error_type"] == error_type
    assert error["availability"]["code"] == ("capacity_exhausted" if way == "429" else "temporarily_unavailable")
    assert error["availability"]["retryable"]
    assert error["availability"]["affected_providers"] == sorted(broken.order)
    assert len(error["metadata"]["previous_errors"]) == 2
    assert "retry-after" not in response.headers
    assert response.headers["x-generation-id"]
    # Three times the endpoints' own patience at most, and what a busy machine adds.
    assert took_s < 3 * PATIENCE_S + 3
    if way in ("hang", "slow-headers"):
        assert took_s > 2 * PATIENCE_S


@EITHER_WAY
def test_when_all_three_are_busy_the_shortest_wait_is_told_and_nobody_is_asked_within_it(
    trio: Failing, stream: bool
) -> None:
    # The second test finds them waiting from the first one on.
    for _ in range(2):
        response = trio.http.post(
            "/chat/completions", json=body(Trio(LIMITED, (0, 1, 2)), "", stream=stream, ordered=False)
        )
        error = error_of(response, 429)
        assert error["availability"]["code"] == "capacity_exhausted"
        assert 1 <= int(response.headers["retry-after"]) <= 20
        assert error["availability"]["retry_after"] == int(response.headers["retry-after"])
    asked = [each for each in trio.simulator.requests if "retry_after" in each["model"]]
    assert len(asked) == 3


@EITHER_WAY
def test_an_endpoint_that_said_when_to_come_back_is_left_alone_and_the_others_answer(
    trio: Failing, stream: bool
) -> None:
    for _ in range(3):
        asked = body(Trio(RESTING, (0,)), "Hello", stream=stream, ordered=True)
        assert trio.http.post("/chat/completions", json=asked).status_code == 200
    asked_again = [each for each in trio.simulator.requests if "retry_after.3600" in each["model"]]
    assert len(asked_again) == 1


def test_the_attempts_are_told_to_who_asks_and_stand_in_the_record(trio: Failing) -> None:
    two = Trio("503", (0, 1))
    asked = body(two, "Hello", stream=False, ordered=True)
    answer = trio.http.post("/chat/completions", json=asked, headers=METADATA).json()

    told = answer["openrouter_metadata"]
    assert (told["attempt"], told["summary"]) == (3, "available=3, selected=trio-2")
    # Anthropic has a status of its own for it.
    assert [(each["provider"], each["status"]) for each in told["attempts"]] == [
        ("trio-0", 503),
        ("trio-1", 529),
        ("trio-2", 200),
    ]
    record = generation(trio.http, answer["id"])
    assert [each["status"] for each in record["provider_responses"]] == [503, 529, 200]
    assert nano(record["total_cost"]) == nano(answer["usage"]["cost"])
