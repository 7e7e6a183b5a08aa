"""Bodies of Anthropic's Messages as canonical requests."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from turnpike.api.inference.sealing import seal
from turnpike.api.messages.parse import parse_messages_request
from turnpike.domain.chat import ChatRequest
from turnpike.domain.errors import InvalidRequest

from tests.junk import JUNK, places, with_junk

MARK = {"type": "ephemeral"}
TEXT = {"type": "text", "text": "Hello"}
USE = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}}
TOOL = {"name": "weather", "description": "Of a city", "input_schema": {"type": "object"}}


def parse(*, headers: dict[str, str] | None = None, **members: Any) -> ChatRequest:
    body = {"model": "acme/chat", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}], **members}
    return parse_messages_request(body, Headers(headers or {}))


def messages(*turns: tuple[str, Any], **members: Any) -> list[Any]:
    return list(parse(messages=[{"role": role, "content": content} for role, content in turns], **members).messages)


def refusal(**members: Any) -> str:
    with pytest.raises(InvalidRequest) as caught:
        parse(**members)
    return caught.value.message


def test_plain_turns_stay_as_they_are() -> None:
    turns = (("user", "One"), ("assistant", "Two"), ("system", "Be brief."), ("user", "Three"))
    told = messages(*turns, system="Be kind.")
    assert told == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Two"},
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Three"},
    ]


def test_marks_for_caching_stay_where_they_stand() -> None:
    use = {**USE, "cache_control": MARK}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "Sunny", "cache_control": MARK}
    marked = {**TEXT, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    request = parse(
        system=[marked],
        tools=[{**TOOL, "cache_control": MARK}],
        messages=[
            {"role": "user", "content": [marked]},
            {"role": "assistant", "content": [TEXT, {**TEXT, "cache_control": MARK}, use]},
            {"role": "user", "content": [result]},
        ],
        cache_control=MARK,
    )
    system, user, answer, told = request.messages
    assert system["content"] == user["content"] == [marked]
    assert answer["content"] == [TEXT, {**TEXT, "cache_control": MARK}]
    assert answer["tool_calls"][0]["cache_control"] == MARK
    assert told["content"] == [{"type": "text", "text": "Sunny", "cache_control": MARK}]
    assert request.parameters["tools"][0]["cache_control"] == MARK
    assert request.parameters["cache_control"] == MARK


@pytest.mark.parametrize(
    ("block", "parts"),
    [
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
            [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}],
        ),
        (
            {"type": "image", "source": {"type": "url", "url": "https://a.test/i.png"}},
            [{"type": "image_url", "image_url": {"url": "https://a.test/i.png"}}],
        ),
        (
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="}},
            [
                {
                    "type": "file",
                    "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,aGk="},
                }
            ],
        ),
        (
            {
                "type": "document",
                "title": "A",
                "context": "B",
                "source": {"type": "url", "url": "https://a.test/d.pdf"},
            },
            [
                {"type": "text", "text": "B"},
                {"type": "file", "file": {"filename": "A", "file_data": "https://a.test/d.pdf"}},
            ],
        ),
        (
            {"type": "document", "title": "A", "source": {"type": "text", "media_type": "text/plain", "data": "hi"}},
            [{"type": "text", "text": "A"}, {"type": "text", "text": "hi"}],
        ),
        (
            {"type": "document", "source": {"type": "content", "content": [TEXT, TEXT]}, "cache_control": MARK},
            [TEXT, {**TEXT, "cache_control": MARK}],
        ),
        (
            {"type": "search_result", "source": "https://a.test", "title": "A", "content": [TEXT]},
            [{"type": "text", "text": "A\nhttps://a.test\n\nHello"}],
        ),
    ],
)
def test_what_is_shown_to_a_model(block: Any, parts: Any) -> None:
    assert messages(("user", [block])) == [{"role": "user", "content": parts}]
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [block]}
    assert messages(("user", [result])) == [{"role": "tool", "tool_call_id": "toolu_1", "content": parts}]


def test_a_document_with_a_context_and_no_title_keeps_it() -> None:
    source = {"type": "url", "url": "https://a.test/d.pdf"}
    [message] = messages(("user", [{"type": "document", "context": "B", "source": source}]))
    assert message["content"][0] == {"type": "text", "text": "B"}


def test_results_of_tools_come_before_the_rest_of_their_turn() -> None:
    results = [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "Sunny"},
        {"type": "tool_result", "tool_use_id": "toolu_2", "content": "It broke", "is_error": True},
        {"type": "tool_result", "tool_use_id": "toolu_3"},
    ]
    told = messages(("assistant", [USE]), ("user", [TEXT, *results]))
    assert told[0] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "toolu_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
        ],
    }
    assert told[1:] == [
        {"role": "tool", "tool_call_id": "toolu_1", "content": "Sunny"},
        {"role": "tool", "tool_call_id": "toolu_2", "content": "It broke", "is_error": True},
        {"role": "tool", "tool_call_id": "toolu_3", "content": ""},
        {"role": "user", "content": [TEXT]},
    ]


def test_thoughts_know_where_they_stood() -> None:
    def thinking(text: str) -> dict[str, Any]:
        return {"type": "thinking", "thinking": text, "signature": f"sig-{text}"}

    redacted = {"type": "redacted_thinking", "data": "ZGF0YQ=="}
    [answer] = messages(("assistant", [thinking("a"), TEXT, TEXT, thinking("b"), USE, redacted, USE]))
    assert answer["content"] == "HelloHello"
    assert answer["reasoning"] == "ab"
    assert answer["reasoning_details"] == [
        {"type": "reasoning.text", "text": "a", "signature": "sig-a", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.text", "text": "b", "signature": "sig-b", "format": "anthropic-claude-v1", "index": 2},
        {"type": "reasoning.encrypted", "data": "ZGF0YQ==", "format": "anthropic-claude-v1", "index": 4},
    ]


@pytest.mark.parametrize("signature", ["turnpike.1.", "turnpike.1.!!", "turnpike.1.W10", "turnpike.1.aGk", "", None])
def test_a_signature_that_somebody_changed_is_taken_for_anothers(signature: str | None) -> None:
    [answer] = messages(("assistant", [{"type": "thinking", "thinking": "a", "signature": signature}, TEXT]))
    [detail] = answer["reasoning_details"]
    assert (detail["text"], detail.get("signature", "")) == ("a", signature or "")


def test_what_is_sealed_cannot_say_what_the_block_does_not() -> None:
    sealed = seal({"type": "reasoning.text", "text": 5, "summary": ["x"], "format": "unknown", "index": 0})
    [answer] = messages(("assistant", [{"type": "thinking", "thinking": "a", "signature": sealed}, TEXT]))
    assert answer["reasoning_details"] == [{"type": "reasoning.text", "text": "a", "format": "unknown", "index": 0}]
    assert answer["reasoning"] == "a"


@pytest.mark.parametrize(
    ("thinking", "effort", "told"),
    [
        (None, None, {}),
        (None, "high", {"verbosity": "high"}),
        ({"type": "enabled", "budget_tokens": 2000}, None, {"reasoning": {"max_tokens": 2000}}),
        (
            {"type": "enabled", "budget_tokens": 2000},
            "low",
            {"reasoning": {"max_tokens": 2000}, "verbosity": "low"},
        ),
        ({"type": "adaptive"}, None, {"reasoning": {"enabled": True}}),
        ({"type": "adaptive", "display": "omitted"}, "max", {"reasoning": {"effort": "max", "exclude": True}}),
        ({"type": "disabled"}, None, {"reasoning": {"enabled": False}}),
        ({"type": "between_tools"}, "low", {"reasoning": {"enabled": False}, "verbosity": "low"}),
    ],
)
def test_how_much_to_think(thinking: Any, effort: str | None, told: Any) -> None:
    request = parse(thinking=thinking, output_config={"effort": effort} if effort else None)
    assert request.parameters == told


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any", "disable_parallel_tool_use": True}, {"tool_choice": "required", "parallel_tool_calls": False}),
        ({"type": "none"}, {"tool_choice": "none"}),
        (
            {"type": "tool", "name": "weather"},
            {"tool_choice": {"type": "function", "function": {"name": "weather"}}},
        ),
    ],
)
def test_which_tools_to_use(choice: Any, told: Any) -> None:
    request = parse(tools=[TOOL, {**TOOL, "type": "custom", "strict": True}], tool_choice=choice)
    function = {"name": "weather", "description": "Of a city", "parameters": {"type": "object"}}
    assert request.parameters == {
        "tools": [
            {"type": "function", "function": function},
            {"type": "function", "function": {**function, "strict": True}},
        ],
        **told,
    }


def test_every_other_member_has_its_place() -> None:
    schema = {"type": "object"}
    request = parse(
        headers={"x-session-id": "s", "anthropic-beta": "a, b", "x-anthropic-beta": "b,c"},
        temperature=0.5,
        top_p=0.9,
        top_k=5,
        stop_sequences=["END"],
        service_tier="standard_only",
        metadata={"user_id": "u"},
        output_config={"format": {"type": "json_schema", "schema": schema}},
        models=["acme/more"],
        provider={"order": ["One"]},
        plugins=[{"id": "response-healing"}],
        stream=True,
        context_management={"edits": [{"type": "clear_thinking_20251015"}]},
    )
    assert request.parameters == {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 5,
        "stop": ["END"],
        "service_tier": "default",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": schema},
        },
    }
    assert (request.models, request.provider.order) == (("acme/chat", "acme/more"), ("one",))
    assert (request.user, request.session_id, request.max_tokens, request.stream) == ("u", "s", 100, True)
    assert request.response_healing
    assert request.betas == ("a", "b", "c")


def test_fallbacks_are_models_to_try_next() -> None:
    assert parse(fallbacks=[{"model": "acme/more"}]).models == ("acme/chat", "acme/more")
    assert "fallbacks" in refusal(fallbacks=[{"model": "acme/more"}], models=["acme/other"])
    # Of what Anthropic has here, the model alone.
    assert "fallbacks.0.max_tokens" in refusal(fallbacks=[{"model": "acme/more", "max_tokens": 5}])


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"model": None}, "model"),
        ({"messages": []}, "messages"),
        ({"tools": [{"type": "code_execution_20250825"}]}, "tools.0.type: code_execution_20250825"),
        ({"tools": [{"type": "openrouter:datetime"}]}, "tools.0.type: openrouter:datetime"),
        ({"tools": [{"name": "weather"}]}, "tools.0.input_schema"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"provider": {"colour": "red"}}, "provider.colour"),
        ({"plugins": [{"id": "fusion"}]}, "plugins.0.id"),
        ({"session_id": "s" * 300}, "session_id"),
    ],
)
def test_what_cannot_be_done_is_named(members: Any, said: str) -> None:
    assert refusal(**members).startswith(said)


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"type": "image", "source": {"type": "file", "file_id": "f"}}, "messages.0.content: send the file itself"),
        ({"type": "image", "source": {"type": "base64"}}, "messages.0.content.0.source"),
        ({"type": "server_tool_use", "id": "s"}, "messages.0.content: a block of type server_tool_use"),
        ({"type": "text"}, "messages.0.content.0.text"),
        ({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "tool_reference"}]}, "messages.0.content"),
        ({}, "messages.0.content.0.type"),
    ],
)
def test_blocks_that_mean_nothing_here_are_named(block: Any, said: str) -> None:
    assert refusal(messages=[{"role": "user", "content": [block]}]).startswith(said)


def test_what_ran_at_openrouters_own_is_dropped() -> None:
    dropped = {"type": "openrouter_shell_tool_result", "tool_use_id": "t", "content": {}}
    assert messages(("assistant", [TEXT, dropped]))[0] == {"role": "assistant", "content": "Hello"}


THOUGHT = {"type": "thinking", "thinking": "a", "signature": "turnpike.1.e30"}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
DOCUMENT = {"type": "document", "title": "A", "source": {"type": "content", "content": [TEXT, IMAGE]}}
SEARCHED = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [TEXT, IMAGE, DOCUMENT], "is_error": True}
BODY: Any = {
    "model": "acme/chat",
    "max_tokens": 100,
    "system": [{**TEXT, "cache_control": MARK}],
    "messages": [
        {"role": "user", "content": [TEXT, IMAGE, DOCUMENT]},
        {"role": "assistant", "content": [THOUGHT, {"type": "redacted_thinking", "data": "aGk="}, TEXT, SEARCHED, USE]},
        {"role": "user", "content": [RESULT]},
    ],
    "tools": [
        TOOL,
        {"type": "web_search_20260318", "name": "web_search", "max_uses": 2, "allowed_callers": ["direct"]},
    ],
    "tool_choice": {"type": "auto"},
    "thinking": {"type": "enabled", "budget_tokens": 2000},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {}}},
    "metadata": {"user_id": "u"},
    "stop_sequences": ["END"],
}


@given(place=st.sampled_from(list(places(BODY))), junk=JUNK, leave_out=st.booleans())
def test_junk_anywhere_is_read_or_refused(place: tuple[Any, ...], junk: Any, leave_out: bool) -> None:
    body = with_junk(BODY, place, junk, leave_out=leave_out)
    with suppress(InvalidRequest):
        assert parse_messages_request(body, Headers()).messages is not None
