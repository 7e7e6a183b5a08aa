"""What is sent to Cohere, and how odd answers are read. Ordinary answers are replayed, in tests/replay."""

import base64
import contextlib
import json
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
from turnpike.providers.cohere.adapter import CohereAdapter, build_adapter
from turnpike.providers.folding import completion_of

from tests.replay.recordings import find

USER = {"role": "user", "content": "Hello"}
CALL = {"id": "weather_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
RESULT = {"role": "tool", "tool_call_id": "weather_1", "content": '{"celsius": 24}'}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        "strict": True,
    },
}
CLOCK = {"type": "function", "function": {"name": "clock"}}
PDF = "data:application/pdf;base64,JVBERi0xLjc="


def endpoint(*parameters: str, model: str = "command-a-reasoning-08-2025", most: int | None = 32_000) -> Endpoint:
    return Endpoint(
        model_id="cohere/command-a",
        provider="cohere",
        upstream_model=model,
        base_url="https://api.cohere.com/v2",
        pricing=Pricing(Decimal(1), Decimal(1)),
        context_length=256_000,
        max_completion_tokens=most,
        supported_parameters=frozenset(parameters),
    )


def body(*messages: Any, to: Endpoint | None = None, **changes: Any) -> Any:
    values: dict[str, Any] = {"models": ("cohere/command-a",), "messages": messages or (USER,), "parameters": {}}
    built = CohereAdapter("cohere").build_request(ChatRequest(**(values | changes)), to or endpoint(), "sk-secret")
    return orjson.loads(orjson.dumps(built.body))


def parameters(given: dict[str, Any], *, to: Endpoint | None = None, **changes: Any) -> Any:
    sent = body(to=to, parameters=given, **changes)
    return {name: value for name, value in sent.items() if name not in ("model", "messages", "stream")}


def replayed(*events: Any) -> list[Delta]:
    decoder = CohereAdapter("cohere").stream_decoder()
    stream = b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events)
    return [*decoder.feed(stream), *decoder.finish()]


def test_the_least_request() -> None:
    request = ChatRequest(models=("m",), messages=[USER], parameters={})
    built: Any = build_adapter("cohere").build_request(request, endpoint(), "sk-secret")
    assert built.url == "https://api.cohere.com/v2/chat"
    assert built.headers["authorization"] == "Bearer sk-secret"
    assert built.body == {"model": "command-a-reasoning-08-2025", "messages": [USER], "stream": False}
    assert body(stream=True)["stream"] is True
    assert "secret" not in repr(built)


def test_parameters_have_their_names_here_and_stay_in_their_ranges() -> None:
    asked = {
        "temperature": 0.5,
        "top_p": 1.0,
        "top_k": 900,
        "seed": -7,
        "stop": "END",
        "frequency_penalty": 1.5,
        "logprobs": True,
    }
    assert parameters(asked, max_tokens=100) == {
        "temperature": 0.5,
        "p": 0.99,
        "k": 500,
        "seed": 7,
        "stop_sequences": ["END"],
        "frequency_penalty": 1,
        "logprobs": True,
        "max_tokens": 100,
    }


def test_only_one_penalty_is_sent() -> None:
    assert parameters({"frequency_penalty": 0.5, "presence_penalty": 0.5}) == {"frequency_penalty": 0.5}
    assert parameters({"frequency_penalty": 0.0, "presence_penalty": 0.5}) == {"presence_penalty": 0.5}
    assert parameters({"frequency_penalty": -1.0}) == {}


def test_what_cohere_does_not_know_is_left_out() -> None:
    unknown = {
        "min_p": 0.1,
        "top_a": 0.1,
        "repetition_penalty": 1.1,
        "logit_bias": {"1": 1.0},
        "top_logprobs": 3,
        "parallel_tool_calls": True,
        "service_tier": "priority",
        "verbosity": "low",
        "prediction": {"type": "content", "content": "x"},
        "response_format": {"type": "grammar", "grammar": "x"},
        "prompt_cache_key": "k",
    }
    assert parameters(unknown, user="ada") == {}
    assert parameters({"top_k": 3, "temperature": 1.0}, to=endpoint("temperature")) == {"temperature": 1.0}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"type": "json_object"}),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": {"type": "object"}}},
            {"type": "json_object", "json_schema": {"type": "object"}},
        ),
        ({"type": "json_schema", "json_schema": {"name": "n"}}, {"type": "json_object"}),
    ],
)
def test_a_response_format_has_its_schema_bare(given: Any, sent: Any) -> None:
    assert parameters({"response_format": given}).get("response_format") == sent


