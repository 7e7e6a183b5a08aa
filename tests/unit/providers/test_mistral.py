"""What is sent to Mistral, and how odd answers are read. Ordinary answers are replayed, in tests/replay."""

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
from turnpike.domain.chat import ChatRequest, Delta
from turnpike.domain.errors import InvalidRequest, UpstreamError
from turnpike.domain.pricing import Pricing
from turnpike.providers.folding import completion_of
from turnpike.providers.mistral.adapter import MistralAdapter, build_adapter

from tests.replay.recordings import find

USER = {"role": "user", "content": "Hello"}
CALL = {"id": "D681PevKs", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
ASKED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "D681PevKs", "content": "24"}
PDF = "data:application/pdf;base64,JVBERi0xLjc="


def endpoint(*parameters: str, model: str = "mistral-medium-3-5") -> Endpoint:
    return Endpoint(
        model_id="mistralai/mistral-medium-3.5",
        provider="mistral",
        upstream_model=model,
        base_url="https://api.mistral.ai/v1/",
        pricing=Pricing(Decimal(1), Decimal(1)),
        context_length=256_000,
        supported_parameters=frozenset(parameters),
    )


def body(*messages: Any, to: Endpoint | None = None, **changes: Any) -> Any:
    values: dict[str, Any] = {"models": ("mistralai/m",), "messages": messages or (USER,), "parameters": {}}
    built = MistralAdapter("mistral").build_request(ChatRequest(**(values | changes)), to or endpoint(), "sk-secret")
    return orjson.loads(orjson.dumps(built.body))


def parameters(asked: dict[str, Any], *, to: Endpoint | None = None, **changes: Any) -> Any:
    sent = body(to=to, parameters=asked, **changes)
    return {name: value for name, value in sent.items() if name not in ("model", "messages")}


def test_a_text_with_a_gap_is_filled_in() -> None:
    asked = {
        "suffix": "return 1",
        "temperature": 0.2,
        "seed": 3,
        "stop": "\n\n",
        "frequency_penalty": 1,
        "logprobs": True,
    }
    request = ChatRequest(("mistralai/codestral",), (USER,), asked, max_tokens=20, stream=True)
    to = endpoint("suffix", "temperature", "seed", "stop", "frequency_penalty", model="codestral-2508")
    built = MistralAdapter("mistral").build_request(request, to, "sk-secret")

    assert built.url == "https://api.mistral.ai/v1/fim/completions"
    assert built.body == {
        **{"model": "codestral-2508", "prompt": "Hello", "suffix": "return 1", "stream": True},
        **{"temperature": 0.2, "random_seed": 3, "stop": ["\n\n"], "max_tokens": 20},
    }


def test_a_text_with_a_gap_takes_no_instructions() -> None:
    with pytest.raises(InvalidRequest, match="suffix: a model that fills in the middle takes no instructions"):
        body({"role": "system", "content": "Be brief."}, USER, parameters={"suffix": "return 1"})


def content(*parts: Any) -> Any:
    return body({"role": "user", "content": list(parts)})["messages"][0]["content"]


def replayed(data: bytes) -> list[Delta]:
    decoder = MistralAdapter("mistral").stream_decoder()
    return [*decoder.feed(data), *decoder.finish()]


def streamed(*messages: Any) -> list[Delta]:
    events = [{"id": "1", "choices": [{"index": 0, "delta": message}]} for message in messages]
    return replayed(b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events) + b"data: [DONE]\n\n")


def test_the_least_request() -> None:
    request = ChatRequest(models=("m",), messages=[USER], parameters={})
    built: Any = build_adapter("mistral").build_request(request, endpoint(), "sk-secret")
    assert built.url == "https://api.mistral.ai/v1/chat/completions"
    assert built.headers["authorization"] == "Bearer sk-secret"
    assert built.body == {"model": "mistral-medium-3-5", "messages": [USER]}
    assert "secret" not in repr(built)


def test_a_stream_does_not_ask_for_its_usage() -> None:
    sent = body(stream=True)
    assert sent["stream"] is True
    assert "stream_options" not in sent


