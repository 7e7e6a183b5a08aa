"""What is sent to Anthropic, and how odd answers are read. Ordinary answers are replayed, in tests/replay."""

import base64
import contextlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest, Completion, Delta, Usage
from turnpike.domain.errors import InvalidRequest, UpstreamError
from turnpike.domain.pricing import Pricing
from turnpike.providers.anthropic.adapter import AnthropicAdapter, build_adapter
from turnpike.providers.anthropic.body import DEFAULT_MAX_TOKENS, Platform, betas_of, build_body
from turnpike.providers.anthropic.schemas import constrained
from turnpike.providers.anthropic.traits import NEWEST, TRAITS, traits_of
from turnpike.providers.folding import completion_of

from tests.replay.recordings import Exchange, find

OLD = "claude-sonnet-4-5-20250929"
BETWEEN = "claude-opus-4-6"
NEW = "claude-opus-5"
NEVER_OFF = "claude-opus-5-5"

USER = {"role": "user", "content": "Hello"}
SYSTEM = {"role": "system", "content": "Be brief."}
ANSWER = {"role": "assistant", "content": "Hi"}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "toolu_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
RESULT = {"role": "tool", "tool_call_id": "toolu_1", "content": "sunny"}
PNG = "iVBORw0KGgo="
MARK = {"type": "ephemeral"}
THOUGHT = {"type": "reasoning.text", "text": "Hm.", "signature": "c2ln", "format": "anthropic-claude-v1", "index": 0}
REDACTED = {"type": "reasoning.encrypted", "data": "ZGF0YQ==", "format": "anthropic-claude-v1", "index": 1}


def endpoint(
    model: str = OLD, *parameters: str, most: int | None = None, model_id: str = "anthropic/claude"
) -> Endpoint:
    return Endpoint(
        model_id=model_id,
        provider="anthropic",
        upstream_model=model,
        base_url="https://api.test/v1",
        pricing=Pricing(Decimal(1), Decimal(1)),
        context_length=200_000,
        max_completion_tokens=most,
        supported_parameters=frozenset(parameters),
    )


def request(*messages: Mapping[str, Any], **changes: Any) -> ChatRequest:
    values: dict[str, Any] = {"models": ("anthropic/claude",), "messages": messages or (USER,), "parameters": {}}
    return ChatRequest(**(values | changes))


def body(asked: ChatRequest, model: str = OLD, *parameters: str, most: int | None = None) -> Any:
    built = build_adapter("anthropic").build_request(asked, endpoint(model, *parameters, most=most), "sk-ant-secret")
    return orjson.loads(orjson.dumps(built.body))


def asked_for(model: str = OLD, *messages: dict[str, Any], max_tokens: int | None = 4000, **parameters: Any) -> Any:
    return body(request(*messages, parameters=parameters, max_tokens=max_tokens), model)


def turns(*messages: Mapping[str, Any], model: str = OLD) -> Any:
    return body(request(*messages), model)["messages"]


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def marked(value: str, **mark: Any) -> dict[str, Any]:
    return {**text(value), "cache_control": {"type": "ephemeral", **mark}}


# The request as a whole


def test_the_least_request() -> None:
    built = build_adapter("anthropic").build_request(request(), endpoint(), "sk-ant-secret")
    assert built.url == "https://api.test/v1/messages"
    assert built.headers["x-api-key"] == "sk-ant-secret"
    assert built.headers["anthropic-version"] == "2023-06-01"
    assert "anthropic-beta" not in built.headers
    assert "secret" not in repr(built)
    assert built.body == {
        "model": OLD,
        "max_tokens": DEFAULT_MAX_TOKENS,
        "messages": [{"role": "user", "content": [text("Hello")]}],
    }


def test_a_stream_is_asked_for() -> None:
    assert body(request(stream=True))["stream"] is True


def test_the_limit_is_the_clients_then_the_models() -> None:
    assert body(request(max_tokens=100), most=64_000)["max_tokens"] == 100
    assert body(request(), most=64_000)["max_tokens"] == 64_000


def test_parameters_that_the_endpoint_does_not_list_stay_out() -> None:
    asked = request(parameters={"temperature": 0.5, "top_k": 5, "seed": 1}, user="u-1")
    sent = body(asked, OLD, "top_k")
    assert sent["top_k"] == 5
    assert sent["metadata"] == {"user_id": "u-1"}
    assert not {"temperature", "seed", "user"} & sent.keys()


def test_another_platform_gets_the_same_messages() -> None:
    platform = Platform({"anthropic_version": "bedrock-2023-05-31"}, names_model=False, marks_by_itself=False)
    asked = request(SYSTEM, USER, parameters={"cache_control": {"type": "ephemeral"}}, stream=True)
    assert build_body(asked, endpoint("us.anthropic.claude-sonnet-4-5-20250929-v1:0"), platform) == {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": DEFAULT_MAX_TOKENS,
        "system": [text("Be brief.")],
        "messages": [{"role": "user", "content": [{**text("Hello"), "cache_control": MARK}]}],
    }


# Messages


