"""The tools that OpenAI's Responses define, and searches of the web in them: what is sent, and what is read."""

from decimal import Decimal
from typing import Any

import orjson
import pytest

from turnpike.domain.catalog import Endpoint
from turnpike.domain.chat import ChatRequest, Delta
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.native import NativeTool, native_part
from turnpike.domain.pricing import Pricing
from turnpike.providers.folding import completion_of
from turnpike.providers.openai_responses.adapter import build_adapter

USER = {"role": "user", "content": "Hello"}
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
LISTED = frozenset({"web_search_options", "tools", "tool_choice", "reasoning", "temperature", "max_tokens"})
SEARCH = NativeTool("responses", {"type": "web_search", "search_context_size": "low"}, 3)
SHELL = NativeTool("responses", {"type": "local_shell"})
SEARCHED: Any = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}}


def body(model: str = "gpt-5", provider: str = "openai", *, listed: Any = LISTED, **changes: Any) -> Any:
    values: dict[str, Any] = {"models": ("x/y",), "messages": [USER], "parameters": {}} | changes
    endpoint = Endpoint(
        model_id=f"{provider}/{model}",
        provider=provider,
        upstream_model=model,
        base_url="https://api.test/v1",
        pricing=Pricing(Decimal(1), Decimal(1)),
        context_length=1000,
        supported_parameters=listed,
    )
    built = build_adapter(provider).build_request(ChatRequest(**values), endpoint, "sk-secret")
    return orjson.loads(orjson.dumps(built.body))


def searching(model: str = "gpt-5", provider: str = "openai", **options: Any) -> Any:
    [tool] = body(model, provider, parameters={"web_search_options": options})["tools"]
    return tool


def items(*messages: dict[str, Any]) -> Any:
    return body(messages=messages)["input"]


def thought(place: int) -> Any:
    return {"type": "reasoning.encrypted", "data": f"r{place}", "format": "openai-responses-v1", "index": place}


def response(*output: Any, **usage: Any) -> Any:
    used = {"input_tokens": 3, "output_tokens": 2} | usage
    return {"id": "resp_1", "object": "response", "status": "completed", "output": list(output), "usage": used}


def said(text: str, *annotations: Any) -> Any:
    part = {"type": "output_text", "text": text, "annotations": list(annotations)}
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}


def whole(*output: Any, **usage: Any) -> Any:
    return build_adapter("openai").parse_completion(orjson.dumps(response(*output, **usage)))


def streamed(*output: Any, **usage: Any) -> list[Delta]:
    decoder = build_adapter("openai").stream_decoder()
    events = [{"type": "response.output_item.done", "output_index": at, "item": item} for at, item in enumerate(output)]
    events.append({"type": "response.completed", "response": response(*output, **usage)})
    data = b"".join(b"data: %b\n\n" % orjson.dumps(event) for event in events)
    return [*decoder.feed(data), *decoder.finish()]


FUNCTIONS = [{"type": "function", "function": {"name": name}} for name in ("b", "get_weather", "a")]


def narrow(*tools: Any, mode: str = "required") -> dict[str, Any]:
    named = [tool if isinstance(tool, dict) else {"type": "function", "function": {"name": tool}} for tool in tools]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": named}}
    return {"tools": FUNCTIONS, "tool_choice": choice}


def test_a_narrowed_choice_leaves_the_tools_as_they_are() -> None:
    sent = body(
        parameters=narrow("a", "b", {"type": "web_search_preview"}),
        native_tools=(SEARCH, SHELL),
        custom_tools={"b": {"type": "custom", "name": "b"}},
    )
    assert [tool.get("name") or tool["type"] for tool in sent["tools"]] == [
        *("b", "get_weather", "a", "web_search", "local_shell")
    ]
    allowed = [{"type": "function", "name": "a"}, {"type": "custom", "name": "b"}, {"type": "web_search"}]
    assert sent["tool_choice"] == {"type": "allowed_tools", "mode": "required", "tools": allowed}


def test_who_cannot_be_told_so_gets_those_tools_alone() -> None:
    asked = narrow("a", "b", {"type": "web_search"}, mode="auto")
    sent = body("grok-4", "xai", parameters=asked, native_tools=(SEARCH, SHELL))
    assert [tool.get("name") or tool["type"] for tool in sent["tools"]] == ["b", "a", "web_search"]
    assert sent["tool_choice"] == "auto"
    sent = body("grok-4", "xai", parameters=narrow({"type": "local_shell"}), native_tools=(SEARCH, SHELL))
    assert (sent["tools"], sent["tool_choice"]) == ([{"type": "local_shell"}], "required")


