"""What is sent to Bedrock's Converse, and how odd answers are read. Ordinary answers are replayed, in tests/replay.

Every request is also checked against the description of the API that AWS's own client works from.
"""

import base64
import contextlib
import json
from decimal import Decimal
from functools import cache
from typing import Any

import botocore.session
import httpx2
import orjson
import pytest
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest, Delta
from turnpike.domain.errors import InvalidRequest, UpstreamError
from turnpike.domain.pricing import Pricing
from turnpike.providers.bedrock.adapter import BedrockAdapter, build_adapter
from turnpike.providers.bedrock.frames import EventStreamFraming
from turnpike.providers.folding import completion_of
from turnpike.providers.request import Signing
from turnpike.providers.sse import EventTooLarge

from tests.replay.recordings import find, frame, frames

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
CLAUDE_4_6 = "us.anthropic.claude-sonnet-4-6"
CLAUDE_5 = "us.anthropic.claude-opus-5"
NOVA = "us.amazon.nova-pro-v1:0"
NOVA_2 = "us.amazon.nova-2-lite-v1:0"
KIMI = "moonshot.kimi-k2-thinking"
GPT_OSS = "openai.gpt-oss-120b-1:0"
GPT_5 = "us.openai.gpt-5.6-luna"

USER = {"role": "user", "content": "Hello"}
CALL = {"id": "tooluse_a", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
ASKED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "tooluse_a", "content": "24"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "Tells", "parameters": SCHEMA}}
MARK = {"cache_control": {"type": "ephemeral"}}
POINT = {"cachePoint": {"type": "default"}}
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n0").decode()
PDF = "data:application/pdf;base64,JVBERi0xLjc="
SIGNED = {"type": "reasoning.text", "text": "Hm.", "signature": "Ep0C", "format": "anthropic-claude-v1", "index": 0}


@cache
def described() -> Any:
    session = botocore.session.Session()
    return ServiceModel(session.get_component("data_loader").load_service_model("bedrock-runtime", "service-2"))


def endpoint(model: str = CLAUDE, *parameters: str, most: int | None = 64_000, **changes: Any) -> Endpoint:
    values: dict[str, Any] = {
        "model_id": "acme/chat",
        "provider": "amazon-bedrock",
        "upstream_model": model,
        "base_url": "https://bedrock-runtime.us-west-2.amazonaws.com",
        "pricing": Pricing(Decimal(1), Decimal(1)),
        "context_length": 200_000,
        "max_completion_tokens": most,
        "supported_parameters": frozenset(parameters),
    }
    return Endpoint(**(values | changes))


def body(*messages: Any, to: Endpoint | str = CLAUDE, **changes: Any) -> Any:
    values: dict[str, Any] = {"models": ("acme/chat",), "messages": messages or (USER,), "parameters": {}}
    at = endpoint(to) if isinstance(to, str) else to
    built = BedrockAdapter("amazon-bedrock").build_request(ChatRequest(**(values | changes)), at, "key")
    sent = orjson.loads(orjson.dumps(built.body))
    shape = described().operation_model("Converse").input_shape
    report = ParamValidator().validate({**sent, "modelId": at.upstream_model}, shape)
    assert not report.has_errors(), report.generate_report()
    return sent


def members(asked: dict[str, Any], *messages: Any, to: Endpoint | str = CLAUDE, **changes: Any) -> Any:
    sent = body(*messages, to=to, parameters=asked, **changes)
    return {name: value for name, value in sent.items() if name != "messages"}


def turns(*messages: Any, to: Endpoint | str = CLAUDE) -> Any:
    sent = body(*messages, to=to, parameters={"tools": [WEATHER]})
    return sent["messages"]


def content(*parts: Any, to: str = CLAUDE) -> Any:
    return body({"role": "user", "content": list(parts)}, to=to)["messages"][0]["content"]


def replayed(data: bytes, at: Endpoint | None = None) -> list[Delta]:
    decoder = BedrockAdapter("amazon-bedrock").stream_decoder(at)
    return [*decoder.feed(data), *decoder.finish()]


def streamed(*events: Any, at: Endpoint | None = None) -> list[Delta]:
    return replayed(b"".join(frames(events)), at)


def delta(index: int, **given: Any) -> Any:
    return {"contentBlockDelta": {"contentBlockIndex": index, "delta": given}}


END = ({"messageStop": {"stopReason": "end_turn"}}, {"metadata": {"usage": {"inputTokens": 1, "outputTokens": 1}}})


