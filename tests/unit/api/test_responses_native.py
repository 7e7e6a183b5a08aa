"""Tools and items that only OpenAI's Responses have words for, in and out of `POST /responses`."""

from decimal import Decimal
from typing import Any

import pytest
from starlette.datastructures import Headers

from turnpike.api.responses.parse import parse_responses_request
from turnpike.domain.chat import ChatRequest, Delta, Usage
from turnpike.domain.errors import InvalidRequest
from turnpike.domain.native import NativeTool, native_part
from turnpike.domain.pricing import Pricing
from turnpike.domain.searches import MOST

from tests.chat_client import Client
from tests.response_stream import fold, read_events
from tests.scenario import World, endpoint

HELLO: dict[str, Any] = {"model": "acme/chat", "input": "Hello"}
FUNCTION: Any = {"type": "function", "name": "weather", "parameters": {"type": "object"}}
SEARCHED: Any = {
    "type": "web_search_call",
    "id": "ws_1",
    "status": "completed",
    "action": {"type": "search", "query": "x"},
}
SHELL: Any = {
    "type": "local_shell_call",
    "id": "lsh_1",
    "call_id": "call_9",
    "status": "completed",
    "action": {"type": "exec", "command": ["ls"], "env": {}},
}
RAN: Any = {"type": "local_shell_call_output", "id": "lsh_1", "call_id": "call_9", "output": "note.txt"}
EITHER = pytest.mark.parametrize("stream", [True, False])


def parse(given: Any = "Hello", **members: Any) -> ChatRequest:
    return parse_responses_request({"model": "acme/chat", "input": given, **members}, Headers())


def refusal(given: Any = "Hello", **members: Any) -> str:
    with pytest.raises(InvalidRequest) as caught:
        parse(given, **members)
    return caught.value.message


def cited(start: int) -> Any:
    members = {"url": "https://a.test", "title": "A", "start_index": start, "end_index": start + 2}
    return {"type": "url_citation", "url_citation": members}


def thought(place: int) -> Any:
    return {"type": "reasoning.encrypted", "data": f"r{place}", "format": "openai-responses-v1", "index": place}


# --- Requests


@pytest.mark.parametrize(
    ("tool", "searches"),
    [
        ({"type": "web_search", "filters": {"allowed_domains": ["a.test"]}}, MOST),
        ({"type": "web_search", "external_web_access": True}, MOST),
        ({"type": "web_search_2025_08_26"}, MOST),
        ({"type": "web_search_preview_2025_03_11"}, MOST),
        ({"type": "mcp", "server_label": "m", "server_url": "https://m.test", "require_approval": "never"}, 0),
        ({"type": "local_shell"}, 0),
        ({"type": "shell", "environment": {"type": "local"}}, 0),
        ({"type": "apply_patch"}, 0),
        ({"type": "computer"}, 0),
        ({"type": "computer_use_preview", "display_width": 1, "display_height": 1, "environment": "mac"}, 0),
    ],
)
def test_tools_travel_as_they_are_declared(tool: Any, searches: int) -> None:
    request = parse(tools=[FUNCTION, tool])
    assert request.native_tools == (NativeTool("responses", tool, searches),)
    assert request.dialect == "responses"
    assert [each["function"]["name"] for each in request.parameters["tools"]] == ["weather"]


def test_a_shell_runs_at_the_client_unless_that_is_said() -> None:
    (tool,) = parse(tools=[{"type": "shell"}]).native_tools
    assert tool.declared == {"type": "shell", "environment": {"type": "local"}}


def test_what_is_said_of_them_goes_along() -> None:
    asked = {"include": ["web_search_call.action.sources", "reasoning.encrypted_content"], "max_tool_calls": 2}
    request = parse(tools=[{"type": "web_search"}], tool_choice={"type": "web_search"}, **asked)
    assert request.parameters == {
        "include": ["web_search_call.action.sources"],
        "max_tool_calls": 2,
        "tool_choice": {"type": "web_search"},
    }
    assert request.native_tools[0].searches == 2
    assert parse(**asked).parameters == {}


@pytest.mark.parametrize("kind", ["web_search", "web_search_2025_08_26"])
def test_a_search_that_stays_within_the_cache_is_passed_over(kind: str) -> None:
    request = parse(tools=[{"type": kind, "external_web_access": False}])
    assert (request.native_tools, request.dialect, dict(request.parameters)) == ((), None, {})