def test_instructions_before_the_conversation_are_the_system_prompt() -> None:
    parts = {"role": "developer", "content": [marked("Be kind.", ttl="1h"), text("")]}
    sent = body(request(SYSTEM, parts, USER))
    assert sent["system"] == [
        text("Be brief."),
        {**text("Be kind."), "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ]
    assert [turn["role"] for turn in sent["messages"]] == ["user"]


def test_later_instructions_join_the_system_prompt_where_they_cannot_stay() -> None:
    later = {"role": "system", "content": "In French."}
    sent = body(request(SYSTEM, USER, ANSWER, later, USER))
    assert sent["system"] == [text("Be brief."), text("In French.")]
    assert [turn["role"] for turn in sent["messages"]] == ["user", "assistant", "user"]


@pytest.mark.parametrize("others", [(USER, ANSWER, "later", USER), (USER, ANSWER, USER, "later")])
def test_later_instructions_stand_behind_the_users_turn(others: tuple[Any, ...]) -> None:
    later = {"role": "system", "content": "In French."}
    sent = body(request(SYSTEM, *(later if each == "later" else each for each in others)), NEW)
    assert sent["system"] == [text("Be brief.")]
    assert [turn["role"] for turn in sent["messages"]] == ["user", "assistant", "user", "system"]
    assert sent["messages"][-1]["content"] == [text("In French.")]


@pytest.mark.parametrize("model", [OLD, NEW])
def test_instructions_after_an_answer_ask_for_the_next(model: str) -> None:
    sent = turns(USER, ANSWER, {"role": "system", "content": "Go on in French."}, model=model)
    assert sent[-1] == {"role": "user", "content": [text("Go on in French.")]}


def test_instructions_alone_are_the_users_turn() -> None:
    sent = body(request(SYSTEM))
    assert "system" not in sent or sent["system"] == []
    assert sent["messages"] == [{"role": "user", "content": [text("Be brief.")]}]


def test_a_conversation_that_the_model_begins_gets_a_turn_before_it() -> None:
    sent = turns(ANSWER, USER)
    assert [turn["role"] for turn in sent] == ["user", "assistant", "user"]
    assert sent[0]["content"][0]["text"].strip()


def test_neighbours_of_one_role_become_one_turn() -> None:
    sent = turns(USER, {"role": "user", "content": "Anyone?"}, ANSWER, {"role": "assistant", "content": "Yes?"}, USER)
    assert sent == [
        {"role": "user", "content": [text("Hello"), text("Anyone?")]},
        {"role": "assistant", "content": [text("Hi"), text("Yes?")]},
        {"role": "user", "content": [text("Hello")]},
    ]


def test_results_come_first_in_their_turn() -> None:
    other = {
        **RESULT,
        "tool_call_id": "toolu_2",
        "content": [text("22"), {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}],
    }
    calling = {"role": "assistant", "content": None, "tool_calls": [CALL, {**CALL, "id": "toolu_2"}]}
    sent = turns(USER, calling, RESULT, {"role": "user", "content": "Well?"}, other)
    assert sent[1]["content"] == [
        {"type": "tool_use", "id": call_id, "name": "weather", "input": {"city": "Paris"}}
        for call_id in ("toolu_1", "toolu_2")
    ]
    assert sent[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"},
        {
            "type": "tool_result",
            "tool_use_id": "toolu_2",
            "content": [
                text("22"),
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            ],
        },
        text("Well?"),
    ]


def test_a_result_with_nothing_in_it_has_no_content() -> None:
    calling = {"role": "assistant", "content": "", "tool_calls": [CALL]}
    sent = turns(USER, calling, {**RESULT, "content": ""})
    assert sent[-1]["content"] == [{"type": "tool_result", "tool_use_id": "toolu_1"}]


def test_a_mark_within_a_result_is_the_results() -> None:
    calling = {"role": "assistant", "content": "", "tool_calls": [CALL]}
    sent = turns(USER, calling, {**RESULT, "content": [marked("sunny")]})
    assert sent[-1]["content"] == [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": [text("sunny")], "cache_control": MARK}
    ]


def test_ids_of_other_providers_are_made_to_fit_at_both_ends() -> None:
    calling = {"role": "assistant", "content": None, "tool_calls": [{**CALL, "id": "functions.weather:0"}]}
    sent = turns(USER, calling, {**RESULT, "tool_call_id": "functions.weather:0"})
    assert sent[1]["content"][0]["id"] == sent[2]["content"][0]["tool_use_id"] == "functions_weather_0"


@pytest.mark.parametrize(("arguments", "given_on"), [("", {}), ("{", {"arguments": "{"}), ("[1]", {"arguments": [1]})])
def test_the_input_of_a_call_is_always_an_object(arguments: str, given_on: Any) -> None:
    call = {**CALL, "function": {"name": "weather", "arguments": arguments}}
    assert (
        turns(USER, {"role": "assistant", "content": None, "tool_calls": [call]}, RESULT)[1]["content"][0]["input"]
        == given_on
    )


def test_blank_texts_are_left_out() -> None:
    calling = {"role": "assistant", "content": "\n\n", "tool_calls": [CALL]}
    sent = turns(
        {"role": "user", "content": [text(""), text("Hello"), text(" ")]},
        calling,
        RESULT,
        {"role": "assistant", "content": ""},
        USER,
    )
    assert [block["type"] for turn in sent for block in turn["content"]] == ["text", "tool_use", "tool_result", "text"]
    assert [turn["role"] for turn in sent] == ["user", "assistant", "user"]


def test_a_beginning_to_be_continued_loses_its_trailing_space() -> None:
    prefill = {"role": "assistant", "content": "The answer is: \n"}
    assert turns(USER, prefill)[-1]["content"] == [text("The answer is:")]
    assert turns(USER, prefill, USER)[1]["content"] == [text("The answer is: \n")]


def test_names_and_refusals_are_put_into_words() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    sent = turns(
        {**USER, "name": "Ann"},
        {"role": "assistant", "content": None, "refusal": "No."},
        {"role": "user", "name": "Bob", "content": [image]},
    )
    assert [turn["content"][0] for turn in sent] == [text("Ann: Hello"), text("No."), text("Bob:")]


# Media


def blocks_of(*parts: dict[str, Any]) -> Any:
    return turns({"role": "user", "content": list(parts)})[0]["content"]


def file_part(file_data: str, filename: str | None = None) -> dict[str, Any]:
    return {"type": "file", "file": {"file_data": file_data, **({"filename": filename} if filename else {})}}


def test_addresses_that_the_api_gets_itself() -> None:
    fetches = build_adapter("anthropic").fetches
    assert fetches("image_url", "https://example.com/a")
    assert fetches("file", "https://example.com/a.PDF?x=1")
    assert not fetches("image_url", "http://example.com/a.png")
    assert not fetches("file", "https://example.com/a.txt")
    assert not fetches("video_url", "https://example.com/a.mp4")


def test_images_and_documents() -> None:
    plain = base64.b64encode(b"caf\xc3\xa9").decode()
    assert blocks_of(
        {
            "type": "image_url",
            "image_url": {"url": "https://example.com/a.png", "detail": "high"},
            "cache_control": MARK,
        },
        {"type": "image_url", "image_url": {"url": f"data:image/jpg;base64,{PNG}"}},
        file_part("https://example.com/a.pdf", "a.pdf"),
        file_part("data:application/pdf;base64,JVBERi0=", "b.pdf"),
        file_part("JVBERi0xLjc="),
        file_part(f"data:text/markdown;base64,{plain}", "c.md"),
        file_part(f"data:application/json;base64,{plain}"),
        file_part(f"data:image/png;base64,{PNG}", "d.png"),
    ) == [
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}, "cache_control": MARK},
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": PNG}},
        {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}, "title": "a.pdf"},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
            "title": "b.pdf",
        },
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjc="}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "café"}, "title": "c.md"},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "café"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
    ]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        file_part("data:application/zip;base64,UEsDBA=="),
    ],
)
def test_what_no_claude_can_read_is_refused(part: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        blocks_of(part)


# Tools


def test_tools_and_their_schemas() -> None:
    loose = {"type": "function", "function": {"name": "now", "description": "The time."}}
    untyped = {"type": "function", "function": {"name": "find", "parameters": {"properties": {"a": {}}}}}
    strict = {
        "type": "function",
        "function": {
            "name": "add",
            "strict": True,
            "parameters": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}},
        },
        "cache_control": MARK,
    }
    assert asked_for(tools=[WEATHER, loose, untyped, strict])["tools"] == [
        {"name": "weather", "input_schema": {"type": "object", "properties": {}}},
        {"name": "now", "description": "The time.", "input_schema": {"type": "object", "properties": {}}},
        {"name": "find", "input_schema": {"type": "object", "properties": {"a": {}}}},
        {
            "name": "add",
            "input_schema": {
                "type": "object",
                "properties": {"n": {"type": "integer", "description": "minimum: 1"}},
                "additionalProperties": False,
            },
            "strict": True,
            "cache_control": MARK,
        },
    ]