def test_the_least_request() -> None:
    request = ChatRequest(models=("m",), messages=[USER], parameters={})
    built: Any = build_adapter("amazon-bedrock").build_request(request, endpoint(), "bedrock-api-key-secret")
    host = "https://bedrock-runtime.us-west-2.amazonaws.com"
    assert built.url == f"{host}/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
    assert built.headers["authorization"] == "Bearer bedrock-api-key-secret"
    assert built.signing is None
    assert built.body == {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
    assert "secret" not in repr(built)


@pytest.mark.parametrize(
    ("base_url", "region"),
    [
        ("https://bedrock-runtime.eu-central-1.amazonaws.com/", "eu-central-1"),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("https://vpce-0a1b-2c3d.bedrock-runtime.ap-southeast-2.vpce.amazonaws.com", "ap-southeast-2"),
        ("http://localhost:4566", "us-east-1"),
    ],
)
def test_without_a_key_the_request_is_to_be_signed(base_url: str, region: str) -> None:
    request = ChatRequest(models=("m",), messages=[USER], parameters={}, stream=True)
    built = build_adapter("amazon-bedrock").build_request(request, endpoint(base_url=base_url), "")
    assert built.signing == Signing("bedrock", region)
    assert "authorization" not in built.headers
    assert built.url.startswith(f"{base_url.rstrip('/')}/model/")
    assert built.url.endswith("/converse-stream")


def test_the_address_of_an_inference_profile_is_one_part_of_the_path_and_sent_as_it_is_signed() -> None:
    arn = "arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/a1b2"
    request = ChatRequest(models=("m",), messages=[USER], parameters={})
    built = build_adapter("amazon-bedrock").build_request(request, endpoint(arn), "")
    path = "/model/arn%3Aaws%3Abedrock%3Aus-west-2%3A123456789012%3Aapplication-inference-profile%2Fa1b2/converse"
    assert built.url.endswith(path)
    assert httpx2.URL(built.url).raw_path == path.encode()


def test_what_a_model_is_called_with_us_tells_its_family_too() -> None:
    arn = "arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/a1b2"
    asked = {"reasoning": {"effort": "low"}}
    assert members(asked, to=endpoint(arn, model_id="anthropic/claude-opus-4.6"))["outputConfig"] == {"effort": "low"}
    assert members(asked, to=endpoint(arn)) == {}


def test_parameters_have_their_places() -> None:
    asked = {
        "temperature": 1.7,
        "top_p": 0.5,
        "top_k": 40,
        "stop": ["END", " ", "a", "b", "c"],
        "seed": 1,
        "min_p": 0.1,
        "service_tier": "fast",
        "user": "u",
    }
    assert members(asked, max_tokens=100, to="us.anthropic.claude-sonnet-4-20250514-v1:0", user="u") == {
        "inferenceConfig": {
            "maxTokens": 100,
            "temperature": 1,
            "topP": 0.5,
            "stopSequences": ["END", "a", "b", "c"],
        },
        "additionalModelRequestFields": {"top_k": 40},
        "serviceTier": {"type": "priority"},
    }
    nova = members({"top_k": 40, "service_tier": "auto", "stop": "\n\n"}, to=NOVA)
    assert nova["additionalModelRequestFields"] == {"inferenceConfig": {"topK": 40}}
    assert nova["inferenceConfig"] == {"stopSequences": ["\n\n"]}
    assert "serviceTier" not in nova
    assert members({"top_k": 40, "seed": 7}, to="cohere.command-r-v1:0") == {
        "additionalModelRequestFields": {"k": 40, "seed": 7}
    }


def test_newer_claudes_take_one_of_temperature_and_top_p_or_neither() -> None:
    asked = {"temperature": 0.5, "top_p": 0.9}
    assert members(asked)["inferenceConfig"] == {"temperature": 0.5}
    assert members({"temperature": 1, "top_p": 0.9})["inferenceConfig"] == {"topP": 0.9}
    assert members({"top_p": 0.9, "top_k": 0}) == {"inferenceConfig": {"topP": 0.9}}
    assert members({**asked, "top_k": 3}, to=CLAUDE_5) == {}


def test_what_the_catalog_does_not_list_is_dropped() -> None:
    at = endpoint(CLAUDE, "temperature")
    assert members({"temperature": 0.5, "top_k": 3, "tools": [WEATHER]}, to=at) == {
        "inferenceConfig": {"temperature": 0.5}
    }


@pytest.mark.parametrize(
    ("model", "reasoning", "fields", "output"),
    [
        (CLAUDE, {"effort": "medium"}, {"thinking": {"type": "enabled", "budget_tokens": 32_000}}, None),
        (CLAUDE, {"max_tokens": 100}, {"thinking": {"type": "enabled", "budget_tokens": 1024}}, None),
        (CLAUDE, {"effort": "none"}, None, None),
        (CLAUDE_4_6, {"effort": "xhigh"}, {"thinking": {"type": "adaptive"}}, {"effort": "high"}),
        (CLAUDE_4_6, {"max_tokens": 12_800}, {"thinking": {"type": "adaptive"}}, {"effort": "low"}),
        (CLAUDE_4_6, {"enabled": False}, None, None),
        (
            CLAUDE_5,
            {"effort": "xhigh"},
            {"thinking": {"type": "adaptive", "display": "summarized"}},
            {"effort": "xhigh"},
        ),
        (NOVA_2, {"effort": "low"}, {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}, None),
        (NOVA_2, {"effort": "xhigh"}, {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}, None),
        (NOVA_2, {"effort": "none"}, None, None),
        (GPT_OSS, {"effort": "max"}, {"reasoning_effort": "high"}, None),
        (GPT_OSS, {"enabled": True}, {"reasoning_effort": "medium"}, None),
        (GPT_OSS, {"effort": "none"}, {"reasoning_effort": "low"}, None),
        (GPT_5, {"effort": "max"}, {"reasoning": {"effort": "max"}}, None),
        (GPT_5, {"effort": "minimal"}, {"reasoning": {"effort": "low"}}, None),
        (GPT_5, {"effort": "none"}, {"reasoning": {"effort": "none"}}, None),
        ("openai.gpt-5.5", {"effort": "max"}, {"reasoning": {"effort": "xhigh"}}, None),
        ("us.deepseek.r1-v1:0", {"effort": "high"}, None, None),
        (NOVA, {"effort": "high"}, None, None),
    ],
)
def test_every_family_is_asked_to_reason_in_its_own_way(model: str, reasoning: Any, fields: Any, output: Any) -> None:
    sent = members({"reasoning": reasoning}, to=model)
    assert sent.get("additionalModelRequestFields") == fields
    assert sent.get("outputConfig") == output


def test_thinking_is_turned_off_where_it_can_be() -> None:
    none = {"reasoning": {"effort": "none"}}
    for model, kind in ((CLAUDE_5, "disabled"), ("us.anthropic.claude-sonnet-5-5", "between_tools")):
        assert members(none, to=model) == {"additionalModelRequestFields": {"thinking": {"type": kind}}}
    assert members(none, to="us.anthropic.claude-opus-4-8") == {}
    with pytest.raises(InvalidRequest):
        members(none, to="anthropic.claude-fable-5")


def test_a_budget_leaves_room_for_the_answer() -> None:
    asked = {"reasoning": {"max_tokens": 4000}}
    assert members(asked, max_tokens=2000)["additionalModelRequestFields"]["thinking"]["budget_tokens"] == 1999
    assert members(asked, max_tokens=1024) == {"inferenceConfig": {"maxTokens": 1024}}


def test_sampling_is_left_to_a_model_that_thinks() -> None:
    asked = {"reasoning": {"effort": "low"}, "temperature": 0.5, "top_p": 0.9, "top_k": 5}
    for model in (CLAUDE, CLAUDE_4_6):
        sent = members(asked, to=model)
        assert "inferenceConfig" not in sent
        assert "top_k" not in sent["additionalModelRequestFields"]
    for model in (GPT_OSS, NOVA_2):
        assert members(asked, to=model)["inferenceConfig"] == {"temperature": 0.5, "topP": 0.9}
    highest = members({**asked, "reasoning": {"effort": "high"}}, to=NOVA_2)
    assert [*highest] == ["additionalModelRequestFields"]
    assert [*highest["additionalModelRequestFields"]] == ["reasoningConfig"]


def test_openais_reasoners_take_neither_sampling_nor_stops() -> None:
    asked = {"temperature": 0.5, "top_p": 0.9, "stop": ["END"], "tools": [WEATHER]}
    sent = members(asked, to=GPT_5, max_tokens=500)
    assert sent["inferenceConfig"] == {"maxTokens": 500}
    assert [*sent] == ["inferenceConfig", "toolConfig"]
    assert "inferenceConfig" not in members(asked, to=GPT_5)


def test_nova_keeps_a_limit_rather_than_its_highest_effort() -> None:
    sent = members({"reasoning": {"effort": "high"}}, to=NOVA_2, max_tokens=500)
    assert sent["additionalModelRequestFields"]["reasoningConfig"]["maxReasoningEffort"] == "medium"
    assert sent["inferenceConfig"] == {"maxTokens": 500}


def test_claude_does_not_think_where_it_would_refuse_to() -> None:
    asked = {"reasoning": {"effort": "high"}, "tools": [WEATHER]}
    thinking = "additionalModelRequestFields"
    assert thinking in members(asked)
    # A tool is forced; its answer is begun; it did not think before the calls it goes on from.
    assert thinking not in members({**asked, "tool_choice": "required"})
    assert thinking not in members(asked, USER, {"role": "assistant", "content": "So"})
    assert thinking not in members(asked, USER, ASKED, RESULT)
    assert thinking not in members(asked, USER, ASKED, RESULT, USER)
    assert thinking in members(asked, USER, ASKED, RESULT, {"role": "assistant", "content": "Hot"}, USER)
    assert thinking in members(asked, USER, {**ASKED, "reasoning_details": [SIGNED]}, RESULT)
    assert thinking in members(asked, USER, ASKED, RESULT, to=CLAUDE_4_6)


def test_reasoning_that_nobody_sees_is_not_asked_for_in_words() -> None:
    sent = members({"reasoning": {"effort": "low", "exclude": True}}, to=CLAUDE_5)
    assert sent["additionalModelRequestFields"] == {"thinking": {"type": "adaptive"}}


def test_verbosity_is_an_effort_too() -> None:
    assert members({"verbosity": "low"}, to=CLAUDE_5) == {"outputConfig": {"effort": "low"}}
    assert members({"verbosity": "max"}, to=CLAUDE_5) == {"outputConfig": {"effort": "high"}}
    assert members({"verbosity": "max", "reasoning": {"effort": "low"}}, to=CLAUDE_5)["outputConfig"] == {
        "effort": "max"
    }
    assert members({"verbosity": "low"}, to=NOVA) == {}


def test_tools_are_specified() -> None:
    bare = {"type": "function", "function": {"name": "now", "description": " ", "strict": True}}
    assert members({"tools": [WEATHER, bare]})["toolConfig"] == {
        "tools": [
            {"toolSpec": {"name": "weather", "description": "Tells", "inputSchema": {"json": SCHEMA}}},
            {
                "toolSpec": {
                    "name": "now",
                    "inputSchema": {"json": {"type": "object", "properties": {}, "additionalProperties": False}},
                    "strict": True,
                }
            },
        ]
    }
    # Opus 4.7 and later refuse it, and so may whatever the catalog does not say it of.
    for at in (endpoint(CLAUDE_5), endpoint(CLAUDE, "tools")):
        assert "strict" not in members({"tools": [bare]}, to=at)["toolConfig"]["tools"][0]["toolSpec"]


def test_a_schema_that_has_no_end_is_refused() -> None:
    deep: Any = {}
    for _ in range(300):
        deep = {"type": "array", "items": deep}
    doubled = {str(n): {"properties": {x: {"$ref": f"#/$defs/{n + 1}"} for x in "ab"}} for n in range(40)}
    for schema in ({"properties": {"x": deep}}, {"properties": {"x": {"$ref": "#/$defs/0"}}, "$defs": doubled}):
        with pytest.raises(InvalidRequest):
            members({"tools": [{"type": "function", "function": {"name": "t", "parameters": schema}}]}, to=NOVA)
    constant: Any = {"type": "object", "default": deep}
    for model, schema in ((CLAUDE, deep), (CLAUDE, constant), (NOVA, deep)):
        with pytest.raises(InvalidRequest):
            members(
                {"response_format": {"type": "json_schema", "json_schema": {"name": "p", "schema": schema}}}, to=model
            )


def test_nova_takes_plain_schemas_with_definitions_in_their_places() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Trip",
        "type": "object",
        "properties": {"to": {"$ref": "#/$defs/Place", "description": "Where to"}, "at": {"type": "string"}},
        "additionalProperties": False,
        "$defs": {"Place": {"type": "object", "properties": {"near": {"$ref": "#/$defs/Place"}}}},
    }
    tool = {"type": "function", "function": {"name": "book", "parameters": schema}}
    spec = members({"tools": [tool]}, to=NOVA)["toolConfig"]["tools"][0]["toolSpec"]
    place = {"type": "object", "properties": {"near": {"type": "object"}}, "description": "Where to"}
    assert spec["inputSchema"]["json"] == {"type": "object", "properties": {"to": place, "at": {"type": "string"}}}
    kept = members({"tools": [tool]})["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"]
    assert kept == schema


