"""`POST /chat/completions` answered whole, with the SDKs that customers have."""

import asyncio
import json

import httpx2
from openai import AsyncOpenAI, OpenAI
from openrouter import OpenRouter
from pydantic import BaseModel

from tests.e2e.asking import WEATHER, chat, nano, price, user
from tests.e2e.run import MARK, Run


class Person(BaseModel):
    name: str
    email: str
    age: int


def test_openai_answers_with_usage_and_cost(openai: OpenAI) -> None:
    answer = openai.chat.completions.create(model="demo/chat", messages=user())

    assert answer.id.startswith("gen-")
    assert answer.object == "chat.completion"
    assert answer.model == "demo/chat"
    [choice] = answer.choices
    assert choice.message.role == "assistant"
    assert MARK in (choice.message.content or "")
    assert choice.finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert nano(answer.usage.cost) == price(answer.usage) > 0
    assert answer.provider == "Demo"


def test_openai_async_answers(run: Run) -> None:
    async def ask() -> list[str]:
        async with AsyncOpenAI(base_url=run.base_url, api_key=run.api_key) as client:
            answers = await asyncio.gather(
                *(client.chat.completions.create(model="demo/chat", messages=user(f"No. {n}")) for n in range(5))
            )
        return [answer.choices[0].message.content or "" for answer in answers]

    for number, text in enumerate(asyncio.run(ask())):
        assert f"No. {number} {MARK}" in text


def test_system_prompt_and_part_lists_are_understood(openai: OpenAI) -> None:
    answer = openai.chat.completions.create(
        model="demo/chat",
        messages=[
            {"role": "system", "content": f"Be brief. {MARK}"},
            {"role": "user", "content": [{"type": "text", "text": "In"}, {"type": "text", "text": "parts"}]},
        ],
    )

    assert 'You said: "In parts"' in (answer.choices[0].message.content or "")


def test_max_tokens_cuts_the_answer(openai: OpenAI) -> None:
    answer = openai.chat.completions.create(model="demo/chat", messages=user(), max_tokens=3)

    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 3


def test_tool_call_and_result_make_a_round_trip(openai: OpenAI) -> None:
    messages = user("What is the weather?")
    first = openai.chat.completions.create(model="demo/chat", messages=messages, tools=[WEATHER])

    [choice] = first.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    [call] = choice.message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "get_weather"
    arguments = json.loads(call.function.arguments)
    assert arguments["city"] == "Paris"
    assert MARK in arguments["note"]

    result = {"role": "tool", "tool_call_id": call.id, "content": f"Rain, 12 degrees {MARK}"}
    messages += [choice.message.model_dump(exclude_none=True), result]
    second = openai.chat.completions.create(model="demo/chat", messages=messages, tools=[WEATHER])

    assert second.choices[0].finish_reason == "stop"
    assert "The tool answered: Rain, 12 degrees" in (second.choices[0].message.content or "")


def test_json_schema_is_filled_in(openai: OpenAI) -> None:
    schema = Person.model_json_schema() | {"additionalProperties": False}
    answer = openai.chat.completions.create(
        model="demo/chat",
        messages=user("Invent somebody"),
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "person", "strict": True, "schema": schema},
        },
    )

    assert Person.model_validate_json(answer.choices[0].message.content or "").name == "Ada Lovelace"


def test_parse_helper_gives_a_model(openai: OpenAI) -> None:
    answer = openai.chat.completions.parse(model="demo/chat", messages=user(), response_format=Person)

    person = answer.choices[0].message.parsed
    assert person is not None
    assert person.email == "ada@example.com"


def test_reasoning_is_apart_from_the_content(openai: OpenAI) -> None:
    answer = openai.chat.completions.create(model="demo/reasoning", messages=user())

    message = answer.choices[0].message
    assert message.reasoning
    assert message.reasoning not in (message.content or "")
    assert answer.usage is not None
    assert answer.usage.completion_tokens_details is not None
    assert answer.usage.completion_tokens_details.reasoning_tokens


def test_free_model_costs_nothing(openai: OpenAI) -> None:
    answer = openai.chat.completions.create(model="demo/chat:free", messages=user())

    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0
    assert answer.usage.cost == 0


def test_failing_provider_is_not_noticed(openai: OpenAI) -> None:
    # The cheaper provider, which always fails, is nearly always tried first.
    for _ in range(5):
        answer = openai.chat.completions.create(model="demo/fallback", messages=user())

        assert answer.provider == "Demo"
        assert answer.usage is not None
        assert nano(answer.usage.cost) == price(answer.usage)


def test_next_model_answers_when_the_first_cannot(openai: OpenAI) -> None:
    answer = openai.chat.completions.create(
        model="demo/down", messages=user(), extra_body={"models": ["demo/busy", "demo/chat"]}
    )

    assert answer.model == "demo/chat"
    assert answer.choices[0].finish_reason == "stop"


def test_openrouter_sdk_answers(openrouter: OpenRouter) -> None:
    answer = openrouter.chat.send(
        model="demo/chat",
        messages=user(),
        max_tokens=200,
        user=f"user-{MARK}",
        session_id=f"session-{MARK}",
        provider={"sort": "price", "data_collection": "deny"},
        http_referer=f"https://app.example/{MARK}",
        x_open_router_title=f"The app {MARK}",
    )

    assert answer.id.startswith("gen-")
    assert answer.model == "demo/chat"
    assert MARK in str(answer.choices[0].message.content)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert nano(answer.usage.cost or 0) == price(answer.usage)


def test_openrouter_sdk_async_calls_a_tool(run: Run) -> None:
    async def ask() -> str:
        async with OpenRouter(server_url=run.base_url, api_key=run.api_key) as client:
            answer = await client.chat.send_async(
                model="demo/chat", messages=user("What is the weather?"), tools=[WEATHER], tool_choice="required"
            )
        [call] = answer.choices[0].message.tool_calls or []
        return call.function.name

    assert asyncio.run(ask()) == "get_weather"


def test_shape_is_complete(http: httpx2.Client) -> None:
    response = http.post("/chat/completions", json=chat())

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert response.headers["x-generation-id"] == body["id"]
    assert set(body) >= {"id", "object", "created", "model", "provider", "choices", "usage"}
    [choice] = body["choices"]
    assert set(choice) >= {"index", "finish_reason", "native_finish_reason", "message", "logprobs"}
    usage = body["usage"]
    assert set(usage) >= {"prompt_tokens", "completion_tokens", "total_tokens", "cost", "is_byok", "cost_details"}
    assert usage["cost"] == usage["cost_details"]["upstream_inference_cost"]


def test_both_base_paths_lead_here(run: Run, http: httpx2.Client) -> None:
    assert http.post(f"{run.address}/v1/chat/completions", json=chat()).status_code == 200
    assert http.post(f"{run.address}/api/v1/chat/completions", json=chat()).status_code == 200