@pytest.mark.parametrize(
    ("choice", "parallel", "sent"),
    [
        ("auto", None, {"type": "auto"}),
        ("none", None, {"type": "none"}),
        ("required", None, {"type": "any"}),
        ({"type": "function", "function": {"name": "weather"}}, None, {"type": "tool", "name": "weather"}),
        (None, None, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        ("none", False, {"type": "none"}),
        ("auto", True, {"type": "auto"}),
    ],
)
def test_the_choice_of_tools(choice: Any, parallel: bool | None, sent: Any) -> None:
    parameters = {"tool_choice": choice, "parallel_tool_calls": parallel}
    given_on = {name: value for name, value in parameters.items() if value is not None}
    assert asked_for(tools=[WEATHER], **given_on).get("tool_choice") == sent


def test_no_call_can_be_demanded_of_the_newest_models() -> None:
    assert asked_for(NEVER_OFF, tools=[WEATHER], tool_choice="required")["tool_choice"] == {"type": "auto"}
    assert asked_for(NEW, tools=[WEATHER], tool_choice="required")["tool_choice"] == {"type": "any"}


def test_a_conversation_with_calls_keeps_their_tools() -> None:
    sent = body(request(USER, {"role": "assistant", "content": None, "tool_calls": [CALL]}, RESULT))
    assert sent["tools"] == [{"name": "weather", "input_schema": {"type": "object", "properties": {}}}]
    assert sent["tool_choice"] == {"type": "none"}


# Formats


SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 5, "description": "Short"},
        "tags": {"type": "array", "minItems": 2, "items": {"$ref": "#/$defs/tag"}},
        "minimum": {"anyOf": [{"type": "object", "properties": {}}, {"type": "null"}]},
    },
    "$defs": {"tag": {"type": "object", "properties": {"n": {"type": "number", "exclusiveMinimum": 0}}}},
}