def test_parameters_have_their_names_here_and_stay_in_their_ranges() -> None:
    asked = {
        "temperature": 1.9,
        "top_p": 0.5,
        "seed": -7,
        "stop": "END",
        "frequency_penalty": -1.5,
        "presence_penalty": 2.0,
        "prompt_cache_key": "k",
        "prediction": {"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    }
    assert parameters(asked, max_tokens=100) == {
        "temperature": 1.5,
        "top_p": 0.5,
        "random_seed": 7,
        "stop": ["END"],
        "frequency_penalty": -1.5,
        "presence_penalty": 2.0,
        "prompt_cache_key": "k",
        "prediction": {"type": "content", "content": "ab"},
        "response_format": asked["response_format"],
        "max_tokens": 100,
    }


def test_greedy_sampling_takes_everything_into_account() -> None:
    assert parameters({"temperature": 0, "top_p": 0.9}) == {"temperature": 0, "top_p": 1}


def test_what_mistral_does_not_know_is_left_out() -> None:
    unknown = {
        "min_p": 0.1,
        "top_a": 0.1,
        "top_k": 3,
        "repetition_penalty": 1.1,
        "logit_bias": {"1": 1.0},
        "logprobs": True,
        "top_logprobs": 3,
        "modalities": ["text"],
        "service_tier": "flex",
        "structured_outputs": True,
        "verbosity": "low",
        "web_search_options": {},
        "response_format": {"type": "grammar", "grammar": "x"},
    }
    assert parameters(unknown, user="ada") == {}
    sent = parameters({"prompt_cache_key": "k", "prediction": {"content": "x"}, "top_p": 1}, to=endpoint("top_p"))
    assert sent == {"prompt_cache_key": "k", "top_p": 1}


@pytest.mark.parametrize("choice", ["auto", "none", "required", {"type": "function", "function": {"name": "clock"}}])
def test_tools_are_functions_with_parameters(choice: Any) -> None:
    clock = {"type": "function", "function": {"name": "clock", "strict": True, "description": "Now"}}
    sent = parameters({"tools": [clock], "tool_choice": choice, "parallel_tool_calls": False})
    (tool,) = sent["tools"]
    assert tool["function"] == {**clock["function"], "parameters": {"type": "object", "properties": {}}}  # type: ignore[dict-item]
    assert (sent["tool_choice"], sent["parallel_tool_calls"]) == (choice, False)
    assert parameters({"tool_choice": choice}) == {}


@pytest.mark.parametrize(
    ("model", "reasoning", "sent"),
    [
        ("mistral-medium-3-5", {"effort": "none"}, {"reasoning_effort": "none"}),
        ("mistral-medium-3-5", {"effort": "minimal"}, {"reasoning_effort": "high"}),
        ("mistral-small-latest", {"enabled": True}, {"reasoning_effort": "high"}),
        ("mistral-small-latest", {"max_tokens": 100}, {"reasoning_effort": "high"}),
        ("mistral-large-4-0", {"effort": "low"}, {"reasoning_effort": "low"}),
        ("mistral-large-4-0", {"effort": "max"}, {"reasoning_effort": "high"}),
        ("zai-glm-5-2", {"effort": "none"}, {"reasoning_effort": "low"}),
        ("zai-glm-5-2", {"effort": "xhigh"}, {"reasoning_effort": "max"}),
        ("magistral-medium-2509", {"effort": "low"}, {"prompt_mode": "reasoning"}),
        ("magistral-medium-2509", {"effort": "none"}, {"prompt_mode": None}),
        ("magistral-medium-latest", {"effort": "low"}, {"reasoning_effort": "high"}),
        ("mistral-medium-3-5", {"exclude": True}, {}),
    ],
)
def test_every_family_is_asked_to_reason_in_its_own_words(model: str, reasoning: Any, sent: Any) -> None:
    assert parameters({"reasoning": reasoning}, to=endpoint(model=model)) == sent


def test_a_model_that_does_not_reason_is_not_asked_to() -> None:
    assert parameters({"reasoning": {"effort": "none"}}, to=endpoint("temperature")) == {}


def test_images_come_by_address_or_as_data() -> None:
    data = "data:image/png;base64,aWNvbg=="
    assert content(
        {"type": "text", "text": "Look", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "original"}},
        {"type": "image_url", "image_url": {"url": data}},
        {"type": "file", "file": {"filename": "a.png", "file_data": data}},
    ) == [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "high"}},
        {"type": "image_url", "image_url": {"url": data}},
        {"type": "image_url", "image_url": {"url": data}},
    ]