@pytest.mark.parametrize(
    ("model", "choice", "sent"),
    [
        (CLAUDE, "auto", None),
        (CLAUDE, "required", {"any": {}}),
        (CLAUDE, {"type": "function", "function": {"name": "weather"}}, {"tool": {"name": "weather"}}),
        (NOVA, {"type": "function", "function": {"name": "weather"}}, {"tool": {"name": "weather"}}),
        ("mistral.mistral-large-3-675b-instruct", "required", {"any": {}}),
        ("us.meta.llama4-maverick-17b-instruct-v1:0", "required", None),
    ],
)
def test_tools_are_chosen(model: str, choice: Any, sent: Any) -> None:
    assert members({"tools": [WEATHER], "tool_choice": choice}, to=model)["toolConfig"].get("toolChoice") == sent


def test_where_no_single_tool_can_be_forced_it_is_the_only_one() -> None:
    other = {"type": "function", "function": {"name": "now"}}
    asked = {"tools": [WEATHER, other], "tool_choice": {"type": "function", "function": {"name": "now"}}}
    config = members(asked, to=GPT_OSS)["toolConfig"]
    assert [tool["toolSpec"]["name"] for tool in config["tools"]] == ["now"]
    assert config["toolChoice"] == {"any": {}}


def test_calls_one_at_a_time_are_claudes_own_to_promise() -> None:
    asked = {"tools": [WEATHER], "parallel_tool_calls": False}
    for choice, sent in (
        (None, {"type": "auto"}),
        ("required", {"type": "any"}),
        ({"type": "function", "function": {"name": "weather"}}, {"type": "tool", "name": "weather"}),
    ):
        built = members({**asked, "tool_choice": choice})
        assert "toolChoice" not in built["toolConfig"]
        assert built["additionalModelRequestFields"] == {"tool_choice": {**sent, "disable_parallel_tool_use": True}}
    assert "additionalModelRequestFields" not in members(asked, to=NOVA)


def test_a_conversation_with_calls_needs_tools() -> None:
    none = {"tools": [WEATHER], "tool_choice": "none"}
    assert members(none) == {}
    assert members(none, USER, ASKED, RESULT)["additionalModelRequestFields"] == {"tool_choice": {"type": "none"}}
    assert "toolChoice" not in members(none, USER, ASKED, RESULT, to=NOVA)["toolConfig"]
    stand_in = members({}, USER, ASKED, RESULT, to=NOVA)["toolConfig"]["tools"]
    assert stand_in == [
        {"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object", "properties": {}}}}}
    ]


