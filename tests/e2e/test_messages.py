"""Every wire format asked with Anthropic's own SDK: the same meaning as in Anthropic's answers, at the same cost."""

import base64
import json
from typing import Any

import pytest
from anthropic import Anthropic, APIStatusError, AuthenticationError, beta_tool
from anthropic.types import Message

from tests.e2e.asking import generation, nano, user
from tests.e2e.run import MARK
from tests.e2e.simulated import FOUR_WIRES, WIRES, Simulated, name_of
from tests.e2e.test_wires import PIXEL, PIXEL_URL, PLACE
from tests.e2e.test_wires import ask as ask_chat

EVERY_WIRE = pytest.mark.parametrize("wire", WIRES)
STREAMED_OR_NOT = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])

THINKING = {"type": "enabled", "budget_tokens": 2000}
WEATHER: Any = {
    "name": "get_weather",
    "description": f"The weather in a city. {MARK}",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


def ask(sim: Simulated, wire: str, *, stream: bool = False, messages: Any = None, **members: Any) -> Message:
    """The answer, as the SDK gives it or puts it together; with what it cost."""
    request: Any = {"model": f"sim/{wire}", "max_tokens": 8000, "messages": messages or user(), **members}
    if not stream:
        return sim.anthropic.messages.create(**request)
    with sim.anthropic.messages.stream(**request) as events:
        usage: Any = None
        for event in events:
            usage = event.usage if event.type == "message_delta" else usage
        message: Any = events.get_final_message()
    # What the SDK does not know of, it does not keep.
    message.usage.cost = usage.cost
    return message


def text_of(message: Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def call_of(message: Message) -> Any:
    [call] = [block for block in message.content if block.type == "tool_use"]
    return call


def history(answer: Message, result: Any) -> Any:
    """The conversation so far, with the answer handed back as it came."""
    told = {"type": "tool_result", "tool_use_id": call_of(answer).id, "content": result}
    return [*user(), {"role": "assistant", "content": answer.content}, {"role": "user", "content": [told]}]


@EVERY_WIRE
@STREAMED_OR_NOT
def test_text_and_what_it_costs_in_either_skin(sim: Simulated, wire: str, stream: bool) -> None:
    answer: Any = ask(sim, wire, stream=stream)

    assert text_of(answer).startswith(f'By {WIRES[wire].mount} you said: "Hello {MARK}".')
    assert text_of(answer).endswith("something to cut in two.")
    assert (answer.stop_reason, answer.model, answer.provider) == ("end_turn", f"sim/{wire}", name_of(wire))
    usage = answer.usage
    assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (2, 0)
    record = generation(sim.http, answer.id)
    assert nano(record["total_cost"]) == nano(usage.cost) > 0
    assert record["tokens_prompt"] == usage.input_tokens + usage.cache_read_input_tokens
    assert record["tokens_completion"] == usage.output_tokens
    assert record["streamed"] is stream
    chat = ask_chat(sim, wire, stream=stream, max_tokens=8000)
    assert chat["content"] == text_of(answer)
    assert nano(chat["usage"].cost) == nano(usage.cost)


@EVERY_WIRE
@STREAMED_OR_NOT
def test_two_turns_with_a_tool_hand_the_thoughts_back(sim: Simulated, wire: str, stream: bool) -> None:
    asked: dict[str, Any] = {"stream": stream, "tools": [WEATHER], "thinking": THINKING}
    first = ask(sim, wire, **asked)
    assert first.stop_reason == "tool_use"
    assert call_of(first).name == "get_weather"
    assert call_of(first).input == {"city": "Paris"}
    thoughts = "".join(block.thinking for block in first.content if block.type == "thinking")
    assert thoughts.startswith("Somebody said something.")

    second = ask(sim, wire, messages=history(first, [{"type": "text", "text": f"21 degrees {MARK}"}]), **asked)
    assert text_of(second).startswith(f"The tool answered: 21 degrees {MARK}")
    assert second.stop_reason == "end_turn"
    [_, request] = sim.requests()
    assert WIRES[wire].carries in json.dumps(request["body"])
    assert "refused" not in request


@beta_tool
def look_up(city: str) -> str:
    """The weather in a city."""
    return f"21 degrees in {city} {MARK}"


@pytest.mark.parametrize("wire", FOUR_WIRES)
@STREAMED_OR_NOT
def test_anthropics_tool_runner_comes_to_its_end(sim: Simulated, wire: str, stream: bool) -> None:
    """Though it would have the conversation kept, which it is not here."""
    asked: Any = {"model": f"sim/{wire}", "max_tokens": 4000, "messages": user(), "tools": [look_up]}
    answer: Any = sim.anthropic.beta.messages.tool_runner(**asked, stream=stream).until_done()
    assert text_of(answer).startswith(f"The tool answered: 21 degrees in Paris {MARK}")
    assert len(sim.requests()) == 2


@pytest.mark.parametrize("then", ["openai_compatible", "google", "openai_responses", "mistral", "anthropic"])
def test_a_conversation_goes_on_with_another_provider(sim: Simulated, then: str) -> None:
    """Thoughts of one mean nothing to the other, and must not be in the way."""
    asked: dict[str, Any] = {"tools": [WEATHER], "thinking": THINKING}
    for wire in ("anthropic", "google", "openai_responses"):
        first = ask(sim, wire, stream=True, **asked)
        second = ask(sim, then, messages=history(first, "21 degrees"), **asked)
        assert text_of(second).startswith("The tool answered: 21 degrees")


@EVERY_WIRE
@STREAMED_OR_NOT
def test_streamed_and_whole_blocks_are_the_same_and_in_order(sim: Simulated, wire: str, stream: bool) -> None:
    answer = ask(sim, wire, stream=stream, tools=[WEATHER], thinking=THINKING)
    kinds = [block.type for block in answer.content if block.type != "redacted_thinking"]
    # Cohere's models also say what they plan to do.
    assert kinds == ["thinking", *["thinking"] * (wire == "cohere"), "tool_use"]


@EVERY_WIRE
@pytest.mark.parametrize(("choice", "calls"), [("none", 0), ("any", 1), ("tool", 1)])
def test_tools_may_be_forbidden_or_forced(sim: Simulated, wire: str, choice: str, calls: int) -> None:
    named = {"name": "get_weather"} if choice == "tool" else {}
    answer = ask(sim, wire, tools=[WEATHER], tool_choice={"type": choice, **named})
    assert sum(block.type == "tool_use" for block in answer.content) == calls


@EVERY_WIRE
def test_an_image_arrives(sim: Simulated, wire: str) -> None:
    data = base64.b64encode(PIXEL).decode()
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    content = [{"type": "text", "text": f"What is this? {MARK}"}, image]
    answer = ask(sim, wire, messages=[{"role": "user", "content": content}])
    assert "Beside it I got image/png." in text_of(answer)
    [request] = sim.requests()
    assert data in json.dumps(request["body"])


@EVERY_WIRE
def test_an_image_that_a_tool_returns_arrives(sim: Simulated, wire: str) -> None:
    first = ask(sim, wire, tools=[WEATHER])
    data = PIXEL_URL.partition(",")[2]
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    second = ask(sim, wire, messages=history(first, [{"type": "text", "text": "Look:"}, image]), tools=[WEATHER])
    assert second.stop_reason in ("end_turn", "tool_use")
    [_, request] = sim.requests()
    assert data in json.dumps(request["body"])
    assert "refused" not in request


@EVERY_WIRE
def test_marks_for_caching_may_stand_anywhere(sim: Simulated, wire: str) -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    tools: Any = [{**WEATHER, **mark}]
    system: Any = [{"type": "text", "text": f"Be brief. {MARK}", **mark}]
    first = ask(sim, wire, system=system, tools=tools)
    talk = history(first, "21 degrees")
    talk[-1]["content"][0].update(mark)
    second = ask(sim, wire, system=system, tools=tools, messages=talk)
    assert text_of(second).startswith("The tool answered: 21 degrees")


@EVERY_WIRE
@STREAMED_OR_NOT
def test_structured_output_fits_the_schema(sim: Simulated, wire: str, stream: bool) -> None:
    form: Any = {"format": {"type": "json_schema", "schema": PLACE}}
    answer = ask(sim, wire, stream=stream, output_config=form)
    assert json.loads(text_of(answer)) == {"city": "Paris", "country": "France"}


@EVERY_WIRE
def test_the_limit_of_tokens_ends_an_answer(sim: Simulated, wire: str) -> None:
    answer = ask(sim, wire, stream=True, max_tokens=16)
    assert (answer.stop_reason, answer.usage.output_tokens) == ("max_tokens", 16)


@EVERY_WIRE
@pytest.mark.parametrize(
    ("trouble", "status", "kind"),
    [
        ("rate_limit", 429, "rate_limit_error"),
        ("overloaded", 503, "overloaded_error"),
        ("auth", 502, "api_error"),
        ("context_length", 400, "invalid_request_error"),
    ],
)
@STREAMED_OR_NOT
def test_errors_before_the_first_content_have_their_status(
    sim: Simulated, wire: str, trouble: str, status: int, kind: str, stream: bool
) -> None:
    sim.plan(wire, {"trouble": trouble})
    with pytest.raises(APIStatusError) as caught:
        ask(sim, wire, stream=stream)
    assert caught.value.status_code == status
    body: Any = caught.value.body
    assert (body["type"], body["error"]["type"]) == ("error", kind)
    assert body["request_id"].startswith("gen-")


@EVERY_WIRE
@pytest.mark.parametrize("fault", [{"cut": 9}, {"error": 9, "trouble": "overloaded"}], ids=["cut", "error"])
def test_errors_after_it_end_the_stream_and_cost_nothing(sim: Simulated, wire: str, fault: Any) -> None:
    sim.plan(wire, fault)
    request: Any = {"model": f"sim/{wire}", "max_tokens": 8000, "messages": user()}
    seen: list[Any] = []
    with sim.anthropic.messages.stream(**request) as events, pytest.raises(APIStatusError) as caught:
        # Keeps what came before the error.
        seen.extend(events)
    assert any(event.type in ("text", "thinking") for event in seen)
    body: Any = caught.value.body
    assert body["error"]["type"] in ("api_error", "overloaded_error")
    record = generation(sim.http, seen[0].message.id)
    assert (record["total_cost"], record["finish_reason"]) == (0, "error")


def test_tokens_are_counted(sim: Simulated) -> None:
    counted = sim.anthropic.messages.count_tokens(model="sim/anthropic", messages=user(), tools=[WEATHER])
    assert counted.input_tokens > 50
    assert sim.requests() == []


def test_a_bearer_lets_in_as_well_and_a_wrong_key_does_not(sim: Simulated) -> None:
    address, key = str(sim.anthropic.base_url), sim.anthropic.api_key
    request: Any = {"model": "sim/anthropic", "max_tokens": 100, "messages": user()}
    with Anthropic(base_url=address, auth_token=key, api_key=None, max_retries=0) as bearing:
        assert bearing.messages.create(**request).content
    with (
        Anthropic(base_url=address, api_key="sk-or-v1-wrong", max_retries=0) as wrong,
        pytest.raises(AuthenticationError),
    ):
        wrong.messages.create(**request)