@pytest.mark.parametrize(
    ("tool", "said"),
    [
        ({"type": "file_search"}, "vector stores"),
        ({"type": "code_interpreter"}, "a fee that no answer tells"),
        ({"type": "image_generation"}, "POST /images"),
        ({"type": "x_search"}, "search with web_search"),
        ({"type": "shell", "environment": {"type": "container_auto"}}, '{"type": "local"}'),
        ({"type": "programmatic_tool_calling"}, "run them yourself"),
    ],
)
def test_what_cannot_be_charged_for_is_refused(tool: Any, said: str) -> None:
    message = refusal(tools=[FUNCTION, tool])
    assert message.startswith(f"tools.1.type: this deployment does not have the tool {tool['type']}: ")
    assert said in message


def test_only_a_tool_that_is_there_may_be_chosen() -> None:
    assert refusal(tool_choice={"type": "web_search"}) == "tool_choice: there is no tool web_search to choose in tools"
    assert refusal(tools=[{"type": "local_shell"}], tool_choice={"type": "mcp", "server_label": "m"})
    chosen = parse(tools=[{"type": "mcp", "server_label": "m"}], tool_choice={"type": "mcp", "server_label": "m"})
    assert chosen.parameters["tool_choice"] == {"type": "mcp", "server_label": "m"}


def test_searches_keep_their_places_and_bind_nobody() -> None:
    encrypted = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "abc"}
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Found."}]}
    request = parse(
        [{"role": "user", "content": "Look"}, encrypted, SEARCHED, said, {"role": "user", "content": "More"}]
    )
    assert request.dialect is None
    _, answer, _ = request.messages
    assert answer["content"] == [native_part("responses", SEARCHED), {"type": "text", "text": "Found."}]
    assert [detail["index"] for detail in answer["reasoning_details"]] == [0]


def test_a_search_of_which_nothing_was_said_is_nothing() -> None:
    request = parse([{"role": "user", "content": "Look"}, SEARCHED, {"role": "user", "content": "And?"}])
    assert [message["role"] for message in request.messages] == ["user", "user"]


@pytest.mark.parametrize(
    "items",
    [
        [SHELL, RAN],
        [{"type": "mcp_list_tools", "id": "mcpl_1", "server_label": "m", "tools": []}],
        [
            {"type": "mcp_approval_request", "id": "mcpr_1", "name": "f", "arguments": "{}", "server_label": "m"},
            {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True},
        ],
        [
            {"type": "apply_patch_call", "call_id": "c", "status": "completed", "operation": {}},
            {"type": "apply_patch_call_output", "call_id": "c", "status": "completed"},
        ],
        [
            {"type": "computer_call", "id": "cu_1", "call_id": "c", "status": "completed", "pending_safety_checks": []},
            {"type": "computer_call_output", "call_id": "c", "output": {"type": "computer_screenshot"}},
        ],
    ],
)
def test_calls_of_such_tools_need_who_speaks_the_api(items: Any) -> None:
    request = parse([{"role": "user", "content": "Go"}, *items])
    assert request.dialect == "responses"
    shown = [(message["role"], message["content"]) for message in request.messages[1:]]
    roles = ["assistant" if not item["type"].endswith(("_output", "_response")) else "user" for item in items]
    assert shown == [(role, [native_part("responses", item)]) for role, item in zip(roles, items, strict=True)]


def test_words_and_calls_around_them_stay_in_order() -> None:
    said = [{"type": "message", "role": "assistant", "content": text} for text in ("One. ", "Two. ", "Three.")]
    request = parse([{"role": "user", "content": "Go"}, said[0], SHELL, said[1], said[2], SEARCHED])
    assert request.messages[1]["content"] == [
        {"type": "text", "text": "One. "},
        native_part("responses", SHELL),
        {"type": "text", "text": "Two. Three."},
        native_part("responses", SEARCHED),
    ]


# --- Answers


async def ask(*deltas: Delta, stream: bool) -> Any:
    world = World({"one": [[*deltas, Delta(finish_reason="stop"), Delta(usage=Usage(10, 5))]]})
    answer = await Client(world).post({**HELLO, "stream": stream}, path="/api/v1/responses")
    return fold(read_events(answer.body)) if stream else answer.json


