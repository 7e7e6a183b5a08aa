"""What is sent to OpenAI's Responses API, and how odd answers are read. Ordinary answers are in tests/replay."""

import contextlib
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest, Delta, Usage
from turnpike.domain.errors import InvalidRequest, UpstreamError
from turnpike.domain.pricing import Pricing
from turnpike.providers.folding import completion_of
from turnpike.providers.openai_responses.adapter import OpenAIResponsesAdapter, build_adapter

from tests.replay.recordings import Exchange, find

ADAPTER = build_adapter("openai")
USER = {"role": "user", "content": "Hello"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "Weather.", "parameters": SCHEMA}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'}}
PIXEL = "iVBORw0KGgo="
TURNS = "openai-responses/openai_responses_tool_turns"


def endpoint(model: str = "gpt-5", *parameters: str) -> Endpoint:
    return Endpoint(
        model_id=f"openai/{model}",
        provider="openai",
        upstream_model=model,
        base_url="https://api.test/v1",
        pricing=Pricing(Decimal(1), Decimal(1)),
        context_length=1000,
        supported_parameters=frozenset(parameters),
    )


def request(*messages: dict[str, Any], **changes: Any) -> ChatRequest:
    values: dict[str, Any] = {"models": ("openai/x",), "messages": messages or (USER,), "parameters": {}}
    return ChatRequest(**(values | changes))


def body(asked: ChatRequest, model: str = "gpt-5", *listed: str) -> Any:
    built = ADAPTER.build_request(asked, endpoint(model, *listed), "sk-secret")
    return orjson.loads(orjson.dumps(built.body))


def sent(model: str = "gpt-5", **parameters: Any) -> Any:
    return body(request(parameters=parameters), model)


def items(*messages: dict[str, Any], model: str = "gpt-5") -> Any:
    return body(request(*messages), model)["input"]


def parts(*content: dict[str, Any], model: str = "gpt-5") -> Any:
    (item,) = items({"role": "user", "content": list(content)}, model=model)
    return item["content"]


def read(*events: dict[str, Any], name: str = "") -> list[Delta]:
    decoder = ADAPTER.stream_decoder()
    head = f"event: {name}\n" if name else ""
    data = b"".join(f"{head}data: {json.dumps(event)}\n\n".encode() for event in events)
    return [*decoder.feed(data), *decoder.finish()]


def response(*output: dict[str, Any], **changes: Any) -> dict[str, Any]:
    usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    return {"id": "resp_1", "object": "response", "status": "completed", "output": output, "usage": usage} | changes


def said(text: str, **changes: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []} | changes
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}


def ended(*output: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"type": "response.completed", "response": response(*output, **changes)}


def message_of(exchange: Exchange) -> dict[str, Any]:
    """What a client that merges a stream sends back of it."""
    decoder = ADAPTER.stream_decoder()
    (choice,) = completion_of([*decoder.feed(exchange.body), *decoder.finish()]).choices
    return dict(choice.message)


def with_fragments(exchange: Exchange) -> dict[str, Any]:
    """What a client sends back that keeps the details of reasoning as they came."""
    decoder = ADAPTER.stream_decoder()
    deltas = [*decoder.feed(exchange.body), *decoder.finish()]
    fragments = [detail for delta in deltas for detail in delta.reasoning_details or ()]
    return {**message_of(exchange), "reasoning_details": fragments}


# --- Requests


def test_the_least_request() -> None:
    built = ADAPTER.build_request(request(), endpoint(), "sk-secret")
    assert built.url == "https://api.test/v1/responses"
    assert built.headers["authorization"] == "Bearer sk-secret"
    assert built.headers["accept"] == "application/json"
    assert built.body == {
        "model": "gpt-5",
        "input": [{"type": "message", "role": "user", "content": "Hello"}],
        "store": False,
        "truncation": "disabled",
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"summary": "auto"},
    }


def test_a_stream_is_asked_for() -> None:
    built = ADAPTER.build_request(request(stream=True), endpoint(), "sk-secret")
    assert built.body["stream"] is True
    assert built.headers["accept"] == "text/event-stream"
    assert "stream" not in sent()


def test_instructions_keep_their_role_and_place() -> None:
    conversation = items({"role": "system", "content": "One"}, USER, {"role": "developer", "content": "Two"})
    assert [(item["role"], item["content"]) for item in conversation] == [
        ("system", "One"),
        ("user", "Hello"),
        ("developer", "Two"),
    ]
    assert "instructions" not in body(request({"role": "system", "content": "One"}, USER))


def test_participants_are_named_in_the_text() -> None:
    assert items({**USER, "name": "Ada"})[0]["content"] == "Ada: Hello"
    (item,) = items({"role": "user", "name": "Ada", "content": [{"type": "text", "text": "Hello"}]})
    assert item["content"] == [{"type": "input_text", "text": "Ada:"}, {"type": "input_text", "text": "Hello"}]
    assert items({**USER, "name": None})[0]["content"] == "Hello"
    assert items({"role": "system", "name": "boss", "content": "Obey"})[0]["content"] == "Obey"