def test_an_answer_is_held_to_a_schema() -> None:
    schema = {
        "type": "object",
        "properties": {
            "age": {"type": "integer", "minimum": 0, "description": "In years"},
            "minimum": {"type": "number"},
            "tags": {"type": "array", "items": {"$ref": "#/$defs/Tag"}},
        },
        "$defs": {"Tag": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 5}}}},
    }
    asked = {"type": "json_schema", "json_schema": {"name": "person", "description": "One", "schema": schema}}
    form = members({"response_format": asked})["outputConfig"]["textFormat"]
    assert form["type"] == "json_schema"
    whole = form["structure"]["jsonSchema"]
    assert (whole["name"], whole["description"]) == ("person", "One")
    assert json.loads(whole["schema"]) == {
        "type": "object",
        "properties": {
            "age": {"type": "integer", "description": "In years (minimum: 0)"},
            "minimum": {"type": "number"},
            "tags": {"type": "array", "items": {"$ref": "#/$defs/Tag"}},
        },
        "$defs": {
            "Tag": {
                "type": "object",
                "properties": {"name": {"type": "string", "description": "(maxLength: 5)"}},
                "additionalProperties": False,
            }
        },
        "additionalProperties": False,
    }


def test_a_model_that_cannot_be_held_to_a_schema_is_told_it() -> None:
    asked = {"response_format": {"type": "json_schema", "json_schema": {"name": "p", "schema": SCHEMA}}}
    system = {"role": "system", "content": "Be brief."}
    listed = endpoint(CLAUDE, "response_format")
    for at in (NOVA, CLAUDE_5, listed):
        sent = members(asked, system, USER, to=at)
        assert "outputConfig" not in sent
        first, second = sent["system"]
        assert first == {"text": "Be brief."}
        assert json.loads(second["text"].partition("\n")[2]) == SCHEMA
    assert "JSON object" in members({"response_format": {"type": "json_object"}})["system"][0]["text"]
    assert members({"response_format": {"type": "text"}}) == {}


def test_turns_alternate_and_the_systems_words_stand_apart() -> None:
    sent = body(
        {"role": "system", "content": "One"},
        {"role": "user", "content": "a", "name": "Ann"},
        {"role": "developer", "content": [{"type": "text", "text": "Two"}, {"type": "text", "text": " "}]},
        {"role": "user", "content": [{"type": "text", "text": "b"}, {"type": "text", "text": "\n"}], "name": "Bob"},
        {"role": "assistant", "content": "c"},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "d"},
    )
    assert sent["system"] == [{"text": "One"}, {"text": "Two"}]
    assert sent["messages"] == [
        {"role": "user", "content": [{"text": "Ann: a"}, {"text": "Bob:"}, {"text": "b"}]},
        {"role": "assistant", "content": [{"text": "c"}]},
        {"role": "user", "content": [{"text": "d"}]},
    ]


def test_a_conversation_begins_with_the_user_and_no_turn_is_blank() -> None:
    assert turns({"role": "assistant", "content": "Hi"}, USER)[0] == {"role": "user", "content": [{"text": "."}]}
    assert turns({"role": "system", "content": "Only this"}) == [{"role": "user", "content": [{"text": "."}]}]
    assert turns({"role": "user", "content": "  "}) == [{"role": "user", "content": [{"text": "."}]}]


def test_an_answer_that_was_begun_ends_without_white_space() -> None:
    sent = turns(USER, {"role": "assistant", "content": "The answer is \n"})
    assert sent[-1] == {"role": "assistant", "content": [{"text": "The answer is"}]}


def test_a_refusal_is_what_was_said() -> None:
    sent = turns(USER, {"role": "assistant", "content": None, "refusal": "No."}, USER)
    assert sent[1]["content"] == [{"text": "No."}]


def test_results_of_parallel_calls_are_one_turn() -> None:
    second = {"id": "b/c", "type": "function", "function": {"name": "now", "arguments": ""}}
    odd = {"id": "d" * 80, "type": "function", "function": {"name": "now", "arguments": "[1"}}
    sent = turns(
        USER,
        {"role": "assistant", "content": "Wait.", "tool_calls": [CALL, second, odd]},
        RESULT,
        {"role": "tool", "tool_call_id": "b/c", "content": ""},
        {"role": "tool", "tool_call_id": "d" * 80, "content": [{"type": "text", "text": "x"}, image()]},
        {"role": "user", "content": "Go on"},
    )
    said, first, bare, broken = sent[1]["content"]
    assert said == {"text": "Wait."}
    assert first == {"toolUse": {"toolUseId": "tooluse_a", "name": "weather", "input": {"city": "Rome"}}}
    assert bare["toolUse"]["input"] == {}
    assert broken["toolUse"]["input"] == {"arguments": "[1"}
    assert [block["toolResult"]["toolUseId"] for block in sent[2]["content"][:3]] == [
        "tooluse_a",
        bare["toolUse"]["toolUseId"],
        broken["toolUse"]["toolUseId"],
    ]
    assert sent[2]["content"][0]["toolResult"]["content"] == [{"text": "24"}]
    assert sent[2]["content"][1]["toolResult"]["content"] == [{"text": "(empty)"}]
    assert [*sent[2]["content"][2]["toolResult"]["content"][1]] == ["image"]
    assert sent[2]["content"][3] == {"text": "Go on"}


@pytest.mark.parametrize(("model", "status"), [(CLAUDE, "error"), (KIMI, None)])
def test_a_tool_that_failed_is_told_as_such_to_who_knows_the_word(model: str, status: str | None) -> None:
    sent = turns(USER, ASKED, {**RESULT, "is_error": True}, to=model)
    assert sent[2]["content"][0]["toolResult"].get("status") == status


def test_mistrals_models_want_short_ids_of_calls() -> None:
    sent = turns(USER, ASKED, RESULT, to="mistral.mistral-large-3-675b-instruct")
    call, result = sent[1]["content"][0]["toolUse"], sent[2]["content"][0]["toolResult"]
    assert call["toolUseId"] == result["toolUseId"]
    assert len(call["toolUseId"]) == 9
    assert call["toolUseId"].isalnum()


def image(media_type: str = "image/png", data: str = PNG) -> Any:
    return {"type": "image_url", "image_url": {"url": f"data:{media_type};base64,{data}"}}


def file(data: str, filename: str | None = None) -> Any:
    return {"type": "file", "file": {"file_data": data, "filename": filename}}