def test_tools_are_strict_together_or_not_at_all() -> None:
    described = {name: value for name, value in WEATHER["function"].items() if name != "strict"}  # type: ignore[attr-defined]
    bare = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}
    tool = {"type": "function", "function": described}
    assert parameters({"tools": [WEATHER]}) == {"tools": [tool], "strict_tools": True}
    assert parameters({"tools": [WEATHER, CLOCK]}) == {"tools": [tool, bare]}


def test_a_tool_choice_is_required_none_or_unsaid() -> None:
    def chosen(choice: Any) -> Any:
        sent = parameters({"tools": [WEATHER, CLOCK], "tool_choice": choice})
        return [tool["function"]["name"] for tool in sent["tools"]], sent.get("tool_choice")

    assert chosen("auto") == (["weather", "clock"], None)
    assert chosen("required") == (["weather", "clock"], "REQUIRED")
    assert chosen("none") == (["weather", "clock"], "NONE")
    assert chosen({"type": "function", "function": {"name": "clock"}}) == (["clock"], "REQUIRED")
    assert parameters({"tool_choice": "required"}) == {}


@pytest.mark.parametrize(
    ("reasoning", "limit", "thinking"),
    [
        ({"effort": "none"}, None, {"type": "disabled"}),
        ({"enabled": False}, None, {"type": "disabled"}),
        ({"enabled": True}, None, {"type": "enabled"}),
        ({"max_tokens": 500}, None, {"type": "enabled", "token_budget": 500}),
        ({"effort": "medium"}, None, {"type": "enabled", "token_budget": 16_000}),
        ({"effort": "max"}, 10_000, {"type": "enabled", "token_budget": 9_000}),
        # A short answer keeps half of its tokens.
        ({"effort": "low"}, 600, {"type": "enabled", "token_budget": 300}),
        ({"exclude": True}, None, None),
    ],
)
def test_reasoning_is_a_budget(reasoning: Any, limit: int | None, thinking: Any) -> None:
    assert parameters({"reasoning": reasoning}, max_tokens=limit).get("thinking") == thinking


def test_an_effort_without_any_limit_leaves_the_budget_open() -> None:
    assert parameters({"reasoning": {"effort": "high"}}, to=endpoint(most=None)) == {"thinking": {"type": "enabled"}}


def test_messages_in_cohere_s_roles_and_parts() -> None:
    text = base64.b64encode(b"a,b").decode()
    sent = body(
        {
            "role": "developer",
            "content": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        },
        {
            "role": "user",
            "name": "Ada",
            "content": [
                {"type": "text", "text": "Look"},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "original"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aWNvbg=="}},
                {"type": "file", "file": {"filename": "t.csv", "file_data": f"data:text/csv;base64,{text}"}},
            ],
        },
        {"role": "assistant", "content": None, "refusal": "No."},
        {"role": "user", "name": "Ada", "content": "Why?"},
    )["messages"]
    assert sent == [
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Ada:"},
                {"type": "text", "text": "Look"},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "high"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aWNvbg=="}},
                {"type": "text", "text": "t.csv\n\na,b"},
            ],
        },
        {"role": "assistant", "content": "No."},
        {"role": "user", "content": "Ada: Why?"},
    ]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,/9j/4A=="}},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}},
    ],
)
def test_what_cohere_cannot_see_is_refused(part: Any) -> None:
    with pytest.raises(InvalidRequest):
        body({"role": "user", "content": [part]})


def test_only_images_are_fetched_by_cohere() -> None:
    kinds = ("image_url", "file", "video_url")
    assert [CohereAdapter("cohere").fetches(kind, "https://example.com") for kind in kinds] == [True, False, False]