def test_schemas_are_closed_and_their_limits_put_into_words() -> None:
    before = orjson.dumps(SCHEMA)
    assert constrained(SCHEMA) == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "Short (maxLength: 5)"},
            "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "description": "minItems: 2"},
            "minimum": {
                "anyOf": [{"type": "object", "properties": {}, "additionalProperties": False}, {"type": "null"}]
            },
        },
        "$defs": {
            "tag": {
                "type": "object",
                "properties": {"n": {"type": "number", "description": "exclusiveMinimum: 0"}},
                "additionalProperties": False,
            }
        },
        "additionalProperties": False,
    }
    assert orjson.dumps(SCHEMA) == before


def test_a_schema_that_is_nested_too_deeply_is_the_clients_fault() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(900):
        schema = {"type": "array", "items": schema}
    with pytest.raises(InvalidRequest):
        constrained(schema)


def test_an_answer_by_schema() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": SCHEMA}}
    sent = asked_for(response_format=form)
    assert sent["output_config"] == {"format": {"type": "json_schema", "schema": constrained(SCHEMA)}}
    assert "system" not in sent
    older = asked_for("claude-3-7-sonnet-20250219", response_format=form)
    assert "output_config" not in older
    assert '"maxLength":5' in older["system"][0]["text"]


def test_json_without_a_schema_is_asked_for_in_words() -> None:
    sent = asked_for(OLD, SYSTEM, USER, response_format={"type": "json_object"})
    assert sent["system"][0] == text("Be brief.")
    assert "JSON" in sent["system"][1]["text"]
    assert "output_config" not in sent
    assert "system" not in asked_for(response_format={"type": "text"})


# Thinking


@pytest.mark.parametrize(
    ("reasoning", "most", "thinking", "max_tokens"),
    [
        ({"effort": "high"}, 10_000, {"type": "enabled", "budget_tokens": 8000}, 10_000),
        ({"effort": "minimal"}, 4000, {"type": "enabled", "budget_tokens": 1024}, 4000),
        ({"enabled": True}, 10_000, {"type": "enabled", "budget_tokens": 5000}, 10_000),
        ({"max_tokens": 3000}, 10_000, {"type": "enabled", "budget_tokens": 3000}, 10_000),
        ({"max_tokens": 100}, 10_000, {"type": "enabled", "budget_tokens": 1024}, 10_000),
        ({"max_tokens": 20_000}, 10_000, {"type": "enabled", "budget_tokens": 8000}, 10_000),
        ({"effort": "high"}, 1100, {"type": "enabled", "budget_tokens": 1024}, 1100),
        ({"effort": "high"}, 500, {"type": "enabled", "budget_tokens": 1024}, 1524),
        ({"effort": "none"}, 4000, {"type": "disabled"}, 4000),
        ({"enabled": False}, 4000, {"type": "disabled"}, 4000),
        ({"exclude": True}, 4000, None, 4000),
        ({"exclude": False}, 4000, None, 4000),
    ],
)
def test_thinking_within_a_budget(reasoning: Any, most: int, thinking: Any, max_tokens: int) -> None:
    sent = asked_for(OLD, max_tokens=most, reasoning=reasoning)
    assert (sent.get("thinking"), sent["max_tokens"]) == (thinking, max_tokens)
    assert "output_config" not in sent


@pytest.mark.parametrize(
    ("model", "reasoning", "thinking", "effort"),
    [
        (BETWEEN, {"effort": "low"}, {"type": "adaptive"}, "low"),
        (BETWEEN, {"effort": "xhigh"}, {"type": "adaptive"}, "max"),
        (BETWEEN, {"enabled": True}, {"type": "adaptive"}, None),
        (BETWEEN, {"max_tokens": 2000}, {"type": "enabled", "budget_tokens": 2000}, None),
        (BETWEEN, {"effort": "none"}, {"type": "disabled"}, None),
        (NEW, {"effort": "minimal"}, {"type": "adaptive", "display": "summarized"}, "low"),
        (NEW, {"effort": "xhigh", "exclude": True}, {"type": "adaptive"}, "xhigh"),
        (NEW, {"max_tokens": 2000}, {"type": "adaptive", "display": "summarized"}, None),
        (NEW, {"exclude": False}, {"type": "adaptive", "display": "summarized"}, None),
        (NEW, {"exclude": True}, None, None),
        (NEW, {"effort": "none"}, {"type": "disabled"}, None),
        ("claude-opus-4-8", {"exclude": False}, None, None),
        ("claude-sonnet-5-5", {"effort": "none"}, {"type": "between_tools"}, None),
        (NEVER_OFF, {"effort": "max"}, {"type": "adaptive", "display": "summarized"}, "max"),
        ("claude-3-5-haiku-20241022", {"effort": "high"}, None, None),
        ("claude-3-5-haiku-20241022", {"effort": "none"}, None, None),
    ],
)
def test_thinking_left_to_the_model(model: str, reasoning: Any, thinking: Any, effort: str | None) -> None:
    sent = asked_for(model, reasoning=reasoning)
    assert sent.get("thinking") == thinking
    assert sent.get("output_config") == ({"effort": effort} if effort else None)