# --- Searches that chat asks for


def test_a_search_is_a_tool_with_the_options_of_chat() -> None:
    location = {"type": "approximate", "approximate": {"country": "NO", "city": "Oslo"}}
    assert searching(user_location=location, search_context_size="high") == {
        "type": "web_search",
        "user_location": {"type": "approximate", "country": "NO", "city": "Oslo"},
        "search_context_size": "high",
    }


def test_the_plugins_domains_and_limit_have_each_servers_words() -> None:
    assert searching(allowed_domains=["*.a.test", "https://b.test/"]) == {
        "type": "web_search",
        "filters": {"allowed_domains": ["a.test", "b.test"]},
    }
    assert searching(excluded_domains=["a.test"])["filters"] == {"blocked_domains": ["a.test"]}
    assert searching("grok-4.3", "xai", excluded_domains=["a.test"])["filters"] == {"excluded_domains": ["a.test"]}
    assert body(parameters={"web_search_options": {"max_uses": 2}})["max_tool_calls"] == 2
    assert body("grok-4.3", "xai", parameters={"web_search_options": {"max_uses": 2}})["max_turns"] == 2


@pytest.mark.parametrize(
    ("provider", "domains"),
    [("xai", [f"{at}.test" for at in range(6)]), ("openai", ["a.test/docs"]), ("openai", ["news.*.test"])],
)
def test_filters_that_a_server_has_no_form_for_are_refused(provider: str, domains: list[str]) -> None:
    with pytest.raises(InvalidRequest, match="plugins: this model's provider searches by up to"):
        searching("grok-4.3" if provider == "xai" else "gpt-5", provider, allowed_domains=domains)


def test_options_that_are_none_are_left_out() -> None:
    """Chat completions check no more of them than that they are an object."""
    junk = {"user_location": "Oslo", "search_context_size": 3, "allowed_domains": "a.test", "excluded_domains": [1]}
    assert searching(**junk) == {"type": "web_search"}
    assert searching(user_location={"type": "approximate", "country": "NO"})["user_location"]["country"] == "NO"
    for limit in (0, -1, "2", None):
        assert body(parameters={"web_search_options": {"max_uses": limit}})["max_tool_calls"] == 10


def test_without_a_search_nothing_is_limited_unasked() -> None:
    shell = NativeTool("responses", {"type": "local_shell"})
    assert "max_tool_calls" not in body(native_tools=(shell,), dialect="responses")
    search = NativeTool("responses", {"type": "web_search"}, searches=5)
    assert body(native_tools=(search,), dialect="responses")["max_tool_calls"] == 10
    limited = body(native_tools=(search,), dialect="responses", parameters={"max_tool_calls": 3})
    assert limited["max_tool_calls"] == 3


def test_only_an_endpoint_that_says_so_searches() -> None:
    options: Any = {"parameters": {"web_search_options": {}}}
    assert "tools" not in body(listed=frozenset(), **options)
    assert "tools" not in body(listed=frozenset({"tools"}), **options)
    assert body(**options)["tools"] == [{"type": "web_search"}]


def test_functions_and_a_choice_stay_beside_it() -> None:
    parameters = {"web_search_options": {}, "tools": [WEATHER], "tool_choice": "required"}
    built = body(parameters=parameters)
    assert [tool["type"] for tool in built["tools"]] == ["function", "web_search"]
    assert built["tool_choice"] == "required"


@pytest.mark.parametrize(("effort", "sent"), [("minimal", "low"), ("none", "low"), ("high", "high")])
def test_a_search_takes_more_than_the_least_effort(effort: str, sent: str) -> None:
    asked = {"reasoning": {"effort": effort}}
    assert body(parameters={**asked, "web_search_options": {}})["reasoning"]["effort"] == sent
    assert body(parameters=asked, native_tools=(SEARCH,))["reasoning"]["effort"] == sent
    assert body(parameters=asked, native_tools=(SHELL,))["reasoning"]["effort"] == effort.replace("none", "minimal")


# --- Tools as they are declared


def test_native_tools_go_as_they_are_and_in_place_of_the_plugins_search() -> None:
    mcp = NativeTool("responses", {"type": "mcp", "server_label": "m", "server_url": "https://m.test"})
    foreign = NativeTool("messages", {"type": "bash_20250124", "name": "bash"})
    parameters = {"tools": [WEATHER], "web_search_options": {"search_context_size": "high"}}
    built = body(parameters=parameters, native_tools=(SEARCH, mcp, foreign))
    assert built["tools"][1:] == [SEARCH.declared, mcp.declared]
    assert body(parameters={"web_search_options": {}}, native_tools=(mcp,))["tools"] == [
        mcp.declared,
        {"type": "web_search"},
    ]