def test_media_have_their_blocks() -> None:
    video = {"type": "video_url", "video_url": {"url": "data:video/quicktime;base64,AAAA"}}
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}
    text = {"type": "text", "text": "Look"}
    assert content(text, image(), image("image/jpg"), video, sound, file(PDF, "My report_(v2).pdf"), to=NOVA_2) == [
        {"text": "Look"},
        {"image": {"format": "png", "source": {"bytes": PNG}}},
        {"image": {"format": "jpeg", "source": {"bytes": PNG}}},
        {"video": {"format": "mov", "source": {"bytes": "AAAA"}}},
        {"audio": {"format": "mp3", "source": {"bytes": "AAAA"}}},
        {"document": {"format": "pdf", "name": "My report (v2)", "source": {"bytes": "JVBERi0xLjc="}}},
    ]


def test_documents_have_names_of_their_own_and_text_beside_them() -> None:
    notes = file("data:text/x-python;base64,cHJpbnQ=", "päper  #1.py")
    sent = content(file(PDF), file(PDF), notes, file(f"data:;base64,{PNG}"))
    assert [block["document"]["name"] for block in sent[:3]] == ["document", "document (2)", "p per 1"]
    assert sent[2]["document"]["format"] == "txt"
    assert sent[3]["image"]["format"] == "png"
    assert sent[4] == {"text": "."}


@pytest.mark.parametrize(
    "part",
    [
        image("image/tiff"),
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        file("data:application/zip;base64,UEsDBA=="),
    ],
)
def test_media_without_a_form_are_refused(part: Any) -> None:
    with pytest.raises(InvalidRequest):
        content(part)


def test_nothing_is_fetched() -> None:
    assert not any(build_adapter("amazon-bedrock").fetches(kind, "https://a.test/x") for kind in ("image_url", "file"))


def test_images_of_earlier_answers_are_left_out() -> None:
    sent = turns(USER, {"role": "assistant", "content": [{"type": "text", "text": "Here"}, image()]}, USER)
    assert sent[1]["content"] == [{"text": "Here"}]


def marked(text: str, ttl: str | None = None) -> Any:
    return {"type": "text", "text": text, "cache_control": {"type": "ephemeral", **({"ttl": ttl} if ttl else {})}}


def test_marks_for_caching_become_points() -> None:
    sent = body(
        {"role": "system", "content": [marked("Long", "1h"), {"type": "text", "text": "Short"}]},
        {"role": "user", "content": [marked("Hello"), {"type": "text", "text": "you"}]},
        ASKED,
        {**RESULT, "content": [marked("24")]},
        parameters={"tools": [{**WEATHER, **MARK}]},
    )
    assert sent["system"] == [{"text": "Long"}, {"cachePoint": {"type": "default", "ttl": "1h"}}, {"text": "Short"}]
    assert sent["toolConfig"]["tools"][1] == POINT
    assert sent["messages"][0]["content"] == [{"text": "Hello"}, POINT, {"text": "you"}]
    assert [*sent["messages"][2]["content"][0]["toolResult"]["content"]] == [{"text": "24"}]
    assert sent["messages"][2]["content"][1] == POINT


def test_points_stand_only_where_the_model_takes_them() -> None:
    asked = ({"role": "system", "content": [marked("Long", "1h")]}, USER)
    tools = {"tools": [{**WEATHER, **MARK}]}
    nova = members(tools, *asked, to=NOVA)
    assert nova["system"] == [{"text": "Long"}, POINT]
    assert len(nova["toolConfig"]["tools"]) == 1
    assert members(tools, *asked, to=GPT_OSS)["system"] == [{"text": "Long"}]


def test_a_mark_on_the_request_is_a_point_at_the_prompts_end() -> None:
    at = endpoint(CLAUDE, "temperature")
    begun = (USER, {"role": "assistant", "content": "Well"})
    sent = body(*begun, to=at, parameters={"cache_control": {"type": "ephemeral", "ttl": "1h"}})["messages"]
    assert sent[0]["content"] == [{"text": "Hello"}, {"cachePoint": {"type": "default", "ttl": "1h"}}]
    assert sent[1]["content"] == [{"text": "Well"}]
    again = body({"role": "user", "content": [marked("Hello")]}, parameters=MARK)["messages"]
    assert again[0]["content"] == [{"text": "Hello"}, POINT]


def test_of_too_many_points_the_last_stay() -> None:
    parts = [marked(str(number)) for number in range(4)]
    sent = body({"role": "system", "content": [marked("s"), marked("t")]}, {"role": "user", "content": parts})
    assert sent["system"] == [{"text": "s"}, {"text": "t"}]
    assert sent["messages"][0]["content"].count(POINT) == 4


# Round trips: what we emitted, sent back, is what the provider's own client would have sent.


def answered(name: str, *, merged: bool = True, at: Endpoint | None = None) -> Any:
    """The message that a client keeps of a recorded answer: put together, or with the stream's details as they came."""
    exchange = find(name)
    if not exchange.framed:
        return build_adapter("amazon-bedrock").parse_completion(exchange.body).choices[0].message
    deltas = replayed(exchange.body, at)
    message = {**completion_of(deltas).choices[0].message}
    details = [detail for delta in deltas for detail in delta.reasoning_details or ()]
    return message if merged or not details else {**message, "reasoning_details": details}


def as_recorded(name: str) -> Any:
    """The messages of a recorded request, but for the status of results, which the recording client adds."""
    sent = json.loads(json.dumps((find(name).request or {})["body"]["messages"]))
    for turn in sent:
        for block in turn["content"]:
            block.get("toolResult", {}).pop("status", None)
    return sent


def said(name: str, index: int = -1) -> Any:
    """The text of a recorded user's turn, as our client would say it: a message, or a result of the one call."""
    turn = as_recorded(name)[index]["content"][0]
    if "text" in turn:
        return {"role": "user", "content": turn["text"]}
    result = turn["toolResult"]
    return {"role": "tool", "tool_call_id": result["toolUseId"], "content": result["content"][0]["text"]}


@pytest.mark.parametrize(
    ("recording", "model", "count"),
    [
        ("bedrock/test_bedrock_model_iter_stream", "us.amazon.nova-micro-v1:0", 2),
        ("bedrock/test_agent_loop_streaming_v1", "us.anthropic.claude-sonnet-5", 2),
        ("bedrock/test_bedrock_model_structured_output", "us.amazon.nova-micro-v1:0", 3),
        (
            "bedrock/chat_function_calling_bedrock_amazon_nova_2_lite_v1_0_can_use_tools_with_multi_turn_streaming_"
            "conversations",
            NOVA_2,
            4,
        ),
    ],
)
def test_recorded_conversations_go_on_as_they_did(recording: str, model: str, count: int) -> None:
    messages = [said(f"{recording}[0]")]
    for index in range(1, count):
        messages += [answered(f"{recording}[{index - 1}]"), said(f"{recording}[{index}]")]
        assert turns(*messages, to=model) == as_recorded(f"{recording}[{index}]")


