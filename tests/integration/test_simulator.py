"""The simulator over a real socket: what every wire answers, what it refuses, and how it fails."""

import json
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from turnpike.providers import registry

from tests.e2e.simulated import WIRES
from tests.replay.recordings import frame
from tests.simulator.cases import find_case, option_of
from tests.simulator.said import sign
from tests.simulator.server import KEY, Simulator, simulating

Json = dict[str, Any]

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
BEARER = {"authorization": f"Bearer {KEY}"}
VERTEX = "/v1/projects/p/locations/global/publishers"
HELLO = [{"role": "user", "content": "Hello"}]
THOUGHT_ITEM = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": sign("rs_1")}


@dataclass(frozen=True)
class Spoken:
    """How a wire is spoken by hand: `path` and `body` for a model, and the text in one event of its stream."""

    path: Callable[[str, bool], str]
    body: Callable[[str, bool], Json]
    text: Callable[[Json], str]
    headers: dict[str, str] = field(default_factory=lambda: BEARER)
    model: str = "sim"
    tools: Json = field(default_factory=lambda: {"tools": [FUNCTION]})


def chat_body(model: str, stream: bool) -> Json:
    return {"model": model, "messages": HELLO, "stream": stream}


def claude_body(model: str, stream: bool) -> Json:
    return {**chat_body(model, stream), "max_tokens": 4000}


def gemini_body(model: str, stream: bool) -> Json:
    return {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


def converse_body(model: str, stream: bool) -> Json:
    return {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}


def gemini_path(model: str, stream: bool) -> str:
    return f"/v1beta/models/{model}:" + ("streamGenerateContent?alt=sse" if stream else "generateContent")


def chat_text(event: Json) -> str:
    return "".join(str(choice["delta"].get("content") or "") for choice in event.get("choices", ()))


SPOKEN = {
    "openai_compatible": Spoken(lambda model, stream: "/v1/chat/completions", chat_body, chat_text),
    "openai_responses": Spoken(
        lambda model, stream: "/v1/responses",
        lambda model, stream: {"model": model, "input": "Hello", "stream": stream},
        lambda event: event["delta"] if event["type"] == "response.output_text.delta" else "",
        tools={"tools": [{"type": "function", "name": "get_weather", "parameters": SCHEMA}]},
    ),
    "anthropic": Spoken(
        lambda model, stream: "/v1/messages",
        claude_body,
        lambda event: event.get("delta", {}).get("text", ""),
        {"x-api-key": KEY, "anthropic-version": "2023-06-01"},
        tools={"tools": [{"name": "get_weather", "input_schema": SCHEMA}]},
    ),
    "google": Spoken(
        gemini_path,
        gemini_body,
        lambda event: "".join(part.get("text", "") for part in event["candidates"][0]["content"]["parts"]),
        {"x-goog-api-key": KEY},
        model="gemini-3-pro",
        tools={"tools": [{"functionDeclarations": [{"name": "get_weather", "parametersJsonSchema": SCHEMA}]}]},
    ),
    "bedrock": Spoken(
        lambda model, stream: f"/model/{model}/converse" + ("-stream" if stream else ""),
        converse_body,
        lambda event: event.get("delta", {}).get("text", ""),
        model="us.amazon.nova-2-lite-v1%3A0",
        tools={"toolConfig": {"tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": SCHEMA}}}]}},
    ),
    "azure": Spoken(
        lambda model, stream: f"/openai/deployments/{model}/chat/completions?api-version=2024-10-21",
        lambda model, stream: {"messages": HELLO, "stream": stream},
        chat_text,
        {"api-key": KEY},
    ),
    "cohere": Spoken(
        lambda model, stream: "/v2/chat",
        chat_body,
        lambda event: (
            event.get("delta", {}).get("message", {}).get("content", {}).get("text", "")
            if event["type"] == "content-delta"
            else ""
        ),
    ),
    "mistral": Spoken(lambda model, stream: "/mistral/v1/chat/completions", chat_body, chat_text),
    "vertex_anthropic": Spoken(
        lambda model, stream: f"{VERTEX}/anthropic/models/{model}:{'streamRawPredict' if stream else 'rawPredict'}",
        lambda model, stream: {
            "messages": HELLO,
            "max_tokens": 4000,
            "anthropic_version": "vertex-2023-10-16",
            "stream": stream,
        },
        lambda event: event.get("delta", {}).get("text", ""),
        tools={"tools": [{"name": "get_weather", "input_schema": SCHEMA}]},
    ),
}
EVERY_WIRE = pytest.mark.parametrize("wire", SPOKEN)
TEXT = 'you said: "Hello". This answer comes from a simulator'


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Simulator, str]]:
    with simulating() as running:
        yield running


