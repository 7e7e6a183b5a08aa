"""What is sent to each provider, and how odd answers are read. Ordinary answers are replayed, in tests/replay."""

import contextlib
from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnpike.domain.catalog import Endpoint, Provider
from turnpike.domain.chat import ChatRequest, Completion, Delta, Usage
from turnpike.domain.errors import UpstreamError
from turnpike.domain.pricing import Pricing
from turnpike.ports.wires import ProviderAdapter
from turnpike.providers.openai_compatible.adapter import OpenAICompatibleAdapter
from turnpike.providers.openai_compatible.quirks import QUIRKS, quirks_of
from turnpike.providers.openai_compatible.wire import citations_of, usage_of
from turnpike.providers.registry import adapter_for

WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
CALL = {"id": "call_1234567890", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
USER = {"role": "user", "content": "Hello"}


def endpoint(provider: str = "openai", *parameters: str, model: str = "chat-1") -> Endpoint:
    return Endpoint(
        model_id="acme/chat",
        provider=provider,
        upstream_model=model,
        base_url="https://api.test/v1",
        pricing=Pricing(Decimal(1), Decimal(1)),
        context_length=1000,
        supported_parameters=frozenset(parameters),
    )


def request(*messages: dict[str, Any], **changes: Any) -> ChatRequest:
    values: dict[str, Any] = {"models": ("acme/chat",), "messages": messages or (USER,), "parameters": {}}
    return ChatRequest(**(values | changes))


def adapter(provider: str = "openai") -> OpenAICompatibleAdapter:
    return OpenAICompatibleAdapter(provider, quirks_of(provider))


def body(provider: str, asked: ChatRequest, *parameters: str, model: str = "chat-1") -> Any:
    built = adapter(provider).build_request(asked, endpoint(provider, *parameters, model=model), "sk-secret")
    return orjson.loads(orjson.dumps(built.body))


def messages(provider: str, *given: dict[str, Any]) -> Any:
    return body(provider, request(*given))["messages"]


def test_the_least_request() -> None:
    built: Any = adapter().build_request(request(), endpoint(), "sk-secret")
    assert built.url == "https://api.test/v1/chat/completions"
    assert built.headers["authorization"] == "Bearer sk-secret"
    assert built.body == {"model": "chat-1", "messages": [USER]}


def test_text_alone_is_said_only_to_those_who_know_the_word() -> None:
    asked = request(parameters={"modalities": ["text"]})
    assert body("openrouter", asked)["modalities"] == body("demo", asked, "modalities")["modalities"] == ["text"]
    assert "modalities" not in body("openai", asked)


def test_of_a_narrowed_choice_the_tools_are_sent_that_may_be_called() -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in ("c", "b", "a")]
    named = [{"type": "function", "function": {"name": name}} for name in ("a", "c")]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": named}}
    asked = request(parameters={"tools": tools, "tool_choice": choice})
    sent = body("groq", asked, "tools", "tool_choice")
    assert ([tool["function"]["name"] for tool in sent["tools"]], sent["tool_choice"]) == (["c", "a"], "required")
    # Also by an endpoint that lets nobody choose.
    sent = body("groq", asked, "tools")
    assert ([tool["function"]["name"] for tool in sent["tools"]], "tool_choice" in sent) == (["c", "a"], False)


def test_an_address_may_end_with_a_slash() -> None:
    slashed = replace(endpoint(), base_url="https://api.test/v1/")
    assert adapter().build_request(request(), slashed, "k").url == "https://api.test/v1/chat/completions"


def test_a_built_request_shows_no_secrets() -> None:
    asked = request({"role": "user", "content": "my diagnosis"})
    shown = repr(adapter().build_request(asked, endpoint(), "sk-secret"))
    assert "secret" not in shown
    assert "diagnosis" not in shown


