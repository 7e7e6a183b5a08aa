"""Every wire format asked through the Responses API with OpenAI's SDK: the same meaning, at the same cost."""

import json
from typing import Any

import pytest
from openai import APIStatusError, BadRequestError
from openai.lib._tools import pydantic_responses_function_tool
from openai.lib.responses_tool_runner import RegisteredFunction, ResponsesToolRunner
from openai.types.responses import Response
from openrouter.components import OpenResponsesResult, StreamEventsResponseCompleted
from pydantic import BaseModel

from tests.e2e.asking import generation, nano, user
from tests.e2e.run import MARK
from tests.e2e.simulated import FOUR_WIRES, WIRES, Simulated, name_of
from tests.e2e.test_wires import PIXEL_URL
from tests.e2e.test_wires import ask as ask_chat

EVERY_WIRE = pytest.mark.parametrize("wire", WIRES)
STREAMED_OR_NOT = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])

WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": f"The weather in a city. {MARK}",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


class Place(BaseModel):
    city: str
    country: str


def ask(sim: Simulated, wire: str, *, stream: bool = False, given: Any = None, **members: Any) -> Response:
    """The answer, as the SDK gives it or puts it together."""
    request: Any = {"model": f"sim/{wire}", "input": given or f"Hello {MARK}", "store": False, **members}
    if not stream:
        return sim.openai.responses.create(**request)
    with sim.openai.responses.stream(**request) as events:
        return events.get_final_response()


def call_of(response: Response) -> Any:
    [call] = [item for item in response.output if item.type == "function_call"]
    return call


@EVERY_WIRE
@STREAMED_OR_NOT
def test_text_and_what_it_costs_in_either_skin(sim: Simulated, wire: str, stream: bool) -> None:
    answer: Any = ask(sim, wire, stream=stream)

    assert answer.output_text.startswith(f'By {WIRES[wire].mount} you said: "Hello {MARK}".')
    assert answer.output_text.endswith("something to cut in two.")
    assert (answer.status, answer.model, answer.provider) == ("completed", f"sim/{wire}", name_of(wire))
    usage = answer.usage
    assert usage.input_tokens_details.cached_tokens == 2
    record = generation(sim.http, answer.id)
    assert nano(record["total_cost"]) == nano(usage.cost) > 0
    assert (record["tokens_prompt"], record["tokens_completion"]) == (usage.input_tokens, usage.output_tokens)
    assert record["streamed"] is stream
    chat = ask_chat(sim, wire, stream=stream)
    assert chat["content"] == answer.output_text
    assert nano(chat["usage"].cost) == nano(usage.cost)


