"""Every wire format from end to end: asked with the OpenAI SDK, answered by a provider that speaks it strictly."""

import base64
import json
from typing import Any

import pytest
from openai import APIStatusError, pydantic_function_tool
from openai.types.chat import ChatCompletionChunk
from pydantic import BaseModel

from tests.e2e.asking import WEATHER, generation, nano, user
from tests.e2e.run import MARK
from tests.e2e.simulated import (
    FOUR_WIRES,
    WIRES,
    Simulated,
    name_of,
    price,
)

EVERY_WIRE = pytest.mark.parametrize("wire", WIRES)
STREAMED_OR_NOT = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PIXEL_URL = f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}"
PLACE = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
    "required": ["city", "country"],
    "additionalProperties": False,
}


def ask(sim: Simulated, wire: str, *, stream: bool = False, messages: Any = None, **members: Any) -> dict[str, Any]:
    """The answer as one message with `usage`, `id` and `finish_reason` beside it, streamed or not."""
    request = {"model": f"sim/{wire}", "messages": messages or user(), **members}
    extra = {name: request.pop(name) for name in ("reasoning", "provider") if name in request}
    if not stream:
        answer: Any = sim.openai.chat.completions.create(**request, extra_body=extra)
        [choice] = answer.choices
        rest = {"usage": answer.usage, "id": answer.id, "finish_reason": choice.finish_reason}
        return {**choice.message.model_dump(exclude_none=True), **rest, "provider": answer.provider}
    with sim.openai.chat.completions.create(**request, extra_body=extra, stream=True) as chunks:
        return gather(list(chunks))


def gather(chunks: list[ChatCompletionChunk]) -> dict[str, Any]:
    """What a client makes of a stream: fragments of reasoning details are kept as they came."""
    assert len({chunk.id for chunk in chunks}) == 1
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    deltas = [choice.delta.model_dump(exclude_none=True) for chunk in chunks for choice in chunk.choices]
    # The last chunk, with the usage, repeats it.
    [finish] = {choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason}
    message: dict[str, Any] = {"role": "assistant", "content": "".join(delta.get("content", "") for delta in deltas)}
    for delta in deltas:
        for fragment in delta.get("tool_calls", ()):
            calls = message.setdefault("tool_calls", [])
            if fragment["index"] == len(calls):
                calls.append({"id": fragment["id"], "type": "function", "function": {"arguments": ""}})
            function = calls[fragment["index"]]["function"]
            function["arguments"] += fragment["function"].get("arguments", "")
            function.setdefault("name", fragment["function"].get("name"))
    details = [detail for delta in deltas for detail in delta.get("reasoning_details", ())]
    thoughts = "".join(delta.get("reasoning", "") for delta in deltas)
    if details or thoughts:
        message |= {"reasoning_details": details, "reasoning": thoughts}
    last: Any = chunks[-1]
    return {**message, "usage": last.usage, "id": last.id, "finish_reason": finish, "provider": last.provider}


def history(answer: dict[str, Any], *, result: str) -> list[Any]:
    """The conversation so far, with the answer handed back unmodified and every call of a tool answered."""
    told = ("role", "content", "tool_calls", "reasoning", "reasoning_details")
    results = [{"role": "tool", "tool_call_id": call["id"], "content": result} for call in answer["tool_calls"]]
    return [*user(), {name: answer[name] for name in told if name in answer}, *results]


@EVERY_WIRE
@STREAMED_OR_NOT
def test_text_and_what_it_costs(sim: Simulated, wire: str, stream: bool) -> None:
    answer = ask(sim, wire, stream=stream)

    assert answer["content"].startswith(
        f'By {WIRES[wire].mount} you said: "Hello {MARK}". This answer comes from a simulator'
    )
    assert answer["content"].endswith("something to cut in two.")
    assert (answer["finish_reason"], answer["provider"]) == ("stop", name_of(wire))
    usage = answer["usage"]
    assert usage.prompt_tokens > usage.prompt_tokens_details.cached_tokens == 2
    assert nano(usage.cost) == price(usage) > 0
    record = generation(sim.http, answer["id"])
    assert nano(record["total_cost"]) == nano(usage.cost)
    assert (record["model"], record["provider_name"]) == (f"sim/{wire}", name_of(wire))
    assert (record["tokens_prompt"], record["tokens_completion"]) == (usage.prompt_tokens, usage.completion_tokens)
    assert record["streamed"] is stream
    assert bool(record["upstream_id"]) is WIRES[wire].has_ids


@EVERY_WIRE
def test_streamed_and_whole_answers_say_and_cost_the_same(sim: Simulated, wire: str) -> None:
    asked: dict[str, Any] = {"tools": [WEATHER], "reasoning": {"effort": "high"}, "max_tokens": 8000}
    whole, streamed = (ask(sim, wire, stream=stream, **asked) for stream in (False, True))
    for answer in (whole, streamed):
        [call] = answer["tool_calls"]
        assert json.loads(call["function"]["arguments"])["city"] == "Paris"
        assert call["function"]["name"] == "get_weather"
        assert answer["finish_reason"] == "tool_calls"
    assert streamed["reasoning"] == whole["reasoning"]
    assert whole["reasoning"].startswith("Somebody said something.")
    assert streamed["usage"] == whole["usage"]
    counted = whole["usage"].completion_tokens_details.reasoning_tokens
    assert (counted > 0) is WIRES[wire].counts_reasoning