@pytest.mark.parametrize("provider", [*QUIRKS, "somebody-else"])
def test_a_stream_asks_for_its_usage_where_that_is_understood(provider: str) -> None:
    sent = body(provider, request(stream=True))
    assert sent["stream"] is True
    asks = provider != "perplexity"
    assert sent.get("stream_options") == ({"include_usage": True} if asks else None)
    assert "stream" not in body(provider, request())


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("openai", "max_completion_tokens"),
        ("groq", "max_completion_tokens"),
        ("xai", "max_completion_tokens"),
        ("deepseek", "max_tokens"),
        ("together", "max_tokens"),
        ("fireworks", "max_tokens"),
        ("cerebras", "max_completion_tokens"),
        ("moonshotai", "max_completion_tokens"),
        ("z-ai", "max_tokens"),
        ("alibaba", "max_tokens"),
        ("openrouter", "max_tokens"),
        ("somebody-else", "max_tokens"),
    ],
)
def test_the_token_limit_has_the_providers_name(provider: str, name: str) -> None:
    sent = body(provider, request(max_tokens=100), "temperature")
    assert {key: value for key, value in sent.items() if key.startswith("max_")} == {name: 100}


def test_what_an_endpoint_does_not_list_is_dropped() -> None:
    asked = request(parameters={"temperature": 1, "top_k": 5, "prompt_cache_key": "k"}, user="u")
    assert body("openai", asked, "temperature").keys() == {
        "model",
        "messages",
        "temperature",
        "prompt_cache_key",
        "user",
    }
    assert "prompt_cache_key" not in body("deepseek", asked, "temperature")
    assert body("openai", asked)["top_k"] == 5


def test_tool_parameters_need_tools() -> None:
    parameters = {"tools": [WEATHER], "tool_choice": "auto", "parallel_tool_calls": True}
    assert body("openai", request(parameters=parameters)).keys() >= set(parameters)
    assert not body("openai", request(parameters=parameters), "tool_choice", "parallel_tool_calls").keys() & set(
        parameters
    )


def test_other_parameters_are_said_as_the_provider_says_them() -> None:
    asked = request(parameters={"seed": 1, "stop": "END", "logit_bias": {"1": 1}, "structured_outputs": True}, user="u")
    assert "logit_bias" not in body("groq", asked)
    assert body("openai", asked).keys() == {"model", "messages", "seed", "stop", "logit_bias", "user"}
    assert body("openrouter", asked)["structured_outputs"] is True