@pytest.mark.parametrize(
    ("part", "built"),
    [
        (
            {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}},
            {"type": "input_image", "image_url": "https://x.test/a.png", "detail": "low"},
        ),
        (
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
            {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"},
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QQ=="}},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,QQ=="},
        ),
        (
            {"type": "file", "file": {"filename": "a.csv", "file_data": "QQ=="}},
            {"type": "input_file", "filename": "a.csv", "file_data": "data:text/csv;base64,QQ=="},
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,QQ=="}},
            {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,QQ=="},
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "https://x.test/a.pdf"}},
            {"type": "input_file", "file_url": "https://x.test/a.pdf"},
        ),
        ({"type": "file", "file": {"file_id": "file-1"}}, {"type": "input_file", "file_id": "file-1"}),
    ],
)
def test_parts_have_this_apis_forms(part: dict[str, Any], built: dict[str, Any]) -> None:
    assert parts({"type": "text", "text": "See"}, part) == [{"type": "input_text", "text": "See"}, built]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "wav"}},
        {"type": "video_url", "video_url": {"url": "https://x.test/a.mp4"}},
    ],
)
def test_sound_and_video_are_refused(part: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        parts(part)


def test_the_provider_fetches_images_and_files() -> None:
    assert [ADAPTER.fetches(kind, "https://x.test/a") for kind in ("image_url", "file", "video_url")] == [
        True,
        True,
        False,
    ]


def test_marks_for_caching_are_set_where_the_model_takes_them() -> None:
    marked = {"type": "text", "text": "Long", "cache_control": {"type": "ephemeral"}}
    assert parts(marked, model="gpt-5.6-sol") == [
        {"type": "input_text", "text": "Long", "prompt_cache_breakpoint": {"mode": "explicit"}}
    ]
    assert parts(marked, model="gpt-5.2") == [{"type": "input_text", "text": "Long"}]
    options = {"mode": "explicit", "ttl": "12h"}
    assert sent("gpt-5.6-sol", prompt_cache_options=options)["prompt_cache_options"] == options
    assert "prompt_cache_options" not in sent("gpt-5.2", prompt_cache_options=options)


def test_a_conversation_with_tools_as_chat_clients_keep_it() -> None:
    conversation = items(
        USER,
        {"role": "assistant", "content": "Let me look.", "tool_calls": [CALL, {**CALL, "id": "call_2"}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "sun"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Rain"}, {"type": "text", "text": " and sun."}]},
        {"role": "user", "content": "Thanks"},
    )
    assert conversation[1:] == [
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Let me look."}],
        },
        {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city":"Oslo"}'},
        {"type": "function_call", "call_id": "call_2", "name": "get_weather", "arguments": '{"city":"Oslo"}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "rain"},
        {"type": "function_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "sun"}]},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Rain"}, {"type": "output_text", "text": " and sun."}],
        },
        {"type": "message", "role": "user", "content": "Thanks"},
    ]


def test_later_models_are_told_what_was_commentary() -> None:
    history = ({"role": "assistant", "content": "One.", "tool_calls": [CALL]}, {"role": "assistant", "content": "Two."})
    phases = [item["phase"] for item in items(*history, model="gpt-5.4") if item["type"] == "message"]
    assert phases == ["commentary", "final_answer"]


def test_a_refusal_is_handed_back_as_one() -> None:
    (item,) = items({"role": "assistant", "content": None, "refusal": "No."})
    assert item["content"] == [{"type": "refusal", "refusal": "No."}]


def test_an_empty_answer_is_left_out() -> None:
    assert items({"role": "assistant", "content": ""}, USER) == [
        {"type": "message", "role": "user", "content": "Hello"}
    ]


def test_a_tool_may_answer_with_an_image() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}
    (_, item) = items(
        {"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "tool_call_id": "call_1", "content": [image]}
    )
    assert item["output"] == [{"type": "input_image", "image_url": "https://x.test/a.png", "detail": "auto"}]


def test_long_ids_of_other_models_calls_are_shortened_alike() -> None:
    long = "tool_get_weather_" + "x" * 80
    called, answered = items(
        {"role": "assistant", "tool_calls": [{**CALL, "id": long}]},
        {"role": "tool", "tool_call_id": long, "content": "rain"},
    )
    assert called["call_id"] == answered["call_id"]
    assert len(called["call_id"]) <= 64
    other, _ = items(
        {"role": "assistant", "tool_calls": [{**CALL, "id": long + "y"}]},
        {"role": "tool", "tool_call_id": long, "content": "rain"},
    )
    assert other["call_id"] != called["call_id"]


def test_empty_arguments_are_an_object() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "now", "arguments": ""}}
    assert items({"role": "assistant", "tool_calls": [call]})[0]["arguments"] == "{}"


# --- Reasoning handed back


def test_a_streamed_turn_handed_back_is_the_recorded_next_request() -> None:
    first, second = find(f"{TURNS}[0]"), find(f"{TURNS}[1]")
    assert second.request is not None
    results = (
        {"role": "tool", "tool_call_id": "call_w1", "content": "rain"},
        {"role": "tool", "tool_call_id": "call_t1", "content": "12:00"},
    )
    opening = ({"role": "developer", "content": "Be brief."}, {"role": "user", "content": "How is Oslo?"})
    recorded = second.request["body"]
    tools = [
        {"type": "function", "function": {name: value for name, value in tool.items() if name != "type"}}
        for tool in recorded["tools"]
    ]
    for answer in (message_of(first), with_fragments(first)):
        asked = request(
            *opening,
            answer,
            *results,
            parameters={"tools": tools, "reasoning": {"effort": "high"}},
            stream=True,
        )
        assert body(asked, "gpt-5.4") == recorded