@EVERY_WIRE
@STREAMED_OR_NOT
def test_two_turns_with_a_tool_hand_the_reasoning_back(sim: Simulated, wire: str, stream: bool) -> None:
    asked: dict[str, Any] = {"stream": stream, "tools": [WEATHER], "reasoning": {"effort": "high"}, "max_tokens": 8000}
    first = ask(sim, wire, **asked)
    second = ask(sim, wire, messages=history(first, result=f"21 degrees {MARK}"), **asked)

    assert second["content"].startswith(f"The tool answered: 21 degrees {MARK}")
    assert second["finish_reason"] == "stop"
    [_, request] = sim.requests()
    assert WIRES[wire].carries in json.dumps(request["body"])
    assert "refused" not in request


@EVERY_WIRE
def test_a_third_turn_after_the_tool(sim: Simulated, wire: str) -> None:
    asked: dict[str, Any] = {"tools": [WEATHER], "reasoning": {"effort": "high"}, "max_tokens": 8000}
    talk = history(ask(sim, wire, **asked), result="21 degrees")
    said = ask(sim, wire, messages=talk, **asked)
    told = {name: said[name] for name in ("role", "content", "reasoning_details") if name in said}
    third = ask(sim, wire, messages=[*talk, told, *user("And tomorrow?")], tools=[WEATHER], tool_choice="none")
    assert f'you said: "And tomorrow? {MARK}"' in third["content"]


@EVERY_WIRE
@pytest.mark.parametrize(("choice", "calls"), [("none", 0), ("required", 1), ("named", 1)])
def test_tools_may_be_forbidden_or_forced(sim: Simulated, wire: str, choice: str, calls: int) -> None:
    named = {"type": "function", "function": {"name": "get_weather"}}
    answer = ask(sim, wire, tools=[WEATHER], tool_choice=named if choice == "named" else choice)
    assert len(answer.get("tool_calls", ())) == calls


@EVERY_WIRE
def test_an_image_arrives(sim: Simulated, wire: str) -> None:
    image = {"type": "image_url", "image_url": {"url": PIXEL_URL}}
    content = [{"type": "text", "text": f"What is this? {MARK}"}, image]
    answer = ask(sim, wire, messages=[{"role": "user", "content": content}])
    assert "Beside it I got image/png." in answer["content"]
    [request] = sim.requests()
    assert base64.b64encode(PIXEL).decode() in json.dumps(request["body"])


@EVERY_WIRE
@STREAMED_OR_NOT
def test_structured_output_fits_the_schema(sim: Simulated, wire: str, stream: bool) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "place", "strict": True, "schema": PLACE}}
    answer = ask(sim, wire, stream=stream, response_format=form)
    assert json.loads(answer["content"]) == {"city": "Paris", "country": "France"}
    assert answer["finish_reason"] == "stop"
    assert "tool_calls" not in answer


class Place(BaseModel):
    city: str
    country: str


class GetWeather(BaseModel):
    """The weather in a city."""

    city: str


@pytest.mark.parametrize("wire", FOUR_WIRES)
@STREAMED_OR_NOT
def test_the_sdk_parses_answers_and_arguments(sim: Simulated, wire: str, stream: bool) -> None:
    def ask_parsed(**members: Any) -> Any:
        asked: Any = {"model": f"sim/{wire}", "messages": user(), **members}
        if not stream:
            return sim.openai.chat.completions.parse(**asked)
        with sim.openai.chat.completions.stream(**asked) as events:
            return events.get_final_completion()

    placed = ask_parsed(response_format=Place).choices[0].message
    assert placed.parsed == Place(city="Paris", country="France")
    [call] = ask_parsed(tools=[pydantic_function_tool(GetWeather)]).choices[0].message.tool_calls
    assert call.function.parsed_arguments == GetWeather(city="Paris")


@EVERY_WIRE
def test_system_prompts_and_many_turns(sim: Simulated, wire: str) -> None:
    talk = [
        {"role": "system", "content": f"Be brief. {MARK}"},
        *user("First"),
        {"role": "assistant", "content": "I heard."},
        # Two in a row, which some providers refuse.
        *user("Second"),
        *user("Third"),
    ]
    answer = ask(sim, wire, messages=talk, temperature=0.5)
    assert f"Third {MARK}" in answer["content"]
    [request] = sim.requests()
    assert f"Be brief. {MARK}" in json.dumps(request["body"])


@EVERY_WIRE
def test_the_limit_of_tokens_ends_an_answer(sim: Simulated, wire: str) -> None:
    # OpenAI's Responses take no less than sixteen.
    answer = ask(sim, wire, stream=True, max_tokens=16)
    assert (answer["finish_reason"], answer["usage"].completion_tokens) == ("length", 16)


@EVERY_WIRE
@pytest.mark.parametrize(
    ("trouble", "status", "error_type"),
    [
        ("rate_limit", 429, "rate_limit_exceeded"),
        ("overloaded", 503, "provider_overloaded"),
        ("server", 502, "provider_unavailable"),
        ("auth", 502, "provider_unavailable"),
        ("context_length", 400, "context_length_exceeded"),
        ("content_policy", 400, "content_policy_violation"),
    ],
)
def test_errors_are_told_in_one_language(sim: Simulated, wire: str, trouble: str, status: int, error_type: str) -> None:
    sim.plan(wire, {"trouble": trouble})
    with pytest.raises(APIStatusError) as caught:
        ask(sim, wire, stream=status == 400)

    assert caught.value.status_code == status
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["code"] == status
    assert caught.value.body["metadata"]["error_type"] == error_type
    assert caught.value.body["metadata"]["provider_name"] == name_of(wire)
