"""`POST /completions` with one prompt, through the ASGI app, with a scripted provider and everything else in memory."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from turnpike.api.completions.parse import parse_completion_request, split_prompts
from turnpike.domain.chat import ChatRequest, Delta
from turnpike.domain.errors import InvalidRequest
from turnpike.services.response_cache import AnswerFromCache

from tests.chat_client import Answer, Client
from tests.fake_stores import InMemoryCachedAnswers
from tests.junk import JUNK, places, with_junk
from tests.scenario import Script, World, endpoint, failure, text

HELLO: dict[str, Any] = {"model": "acme/chat", "prompt": "Once upon"}
WHOLE = {**HELLO, "prompt": ["a", "b"], "n": 2, "best_of": 2, "logprobs": 1, "echo": True, "suffix": None}
PATH = "/api/v1/completions"


def parse(**members: Any) -> ChatRequest:
    return parse_completion_request({**HELLO, **members}, Headers())


def refusal(**members: Any) -> str:
    with pytest.raises(InvalidRequest) as caught:
        parse_completion_request(split_prompts({**HELLO, **members})[0], Headers())
    return caught.value.message


async def ask(*script: Any, headers: Any = None, **members: Any) -> Answer:
    scripts: list[Script] = [list(script) or text(" a", " time")]
    client = Client(World({"one": scripts}))
    return await client.post({**HELLO, **members}, path=PATH, headers=headers)


def said(answer: Answer, place: int = 0) -> str:
    """Of a stream."""
    choices = [choice for event in answer.events for choice in event["choices"]]
    return "".join(choice["text"] for choice in choices if choice["index"] == place)


class TestParsing:
    def test_a_prompt_is_what_a_user_says(self) -> None:
        request = parse()
        assert request.messages == [{"role": "user", "content": "Once upon"}]
        assert request.models == ("acme/chat",)
        assert not request.stream

    def test_chats_parameters_and_preferences_are_taken(self) -> None:
        request = parse(
            **{"models": ["b/c"], "temperature": 0.5, "stop": ["\n"], "seed": 7, "max_tokens": 9, "top_k": 3},
            **{"provider": {"order": ["Acme"]}, "user": "u", "session_id": "s", "stream": True},
            **{"plugins": [{"id": "response-healing"}], "reasoning": {"effort": "low"}},
        )
        assert request.models == ("acme/chat", "b/c")
        assert request.parameters == {
            **{"temperature": 0.5, "stop": ["\n"], "seed": 7, "top_k": 3, "reasoning": {"effort": "low"}}
        }
        assert (request.max_tokens, request.user, request.session_id, request.stream) == (9, "u", "s", True)
        assert request.provider.order == ("acme",)
        assert request.response_healing

    def test_the_number_of_logprobs_becomes_chats_two_members(self) -> None:
        assert parse(logprobs=3).parameters == {"logprobs": True, "top_logprobs": 3}
        assert parse(logprobs=0).parameters == {"logprobs": True}
        assert parse(logprobs=None).parameters == {}

    def test_tools_and_messages_have_no_place(self) -> None:
        tool = {"type": "function", "function": {"name": "f"}}
        request = parse(tools=[tool], tool_choice="auto", parallel_tool_calls=True, messages=[{"role": "user"}])
        assert request.parameters == {}
        assert request.messages == [{"role": "user", "content": "Once upon"}]
        assert parse(modalities=["text"]).output_kinds == {"text"}

    @pytest.mark.parametrize(
        ("members", "said"),
        [
            ({"prompt": None}, "prompt: send a text, or a list of texts"),
            ({"prompt": []}, "prompt: send a text, or a list of texts"),
            ({"prompt": {"a": 1}}, "prompt: send a text, or a list of texts"),
            ({"prompt": ["a", None]}, "prompt.1: send a text, or a list of texts"),
            ({"prompt": ["a", ""]}, "prompt.1: there is nothing to go on from; send a text"),
            ({"prompt": ""}, "prompt: there is nothing to go on from; send a text"),
            (
                {"prompt": [1, 2]},
                "prompt.0: token ids mean something to one model alone; send the text instead",
            ),
            (
                {"prompt": [[1, 2]]},
                "prompt.0: token ids mean something to one model alone; send the text instead",
            ),
            ({"logprobs": 6}, "logprobs: Input should be less than or equal to 5"),
            ({"logprobs": True}, "logprobs: Input should be a valid integer"),
            ({"n": 0}, "n: Input should be greater than or equal to 1"),
            ({"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1"),
            ({"best_of": 2}, "best_of: the best is not chosen here; send n and choose among the choices"),
            ({"model": None}, "model: name the model to ask; GET /models lists them"),
            (
                {"modalities": ["image", "text"]},
                "modalities: a text has no place for images or sound; ask POST /chat/completions",
            ),
        ],
    )
    def test_what_cannot_be_is_refused_by_its_name(self, members: dict[str, Any], said: str) -> None:
        assert refusal(**members) == said

    def test_a_suffix_is_a_parameter_unless_it_is_empty(self) -> None:
        assert parse(suffix="the end").parameters == {"suffix": "the end"}
        assert parse(suffix="").parameters == {}

    def test_texts_are_numbered_by_prompt_and_then_by_n(self) -> None:
        bodies = split_prompts({**HELLO, "prompt": ["a", "b"], "n": 2, "best_of": 2, "seed": 1})
        assert [body["prompt"] for body in bodies] == ["a", "a", "b", "b"]
        assert {body["seed"] for body in bodies} == {1}

    @pytest.mark.parametrize(("members", "field"), [({"prompt": ["a"] * 129}, "prompt"), ({"n": 128}, "")])
    def test_there_is_a_most_of_texts(self, members: dict[str, Any], field: str) -> None:
        if not field:
            assert len(split_prompts({**HELLO, **members})) == 128
            return
        assert refusal(**members).startswith(f"{field}: at most 128 texts")

    @given(place=st.sampled_from(list(places(WHOLE))), junk=JUNK, leave_out=st.booleans())
    def test_junk_is_an_invalid_request(self, place: tuple[Any, ...], junk: Any, leave_out: bool) -> None:
        with suppress(InvalidRequest):
            for body in split_prompts(with_junk(WHOLE, place, junk, leave_out=leave_out)):
                assert parse_completion_request(body, Headers()).messages


@pytest.mark.anyio
class TestAnswers:
    async def test_a_whole_one(self) -> None:
        answer = await ask()
        body = answer.json
        assert answer.status == 200
        assert body["id"] == answer.headers["x-generation-id"]
        assert (body["object"], body["model"], body["provider"]) == ("text_completion", "acme/chat", "One")
        assert body["choices"] == [
            {"index": 0, "text": " a time", "logprobs": None, "finish_reason": "stop", "native_finish_reason": "stop"}
        ]
        usage = body["usage"]
        assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (10, 5, 15)
        assert usage["cost"] == 0.00002

    async def test_a_streamed_one_ends_with_its_usage(self) -> None:
        answer = await ask(stream=True)
        assert said(answer) == " a time"
        assert {event["object"] for event in answer.events} == {"text_completion"}
        assert {event["id"] for event in answer.events} == {answer.headers["x-generation-id"]}
        *others, last = answer.events
        assert all("usage" not in event for event in others)
        assert last["choices"][0]["finish_reason"] == "stop"
        assert last["usage"]["cost"] == 0.00002

    @pytest.mark.parametrize("stream", [True, False])
    async def test_an_echo_says_the_prompt_first(self, stream: bool) -> None:
        answer = await ask(stream=stream, echo=True)
        assert (said(answer) if stream else answer.json["choices"][0]["text"]) == "Once upon a time"

    async def test_an_empty_stream_echoes_too(self) -> None:
        answer = await ask(Delta(finish_reason="stop"), stream=True, echo=True)
        assert said(answer) == "Once upon"

    @pytest.mark.parametrize("echo", [True, False])
    async def test_logprobs_have_the_older_shape(self, echo: bool) -> None:
        def told(token: str, *others: str) -> dict[str, Any]:
            tops = [{"token": each, "logprob": -1.5, "bytes": None} for each in (token, *others)]
            return {"content": [{"token": token, "logprob": -0.5, "bytes": None, "top_logprobs": tops}]}

        script = [
            Delta(content=" a", logprobs=told(" a", " the")),
            Delta(content=" time", logprobs=told(" time")),
            Delta(finish_reason="stop"),
        ]
        answer = await ask(*script, stream=True, logprobs=2, echo=echo)
        [first, second] = [
            choice["logprobs"] for event in answer.events for choice in event["choices"] if choice["logprobs"]
        ]
        start = len("Once upon") if echo else 0
        assert first == {
            "tokens": [" a"],
            "token_logprobs": [-0.5],
            "top_logprobs": [{" a": -1.5, " the": -1.5}],
            "text_offset": [start],
        }
        assert (second["tokens"], second["text_offset"]) == ([" time"], [start + 2])

    @pytest.mark.parametrize("stream", [True, False])
    async def test_thoughts_stand_beside_the_text_unless_they_are_not_wanted(self, stream: bool) -> None:
        def thought(answer: Answer) -> str:
            choices = [each["choices"][0] for each in (answer.events if stream else [answer.json])]
            return "".join(choice.get("reasoning", "") for choice in choices)

        script = [Delta(reasoning="Hm"), *text(" a", " time")]
        shown = await ask(*script, stream=stream)
        hidden = await ask(*script, stream=stream, reasoning={"exclude": True})
        assert (thought(shown), thought(hidden)) == ("Hm", "")

    @pytest.mark.parametrize("stream", [True, False])
    async def test_metadata_comes_on_request(self, stream: bool) -> None:
        asked = {"x-openrouter-metadata": "enabled"}
        answer = await ask(stream=stream, headers=asked)
        last = answer.events[-1] if stream else answer.json
        assert last["openrouter_metadata"]["requested"] == "acme/chat"
        plain = await ask(stream=stream)
        assert "openrouter_metadata" not in (plain.events[-1] if stream else plain.json)

    @pytest.mark.parametrize("stream", [True, False])
    async def test_the_response_cache_tells_it_again(self, stream: bool) -> None:
        world = World({"one": [text(" a", " time")]})
        cache = AnswerFromCache(InMemoryCachedAnswers(), world.ledger, lambda _: None)
        client = Client(world, find_answer=cache)
        body, on = {**HELLO, "echo": True, "stream": stream}, {"x-openrouter-cache": "true"}
        first, second = [await client.post(body, path=PATH, headers=on) for _ in range(2)]

        assert second.headers["x-openrouter-cache-status"] == "HIT"
        assert len(world.upstream.calls) == 1
        told = [said(each) if stream else each.json["choices"][0]["text"] for each in (first, second)]
        assert told == ["Once upon a time"] * 2
        last = second.events[-1] if stream else second.json
        assert (last["choices"][0]["finish_reason"], last["usage"]["cost"]) == ("stop", 0)

    @pytest.mark.parametrize("stream", [True, False])
    async def test_an_error_before_the_first_content_has_its_status(self, stream: bool) -> None:
        answer = await ask(failure(), stream=stream)
        assert answer.status == 502
        assert answer.json["error"]["message"] == "It broke"

    async def test_an_error_after_it_ends_the_stream(self) -> None:
        answer = await ask(Delta(content=" a"), failure(), stream=True)
        last = answer.events[-1]
        assert (answer.status, said(answer)) == (200, " a")
        assert last["error"]["message"] == "It broke"
        assert last["choices"][0]["finish_reason"] == "error"
        assert last["usage"]["cost"] == 0

    async def test_a_stream_that_is_kept_alive_and_fails_ends_with_an_error(self) -> None:
        client = Client(World({"one": [[0.05, failure()]]}), keepalive_s=0.01)
        answer = await client.post({**HELLO, "stream": True}, path=PATH)
        assert answer.lines[0] == ": OPENROUTER PROCESSING"
        [last] = answer.events
        assert (last["error"]["code"], last["choices"][0]["text"]) == (502, "")

    async def test_a_suffix_is_for_models_that_take_one(self) -> None:
        answer = await ask(suffix="the end")
        error = answer.json["error"]
        assert (answer.status, error["code"], error["metadata"]["error_type"]) == (400, 400, "invalid_request")
        assert error["availability"]["constraint"]["field"] == "suffix"
        assert "put what follows into the prompt" in error["message"]

        filling = endpoint("two", supported_parameters=frozenset({"suffix"}))
        client = Client(World({"two": [text(" a time")]}, endpoint(), filling))
        answer = await client.post({**HELLO, "suffix": "the end"}, path=PATH)
        assert answer.json["provider"] == "Two"

    async def test_a_refusal_is_the_text(self) -> None:
        answer = await ask(Delta(refusal="I cannot"), Delta(finish_reason="content_filter"))
        choice = answer.json["choices"][0]
        assert (choice["text"], choice["finish_reason"]) == ("I cannot", "content_filter")