def test_a_plan_goes_back_as_it_came() -> None:
    message = completion_of(replayed(*_events("cohere/cohere_tool_calls[0]"))).choices[0].message
    assert message["reasoning"] == "I will search for the weather in Madrid and Brasilia."
    calls = message["tool_calls"]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "{}"} for call in calls]
    for back in (message, {**message, "reasoning_details": _fragments("cohere/cohere_tool_calls[0]")}):
        sent = body(USER, back, *results)["messages"]
        plan = message["reasoning"]
        assert sent == [USER, {"role": "assistant", "tool_calls": calls, "tool_plan": plan}, *results]


def test_thoughts_go_back_as_they_came() -> None:
    message = completion_of(replayed(*_events("cohere/cohere_thinking[0]"))).choices[0].message
    answered = {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Two sisters, and Alice."},
            {"type": "text", "text": "Three sisters"},
        ],
    }
    for back in (message, {**message, "reasoning_details": _fragments("cohere/cohere_thinking[0]")}):
        assert body(USER, back, USER)["messages"] == [USER, answered, USER]
    # A model that does not reason, and one that shall not now.
    plain = {"role": "assistant", "content": "Three sisters"}
    assert body(USER, message, USER, to=endpoint("temperature"))["messages"][1] == plain
    assert body(USER, message, USER, parameters={"reasoning": {"effort": "none"}})["messages"][1] == plain


def test_the_recorded_second_turn_is_what_we_send() -> None:
    recorded = find("cohere/test_cohere_model_thinking_part[1]").request
    assert recorded is not None
    first, answer, second = recorded["body"]["messages"]
    thought, text = answer["content"]
    given = {"role": "assistant", "content": text["text"], "reasoning": thought["thinking"]}
    assert body(first, given, second) == recorded["body"]


def test_beside_tool_calls_there_is_no_text() -> None:
    said = {"role": "assistant", "content": "I look it up.", "tool_calls": [CALL]}
    thought = {"type": "reasoning.text", "text": "Hm.", "format": "unknown", "index": 0}
    plan = {**thought, "text": "Ask.", "id": "tool_plan"}

    def sent(message: Any, *listed: str) -> Any:
        return body(USER, message, RESULT, to=endpoint(*listed))["messages"][1]

    assert sent(said) == {"role": "assistant", "tool_calls": [CALL], "tool_plan": "I look it up."}
    assert sent({**said, "reasoning_details": [plan]})["tool_plan"] == "Ask.\nI look it up."
    both = sent({**said, "reasoning_details": [thought, plan]}, "reasoning")
    assert both["tool_plan"] == "Ask."
    assert [part["thinking"] for part in both["content"]] == ["Hm.", "I look it up."]
    unable = sent({**said, "content": None, "reasoning_details": [thought, plan]}, "tools")
    assert unable == {"role": "assistant", "tool_calls": [CALL], "tool_plan": "Hm.\nAsk."}


def test_blocks_of_reasoning_are_numbered_as_they_began() -> None:
    def block(index: int, thought: str) -> Any:
        return {"type": "content-delta", "index": index, "delta": {"message": {"content": {"thinking": thought}}}}

    plan = {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "Ask."}}}
    end = {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}
    message = completion_of(replayed(block(0, "A"), block(0, "B"), block(2, "C"), plan, end)).choices[0].message
    details = [(each["index"], each["text"], each.get("id")) for each in message["reasoning_details"]]
    assert details == [(0, "AB", None), (1, "C", None), (2, "Ask.", "tool_plan")]


def test_results_of_tools_keep_their_form() -> None:
    parts = [{"type": "text", "text": "24"}, {"type": "text", "text": "dry"}]
    asked = {"role": "assistant", "content": None, "tool_calls": [{**CALL, "function": {"name": "w", "arguments": ""}}]}
    sent = body(USER, asked, {**RESULT, "content": parts})["messages"]
    assert sent[1]["tool_calls"][0]["function"]["arguments"] == "{}"
    assert sent[2] == {"role": "tool", "tool_call_id": "weather_1", "content": parts}