@pytest.mark.parametrize(
    ("provider", "reasoning", "sent"),
    [
        ("openai", {"effort": "high"}, {"reasoning_effort": "high"}),
        ("openai", {"effort": "max"}, {"reasoning_effort": "xhigh"}),
        ("openai", {"effort": "none"}, {"reasoning_effort": "none"}),
        ("openai", {"enabled": True}, {"reasoning_effort": "medium"}),
        ("openai", {"enabled": False}, {"reasoning_effort": "none"}),
        ("openai", {"exclude": True}, {}),
        ("openai", {"max_tokens": 80}, {"reasoning_effort": "high"}),
        ("openai", {"max_tokens": 5}, {"reasoning_effort": "low"}),
        ("groq", {"effort": "xhigh"}, {"reasoning_effort": "high", "include_reasoning": True}),
        ("groq", {"effort": "low", "exclude": True}, {"reasoning_effort": "low", "include_reasoning": False}),
        ("deepseek", {"effort": "max"}, {"thinking": {"type": "enabled"}, "reasoning_effort": "max"}),
        ("deepseek", {"effort": "none"}, {"thinking": {"type": "disabled"}}),
        ("xai", {"effort": "minimal"}, {"reasoning_effort": "low"}),
        ("together", {"effort": "medium"}, {"reasoning": {"enabled": True}, "reasoning_effort": "medium"}),
        ("together", {"enabled": False}, {"reasoning": {"enabled": False}}),
        ("fireworks", {"effort": "max"}, {"reasoning_effort": "high"}),
        ("cerebras", {"effort": "minimal"}, {"reasoning_effort": "low"}),
        ("cerebras", {"effort": "none"}, {"reasoning_effort": "low"}),
        ("z-ai", {"effort": "medium"}, {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
        ("z-ai", {"enabled": False}, {"thinking": {"type": "disabled"}}),
        ("moonshotai", {"effort": "high"}, {"thinking": {"type": "enabled"}}),
        ("moonshotai", {"effort": "none"}, {"thinking": {"type": "disabled"}}),
        ("alibaba", {"effort": "high"}, {"enable_thinking": True}),
        ("alibaba", {"max_tokens": 80}, {"enable_thinking": True, "thinking_budget": 80}),
        ("alibaba", {"enabled": False}, {"enable_thinking": False}),
        ("openrouter", {"effort": "max", "exclude": True}, {"reasoning": {"effort": "max", "exclude": True}}),
        ("somebody-else", {"effort": "minimal"}, {"reasoning_effort": "minimal"}),
    ],
)
def test_reasoning_is_asked_for_as_the_provider_wants(provider: str, reasoning: Any, sent: Any) -> None:
    asked = request(parameters={"reasoning": reasoning}, max_tokens=100)
    built = body(provider, asked, "reasoning")
    about = {
        "reasoning",
        "reasoning_effort",
        "thinking",
        "include_reasoning",
        "enable_thinking",
        "thinking_budget",
    }
    assert {key: value for key, value in built.items() if key in about} == sent
    assert not about & body(provider, asked, "temperature").keys()


def test_sampling_that_is_fixed_or_narrower_is_not_asked_for_otherwise() -> None:
    asked = request(parameters={"temperature": 1.7, "top_p": 0.5, "seed": 1})
    assert body("z-ai", asked)["temperature"] == 1.0
    old, new = (body("moonshotai", asked, model=model) for model in ("kimi-k2-0905-preview", "kimi-k2.6"))
    assert (old["temperature"], old["top_p"]) == (1.0, 0.5)
    assert new.keys() & {"temperature", "top_p", "seed"} == {"seed"}
    assert body("openai", asked)["temperature"] == 1.7


@pytest.mark.parametrize(
    ("choice", "sent"),
    [("auto", {"tools"}), ("required", {"tools"}), ("none", set()), ({"type": "function"}, {"tools"})],
)
def test_tools_cannot_be_forced_where_only_auto_is_known(choice: Any, sent: set[str]) -> None:
    asked = request(parameters={"tools": [WEATHER], "tool_choice": choice})
    assert body("z-ai", asked).keys() & {"tools", "tool_choice"} == sent
    assert body("moonshotai", asked)["tool_choice"] == choice


@pytest.mark.parametrize(
    ("model", "stream", "asks"),
    [("glm-4.6", True, True), ("glm-5.1", True, True), ("glm-4.5", True, None), ("glm-5", False, None)],
)
def test_calls_are_streamed_where_that_has_to_be_asked_for(model: str, stream: bool, asks: bool | None) -> None:
    asked = request(parameters={"tools": [WEATHER]}, stream=stream)
    assert body("z-ai", asked, model=model).get("tool_stream") is asks
    assert "tool_stream" not in body("z-ai", request(stream=stream), model=model)


@pytest.mark.parametrize(
    ("model", "stream", "expected"),
    [
        ("qwen3-14b", False, False),
        ("qwen3-235b-a22b", False, False),
        ("qwen3-14b", True, True),
        ("qwen3.5-27b", False, True),
        ("qwen3-max", False, True),
    ],
)
def test_models_that_reason_in_streams_alone_are_told_not_to_elsewhere(
    model: str, stream: bool, expected: bool
) -> None:
    asked = request(parameters={"reasoning": {"max_tokens": 500}}, stream=stream)
    sent = body("alibaba", asked, "reasoning", model=model)
    assert (sent["enable_thinking"], "thinking_budget" in sent) == (expected, expected)
    plain = body("alibaba", request(stream=stream), "reasoning", model=model)
    assert plain.get("enable_thinking") == (None if expected else False)


def test_a_budget_without_a_limit_to_compare_it_with_is_medium() -> None:
    sent = body("openai", request(parameters={"reasoning": {"max_tokens": 5000}}))
    assert sent["reasoning_effort"] == "medium"


def test_openrouter_gets_the_conversation_untouched() -> None:
    marked = {
        "role": "assistant",
        "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}],
        "reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}],
        "model": "acme/chat",
    }
    assert messages("openrouter", {"role": "developer", "content": "Be brief"}, marked)[1] == marked
    assert body("openrouter", request())["usage"] == {"include": True}
    assert "usage" not in body("openai", request())


@pytest.mark.parametrize("provider", [each for each in QUIRKS if each != "openrouter"])
def test_openrouters_own_members_are_left_out(provider: str) -> None:
    sent = messages(
        provider,
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look", "cache_control": {"type": "ephemeral"}},
                {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "original"}},
            ],
        },
        {
            "role": "assistant",
            "content": "Nice",
            "annotations": [],
            "images": [{"image_url": {"url": "data:"}}],
            "model": "m",
            "reasoning": "Hm",
            "reasoning_details": [],
        },
        USER,
    )
    assert sent[0]["content"] == [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "high"}},
    ]
    kept = {"reasoning_content": "Hm"} if provider in ("fireworks", "z-ai") else {}
    assert sent[1] == {"role": "assistant", "content": "Nice", **kept}


