"""The demo provider over a real socket: what a router, and the tests that use it, rely on."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from infra.local.demo_provider import DemoProvider
from infra.local.serving import HOST, listen, port_of, serving

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
            "required": ["city"],
        },
    },
}


@pytest.fixture(scope="module")
def client() -> Iterator[httpx2.Client]:
    sock = listen()
    url = f"http://{HOST}:{port_of(sock)}"
    with (
        serving(DemoProvider("secret"), sock),
        httpx2.Client(base_url=url, headers={"authorization": "Bearer secret"}, timeout=10) as client,
    ):
        yield client


def ask(client: httpx2.Client, model: str = "chat", text: str = "Hello there", **body: Any) -> httpx2.Response:
    request = {"model": model, "messages": [{"role": "user", "content": text}], **body}
    return client.post("/v1/chat/completions", json=request)


def events(response: httpx2.Response) -> list[Any]:
    """The chunks of a complete stream."""
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    *chunks, done, end = response.text.split("\n\n")
    assert (done, end) == ("data: [DONE]", "")
    return [json.loads(chunk.removeprefix("data: ")) for chunk in chunks]


def text_of(chunks: list[Any], member: str = "content") -> str:
    return "".join(choice["delta"].get(member) or "" for chunk in chunks for choice in chunk["choices"])


def finish_reasons(chunks: list[Any]) -> list[str]:
    return [c["finish_reason"] for chunk in chunks for c in chunk["choices"] if c["finish_reason"]]


def test_a_wrong_key_is_refused(client: httpx2.Client) -> None:
    response = client.get("/v1/models", headers={"authorization": "Bearer other"})
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "invalid_api_key"


def test_a_customer_has_a_key_of_their_own(client: httpx2.Client) -> None:
    for key, status in (("demo-byok-somebody", 200), ("other-demo-byok-somebody", 401)):
        headers = {"authorization": f"Bearer {key}"}
        assert client.get("/v1/models", headers=headers).status_code == status
    assert client.get("/stats").json()["customers"] == {"demo-byok-somebody": 1}


def test_an_answer_quotes_what_was_said_and_counts_it(client: httpx2.Client) -> None:
    answer = ask(client).json()
    content = answer["choices"][0]["message"]["content"]
    assert content.startswith('You said: "Hello there".')
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["prompt_tokens"] == 3
    assert answer["usage"]["completion_tokens"] == len(content.split())


def test_a_stream_says_the_same_and_reports_usage_when_asked(client: httpx2.Client) -> None:
    whole = ask(client).json()
    silent = events(ask(client, stream=True))
    counted = events(ask(client, stream=True, stream_options={"include_usage": True}))
    assert text_of(silent) == text_of(counted) == whole["choices"][0]["message"]["content"]
    assert finish_reasons(silent) == finish_reasons(counted) == ["stop"]
    assert not any("usage" in chunk for chunk in silent)
    assert [chunk["usage"] for chunk in counted if chunk["usage"]] == [whole["usage"]]
    assert counted[-1]["choices"] == []


def test_the_maximum_is_honoured_reasoning_first(client: httpx2.Client) -> None:
    cut = ask(client, max_tokens=5).json()
    assert cut["choices"][0]["finish_reason"] == "length"
    assert cut["usage"]["completion_tokens"] == 5
    thoughts = ask(client, "chat?reasoning=1", max_completion_tokens=5).json()
    assert thoughts["choices"][0]["message"]["content"] == ""
    assert thoughts["choices"][0]["message"]["reasoning_content"]
    assert thoughts["usage"]["completion_tokens_details"]["reasoning_tokens"] == 5


def test_a_tool_is_called_and_its_result_quoted(client: httpx2.Client) -> None:
    chunks = events(ask(client, text="What is the weather?", tools=[WEATHER], stream=True))
    calls = [call for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls", ())]
    assert calls[0]["function"]["name"] == "get_weather"
    assert len(calls) > 2, "the arguments come in several fragments"
    assert json.loads("".join(c["function"]["arguments"] for c in calls)) == {"city": "Paris", "days": 2}
    assert finish_reasons(chunks) == ["tool_calls"]

    request = {
        "model": "chat",
        "tools": [WEATHER],
        "messages": [
            {"role": "user", "content": "What is the weather?"},
            {"role": "assistant", "tool_calls": [{"id": calls[0]["id"], "type": "function"}]},
            {"role": "tool", "tool_call_id": calls[0]["id"], "content": "21 degrees"},
        ],
    }
    answer = client.post("/v1/chat/completions", json=request).json()
    assert answer["choices"][0]["message"]["content"] == "The tool answered: 21 degrees"


@pytest.mark.parametrize(
    ("choice", "text", "called"),
    [("none", "the weather", False), ("required", "Hello", True), ("auto", "Hello", False)],
)
def test_tool_choice_decides(client: httpx2.Client, choice: str, text: str, called: bool) -> None:
    message = ask(client, text=text, tools=[WEATHER], tool_choice=choice).json()["choices"][0]["message"]
    assert bool(message.get("tool_calls")) is called


def test_structured_output_fits_its_schema(client: httpx2.Client) -> None:
    point = {"type": "object", "properties": {"x": {"type": "number", "minimum": 3}}, "required": ["x"]}
    schema = {
        "type": "object",
        "$defs": {"point": point},
        "properties": {
            "kind": {"enum": ["line", "circle"]},
            "points": {"type": "array", "minItems": 2, "items": {"$ref": "#/$defs/point"}},
            "note": {"anyOf": [{"type": "null"}, {"type": "string", "maxLength": 4}]},
        },
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "shape", "schema": schema}}
    content = ask(client, response_format=wanted).json()["choices"][0]["message"]["content"]
    assert json.loads(content) == {"kind": "line", "points": [{"x": 3}, {"x": 3}], "note": "Hell"}


def test_failures_have_the_status_that_was_asked_for(client: httpx2.Client) -> None:
    busy = ask(client, "chat?status=429&retry_after=2")
    assert (busy.status_code, busy.headers["retry-after"]) == (429, "2")
    assert ask(client, "chat?status=500", stream=True).status_code == 500
    assert ask(client, "other").status_code == 404
    assert ask(client, "chat?unheard=1").status_code == 404
    assert [ask(client, "chat?flaky=2").status_code for _ in range(4)] == [200, 503, 200, 503]


def test_a_stream_can_break_off_or_end_in_an_error(client: httpx2.Client) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        ask(client, "chat?cut_after=2", stream=True)
    with pytest.raises(httpx2.RemoteProtocolError):
        ask(client, "chat?cut_after=2")
    *chunks, failure, _ = ask(client, "chat?error_after=2", stream=True).text.split("\n\n")
    assert len(chunks) == 3, "the role and two words"
    assert "error" in json.loads(failure.removeprefix("data: "))


def test_odd_answers(client: httpx2.Client) -> None:
    empty = ask(client, "chat?empty=1").json()
    assert (empty["choices"][0]["finish_reason"], empty["usage"]["completion_tokens"]) == (None, 0)
    assert ask(client, "chat?empty=1&finish=stop").json()["choices"][0]["finish_reason"] == "stop"
    assert "usage" not in ask(client, "chat?no_usage=1").json()
    junk = ask(client, "chat?junk=1")
    assert junk.status_code == 200
    with pytest.raises(ValueError, match="Expecting value"):
        junk.json()
    assert len(events(ask(client, "chat?together=1&chunks=40", stream=True))) == 42, "role, words, finish"


def test_latency_is_as_asked(client: httpx2.Client) -> None:
    with client.stream("POST", "/v1/chat/completions", json=streamed("chat?ttft_ms=60&chunk_ms=20&chunks=3")) as r:
        assert "".join(r.iter_text()).endswith("[DONE]\n\n")
    # A role, three words and a finish: four pauses. Only the floor is certain.
    assert r.elapsed.total_seconds() >= 0.06 + 4 * 0.02 - 0.005


@pytest.mark.parametrize("model", ["chat?hang=1", "chat?ttft_ms=60000", "chat?chunk_ms=30000&chunks=9"])
def test_a_client_that_hangs_up_is_noticed(client: httpx2.Client, model: str) -> None:
    with pytest.raises(httpx2.ReadTimeout):
        client.post("/v1/chat/completions", json=streamed(model), timeout=0.2)
    deadline = time.monotonic() + 5
    while model not in client.get("/stats").json()["hang_ups"]:
        assert time.monotonic() < deadline


def streamed(model: str) -> dict[str, Any]:
    return {"model": model, "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