def test_kimis_reasoning_goes_back_with_its_call() -> None:
    """The recording client puts the reasoning into a text of its own, between tags."""
    first, second = (f"bedrock/test_bedrock_moonshotai_tool_call[{index}]" for index in range(2))
    sent = turns(said(first), answered(first), said(second), to=KIMI)
    theirs = as_recorded(second)
    (reasoning,) = [sent[1]["content"].pop(0)]
    tagged = theirs[1]["content"].pop(0)["text"]
    assert (
        reasoning["reasoningContent"]["reasoningText"]["text"].strip()
        == tagged[len("<think>") : -len("</think>")].strip()
    )
    assert sent == theirs


def test_deepseek_takes_no_reasoning_back() -> None:
    """The recording client appends it as text, which the model then reads as its answer."""
    first, second = (f"bedrock/test_bedrock_model_thinking_part_deepseek[{index}]" for index in range(2))
    sent = turns(said(first), answered(first), said(second), to="us.deepseek.r1-v1:0")
    theirs = as_recorded(second)
    assert theirs[1]["content"].pop()["text"].startswith("<think>")
    assert sent == theirs


@pytest.mark.parametrize("merged", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_claudes_thoughts_go_back_as_they_came_and_where_they_stood(merged: bool, known: bool) -> None:
    at = endpoint(CLAUDE_4_6)
    answer = answered("bedrock/bedrock_thinking_with_tools[0]", merged=merged, at=at if known else None)
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "ok"} for call in answer["tool_calls"]]
    assert turns(USER, answer, *results, to=CLAUDE_4_6)[1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "Two cities, two calls.", "signature": "EpACCkYICxgC"}}},
        {"text": "Let me look."},
        {"reasoningContent": {"redactedContent": base64.b64encode(b"EtkECkgIBxABGAIqQJTfqS").decode()}},
        {"toolUse": {"toolUseId": "tooluse_paris", "name": "weather", "input": {"city": "Paris"}}},
        {"toolUse": {"toolUseId": "tooluse_now", "name": "now", "input": {}}},
    ]


@pytest.mark.parametrize("merged", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_openais_thoughts_go_back_as_they_came_and_where_they_stood(merged: bool, known: bool) -> None:
    at = endpoint(GPT_5) if known else None
    answer = answered("bedrock/bedrock_openai_thoughts[0]", merged=merged, at=at)
    result = {"role": "tool", "tool_call_id": "call_7", "content": "24"}
    assert turns(USER, answer, result, to=GPT_5)[1]["content"] == [
        {"reasoningContent": {"redactedContent": base64.b64encode(b"rsn_first").decode()}},
        {"text": "Let me look."},
        {"reasoningContent": {"redactedContent": base64.b64encode(b"rsn_second").decode()}},
        {"toolUse": {"toolUseId": "call_7", "name": "weather", "input": {"city": "Rome"}}},
    ]
    # Anthropic's models could make nothing of them, here or elsewhere.
    assert turns(USER, answer, result)[1]["content"][0] == {"text": "Let me look."}
    assert {detail["format"] for detail in answer["reasoning_details"]} == {"unknown"}


@pytest.mark.parametrize("merged", [True, False])
@pytest.mark.parametrize(
    "name", ["test_bedrock_model_thinking_part_redacted_stream[0]", "test_bedrock_model_thinking_part_stream[0]"]
)
def test_recorded_thoughts_go_back_unchanged(name: str, merged: bool) -> None:
    exchange = find(f"bedrock/{name}")
    given: dict[int, dict[str, str]] = {}
    for event in EventStreamFraming().feed(exchange.body):
        data = json.loads(event.data)
        for member, value in data.get("delta", {}).get("reasoningContent", {}).items():
            block = given.setdefault(data["contentBlockIndex"], {})
            block[member] = block.get(member, "") + value
    sent = turns(USER, answered(f"bedrock/{name}", merged=merged), USER)[1]["content"]
    assert [block["reasoningContent"] for block in sent if "reasoningContent" in block] == [
        block if "redactedContent" in block else {"reasoningText": block} for block in given.values()
    ]
    assert [*sent[-1]] == ["text"]


def test_only_a_models_own_reasoning_goes_back() -> None:
    plain = {"type": "reasoning.text", "text": "Hm.", "format": "unknown", "index": 0}
    gemini = {"type": "reasoning.encrypted", "data": "x", "format": "google-gemini-v1", "index": 1}
    answer = {"role": "assistant", "content": "Hi", "reasoning_details": [plain, SIGNED, gemini]}
    signed = {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "Ep0C"}}}
    unsigned = {"reasoningContent": {"reasoningText": {"text": "Hm."}}}
    for model, sent in ((CLAUDE, [signed]), (KIMI, [unsigned]), (NOVA_2, [unsigned]), (NOVA, [])):
        assert turns(USER, answer, USER, to=model)[1]["content"] == [*sent, {"text": "Hi"}]


def test_a_thought_that_nothing_followed_does_not_go_back() -> None:
    cut = {"role": "assistant", "content": "Well", "reasoning_details": [SIGNED, {**SIGNED, "index": 2}]}
    thought = {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "Ep0C"}}}
    assert turns(USER, cut, USER)[1]["content"] == [thought, {"text": "Well"}]
    only = {"role": "assistant", "content": None, "reasoning_details": [SIGNED]}
    assert turns(USER, only, USER) == [{"role": "user", "content": [{"text": "Hello"}, {"text": "Hello"}]}]


def test_thoughts_between_calls_keep_their_places() -> None:
    call = {"toolUse": {"toolUseId": "tooluse_a", "name": "weather"}}
    later = {"toolUse": {"toolUseId": "tooluse_b", "name": "weather"}}
    deltas = streamed(
        delta(0, text=""),
        delta(1, reasoningContent={"text": "One", "signature": "a"}),
        {"contentBlockStart": {"contentBlockIndex": 2, "start": call}},
        delta(3, reasoningContent={"text": "Two", "signature": "b"}),
        {"contentBlockStart": {"contentBlockIndex": 4, "start": later}},
        *END,
    )
    sent = turns(USER, completion_of(deltas).choices[0].message)[1]["content"]
    assert [next(iter(block)) for block in sent] == ["reasoningContent", "toolUse", "reasoningContent", "toolUse"]


def test_a_thought_may_be_a_signature_alone() -> None:
    answer = answered("bedrock/bedrock_thinking_with_tools[1]")
    assert answer["reasoning_details"] == [
        {"type": "reasoning.text", "signature": "EqQBCkYICxgC", "format": "anthropic-claude-v1", "index": 0}
    ]
    assert turns(USER, answer, USER)[1]["content"][0] == {
        "reasoningContent": {"reasoningText": {"text": "", "signature": "EqQBCkYICxgC"}}
    }