def test_developers_are_the_system_where_there_are_none() -> None:
    told = {"role": "developer", "content": "Be brief"}
    assert messages("openai", told)[0]["role"] == "developer"
    assert messages("deepseek", told)[0]["role"] == "system"


def test_names_go_into_the_text_where_there_are_none() -> None:
    plain = {"role": "user", "name": "Ada", "content": "Hello"}
    in_parts = {"role": "user", "name": "Ada", "content": [{"type": "text", "text": "Hello"}]}
    assert messages("openai", plain)[0] == plain
    assert messages("groq", plain)[0] == {"role": "user", "content": "Ada: Hello"}
    assert messages("groq", in_parts)[0]["content"][0] == {"type": "text", "text": "Ada:"}


def test_text_in_parts_becomes_one_where_that_is_refused() -> None:
    parts = {"role": "user", "content": [{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}]}
    assert messages("deepseek", parts)[0]["content"] == "One\nTwo"
    assert messages("groq", parts)[0] == parts


def test_what_tools_show_follows_their_results() -> None:
    called = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    image = {"type": "image_url", "image_url": {"url": "https://a.test/i.png"}}
    texts = [{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}]

    def result(*parts: Any) -> dict[str, Any]:
        return {"role": "tool", "tool_call_id": CALL["id"], "content": list(parts)}

    sent = messages("openai", USER, called, result(texts[0], image, texts[1]), result(texts[0]), USER)
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool", "user", "user"]
    assert [message["content"] for message in sent[2:4]] == ["One\nTwo", "One"]
    assert sent[4]["content"] == [
        {"type": "text", "text": "What the tool call call_1234567890 returned:"},
        image,
    ]
    assert messages("groq", USER, called, result(image))[-1]["content"][1] == image


def test_a_refusal_is_handed_back_as_content_where_there_is_no_member_for_it() -> None:
    refused = {"role": "assistant", "content": None, "refusal": "No"}
    assert messages("openai", USER, refused, USER)[1] == refused
    assert messages("groq", USER, refused, USER)[1] == {"role": "assistant", "content": "No"}


@pytest.mark.parametrize("content", [None, "", []])
def test_an_answer_that_says_nothing_is_left_out(content: Any) -> None:
    """As one that was cut off in its thoughts, or was an image alone."""
    silent = {"role": "assistant", "content": content, "reasoning": "Hm", "images": [{"image_url": {"url": "data:"}}]}
    for provider in ("openai", "groq", "deepseek"):
        assert messages(provider, USER, silent, USER) == [USER, USER]
    assert messages("openrouter", USER, silent, USER)[1] == silent
    assert len(messages("openai", USER, {**silent, "refusal": "No"}, USER)) == 3