def test_without_its_reasoning_the_same_conversation_still_stands() -> None:
    first = find(f"{TURNS}[0]")
    answer = {name: value for name, value in message_of(first).items() if not name.startswith("reasoning")}
    assert [item["type"] for item in items(USER, answer)] == [
        "message",
        "message",
        "function_call",
        "function_call",
    ]


@pytest.mark.parametrize("number", [0, 1])
def test_reasoning_between_calls_keeps_its_places(number: int) -> None:
    exchange = find(f"openai-responses/openai_responses_interleaved[{number}]")
    whole = json.loads(find("openai-responses/openai_responses_interleaved[1]").body)
    if number:
        (choice,) = ADAPTER.parse_completion(exchange.body).choices
        answers = [dict(choice.message)]
    else:
        answers = [message_of(exchange), with_fragments(exchange)]
    for answer in answers:
        rebuilt = items(answer)
        assert [item["type"] for item in rebuilt] == ["reasoning", "function_call", "reasoning", "function_call"]
        for item, given_item in zip(rebuilt, whole["output"], strict=True):
            if item["type"] == "reasoning":
                assert item == given_item
            else:
                assert item == {name: given_item[name] for name in ("type", "call_id", "name", "arguments")}


def detail(kind: str, index: int = 0, form: str = "openai-responses-v1", **members: Any) -> dict[str, Any]:
    return {"type": f"reasoning.{kind}", "format": form, "index": index, **members}


def test_details_in_openrouters_form_become_an_item() -> None:
    details = [detail("summary", summary="Hm."), detail("encrypted", data="gAAA", id="rs_1")]
    assert items({"role": "assistant", "content": "Hi", "reasoning_details": details})[0] == {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "Hm."}],
        "encrypted_content": "gAAA",
        "id": "rs_1",
    }


def test_two_items_at_one_place_stay_two() -> None:
    details = [detail("encrypted", data="one", id="rs_1"), detail("encrypted", data="two", id="rs_2")]
    rebuilt = items({"role": "assistant", "content": "Hi", "reasoning_details": details})
    assert [item.get("id") for item in rebuilt] == ["rs_1", "rs_2", None]


@pytest.mark.parametrize(
    "details",
    [
        # Nothing that the provider could read; an id alone would be looked up where nothing is stored.
        [detail("summary", summary="Hm.")],
        [detail("encrypted", form="azure-openai-responses-v1", data="gAAA", id="rs_1")],
        [detail("encrypted", form="anthropic-claude-v1", data="gAAA")],
        [{"type": "reasoning.encrypted", "data": "gAAA", "index": 0}],
        ["junk", None, 5],
        "junk",
        None,
    ],
)
def test_what_is_not_the_providers_own_is_left_out(details: Any) -> None:
    assert [item["type"] for item in items({"role": "assistant", "content": "Hi", "reasoning_details": details})] == [
        "message"
    ]


def test_reasoning_never_comes_last() -> None:
    details = [detail("encrypted", 0, data="one"), detail("encrypted", 7, data="two"), detail("encrypted", 8, data="x")]
    answer = {"role": "assistant", "content": "Hi", "tool_calls": [CALL], "reasoning_details": details}
    assert [item["type"] for item in items(answer)] == [
        "reasoning",
        "message",
        "reasoning",
        "reasoning",
        "function_call",
    ]
    assert items({"role": "assistant", "content": None, "reasoning_details": details}, USER) == [
        {"type": "message", "role": "user", "content": "Hello"}
    ]


def test_another_format_may_be_the_providers_own() -> None:
    azure = OpenAIResponsesAdapter("azure", form="azure-openai-responses-v1")
    answer = {
        "role": "assistant",
        "content": "Hi",
        "reasoning_details": [detail("encrypted", form="azure-openai-responses-v1", data="gAAA", id="rs_1")],
    }
    built = azure.build_request(request(answer), endpoint(), "k").body["input"]
    assert [item["type"] for item in built] == ["reasoning", "message"]
    decoder = azure.stream_decoder()
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
    deltas = decoder.feed(f"data: {json.dumps(ended(item, said('Hi')))}\n\n".encode())
    assert deltas[0].reasoning_details == [
        detail("encrypted", form="azure-openai-responses-v1", data="gAAA", id="rs_1")
    ]


# --- Parameters


def test_tools_are_flat_and_never_strict_unasked() -> None:
    strict = {"type": "function", "function": {"name": "now", "strict": True}}
    assert sent(tools=[WEATHER, strict], tool_choice="required", parallel_tool_calls=False) == {
        **sent(),
        "tools": [
            {
                "type": "function",
                "name": "get_weather",
                "description": "Weather.",
                "parameters": SCHEMA,
                "strict": False,
            },
            {"type": "function", "name": "now", "parameters": {"type": "object", "properties": {}}, "strict": True},
        ],
        "tool_choice": "required",
        "parallel_tool_calls": False,
    }