def test_files_are_documents_and_sound_is_data() -> None:
    text = base64.b64encode("é".encode()).decode()
    assert content(
        {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}},
        {"type": "file", "file": {"file_data": "https://example.com/b.pdf"}},
        {"type": "file", "file": {"file_data": "JVBERi0xLjc="}},
        {"type": "file", "file": {"file_id": "f-1"}},
        {"type": "file", "file": {"filename": "c.txt", "file_data": f"data:text/plain;base64,{text}"}},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
    ) == [
        {"type": "document_url", "document_url": PDF, "document_name": "a.pdf"},
        {"type": "document_url", "document_url": "https://example.com/b.pdf"},
        {"type": "document_url", "document_url": PDF},
        {"type": "file", "file_id": "f-1"},
        {"type": "text", "text": "c.txt\n\né"},
        {"type": "input_audio", "input_audio": "UklGRg=="},
    ]
    with pytest.raises(InvalidRequest):
        content({"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}})


def test_images_and_files_are_fetched_by_mistral() -> None:
    kinds = ("image_url", "file", "video_url")
    assert [MistralAdapter("mistral").fetches(kind, "https://example.com") for kind in kinds] == [True, True, False]


def test_names_and_roles_that_mistral_has_not() -> None:
    parts = [{"type": "text", "text": "Hi"}]
    sent = body(
        {"role": "developer", "name": "us", "content": "Be brief."},
        {"role": "user", "name": "Ada", "content": "Hello"},
        {"role": "user", "name": "Ada", "content": parts},
    )["messages"]
    assert sent == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Ada: Hello"},
        {"role": "user", "content": [{"type": "text", "text": "Ada:"}, *parts]},
    ]


def test_calls_have_short_ids_that_still_match_and_results_their_name() -> None:
    foreign = {**CALL, "id": "toolu_01D7FLrfh4GYq7yT1ULFeyMV"}
    asked = {"role": "assistant", "content": "", "tool_calls": [foreign, CALL]}
    results = [{**RESULT, "tool_call_id": foreign["id"]}, RESULT]
    _, calls, first, second = body(USER, asked, *results)["messages"]
    short = calls["tool_calls"][0]["id"]
    assert len(short) == 9
    assert short.isalnum()
    assert first == {"role": "tool", "name": "weather", "tool_call_id": short, "content": "24"}
    assert second["tool_call_id"] == calls["tool_calls"][1]["id"] == "D681PevKs"
    assert "name" not in body(USER, RESULT)["messages"][1]


def test_after_a_result_the_model_speaks_first() -> None:
    assert [message["role"] for message in body(USER, ASKED, RESULT, USER)["messages"]] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]
    assert len(body(USER, ASKED, RESULT, {"role": "assistant", "content": "24"}, USER)["messages"]) == 5


@pytest.mark.parametrize("content", [None, "", []])
def test_an_answer_that_says_nothing_is_left_out(content: Any) -> None:
    silent = {"role": "assistant", "content": content}
    assert body(USER, silent, USER)["messages"] == [USER, USER]
    roles = [message["role"] for message in body(USER, ASKED, RESULT, silent, USER)["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant", "user"]


def test_a_beginning_is_to_be_continued() -> None:
    beginning = {"role": "assistant", "content": "Once"}
    assert body(USER, beginning)["messages"][1] == {**beginning, "prefix": True}
    assert "prefix" not in body(USER, beginning, USER)["messages"][1]
    assert "prefix" not in body(USER, ASKED)["messages"][1]


@pytest.mark.parametrize("merged", [True, False])
def test_thoughts_go_back_as_they_came(*, merged: bool) -> None:
    deltas = replayed(find("mistral/mistral_interleaved[0]").body)
    message = dict(completion_of(deltas).choices[0].message)
    if not merged:
        message["reasoning_details"] = [each for delta in deltas for each in delta.reasoning_details or ()]
    answered = {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "One."}], "closed": True, "signature": "c2ln"},
            {"type": "thinking", "thinking": [{"type": "text", "text": "Two."}], "closed": True},
            {"type": "text", "text": "ABC"},
        ],
    }
    assert body(USER, message, USER)["messages"] == [USER, answered, USER]
    assert body(USER, message, USER, to=endpoint("tools"))["messages"][1] == {"role": "assistant", "content": "ABC"}


def test_thoughts_before_a_call_and_of_others_go_back() -> None:
    message = MistralAdapter("mistral").parse_completion(find("mistral/mistral_thinking[1]").body).choices[0].message
    sent = body(USER, message, {**RESULT, "tool_call_id": "D681PevKs"})["messages"][1]
    assert sent["content"] == [
        {
            "type": "thinking",
            "thinking": [{"type": "text", "text": "I look it up."}],
            "closed": True,
            "signature": "c2ln",
        }
    ]
    assert sent["tool_calls"][0]["id"] == "D681PevKs"
    other = {"role": "assistant", "content": [{"type": "text", "text": "24"}], "reasoning_content": "Hm."}
    thought, words = body(USER, other, USER)["messages"][1]["content"]
    assert (thought["thinking"][0]["text"], words) == ("Hm.", {"type": "text", "text": "24"})