# What is read.


def test_a_stream_says_whose_reasoning_it_is_where_the_endpoint_is_known() -> None:
    events = (delta(0, reasoningContent={"text": "Hm"}), delta(0, reasoningContent={"signature": "Ep0C"}), *END)

    def forms(at: Endpoint | None) -> list[str]:
        return [d["format"] for each in streamed(*events, at=at) for d in each.reasoning_details or ()]

    assert forms(endpoint(CLAUDE)) == ["anthropic-claude-v1"] * 2
    # Both pieces are of one format, or nobody could put them together.
    assert forms(None) == ["unknown"] * 2
    whole = answered("bedrock/bedrock_thinking_with_tools[2]")["reasoning_details"]
    assert [detail["format"] for detail in whole] == ["anthropic-claude-v1"] * 2


def test_redacted_content_that_is_no_text_is_kept_as_it_is() -> None:
    content = base64.b64encode(b"\xff\x00").decode()
    (first, *_) = streamed(delta(0, reasoningContent={"redactedContent": content}), *END)
    assert first.reasoning_details == [
        {"type": "reasoning.encrypted", "data": content, "format": "unknown", "index": 0}
    ]
    answer = {"role": "assistant", "content": "Hi", "reasoning_details": first.reasoning_details}
    assert turns(USER, answer, USER, to=NOVA_2)[1]["content"][0] == {"reasoningContent": {"redactedContent": content}}


def test_usage_may_come_before_the_end_or_not_at_all() -> None:
    stop, usage = END
    for events in ((delta(0, text="Hi"), usage, stop), (delta(0, text="Hi"), stop, usage)):
        deltas = streamed(*events)
        assert [bool(each.usage) for each in deltas] == [False, False, True]
        assert deltas[1].finish_reason == "stop"
    deltas = streamed(delta(0, text="Hi"), stop)
    assert [each.finish_reason for each in deltas] == [None, "stop"]


def test_the_tier_that_served_is_told_with_the_usage() -> None:
    metadata = {"metadata": {"usage": {"inputTokens": 1, "outputTokens": 1}, "serviceTier": {"type": "flex"}}}
    assert streamed(END[0], metadata)[-1].service_tier == "flex"


def test_what_the_provider_charges_for_is_told_with_an_error() -> None:
    deltas = streamed({"messageStop": {"stopReason": "malformed_tool_use"}}, END[1])
    assert deltas[-2].usage is not None
    error = deltas[-1].error
    assert isinstance(error, UpstreamError)
    assert (error.provider_code, error.retryable) == ("malformed_tool_use", True)


def test_calls_without_their_end_get_arguments_too() -> None:
    call = {"toolUse": {"toolUseId": "a", "name": "now"}}
    start = {"contentBlockStart": {"contentBlockIndex": 0, "start": call}}
    message = completion_of(streamed(start, {"messageStop": {"stopReason": "end_turn"}}, END[1])).choices[0]
    assert message.message["tool_calls"][0]["function"]["arguments"] == "{}"
    assert (message.finish_reason, message.native_finish_reason) == ("tool_calls", "end_turn")


def test_amazons_own_tools_are_none_of_the_clients() -> None:
    call = {"toolUse": {"toolUseId": "a", "name": "nova_grounding", "type": "server_tool_use"}}
    start = {"contentBlockStart": {"contentBlockIndex": 0, "start": call}}
    result = {"contentBlockStart": {"contentBlockIndex": 1, "start": {"toolResult": {"toolUseId": "a"}}}}
    deltas = streamed(
        start,
        delta(0, toolUse={"input": "{}"}),
        result,
        delta(1, toolResult=[{"text": "x"}]),
        delta(2, text="Hi"),
        *END,
    )
    assert [each.content for each in deltas if each.has_content] == ["Hi"]
    assert deltas[1].finish_reason == "stop"


def test_what_a_text_cites_is_marked_in_it() -> None:
    choice = completion_of(streamed_case("bedrock/bedrock_citations[1]")).choices[0].message
    assert choice["content"] == "Well: it is from 1993."
    web, found = choice["annotations"]
    assert web["url_citation"] == {
        "url": "https://example.com/ruby",
        "title": "web",
        "content": "Ruby is from 1993.",
        "start_index": 6,
        "end_index": 21,
    }
    assert found["url_citation"]["url"] == "https://example.com/2"
    whole = answered("bedrock/bedrock_citations[0]")
    assert [each["url_citation"]["end_index"] for each in whole["annotations"]] == [21, 21]


def streamed_case(name: str) -> list[Delta]:
    return replayed(find(name).body)


def test_an_image_is_put_together() -> None:
    for name in ("bedrock/bedrock_images[0]", "bedrock/bedrock_images[1]"):
        (picture,) = answered(name)["images"]
        kind, _, data = picture["image_url"]["url"].partition(";base64,")
        assert kind == "data:image/png"
        assert base64.b64decode(data).startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize(
    "whole",
    [
        b"",
        b"[]",
        b"{}",
        b'{"output":{}}',
        b'{"output":{"message":{"content":null}},"stopReason":"end_turn"}',
        b"<html>",
    ],
)
def test_what_is_no_answer_is_unreadable(whole: bytes) -> None:
    with pytest.raises(UpstreamError) as raised:
        build_adapter("amazon-bedrock").parse_completion(whole)
    assert (raised.value.upstream_status, raised.value.retryable) == (200, True)


@pytest.mark.parametrize(
    "body",
    [b'{"message":"The security token included in the request is expired"}', b'{"message":"no', b"<html></html>"],
)
def test_a_stream_that_is_none_ends_in_an_error(body: bytes) -> None:
    deltas = replayed(body)
    assert [type(each.error) for each in deltas] == [UpstreamError]


# Errors.