@pytest.mark.anyio
@EITHER
async def test_items_come_in_order_between_thoughts_and_words(stream: bool) -> None:
    response = await ask(
        Delta(reasoning_details=[thought(0)]),
        Delta(native=native_part("responses", SEARCHED)),
        Delta(reasoning_details=[thought(2)]),
        Delta(content="Hi. "),
        Delta(native=native_part("responses", {**SEARCHED, "id": "ws_2"})),
        Delta(content="Bye"),
        Delta(extra={"annotations": [cited(4)]}),
        Delta(native=native_part("messages", {"type": "server_tool_use"})),
        stream=stream,
    )
    kinds = [item["type"] for item in response["output"]]
    assert kinds == ["reasoning", "web_search_call", "reasoning", "message", "web_search_call", "message"]
    assert response["output"][1] == SEARCHED
    assert response["output"][4]["id"] == "ws_2"
    [part] = response["output"][5]["content"]
    # Of a place in this text, not in all that was said.
    assert (part["text"], part["annotations"]) == (
        "Bye",
        [{"type": "url_citation", "url": "https://a.test", "title": "A", "start_index": 0, "end_index": 2}],
    )


@pytest.mark.anyio
async def test_a_search_is_told_step_by_step() -> None:
    world = World({"one": [[Delta(native=native_part("responses", SEARCHED)), Delta(finish_reason="stop")]]})
    answer = await Client(world).post({**HELLO, "stream": True}, path="/api/v1/responses")
    events = [event for event in read_events(answer.body) if event.get("output_index") == 0]
    assert [event["type"].removeprefix("response.") for event in events] == [
        "output_item.added",
        "web_search_call.in_progress",
        "web_search_call.searching",
        "web_search_call.completed",
        "output_item.done",
    ]
    assert events[0]["item"] == {**SEARCHED, "status": "in_progress"}
    assert events[-1]["item"] == SEARCHED
    assert {event["item_id"] for event in events[1:-1]} == {"ws_1"}


@pytest.mark.anyio
@EITHER
async def test_what_an_answer_says_can_be_handed_back(stream: bool) -> None:
    response = await ask(
        Delta(reasoning_details=[thought(0)]),
        Delta(native=native_part("responses", SHELL)),
        Delta(content="Wait"),
        stream=stream,
    )
    request = parse([{"role": "user", "content": "Go"}, *response["output"], RAN])
    assert request.dialect == "responses"
    _, answer, ran = request.messages
    assert answer["content"] == [native_part("responses", SHELL), {"type": "text", "text": "Wait"}]
    assert answer["reasoning_details"] == [thought(0)]
    assert ran["content"] == [native_part("responses", RAN)]


@pytest.mark.anyio
@EITHER
async def test_clients_of_chat_get_nothing_of_them(stream: bool) -> None:
    found = [Delta(native=native_part("responses", SEARCHED)), Delta(content="Hi"), Delta(finish_reason="stop")]
    body = {"model": "acme/chat", "messages": [{"role": "user", "content": "Hello"}], "stream": stream}
    answer = await Client(World({"one": [found]})).post(body)
    assert answer.status == 200
    assert b"ws_1" not in answer.body
    assert b"web_search_call" not in answer.body


SEARCHING = endpoint(
    tool_wire="openai_responses",
    pricing=Pricing(Decimal("0.000001"), Decimal("0.000002"), web_search=Decimal("0.01")),
    supported_parameters=frozenset({"max_tokens", "tools", "web_search_options"}),
)


@pytest.mark.anyio
async def test_searches_are_held_for_and_charged_once() -> None:
    body = {**HELLO, "tools": [{"type": "web_search"}], "max_output_tokens": 100}
    usage = Usage(10, 5, web_search_requests=2)
    found = [Delta(native=native_part("responses", SEARCHED)), Delta(finish_reason="stop"), Delta(usage=usage)]

    async def cost(credit_usd: str, **members: Any) -> Any:
        world = World({"one": [found]}, SEARCHING, credit_usd=credit_usd)
        answer = await Client(world).post({**body, **members}, path="/api/v1/responses")
        world.settle()
        charged = [generation.cost for generation, _ in world.sent_events()]
        return (answer.status, answer.json.get("usage", {}).get("cost"), charged)

    assert await cost("0.2") == (200, 0.02002, [20_020_000])
    # Five searches may be made, with what they find.
    assert (await cost("0.09"))[0] == 402
    assert (await cost("0.03", max_tool_calls=1))[0] == 200


@pytest.mark.anyio
async def test_a_model_of_another_api_says_what_to_do() -> None:
    world = World({"one": []}, endpoint(tool_wire="anthropic"))
    answer = await Client(world).post({**HELLO, "tools": [{"type": "local_shell"}]}, path="/api/v1/responses")
    assert answer.status == 404
    message = answer.json["error"]["message"]
    assert "the tool local_shell is part of OpenAI's Responses API, which one cannot be asked in" in message
    assert "ask for a model that can, or send function tools and run them yourself" in message
