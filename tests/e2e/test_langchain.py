"""LangChain's clients of all three APIs, unchanged but for address and key: text, streams, tools, structured output."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from tests.e2e.run import MARK
from tests.e2e.simulated import FOUR_WIRES, WIRES, Simulated

PROMPT = f"Where? {MARK}"


class Place(BaseModel):
    """A place."""

    city: str
    country: str


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"21 degrees in {city} {MARK}"


def of_chat(sim: Simulated, **given: Any) -> BaseChatModel:
    return ChatOpenAI(base_url=str(sim.openai.base_url), **given)


def of_responses(sim: Simulated, **given: Any) -> BaseChatModel:
    return ChatOpenAI(base_url=str(sim.openai.base_url), use_responses_api=True, output_version="responses/v1", **given)


def of_messages(sim: Simulated, **given: Any) -> BaseChatModel:
    return ChatAnthropic(base_url=str(sim.anthropic.base_url), **given)


CLIENTS: Mapping[str, Callable[..., BaseChatModel]] = {
    "chat": of_chat,
    "responses": of_responses,
    "messages": of_messages,
}


@pytest.fixture(params=CLIENTS)
def skin(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=FOUR_WIRES)
def wire(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(sim: Simulated, skin: str, wire: str) -> BaseChatModel:
    return CLIENTS[skin](sim, api_key=sim.openai.api_key, model=f"sim/{wire}", max_retries=0, timeout=20)


def test_an_answer_whole_and_in_pieces(client: BaseChatModel, wire: str) -> None:
    whole: Any = client.invoke(PROMPT)
    assert whole.text.startswith(f'By {WIRES[wire].mount} you said: "{PROMPT}"')
    usage = whole.usage_metadata
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["input_token_details"]["cache_read"] == 2
    pieces = [chunk.text for chunk in client.stream(PROMPT)]
    assert "".join(pieces) == whole.text
    assert len(pieces) > 10


def test_a_tool_is_called_and_answered(client: BaseChatModel) -> None:
    equipped = client.bind_tools([get_weather])
    asked: list[BaseMessage] = [HumanMessage(PROMPT)]
    whole: Any = equipped.invoke(asked)
    streamed: Any = None
    for chunk in equipped.stream(asked):
        assert isinstance(chunk, AIMessageChunk)
        streamed = chunk if streamed is None else streamed + chunk
    for first in (whole, streamed):
        [call] = first.tool_calls
        assert (call["name"], call["args"]) == ("get_weather", {"city": "Paris"})
        after: Any = equipped.invoke([*asked, first, get_weather.invoke(call)])
        assert after.text.startswith(f"The tool answered: 21 degrees in Paris {MARK}")


def test_a_structured_answer_is_parsed(client: BaseChatModel) -> None:
    assert client.with_structured_output(Place).invoke(PROMPT) == Place(city="Paris", country="France")