def test_one_function_is_forced() -> None:
    choice = {"type": "function", "function": {"name": "get_weather"}}
    assert sent(tools=[WEATHER], tool_choice=choice)["tool_choice"] == {"type": "function", "name": "get_weather"}
    assert "tool_choice" not in sent(tool_choice="auto", parallel_tool_calls=True)


@pytest.mark.parametrize(
    ("given_format", "built"),
    [
        ({"type": "text"}, {"type": "text"}),
        ({"type": "json_object"}, {"type": "json_object"}),
        (
            {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA, "strict": True}},
            {"type": "json_schema", "name": "city", "schema": SCHEMA, "strict": True},
        ),
        (
            {"type": "json_schema", "json_schema": {"name": "city", "description": "A city", "schema": SCHEMA}},
            {"type": "json_schema", "name": "city", "description": "A city", "schema": SCHEMA, "strict": False},
        ),
    ],
)
def test_formats_are_flat(given_format: dict[str, Any], built: dict[str, Any]) -> None:
    assert sent(response_format=given_format)["text"] == {"format": built}


def test_a_grammar_has_no_form() -> None:
    assert "text" not in sent(response_format={"type": "grammar", "grammar": "root ::= x"})


@pytest.mark.parametrize(("asked", "verbosity"), [("low", "low"), ("high", "high"), ("max", "high"), ("xhigh", "high")])
def test_verbosity(asked: str, verbosity: str) -> None:
    assert sent(verbosity=asked)["text"] == {"verbosity": verbosity}


@pytest.mark.parametrize(("asked", "limit"), [(1, 16), (16, 16), (4000, 4000)])
def test_a_limit_is_not_below_the_least(asked: int, limit: int) -> None:
    assert body(request(max_tokens=asked))["max_output_tokens"] == limit


def test_what_this_api_does_not_have_is_left_out() -> None:
    foreign: dict[str, Any] = {
        "stop": ["x"],
        "seed": 1,
        "frequency_penalty": 1,
        "presence_penalty": 1,
        "repetition_penalty": 1,
        "logit_bias": {"1": 1},
        "min_p": 0.1,
        "top_a": 0.1,
        "top_k": 5,
        "prediction": {"type": "content", "content": "x"},
        "modalities": ["text"],
        "audio": {"voice": "x"},
        "image_config": {},
        "web_search_options": {},
        "cache_control": {"type": "ephemeral"},
        "structured_outputs": True,
    }
    assert sent(**foreign) == sent()


def test_what_it_has_too_is_passed_on() -> None:
    assert sent("gpt-4.1", temperature=0.5, top_p=0.9, service_tier="flex", prompt_cache_key="k") == {
        **sent("gpt-4.1"),
        "temperature": 0.5,
        "top_p": 0.9,
        "service_tier": "flex",
        "prompt_cache_key": "k",
    }
    assert body(request(parameters={"prompt_cache_key": "k", "temperature": 1}), "gpt-4.1", "top_p") == {
        **sent("gpt-4.1"),
        "prompt_cache_key": "k",
    }


def test_an_end_user_is_named_within_the_limit() -> None:
    assert body(request(user="u-1"))["safety_identifier"] == "u-1"
    long = body(request(user="u" * 200))["safety_identifier"]
    assert len(long) == 64
    assert long != body(request(user="u" * 201))["safety_identifier"]


def test_log_probabilities_are_included() -> None:
    built = sent("gpt-4.1", logprobs=True, top_logprobs=3)
    assert built["include"] == ["message.output_text.logprobs"]
    assert built["top_logprobs"] == 3
    assert "logprobs" not in built


@pytest.mark.parametrize(
    ("model", "asked", "effort"),
    [
        ("gpt-5", "minimal", "minimal"),
        ("gpt-5", "none", "minimal"),
        ("gpt-5", "max", "high"),
        ("gpt-5-pro", "low", "high"),
        ("gpt-5-codex", "minimal", "low"),
        ("gpt-5.1", "none", "none"),
        ("gpt-5.1", "minimal", "low"),
        ("gpt-5.1", "xhigh", "high"),
        ("gpt-5.1-codex", "none", "low"),
        ("gpt-5.1-codex-max", "xhigh", "xhigh"),
        ("gpt-5.2", "max", "xhigh"),
        ("gpt-5.2-chat-latest", "high", "medium"),
        ("gpt-5.2-pro", "low", "medium"),
        ("gpt-5.3-codex", "none", "low"),
        ("gpt-5.4", "none", "none"),
        ("gpt-5.4-mini", "minimal", "low"),
        ("gpt-5.5-pro", "none", "medium"),
        ("gpt-5.6-sol", "max", "max"),
        ("gpt-6-luna", "none", "none"),
        ("gpt-6-astra", "none", "low"),
        ("gpt-6.2-astra", "minimal", "low"),
        ("o3-2025-04-16", "minimal", "low"),
        ("o4-mini-deep-research", "high", "medium"),
        ("somebody-elses", "minimal", "minimal"),
    ],
)
def test_an_effort_is_the_nearest_that_the_family_takes(model: str, asked: str, effort: str) -> None:
    assert sent(model, reasoning={"effort": asked})["reasoning"]["effort"] == effort