def test_a_model_that_always_thinks_cannot_be_told_not_to() -> None:
    with pytest.raises(InvalidRequest, match=r"reasoning\.effort"):
        asked_for(NEVER_OFF, reasoning={"effort": "none"})


def test_verbosity_is_the_effort_and_wins_over_that_of_reasoning() -> None:
    assert asked_for(NEW, verbosity="max", reasoning={"effort": "low"})["output_config"] == {"effort": "max"}
    assert asked_for("claude-opus-4-5", verbosity="xhigh")["output_config"] == {"effort": "high"}
    assert "output_config" not in asked_for(OLD, verbosity="low")
    # Without thinking there is no effort above `high`.
    assert asked_for(NEW, verbosity="max", reasoning={"enabled": False})["output_config"] == {"effort": "high"}


def test_effort_and_format_go_together() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    sent = asked_for(NEW, verbosity="low", response_format=form)["output_config"]
    assert sent["effort"] == "low"
    assert sent["format"]["type"] == "json_schema"


def test_a_demanded_call_and_a_budget_exclude_each_other() -> None:
    sent = asked_for(OLD, tools=[WEATHER], tool_choice="required", reasoning={"effort": "high"}, temperature=0.5)
    assert "thinking" not in sent
    assert sent["tool_choice"] == {"type": "any"}
    assert sent["temperature"] == 0.5
    assert (
        asked_for(NEW, tools=[WEATHER], tool_choice="required", reasoning={"effort": "high"})["thinking"]["type"]
        == "adaptive"
    )