def test_the_recorded_second_turn_is_what_we_send() -> None:
    recorded = find("mistral/test_mistral_history_uses_prompt_cache[1]").request
    assert recorded is not None
    system, first, answer, second = recorded["body"]["messages"]
    asked = {"role": "assistant", "content": answer["content"]}
    key = recorded["body"]["prompt_cache_key"]
    sent = body(system, first, asked, second, parameters={"prompt_cache_key": key, "top_p": 1.0})
    defaults = ("model", "messages", "n", "stream")
    assert {**sent, "messages": [], "model": ""} == {
        "messages": [],
        "model": "",
        **{name: value for name, value in recorded["body"].items() if value is not None and name not in defaults},
    }
    spared = {name: value for name, value in answer.items() if value}
    assert sent["messages"] == [system, first, spared, second]


def test_references_are_annotations_of_the_words_before_them() -> None:
    message = completion_of(replayed(find("mistral/mistral_references[0]").body)).choices[0].message
    cited = [each["url_citation"] for each in message["annotations"]]
    assert [(each["url"], message["content"][each["start_index"] : each["end_index"]]) for each in cited] == [
        ("0", "Nobel was awarded"),
        ("3", "Nobel was awarded"),
        ("https://example.com/prize", " in 2024"),
    ]
    assert (cited[2]["title"], cited[2]["content"]) == ("Prize", "All of it.")


def test_the_service_tier_stands_in_the_usage() -> None:
    name = "mistral/chat_mistral_hybrid_reasoning_streams_thinking_separately_from_content[0]"
    assert completion_of(replayed(find(name).body)).service_tier == "standard"


def test_a_call_without_an_id_gets_one() -> None:
    calls = [{"id": "null", "function": {"name": name, "arguments": ""}} for name in ("weather", "clock")]
    message = completion_of(streamed({"role": "assistant", "content": "", "tool_calls": calls})).choices[0].message
    ids = [call["id"] for call in message["tool_calls"]]
    assert len({*ids, "null"}) == 3
    assert [call["function"]["arguments"] for call in message["tool_calls"]] == ["{}", "{}"]


def test_words_between_thoughts_part_them() -> None:
    def thought(text: str) -> Any:
        return {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}], "closed": True}]}

    deltas = streamed(thought("A"), thought("B"), {"content": "so"}, thought("C"))
    details = completion_of(deltas).choices[0].message["reasoning_details"]
    assert [(detail["text"], detail["index"]) for detail in details] == [("AB", 0), ("C", 1)]


def test_each_reference_is_of_its_own_words() -> None:
    words = [
        {"type": "text", "text": "One, "},
        {"type": "reference", "reference_ids": [7]},
        {"type": "text", "text": "two."},
        {"type": "reference", "reference_ids": [8]},
    ]
    message = completion_of(streamed({"content": "First: "}, {"content": words})).choices[0].message
    cited = [each["url_citation"] for each in message["annotations"]]
    assert [message["content"][each["start_index"] : each["end_index"]] for each in cited] == ["One, ", "two."]


def test_thoughts_in_pieces_of_other_kinds() -> None:
    pieces = [{"type": "text", "text": "A"}, {"type": "reference", "reference_ids": [1]}, {"type": "text", "text": "B"}]
    deltas = streamed({"content": [{"type": "thinking", "thinking": pieces}, {"type": "unheard of", "value": 1}]})
    assert completion_of(deltas).choices[0].message["reasoning"] == "AB"


@pytest.mark.parametrize(
    "junk",
    [b"", b"[]", b"{}", b"null", b'{"choices":[]}', b'{"choices":[{}]}', b'{"choices":[{"message":3}]}', b"<html>"],
)
def test_a_body_that_is_no_answer(junk: bytes) -> None:
    with pytest.raises(UpstreamError) as raised:
        MistralAdapter("mistral").parse_completion(junk)
    assert raised.value.retryable


SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=4)
MEMBERS = st.sampled_from(["type", "content", "text", "thinking", "tool_calls", "id", "function", "reference_ids"])
JUNK = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=4))


@given(st.lists(JUNK, max_size=4))
def test_no_junk_breaks_the_decoder(messages: list[Any]) -> None:
    deltas = streamed(*messages)
    # The end is told, so that what could be read may be a whole answer.
    assert all(delta.error is None for delta in deltas[:-1])


@given(JUNK)
def test_no_junk_breaks_the_reading_of_a_whole_answer(junk: Any) -> None:
    with contextlib.suppress(UpstreamError):
        MistralAdapter("mistral").parse_completion(json.dumps({"choices": [{"message": junk}]}).encode())