@pytest.mark.parametrize("model", ["gpt-4.1", "gpt-4o-mini", "gpt-5-chat-latest", "chatgpt-4o-latest"])
def test_models_that_do_not_reason_are_not_asked_to(model: str) -> None:
    built = sent(model, reasoning={"effort": "high"}, temperature=0.5)
    assert "reasoning" not in built
    assert "include" not in built
    assert built["temperature"] == 0.5


@pytest.mark.parametrize(
    ("model", "reasoning", "samples"),
    [
        ("gpt-5", {}, False),
        ("o3", {}, False),
        ("gpt-5.1", {}, True),
        ("gpt-5.1", {"effort": "low"}, False),
        ("gpt-5.6-sol", {}, False),
        ("gpt-5.6-sol", {"effort": "none"}, True),
        ("gpt-5.2-chat-latest", {"effort": "none"}, False),
        ("somebody-elses", {}, True),
    ],
)
def test_what_reasons_does_not_sample(model: str, reasoning: dict[str, Any], samples: bool) -> None:
    built = sent(model, reasoning=reasoning, temperature=0.5, top_p=0.9, logprobs=True, top_logprobs=2)
    assert [name in built for name in ("temperature", "top_p", "top_logprobs")] == [samples] * 3
    assert ("message.output_text.logprobs" in built["include"]) is samples
    assert "reasoning.encrypted_content" in built["include"]


@pytest.mark.parametrize(
    ("model", "reasoning", "built"),
    [
        ("gpt-5", {}, {"summary": "auto"}),
        ("gpt-5", {"summary": "detailed"}, {"summary": "detailed"}),
        ("gpt-5", {"enabled": True}, {"effort": "medium", "summary": "auto"}),
        ("gpt-5", {"exclude": True, "effort": "low"}, {"effort": "low"}),
        ("gpt-5.1", {"effort": "none"}, {"effort": "none"}),
        ("gpt-5.1", {"enabled": False}, {"effort": "none"}),
        ("o1", {"effort": "low"}, {"effort": "low"}),
        ("gpt-5", {"context": "all_turns", "mode": "pro"}, {"summary": "auto"}),
        ("gpt-5", {"context": "current_turn"}, {"summary": "auto", "context": "current_turn"}),
        (
            "gpt-5.6-sol",
            {"context": "all_turns", "mode": "pro"},
            {"summary": "auto", "context": "all_turns", "mode": "pro"},
        ),
    ],
)
def test_reasoning_is_summarized_unless_excluded(model: str, reasoning: dict[str, Any], built: dict[str, Any]) -> None:
    assert sent(model, reasoning=reasoning)["reasoning"] == built


def test_a_model_that_may_not_reason_is_left_alone() -> None:
    assert "reasoning" not in sent("gpt-5.2")
    assert "reasoning" not in sent("somebody-elses")
    assert "include" not in body(request(), "somebody-elses", "temperature")


def test_a_budget_becomes_an_effort() -> None:
    asked = request(parameters={"reasoning": {"max_tokens": 800}}, max_tokens=1000)
    assert body(asked)["reasoning"]["effort"] == "high"


def test_a_deployment_of_any_name_is_known_by_its_model() -> None:
    asked = request(parameters={"reasoning": {"effort": "minimal"}})
    named = replace(endpoint("gpt-5.1:beta"), upstream_model="production-7")
    built = ADAPTER.build_request(asked, named, "k").body
    assert (built["model"], built["reasoning"]["effort"]) == ("production-7", "low")


def test_what_an_endpoint_does_not_list_is_left_out() -> None:
    asked = request(parameters={"tools": [WEATHER], "verbosity": "low", "reasoning": {"effort": "low"}})
    built = body(asked, "gpt-5", "reasoning")
    assert "tools" not in built
    assert "text" not in built
    assert built["reasoning"]["effort"] == "low"


# --- Answers


def test_events_may_be_named_by_the_framing_alone() -> None:
    deltas = read({"output_index": 0, "content_index": 0, "delta": "Hi"}, name="response.output_text.delta")
    assert deltas[0].content == "Hi"


def test_the_first_delta_says_who_answers() -> None:
    created = {"type": "response.created", "response": response(status="in_progress", service_tier="auto")}
    deltas = read(created, ended(said("Hi"), service_tier="default"))
    assert [delta.upstream_id for delta in deltas] == ["resp_1", None, None]
    assert [delta.service_tier for delta in deltas] == [None, "default", None]
    assert deltas[-1].usage == Usage(prompt_tokens=3, completion_tokens=2)


def test_a_server_that_does_not_stream_is_read_all_the_same() -> None:
    decoder = ADAPTER.stream_decoder()
    assert not decoder.feed(json.dumps(response(said("Hi"))).encode())
    deltas = decoder.finish()
    assert [delta.content for delta in deltas] == ["Hi", None, None]
    assert deltas[1].finish_reason == "stop"


