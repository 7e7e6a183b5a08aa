"""Every skin over every wire format: the same question means the same answer and costs the same, whoever asks it how.

In one process but for the simulator's loopback: the real upstream client and adapters, over a ledger in memory.
"""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from turnpike.domain.catalog import Provider
from turnpike.domain.money import NanoUsd
from turnpike.domain.pricing import parse_pricing
from turnpike.providers.upstream import HttpUpstream

from tests.chat_client import Client
from tests.e2e.simulated import WIRES
from tests.meaning import READERS, Meaning, meaning_of
from tests.questions import PIXEL, SKINS, Question
from tests.scenario import World, endpoint
from tests.simulator.server import KEY, Simulator, simulating

pytestmark = pytest.mark.anyio

EVERY_WIRE = pytest.mark.parametrize("wire", WIRES)
MODEL = "sim/model"
PRICING = parse_pricing({"prompt": "0.000002", "completion": "0.00001", "input_cache_read": "0.0000002"})
NANO_PER_USD = 1_000_000_000

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
ZONE = {**CITY, "properties": {"zone": {"type": "string"}}, "required": ["zone"]}
PLACE = {
    **CITY,
    "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
    "required": ["city", "country"],
}
TOOLS = {"get_weather": CITY, "get_time": ZONE}
BOTH = 'Both. [call get_weather {"city": "Oslo"}] [call get_time {"zone": "Europe/Oslo"}]'
TWO_CALLS = (("get_weather", {"city": "Oslo"}), ("get_time", {"zone": "Europe/Oslo"}))