def test_citations_are_annotations_with_their_places() -> None:
    message = CohereAdapter("cohere").parse_completion(find("cohere/cohere_citations[0]").body).choices[0].message
    first = message["annotations"][0]["url_citation"]
    assert message["content"][first["start_index"] : first["end_index"]] == "Automation of tasks"
    assert (first["url"], first["title"]) == ("doc:0", "benefits.txt")
    assert first["content"].startswith("AI provides: 1. Automation")


def test_streamed_citations_count_from_the_whole_answer() -> None:
    message = completion_of(replayed(*_events("cohere/cohere_citations_in_stream[0]"))).choices[0].message
    cited = [each["url_citation"] for each in message["annotations"]]
    spans = [message["content"][each["start_index"] : each["end_index"]] for each in cited]
    # The first is of a thought, which is not in the answer.
    assert spans == ["", "24°C", "24°C", "dry"]
    assert [each["url"] for each in cited] == [
        "get_weather_1:0",
        "get_weather_1:0",
        "https://example.com/madrid",
        "doc:1",
    ]
    assert json.loads(cited[1]["content"]) == {"temperature": "24°C"}
    assert cited[2]["content"] == "Hot."
    assert "content" not in cited[3]


def test_logprobs_are_of_pieces() -> None:
    choice = completion_of(replayed(*_events("cohere/cohere_thinking[0]"))).choices[0]
    tokens = [(each["token"], each["logprob"]) for each in (choice.logprobs or {})["content"]]
    assert tokens == [("Three", -0.25), (" sisters", -0.75)]
    whole = CohereAdapter("cohere").parse_completion(find("cohere/cohere_thinking[1]").body).choices[0]
    assert [each["token"] for each in (whole.logprobs or {})["content"]] == ["Three"]


def test_a_failed_answer_still_tells_its_usage() -> None:
    deltas = replayed(*_events("cohere/cohere_failed_answers[0]"))
    assert [delta.usage for delta in deltas if delta.usage] == [Usage(prompt_tokens=4, completion_tokens=2)]
    error = deltas[-1].error
    assert isinstance(error, UpstreamError)
    assert error.message == "internal server error"


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b'{"message":null}',
        b'{"message":{"content":3}}',
        b"<html>",
        b'{"message":{"tool_calls":[{}]}}',
    ],
)
def test_a_body_that_is_no_answer(junk: bytes) -> None:
    with pytest.raises(UpstreamError) as raised:
        CohereAdapter("cohere").parse_completion(junk)
    assert raised.value.retryable


def test_junk_in_the_events_ends_the_stream() -> None:
    for event in ({"type": "content-delta"}, {"type": "tool-call-delta", "index": 4, "delta": {}}, {"error": "broken"}):
        assert isinstance(replayed(event)[-1].error, UpstreamError)


SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=4)
MEMBERS = st.sampled_from(
    ["type", "index", "delta", "message", "content", "text", "tool_calls", "function", "usage", "id"]
)
JUNK = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=4))
KINDS = st.sampled_from(["content-delta", "tool-call-start", "citation-start", "message-end", "message-start", "else"])


@given(st.lists(st.tuples(KINDS, JUNK), max_size=5))
def test_no_junk_breaks_the_decoder(events: list[tuple[str, Any]]) -> None:
    deltas = replayed(*({"type": kind, "index": 0, "delta": {"message": junk}} for kind, junk in events))
    assert deltas[-1].error or deltas[-1].usage or deltas[-1].finish_reason


@given(JUNK)
def test_no_junk_breaks_the_reading_of_a_whole_answer(junk: Any) -> None:
    with contextlib.suppress(UpstreamError):
        CohereAdapter("cohere").parse_completion(orjson.dumps({"message": junk, "finish_reason": "COMPLETE"}))


def _events(name: str) -> list[Any]:
    lines = find(name).body.decode().splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]


def _fragments(name: str) -> list[Any]:
    return [detail for delta in replayed(*_events(name)) for detail in delta.reasoning_details or ()]