def test_reasoning_is_handed_back_to_deepseek_where_tools_were_called() -> None:
    called = {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning": "Let me look"}
    result = {"role": "tool", "tool_call_id": CALL["id"], "content": "Sunny"}
    answered = {"role": "assistant", "content": "It is sunny"}
    sent = messages("deepseek", USER, called, result, answered, USER)
    assert [message.get("reasoning_content") for message in sent] == [None, "Let me look", None, "", None]
    detailed = {**called, "reasoning": None, "reasoning_details": [{"type": "reasoning.text", "text": "Look"}]}
    assert messages("deepseek", USER, detailed, result)[1]["reasoning_content"] == "Look"
    assert "reasoning_content" not in messages("deepseek", USER, {**answered, "reasoning": "Hm"}, USER)[1]
    assert messages("moonshotai", USER, {**called, "reasoning": None}, result)[1]["reasoning_content"] == ""
    assert messages("z-ai", USER, called, result)[1]["reasoning_content"] == "Let me look"


def test_images_go_as_data_where_no_address_is_taken() -> None:
    url = "https://x.test/a.png"
    assert [adapter(each).fetches("image_url", url) for each in ("moonshotai", "z-ai", "alibaba")] == [
        False,
        True,
        True,
    ]


def stream(*chunks: Any, provider: str = "openai", done: bool = True) -> list[Delta]:
    decoder = adapter(provider).stream_decoder()
    deltas: list[Delta] = []
    for chunk in chunks:
        data = chunk if isinstance(chunk, bytes) else b"data: " + orjson.dumps(chunk) + b"\n\n"
        deltas += decoder.feed(data)
    if done:
        deltas += decoder.feed(b"data: [DONE]\n\n")
    return deltas + decoder.finish()


def piece(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"id": "c1", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def calls(deltas: list[Delta]) -> list[Any]:
    return [fragment for delta in deltas for fragment in delta.tool_calls or ()]


@pytest.mark.parametrize(
    ("native", "reason"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("model_length", "length"),
        ("content_filter", "content_filter"),
        ("function_call", "tool_calls"),
        ("STOP", "stop"),
        ("something new", "stop"),
    ],
)
def test_finish_reasons(native: str, reason: str) -> None:
    finished = stream(piece(content="Hi"), piece(native))[-1]
    assert (finished.finish_reason, finished.native_finish_reason) == (reason, native)


def test_a_stop_after_tool_calls_means_that_they_wait_for_their_results() -> None:
    called = piece(tool_calls=[{"index": 0, **CALL}])
    assert stream(called, piece("stop"))[-1].finish_reason == "tool_calls"
    assert stream(called, piece("length"))[-1].finish_reason == "length"


def test_an_answer_that_ends_without_saying_how_has_stopped() -> None:
    assert [delta.finish_reason for delta in stream(piece(content="Hi"))] == [None, "stop"]
    assert stream(piece(role="assistant", content=""))[-1].finish_reason is None


def test_a_second_finish_reason_is_not_one() -> None:
    deltas = stream(piece(content="Hi"), piece("stop"), piece("stop", content=""))
    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == ["stop"]


def test_calls_with_one_index_for_all_are_told_apart() -> None:
    first = {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x":1}'}}
    second = {"index": 0, "id": "b", "function": {"name": "g", "arguments": None}}
    more = {"index": 0, "function": {"name": "", "arguments": '{"y":2}'}}
    assert calls(stream(piece(tool_calls=[first]), piece(tool_calls=[second]), piece(tool_calls=[more]))) == [
        {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
        {"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": ""}},
        {"index": 1, "function": {"arguments": '{"y":2}'}},
    ]


def test_calls_that_repeat_who_they_are_stay_one() -> None:
    fragment = {"index": 3, "id": "a", "type": "function", "function": {"name": "f", "arguments": "1"}}
    assert calls(stream(*[piece(tool_calls=[fragment])] * 2)) == [
        {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "1"}},
        {"index": 0, "function": {"arguments": "1"}},
    ]


@pytest.mark.parametrize("missing", [{}, {"id": None}, {"id": ""}])
def test_a_call_without_an_id_gets_one(missing: dict[str, Any]) -> None:
    fragments = calls(stream(piece(tool_calls=[{**missing, "function": {"name": "f"}}, {"function": {"name": "g"}}])))
    assert [fragment["index"] for fragment in fragments[:2]] == [0, 1]
    assert all(fragment["id"].startswith("call_") for fragment in fragments[:2])
    assert fragments[0]["id"] != fragments[1]["id"]


def test_a_call_that_never_gets_arguments_has_an_empty_object() -> None:
    begun = piece(tool_calls=[{"index": 0, "id": "a", "function": {"name": "now", "arguments": ""}}])
    deltas = stream(begun, piece("tool_calls"))
    assert calls(deltas)[-1] == {"index": 0, "function": {"arguments": "{}"}}
    assert deltas[-1].finish_reason == "tool_calls"
    assert calls(stream(begun))[-1] == {"index": 0, "function": {"arguments": "{}"}}


def test_structured_reasoning_is_passed_on_as_it_is() -> None:
    details = [{"type": "reasoning.encrypted", "data": "x", "format": "openai-responses-v1", "index": 0}]
    deltas = stream(piece(reasoning_details=details), piece(reasoning="Hm", reasoning_details=details), piece("stop"))
    assert [delta.reasoning_details for delta in deltas[:2]] == [details, details]


def test_reasoning_that_comes_twice_is_taken_once() -> None:
    assert stream(piece(reasoning="Hm", reasoning_content="Hm"), piece("stop"))[0].reasoning == "Hm"


def test_images_audio_and_annotations_are_passed_on() -> None:
    images = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]
    assert stream(piece(images=images), piece("stop"))[0].extra == {"images": images}


def test_several_choices_are_kept_apart() -> None:
    both = {"choices": [{"index": index, "delta": {"content": str(index)}} for index in (0, 1)]}
    ends: list[Any] = [{"choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]} for index in (1, 0)]
    deltas = stream(both, *ends)
    assert [(delta.index, delta.content, delta.finish_reason) for delta in deltas] == [
        (0, "0", None),
        (1, "1", None),
        (1, None, "stop"),
        (0, None, "stop"),
    ]
    assert stream(both, ends[0], done=False)[-1].error


def test_the_tier_may_come_last() -> None:
    deltas = stream(
        piece(content="Hi"), piece("stop"), {"choices": [], "usage": {"prompt_tokens": 1}, "service_tier": "flex"}
    )
    assert [delta.service_tier for delta in deltas if delta.service_tier] == ["flex"]


def test_sources_become_annotations() -> None:
    cited = {"citations": ["https://a.test"], "search_results": [{"url": "https://a.test", "title": "A"}]}
    annotation = {
        "type": "url_citation",
        "url_citation": {"url": "https://a.test", "title": "A", "start_index": 0, "end_index": 0},
    }
    deltas = stream({**piece(content="Hi"), **cited}, {**piece("stop"), **cited}, provider="perplexity")
    assert [delta.extra for delta in deltas if delta.extra] == [{"annotations": [annotation]}]


@pytest.mark.parametrize(
    ("given", "usage"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 2}, Usage(3, 2)),
        ({"prompt_tokens": None, "completion_tokens": "x", "prompt_tokens_details": None}, Usage()),
        ({"prompt_tokens": 9, "completion_tokens": 2, "prompt_cache_hit_tokens": 4}, Usage(9, 2, cached_tokens=4)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 2,
                "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
            },
            Usage(9, 2, cached_tokens=4, cache_write_tokens=3),
        ),
        # Reasoning counted beside the completion.
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 2,
                "total_tokens": 16,
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            Usage(9, 7, reasoning_tokens=5),
        ),
        # And in it.
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 7,
                "total_tokens": 16,
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            Usage(9, 7, reasoning_tokens=5),
        ),
        # Perplexity's: reasoning beside the completion, whatever the total says, and what its searches found.
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 20,
                "total_tokens": 29,
                "citation_tokens": 100,
                "num_search_queries": 3,
                "reasoning_tokens": 5,
            },
            Usage(109, 25, reasoning_tokens=5, web_search_requests=3),
        ),
        # Cached tokens counted beside the prompt: the price of the rest must not become negative.
        ({"prompt_tokens": 2, "prompt_tokens_details": {"cached_tokens": 10}}, Usage(12, 0, cached_tokens=10)),
    ],
)
def test_usage(given: Any, usage: Usage) -> None:
    counted = stream(piece("stop", content="Hi"), {"choices": [], "usage": given})[-1].usage
    assert counted == usage
    assert counted.cached_tokens + counted.cache_write_tokens <= counted.prompt_tokens
    assert counted.reasoning_tokens <= counted.completion_tokens