def test_what_a_stream_left_out_is_taken_from_its_end() -> None:
    cite = {"type": "url_citation", "url": "https://x.test", "title": "X", "start_index": 0, "end_index": 2}
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "now", "arguments": ""}
    streamed = read(
        {"type": "response.output_item.added", "output_index": 0, "item": call},
        {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "Hi"},
        ended({**call, "arguments": '{"a":1}'}, said("Hi", annotations=[cite])),
    )
    (choice,) = completion_of(streamed).choices
    assert choice.message["content"] == "Hi"
    assert [call["function"] for call in choice.message["tool_calls"]] == [{"name": "now", "arguments": '{"a":1}'}]
    assert len(choice.message["annotations"]) == 1
    assert choice.finish_reason == "tool_calls"


def test_items_that_all_have_one_place_are_told_apart() -> None:
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "now", "arguments": ""}
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
    deltas = read(
        {"type": "response.output_item.added", "output_index": 0, "item": thought},
        {"type": "response.output_item.done", "output_index": 0, "item": thought},
        {"type": "response.output_item.added", "output_index": 0, "item": said("")},
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hi"},
        {"type": "response.output_item.done", "output_index": 0, "item": said("Hi")},
        {"type": "response.output_item.added", "output_index": 0, "item": call},
        {"type": "response.output_item.done", "output_index": 0, "item": call},
        ended(thought, said("Hi"), call),
    )
    (choice,) = completion_of(deltas).choices
    assert choice.message["content"] == "Hi"
    assert [each["id"] for each in choice.message["reasoning_details"]] == ["rs_1"]
    assert [call["function"]["arguments"] for call in choice.message["tool_calls"]] == ["{}"]


def test_a_call_whose_end_is_not_told_has_arguments_all_the_same() -> None:
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "now", "arguments": ""}
    deltas = read({"type": "response.output_item.added", "output_index": 0, "item": call}, ended())
    (choice,) = completion_of(deltas).choices
    assert choice.message["tool_calls"][0]["function"]["arguments"] == "{}"


def test_arguments_are_not_repeated_at_their_end() -> None:
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "now", "arguments": '{"a":1}'}
    deltas = read(
        {"type": "response.output_item.added", "output_index": 0, "item": {**call, "arguments": ""}},
        {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": '{"a":1}'},
        {"type": "response.function_call_arguments.done", "output_index": 0, "arguments": '{"a":1}'},
        {"type": "response.output_item.done", "output_index": 0, "item": call},
        ended(call),
    )
    (choice,) = completion_of(deltas).choices
    assert choice.message["tool_calls"][0]["function"]["arguments"] == '{"a":1}'


def test_incomplete_encrypted_content_is_never_given_out() -> None:
    opened = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "part"}
    deltas = read(
        {"type": "response.output_item.added", "output_index": 0, "item": opened},
        {
            "type": "response.output_item.done",
            "output_index": 0,
            "item": {**opened, "encrypted_content": "partly whole"},
        },
        ended({**opened, "encrypted_content": "partly whole"}, said("Hi")),
    )
    details = [each for delta in deltas for each in delta.reasoning_details or ()]
    assert details == [detail("encrypted", data="partly whole", id="rs_1")]


def test_citations_are_counted_from_the_contents_start() -> None:
    cite = {"type": "url_citation", "url": "https://x.test", "title": "X", "start_index": 1, "end_index": 3}
    whole = response(said("Searching. "), said("It is X.", annotations=[cite]))
    (choice,) = ADAPTER.parse_completion(json.dumps(whole).encode()).choices
    assert choice.message["annotations"] == [
        {
            "type": "url_citation",
            "url_citation": {"url": "https://x.test", "title": "X", "start_index": 12, "end_index": 14},
        }
    ]


def test_log_probabilities_have_chats_form() -> None:
    exchange = find("openai-responses/openai_responses_parts[2]")
    decoder = ADAPTER.stream_decoder()
    (choice,) = completion_of([*decoder.feed(exchange.body), *decoder.finish()]).choices
    assert choice.logprobs == {
        "content": [
            {
                "token": "Yes",
                "logprob": -0.1,
                "bytes": [89, 101, 115],
                "top_logprobs": [
                    {"token": "Yes", "logprob": -0.1, "bytes": [89, 101, 115]},
                    {"token": "No", "logprob": -2.3, "bytes": [78, 111]},
                ],
            },
            {"token": "!", "logprob": -0.5, "bytes": [33], "top_logprobs": []},
        ]
    }


def test_a_generated_image_is_a_data_url() -> None:
    exchange = find("openai-responses/openai_responses_parts[0]")
    (image,) = message_of(exchange)["images"]
    assert image["type"] == "image_url"
    assert image["image_url"]["url"].startswith("data:image/webp;base64,iVBOR")