@pytest.fixture(scope="module")
def client(running: tuple[Simulator, str]) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=running[1], timeout=5, trust_env=False) as client:
        yield client


def ask(client: httpx2.Client, wire: str, option: str = "", *, stream: bool = False, **members: Any) -> httpx2.Response:
    spoken = SPOKEN[wire]
    model = spoken.model + option
    headers = members.pop("headers", spoken.headers)
    body = {**spoken.body(model, stream), **members}
    return client.post(spoken.path(model, stream), json=body, headers=headers)


def events_of(response: httpx2.Response) -> list[Json]:
    """Of a whole stream, in whichever framing."""
    assert response.status_code == 200, response.text
    if "eventstream" in response.headers["content-type"]:
        return list(frames_of(response.content))
    assert response.headers["content-type"].startswith("text/event-stream")
    lines = [line.removeprefix("data: ") for line in response.text.split("\n") if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def frames_of(data: bytes) -> Iterator[Json]:
    while data:
        size, head = struct.unpack_from(">II", data)
        yield json.loads(data[12 + head : size - 4])
        data = data[size:]


def text_of(wire: str, events: list[Json]) -> str:
    return "".join(SPOKEN[wire].text(event) for event in events)


@EVERY_WIRE
def test_every_wire_answers_whole_and_streamed_with_the_same_text(client: httpx2.Client, wire: str) -> None:
    whole = ask(client, wire)
    assert whole.status_code == 200
    assert json.dumps(TEXT)[1:-1] in whole.text
    streamed = text_of(wire, events_of(ask(client, wire, stream=True)))
    assert streamed.startswith(f"By {wire} {TEXT}")
    assert json.dumps(streamed)[1:-1] in whole.text


@EVERY_WIRE
@pytest.mark.parametrize("stream", [False, True])
def test_every_wire_calls_a_tool(client: httpx2.Client, wire: str, stream: bool) -> None:
    response = ask(client, wire, stream=stream, **SPOKEN[wire].tools)
    assert response.status_code == 200
    assert b"get_weather" in response.content
    assert text_of(wire, events_of(response)) == "" if stream else True


@EVERY_WIRE
def test_every_wire_refuses_a_wrong_key_and_an_unknown_member(client: httpx2.Client, wire: str) -> None:
    headers = {name: value.replace(KEY, "other") for name, value in SPOKEN[wire].headers.items()}
    # Gemini says 400, and AWS 403.
    assert ask(client, wire, headers=headers).status_code == {"google": 400, "bedrock": 403}.get(wire, 401)
    assert ask(client, wire, headers={}).status_code in (400, 401, 403)
    unheard = ask(client, wire, unheard_of=1)
    assert unheard.status_code in (400, 422)
    assert "unheard_of" in unheard.text


@EVERY_WIRE
@pytest.mark.parametrize("trouble", ["rate_limit", "overloaded", "server", "context_length", "content_policy", "auth"])
def test_every_wire_has_its_own_errors(client: httpx2.Client, wire: str, trouble: str) -> None:
    response = ask(client, wire, f"~trouble.{trouble}~retry_after.7", stream=True)
    statuses = {"rate_limit": {429}, "overloaded": {503, 529}, "server": {500}, "auth": {401, 403}}
    assert response.status_code in statuses.get(trouble, {400})
    assert response.headers["content-type"] == "application/json"
    if trouble == "rate_limit":
        # Google has no header for it.
        assert response.headers.get("retry-after") == "7" or '"retryDelay": "7s"' in response.text


@EVERY_WIRE
def test_an_error_breaks_off_a_stream(client: httpx2.Client, wire: str) -> None:
    response = ask(client, wire, "~error.6~trouble.overloaded", stream=True)
    assert response.status_code == 200
    body = response.content
    assert b"The simulator was told to fail." in body
    if wire == "bedrock":
        assert b"serviceUnavailableException" in body
    else:
        assert len(events_of(response)) == 7
    # An answer in one piece cannot break off: it is the error.
    assert ask(client, wire, "~error.6").status_code == 500


@EVERY_WIRE
@pytest.mark.parametrize("fault", ["reset.headers", "cut.headers", "reset.0", "reset.4", "cut.0", "cut.4", "tear.4"])
@pytest.mark.parametrize("stream", [True, False])
def test_connections_break(client: httpx2.Client, wire: str, fault: str, stream: bool) -> None:
    resets = fault.startswith("reset")
    with pytest.raises(httpx2.ReadError if resets else httpx2.RemoteProtocolError):
        ask(client, wire, f"~{fault}", stream=stream)


def pieces_before_the_end(client: httpx2.Client, option: str) -> bytes:
    spoken, seen = SPOKEN["openai_compatible"], b""
    body = spoken.body(f"sim{option}", True)
    with (
        suppress(httpx2.TransportError),
        client.stream("POST", "/v1/chat/completions", json=body, headers=BEARER, timeout=0.8) as response,
    ):
        for data in response.iter_raw():
            seen += data
    assert b"[DONE]" not in seen
    return seen


@pytest.mark.parametrize(
    ("option", "events", "halves"),
    [("~cut.3", 3, 0), ("~reset.3", 3, 0), ("~tear.3", 3, 1), ("~hang.3", 3, 0), ("~hang.headers", 0, 0)],
)
def test_what_was_sent_before_arrives(client: httpx2.Client, option: str, events: int, halves: int) -> None:
    *whole, rest = pieces_before_the_end(client, option).split(b"\n\n")
    assert (len(whole), bool(rest)) == (events, bool(halves))


def test_a_stream_can_lack_its_end_or_hold_junk(client: httpx2.Client) -> None:
    stopped = ask(client, "openai_compatible", "~stop.5", stream=True)
    assert stopped.text.count("\n\n") == 5
    assert "[DONE]" not in stopped.text
    with pytest.raises(ValueError, match=r"utf-8|Expecting|Invalid"):
        events_of(ask(client, "openai_compatible", "~garbage.2", stream=True))
    junk = ask(client, "openai_compatible", "~garbage.0")
    assert (junk.status_code, junk.headers["content-type"]) == (200, "text/html")
    assert ask(client, "openai_compatible", "~empty.1").content == b""


def test_delays_are_as_asked(client: httpx2.Client) -> None:
    began = time.monotonic()
    ask(client, "openai_compatible", "~headers_ms.60~first_ms.40~chunk_ms.5", stream=True)
    # Only the floor is certain: there are more than twenty pieces.
    assert time.monotonic() - began > 0.06 + 0.04 + 20 * 0.005 - 0.01


def test_faults_can_be_told_beforehand_and_are_counted(client: httpx2.Client) -> None:
    plan = {"wire": "anthropic", "model": "sim", "count": 2, "fault": {"status": 529, "retry_after": 3}}
    assert client.post("/simulator/faults", json=plan).status_code == 200
    assert ask(client, "openai_compatible").status_code == 200
    answers = [ask(client, "anthropic") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [529, 529, 200]
    assert answers[0].json()["error"]["type"] == "overloaded_error"
    for unknown in ({"unheard": 1}, {"trouble": "unheard"}):
        assert client.post("/simulator/faults", json={"fault": unknown}).status_code == 400
    client.post("/simulator/faults", json=plan)
    client.delete("/simulator/faults")
    assert ask(client, "anthropic").status_code == 200


def test_requests_can_be_read_and_are_bounded(client: httpx2.Client, running: tuple[Simulator, str]) -> None:
    client.delete("/simulator/requests")
    ask(client, "cohere", temperature=0.5)
    ask(client, "google", unheard=1)
    first, second = client.get("/simulator/requests").json()
    assert (first["wire"], first["path"], first["body"]["temperature"]) == ("cohere", "/v2/chat", 0.5)
    assert first["headers"]["authorization"] == BEARER["authorization"]
    assert "refused" not in first
    assert "unheard" in second["refused"]
    assert running[0].requests.maxlen == 256


def test_unknown_addresses_and_models(client: httpx2.Client) -> None:
    assert client.post("/v1/unheard", json={}, headers=BEARER).status_code == 404
    assert client.post("/mistral/v1/messages", json={}, headers=BEARER).status_code == 404
    # Without its version there is nothing at a deployment's address.
    assert client.post("/openai/deployments/m/chat/completions", json={}, headers=BEARER).status_code == 404
    assert ask(client, "openai_compatible", "~unheard.1").status_code == 404
    assert client.get("/v1/messages", headers=BEARER).status_code == 405


def test_cases_are_played_byte_by_byte(client: httpx2.Client) -> None:
    case = find_case("openai.openai_refusal.0")
    assert case is not None
    assert option_of(case) == "~case.openai.openai_refusal.0"
    assert ask(client, "openai_compatible", option_of(case), stream=True).content == case.body
    # A stream is no answer for who wanted none.
    assert ask(client, "openai_compatible", option_of(case)).status_code == 400
    limit = ask(client, "openai_compatible", "~case.openai.openai_rate_limit.0")
    assert (limit.status_code, limit.headers["retry-after"]) == (429, "20")
    assert ask(client, "openai_compatible", "~case.openai.unheard.0").status_code == 404


OPENAI_CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
OPENAI_RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "1"}
THOUGHT = {"type": "thinking", "thinking": "made up", "signature": "made up"}
USE = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "21"}
THINKING = {"type": "enabled", "budget_tokens": 1024}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}
SEARCHED = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "a"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
FORGED = {**FOUND, "content": [{"type": "web_search_result", "encrypted_content": "made up"}]}
FETCHED = {**FOUND, "type": "web_fetch_tool_result"}
GEMINI_CALL = {"functionCall": {"name": "get_weather", "args": {}}}
GEMINI_RESULT = {"functionResponse": {"name": "get_weather", "response": {"result": "21"}}}
NOVA_USE = {"toolUse": {"toolUseId": "t1", "name": "get_weather", "input": {}}}
MISTRAL_CALL = {**OPENAI_CALL, "id": "abcdefgh9"}
MISTRAL_RESULT = {**OPENAI_RESULT, "tool_call_id": "abcdefgh9"}