def test_usage_in_every_chunk_is_given_out_once() -> None:
    deltas = stream(*[{**piece(content="x"), "usage": {"prompt_tokens": 1, "completion_tokens": n}} for n in (1, 2, 3)])
    assert [delta.usage for delta in deltas if delta.usage] == [Usage(1, 3)]


def failed(deltas: list[Delta]) -> UpstreamError:
    error = deltas[-1].error
    assert isinstance(error, UpstreamError)
    assert not any(delta.error for delta in deltas[:-1])
    return error


@pytest.mark.parametrize(
    "junk",
    [
        b"data: <html>\n\n",
        b"data: [1]\n\n",
        b"data: null\n\n",
        b'data: {"choices": 1}\n\n',
        b'data: {"choices": [1]}\n\n',
        b'data: {"choices": [{"delta": "x"}]}\n\n',
        b'data: {"choices": [{"delta": {"content": 1}}]}\n\n',
        b'data: {"choices": [{"delta": {"content": {"a": 1}, "tool_calls": 7}}]}\n\n',
        b"<html>Bad gateway</html>",
        b"",
        b": keep-alive\n\n",
        b'{"choices": [{"message": {"content": "not a stream"}}]}',
    ],
)
def test_junk_is_the_providers_fault(junk: bytes) -> None:
    error = failed(stream(junk, done=False))
    assert (error.error_type, error.retryable) == ("provider_unavailable", True)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