def wrapper(arguments: str, name: str = "parallel") -> dict[str, Any]:
    return {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": name, "arguments": arguments}


def calls_in(*output: dict[str, Any], **changes: Any) -> list[tuple[str, str, str]]:
    (choice,) = ADAPTER.parse_completion(json.dumps(response(*output, **changes)).encode()).choices
    return [
        (call["id"], call["function"]["name"], call["function"]["arguments"]) for call in choice.message["tool_calls"]
    ]


def test_calls_in_a_wrapper_are_taken_out_of_it() -> None:
    uses = [
        {"recipient_name": "functions.a", "parameters": {"x": 1}},
        {"recipient_name": "functions.b", "parameters": {}},
    ]
    arguments = json.dumps({"tool_uses": uses})
    inner = [("call_1_0", "a", '{"x":1}'), ("call_1_1", "b", "{}")]
    assert calls_in(wrapper(arguments)) == inner
    assert calls_in(wrapper(arguments, "multi_tool_use.parallel")) == inner
    assert calls_in(wrapper(arguments), tools=[{"name": "a"}, {"name": "b"}]) == inner
    # Somebody's own function of that name, and uses of what is not there.
    assert calls_in(wrapper(arguments), tools=[{"name": "parallel"}]) == [("call_1", "parallel", arguments)]
    assert calls_in(wrapper(arguments), tools=[{"name": "a"}]) == [("call_1", "parallel", arguments)]


def test_a_wrapper_whose_end_is_not_told_is_unwrapped_too() -> None:
    uses = json.dumps({"tool_uses": [{"recipient_name": "functions.a", "parameters": {"x": 1}}]})
    deltas = read(
        {"type": "response.output_item.added", "output_index": 0, "item": wrapper("")},
        {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": uses[:9]},
        {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": uses[9:]},
        ended(),
    )
    (choice,) = completion_of(deltas).choices
    assert choice.message["tool_calls"][0]["function"] == {"name": "a", "arguments": '{"x":1}'}


@pytest.mark.parametrize(
    "arguments",
    [
        "no json",
        "[]",
        '{"tool_uses":[]}',
        '{"tool_uses":null}',
        '{"tool_uses":[{"recipient_name":"functions.","parameters":{}}]}',
        '{"tool_uses":[{"recipient_name":"functions.a","parameters":null}]}',
        '{"tool_uses":[{"recipient_name":5,"parameters":{}}]}',
        '{"tool_uses":["a"]}',
    ],
)
def test_what_only_looks_like_a_wrapper_stays_a_call(arguments: str) -> None:
    assert calls_in(wrapper(arguments)) == [("call_1", "parallel", arguments)]


@pytest.mark.parametrize(
    ("error", "error_type", "retryable", "status"),
    [
        ({"code": "server_error", "message": "Oops"}, "provider_unavailable", True, 200),
        ({"code": "rate_limit_exceeded", "message": "Slow down"}, "rate_limit_exceeded", True, 429),
        ({"type": "insufficient_quota", "code": None, "message": "Pay"}, "provider_unavailable", True, 429),
        ({"code": "bio_policy", "message": "No"}, "content_policy_violation", False, 400),
        ({"code": "image_content_policy_violation", "message": "No"}, "content_policy_violation", False, 400),
        ({"code": "image_parse_error", "message": "Broken"}, "invalid_request", False, 400),
        ({"code": "vector_store_timeout", "message": "Late"}, "timeout", True, 504),
        ({"code": "slow_down", "message": "Busy"}, "provider_overloaded", True, 503),
        ({}, "provider_unavailable", True, 200),
    ],
)
def test_a_response_that_failed_says_why(error: dict[str, Any], error_type: str, retryable: bool, status: int) -> None:
    failed = response(status="failed", error=error, usage=None)
    (delta,) = read({"type": "response.failed", "response": failed})
    assert isinstance(delta.error, UpstreamError)
    assert (delta.error.error_type, delta.error.retryable) == (error_type, retryable)
    assert delta.error.upstream_status == status
    with pytest.raises(UpstreamError) as raised:
        ADAPTER.parse_completion(json.dumps(failed).encode())
    assert raised.value.error_type == error_type


def test_a_policys_own_code_is_kept() -> None:
    (delta,) = read({"type": "error", "code": "bio_policy", "message": "This was blocked."})
    assert isinstance(delta.error, UpstreamError)
    assert (delta.error.provider_code, delta.error.message) == ("bio_policy", "This was blocked.")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b"{}",
        b'{"object":"response","status":"completed","output":[]}',
        b'{"object":"response","status":"in_progress","output":[]}',
        b'{"object":"response","status":"completed","output":[5]}',
        b'{"object":"response","status":"completed","output":[{"type":"message","content":[{"type":"output_text"}]}]}',
        b'{"object":"response","status":"completed","output":"x"}',
        b'{"error":{"code":"server_error","message":"Oops"}}',
    ],
)
def test_no_answer_is_an_error(content: bytes) -> None:
    with pytest.raises(UpstreamError) as raised:
        ADAPTER.parse_completion(content)
    assert raised.value.retryable


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.output_text.delta", "output_index": 0},
        {"type": "response.output_text.delta", "output_index": 0, "delta": 5},
        {"type": "response.output_text.delta", "output_index": [], "delta": "x"},
        {"type": "response.output_item.added", "output_index": 0, "item": None},
        {"type": "response.completed"},
        {"type": "response.completed", "response": {"output": {}}},
        {"type": ["response.completed"]},
    ],
)
def test_junk_in_a_stream_is_an_error(event: dict[str, Any]) -> None:
    deltas = read(event)
    assert len([delta for delta in deltas if delta.error]) == 1
    assert deltas[-1].error is not None


def test_a_stream_that_only_says_it_is_done_was_cut() -> None:
    decoder = ADAPTER.stream_decoder()
    text = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hi"}
    deltas = decoder.feed(f"data: {json.dumps(text)}\n\ndata: [DONE]\n\n".encode())
    assert deltas[-1].error is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "delta",
                    "output_index",
                    "item",
                    "response",
                    "output",
                    "content",
                    "text",
                    "usage",
                    "summary",
                    "id",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
