"""`POST /responses` through the ASGI app, with a scripted provider and everything else in memory."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from turnpike.api.inference.sealing import seal
from turnpike.api.responses.parse import parse_responses_request
from turnpike.domain.chat import ChatRequest, Delta, Usage
from turnpike.domain.errors import InvalidRequest

from tests.chat_client import Answer, Client
from tests.junk import JUNK, places, with_junk
from tests.response_stream import fold, read_events
from tests.scenario import Script, World, failure, text

HELLO: dict[str, Any] = {"model": "acme/chat", "input": "Hello"}
CALL: Any = [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ""}}]


def parse(given: Any = "Hello", **members: Any) -> ChatRequest:
    return parse_responses_request({"model": "acme/chat", "input": given, **members}, Headers())


def refusal(**members: Any) -> str:
    with pytest.raises(InvalidRequest) as caught:
        parse_responses_request({**HELLO, **members}, Headers())
    return caught.value.message


async def ask(*script: Any, keepalive_s: float = 10, headers: Any = None, **members: Any) -> Answer:
    scripts: list[Script] = [list(script) or text("Hel", "lo")]
    client = Client(World({"one": scripts}), keepalive_s=keepalive_s)
    return await client.post({**HELLO, **members}, path="/api/v1/responses", headers=headers)


def finish(reason: Any = "stop") -> list[Delta]:
    return [Delta(finish_reason=reason), Delta(usage=Usage(10, 5, cached_tokens=3, reasoning_tokens=2))]


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_has_its_usage_cost_and_what_was_asked(stream: bool) -> None:
    tools = [{"type": "function", "name": "weather", "parameters": {"type": "object"}}]
    answer = await ask(Delta(content="Hello"), *finish(), stream=stream, instructions="Be brief.", tools=tools)
    response = fold(read_events(answer.body)) if stream else answer.json
    assert response["id"] == answer.headers["x-generation-id"]
    assert (response["object"], response["status"], response["model"]) == ("response", "completed", "acme/chat")
    [message] = response["output"]
    assert message["content"] == [{"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}]
    usage = response["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (10, 5, 15)
    assert usage["input_tokens_details"]["cached_tokens"] == 3
    assert usage["output_tokens_details"] == {"reasoning_tokens": 2}
    assert usage["cost"] == 0.00002
    assert usage["cost_details"] == {
        "upstream_inference_cost": 0.00002,
        "upstream_inference_input_cost": 0.00001,
        "upstream_inference_output_cost": 0.00001,
    }
    assert (response["instructions"], response["tools"], response["store"]) == ("Be brief.", tools, False)


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [True, False])
async def test_words_thoughts_and_calls_are_items_of_their_own(stream: bool) -> None:
    cited = {"url": "https://a.test", "title": "A", "start_index": 0, "end_index": 2}
    script = [
        Delta(reasoning="Hm"),
        Delta(content="Hi"),
        Delta(extra={"annotations": [{"type": "url_citation", "url_citation": cited}]}),
        Delta(tool_calls=CALL),
        Delta(tool_calls=[{"index": 0, "function": {"arguments": '{"city":"Paris"}'}}]),
        *finish("tool_calls"),
    ]
    answer = await ask(*script, stream=stream)
    response = fold(read_events(answer.body)) if stream else answer.json
    thought, message, call = response["output"]
    assert thought["summary"] == [{"type": "summary_text", "text": "Hm"}]
    assert message["content"][0]["annotations"] == [{"type": "url_citation", **cited}]
    assert (call["call_id"], call["name"], call["arguments"]) == ("call_1", "weather", '{"city":"Paris"}')
    assert len({item["id"] for item in response["output"]}) == 3


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("reason", "told"), [("length", "max_output_tokens"), ("content_filter", "content_filter"), ("stop", None)]
)
async def test_how_it_ended(stream: bool, reason: str, told: str | None) -> None:
    answer = await ask(Delta(content="Hi"), *finish(reason), stream=stream)
    response = fold(read_events(answer.body)) if stream else answer.json
    assert response["status"] == ("incomplete" if told else "completed")
    assert response["incomplete_details"] == ({"reason": told} if told else None)
    assert [item["status"] for item in response["output"]] == [response["status"]]
    assert (response["completed_at"] is None) == bool(told)
    if not told:
        assert response["completed_at"] >= response["created_at"]


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [True, False])
async def test_of_calls_only_the_one_that_was_cut_is_incomplete(stream: bool) -> None:
    calls = [{**CALL[0], "index": index, "id": f"call_{index}"} for index in range(2)]
    pieces = [(0, '{"city":'), (1, '{"ci'), (0, '"Paris"}')]
    script = [
        *(Delta(tool_calls=[call]) for call in calls),
        *(Delta(tool_calls=[{"index": index, "function": {"arguments": piece}}]) for index, piece in pieces),
        *finish("length"),
    ]
    answer = await ask(*script, stream=stream)
    # Calls that come mixed end in another order than they began.
    response = read_events(answer.body)[-1]["response"] if stream else answer.json
    assert [(item["arguments"], item["status"]) for item in response["output"]] == [
        ('{"city":"Paris"}', "completed"),
        ('{"ci', "incomplete"),
    ]


def token(text: str, *others: str, raw: list[int] | None = None) -> dict[str, Any]:
    tops = [{"token": each, "logprob": -1.5, "bytes": None} for each in others]
    return {"token": text, "logprob": -0.5, "bytes": raw, "top_logprobs": tops}


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [True, False])
async def test_the_logprobs_of_a_text_are_told_with_it(stream: bool) -> None:
    script = [
        Delta(content="Hé", logprobs={"content": [token("H", "J"), token("é")]}),
        Delta(content="!"),
        Delta(content="?", logprobs={"content": [token("?", raw=[63])]}),
        *finish(),
    ]
    answer = await ask(*script, stream=stream, top_logprobs=1, include=["message.output_text.logprobs"])
    events = read_events(answer.body) if stream else []
    response = fold(events) if stream else answer.json
    tops = [{"token": "J", "logprob": -1.5, "bytes": [74]}]
    told = [
        {"token": "H", "logprob": -0.5, "bytes": [72], "top_logprobs": tops},
        {"token": "é", "logprob": -0.5, "bytes": [195, 169], "top_logprobs": []},
        {"token": "?", "logprob": -0.5, "bytes": [63], "top_logprobs": []},
    ]
    [part] = response["output"][0]["content"]
    assert (part["text"], part["logprobs"], response["top_logprobs"]) == ("Hé!?", told, 1)
    if stream:
        pieces = [event["logprobs"] for event in events if event["type"] == "response.output_text.delta"]
        [whole] = [event["logprobs"] for event in events if event["type"] == "response.output_text.done"]
        assert (pieces, whole) == ([told[:2], [], told[2:]], told)


def test_logprobs_are_asked_for_in_either_way() -> None:
    assert parse(top_logprobs=3).parameters == {"logprobs": True, "top_logprobs": 3}
    assert parse(include=["message.output_text.logprobs"]).parameters == {"logprobs": True}
    assert parse(top_logprobs=0, include=["reasoning.encrypted_content"]).parameters == {}
    assert refusal(top_logprobs=21).startswith("top_logprobs: ")


@pytest.mark.anyio
async def test_an_image_is_told_in_its_steps() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    events = read_events((await ask(Delta(extra={"images": [image]}), *finish(), stream=True)).body)
    fold(events)
    added, *steps, done = events[2:-1]
    assert (added["item"]["status"], added["item"]["result"]) == ("in_progress", None)
    assert [step["type"].rpartition(".")[2] for step in steps] == ["in_progress", "generating", "completed"]
    assert (done["item"]["status"], done["item"]["result"]) == ("completed", "aGk=")


FUNCTIONS = [{"type": "function", "name": name, "parameters": {"type": "object"}} for name in ("a", "b", "c")]


def test_a_choice_may_be_narrowed() -> None:
    allowed = [{"type": "function", "name": "c"}, {"type": "custom", "name": "raw"}, {"type": "web_search"}]
    tools = [*FUNCTIONS, {"type": "custom", "name": "raw"}, {"type": "web_search"}]
    request = parse(tools=tools, tool_choice={"type": "allowed_tools", "mode": "required", "tools": allowed})
    # All of them stay, in their order: what is cached of a prompt begins with them.
    assert [tool["function"]["name"] for tool in request.parameters["tools"]] == ["a", "b", "c", "raw"]
    named = [{"type": "function", "function": {"name": name}} for name in ("c", "raw")]
    assert request.parameters["tool_choice"] == {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "required", "tools": [*named, {"type": "web_search"}]},
    }


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ({"mode": "auto", "tools": []}, "tool_choice.tools: "),
        ({"mode": "none", "tools": [{"type": "function", "name": "a"}]}, "tool_choice.mode: "),
        ({"mode": "auto", "tools": [{"type": "function"}]}, "tool_choice.tools.0.name: "),
        ({"mode": "auto", "tools": [{"type": "mcp"}]}, "tool_choice: there is no tool mcp to choose in tools"),
    ],
)
def test_a_choice_that_is_narrowed_amiss_is_refused(choice: dict[str, Any], told: str) -> None:
    assert refusal(tools=FUNCTIONS, tool_choice={"type": "allowed_tools", **choice}).startswith(told)


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [True, False])
async def test_refusals_and_images_have_their_places(stream: bool) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    script = [Delta(content="Well. "), Delta(refusal="No."), Delta(extra={"images": [image]}), *finish()]
    answer = await ask(*script, stream=stream)
    response = fold(read_events(answer.body)) if stream else answer.json
    message, drawn = response["output"]
    assert [part.get("text") or part.get("refusal") for part in message["content"]] == ["Well. ", "No."]
    assert (drawn["type"], drawn["result"]) == ("image_generation_call", "aGk=")


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [True, False])
async def test_an_error_before_the_first_content_has_its_status(stream: bool) -> None:
    answer = await ask(failure(429, error_type="rate_limit_exceeded"), stream=stream)
    assert answer.status == 429
    assert answer.json["error"]["metadata"]["error_type"] == "rate_limit_exceeded"


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [True, False])
async def test_a_prompt_that_is_too_long_gets_an_answer_without_room(stream: bool) -> None:
    too_long = failure(400, retryable=False, error_type="context_length_exceeded")
    for script in ([too_long], [0.1, too_long]):
        answer = await ask(*script, stream=stream, keepalive_s=0.02)
        response = fold(read_events(answer.body)) if stream else answer.json
        assert (answer.status, response["status"], response["output"]) == (200, "incomplete", [])
        assert response["incomplete_details"] == {"reason": "max_output_tokens"}
        assert (response["error"], response["error_type"]) == (None, "context_length_exceeded")
        assert response["usage"]["cost"] == 0
        assert response["id"] == answer.headers["x-generation-id"]


@pytest.mark.anyio
async def test_an_error_after_it_or_after_a_comment_is_a_response_that_failed() -> None:
    broken = await ask(Delta(content="Hel"), Delta(error=failure(500)), stream=True)
    late = await ask(0.1, failure(500), stream=True, keepalive_s=0.02)
    for answer in (broken, late):
        response = fold(read_events(answer.body))
        assert response["error"]["code"] == "server_error"
        assert response["error_type"] == "provider_unavailable"
    assert late.writes[0] == b": OPENROUTER PROCESSING\n\n"


@pytest.mark.anyio
@pytest.mark.parametrize(("delta", "part"), [(Delta(content="Hel"), "text"), (Delta(refusal="Hel"), "refusal")])
async def test_a_response_that_failed_has_what_was_said_before(delta: Delta, part: str) -> None:
    answer = await ask(Delta(reasoning="Hm"), delta, Delta(error=failure(500)), stream=True)
    thought, message = fold(read_events(answer.body))["output"]
    assert thought["summary"] == [{"type": "summary_text", "text": "Hm"}]
    assert (message["status"], message["content"][0][part]) == ("incomplete", "Hel")


@pytest.mark.anyio
async def test_routing_is_shown_to_who_asks_for_it() -> None:
    asked = {"x-openrouter-metadata": "enabled"}
    response = fold(read_events((await ask(stream=True, headers=asked)).body))
    assert response["openrouter_metadata"]["requested"] == "acme/chat"
    assert "openrouter_metadata" not in (await ask()).json


def test_items_become_messages() -> None:
    call = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "weather", "arguments": "{}"}
    request = parse(
        [
            {"role": "developer", "content": "Be kind."},
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "Look"},
                    {"type": "input_image", "image_url": "https://a.test/i.png", "detail": "low"},
                    {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="},
                    {"type": "input_file", "file_url": "https://a.test/d.pdf"},
                ],
            },
            {"role": "assistant", "content": [{"type": "output_text", "text": "Let me see."}]},
            call,
            {**call, "call_id": "c2"},
            {"type": "function_call_output", "call_id": "c1", "output": "Sunny"},
            {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "Dry"}]},
            {"type": "web_search_call", "id": "ws_1"},
        ],
        instructions="Be brief.",
    )
    function = {"name": "weather", "arguments": "{}"}
    assert request.messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Be kind."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look"},
                {"type": "image_url", "image_url": {"url": "https://a.test/i.png", "detail": "low"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="}},
                {"type": "file", "file": {"file_data": "https://a.test/d.pdf"}},
            ],
        },
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": function},
                {"id": "c2", "type": "function", "function": function},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "Sunny"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "Dry"}]},
    ]


def test_images_that_were_drawn_go_back() -> None:
    drawn = {"type": "image_generation_call", "id": "ig_1", "status": "completed"}
    request = parse(
        [
            {"role": "user", "content": "A red panda"},
            {"role": "assistant", "content": "Here it is."},
            {**drawn, "result": "iVBORw0KGgo="},
            {**drawn, "result": "/9j/4AAQ"},
            {"role": "user", "content": "Now in blue"},
            {**drawn, "result": None},
        ]
    )
    urls = ("data:image/png;base64,iVBORw0KGgo=", "data:image/jpeg;base64,/9j/4AAQ")
    assert request.messages[1] == {
        "role": "assistant",
        "content": "Here it is.",
        "images": [{"type": "image_url", "image_url": {"url": url}} for url in urls],
    }
    assert "images" not in request.messages[-1]


def test_openais_own_encrypted_thoughts_go_back_to_it() -> None:
    thought = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "Hm"}],
        "encrypted_content": "gAAAA",
    }
    [answer] = parse([thought, {"role": "assistant", "content": "Hi"}]).messages
    assert answer["reasoning_details"] == [
        {"type": "reasoning.summary", "summary": "Hm", "format": "openai-responses-v1", "index": 0},
        {
            "type": "reasoning.encrypted",
            "data": "gAAAA",
            "format": "openai-responses-v1",
            "index": 0,
            "id": "rs_1",
        },
    ]


@pytest.mark.parametrize("said", [-1, 10**9, "x", None, 1.5])
def test_what_was_sealed_and_changed_does_no_harm(said: Any) -> None:
    sealed = seal([{"type": "reasoning.text", "text": 5, "said": said}, {"type": "reasoning.encrypted", "data": "x"}])
    thought = {"type": "reasoning", "summary": [{"text": "Hm"}], "encrypted_content": sealed}
    [answer] = parse([thought, {"role": "assistant", "content": "Hi"}]).messages
    assert len(answer["reasoning_details"]) == 2
    assert answer.get("reasoning", "Hm") == "Hm"


def test_parameters_have_their_places() -> None:
    schema = {"type": "object"}
    request = parse(
        temperature=0.5,
        max_output_tokens=50,
        tools=[{"type": "function", "name": "weather", "parameters": schema, "strict": True}],
        tool_choice={"type": "function", "name": "weather"},
        parallel_tool_calls=False,
        text={"format": {"type": "json_schema", "name": "a", "schema": schema, "strict": True}, "verbosity": "low"},
        reasoning={"effort": "low", "summary": "auto"},
        modalities=["image", "text"],
        image_config={"aspect_ratio": "16:9"},
        truncation="auto",
        safety_identifier="u",
        store=False,
        previous_response_id=None,
    )
    assert request.parameters == {
        "temperature": 0.5,
        "parallel_tool_calls": False,
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": schema, "strict": True}}],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "verbosity": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": schema, "strict": True}},
        "reasoning": {"effort": "low", "summary": "auto"},
        "modalities": ["image", "text"],
        "image_config": {"aspect_ratio": "16:9"},
    }
    assert (request.max_tokens, request.context_compression, request.user) == (50, True, "u")


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"store": True}, "store: nothing is stored here"),
        ({"previous_response_id": "resp_1"}, "previous_response_id: nothing is stored here"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"background": True}, "background"),
        ({"model": None}, "model"),
        ({"input": []}, "input"),
        ({"tools": [{"type": "file_search"}]}, "tools.0.type: this deployment does not have the tool file_search: it"),
        ({"tools": [{"type": "invented"}]}, "tools.0.type: this deployment does not have the tool invented: send"),
        ({"tools": [{"type": "custom", "name": "p", "format": {"type": "grammar"}}]}, "tools.0.format"),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "mcp"}]}]}, "tools.0.tools.0"),
        (
            {"input": [{"type": "additional_tools", "role": "developer", "tools": [{"type": "mcp"}]}]},
            "input.0.tools.0.type: mcp can only stand among the tools of the request",
        ),
        ({"input": [{"type": "custom_tool_call", "call_id": "c", "name": "p"}]}, "input.0.input"),
        ({"input": [{"type": "item_reference", "id": "rs_1"}]}, "input.0.type: an item of type item_reference"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, "input.0: send the file"),
        ({"input": [{"type": "function_call", "call_id": "c"}]}, "input.0"),
        ({"reasoning": {"effort": "low", "max_tokens": 5}}, "reasoning"),
        ({"modalities": ["audio"]}, "modalities.0: Input should be 'text' or 'image'"),
    ],
)
def test_what_cannot_be_done_is_named(members: Any, said: str) -> None:
    assert refusal(**members).startswith(said)


BODY: Any = {
    "model": "acme/chat",
    "instructions": "Be brief.",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "Hi"}, {"type": "input_image", "image_url": "u"}]},
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Hm"}],
            "encrypted_content": "turnpike.1.W3sic2FpZCI6Mn1d",
        },
        {"type": "function_call", "call_id": "c", "name": "n", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
        {"type": "custom_tool_call", "call_id": "d", "name": "p", "input": "x"},
        {"type": "tool_search_call", "call_id": "e", "arguments": {"query": "x"}},
        {"type": "tool_search_output", "call_id": "e", "tools": [{"type": "function", "name": "f", "parameters": {}}]},
        {"type": "additional_tools", "tools": [{"type": "web_search", "external_web_access": False}]},
        {"type": "image_generation_call", "result": "aGk="},
        {"type": "web_search_call", "id": "w", "status": "completed", "action": {"type": "search"}},
        {"type": "shell_call", "call_id": "g", "action": {"commands": ["ls"]}},
        {"type": "shell_call_output", "call_id": "g", "output": []},
    ],
    "tools": [
        {"type": "function", "name": "n", "parameters": {}},
        {"type": "custom", "name": "p", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
        {"type": "namespace", "name": "s", "tools": [{"type": "function", "name": "n", "description": "x"}]},
        {"type": "tool_search", "execution": "client"},
        {"type": "web_search", "filters": {"allowed_domains": ["a.test"]}},
        {"type": "shell", "environment": {"type": "local"}},
    ],
    "include": ["web_search_call.action.sources"],
    "max_tool_calls": 2,
    "tool_choice": {"type": "function", "name": "n", "namespace": "s"},
    "text": {"format": {"type": "json_schema", "name": "a", "schema": {}}},
    "reasoning": {"effort": "low"},
}


@given(place=st.sampled_from(list(places(BODY))), junk=JUNK, leave_out=st.booleans())
def test_junk_anywhere_is_read_or_refused(place: tuple[Any, ...], junk: Any, leave_out: bool) -> None:
    body = with_junk(BODY, place, junk, leave_out=leave_out)
    with suppress(InvalidRequest):
        assert parse_responses_request(body, Headers()).messages is not None


PATCH: Any = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Patches files.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"},
}
SLEEP: Any = {"type": "function", "name": "sleep", "parameters": {"type": "object"}, "strict": False}
CLOCK: Any = {"type": "namespace", "name": "clock", "description": "Time.", "tools": [SLEEP]}


def call_named(name: str, *arguments: str, index: int = 0) -> list[Delta]:
    head = {"index": index, "id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": ""}}
    return [
        Delta(tool_calls=[head]),
        *(Delta(tool_calls=[{"index": index, "function": {"arguments": each}}]) for each in arguments),
    ]


def test_tools_of_all_kinds_and_places_are_functions() -> None:
    more = {"type": "additional_tools", "role": "developer", "tools": [CLOCK]}
    idle = {"type": "web_search", "external_web_access": False}
    request = parse([more, {"role": "user", "content": "Hi"}], tools=[PATCH, idle])
    patch, sleep = (tool["function"] for tool in request.parameters["tools"])
    assert patch["name"] == "apply_patch"
    assert patch["description"] == "Patches files.\n\nThe input must fit this lark grammar:\nstart: /.+/"
    assert patch["parameters"]["required"] == ["input"]
    assert sleep == {"name": "clock__sleep", "parameters": {"type": "object"}, "strict": False}
    assert request.custom_tools == {"apply_patch": PATCH}
    assert request.messages == [{"role": "user", "content": "Hi"}]


def test_one_of_them_may_be_forced() -> None:
    chosen = parse(tools=[PATCH, CLOCK], tool_choice={"type": "custom", "name": "apply_patch"}).parameters
    assert chosen["tool_choice"] == {"type": "function", "function": {"name": "apply_patch"}}
    chosen = parse(tools=[CLOCK], tool_choice={"type": "function", "name": "sleep", "namespace": "clock"}).parameters
    assert chosen["tool_choice"] == {"type": "function", "function": {"name": "clock__sleep"}}


def test_a_name_that_is_too_long_is_cut_and_stays_its_own() -> None:
    namespaces = [{**CLOCK, "name": f"{'n' * 60}{number}"} for number in range(2)]
    names = [tool["function"]["name"] for tool in parse(tools=namespaces).parameters["tools"]]
    assert len(set(names)) == 2
    assert all(len(name) <= 64 for name in names)


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [True, False])
async def test_their_calls_are_told_as_the_client_knows_them(stream: bool) -> None:
    script = [
        *call_named("apply_patch", '{"inp', 'ut": "a\\n', 'b"}'),
        *call_named("clock__sleep", '{"ms": 5}', index=1),
        *finish("tool_calls"),
    ]
    answer = await ask(*script, stream=stream, tools=[PATCH, CLOCK])
    events = read_events(answer.body) if stream else []
    patch, sleep = (fold(events) if stream else answer.json)["output"]
    assert (patch["type"], patch["call_id"], patch["name"], patch["input"]) == (
        "custom_tool_call",
        "call_0",
        "apply_patch",
        "a\nb",
    )
    assert "arguments" not in patch
    assert (sleep["type"], sleep["name"], sleep["namespace"]) == ("function_call", "sleep", "clock")
    assert sleep["arguments"] == '{"ms": 5}'
    told = [event for event in events if event["type"].startswith("response.custom_tool_call_input.")]
    assert [event.get("delta", event.get("input")) for event in told] == (["a\nb", "a\nb"] if stream else [])


@pytest.mark.anyio
@pytest.mark.parametrize(
    "pieces",
    [
        [(0, '{"a":'), (1, '{"b":'), (0, "1}"), (1, "2}")],
        # Of a provider that says nothing of calls without arguments, which are told as `{}` when it has ended.
        [(0, "{}"), (1, "{}")],
    ],
)
async def test_no_call_ends_before_all_of_its_arguments_are_told(pieces: list[tuple[int, str]]) -> None:
    later = [Delta(tool_calls=[{"index": index, "function": {"arguments": each}}]) for index, each in pieces]
    answer = await ask(*call_named("f"), *call_named("g", index=1), *later, *finish("tool_calls"), stream=True)
    events = read_events(answer.body)
    for place in (0, 1):
        of_call = [event for event in events if event.get("output_index") == place]
        arguments = "".join(each for index, each in pieces if index == place)
        assert "".join(event.get("delta", "") for event in of_call) == arguments
        added, *_, told, done = of_call
        assert (added["type"], done["type"]) == ("response.output_item.added", "response.output_item.done")
        assert told["arguments"] == done["item"]["arguments"] == arguments
        assert done["item"] == events[-1]["response"]["output"][place]


@pytest.mark.anyio
async def test_a_call_begins_when_its_name_is_known() -> None:
    nameless: Any = [{"index": 0, "id": "call_0", "type": "function", "function": {"arguments": "{"}}]
    named: Any = [{"index": 0, "function": {"name": "f", "arguments": "}"}}]
    script = [Delta(tool_calls=nameless), Delta(tool_calls=named), *finish("tool_calls")]
    [call] = fold(read_events((await ask(*script, stream=True)).body))["output"]
    assert (call["call_id"], call["name"], call["arguments"]) == ("call_0", "f", "{}")


@pytest.mark.anyio
async def test_calls_that_broke_off_are_incomplete() -> None:
    script = [*call_named("f", '{"a'), *call_named("g", "{}", index=1), failure()]
    answer = await ask(*script, stream=True)
    last = read_events(answer.body)[-1]
    assert last["type"] == "response.failed"
    assert [item["status"] for item in last["response"]["output"]] == ["incomplete", "incomplete"]


def test_handed_back_they_are_calls_of_functions() -> None:
    request = parse(
        [
            {"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": "a\nb", "id": "ctc_1"},
            {"type": "function_call", "call_id": "c2", "name": "sleep", "namespace": "clock", "arguments": "{}"},
            {"type": "custom_tool_call_output", "call_id": "c1", "output": "Done"},
            {"type": "function_call_output", "call_id": "c2", "output": "Slept"},
        ],
        tools=[PATCH, CLOCK],
    )
    answer, *results = request.messages
    functions = [call["function"] for call in answer["tool_calls"]]
    assert [function["name"] for function in functions] == ["apply_patch", "clock__sleep"]
    assert functions[0]["arguments"] == '{"input":"a\\nb"}'
    assert [(result["tool_call_id"], result["content"]) for result in results] == [("c1", "Done"), ("c2", "Slept")]


FINDS: Any = {"type": "tool_search", "execution": "client", "description": "Finds tools.", "parameters": {}}


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [True, False])
async def test_a_search_for_tools_is_the_clients_to_run(stream: bool) -> None:
    script = [*call_named("tool_search", '{"query": ', '"clock"}'), *finish("tool_calls")]
    answer = await ask(*script, stream=stream, tools=[FINDS])
    [call] = (fold(read_events(answer.body)) if stream else answer.json)["output"]
    assert (call["type"], call["call_id"], call["execution"]) == ("tool_search_call", "call_0", "client")
    assert call["arguments"] == {"query": "clock"}


def test_what_it_found_can_be_called_from_then_on() -> None:
    request = parse(
        [
            {"role": "user", "content": "When?"},
            {"type": "tool_search_call", "call_id": "c1", "execution": "client", "arguments": {"query": "clock"}},
            {"type": "tool_search_output", "call_id": "c1", "execution": "client", "tools": [CLOCK, PATCH]},
        ],
        tools=[FINDS],
    )
    names = [tool["function"]["name"] for tool in request.parameters["tools"]]
    assert names == ["tool_search", "clock__sleep", "apply_patch"]
    assert request.parameters["tools"][0]["function"]["description"] == "Finds tools."
    _, answer, result = request.messages
    assert answer["tool_calls"][0]["function"] == {"name": "tool_search", "arguments": '{"query":"clock"}'}
    assert (result["tool_call_id"], result["content"]) == ("c1", "Found: clock__sleep, apply_patch")


def test_a_search_that_runs_at_the_provider_is_refused() -> None:
    assert refusal(tools=[{"type": "tool_search"}]).startswith("tools.0.type: this deployment does not have the tool")