def member(*names: str, of: st.SearchStrategy[Any] = _JSON) -> st.SearchStrategy[Any]:
    return _JSON | st.dictionaries(st.sampled_from(names), of | _JSON, max_size=4)


_CALLS = st.lists(member("index", "id", "type", "function", of=member("name", "arguments")), max_size=3)
_MESSAGE = member(
    "content",
    "reasoning",
    "reasoning_content",
    "reasoning_details",
    "tool_calls",
    "refusal",
    "images",
    of=_CALLS | st.lists(member("type", "text", "thinking", "signature"), max_size=2),
)
_CHOICES = st.lists(member("index", "delta", "message", "finish_reason", "logprobs", "error", of=_MESSAGE), max_size=2)
_USAGE = member(
    "prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", of=member("cached_tokens")
)
_CHUNK = member(
    "id", "choices", "usage", "error", "x_groq", "service_tier", "citations", "search_results", of=_CHOICES | _USAGE
)


@given(st.lists(_CHUNK, max_size=3))
def test_no_json_breaks_a_stream(chunks: list[Any]) -> None:
    deltas = stream(*chunks)
    assert all(delta.error is None for delta in deltas[:-1])
    for delta in deltas:
        assert delta.content is None or isinstance(delta.content, str)
        assert delta.reasoning is None or isinstance(delta.reasoning, str)


@given(_CHUNK)
def test_no_json_breaks_a_whole_answer(answer: Any) -> None:
    with contextlib.suppress(UpstreamError):
        complete(answer)


def test_a_broken_character_does_not_break_an_answer() -> None:
    broken = b'data: {"choices":[{"delta":{"content":"a\xffb"},"finish_reason":"stop"}]}\n\n'
    assert stream(broken)[0].content == "a�b"


def test_an_error_instead_of_a_stream() -> None:
    answer = orjson.dumps({"error": {"message": "Overloaded", "code": 503}})
    error = failed(stream(b"\n", answer[:10], answer[10:], done=False))
    assert (error.message, error.error_type, error.upstream_status) == ("Overloaded", "provider_overloaded", 503)


def test_an_error_in_a_choice() -> None:
    broken = {"choices": [{"index": 0, "error": {"code": 502, "message": "Gone"}, "finish_reason": "error"}]}
    error = failed(stream(piece(content="Hi"), broken))
    assert (error.message, error.upstream_status) == ("Gone", 502)


def test_an_end_that_is_an_error_comes_after_its_usage() -> None:
    deltas = stream(piece(content="Hi"), piece("error"), {"choices": [], "usage": {"prompt_tokens": 1}})
    assert failed(deltas).provider_code == "error"
    assert deltas[-2].usage == Usage(1)


def test_nothing_follows_an_error() -> None:
    decoder = adapter().stream_decoder()
    deltas = decoder.feed(b'data: {"error":{"message":"No"}}\n\ndata: {"choices":[{"delta":{"content":"x"}}]}\n\n')
    assert failed(deltas).message == "No"
    assert decoder.done
    assert decoder.finish() == []


def test_an_event_without_end_is_an_error() -> None:
    decoder = adapter().stream_decoder()
    deltas = [delta for _ in range(50) for delta in decoder.feed(b"data: " + b"x" * 1_000_000)]
    assert failed(deltas).retryable


def complete(answer: Any) -> Completion:
    return adapter().parse_completion(answer if isinstance(answer, bytes) else orjson.dumps(answer))