TYPES = st.sampled_from(
    [
        "response.created",
        "response.output_item.added",
        "response.output_item.done",
        "response.output_text.delta",
        "response.output_text.annotation.added",
        "response.function_call_arguments.delta",
        "response.completed",
        "response.failed",
        "response.something_new",
        "error",
    ]
)


@given(st.lists(st.tuples(TYPES, st.dictionaries(st.sampled_from(["response", "item", "delta"]), JSON)), max_size=5))
def test_whatever_comes_ends_in_an_end_or_an_error(events: list[tuple[str, dict[str, Any]]]) -> None:
    deltas = read(*({**members, "type": kind} for kind, members in events))
    assert sum(bool(delta.finish_reason or delta.error) for delta in deltas) == 1


@given(JSON)
def test_whatever_is_answered_is_an_answer_or_an_error(content: Any) -> None:
    with contextlib.suppress(UpstreamError):
        ADAPTER.parse_completion(json.dumps({"object": "response", "status": "completed", "output": content}).encode())


PATCH = {"type": "custom", "name": "apply_patch", "description": "Patches.", "format": {"type": "text"}}
AS_FUNCTION = {"type": "function", "function": {"name": "apply_patch", "parameters": SCHEMA}}
PATCHED = {"id": "call_2", "type": "function", "function": {"name": "apply_patch", "arguments": '{"input": "a\\nb"}'}}


def patching(model: str, *messages: dict[str, Any], **parameters: Any) -> Any:
    asked = request(
        *(messages or (USER,)),
        parameters={"tools": [WEATHER, AS_FUNCTION], **parameters},
        custom_tools={"apply_patch": PATCH},
    )
    return body(asked, model, "tools", "tool_choice")


def test_tools_that_take_a_text_are_declared_as_they_were() -> None:
    forced = {"type": "function", "function": {"name": "apply_patch"}}
    built = patching("gpt-5.4", tool_choice=forced)
    assert [tool["type"] for tool in built["tools"]] == ["function", "custom"]
    assert built["tools"][1] == PATCH
    assert built["tool_choice"] == {"type": "custom", "name": "apply_patch"}


@pytest.mark.parametrize("model", ["gpt-4.1", "o3", "grok-4"])
def test_they_are_functions_to_models_that_do_not_know_them(model: str) -> None:
    forced = {"type": "function", "function": {"name": "apply_patch"}}
    talk = [USER, {"role": "assistant", "content": None, "tool_calls": [PATCHED]}]
    built = patching(model, *talk, {"role": "tool", "tool_call_id": "call_2", "content": "Done"}, tool_choice=forced)
    assert [tool["type"] for tool in built["tools"]] == ["function", "function"]
    assert built["tool_choice"]["type"] == "function"
    assert [item["type"] for item in built["input"][1:]] == ["function_call", "function_call_output"]


def test_their_calls_and_results_are_handed_back_in_their_own_form() -> None:
    results = [{"role": "tool", "tool_call_id": each["id"], "content": "Done"} for each in (CALL, PATCHED)]
    built = patching("gpt-5.4", USER, {"role": "assistant", "content": None, "tool_calls": [CALL, PATCHED]}, *results)
    assert built["input"][1:] == [
        {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city":"Oslo"}'},
        {"type": "custom_tool_call", "call_id": "call_2", "name": "apply_patch", "input": "a\nb"},
        {"type": "function_call_output", "call_id": "call_1", "output": "Done"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": "Done"},
    ]


CUSTOM_CALL = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_2", "name": "apply_patch", "input": ""}
PIECES = ('say "', "hé\n", '\\"')
TEXT = "".join(PIECES)


def patch_events(*pieces: str, ends: bool = True) -> list[dict[str, Any]]:
    place = {"output_index": 0, "item_id": "ctc_1"}
    whole = {**CUSTOM_CALL, "input": TEXT}
    closing = [{"type": "response.output_item.done", **place, "item": whole}] if ends else []
    return [
        {"type": "response.created", "response": response(status="in_progress")},
        {"type": "response.output_item.added", **place, "item": CUSTOM_CALL},
        *({"type": "response.custom_tool_call_input.delta", **place, "delta": piece} for piece in pieces),
        *closing,
        {"type": "response.completed", "response": response(whole)},
    ]


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("pieces", [PIECES, ()])
def test_a_text_that_is_called_with_is_the_one_argument(pieces: tuple[str, ...], ends: bool) -> None:
    message = completion_of(read(*patch_events(*pieces, ends=ends))).choices[0].message
    [call] = message["tool_calls"]
    assert (call["id"], call["function"]["name"]) == ("call_2", "apply_patch")
    assert json.loads(call["function"]["arguments"]) == {"input": TEXT}
    whole = ADAPTER.parse_completion(orjson.dumps(response({**CUSTOM_CALL, "input": TEXT}))).choices[0]
    assert json.loads(whole.message["tool_calls"][0]["function"]["arguments"]) == {"input": TEXT}
    assert whole.finish_reason == "tool_calls"