@pytest.mark.parametrize(
    ("history", "thinks"),
    [
        ([{"role": "assistant", "content": None, "tool_calls": [CALL]}, RESULT], False),
        ([{"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_details": [THOUGHT]}, RESULT], True),
        (
            [
                {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_details": [THOUGHT]},
                RESULT,
                {"role": "assistant", "content": None, "tool_calls": [{**CALL, "id": "toolu_2"}]},
                {**RESULT, "tool_call_id": "toolu_2"},
            ],
            True,
        ),
        ([{"role": "assistant", "content": None, "tool_calls": [CALL]}, RESULT, ANSWER, USER], True),
        ([{"role": "assistant", "content": "It is"}], False),
    ],
)
def test_an_answer_that_began_without_a_thought_goes_on_without(history: list[dict[str, Any]], thinks: bool) -> None:
    sent = asked_for(OLD, USER, *history, reasoning={"effort": "high"}, tools=[WEATHER])
    assert ("thinking" in sent) is thinks


# Sampling, and what else there is


@pytest.mark.parametrize(
    ("model", "parameters", "sent"),
    [
        (OLD, {"temperature": 1.7}, {"temperature": 1}),
        (OLD, {"temperature": 0.2, "top_p": 0.5}, {"temperature": 0.2}),
        (OLD, {"temperature": 1, "top_p": 0.5}, {"top_p": 0.5}),
        (OLD, {"top_k": 0}, {}),
        (OLD, {"top_k": 40}, {"top_k": 40}),
        ("claude-3-7-sonnet-20250219", {"temperature": 0.2, "top_p": 0.5}, {"temperature": 0.2, "top_p": 0.5}),
        (OLD, {"temperature": 0.2, "top_k": 4, "reasoning": {"effort": "low"}}, {}),
        (OLD, {"top_p": 0.97, "temperature": 0.2, "reasoning": {"effort": "low"}}, {"top_p": 0.97}),
        (OLD, {"top_p": 0.5, "reasoning": {"effort": "low"}}, {}),
        (BETWEEN, {"temperature": 0.2, "reasoning": {"enabled": True}}, {}),
        (BETWEEN, {"temperature": 0.2, "reasoning": {"enabled": False}}, {"temperature": 0.2}),
        ("claude-opus-4-7", {"temperature": 0.2, "top_p": 0.5, "top_k": 4}, {}),
    ],
)
def test_sampling_within_what_a_model_takes(model: str, parameters: Any, sent: Any) -> None:
    built = asked_for(model, **parameters)
    assert {name: built[name] for name in ("temperature", "top_p", "top_k") if name in built} == sent


def test_stops_that_are_blank_are_left_out() -> None:
    assert asked_for(stop=["END", "\n", ""])["stop_sequences"] == ["END"]
    assert asked_for(stop="END")["stop_sequences"] == ["END"]
    assert "stop_sequences" not in asked_for(stop=["\n\n"])


@pytest.mark.parametrize(
    ("tier", "sent"),
    [("auto", "auto"), ("priority", "auto"), ("default", "standard_only"), ("flex", None), ("scale", None)],
)
def test_service_tiers(tier: str, sent: str | None) -> None:
    assert asked_for(service_tier=tier).get("service_tier") == sent


def test_parameters_of_others_stay_out() -> None:
    others: dict[str, Any] = {
        "frequency_penalty": 1,
        "logit_bias": {"1": 1},
        "logprobs": True,
        "min_p": 0.1,
        "modalities": ["text"],
        "prediction": {"type": "content", "content": "x"},
        "prompt_cache_key": "k",
        "seed": 1,
        "web_search_options": {},
    }
    assert asked_for(**others).keys() == {"model", "max_tokens", "messages"}


# Marks


def test_either_providers_marks_are_understood() -> None:
    breakpoint = {**text("long"), "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "1h"}}
    sent = turns({"role": "user", "content": [breakpoint, marked("short", ttl="5m")]})
    assert sent[0]["content"] == [
        {**text("long"), "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {**text("short"), "cache_control": MARK},
    ]


def marks(sent: Any) -> list[str]:
    blocks = [
        *sent.get("tools", []),
        *sent.get("system", []),
        *(block for turn in sent["messages"] for block in turn["content"]),
    ]
    return [block.get("text") or block["name"] for block in blocks if "cache_control" in block]


def test_of_more_than_four_marks_the_shared_one_and_the_last_stay() -> None:
    parts = {"role": "user", "content": [marked(str(number)) for number in range(5)]}
    system = {"role": "system", "content": [marked("Be brief.")]}
    tool = {**WEATHER, "cache_control": MARK}
    assert marks(asked_for(OLD, system, parts, tools=[tool])) == ["Be brief.", "2", "3", "4"]
    assert marks(asked_for(OLD, parts, tools=[tool])) == ["weather", "2", "3", "4"]
    assert marks(asked_for(OLD, parts)) == ["1", "2", "3", "4"]
    whole = asked_for(OLD, system, parts, tools=[tool], cache_control={"type": "ephemeral", "ttl": "1h"})
    assert marks(whole) == ["Be brief.", "3", "4"]
    assert whole["cache_control"] == {"type": "ephemeral", "ttl": "1h"}


def test_four_marks_stay_as_they_are() -> None:
    parts = {"role": "user", "content": [marked(str(number)) for number in range(4)]}
    assert marks(asked_for(OLD, parts)) == ["0", "1", "2", "3"]


# The second turn


def second_turn(message: Any, *results: dict[str, Any], first: Exchange) -> Any:
    """What we send when a client adds our own answer to its conversation, as it is."""
    assert first.request is not None
    question = first.request["body"]["messages"][0]["content"][0]["text"]
    asked = request({"role": "user", "content": question}, message, *results, parameters={"tools": [WEATHER]})
    return body(asked, first.request["body"]["model"])["messages"]


def as_recorded(exchange: Exchange) -> Any:
    """The recording client says of each result that it is no error, which is what saying nothing means."""
    assert exchange.request is not None
    return [
        {**turn, "content": [{k: v for k, v in block.items() if k != "is_error"} for block in turn["content"]]}
        for turn in exchange.request["body"]["messages"]
    ]


def results_of(exchange: Exchange) -> list[dict[str, Any]]:
    """The results as a client of ours would give them."""
    return [
        {"role": "tool", "tool_call_id": block["tool_use_id"], "content": block["content"]}
        for block in as_recorded(exchange)[-1]["content"]
    ]


@pytest.mark.parametrize("name", ["test_anthropic_tool_with_thinking", "test_multiple_parallel_tool_calls"])
def test_the_second_turn_is_what_the_recording_client_sent(name: str) -> None:
    first, second = find(f"anthropic/{name}[0]"), find(f"anthropic/{name}[1]")
    message = build_adapter("anthropic").parse_completion(first.body).choices[0].message
    assert second_turn(message, *results_of(second), first=first) == as_recorded(second)


def streamed(exchange: Exchange) -> list[Delta]:
    decoder = build_adapter("anthropic").stream_decoder()
    return [*decoder.feed(exchange.body), *decoder.finish()]


def concatenated(deltas: list[Delta]) -> dict[str, Any]:
    """What a client keeps that only collects the fragments of reasoning_details."""
    message = dict(completion_of(deltas).choices[0].message)
    return {**message, "reasoning_details": [detail for delta in deltas for detail in delta.reasoning_details or ()]}


def blocks_in(exchange: Exchange) -> list[dict[str, Any]]:
    """The streamed content as the API would have it back."""
    blocks: dict[int, dict[str, Any]] = {}
    for line in exchange.body.decode().splitlines():
        event = orjson.loads(line[5:]) if line.startswith("data:") else {}
        if event.get("type") == "content_block_start":
            blocks[event["index"]] = dict(event["content_block"])
        elif event.get("type") == "content_block_delta":
            block, delta = blocks[event["index"]], dict(event["delta"])
            kind = delta.pop("type")
            ((_, piece),) = delta.items()
            member = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}.get(
                kind, "input"
            )
            block[member] = (block.get(member) or "") + piece
    for block in blocks.values():
        if isinstance(block.get("input"), str):
            block["input"] = orjson.loads(block["input"] or "{}")
    return [blocks[index] for index in sorted(blocks)]


THINKING_STREAMS = [
    "anthropic/test_anthropic_model_thinking_part_redacted_stream[0]",
    "anthropic/test_anthropic_model_thinking_part_stream[0]",
    "anthropic/test_stream_events_thinking[0]",
    "anthropic/anthropic_interleaved_thinking[0]",
]


@pytest.mark.parametrize("name", THINKING_STREAMS)
@pytest.mark.parametrize("kept", ["fragments", "merged"])
def test_thoughts_go_back_to_their_places(name: str, kept: str) -> None:
    exchange = find(name)
    deltas = streamed(exchange)
    message = concatenated(deltas) if kept == "fragments" else completion_of(deltas).choices[0].message
    results = [{**RESULT, "tool_call_id": call["id"]} for call in message.get("tool_calls", ())]
    sent = body(request(USER, message, *results, USER), NEVER_OFF)["messages"]
    assert sent[1] == {"role": "assistant", "content": blocks_in(exchange)}


def test_thoughts_between_calls_of_a_whole_answer_go_back_to_their_places() -> None:
    exchange = find("anthropic/anthropic_interleaved_thinking[1]")
    message = build_adapter("anthropic").parse_completion(exchange.body).choices[0].message
    results = [{**RESULT, "tool_call_id": call["id"]} for call in message["tool_calls"]]
    assert turns(USER, message, *results)[1]["content"] == orjson.loads(exchange.body)["content"]


def test_blank_text_keeps_its_place_among_thoughts() -> None:
    message = {
        "role": "assistant",
        "content": "\n\n",
        "tool_calls": [CALL, {**CALL, "id": "toolu_2"}],
        "reasoning_details": [THOUGHT, {**THOUGHT, "index": 3}],
    }
    sent = turns(USER, message, RESULT, {**RESULT, "tool_call_id": "toolu_2"})
    assert [block["type"] for block in sent[1]["content"]] == ["thinking", "tool_use", "thinking", "tool_use"]


@pytest.mark.parametrize(
    "details",
    [
        [{**THOUGHT, "format": "google-gemini-v1"}],
        [{**THOUGHT, "signature": None}],
        [{"type": "reasoning.summary", "summary": "s", "format": "anthropic-claude-v1", "index": 0}],
        [{**THOUGHT, "type": None}, {"format": "anthropic-claude-v1"}],
        "nonsense",
    ],
)
def test_thoughts_that_prove_nothing_stay_out(details: Any) -> None:
    sent = turns(USER, {**ANSWER, "reasoning": "Hm.", "reasoning_details": details}, USER)
    assert sent[1]["content"] == [text("Hi")]


def test_an_answer_that_was_cut_while_it_thought_stays_out() -> None:
    sent = turns(USER, {"role": "assistant", "content": "", "reasoning_details": [THOUGHT, REDACTED]}, USER)
    assert sent == [{"role": "user", "content": [text("Hello"), text("Hello")]}]


def test_bound_thoughts_may_be_dropped_by_the_api() -> None:
    history = (USER, {**ANSWER, "reasoning_details": [THOUGHT]}, USER)
    built: Any = build_adapter("anthropic").build_request(request(*history), endpoint(NEVER_OFF), "k")
    binding = {"prefix_mismatch_behavior": "drop_block"}
    assert built.body["thinking"] == {"type": "adaptive", "block_binding": binding}
    assert built.headers["anthropic-beta"] == "thinking-binding-controls-2026-08-01"
    assert betas_of(body(request(*history), NEW)) == []
    assert asked_for(NEVER_OFF, *history, reasoning={"effort": "low"})["thinking"] == {
        "type": "adaptive",
        "display": "summarized",
        "block_binding": binding,
    }


def test_what_only_anthropics_own_clients_say_is_passed_on() -> None:
    call = {**CALL, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    sent = turns(USER, {**ANSWER, "tool_calls": [call]}, {**RESULT, "is_error": True})
    assert sent[1]["content"][1]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert sent[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True, "content": "sunny"}
    ]


@pytest.mark.parametrize(
    ("betas", "sent"),
    [
        ((), None),
        (("oauth-2025-04-20", "context-1m-2025-08-07"), None),
        (("claude-code-20250219", "interleaved-thinking-2025-05-14"), "interleaved-thinking-2025-05-14"),
    ],
)
def test_previews_are_asked_for_that_change_an_answer_and_nothing_else(betas: Any, sent: str | None) -> None:
    built: Any = build_adapter("anthropic").build_request(request(betas=betas), endpoint(), "k")
    assert built.headers.get("anthropic-beta") == sent


# Models


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("claude-sonnet-4-5-20250929", "sonnet-4-5"),
        ("claude-sonnet-4-20250514", "sonnet-4"),
        ("claude-opus-4-0", "opus-4"),
        ("claude-opus-4-1-20250805", "opus-4-1"),
        ("us.anthropic.claude-opus-4-6-v1", "opus-4-6"),
        ("claude-sonnet-4-5@20250929", "sonnet-4-5"),
        ("claude-opus-5", "opus-5"),
        ("claude-opus-5-5", "opus-5-5"),
        ("claude-mythos-preview", "mythos-preview"),
        ("claude-3-7-sonnet-latest", "3-7-sonnet"),
        ("claude-3-5-haiku-20241022", "3-"),
    ],
)
def test_models_are_known_by_their_names(name: str, row: str) -> None:
    assert traits_of(endpoint(name)) is TRAITS[row]