def test_a_whole_answer() -> None:
    message = {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "H"},
            {"type": "text", "text": "i"},
        ],
        "reasoning_content": "Hm",
        "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": {"x": 1}}}, {"function": {"name": "g"}}],
        "annotations": [{"type": "url_citation"}],
        "audio": None,
    }
    choice = complete({"id": "c", "choices": [{"message": message, "finish_reason": "stop"}]}).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message["content"] == "Hi"
    assert choice.message["reasoning"] == "Hm"
    assert choice.message["reasoning_details"] == [
        {"type": "reasoning.text", "text": "Hm", "format": "unknown", "index": 0}
    ]
    assert [call["function"]["arguments"] for call in choice.message["tool_calls"]] == ['{"x":1}', "{}"]
    assert choice.message["tool_calls"][1]["id"].startswith("call_")
    assert choice.message["annotations"] == message["annotations"]
    assert "audio" not in choice.message


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"[]",
        b"1",
        {"choices": []},
        {"choices": None},
        {"choices": [{}]},
        {"choices": [{"message": None}]},
        {"choices": [{"message": {"content": "x"}, "finish_reason": "error"}]},
        {"choices": [{"message": {"tool_calls": [{}]}}]},
        {"error": "Something broke"},
    ],
)
def test_a_whole_answer_that_is_none(answer: Any) -> None:
    with pytest.raises(UpstreamError) as caught:
        complete(answer)
    assert (caught.value.error_type, caught.value.retryable) == ("provider_unavailable", True)


def test_the_registry_knows_wire_formats() -> None:
    spoken: ProviderAdapter = adapter_for(Provider("groq", "Groq", "openai_compatible", "https://x.test"))
    assert spoken == OpenAICompatibleAdapter("groq", QUIRKS["groq"])
    with pytest.raises(ValueError, match="openai_compatible"):
        adapter_for(Provider("groq", "Groq", "morse", "https://x.test"))


MARKED = {"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]}


@pytest.mark.parametrize(
    ("provider", "model", "mark"),
    [
        ("openai", "gpt-5.6", {"prompt_cache_breakpoint": {"mode": "explicit"}}),
        ("openai", "gpt-5.10-mini", {"prompt_cache_breakpoint": {"mode": "explicit"}}),
        ("openai", "gpt-6", {"prompt_cache_breakpoint": {"mode": "explicit"}}),
        ("openai", "gpt-5.4", {}),
        ("openai", "gpt-4.1", {}),
        ("groq", "gpt-5.6", {}),
    ],
)
def test_marks_for_caching_become_the_provider_s_own(provider: str, model: str, mark: Any) -> None:
    asked = request(MARKED, parameters={"prompt_cache_options": {"mode": "explicit"}})
    at = replace(endpoint(provider, "temperature"), upstream_model=model)
    built = adapter(provider).build_request(asked, at, "k").body
    assert built["messages"][0]["content"] == [{"type": "text", "text": "Hi", **mark}]
    assert ("prompt_cache_options" in built) == bool(mark)


def test_calls_without_an_index_go_on_in_their_own_places() -> None:
    def chunk(*fragments: Any) -> Any:
        return {"id": "c", "choices": [{"delta": {"tool_calls": list(fragments)}}]}

    begun = [{"id": name, "function": {"name": name, "arguments": ""}} for name in ("f", "g")]
    more = [{"function": {"arguments": arguments}} for arguments in ('{"x":1}', '{"y":2}')]
    fragments = calls(stream(chunk(*begun), chunk(*more)))
    arguments = ["".join(f["function"]["arguments"] for f in fragments if f["index"] == index) for index in (0, 1)]
    assert arguments == ['{"x":1}', '{"y":2}']


def test_usage_may_stand_under_the_choice() -> None:
    used = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    assert usage_of({"choices": [{"delta": {}, "usage": used}]}) == used
    assert usage_of({"choices": [{"delta": {}}], "usage": None}) is None


def test_search_results_are_sources_of_their_own() -> None:
    (annotation,) = citations_of({"search_results": [{"url": "https://x.test", "title": "X"}]})
    assert annotation["url_citation"]["title"] == "X"


@pytest.mark.parametrize(("provider", "kept"), [("openai", False), ("groq", False), ("openrouter", True)])
def test_marks_for_caching_on_tools_go_to_routers_alone(provider: str, kept: bool) -> None:
    marked = {**WEATHER, "cache_control": {"type": "ephemeral"}}
    assert body(provider, request(parameters={"tools": [marked]}), "tools")["tools"] == [marked if kept else WEATHER]


@pytest.mark.parametrize("provider", ["openai", "groq", "somebody-else"])
def test_a_result_that_names_its_tool_has_the_name_left_out(provider: str) -> None:
    result = {"role": "tool", "tool_call_id": "call_1234567890", "name": "weather", "content": "Sunny"}
    answer = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    assert messages(provider, USER, answer, result)[-1] == {name: result[name] for name in result if name != "name"}