def turns(*contents: Any, member: str = "content", model: str = "assistant") -> list[Json]:
    return [{"role": model if place % 2 else "user", member: content} for place, content in enumerate(contents)]


@pytest.mark.parametrize(
    ("wire", "members", "complaint"),
    [
        ("openai_compatible", {"messages": [*HELLO, {**OPENAI_RESULT, "tool_call_id": "x"}]}, "tool_calls"),
        ("openai_compatible", {"messages": [*HELLO, {"role": "assistant", "tool_calls": [OPENAI_CALL]}]}, "call_1"),
        ("openai_compatible", {"messages": [{"role": "user", "content": "a", "cache_control": {}}]}, "cache_control"),
        ("openai_compatible", {"tool_choice": "required"}, "tool_choice"),
        ("openai_compatible", {"stream_options": {"include_usage": True}}, "stream_options"),
        ("openai_responses", {"input": [{"type": "reasoning", "id": "rs_1", "summary": []}], "store": False}, "store"),
        ("openai_responses", {"input": [THOUGHT_ITEM, *HELLO]}, "required following item"),
        ("openai_responses", {"input": [{"type": "local_shell_call_output", "call_id": "c", "output": ""}]}, "_id c"),
        ("openai_responses", {"tools": [{"type": "web_search"}], "reasoning": {"effort": "minimal"}}, "minimal"),
        ("openai_responses", {"tools": [{"type": "web_search", "max_uses": 1}]}, "max_uses"),
        ("openai_responses", {"tools": [{"type": "web_search", "filters": {"excluded": []}}]}, "filters.excluded"),
        ("openai_responses", {"include": ["everything"]}, "everything"),
        ("openai_responses", {"input": [{"type": "function_call_output", "call_id": "x", "output": ""}]}, "call_id x"),
        ("openai_responses", {"input": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}, "text"),
        ("anthropic", {"max_tokens": None}, "max_tokens"),
        ("anthropic", {"messages": [{"role": "system", "content": "a"}]}, "first message"),
        ("anthropic", {"messages": turns("a", [USE])}, "toolu_1"),
        ("anthropic", {"messages": turns("a", "b", [RESULT])}, "toolu_1"),
        ("anthropic", {"messages": turns("a", [THOUGHT, USE], [RESULT]), "thinking": THINKING}, "signature"),
        ("anthropic", {"messages": turns("a", [USE], [RESULT]), "thinking": THINKING}, "start with a thinking block"),
        ("anthropic", {"thinking": THINKING, "temperature": 0}, "temperature"),
        ("anthropic", {"thinking": THINKING, "max_tokens": 1024}, "max_tokens"),
        ("anthropic", {"tools": [{"type": "web_search_1", "name": "web_search"}]}, "web_search_1"),
        ("anthropic", {"tools": [{**SEARCH, "search_context_size": "low"}]}, "search_context_size"),
        ("anthropic", {"tools": [{**SEARCH, "name": "search"}]}, "name"),
        ("anthropic", {"tools": [{**SEARCH, "max_uses": 0}]}, "max_uses"),
        ("anthropic", {"tools": [{**SEARCH, "allowed_domains": ["*.a.test"]}]}, "is no domain"),
        ("anthropic", {"tools": [{**SEARCH, "allowed_domains": ["a.test"], "blocked_domains": ["b.test"]}]},
         "only one"),
        ("anthropic", {"tools": [{**SEARCH, "user_location": {"type": "approximate", "approximate": {}}}]}, "location"),
        ("anthropic", {"tools": [SEARCH], "tool_choice": {"type": "tool", "name": "web"}}, "not found"),
        ("anthropic", {"messages": turns("a", [SEARCHED], "b")}, "without a corresponding"),
        ("anthropic", {"messages": turns("a", [FOUND], "b")}, "srvtoolu_1"),
        ("anthropic", {"messages": turns("a", [SEARCHED, FETCHED], "b")}, "srvtoolu_1"),
        ("anthropic", {"messages": turns("a", [SEARCHED, FORGED], "b")}, "encrypted_content"),
        ("anthropic", {"messages": turns("a", [{"type": "compaction"}], "b")}, "compaction"),
        ("vertex_anthropic", {"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]}, "web_fetch"),
        ("google", {"contents": turns([{"text": "a"}], [GEMINI_CALL], [GEMINI_RESULT], member="parts", model="model")},
         "thought_signature"),
        ("google", {"contents": turns([{"text": "a"}], [GEMINI_CALL], [{"text": "b"}], member="parts", model="model")},
         "number of function response parts"),
        ("google", {"generationConfig": {"max_tokens": 1}}, "max_tokens"),
        ("bedrock", {"messages": [*turns([{"text": "a"}]), *turns([{"text": "b"}])]}, "alternate"),
        ("bedrock", {"messages": turns([{"text": "a"}], [NOVA_USE])}, "t1"),
        ("bedrock", {"messages": turns([{"text": " "}])}, "blank"),
        ("bedrock", {"toolConfig": {"tools": []}}, "toolConfig"),
        ("cohere", {"tools": [{**FUNCTION, "strict": True}]}, "strict"),
        ("cohere", {"messages": [*HELLO, {"role": "assistant", "tool_calls": [{**OPENAI_CALL, "index": 0}]}]}, "index"),
        ("cohere", {"tool_choice": "auto"}, "tool_choice"),
        ("mistral", {"stream_options": {"include_usage": True}}, "Extra inputs"),
        ("mistral", {"messages": [*HELLO, {"role": "assistant", "tool_calls": [OPENAI_CALL]}, OPENAI_RESULT]},
         "length of 9"),
        ("mistral", {"messages": [*HELLO, {"role": "assistant", "tool_calls": [MISTRAL_CALL]}, MISTRAL_RESULT, *HELLO]},
         "after role"),
        ("azure", {"messages": [*HELLO, {"role": "assistant", "tool_calls": [OPENAI_CALL]}]}, "call_1"),
    ],
)  # fmt: skip
def test_what_the_real_api_refuses_is_refused(client: httpx2.Client, wire: str, members: Json, complaint: str) -> None:
    refused = ask(client, wire, **members)
    assert refused.status_code in (400, 404, 422)
    assert complaint in refused.text


def test_bytes_without_meaning_are_refused(client: httpx2.Client) -> None:
    headers = {**BEARER, "content-type": "application/json"}
    for content in (b"", b"[1]", b"{", b'{"model": 1, "messages": 2}', b'{"model": "m", "messages": [{}]}'):
        assert client.post("/v1/chat/completions", content=content, headers=headers).status_code == 400
    assert client.post("/v1/chat/completions", content=b"{}", headers=BEARER).status_code == 415


def test_claude_thinks_and_gets_its_signature_back(client: httpx2.Client) -> None:
    tools = SPOKEN["anthropic"].tools
    first = ask(client, "anthropic", thinking=THINKING, **tools).json()
    assert [block["type"] for block in first["content"]] == ["thinking", "tool_use"]
    result = {**RESULT, "tool_use_id": first["content"][1]["id"]}
    second = ask(client, "anthropic", thinking=THINKING, messages=turns("a", first["content"], [result]), **tools)
    assert "The tool answered: 21" in second.text


def test_claude_searches_and_gets_what_it_found_back(client: httpx2.Client) -> None:
    first = ask(client, "anthropic", tools=[SEARCH]).json()
    assert [block["type"] for block in first["content"]] == ["server_tool_use", "web_search_tool_result", "text"]
    assert first["usage"]["server_tool_use"]["web_search_requests"] == 1
    again = turns("a", first["content"], "b")
    assert ask(client, "anthropic", tools=[SEARCH], messages=again).status_code == 200
    # An answer that paused is continued, and a client's results may come before those of the search.
    paused = turns("a", [SEARCHED, USE], [RESULT])
    for messages in (turns("a", [SEARCHED]), paused, [*paused, {"role": "assistant", "content": [FOUND]}]):
        assert ask(client, "anthropic", tools=[SEARCH], messages=messages).status_code == 200


def test_gemini_takes_its_signature_back_and_streams_an_array_without_sse(client: httpx2.Client) -> None:
    tools = SPOKEN["google"].tools
    [part] = ask(client, "google", **tools).json()["candidates"][0]["content"]["parts"]
    assert part["thoughtSignature"]
    contents = turns([{"text": "a"}], [part], [GEMINI_RESULT], member="parts", model="model")
    assert "The tool answered: 21" in ask(client, "google", contents=contents, **tools).text
    body = gemini_body("", True)
    array = client.post("/v1beta/models/m:streamGenerateContent", json=body, headers={"x-goog-api-key": KEY})
    assert len(array.json()) > 20
    assert client.post(f"{VERTEX}/google/models/m:generateContent", json=body, headers=BEARER).status_code == 200


def test_claude_on_bedrock_is_invoked(client: httpx2.Client) -> None:
    body = {"messages": HELLO, "max_tokens": 100, "anthropic_version": "bedrock-2023-05-31"}
    path = "/model/us.anthropic.claude-sonnet-4-5-v1:0"
    assert client.post(f"{path}/invoke", json=body, headers=BEARER).json()["stop_reason"] == "end_turn"
    frames = list(frames_of(client.post(f"{path}/invoke-with-response-stream", json=body, headers=BEARER).content))
    assert all(set(each) == {"bytes"} for each in frames)
    signed = "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=f"
    headers = {"authorization": signed, "x-amz-date": "20260101T000000Z"}
    assert client.post(f"{path}/invoke", json=body, headers=headers).status_code == 200
    assert len(frame({}, {})) == 18


def test_azure_has_two_more_addresses(client: httpx2.Client) -> None:
    assert client.post("/openai/v1/chat/completions", json=chat_body("m", False), headers=BEARER).status_code == 200
    body = {"model": "m", "input": "Hello", "stream": True}
    response = client.post("/openai/v1/responses", json=body, headers={"api-key": KEY})
    assert events_of(response)[-1]["type"] == "response.completed"


def test_structured_answers_fit_their_schema(client: httpx2.Client) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA}}
    content = ask(client, "openai_compatible", response_format=form).json()["choices"][0]["message"]["content"]
    assert json.loads(content) == {"city": "Paris"}
    config = {"responseMimeType": "application/json", "responseSchema": {**SCHEMA, "type": "OBJECT"}}
    parts = ask(client, "google", generationConfig=config).json()["candidates"][0]["content"]["parts"]
    assert json.loads("".join(part["text"] for part in parts)) == {"city": "Paris"}


def test_every_registered_wire_is_simulated_and_tested_from_end_to_end() -> None:
    assert set(WIRES) == set(registry.WIRES)
    assert {tested.mount for tested in WIRES.values()} == set(SPOKEN)