Way = tuple[str, bool]
"""A skin, and whether it streams."""
WAYS: list[Way] = [(skin, stream) for skin in SKINS for stream in (False, True)]
TURNS = [way for way in WAYS if SKINS[way[0]].next_turn]


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks one wire format, through the ASGI app."""

    wire: str
    world: World
    client: Client
    simulator: Simulator

    async def answers(self, question: Question) -> dict[Way, Meaning]:
        """What it means, by skin, and whether it streamed."""
        ways = [way for way in WAYS if SKINS[way[0]].can_ask(question)]
        return {way: await self.answer(way, SKINS[way[0]].body(question)) for way in ways}

    async def answer(self, way: Way, body: dict[str, Any]) -> Meaning:
        return meaning_of(way[0], *await self.post(way, body), stream=way[1])

    async def post(self, way: Way, body: dict[str, Any]) -> tuple[int, bytes]:
        skin, stream = way
        answer = await self.client.post({"model": MODEL, **body, "stream": stream}, path=SKINS[skin].path)
        return answer.status, answer.body

    def billed(self) -> list[int]:
        """What each request cost the account, in nano-USD."""
        return [generation.cost for generation, _ in self.world.sent_events()]


@pytest.fixture(scope="module")
def simulator() -> Iterator[tuple[Simulator, str]]:
    with simulating() as running:
        yield running


@pytest.fixture
async def asker(wire: str, simulator: tuple[Simulator, str]) -> AsyncIterator[Asker]:
    running, address = simulator
    running.plans.planned.clear()
    running.requests.clear()
    async with asking(wire, running, address) as found:
        yield found
    assert not [request["refused"] for request in running.requests if "refused" in request]


@asynccontextmanager
async def asking(wire: str, simulator: Simulator, address: str) -> AsyncIterator[Asker]:
    tested = WIRES[wire]
    base_url = f"{address}/{tested.mount}{tested.path}"
    served = endpoint(
        "sim",
        MODEL,
        upstream_model=tested.model,
        base_url=base_url,
        pricing=PRICING,
        max_completion_tokens=64_000,
        supported_parameters=frozenset(),
        input_modalities=("text", "image"),
    )
    provider = Provider("sim", "Sim", wire, base_url)
    upstream = HttpUpstream([provider], {"sim": KEY})
    world = World({}, served, credit_usd="1000", upstream=upstream)
    try:
        yield Asker(wire, world, Client(world), simulator)
    finally:
        await upstream.aclose()


def agreed(answers: dict[Way, Meaning]) -> Meaning:
    """The meaning that all have."""
    first = answers["chat", False]
    assert {way: answer for way, answer in answers.items() if answer != first} == {}
    return first


@EVERY_WIRE
async def test_text(asker: Asker) -> None:
    found = agreed(await asker.answers(Question()))
    assert found.text.startswith(f'By {WIRES[asker.wire].mount} you said: "Hello". This answer comes from a simulator')
    assert (found.ending, found.calls) == ("stop", ())
    assert found.tokens
    assert found.tokens.cached == 2
    [cost] = set(asker.billed())
    assert cost == round(found.cost_usd * NANO_PER_USD) == price(found)


@EVERY_WIRE
async def test_instructions(asker: Asker) -> None:
    agreed(await asker.answers(Question(system="Be brief.")))
    sent = [json.dumps(request["body"]) for request in asker.simulator.requests]
    assert ["Be brief." in body for body in sent] == [True] * len(TURNS)


@EVERY_WIRE
async def test_a_call_of_a_tool(asker: Asker) -> None:
    found = agreed(await asker.answers(Question(tools=TOOLS)))
    assert (found.calls, found.ending) == ((("get_weather", {"city": "Paris"}),), "tool_calls")
    assert set(asker.billed()) == {price(found)}


@EVERY_WIRE
@pytest.mark.parametrize("thinks_tokens", [None, 2000], ids=["at once", "with thoughts"])
async def test_calls_made_together_and_their_results(asker: Asker, thinks_tokens: int | None) -> None:
    question = Question(BOTH, tools=TOOLS, thinks_tokens=thinks_tokens)
    first = agreed(await asker.answers(question))
    assert (first.calls, first.ending) == (TWO_CALLS, "tool_calls")
    told: dict[Way, Meaning] = {}
    for way in TURNS:
        skin, stream = way
        body = SKINS[skin].body(question)
        _, answered = await asker.post(way, body)
        whole = READERS[skin].fold(answered) if stream else json.loads(answered)
        next_turn = SKINS[skin].next_turn
        assert next_turn
        told[way] = await asker.answer(way, next_turn(body, whole, ["21 degrees", "12:00"]))
    second = agreed({way: replace(answer, tokens=None, cost_usd=0) for way, answer in told.items()})
    assert second.text.startswith("The tool answered: ")
    assert second.ending == "stop"
    sent = json.dumps([request["body"] for request in asker.simulator.requests if "21 degrees" in str(request["body"])])
    assert sent.count("21 degrees") == sent.count("12:00") == len(TURNS)


@EVERY_WIRE
async def test_thoughts(asker: Asker) -> None:
    found = agreed(await asker.answers(Question(thinks_tokens=2000)))
    assert found.thoughts.startswith("Somebody said something.")
    assert found.text.startswith("By ")
    assert found.tokens
    assert (found.tokens.reasoning > 0) is WIRES[asker.wire].counts_reasoning
    assert set(asker.billed()) == {price(found)}


@EVERY_WIRE
async def test_an_image(asker: Asker) -> None:
    found = agreed(await asker.answers(Question("What is this?", image=PIXEL)))
    assert "Beside it I got image/png." in found.text
    assert all(PIXEL in json.dumps(request["body"]) for request in asker.simulator.requests)


@EVERY_WIRE
async def test_a_structured_answer(asker: Asker) -> None:
    found = agreed(await asker.answers(Question("Where?", schema=PLACE)))
    assert json.loads(found.text) == {"city": "Paris", "country": "France"}
    assert (found.ending, found.calls) == ("stop", ())


@EVERY_WIRE
async def test_the_limit_of_tokens(asker: Asker) -> None:
    found = agreed(await asker.answers(Question(max_tokens=16)))
    assert found.tokens
    assert (found.ending, found.tokens.completion) == ("length", 16)
    assert set(asker.billed()) == {price(found)}


@EVERY_WIRE
@pytest.mark.parametrize(
    ("trouble", "status", "error_type"),
    [
        ("rate_limit", 429, "rate_limit_exceeded"),
        ("overloaded", 503, "provider_overloaded"),
        ("content_policy", 400, "content_policy_violation"),
    ],
)
async def test_an_error_before_the_first_content(asker: Asker, trouble: str, status: int, error_type: str) -> None:
    asker.simulator.plans.add({"fault": {"trouble": trouble}, "count": len(WAYS)})
    found = agreed(await asker.answers(Question()))
    assert (found.status, found.error) == (status, error_type)
    assert set(asker.billed()) == {0}


@EVERY_WIRE
async def test_a_prompt_that_is_too_long(asker: Asker) -> None:
    """An error, but to Responses an answer for which there was no room."""
    asker.simulator.plans.add({"fault": {"trouble": "context_length"}, "count": len(WAYS)})
    answers = await asker.answers(Question())
    found = {skin: agreed({each: answers[skin, each[1]] for each in WAYS}) for skin in SKINS}
    assert (found["chat"].status, found["chat"].error) == (400, "context_length_exceeded")
    assert found["messages"].status == found["chat"].status
    assert (found["responses"].ending, found["responses"].status) == ("length", 200)
    assert set(asker.billed()) == {0}


@EVERY_WIRE
@pytest.mark.parametrize("fault", [{"cut": 9}, {"error": 9, "trouble": "overloaded"}], ids=["cut", "error"])
async def test_an_error_after_it(asker: Asker, fault: dict[str, Any]) -> None:
    asker.simulator.plans.add({"fault": fault, "count": len(WAYS)})
    answers = await asker.answers(Question())
    streamed = {way: answer for way, answer in answers.items() if way[1]}
    found = streamed["chat", True]
    assert {way: answer for way, answer in streamed.items() if answer != found} == {}
    assert (found.ending, found.cost_usd, found.status) == ("error", 0, 200)
    assert found.text or found.thoughts
    assert found.error in ("provider_overloaded", "provider_unavailable")
    whole = answers["chat", False]
    assert {way: answer for way, answer in answers.items() if not way[1] and answer != whole} == {}
    assert whole.status in (502, 503)
    assert set(asker.billed()) == {0}


GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": 'start: "*** Begin Patch" /.+/'}
CODING = [
    {"type": "custom", "name": "apply_patch", "description": "Patches files.", "format": GRAMMAR},
    {"type": "namespace", "name": "clock", "tools": [{"type": "function", "name": "get_time", "parameters": ZONE}]},
]
PATCH = "*** Begin Patch\n+ é\n"


@EVERY_WIRE
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_tools_that_take_a_text_and_those_of_a_namespace(asker: Asker, stream: bool) -> None:
    """Only Responses have them; every model must be able to use them, and get their results."""
    asked = f'[call apply_patch {json.dumps({"input": PATCH})}] [call clock__get_time {{"zone": "Europe/Oslo"}}]'
    body: dict[str, Any] = {"input": [{"role": "user", "content": asked}], "tools": CODING}
    way = ("responses", stream)
    _, told = await asker.post(way, body)
    answer = READERS["responses"].fold(told) if stream else json.loads(told)
    patch, clock = [item for item in answer["output"] if item["type"].endswith("_call")]
    assert (patch["type"], patch["name"], patch["input"]) == ("custom_tool_call", "apply_patch", PATCH)
    assert (clock["type"], clock["name"], clock["namespace"]) == ("function_call", "get_time", "clock")
    results = [
        {"type": "custom_tool_call_output", "call_id": patch["call_id"], "output": "Patched"},
        {"type": "function_call_output", "call_id": clock["call_id"], "output": "12:00"},
    ]
    said = await asker.answer(way, {**body, "input": [*body["input"], *answer["output"], *results]})
    assert said.text.startswith("The tool answered: ")
    declared = [tool["type"] for tool in asker.simulator.requests[-1]["body"].get("tools", ()) if "type" in tool]
    assert ("custom" in declared) is asker.wire.endswith("_responses")


def price(found: Meaning) -> int:
    """In nano-USD."""
    assert found.tokens
    prompt, completion, cached, _ = found.tokens
    return int(NanoUsd((prompt - cached) * 2_000 + cached * 200 + completion * 10_000))