def test_models_that_are_not_known_count_as_the_newest() -> None:
    for name in ("claude-opus-6", "claude-opus-5-7", "claude-haiku-10-1", "something-else"):
        assert traits_of(endpoint(name)) is NEWEST
    arn = "arn:aws:bedrock:us-east-1:1:application-inference-profile/x"
    assert traits_of(endpoint(arn, model_id="anthropic/claude-opus-4.6")) is TRAITS["opus-4-6"]


# Odd answers


def whole(**changes: Any) -> Completion:
    message = {"id": "msg_1", "type": "message", "content": [text("Hi")], "stop_reason": "end_turn"} | changes
    return build_adapter("anthropic").parse_completion(orjson.dumps(message))


def feed(*events: dict[str, Any]) -> list[Delta]:
    decoder = build_adapter("anthropic").stream_decoder()
    return [delta for event in events for delta in decoder.feed(b"data: " + orjson.dumps(event) + b"\n\n")]


def test_an_answer_may_be_empty_and_without_usage() -> None:
    (choice,) = whole(content=[]).choices
    assert choice.message == {"role": "assistant", "content": None}
    assert (choice.finish_reason, choice.native_finish_reason) == ("stop", "end_turn")
    assert whole().usage is None


@pytest.mark.parametrize("junk", [b"", b"[]", b"null", b"{}", b'{"content": null}', b'{"content": [1]}', b"<html>"])
def test_what_is_no_answer_is_an_upstream_error(junk: bytes) -> None:
    with pytest.raises(UpstreamError) as raised:
        build_adapter("anthropic").parse_completion(junk)
    assert raised.value.retryable