def test_what_is_said_of_them_is_sent_without_functions_too() -> None:
    said_of_them = {
        "tool_choice": {"type": "web_search"},
        "parallel_tool_calls": False,
        "max_tool_calls": 4,
        "include": ["web_search_call.action.sources"],
    }
    built = body(parameters=said_of_them, native_tools=(SEARCH,))
    assert built["tool_choice"] == {"type": "web_search"}
    assert (built["parallel_tool_calls"], built["max_tool_calls"]) == (False, 4)
    assert built["include"] == ["reasoning.encrypted_content", "web_search_call.action.sources"]


@pytest.mark.parametrize("kind", ["web_search_preview", "web_search_preview_2025_03_11"])
def test_the_preview_is_sent_as_what_costs_what_the_catalog_says(kind: str) -> None:
    preview = NativeTool("responses", {"type": kind, "search_content_types": ["text"], "search_context_size": "low"}, 3)
    built = body("gpt-4.1", parameters={"tool_choice": {"type": kind}}, native_tools=(preview,))
    assert built["tools"] == [{**preview.declared, "type": "web_search"}]
    assert built["tool_choice"] == {"type": "web_search"}


# --- xAI


def test_xai_is_sent_what_it_takes() -> None:
    foreign = {"service_tier": "default", "logprobs": True, "top_logprobs": 2}
    listed = LISTED | set(foreign)
    built = body("grok-4.3", "xai", listed=listed, parameters={**foreign, "temperature": 0.5}, user="ada")
    assert built == {
        "model": "grok-4.3",
        "input": [{"type": "message", "role": "user", "content": "Hello"}],
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "temperature": 0.5,
        "user": "ada",
    }
    assert searching("grok-4.3", "xai", search_context_size="high") == {"type": "web_search"}


@pytest.mark.parametrize(
    ("model", "effort"),
    [
        ("grok-4.3", "high"),
        ("grok-5", "high"),
        ("grok-4.20-multi-agent-0309", "xhigh"),
        ("grok-4", None),
        ("grok-4-fast-reasoning", None),
        ("grok-4.20-0309-reasoning", None),
    ],
)
def test_groks_are_told_an_effort_where_they_can_be(model: str, effort: str | None) -> None:
    built = body(model, "xai", parameters={"reasoning": {"effort": "xhigh"}})
    assert built.get("reasoning") == ({"effort": effort} if effort else None)
    assert built["include"] == ["reasoning.encrypted_content"]


def test_a_grok_that_does_not_reason_is_asked_for_none() -> None:
    assert "include" not in body("grok-4-fast-non-reasoning", "xai", parameters={"reasoning": {"effort": "low"}})


def test_what_xai_encrypted_is_its_own() -> None:
    detail = {"type": "reasoning.encrypted", "data": "x", "format": "xai-responses-v1", "index": 0}
    answer = {"role": "assistant", "content": "Hi", "reasoning_details": [detail]}
    assert body("grok-4.3", "xai", messages=[answer, USER])["input"][0]["encrypted_content"] == "x"
    assert body("gpt-5", messages=[answer, USER])["input"][0]["type"] == "message"


# --- Handed back


def test_items_stand_where_they_stood() -> None:
    answer = {
        "role": "assistant",
        "content": [native_part("responses", SEARCHED), {"type": "text", "text": "Found."}],
        "tool_calls": [CALL],
        "reasoning_details": [thought(0), thought(2), thought(4)],
    }
    built = items(USER, answer, {"role": "tool", "tool_call_id": "call_1", "content": "Sun"})
    assert [item["type"] for item in built] == [
        *("message", "reasoning", "web_search_call", "reasoning", "message", "reasoning"),
        *("function_call", "function_call_output"),
    ]
    assert built[2] == SEARCHED


def test_outputs_are_items_of_their_own() -> None:
    ran = {"type": "local_shell_call_output", "call_id": "c", "output": "x"}
    mixed = {"role": "user", "content": [native_part("responses", ran), {"type": "text", "text": "Go on"}]}
    call = {"type": "local_shell_call", "id": "lsh_1", "call_id": "c", "status": "completed", "action": {}}
    assert items({"role": "assistant", "content": [native_part("responses", call)]}, mixed) == [
        call,
        ran,
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Go on"}]},
    ]