@pytest.mark.parametrize(
    ("status", "name", "message", "error_type", "retryable"),
    [
        (429, "ThrottlingException:http://internal.amazon.com/coral/", "Too many tokens", "rate_limit_exceeded", True),
        (400, "ServiceQuotaExceededException", "Exceeds the quota", "rate_limit_exceeded", True),
        (429, "ModelNotReadyException", "Not ready", "provider_overloaded", True),
        (400, "ExpiredTokenException", "The security token is expired", "provider_unavailable", True),
        (403, "UnrecognizedClientException", "Invalid token", "provider_unavailable", True),
        (403, "AccessDeniedException", "You don't have access to the model", "provider_unavailable", True),
        (404, "ResourceNotFoundException", "No such profile", "not_found", True),
        (408, "ModelTimeoutException", "Timed out", "timeout", True),
        (424, "ModelErrorException", "Unexpected error", "provider_unavailable", True),
        (500, "InternalServerException", "Unexpected error", "provider_unavailable", True),
        (503, "ServiceUnavailableException", "Unavailable", "provider_overloaded", True),
        (400, "ValidationException", "Too many input tokens. Max input tokens: 1", "context_length_exceeded", False),
        (400, "ValidationException", "The value at messages.0 is blank", "invalid_request", False),
        (
            400,
            "aws.bedrock#ValidationException",
            "This model version has reached the end of its life",
            "not_found",
            True,
        ),
    ],
)
def test_the_type_of_an_error_tells_more_than_its_status(
    status: int, name: str, message: str, error_type: str, retryable: bool
) -> None:
    headers = {"x-amzn-errortype": name, "retry-after": "3"}
    for told in ({"message": message}, {"Message": message}):
        error = build_adapter("amazon-bedrock").parse_error(status, headers, orjson.dumps(told))
        assert (error.error_type, error.retryable, error.upstream_status) == (error_type, retryable, status)
        assert error.retry_after_s == 3
        assert (error.provider_code or "").endswith("Exception")


def test_our_own_account_is_not_named() -> None:
    body = b'{"message":"User: arn:aws:iam::123456789012:user/x is not authorized to perform bedrock:InvokeModel"}'
    error = build_adapter("amazon-bedrock").parse_error(403, {"x-amzn-errortype": "AccessDeniedException"}, body)
    assert "123456789012" not in error.message


def test_the_type_may_stand_in_the_body() -> None:
    body = b'{"Output":{"__type":"com.amazon.coral.service#ThrottlingException","message":"x"},"Version":"1.0"}'
    assert build_adapter("amazon-bedrock").parse_error(400, {}, body).error_type == "rate_limit_exceeded"


@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b"null", b"[1]", b'"oops"'])
def test_errors_of_any_form_are_understood(body: bytes) -> None:
    error = build_adapter("amazon-bedrock").parse_error(502, {}, body)
    assert (error.error_type, error.retryable) == ("provider_unavailable", True)


@pytest.mark.parametrize(
    ("name", "error_type", "retryable"),
    [
        ("throttlingException", "rate_limit_exceeded", True),
        ("modelStreamErrorException", "provider_unavailable", True),
        ("internalServerException", "provider_unavailable", True),
        ("serviceUnavailableException", "provider_overloaded", True),
        ("modelTimeoutException", "timeout", True),
        ("validationException", "invalid_request", False),
        ("newException", "provider_unavailable", True),
    ],
)
def test_exceptions_in_a_stream(name: str, error_type: str, retryable: bool) -> None:
    headers = {":exception-type": name, ":message-type": "exception"}
    for told in ({"message": "So it is"}, "So it is"):
        deltas = replayed(b"".join(frames([delta(0, text="Hi")])) + frame(headers, told))
        error = deltas[-1].error
        assert isinstance(error, UpstreamError)
        assert (error.error_type, error.retryable, error.provider_code) == (error_type, retryable, name)
        assert error.message == "So it is"


# Frames.


def test_frames_are_read_wherever_they_are_cut() -> None:
    body = b"".join(frames([delta(0, text="Grüezi"), *END]))
    whole = list(EventStreamFraming().feed(body))
    assert [event.name for event in whole] == ["contentBlockDelta", "messageStop", "metadata"]
    for cut in range(len(body)):
        framing = EventStreamFraming()
        assert [*framing.feed(body[:cut]), *framing.feed(body[cut:]), *framing.finish()] == whole
    framing = EventStreamFraming()
    assert [event for index in range(len(body)) for event in framing.feed(body[index : index + 1])] == whole


def test_frames_of_claudes_own_events_are_read_too() -> None:
    name = "bedrock/bedrock_anthropic_claude_haiku_4_5_tool_streaming[0]"
    events = list(EventStreamFraming().feed(find(name).body))
    assert {event.name for event in events} == {"chunk"}
    kinds = [json.loads(base64.b64decode(json.loads(event.data)["bytes"]))["type"] for event in events]
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")


def test_a_frame_that_was_damaged_is_an_error_and_what_came_before_it_counts() -> None:
    first, second = frames([delta(0, text="Hi"), delta(0, text="you")])
    for position in range(len(second)):
        damaged = bytearray(second)
        damaged[position] ^= 1
        deltas = replayed(first + bytes(damaged))
        assert deltas[0].content == "Hi"
        assert isinstance(deltas[-1].error, UpstreamError)
        assert len(deltas) == 2
    assert [type(event.error) for event in replayed(first + first[:-1] + b"\0")][1] is UpstreamError


def test_damage_is_a_value_error() -> None:
    (whole,) = frames([delta(0, text="Hi")])
    for broken in (whole[:-1] + b"\0", b"\0\0\0\x05hello", b"\0\0\0\x10" + b"\0" * 12, whole[:8] + b"\0" + whole[9:]):
        with pytest.raises(ValueError, match="frame"):
            list(EventStreamFraming().feed(broken))


def test_a_frame_may_not_be_endless() -> None:
    (whole,) = frames([delta(0, text="x" * 1000)])
    with pytest.raises(EventTooLarge):
        list(EventStreamFraming(max_frame_bytes=500).feed(whole[:20]))
    with pytest.raises(EventTooLarge):
        list(EventStreamFraming().feed(b"HTTP/1.1 200 OK"))


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_junk_never_breaks_the_decoder(pieces: list[bytes]) -> None:
    decoder = BedrockAdapter("amazon-bedrock").stream_decoder()
    deltas = [each for piece in pieces for each in decoder.feed(piece)]
    deltas += decoder.finish()
    assert decoder.done
    assert isinstance(deltas[-1].error, UpstreamError)


NAMES = st.sampled_from(
    [
        "output",
        "message",
        "content",
        "text",
        "toolUse",
        "citation",
        "image",
        "source",
        "reasoningContent",
        "inputTokens",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
EVENTS = st.sampled_from(["contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"])
MEMBERS = st.sampled_from(["contentBlockIndex", "delta", "start", "stopReason", "usage"])


@given(st.lists(st.tuples(EVENTS, st.dictionaries(MEMBERS, JSON, max_size=3)), max_size=3))
def test_odd_events_end_in_an_error_or_an_answer(events: list[tuple[str, Any]]) -> None:
    deltas = streamed(*({name: event} for name, event in events))
    assert deltas[-1].error is not None or any(each.finish_reason for each in deltas)


@given(JSON)
def test_odd_answers_are_errors_of_ours(answer: Any) -> None:
    with contextlib.suppress(UpstreamError):
        build_adapter("amazon-bedrock").parse_completion(orjson.dumps(answer))