def test_input_that_comes_at_the_start_of_a_call_is_its_arguments() -> None:
    call = {"type": "tool_use", "id": "t", "name": "weather", "input": {"city": "Paris"}}
    start = {"type": "content_block_start", "index": 0, "content_block": call}
    stop = {"type": "content_block_stop", "index": 0}
    fragments = [fragment for delta in feed(start, stop) for fragment in delta.tool_calls or ()]
    assert [fragment["function"]["arguments"] for fragment in fragments] == ["", '{"city":"Paris"}']


def test_blocks_that_are_left_open_are_closed_at_the_end() -> None:
    call = {"type": "tool_use", "id": "t", "name": "now", "input": {}}
    end = {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}}
    deltas = feed({"type": "content_block_start", "index": 0, "content_block": call}, end, {"type": "message_stop"})
    (choice,) = completion_of(deltas).choices
    assert choice.message["tool_calls"][0]["function"]["arguments"] == "{}"
    assert choice.finish_reason == "length"


def test_a_stream_that_says_done_is_whole_once_it_gave_its_reason() -> None:
    decoder = build_adapter("anthropic").stream_decoder()
    end = b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n'
    (last,) = decoder.feed(end + b"data: [DONE]\n\n")
    assert last.finish_reason == "stop"
    other = build_adapter("anthropic").stream_decoder()
    (cut,) = other.feed(b"data: [DONE]\n\n")
    assert isinstance(cut.error, UpstreamError)


def test_counts_that_are_told_as_nothing_do_not_hide_those_that_were_told() -> None:
    start = {
        "type": "message_start",
        "message": {"id": "m", "usage": {"input_tokens": 7, "cache_read_input_tokens": 3}},
    }
    end = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"input_tokens": 0, "cache_read_input_tokens": None, "output_tokens": 5},
    }
    assert feed(start, end, {"type": "message_stop"})[-1].usage == Usage(
        prompt_tokens=10, completion_tokens=5, cached_tokens=3
    )


def test_an_answer_that_breaks_tells_what_it_cost() -> None:
    start = {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 7}}}
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    *_, usage, last = feed(start, error)
    assert usage.usage == Usage(prompt_tokens=7)
    assert isinstance(last.error, UpstreamError)
    assert (last.error.provider_code, last.error.upstream_status) == ("overloaded_error", 529)


def test_an_unpaid_bill_is_told_apart_by_its_code_and_not_in_the_providers_words() -> None:
    words = "Your credit balance is too low to access the Anthropic API."
    body = orjson.dumps({"type": "error", "error": {"type": "invalid_request_error", "message": words}})
    error = build_adapter("anthropic").parse_error(400, {"retry-after": "5"}, body)
    assert (error.upstream_status, error.provider_code) == (400, "invalid_request_error")
    assert (error.retryable, error.retry_after_s) == (True, 5)
    assert "credit" not in error.message.replace("credential", "")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "text", "index", "delta", "usage"]), inner)
    ),
    max_leaves=8,
)
EVENTS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            [
                "message_start",
                "content_block_start",
                "content_block_delta",
                "content_block_stop",
                "message_delta",
                "message_stop",
                "error",
            ]
        )
    },
    optional={"index": JSON, "delta": JSON, "content_block": JSON, "message": JSON, "usage": JSON, "error": JSON},
)


@given(st.lists(EVENTS, max_size=6))
def test_no_stream_breaks_the_decoder(events: list[dict[str, Any]]) -> None:
    adapter: AnthropicAdapter = build_adapter("anthropic")
    decoder = adapter.stream_decoder()
    deltas = [delta for event in events for delta in decoder.feed(b"data: " + orjson.dumps(event) + b"\n\n")]
    deltas += decoder.finish()
    assert decoder.done
    assert deltas[-1].error is not None or any(delta.finish_reason for delta in deltas)


@given(JSON)
def test_no_body_breaks_the_adapter(content: Any) -> None:
    with contextlib.suppress(UpstreamError):
        build_adapter("anthropic").parse_completion(orjson.dumps(content))
    assert build_adapter("anthropic").parse_error(400, {}, orjson.dumps(content)).upstream_status == 400