def test_without_its_search_the_reasoning_before_it_is_left_out() -> None:
    """As clients of chat hand it back, who get nothing of searches."""
    answer = {"role": "assistant", "content": "Found.", "reasoning_details": [thought(0), thought(2)]}
    built = items(USER, answer, USER)
    assert [item.get("encrypted_content") or item["role"] for item in built] == ["user", "r2", "assistant", "user"]
    twice = {**answer, "reasoning_details": [thought(0), thought(2), thought(4), thought(5)]}
    kept = [item.get("encrypted_content") or item["role"] for item in items(USER, twice)]
    assert kept == ["user", "r4", "r5", "assistant"]


def test_later_models_are_told_that_words_before_a_search_are_commentary() -> None:
    parts = [{"type": "text", "text": "I look."}, native_part("responses", SEARCHED), {"type": "text", "text": "So."}]
    built = body("gpt-5.5", messages=[{"role": "assistant", "content": parts}])["input"]
    assert [item.get("phase") for item in built] == ["commentary", None, "final_answer"]


# --- Answers


def test_what_chat_has_no_words_for_comes_as_it_is_in_its_place() -> None:
    opened = {**SEARCHED, "id": "ws_2", "action": {"type": "open_page", "url": "https://a.test"}}
    reasoned = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "e"}
    output = (reasoned, SEARCHED, said("I see. "), opened, {**reasoned, "id": "rs_2"}, said("Done"))
    deltas = streamed(*output)
    assert [delta.native for delta in deltas if delta.native] == [
        native_part("responses", SEARCHED),
        native_part("responses", opened),
    ]
    for answer in (whole(*output), completion_of(deltas)):
        (choice,) = answer.choices
        assert choice.message["content"] == "I see. Done"
        assert choice.finish_reason == "stop"
        assert choice.parts == [
            native_part("responses", SEARCHED),
            {"type": "text", "text": "I see. "},
            native_part("responses", opened),
            {"type": "text", "text": "Done"},
        ]
        assert [detail["index"] for detail in choice.message["reasoning_details"]] == [0, 4]
        # What is handed back are the items as they came.
        message = {**choice.message, "content": choice.parts}
        assert [item.get("id") for item in items(message)] == ["rs_1", "ws_1", None, "ws_2", "rs_2", None]


@pytest.mark.parametrize(
    ("item", "counted"),
    [
        ({}, 1),
        ({"action": {"type": "open_page"}}, 0),
        ({"action": {"type": "find_in_page", "pattern": "x", "url": "u"}}, 0),
        ({"status": "failed"}, 0),
        ({"action": None}, 1),
        ({"type": "mcp_call"}, 0),
    ],
)
def test_searches_that_took_place_are_counted_once(item: Any, counted: int) -> None:
    output = ({**SEARCHED, **item}, said("Hi"))
    assert whole(*output).usage.web_search_requests == counted
    assert completion_of(streamed(*output)).usage.web_search_requests == counted  # type: ignore[union-attr]


def test_a_server_that_counts_searches_is_believed() -> None:
    details = {"web_search_calls": 2, "x_search_calls": 1}
    assert whole(SEARCHED, said("Hi"), server_side_tool_usage_details=details).usage.web_search_requests == 2
    none = {"web_search_calls": 0}
    assert whole(SEARCHED, said("Hi"), server_side_tool_usage_details=none).usage.web_search_requests == 0
    assert whole(SEARCHED, said("Hi"), server_side_tool_usage_details=None).usage.web_search_requests == 1


@pytest.mark.parametrize("kind", ["local_shell_call", "shell_call", "apply_patch_call", "computer_call"])
def test_an_answer_that_waits_for_the_client_ends_with_a_call(kind: str) -> None:
    call = {"type": kind, "id": "x_1", "call_id": "c", "status": "completed"}
    assert whole(call).choices[0].finish_reason == "tool_calls"
    assert completion_of(streamed(said("I run it."), call)).choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("kind", ["mcp_list_tools", "mcp_call", "mcp_approval_request"])
def test_one_of_a_server_of_tools_does_not(kind: str) -> None:
    assert whole({"type": kind, "id": "x_1"}, said("Hi")).choices[0].finish_reason == "stop"


def test_an_answer_that_is_nothing_but_such_items_is_one() -> None:
    (choice,) = whole({"type": "mcp_approval_request", "id": "mcpr_1"}).choices
    assert (choice.message["content"], choice.finish_reason) == (None, "stop")
    assert choice.parts == [native_part("responses", {"type": "mcp_approval_request", "id": "mcpr_1"})]