@EVERY_WIRE
@STREAMED_OR_NOT
def test_two_turns_with_a_tool_hand_the_reasoning_back(sim: Simulated, wire: str, stream: bool) -> None:
    asked: dict[str, Any] = {
        "stream": stream,
        "tools": [WEATHER],
        "reasoning": {"effort": "high", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "max_output_tokens": 8000,
    }
    first = ask(sim, wire, **asked)
    assert json.loads(call_of(first).arguments) == {"city": "Paris"}
    said = "".join(part.text for item in first.output if item.type == "reasoning" for part in item.summary)
    assert said.startswith("Somebody said something.")

    result = {"type": "function_call_output", "call_id": call_of(first).call_id, "output": f"21 degrees {MARK}"}
    talk = [*user(), *(item.to_dict() for item in first.output), result]
    second = ask(sim, wire, given=talk, **asked)
    assert second.output_text.startswith(f"The tool answered: 21 degrees {MARK}")
    [_, request] = sim.requests()
    assert WIRES[wire].carries in json.dumps(request["body"])
    assert "refused" not in request


@EVERY_WIRE
@STREAMED_OR_NOT
def test_structured_output_is_parsed_by_the_sdk(sim: Simulated, wire: str, stream: bool) -> None:
    request: Any = {"model": f"sim/{wire}", "input": f"Where? {MARK}", "text_format": Place}
    if stream:
        with sim.openai.responses.stream(**request) as events:
            parsed = events.get_final_response().output_parsed
    else:
        parsed = sim.openai.responses.parse(**request).output_parsed
    assert parsed == Place(city="Paris", country="France")


class Weather(BaseModel):
    city: str


@pytest.mark.parametrize("wire", FOUR_WIRES)
@STREAMED_OR_NOT
def test_openais_tool_runner_comes_to_its_end(sim: Simulated, wire: str, stream: bool) -> None:
    def look_up(weather: Weather) -> str:
        return f"21 degrees in {weather.city} {MARK}"

    tool = RegisteredFunction.from_tool(pydantic_responses_function_tool(Weather), execute=look_up)
    asked: Any = {"model": f"sim/{wire}", "input": f"Hello {MARK}", "store": False}
    answer = ResponsesToolRunner(functions=[tool]).run(sim.openai, asked, max_steps=3, stream=stream)
    assert answer.output_text.startswith(f"The tool answered: 21 degrees in Paris {MARK}")


@EVERY_WIRE
def test_openrouters_sdk_reads_every_answer(sim: Simulated, wire: str) -> None:
    """Strictly: what does not fit its models it drops without a word."""
    tool = {**WEATHER, "strict": None}
    asked: Any = {"model": f"sim/{wire}", "input": f"Hello {MARK}", "tools": [tool], "reasoning": {"effort": "high"}}
    whole = sim.openrouter.responses.send(**asked)
    with sim.openrouter.responses.send(**asked, stream=True) as events:
        told = list(events)
    assert isinstance(whole, OpenResponsesResult)
    last = told[-1]
    assert isinstance(last, StreamEventsResponseCompleted)
    for answer in (whole, last.response):
        assert answer.status == "completed"
        *thoughts, call = answer.output
        assert [item.type for item in thoughts] == ["reasoning"] * len(thoughts)
        assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "get_weather", {"city": "Paris"})
        assert answer.usage
        assert nano(answer.usage.cost) > 0
        assert answer.usage.cost_details.upstream_inference_output_cost > 0
    assert not any(type(event).__name__.startswith("Unknown") for event in told)


@EVERY_WIRE
def test_instructions_and_images_arrive(sim: Simulated, wire: str) -> None:
    content = [{"type": "input_text", "text": f"What is this? {MARK}"}, {"type": "input_image", "image_url": PIXEL_URL}]
    answer = ask(sim, wire, given=[{"role": "user", "content": content}], instructions=f"Be brief. {MARK}")
    assert "Beside it I got image/png." in answer.output_text
    [request] = sim.requests()
    assert f"Be brief. {MARK}" in json.dumps(request["body"])


@EVERY_WIRE
def test_the_limit_of_tokens_leaves_an_answer_incomplete(sim: Simulated, wire: str) -> None:
    answer = ask(sim, wire, stream=False, max_output_tokens=16)
    assert (answer.status, answer.usage and answer.usage.output_tokens) == ("incomplete", 16)
    assert answer.incomplete_details
    assert answer.incomplete_details.reason == "max_output_tokens"


@EVERY_WIRE
@STREAMED_OR_NOT
def test_errors_before_the_first_content_have_their_status(sim: Simulated, wire: str, stream: bool) -> None:
    sim.plan(wire, {"trouble": "rate_limit"})
    with pytest.raises(APIStatusError) as caught:
        ask(sim, wire, stream=stream)
    assert caught.value.status_code == 429


@EVERY_WIRE
@pytest.mark.parametrize("fault", [{"cut": 9}, {"error": 9, "trouble": "overloaded"}], ids=["cut", "error"])
def test_errors_after_it_are_a_response_that_failed_and_costs_nothing(sim: Simulated, wire: str, fault: Any) -> None:
    sim.plan(wire, fault)
    with sim.openai.responses.create(model=f"sim/{wire}", input=f"Hello {MARK}", stream=True) as events:
        *_, last = events
    assert last.type == "response.failed"
    assert last.response.error
    assert last.response.error.code == "server_error"
    record = generation(sim.http, last.response.id)
    assert (record["total_cost"], record["finish_reason"]) == (0, "error")


def test_what_would_have_to_be_stored_is_refused(sim: Simulated) -> None:
    for members in ({"store": True}, {"previous_response_id": "resp_1"}):
        with pytest.raises(BadRequestError, match="nothing is stored here"):
            sim.openai.responses.create(model="sim/anthropic", input="Hello", **members)  # type: ignore[call-overload]
